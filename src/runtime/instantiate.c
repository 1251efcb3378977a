// Instantiation (WebAssembly 2.0, 4.5.4): everything that can fail happens to an instance that
// nobody sees; then the store adopts it; then segments and the start function run, whose traps
// leave it in place with the effects that it had on others.
//
// A table of functions costs nothing here if it is frozen (part of the image); a memory costs one
// mapping if the image has a snapshot of it.
#include "base/alloc.h"
#include "image/format.h"
#include "runtime/call.h"
#include "runtime/imports.h"
#include "runtime/instance.h"
#include "types/limits.h"

// ---- Before the store owns it -------------------------------------------------------------------

static bool make_tables(ImagoInstance *instance, Error *err) {
    const Image *view = &instance->image->view;
    for (u32 i = view->table_import_count; i < view->shape.table_count; i++) {
        const ImageTableInfo info = image_table(view, i);
        if (info.is_frozen) {
            continue;
        }
        ImagoTable *table = runtime_table_open(instance->store, &info.type, err);
        if (table == NULL) {
            return false;
        }
        table->instance = instance;
        table->index = i;
        vmctx_set(instance->vmctx, (u32)vmctx_table_at(&view->shape, i), table);
    }
    return true;
}

static bool make_memory(ImagoInstance *instance, Error *err) {
    const Image *view = &instance->image->view;
    if (view->memories.count == 0 || view->memory_import_count != 0) {
        return true;
    }
    const Limits limits = image_memory(view, 0);
    ImagoMemory *memory =
        runtime_memory_open(instance->store, &limits, instance->image, err);
    if (memory == NULL) {
        return false;
    }
    vmctx_set(instance->vmctx, VMCTX_MEMORY0, memory);
    vmctx_set(instance->vmctx, VMCTX_HEAP_BASE, memory->vm.base);
    instance->has_snapshot = true;
    return true;
}

static bool fill_types(ImagoInstance *instance, Error *err) {
    const Image *view = &instance->image->view;
    for (u32 i = 0; i < view->shape.type_count; i++) {
        u32 sig = image_type_sig(view, i);
        if (UNLIKELY(sig >= SIG_LARGE)) {
            const FuncType type = image_type(view, i).type;
            TRY(runtime_engine_sig(instance->store->engine, &type, &sig, err));
        }
        store_u32(instance->vmctx + vmctx_type_at(&view->shape, i), sig);
    }
    return true;
}

static void init_globals(ImagoInstance *instance) {
    const Image *view = &instance->image->view;
    for (u32 i = view->global_import_count; i < view->shape.global_count; i++) {
        const ImageGlobal global = image_global(view, i);
        u8 *slot = instance->vmctx + vmctx_global_at(&view->shape, i);
        const ImagoValue value = runtime_instance_const(instance, &global.init);
        memcpy(slot, &value, sizeof value);
        instance->globals[i] = (ImagoGlobal){slot, instance->store, global.type};
    }
}

// Start functions are run when it is too late to refuse.
static bool prepare_start(ImagoInstance *instance, Error *err) {
    const u32 func = instance->image->view.start_func;
    if (func == ID_NONE) {
        return true;
    }
    const VmFuncRef *ref = runtime_instance_func(instance, func);
    if (ref == NULL) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "the start function has no reference");
    }
    return runtime_call_prepare(instance->store, ref, err);
}

static bool build(ImagoInstance *instance, const ImagoLinked *linked, Error *err) {
    TRY(runtime_imports_take(instance, linked, err));
    TRY(make_tables(instance, err));
    TRY(make_memory(instance, err));
    TRY(fill_types(instance, err));
    init_globals(instance);
    TRY(prepare_start(instance, err));
    return runtime_store_reserve_image(instance->store, err);
}

// ---- Afterwards ---------------------------------------------------------------------------------

// True, but for a damaged image, of a lazy segment's place.
static bool is_own_range(const ImagoInstance *instance, const ImagoTable *table, u64 at,
                         u64 count) {
    return table != NULL && table->instance == instance && table->type.elem == VAL_FUNCREF &&
           range_fits(at, count, table->vm.count);
}

