// A store owns everything that its instances see: memories, tables, globals, host functions, the
// guest stack, the record of the last trap. One thread at a time; nothing in it is locked.
#ifndef RUNTIME_STORE_H
#define RUNTIME_STORE_H

#include "base/vec.h"
#include "runtime/engine.h"
#include "runtime/image_map.h"
#include "runtime/trap.h"
#include "types/vmctx.h"

enum { STORE_CALL_TARGETS = 32 };

// What it takes to call a function of a guest.
typedef struct EntryPoint {
    void *vmctx;      // its context
    const void *code; // by the internal convention
    const void *stub; // the image's entry stub for its type; NULL: a host function
} EntryPoint;

// A function that was called before and needs no further check.
typedef struct CallTarget {
    const VmFuncRef *ref; // NULL: free
    EntryPoint entry;
} CallTarget;

// An image with an instance in the store.
typedef struct StoreImage {
    const u8 *text, *text_end;
    const ImagoImage *image;
} StoreImage;

struct HostFunc;

struct ImagoStore {
    VmExec exec; // first: contexts point here
    VmExec idle; // what exec is when no call runs
    ImagoStatus ended;  // how the last call did
    ImagoStatus raised; // what a host function wants its caller to end with (trap.h)
    CallTarget targets[STORE_CALL_TARGETS];
    ImagoEngine *engine;
    void *user;
    u32 max_memory_pages, max_table_entries;
    usize stack_bytes;
    u8 *stack; // mapping: guard, then stack_bytes; NULL before the first call
    VEC(StoreImage) images; // sorted by text
    // Owned, newest first.
    ImagoInstance *instances;
    ImagoMemory *memories;
    ImagoTable *tables;
    struct OwnGlobal *globals;
    struct HostFunc *host_funcs;
    u8 host_vmctx[VMCTX_FIXED_BYTES]; // what a host function that the host calls sees as its caller
    int exit_code, raised_code; // of `ended` and `raised`
    char raised_message[TRAP_MESSAGE_BYTES];
    TrapRecord trap;
    bool has_lost; // runtime_store_lose
};

static inline ImagoStore *store_of_exec(VmExec *exec) { return (ImagoStore *)exec; }

// The fields of a context (types/vmctx.h), which is a bare array to compiled code.
static inline void *vmctx_get(const void *vmctx, u32 offset) {
    void *value;
    memcpy(&value, (const u8 *)vmctx + offset, sizeof value);
    return value;
}
static inline void vmctx_set(void *vmctx, u32 offset, const void *value) {
    memcpy((u8 *)vmctx + offset, &value, sizeof value);
}
static inline ImagoStore *store_of_vmctx(const void *vmctx) {
    return store_of_exec(vmctx_get(vmctx, VMCTX_EXEC));
}
// NULL: a host function of a linker, which serves all stores that are linked with it.
static inline ImagoStore *store_of_func(const ImagoFunc *func) {
    return store_of_vmctx(((const VmFuncRef *)func)->vmctx);
}

// Maps the guest stack if there is none yet. ERR_NO_MEMORY.
bool runtime_store_make_stack(ImagoStore *store, Error *err);

// Memory of the store does not hold what it should: no guest code of the store runs from now on.
// C code that was called by it goes on, and when it returns, its activation ends with
// TRAP_IMAGE_CHANGED; so does each later call, which finds no room on the guest stack. Safe in a
// signal handler that interrupted C code.
void runtime_store_lose(ImagoStore *store);

// Makes room in store->images for one more, so that the addition below cannot fail.
bool runtime_store_reserve_image(ImagoStore *store, Error *err);
// Adds an image unless it is there.
void runtime_store_add_image(ImagoStore *store, const ImagoImage *image);

// The image whose text contains pc, or NULL. O(log images), safe in a signal handler.
const ImagoImage *runtime_store_image_at(const ImagoStore *store, const u8 *pc);
// True if the address lies in the file of one of the store's images. Safe in a signal handler.
bool runtime_store_maps(const ImagoStore *store, const u8 *address);

// True if `address` is in the guard below the guest stack, or in the stack itself.
static inline bool store_guards(const ImagoStore *store, u64 address) {
    return store->stack != NULL && address - (u64)(uintptr_t)store->stack < VM_STACK_GUARD_BYTES;
}
static inline bool store_has_frame(const ImagoStore *store, u64 fp) {
    const u64 low = (u64)(uintptr_t)store->exec.stack_limit;
    return fp % 8 == 0 && fp >= low && fp - low <= store->stack_bytes - 16;
}

#endif
