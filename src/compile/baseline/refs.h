// Stack maps: which frame slots hold externrefs while a function calls (link/blob.h, RefCall).
//
// At a call, every externref that is alive behind it is in the frame: operands below the arguments
// are settled, locals are at home, those in callee-saved registers too. Listed are
//   - the homes of locals that are not dead by the position of the call. They are null or the
//     parameter at first, and the validator lets each of them live from the function's start to one
//     place that no loop leaves backwards. So what a listed home holds has been listed at every
//     call since it was assigned: nothing comes back that somebody took for dead;
//   - the slots of operands on the stack, each from its push to its pop.
// Arguments are the callee's: parameters on the stack have their homes there. Results are operands
// before anything else is called.
//
// A function's operands are not looked through at every call, but those that are new since the last
// one; `refs_known` says how many are old.
#ifndef COMPILE_BASELINE_REFS_H
#define COMPILE_BASELINE_REFS_H

#include "compile/baseline/state.h"

// After locals have their homes.
void refs_open(Baseline *b);
// When arguments are where they are passed and off the stack; the call is emitted next.
void refs_at_call(Baseline *b) __attribute__((cold));
// What the blob's field `refs` says.
u32 refs_close(Baseline *b);

#endif
