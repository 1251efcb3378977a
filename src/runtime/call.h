// Calls from the host into a store's functions.
#ifndef RUNTIME_CALL_H
#define RUNTIME_CALL_H

#include "runtime/store.h"

// imago_func_call for a function of this store and arguments that are known to belong to it.
ImagoStatus runtime_call(ImagoStore *store, const VmFuncRef *ref, ImagoValue *values, Error *err);

// Does what can fail in a first call of the function: afterwards a call of it, with no reference
// among its arguments, cannot be IMAGO_FAIL. ERR_NO_MEMORY, ERR_OS, ERR_IMAGE.
bool runtime_call_prepare(ImagoStore *store, const VmFuncRef *ref, Error *err);

#endif
