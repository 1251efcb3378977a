// Guest stacks: a guard of VM_STACK_GUARD_BYTES, then the stack, in one mapping. The engine keeps
// those of stores that ended for others.
#ifndef RUNTIME_STACK_H
#define RUNTIME_STACK_H

#include "runtime/engine.h"

// The mapping of a stack of `bytes` (whole pages), all zeros. NULL: ERR_NO_MEMORY. Thread-safe.
u8 *runtime_stack_open(ImagoEngine *engine, usize bytes, Error *err);
// Gives it back, with its contents dropped. map may be NULL.
void runtime_stack_close(ImagoEngine *engine, u8 *map, usize bytes);
// Frees what the engine keeps.
void runtime_stack_forget(ImagoEngine *engine);

#endif
