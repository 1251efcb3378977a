// Values and types between the public header and the inside. Both number value types alike and hold
// a value in 16 bytes; a funcref is the address of a VmFuncRef, which the public header calls
// ImagoFunc.
#ifndef RUNTIME_VALUE_H
#define RUNTIME_VALUE_H

#include "base/error.h"
#include "imago/imago.h"
#include "types/module.h"
#include "types/vmctx.h"

// Zeroes the bytes that a value of the type does not use.
void runtime_value_clean(ImagoValue *value, ValType type);
// Writes a clean copy to the 16 bytes at `to`.
void runtime_value_store(void *to, ValType type, const ImagoValue *value);
// False: a function of another store, which must not get into this one.
bool runtime_value_belongs(const ImagoStore *store, ValType type, const ImagoValue *value);
// True if the store may have the function: it is the store's own, or of a linker that one of its
// instances is linked with. O(instances) for the latter.
bool runtime_func_serves(const ImagoStore *store, const ImagoFunc *func);

// Type of a function, borrowed as long as it lives.
FuncType runtime_func_type(const VmFuncRef *ref);

bool runtime_type_is(const FuncType *type, const ImagoFuncType *other);
ImagoFuncType runtime_public_type(const FuncType *type);

// "(i32 i64) -> (f32)", cut to fit. Returns `out`.
const char *runtime_type_text(const FuncType *type, char *out, usize out_bytes);

#endif
