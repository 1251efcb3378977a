// Bounds are checked in 64 bits before anything is written (WebAssembly 2.0, 4.4.6 and 4.4.7: a
// bulk instruction that traps has no effect).
#include "runtime/builtins.h"

#include "base/check.h"
#include "runtime/arch.h"
#include "runtime/instance.h"
#include "runtime/signals.h"

static ImagoInstance *instance_of(void *vmctx) { return vmctx_get(vmctx, VMCTX_INSTANCE); }

_Noreturn static void trap(void *vmctx, TrapKind kind) {
    runtime_trap_raise(store_of_vmctx(vmctx), kind);
}

// Memory pages and segments may be pages of the image's file; while C code touches them, a SIGBUS
// is the guest's (signals.h).
static void touch_begin(void) {
    runtime_thread.reads_image = true;
    __asm__ volatile("" ::: "memory");
}
static void touch_end(void) {
    __asm__ volatile("" ::: "memory");
    runtime_thread.reads_image = false;
}

// ---- Memory -------------------------------------------------------------------------------------

static u64 memory_grow(void *vmctx, u64 pages, u64 b, u64 c, u64 d) {
    (void)b, (void)c, (void)d;
    ImagoMemory *memory = instance_memory(instance_of(vmctx));
    return (u32)imago_memory_grow(memory, (u32)pages);
}

static u64 memory_fill(void *vmctx, u64 to, u64 byte, u64 count, u64 d) {
    (void)d;
    const VmMemory *memory = vmctx_get(vmctx, VMCTX_MEMORY0);
    if (!range_fits(to, count, memory->bytes)) {
        trap(vmctx, TRAP_MEMORY_OUT_OF_BOUNDS);
    }
    touch_begin();
    memset(memory->base + to, (int)(u8)byte, count);
    touch_end();
    return 0;
}

static u64 memory_copy(void *vmctx, u64 to, u64 from, u64 count, u64 d) {
    (void)d;
    const VmMemory *memory = vmctx_get(vmctx, VMCTX_MEMORY0);
    if (!range_fits(to, count, memory->bytes) || !range_fits(from, count, memory->bytes)) {
        trap(vmctx, TRAP_MEMORY_OUT_OF_BOUNDS);
    }
    touch_begin();
    memmove(memory->base + to, memory->base + from, count);
    touch_end();
    return 0;
}

static u64 memory_init(void *vmctx, u64 segment, u64 to, u64 from, u64 count) {
    ImagoInstance *instance = instance_of(vmctx);
    const Image *view = &instance->image->view;
    const u32 i = (u32)segment;
    CHECK(i < view->datas.count);
    touch_begin();
    // A dropped segment is empty, but an empty range of it still has to be inside.
    const bool is_dropped =
        bit_is_set(instance->dropped_datas, i) || image_data(view, i).mode != SEGMENT_PASSIVE;
    const bool ok =
        is_dropped ? from == 0 && count == 0 &&
                         range_fits(to, 0, instance_memory(instance)->vm.bytes)
                   : runtime_instance_init_memory(instance, i, to, from, count);
    touch_end();
    if (!ok) {
        trap(vmctx, TRAP_MEMORY_OUT_OF_BOUNDS);
    }
    return 0;
}

static u64 data_drop(void *vmctx, u64 segment, u64 b, u64 c, u64 d) {
    (void)b, (void)c, (void)d;
    ImagoInstance *instance = instance_of(vmctx);
    CHECK((u32)segment < instance->image->view.datas.count);
    bit_set(instance->dropped_datas, (u32)segment);
    return 0;
}

// ---- Tables -------------------------------------------------------------------------------------

static ImagoTable *table_of(void *vmctx, u64 index) {
    const ImagoInstance *instance = instance_of(vmctx);
    CHECK(index < instance->image->view.shape.table_count);
    ImagoTable *table = instance_table(instance, (u32)index);
    CHECK(table != NULL);
    return table;
}

static u64 table_get(void *vmctx, u64 table, u64 i, u64 c, u64 d) {
    (void)c, (void)d;
    ImagoTable *from = table_of(vmctx, table);
    if (i >= from->vm.count) {
        trap(vmctx, TRAP_TABLE_OUT_OF_BOUNDS);
    }
    touch_begin();
    void *value = runtime_table_entry(from, i);
    touch_end();
    return (uintptr_t)value;
}

