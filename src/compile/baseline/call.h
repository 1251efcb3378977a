// Calls and returns.
#ifndef COMPILE_BASELINE_CALL_H
#define COMPILE_BASELINE_CALL_H

#include "compile/baseline/merge.h"

// Moves the function's results from the stack's top to where the caller expects them.
void return_values(Baseline *b);

// Calls a builtin with the top `count` operands, behind *prefix if that is not NULL; pushes its
// result unless the type is VAL_NONE.
void call_builtin(Baseline *b, Builtin builtin, const u64 *prefix, u32 count, u8 result);

#endif
