#include "runtime/linker.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/global.h"
#include "runtime/host_func.h"
#include "runtime/imports.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/table.h"
#include "types/limits.h"

ImagoLinker *imago_linker_new(ImagoEngine *engine, ImagoError *error) {
    ImagoLinker *linker = mem_alloc(sizeof *linker);
    if (linker == NULL) {
        error_set(error, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    linker->engine = engine;
    linker->holders = 1;
    return linker;
}

ImagoLinker *imago_linker_extend(ImagoLinker *base, ImagoError *error) {
    if (base->store != NULL || base->base != NULL) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "the linker is %s",
                  base->store != NULL ? "bound to a store" : "an extension itself");
        return NULL;
    }
    ImagoLinker *linker = imago_linker_new(base->engine, error);
    if (linker != NULL) {
        runtime_linker_hold(base);
        linker->base = base;
    }
    return linker;
}

void runtime_linker_hold(ImagoLinker *linker) {
    atomic_fetch_add_explicit(&linker->holders, 1, memory_order_relaxed);
}

void runtime_linker_release(ImagoLinker *linker) {
    if (atomic_fetch_sub_explicit(&linker->holders, 1, memory_order_acq_rel) != 1) {
        return;
    }
    runtime_host_funcs_free(linker->host_funcs);
    for (u32 i = 0; i < linker->slot_count; i++) {
        mem_free((void *)(uintptr_t)linker->slots[i].module.at);
    }
    mem_free(linker->slots);
    if (linker->base != NULL) {
        runtime_linker_release(linker->base);
    }
    mem_free(linker);
}

void imago_linker_delete(ImagoLinker *linker) {
    if (linker != NULL) {
        runtime_linker_release(linker);
    }
}

static u64 name_hash(Str module, Str name) {
    return hash_bytes(name.at, name.count, hash_bytes(module.at, module.count, 0));
}

// The entry of a name, or the free slot where it belongs.
static LinkerEntry *entry_of(const ImagoLinker *linker, Str module, Str name, u64 hash) {
    const u32 mask = linker->slot_count - 1;
    u32 i = (u32)hash & mask;
    while (linker->slots[i].module.at != NULL &&
           (linker->slots[i].hash != hash || !str_equal(linker->slots[i].name, name) ||
            !str_equal(linker->slots[i].module, module))) {
        i = (i + 1) & mask;
    }
    return &linker->slots[i];
}

static bool make_slots(ImagoLinker *linker) {
    if ((linker->entry_count + 1) * 2 <= linker->slot_count) {
        return true;
    }
    LinkerEntry *const old = linker->slots;
    const u32 old_count = linker->slot_count, count = old_count == 0 ? 64 : old_count * 2;
    LinkerEntry *slots = mem_alloc((usize)count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    linker->slots = slots;
    linker->slot_count = count;
    for (u32 i = 0; i < old_count; i++) {
        if (old[i].module.at != NULL) {
            *entry_of(linker, old[i].module, old[i].name, old[i].hash) = old[i];
        }
    }
    mem_free(old);
    return true;
}

static bool name_entry(LinkerEntry *entry, Str module, Str name, u64 hash) {
    char *names = mem_alloc(module.count + name.count + 1);
    if (names == NULL) {
        return false;
    }
    memcpy(names, module.at, module.count);
    memcpy(names + module.count, name.at, name.count);
    *entry = (LinkerEntry){
        .module = {names, module.count}, .name = {names + module.count, name.count}, .hash = hash};
    return true;
}

static bool define(ImagoLinker *linker, Str module, Str name, const ImagoExtern *item, Error *err) {
    if (!make_slots(linker)) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    const u64 hash = name_hash(module, name);
    LinkerEntry *entry = entry_of(linker, module, name, hash);
    if (entry->module.at == NULL) {
        if (!name_entry(entry, module, name, hash)) {
            return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        }
        linker->entry_count++;
    }
    entry->item = *item;
    return true;
}

bool runtime_linker_find(const ImagoLinker *linker, Str module, Str name, ImagoExtern *item) {
    const u64 hash = name_hash(module, name);
    for (; linker != NULL; linker = linker->base) {
        const LinkerEntry *entry =
            linker->slot_count != 0 ? entry_of(linker, module, name, hash) : NULL;
        if (entry != NULL && entry->module.at != NULL) {
            *item = entry->item;
            return true;
        }
    }
    return false;
}

const ImagoStore *runtime_extern_store(const ImagoExtern *item) {
    switch (item->kind) {
    case IMAGO_EXTERN_FUNC: return store_of_func(item->of.func);
    case IMAGO_EXTERN_TABLE: return item->of.table->store;
    case IMAGO_EXTERN_MEMORY: return item->of.memory->store;
    case IMAGO_EXTERN_GLOBAL: return item->of.global->store;
    default: return NULL;
    }
}

// ---- Public -------------------------------------------------------------------------------------

// From its first item of a store on, the linker is for that store only.
static bool bind(ImagoLinker *linker, const ImagoStore *store, Error *err) {
    if (store->engine != linker->engine || (linker->store != NULL && linker->store != store)) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "the item belongs to another %s",
                    store->engine != linker->engine ? "engine" : "store");
    }
    linker->store = store;
    return true;
}

