// Structured control: blocks, branches, and code that cannot be reached.
#ifndef COMPILE_BASELINE_CONTROL_H
#define COMPILE_BASELINE_CONTROL_H

#include "compile/baseline/call.h"

void flow_open_func(Baseline *b);
void flow_open(Baseline *b, ControlKind kind, i32 block_type);
void flow_else(Baseline *b);
// False when the function's own block has ended.
bool flow_end(Baseline *b);

void branch(Baseline *b, u32 depth);
void branch_if(Baseline *b, u32 depth);
// `targets`: the bytes of the vector of labels and the default, LEB128.
void branch_table(Baseline *b);
void flow_return(Baseline *b);
// Nothing up to the end of the present block can be reached.
void flow_dead(Baseline *b);
// The condition of br_if, if and select: of a pending comparison, or of the top operand.
u8 take_condition(Baseline *b);

#endif
