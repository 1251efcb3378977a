// One row per opcode: which function emits it, and with what.
#ifndef COMPILE_BASELINE_OPS_H
#define COMPILE_BASELINE_OPS_H

#include "compile/baseline/control.h"
#include "compile/baseline/imm.h"

typedef struct OpRow OpRow;
typedef void OpEmit(Baseline *b, const OpRow *row);

struct OpRow {
    OpEmit *emit;
    u32 inst;     // target instruction, group or condition: what `emit` takes it for
    u8 type;      // ValType of the operation
    u8 result;    // ValType of its result
    u8 width;     // memory access: bytes; builtin: operands
    u8 variant;   // what else `emit` tells apart
};

// Of every opcode that is compiled: shared_rows.def and the target's own.
extern const OpRow OP_ROWS[OP_COUNT];

// local.get.
static inline void push_local(Baseline *b, u32 index) {
    LocalState *local = &b->locals.at[index];
    const u8 reg = local->reg;
    if (reg != NO_REG && (b->regs.pinned & BIT(reg)) == 0 && local_is_dead(b, index)) {
        reg_free(b, reg); // its last use: the register becomes the operand's own
        push_reg(b, local->type, reg);
        return;
    }
    local->aliases++;
    const u8 type = local->type;
    Value *entry = push_new(b);
    entry->kind = VALUE_LOCAL;
    entry->type = type;
    entry->index = index;
}

// Register that the next instruction, a local.set or local.tee, wants its operand in: its local is
// pinned there. NO_REG: none. The register may be written at once; operands already popped from the
// stack that are this local must be read before or by the writing instruction.
u8 destination_hint_of(Baseline *b);
static inline u8 destination_hint(Baseline *b) {
    const u8 next = *b->pc;
    return next == BYTE_LOCAL_SET || next == BYTE_LOCAL_TEE ? destination_hint_of(b) : NO_REG;
}
// A comparison has set the flags: either the next instruction takes them, or the result is pushed.
void finish_compare(Baseline *b, u8 condition);
// Target: pushes the condition as an i32.
void masm_push_condition(Baseline *b, u8 condition);

// How a builtin gets its immediates: as one constant in front of its operands, or not.
enum {
    PASS_NONE_OF_1,
    PASS_NONE_OF_2,
    PASS_ONE,
    PASS_FIRST_OF_2,
    PASS_PAIR,           // first << 32 | second
    PASS_PAIR_EXCHANGED, // second << 32 | first
};

OpEmit emit_unreachable, emit_nop, emit_block, emit_else, emit_end, emit_br, emit_br_if,
    emit_br_table, emit_return, emit_call, emit_call_indirect, emit_builtin;
OpEmit emit_drop, emit_select, emit_select_t, emit_local_set, emit_local_tee;
OpEmit emit_i32_const, emit_i64_const, emit_f32_const, emit_f64_const, emit_ref_null;
// The target's.
OpEmit emit_table_get, emit_table_set, emit_table_size, emit_memory_size, emit_ref_func,
    emit_ref_is_null, emit_global_get, emit_global_set;

#endif
