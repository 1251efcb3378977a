// Immediates of the instruction that b->pc stands in. The validator has read these bytes before: no
// bounds to check.
#ifndef COMPILE_BASELINE_IMM_H
#define COMPILE_BASELINE_IMM_H

#include "compile/baseline/state.h"

// Reads at *p.
u32 imm_u32(const u8 **p);
i64 next_signed_long(Baseline *b);

static inline u32 next_u32(Baseline *b) {
    return LIKELY(*b->pc < 0x80) ? *b->pc++ : imm_u32(&b->pc);
}
static inline i64 next_signed(Baseline *b) {
    return LIKELY(*b->pc < 0x80) ? (i64)(i8)(*b->pc++ << 1) >> 1 : next_signed_long(b);
}
static inline i32 next_i32(Baseline *b) { return (i32)next_signed(b); }
static inline i64 next_i64(Baseline *b) { return next_signed(b); }
static inline i32 next_block_type(Baseline *b) { return (i32)next_signed(b); }

static inline void skip_bytes(Baseline *b, u32 count) { b->pc += count; }
static inline void skip_leb(Baseline *b) {
    while (*b->pc++ >= 0x80) {
    }
}
// Passes over an instruction that cannot be reached; returns its opcode.
Opcode skip_instruction(Baseline *b);

#endif
