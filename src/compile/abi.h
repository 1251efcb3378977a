// Where the calling convention passes the values of a signature (docs/abi.md), worked out once for
// every type of a module.
#ifndef COMPILE_ABI_H
#define COMPILE_ABI_H

#include "base/arena.h"
#include "types/valtype.h"

enum { ABI_MEMORY = 0xFF };

// A register (general ones from 0, vector ones from 16), or ABI_MEMORY and the offset in the memory
// area: parameters above the return address, results where the hidden pointer points.
typedef struct AbiPlace {
    u32 reg : 8;
    u32 offset : 24;
} AbiPlace;

typedef struct AbiLayout {
    const AbiPlace *params, *results;
    u32 param_bytes;  // of the parameters in memory; multiples of 16
    u32 result_bytes; // of the results in memory; if any, a hidden pointer is the first parameter
} AbiLayout;

// A target's registers, in order of their use.
typedef struct AbiRegs {
    u8 param_general[8], param_vector[8], result_general[8], result_vector[8];
    u8 param_general_count, param_vector_count, result_general_count, result_vector_count;
} AbiRegs;

extern const AbiRegs ABI_REGS;

// The layouts of `count` types, in the arena. NULL: out of memory. O(types and their values).
const AbiLayout *abi_layouts(Arena *arena, const FuncType *types, u32 count);

#endif
