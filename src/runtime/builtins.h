// C functions that compiled code calls (types/vmctx.def, "BUILTIN"; arch_builtin_entry). They run
// on the host's stack with the rest of the thread's state as the host left it.
#ifndef RUNTIME_BUILTINS_H
#define RUNTIME_BUILTINS_H

#include "types/vmctx.h"

// vmctx of the caller and up to four arguments; i32 arguments have their upper half zero, and so
// has an i32 result. Does not return when it traps.
typedef u64 (*RuntimeBuiltin)(void *vmctx, u64 a, u64 b, u64 c, u64 d);

extern const RuntimeBuiltin RUNTIME_BUILTINS[BUILTIN_COUNT];

#endif
