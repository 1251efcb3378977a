// Baseline compiler: one forward walk over a function, linear in time and memory.
//
// The operand stack is kept abstract: an entry is a constant, a local, a register or a frame slot,
// and nothing is emitted before an operation needs it. Registers also cache locals, each of which
// has a home in the frame; a dirty register is newer than the home. At a branch the first edge to a
// label fixes which locals its code finds in which registers, later edges conform to that. At a
// loop the validator's facts say which locals are worth a register in it: those are pinned.
#ifndef COMPILE_BASELINE_BASELINE_H
#define COMPILE_BASELINE_BASELINE_H

#include "compile/compiler.h"

extern const Compiler COMPILER_baseline;

#endif
