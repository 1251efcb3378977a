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

// A frame of an image's function or stub, at a call.
//   text_offset  of the call's last byte
//   fp           its frame pointer, if it has one: anything may be there
// False: to be shown no more.
typedef bool (*FrameVisitor)(void *env, const ImagoImage *image, u32 text_offset, u64 fp);
// Those that runtime_backtrace_exit notes, and stubs between them.
void runtime_frames_visit(ImagoStore *store, FrameVisitor visit, void *env);

#endif
