// Calls, returns and the placing of arguments and results (docs/abi.md).
#ifndef COMPILE_BASELINE_CALL_H
#define COMPILE_BASELINE_CALL_H

#include "compile/baseline/merge.h"

// Walks the values of a signature: where each one is passed.
typedef struct AbiCursor {
    const u8 *general, *floats;
    u32 general_left, float_left;
    u32 memory_bytes; // of the values in memory so far
} AbiCursor;

AbiCursor abi_params(const FuncType *type);
AbiCursor abi_results(void);
// The next value's register, or NO_REG and its offset in the memory area.
u8 abi_next(AbiCursor *cursor, u8 type, u32 *memory_offset);
// Size of the stack parameters, and of the results in memory; multiples of 16.
u32 abi_param_bytes(const FuncType *type);
u32 abi_result_bytes(const FuncType *type);

// Moves the function's results from the stack's top to where the caller expects them.
void return_values(Baseline *b);

#endif
