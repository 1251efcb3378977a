// Instances. One allocation holds the record, the handles of its globals, which passive segments
// were dropped, which references were made, and the context that compiled code reads.
//
//   ImagoInstance | ImagoGlobal[global_count] | bit sets | context
//
// The context ends in the function references: they are made one by one when they are used, and
// the memory of others is never touched.
#ifndef RUNTIME_INSTANCE_H
#define RUNTIME_INSTANCE_H

#include "runtime/global.h"
#include "runtime/linker.h"
#include "runtime/memory.h"
#include "runtime/store.h"
#include "runtime/table.h"

struct ImagoInstance {
    ImagoStore *store;
    const ImagoImage *image;
    ImagoLinker *linker; // held
    ImagoInstance *next; // in store->instances
    bool has_snapshot; // of the image, if there is one, in memory 0
    ImagoGlobal *globals; // of the whole index space
    u8 *vmctx;
    u8 *dropped_datas, *dropped_elems; // bit sets; active segments are not noted here
    u8 *made_refs;                     // bit set of slots
};

// An empty instance: its context has the fixed fields that are the same for all.
// ERR_NO_MEMORY.
//   linked  what it will be linked with; its linker is held until the instance is freed
ImagoInstance *runtime_instance_open(ImagoStore *store, const ImagoLinked *linked, Error *err);
// Frees what it defined, and itself. Only before its store owns it.
void runtime_instance_close(ImagoInstance *instance);
// The store owns it and what it defined from now on; store->images has room.
void runtime_instance_adopt(ImagoInstance *instance);
// Frees one that was adopted, but not what it defined.
void runtime_instance_end(ImagoInstance *instance);

static inline VmImport *instance_import(const ImagoInstance *instance, u32 func) {
    return (VmImport *)(void *)(instance->vmctx +
                                vmctx_import_at(&instance->image->view.shape, func));
}
static inline VmFuncRef *instance_funcref(const ImagoInstance *instance, u32 slot) {
    return (VmFuncRef *)(void *)(instance->vmctx +
                                 vmctx_funcref_at(&instance->image->view.shape, slot));
}
// NULL for a frozen table. i below the count.
static inline ImagoTable *instance_table(const ImagoInstance *instance, u32 i) {
    return vmctx_get(instance->vmctx, (u32)vmctx_table_at(&instance->image->view.shape, i));
}
// NULL if the instance has no memory.
static inline ImagoMemory *instance_memory(const ImagoInstance *instance) {
    return vmctx_get(instance->vmctx, VMCTX_MEMORY0);
}
static inline bool bit_is_set(const u8 *bits, u32 i) { return bits[i / 8] >> i % 8 & 1; }
static inline void bit_set(u8 *bits, u32 i) { bits[i / 8] |= (u8)(1u << i % 8); }

// Reference of any function of the index space, made now if it was not before; NULL if it cannot
// have one.
VmFuncRef *runtime_instance_func(const ImagoInstance *instance, u32 func);

// Handle of an item of an index space. False: there is no such item.
bool runtime_instance_item(ImagoInstance *instance, ExternKind kind, u32 index, ImagoExtern *item);

// Value of a constant expression: 16 bytes, clean.
ImagoValue runtime_instance_const(const ImagoInstance *instance, const ConstExpr *expr);

// memory.init and table.init of any segment, dropped or not, active ones at their place included.
// False: out of bounds, nothing written.
//   from, count  in the segment
bool runtime_instance_init_memory(ImagoInstance *instance, u32 segment, u64 to, u64 from,
                                  u64 count);
bool runtime_instance_init_table(ImagoInstance *instance, u32 segment, ImagoTable *table, u64 to,
                                 u64 from, u64 count);

#endif
