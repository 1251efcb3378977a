// One row per opcode: which function emits it, and with what.
#ifndef COMPILE_BASELINE_OPS_H
#define COMPILE_BASELINE_OPS_H

#include "compile/baseline/control.h"

typedef struct OpRow OpRow;
typedef void OpEmit(Baseline *b, const OpRow *row);

struct OpRow {
    OpEmit *emit;
    u32 inst;     // target instruction, group or condition: what `emit` takes it for
    u8 type;      // ValType of the operation
    u8 result;    // ValType of its result
    u8 width;     // memory access: bytes
    u8 variant;   // what else `emit` tells apart
};

// Rows of the target's opcodes; those without `emit` are handled by the walk.
extern const OpRow OP_ROWS[OP_COUNT];

// Immediates of the instruction that pc stands in; the validator has checked them.
u32 next_u32(Baseline *b);
i32 next_i32(Baseline *b);
i64 next_i64(Baseline *b);

// Register that the next instruction, a local.set or local.tee, wants its operand in: its local is
// pinned there. NO_REG: none. The register may be written at once; operands already popped from the
// stack that are this local must be read before or by the writing instruction.
u8 destination_hint(Baseline *b);
// A comparison has set the flags: either the next instruction takes them, or the result is pushed.
void finish_compare(Baseline *b, u8 condition);
// Target: pushes the condition as an i32.
void masm_push_condition(Baseline *b, u8 condition);

// Emitters of other files, for the table of rows.
OpEmit emit_select, emit_table_get, emit_table_set, emit_table_size, emit_memory_size,
    emit_ref_func, emit_ref_is_null, emit_global_get, emit_global_set;

#endif