static bool define_host(ImagoLinker *linker, Str module, Str name, HostFunc *host, Error *err) {
    if (host == NULL) {
        return false;
    }
    host->linker = linker;
    host->next = linker->host_funcs;
    linker->host_funcs = host;
    const ImagoExtern item = {.kind = IMAGO_EXTERN_FUNC, .of.func = (ImagoFunc *)&host->ref};
    return define(linker, module, name, &item, err);
}

bool imago_linker_define(ImagoLinker *linker, const char *module, size_t module_bytes,
                         const char *name, size_t name_bytes, ImagoExtern item,
                         ImagoError *error) {
    const Str space = {module, module_bytes}, own = {name, name_bytes};
    if (item.of.func == NULL) {
        return fail(error, USAGE, ERROR_NO_OFFSET, "no item");
    }
    const ImagoStore *store = runtime_extern_store(&item);
    if (store == NULL) { // of another linker, which may go before this one
        const VmFuncRef *ref = (const VmFuncRef *)item.of.func;
        return define_host(linker, space, own,
                           runtime_host_func_copy(linker->engine, ref, error), error);
    }
    return bind(linker, store, error) && define(linker, space, own, &item, error);
}

bool imago_linker_define_func(ImagoLinker *linker, const char *module, const char *name,
                              const ImagoFuncType *type, ImagoCallback callback, void *env,
                              ImagoError *error) {
    return define_host(linker, str_of(module), str_of(name),
                       runtime_host_func_open(linker->engine, type, callback, env, error), error);
}

static bool define_exports(ImagoLinker *linker, Str module, ImagoInstance *instance, Error *err) {
    const Image *view = &instance->image->view;
    for (u32 i = 0; i < view->exports.count; i++) {
        const ImageExport export = image_export(view, i);
        ImagoExtern item;
        if (!runtime_instance_item(instance, export.kind, export.index, &item)) {
            return fail(err, IMAGE, ERROR_NO_OFFSET, "export %u of the image is damaged", i);
        }
        TRY(define(linker, module, export.name, &item, err));
    }
    return true;
}

bool imago_linker_define_instance(ImagoLinker *linker, const char *module, size_t module_bytes,
                                  ImagoInstance *instance, ImagoError *error) {
    TRY(bind(linker, instance->store, error));
    HostRead read;
    runtime_image_read_begin(instance->image, &read);
    const bool is_done = define_exports(linker, (Str){module, module_bytes}, instance, error);
    return runtime_image_read_end(instance->image, &read, error) && is_done;
}

// ---- Linked images ------------------------------------------------------------------------------

// The counts that sizes of the context and loops below rely on.
static bool check_shape(const Image *view, Error *err) {
    const VmShape *shape = &view->shape;
    if (shape->func_import_count != view->func_import_count ||
        view->func_import_count > view->func_count || shape->table_count != view->tables.count ||
        view->table_import_count > shape->table_count ||
        shape->global_count != view->globals.count ||
        view->global_import_count > shape->global_count ||
        shape->funcref_count != view->funcrefs.count || shape->type_count > view->types.count ||
        view->memory_import_count > view->memories.count || view->memories.count > MAX_MEMORIES ||
        vmctx_bytes(shape) > INT32_MAX) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "counts of the image contradict each other");
    }
    return true;
}

// Room for what the counts of each kind allow: the list of imports may contradict them.
static ImagoLinked *linked_open(ImagoLinker *linker, const ImagoImage *image, Error *err) {
    const Image *view = &image->view;
    const u32 others =
        view->table_import_count + view->memory_import_count + view->global_import_count;
    const usize items_at =
        sizeof(ImagoLinked) + (usize)view->func_import_count * sizeof(VmImport);
    ImagoLinked *linked = mem_alloc(items_at + (usize)others * sizeof(LinkedItem));
    if (linked == NULL) {
        error_set(err, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    runtime_linker_hold(linker);
    linked->linker = linker;
    linked->image = image;
    linked->store = linker->store;
    linked->items = (LinkedItem *)(void *)((u8 *)linked + items_at);
    linked->item_count = others;
    return linked;
}

ImagoLinked *imago_linker_link(ImagoLinker *linker, const ImagoImage *image, ImagoError *error) {
    if (image->engine != linker->engine) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "an image of another engine");
        return NULL;
    }
    if (!check_shape(&image->view, error)) {
        return NULL;
    }
    ImagoLinked *linked = linked_open(linker, image, error);
    if (linked == NULL) {
        return NULL;
    }
    HostRead read;
    runtime_image_read_begin(image, &read);
    const bool is_found = runtime_imports_find(linked, error);
    if (!runtime_image_read_end(image, &read, error) || !is_found) {
        imago_linked_delete(linked);
        return NULL;
    }
    return linked;
}

void imago_linked_delete(ImagoLinked *linked) {
    if (linked != NULL) {
        runtime_linker_release(linked->linker);
        mem_free(linked);
    }
}