// Compiled code found no signature of the wanted type in the entry: it may be still to be made.
static u64 table_entry(void *vmctx, u64 wanted, u64 i, u64 c, u64 d) {
    const VmShape *shape = &instance_of(vmctx)->image->view.shape;
    const u32 type = (u32)wanted;
    CHECK(type < shape->type_count);
    const VmFuncRef *ref = (const VmFuncRef *)table_get(vmctx, wanted >> 32, i, c, d);
    if (ref == NULL) {
        trap(vmctx, TRAP_UNINITIALIZED_ELEMENT);
    }
    if (ref->sig != load_u32((const u8 *)vmctx + vmctx_type_at(shape, type))) {
        trap(vmctx, TRAP_INDIRECT_CALL_TYPE);
    }
    return (uintptr_t)ref;
}

static u64 table_grow(void *vmctx, u64 table, u64 value, u64 more, u64 d) {
    (void)d;
    return (u32)runtime_table_grow(table_of(vmctx, table), more, (void *)(uintptr_t)value);
}

static u64 table_fill(void *vmctx, u64 index, u64 start, u64 value, u64 count) {
    const VmTable *table = &table_of(vmctx, index)->vm;
    if (!range_fits(start, count, table->count)) {
        trap(vmctx, TRAP_TABLE_OUT_OF_BOUNDS);
    }
    for (u64 i = 0; i < count; i++) {
        table->entries[start + i] = (void *)(uintptr_t)value;
    }
    return 0;
}

static u64 table_copy(void *vmctx, u64 tables, u64 to, u64 from, u64 count) {
    const VmTable *target = &table_of(vmctx, tables >> 32)->vm;
    ImagoTable *source = table_of(vmctx, (u32)tables);
    if (!range_fits(to, count, target->count) || !range_fits(from, count, source->vm.count)) {
        trap(vmctx, TRAP_TABLE_OUT_OF_BOUNDS);
    }
    touch_begin();
    runtime_table_make(source, from, count);
    touch_end();
    if (count != 0) {
        memmove(target->entries + to, source->vm.entries + from, count * sizeof *target->entries);
    }
    return 0;
}

static u64 table_init(void *vmctx, u64 packed, u64 to, u64 from, u64 count) {
    ImagoInstance *instance = instance_of(vmctx);
    const Image *view = &instance->image->view;
    ImagoTable *table = table_of(vmctx, packed >> 32);
    const u32 i = (u32)packed;
    CHECK(i < view->elems.count);
    touch_begin();
    const bool is_dropped =
        bit_is_set(instance->dropped_elems, i) || image_elem(view, i).mode != SEGMENT_PASSIVE;
    const bool ok = is_dropped
                        ? from == 0 && count == 0 && range_fits(to, 0, table->vm.count)
                        : runtime_instance_init_table(instance, i, table, to, from, count);
    touch_end();
    if (!ok) {
        trap(vmctx, TRAP_TABLE_OUT_OF_BOUNDS);
    }
    return 0;
}

static u64 elem_drop(void *vmctx, u64 segment, u64 b, u64 c, u64 d) {
    (void)b, (void)c, (void)d;
    ImagoInstance *instance = instance_of(vmctx);
    CHECK((u32)segment < instance->image->view.elems.count);
    bit_set(instance->dropped_elems, (u32)segment);
    return 0;
}

static u64 ref_func(void *vmctx, u64 func, u64 b, u64 c, u64 d) {
    (void)b, (void)c, (void)d;
    touch_begin();
    VmFuncRef *ref = runtime_instance_func(instance_of(vmctx), (u32)func);
    touch_end();
    return (uintptr_t)ref;
}

// ---- Ending a call ------------------------------------------------------------------------------

static u64 raise_outcome(void *vmctx, u64 a, u64 b, u64 c, u64 d) {
    (void)a, (void)b, (void)c, (void)d;
    ImagoStore *store = store_of_vmctx(vmctx);
    arch_unwind(&store->exec, (int)runtime_host_outcome(store));
}

const RuntimeBuiltin RUNTIME_BUILTINS[BUILTIN_COUNT] = {
    [BUILTIN_MEMORY_GROW] = memory_grow, [BUILTIN_MEMORY_FILL] = memory_fill,
    [BUILTIN_MEMORY_COPY] = memory_copy, [BUILTIN_MEMORY_INIT] = memory_init,
    [BUILTIN_DATA_DROP] = data_drop,     [BUILTIN_TABLE_GET] = table_get,
    [BUILTIN_TABLE_GROW] = table_grow,   [BUILTIN_TABLE_FILL] = table_fill,
    [BUILTIN_TABLE_COPY] = table_copy,   [BUILTIN_TABLE_INIT] = table_init,
    [BUILTIN_ELEM_DROP] = elem_drop,     [BUILTIN_REF_FUNC] = ref_func,
    [BUILTIN_TABLE_ENTRY] = table_entry, [BUILTIN_RAISE] = raise_outcome,
};
_Static_assert(BUILTIN_COUNT == 14, "a row for each builtin above");
