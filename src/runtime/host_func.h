// Host functions: C functions with a context of their own, so that guest code calls them as it
// calls everything else (docs/abi.md, "Stubs in the image"). That context names a store (EXEC) only
// if the function belongs to one; those of linkers serve all stores.
#ifndef RUNTIME_HOST_FUNC_H
#define RUNTIME_HOST_FUNC_H

#include "runtime/arch_offsets.h"
#include "runtime/store.h"

typedef struct HostFunc {
    u8 vmctx[VMCTX_FIXED_BYTES];
    // For arch_host_stub: room for the greater of parameters and results, 16 bytes each; and the
    // bytes of stack parameters, which it pops.
    u32 values_bytes, pop_bytes;
    VmFuncRef ref;
    FuncType type; // types owned, behind the record
    const ImagoLinker *linker; // its owner, NULL: a store
    struct HostFunc *next;     // in the list of its owner
    u8 types[];
} HostFunc;

// Registers as arch_host_stub spills them; results go to the same places.
typedef struct HostSpill {
    u64 ints[6];
    u64 floats[8][2];
} HostSpill;

_Static_assert(ARCH_HOST_VALUES_BYTES == offsetof(HostFunc, values_bytes), "arch_offsets.h");
_Static_assert(ARCH_HOST_POP_BYTES == offsetof(HostFunc, pop_bytes), "arch_offsets.h");
_Static_assert(ARCH_SPILL_BYTES == sizeof(HostSpill), "arch_offsets.h");
_Static_assert(ARCH_SPILL_FLOATS == offsetof(HostSpill, floats), "arch_offsets.h");

// A host function without owner or store. type is copied; env is borrowed as long as it lives.
// ERR_NO_MEMORY, ERR_LIMIT, ERR_USAGE: no such value type.
HostFunc *runtime_host_func_open(ImagoEngine *engine, const ImagoFuncType *type,
                                 ImagoCallback callback, void *env, Error *err);
// The same function once more.
HostFunc *runtime_host_func_copy(ImagoEngine *engine, const VmFuncRef *ref, Error *err);
// Frees a list of them.
void runtime_host_funcs_free(HostFunc *first);

static inline HostFunc *host_func_of_vmctx(void *vmctx) { return (HostFunc *)vmctx; }

// The C part of arch_host_stub: unpacks the parameters, calls the function, packs its results.
// Returns its status; nothing is packed unless that is 0.
//   host    the function's context
//   caller  the calling instance's
//   values  room for host->values_bytes
//   stack   first stack parameter
int runtime_host_call(HostFunc *host, void *caller, ImagoValue *values, HostSpill *spill,
                      const u8 *stack);

// Calls it from the host: arguments and results in `values`.
ImagoStatus runtime_host_call_direct(ImagoStore *store, HostFunc *host, ImagoValue *values);

#endif
