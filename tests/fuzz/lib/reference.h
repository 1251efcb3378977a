// Another engine, to compare with: the shared library of PyPI's `wasmtime`, loaded at run time.
// Declares what it uses of that library's C interface (version 50; checked by use in a self-test).
#ifndef FUZZ_LIB_REFERENCE_H
#define FUZZ_LIB_REFERENCE_H

#include "imago/imago.h"
#include "types/trap.h"

enum { REFERENCE_MAX_VALUES = 64 };

typedef struct Reference Reference;                 // the engine: one a process
typedef struct ReferenceInstance ReferenceInstance; // a store with one instance in it

typedef enum ReferenceStatus { REFERENCE_OK, REFERENCE_TRAP, REFERENCE_FAIL } ReferenceStatus;

// Computes the results of a host function: `values` holds the arguments.
typedef void ReferenceHost(const ImagoFuncType *type, ImagoValue *values);

// A function, or a global of a number type.
typedef struct ReferenceImport {
    ImagoExternType type; // borrowed while the instance lives
    ImagoValue value;     // of a global
} ReferenceImport;

// NULL: no library at the path, or one that lacks a function (*why is set).
Reference *reference_open(const char *path, bool optimizes, const char **why);

// Compiles and instantiates with these for the imports, in their order. FAIL: *why is the engine's
// message (static, until the next call). TRAP: *trap, and *out is NULL.
ReferenceStatus reference_instantiate(Reference *reference, const uint8_t *bytes, size_t count,
                                      const ReferenceImport *imports, uint32_t import_count,
                                      ReferenceHost *host, ReferenceInstance **out, TrapKind *trap,
                                      const char **why);
void reference_close(ReferenceInstance *instance);

// `values` as for imago_func_call; references are null or not.
ReferenceStatus reference_call(ReferenceInstance *instance, const char *name, size_t name_bytes,
                               const ImagoFuncType *type, ImagoValue *values, TrapKind *trap,
                               const char **why);
// Number types only. false: there is none of that name.
bool reference_global_get(ReferenceInstance *instance, const char *name, size_t name_bytes,
                          ImagoValue *value);
bool reference_global_set_i32(ReferenceInstance *instance, const char *name, int32_t value);
const uint8_t *reference_memory(ReferenceInstance *instance, const char *name, size_t name_bytes,
                                size_t *count);

#endif
