// Shared by the x86-64 parts of the baseline compiler.
#ifndef COMPILE_BASELINE_X64_H
#define COMPILE_BASELINE_X64_H

#include "compile/baseline/state.h"
#include "isa/x64/encode.h"

// Conditions beyond X64Cond: equality of floats is two flags. xor 1 inverts.
enum { COND_FLOAT_EQ = 16, COND_FLOAT_NE = 17 };

static inline bool x64_is_wide(u8 type) { return type != VAL_I32 && type != VAL_F32; }
// As instructions number it.
static inline u8 x64_number(u8 reg) { return reg & 15; }

// Moves of each type from and to memory.
typedef struct X64TypeInsts {
    X64Op load, store;
} X64TypeInsts;
extern const X64TypeInsts X64_TYPE_INSTS[VAL_COUNT];

// Label of a trap at the present instruction, out of line.
Label x64_trap(Baseline *b, TrapKind kind);

#endif
