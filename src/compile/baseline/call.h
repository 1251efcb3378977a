// Calls and returns.
#ifndef COMPILE_BASELINE_CALL_H
#define COMPILE_BASELINE_CALL_H

#include "compile/baseline/merge.h"

// Moves the function's results from the stack's top to where the caller expects them.
void return_values(Baseline *b);

#endif