static bool run_elems(ImagoInstance *instance) {
    const Image *view = &instance->image->view;
    const u32 count = (view->flags & IMAGE_COPIES_NO_ELEMS) != 0 ? 0 : view->elems.count;
    for (u32 i = 0; i < count; i++) {
        const ImageElem elem = image_elem(view, i);
        if (elem.mode != SEGMENT_ACTIVE || elem.is_in_frozen_table) {
            continue;
        }
        ImagoTable *table =
            elem.table < view->shape.table_count ? instance_table(instance, elem.table) : NULL;
        const u64 offset = (u32)runtime_instance_const(instance, &elem.offset).i32;
        if (elem.is_lazy && is_own_range(instance, table, offset, elem.count)) {
            runtime_table_defer(table, offset, elem.count);
        } else if (!runtime_instance_init_table(instance, i, table, offset, 0, elem.count)) {
            runtime_trap_set(instance->store, TRAP_TABLE_OUT_OF_BOUNDS);
            return false;
        }
    }
    return true;
}

// An imported memory gets the snapshot only now, when instantiation can no longer fail.
static void load_imported_memory(ImagoInstance *instance) {
    ImagoMemory *memory = instance_memory(instance);
    if (memory != NULL) {
        instance->has_snapshot =
            instance->has_snapshot || runtime_memory_preload(memory, instance->image);
        runtime_memory_touch(memory);
    }
}

static bool run_datas(ImagoInstance *instance) {
    const Image *view = &instance->image->view;
    const bool has_snapshot = instance->has_snapshot || view->snapshot_bytes == 0;
    const u32 count =
        has_snapshot && (view->flags & IMAGE_COPIES_NO_DATA) != 0 ? 0 : view->datas.count;
    for (u32 i = 0; i < count; i++) {
        const ImageData data = image_data(view, i);
        if (data.mode != SEGMENT_ACTIVE || (has_snapshot && data.is_in_snapshot)) {
            continue;
        }
        const u64 offset = (u32)runtime_instance_const(instance, &data.offset).i32;
        if (!runtime_instance_init_memory(instance, i, offset, 0, data.bytes.count)) {
            runtime_trap_set(instance->store, TRAP_MEMORY_OUT_OF_BOUNDS);
            return false;
        }
    }
    return true;
}

static bool run_segments(ImagoInstance *instance) {
    HostRead read;
    runtime_image_read_begin(instance->image, &read);
    load_imported_memory(instance);
    const bool is_done = run_elems(instance) && run_datas(instance);
    if (!runtime_image_read_end(instance->image, &read, NULL)) {
        runtime_trap_set(instance->store, TRAP_IMAGE_CHANGED);
        return false;
    }
    return is_done;
}

static ImagoStatus start(ImagoInstance *instance, Error *err) {
    const u32 func = instance->image->view.start_func;
    if (func == ID_NONE) {
        return IMAGO_OK;
    }
    ImagoValue unused = {.bits = {0, 0}};
    return runtime_call(instance->store, runtime_instance_func(instance, func), &unused, err);
}

ImagoStatus imago_linked_instantiate(const ImagoLinked *linked, ImagoStore *store,
                                     ImagoInstance **instance, ImagoError *error) {
    if (linked->image->engine != store->engine ||
        (linked->store != NULL && linked->store != store)) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET,
                  "the linker's items belong to another %s",
                  linked->image->engine != store->engine ? "engine" : "store");
        return IMAGO_FAIL;
    }
    ImagoInstance *made = runtime_instance_open(store, linked, error);
    if (made == NULL) {
        return IMAGO_FAIL;
    }
    HostRead read;
    runtime_image_read_begin(made->image, &read);
    const bool is_built = build(made, linked, error);
    if (!runtime_image_read_end(made->image, &read, error) || !is_built) {
        runtime_instance_close(made);
        return IMAGO_FAIL;
    }
    runtime_instance_adopt(made);
    *instance = made;
    return run_segments(made) ? start(made, error) : (store->ended = IMAGO_TRAP);
}

ImagoStatus imago_linker_instantiate(ImagoLinker *linker, ImagoStore *store,
                                     const ImagoImage *image, ImagoInstance **instance,
                                     ImagoError *error) {
    ImagoLinked *linked = imago_linker_link(linker, image, error);
    const ImagoStatus status =
        linked == NULL ? IMAGO_FAIL : imago_linked_instantiate(linked, store, instance, error);
    imago_linked_delete(linked);
    return status;
}
