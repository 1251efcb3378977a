// Layout of an instance's context (vmctx) and of the records that compiled code reads. The rows
// stand in vmctx.def. Compiled code keeps the context in a fixed register.
//
//   context:  fixed fields | function imports | tables | globals | type ids | function references
//
// The variable part depends only on the counts in VmShape, which the image records; compiler and
// runtime compute the same offsets from it.
#ifndef TYPES_VMCTX_H
#define TYPES_VMCTX_H

#include "types/module.h"

enum {
#define VMCTX_FIELD(name, type, text) VMCTX_INDEX_##name,
#include "types/vmctx.def"
#undef VMCTX_FIELD
    VMCTX_FIXED_COUNT
};

enum {
#define VMCTX_FIELD(name, type, text) VMCTX_##name = 8 * VMCTX_INDEX_##name,
#include "types/vmctx.def"
#undef VMCTX_FIELD
    VMCTX_FIXED_BYTES = 8 * VMCTX_FIXED_COUNT
};

typedef enum Builtin {
#define BUILTIN(name, arguments) BUILTIN_##name,
#include "types/vmctx.def"
#undef BUILTIN
    BUILTIN_COUNT
} Builtin;

// A memory. Never moves while it lives: `base` is constant, `bytes` only grows.
typedef struct VmMemory {
    u8 *base;
    u64 bytes; // accessible now, a multiple of WASM_PAGE_BYTES
} VmMemory;

// A table. `entries` may move when it grows; an entry is a VmFuncRef * (funcref) or an opaque
// pointer (externref), NULL for ref.null. An entry whose reference is still to be made points to a
// VmFuncRef with SIG_LAZY: compiled code calls TABLE_ENTRY whenever a signature does not match.
typedef struct VmTable {
    void **entries;
    u64 count;
} VmTable;

// A function reference; the value of a funcref is the address of one, or 0.
typedef struct VmFuncRef {
    void *code;     // entry by the internal convention (docs/abi.md)
    void *vmctx;    // its context
    u32 sig;        // signature id, types/valtype.h
    u32 type_index; // in its module, or of the host function's own table
    u64 func_index; // in its module, for names
} VmFuncRef;

// An imported function as its importer calls it.
typedef struct VmImport {
    void *code;
    void *vmctx;
    VmFuncRef *ref; // value of ref.func for it
    u64 reserved;
} VmImport;

// A store's execution state, shared by its instances.
typedef struct VmExec {
    void *host_sp;     // stack pointer to run host code on: of the newest entry
    void *wasm_sp;     // where the next entry starts to use the guest stack
    void *exit_fp;     // frame pointer of the newest exit stub or builtin call ...
    void *stack_limit; // lowest usable address of the guest stack
} VmExec;

enum {
    VM_MEMORY_BASE = offsetof(VmMemory, base),
    VM_MEMORY_BYTES = offsetof(VmMemory, bytes),
    VM_TABLE_ENTRIES = offsetof(VmTable, entries),
    VM_TABLE_COUNT = offsetof(VmTable, count),
    VM_FUNCREF_CODE = offsetof(VmFuncRef, code),
    VM_FUNCREF_VMCTX = offsetof(VmFuncRef, vmctx),
    VM_FUNCREF_SIG = offsetof(VmFuncRef, sig),
    VM_IMPORT_CODE = offsetof(VmImport, code),
    VM_IMPORT_VMCTX = offsetof(VmImport, vmctx),
    VM_IMPORT_REF = offsetof(VmImport, ref),
    VM_EXEC_HOST_SP = offsetof(VmExec, host_sp),
    VM_EXEC_WASM_SP = offsetof(VmExec, wasm_sp),
    VM_EXEC_EXIT_FP = offsetof(VmExec, exit_fp),
    VM_EXEC_STACK_LIMIT = offsetof(VmExec, stack_limit),
};
_Static_assert(sizeof(VmFuncRef) == 32 && sizeof(VmImport) == 32, "known to compiled code");

// Counts that determine the variable part.
typedef struct VmShape {
    u32 func_import_count;
    u32 table_count;  // a pointer to a VmTable each
    u32 global_count; // 16 bytes each: the value, or for imports a pointer to the value
    u32 type_count;   // a u32 each: signature ids (of large types; the others too)
    u32 funcref_count; // escaping defined functions, in index order; compiled code asks the runtime
} VmShape;

// Offsets of element `i` of each part, and the size of all, in bytes. Below 2^31 for every module
// within the limits.
u64 vmctx_import_at(const VmShape *shape, u32 i);
u64 vmctx_table_at(const VmShape *shape, u32 i);
u64 vmctx_global_at(const VmShape *shape, u32 i);
u64 vmctx_type_at(const VmShape *shape, u32 i);
u64 vmctx_funcref_at(const VmShape *shape, u32 i);
u64 vmctx_bytes(const VmShape *shape);

// Every memory is a reservation of this size: 4 GiB that an index reaches, and a guard that the
// displacement of an access may reach as well. Compiled code checks explicitly from
// VM_MAX_DISPLACEMENT on.
#define VM_MEMORY_GUARD_BYTES (32ull << 20)
#define VM_MEMORY_RESERVE_BYTES ((4ull << 30) + VM_MEMORY_GUARD_BYTES)
#define VM_MAX_DISPLACEMENT (VM_MEMORY_GUARD_BYTES - 64)

// Below a guest stack lies a guard of this size. Frames from VM_STACK_PROBE_BYTES on compare with
// stack_limit first.
#define VM_STACK_GUARD_BYTES (256u << 10)
#define VM_STACK_PROBE_BYTES (32u << 10)

#endif
