#include "runtime/instance.h"

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/arch.h"
#include "runtime/value.h"

_Static_assert(offsetof(ImagoMemory, vm) == 0 && offsetof(ImagoTable, vm) == 0,
               "contexts hold the address of either");

// Offsets of the parts in the allocation.
typedef struct Layout {
    u64 globals, datas, elems, refs, vmctx, bytes;
} Layout;

static Layout layout_of(const Image *view) {
    Layout layout;
    layout.globals = align_up(sizeof(ImagoInstance), 16);
    layout.datas = layout.globals + (u64)view->globals.count * sizeof(ImagoGlobal);
    layout.elems = layout.datas + (view->datas.count + 7ull) / 8;
    layout.refs = layout.elems + (view->elems.count + 7ull) / 8;
    layout.vmctx = align_up(layout.refs + (view->shape.funcref_count + 7ull) / 8, 64);
    layout.bytes = layout.vmctx + vmctx_bytes(&view->shape);
    return layout;
}

ImagoInstance *runtime_instance_open(ImagoStore *store, const ImagoLinked *linked, Error *err) {
    const ImagoImage *image = linked->image;
    const Layout layout = layout_of(&image->view);
    const u64 zeroed = layout.vmctx + vmctx_funcref_at(&image->view.shape, 0);
    u8 *block = mem_alloc_front(layout.bytes, zeroed);
    if (block == NULL) {
        error_set(err, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory for an instance");
        return NULL;
    }
    ImagoInstance *instance = (ImagoInstance *)(void *)block;
    *instance = (ImagoInstance){
        .store = store,
        .image = image,
        .linker = linked->linker,
        .globals = (ImagoGlobal *)(void *)(block + layout.globals),
        .vmctx = block + layout.vmctx,
        .dropped_datas = block + layout.datas,
        .dropped_elems = block + layout.elems,
        .made_refs = block + layout.refs,
    };
    runtime_linker_hold(linked->linker);
    vmctx_set(instance->vmctx, VMCTX_EXEC, &store->exec);
    vmctx_set(instance->vmctx, VMCTX_BUILTIN_ENTRY, (const void *)(uintptr_t)arch_builtin_entry);
    vmctx_set(instance->vmctx, VMCTX_TABLE_ENTRY, (const void *)(uintptr_t)arch_table_entry);
    vmctx_set(instance->vmctx, VMCTX_INSTANCE, instance);
    return instance;
}

void runtime_instance_close(ImagoInstance *instance) {
    const Image *view = &instance->image->view;
    for (u32 i = view->table_import_count; i < view->shape.table_count; i++) {
        runtime_table_close(instance_table(instance, i));
    }
    if (view->memory_import_count == 0) {
        runtime_memory_close(instance_memory(instance));
    }
    runtime_linker_release(instance->linker);
    mem_free(instance);
}

void runtime_instance_end(ImagoInstance *instance) {
    runtime_linker_release(instance->linker);
    mem_free(instance);
}

void runtime_instance_adopt(ImagoInstance *instance) {
    ImagoStore *store = instance->store;
    const Image *view = &instance->image->view;
    for (u32 i = view->table_import_count; i < view->shape.table_count; i++) {
        ImagoTable *table = instance_table(instance, i);
        if (table != NULL) {
            runtime_table_adopt(table);
        }
    }
    if (view->memory_import_count == 0 && instance_memory(instance) != NULL) {
        runtime_memory_adopt(instance_memory(instance));
    }
    runtime_store_add_image(store, instance->image);
    instance->next = store->instances;
    store->instances = instance;
}

// ---- Items --------------------------------------------------------------------------------------

static VmFuncRef *make_ref(const ImagoInstance *instance, u32 func, const ImageFunc *info) {
    const Image *view = &instance->image->view;
    if (info->text_offset >= view->text_bytes || info->type >= view->shape.type_count) {
        return NULL; // a damaged image
    }
    VmFuncRef *ref = instance_funcref(instance, info->funcref);
    *ref = (VmFuncRef){
        .code = (void *)(uintptr_t)(view->text + info->text_offset),
        .vmctx = instance->vmctx,
        .sig = load_u32(instance->vmctx + vmctx_type_at(&view->shape, info->type)),
        .type_index = info->type,
        .func_index = func,
    };
    bit_set(instance->made_refs, info->funcref);
    return ref;
}

VmFuncRef *runtime_instance_func(const ImagoInstance *instance, u32 func) {
    const Image *view = &instance->image->view;
    if (func < view->func_import_count) {
        return instance_import(instance, func)->ref;
    }
    const ImageFunc info = image_func(view, func);
    if (func >= view->func_count || info.funcref >= view->shape.funcref_count) {
        return NULL;
    }
    return bit_is_set(instance->made_refs, info.funcref) ? instance_funcref(instance, info.funcref)
                                                         : make_ref(instance, func, &info);
}

bool runtime_instance_item(ImagoInstance *instance, ExternKind kind, u32 index, ImagoExtern *item) {
    const Image *view = &instance->image->view;
    *item = (ImagoExtern){.kind = (ImagoExternKind)kind};
    switch (kind) {
    case EXTERN_FUNC:
        item->of.func = (ImagoFunc *)runtime_instance_func(instance, index);
        break;
    case EXTERN_TABLE:
        item->of.table = index < view->shape.table_count ? instance_table(instance, index) : NULL;
        break;
    case EXTERN_MEMORY:
        item->of.memory = index == 0 ? instance_memory(instance) : NULL;
        break;
    case EXTERN_GLOBAL:
        item->of.global =
            index < view->globals.count ? &instance->globals[index] : NULL;
        break;
    default: break;
    }
    return item->of.func != NULL;
}

bool imago_instance_export(ImagoInstance *instance, const char *name, size_t name_bytes,
                           ImagoExtern *item) {
    HostRead read;
    ImageExport export;
    runtime_image_read_begin(instance->image, &read);
    const bool is_there =
        image_export_find(&instance->image->view, (Str){name, name_bytes}, &export) &&
        runtime_instance_item(instance, export.kind, export.index, item);
    return runtime_image_read_end(instance->image, &read, NULL) && is_there;
}

const ImagoImage *imago_instance_image(const ImagoInstance *instance) { return instance->image; }

ImagoValue runtime_instance_const(const ImagoInstance *instance, const ConstExpr *expr) {
    ImagoValue value = {.bits = {0, 0}};
    switch (expr->kind) {
    case CONST_VALUE:
        value.bits[0] = expr->low;
        value.bits[1] = expr->high;
        break;
    case CONST_GLOBAL:
        if (expr->index < instance->image->view.globals.count &&
            instance->globals[expr->index].value != NULL) {
            value = imago_global_get(&instance->globals[expr->index]);
        }
        break;
    case CONST_REF_FUNC:
        value.func = (ImagoFunc *)runtime_instance_func(instance, expr->index);
        break;
    case CONST_REF_NULL:
    default: break;
    }
    return value;
}

// ---- Segments -----------------------------------------------------------------------------------

bool runtime_instance_init_memory(ImagoInstance *instance, u32 segment, u64 to, u64 from,
                                  u64 count) {
    const ImagoMemory *memory = instance_memory(instance);
    const Str bytes = image_data(&instance->image->view, segment).bytes;
    if (memory == NULL || !range_fits(from, count, bytes.count) ||
        !range_fits(to, count, memory->vm.bytes)) {
        return false;
    }
    if (count != 0) {
        memcpy(memory->vm.base + to, bytes.at + from, count);
    }
    return true;
}

static void *elem_value(const ImagoInstance *instance, u32 item) {
    const ConstExpr expr = image_elem_item(&instance->image->view, item);
    return runtime_instance_const(instance, &expr).externref;
}

bool runtime_instance_init_table(ImagoInstance *instance, u32 segment, ImagoTable *table, u64 to,
                                 u64 from, u64 count) {
    const Image *view = &instance->image->view;
    const ImageElem elem = image_elem(view, segment);
    if (table == NULL || !range_fits(from, count, elem.count) ||
        !range_fits(to, count, table->vm.count)) {
        return false;
    }
    for (u64 i = 0; i < count; i++) {
        table->vm.entries[to + i] = elem_value(instance, elem.first_item + (u32)(from + i));
    }
    return true;
}
