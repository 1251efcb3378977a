// Structured control: blocks, branches, and code that cannot be reached.
#ifndef COMPILE_BASELINE_CONTROL_H
#define COMPILE_BASELINE_CONTROL_H

#include "compile/baseline/call.h"

// Opens the function's own block.
void flow_open_func(Baseline *b);
// The condition of br_if, if and select: of a pending comparison, or of the top operand.
u8 take_condition(Baseline *b);

#endif
