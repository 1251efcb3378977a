// What the target-independent parts of the baseline compiler need from a target: moves between
// registers, frame and constants, and a few branches. None changes the flags; scratch registers of
// the target (never allocated) may be used inside.
#ifndef COMPILE_BASELINE_MASM_H
#define COMPILE_BASELINE_MASM_H

#include "compile/baseline/state.h"

typedef struct MasmTarget {
    const CodeTarget *code;
    u32 allocatable;        // registers for values, without ...
    u32 callee_saved;       // ... these, which cost a save in the prologue
    u32 pinnable;           // registers for locals in loops
    u32 pinned_max_general, pinned_max_float;
} MasmTarget;

extern const MasmTarget MASM_TARGET;

void masm_move(Baseline *b, u8 type, u8 to, u8 from);
void masm_swap(Baseline *b, u8 x, u8 y); // general registers
void masm_load(Baseline *b, u8 type, u8 to, i32 frame_offset);
void masm_store(Baseline *b, u8 type, i32 frame_offset, u8 from);
void masm_const(Baseline *b, u8 type, u8 to, u64 bits);
// To frame memory, by way of scratch registers.
void masm_store_const(Baseline *b, u8 type, i32 frame_offset, u64 bits);
void masm_copy(Baseline *b, u8 type, i32 to_offset, i32 from_offset);
// The scratch register of a class: free between two masm calls.
u8 masm_scratch(bool is_float);
void masm_jump(Baseline *b, Label label);
// Entry and exit of the function; bound: no frame offset will lie below -bound.
void masm_prologue(Baseline *b, u32 bound);
void masm_epilogue(Baseline *b);

// ---- Conditions. A condition is a target's number; xor 1 inverts it.
// Tests an i32 and returns the condition "is not zero".
u8 masm_test(Baseline *b, Value *value);
// Jumps to the label if the condition holds.
void masm_branch(Baseline *b, u8 condition, Label label);
// Jumps to entry `index` of a table of `count` labels, or to `otherwise` if index >= count. The
// table's entries are the last `count` of b->table_labels. Overwrites the index's register.
void masm_jump_table(Baseline *b, u8 index, u32 count, Label otherwise);
void masm_unreachable(Baseline *b);

// ---- Calls. The stack pointer is moved by multiples of 16.
void masm_move_sp(Baseline *b, i32 bytes);
// Outgoing stack argument, and the address of outgoing memory.
void masm_store_arg(Baseline *b, i32 sp_offset, const Value *value);
void masm_arg_address(Baseline *b, u8 to, i32 sp_offset);
// From outgoing memory to a frame slot.
void masm_copy_result(Baseline *b, u8 type, i32 frame_offset, i32 sp_offset);
// Incoming pointer to the memory results, and stores through it.
void masm_store_result(Baseline *b, i32 result_offset, const Value *value);
void masm_call_func(Baseline *b, u32 func);
void masm_call_import(Baseline *b, u32 import);
void masm_call_builtin(Baseline *b, Builtin builtin);
// Checks the table entry `index` against a type and leaves what masm_call_indirect needs in a
// register that no parameter uses (locked, returned).
u8 masm_check_indirect(Baseline *b, u32 table, u32 type, Value *index);
void masm_call_indirect(Baseline *b, u32 table, u8 target);
// Writes what masm_check_indirect left for the end of the function.
void masm_misses(Baseline *b);
// Records an instruction at the present offset as a site.
static inline void record_site(Baseline *b, u8 kind) {
    if (UNLIKELY(!vec_push(&b->out->sites, site_of(code_offset(&b->code), b->op_offset, kind)))) {
        out_of_memory(b);
    }
    b->call_count += kind == SITE_CALL;
}

#endif
