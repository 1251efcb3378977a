// Calls from the host into a store's functions.
#ifndef RUNTIME_CALL_H
#define RUNTIME_CALL_H

#include "runtime/store.h"

// imago_func_call for a function of this store and arguments that are known to belong to it.
ImagoStatus runtime_call(ImagoStore *store, const VmFuncRef *ref, ImagoValue *values, Error *err);

#endif
