// Walks the guest frames of a store by frame pointers and notes them in its trap record. Frames of
// host functions between them are stepped over through the list of activations (arch.h).
//
// Every frame pointer is checked to lie in the guest stack, above the one before, so a walk ends
// whatever the frames hold. No allocation; safe in a signal handler.
#ifndef RUNTIME_BACKTRACE_H
#define RUNTIME_BACKTRACE_H

#include "runtime/store.h"

// Where guest code was interrupted by a fault.
typedef struct FaultPlace {
    const u8 *pc;
    u64 sp, fp;
    const void *vmctx;
} FaultPlace;

// Frames from the faulting instruction outward.
void runtime_backtrace_fault(ImagoStore *store, const FaultPlace *place);
// Frames from the newest exit to C (exit stub or builtin) outward; none if there is no activation.
void runtime_backtrace_exit(ImagoStore *store);

#endif
