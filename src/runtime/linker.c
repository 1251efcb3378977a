#include "runtime/linker.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/global.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/table.h"

ImagoLinker *imago_linker_new(ImagoStore *store, ImagoError *error) {
    ImagoLinker *linker = mem_alloc(sizeof *linker);
    if (linker == NULL) {
        error_set(error, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    arena_init(&linker->names);
    linker->store = store;
    linker->next = store->linkers;
    store->linkers = linker;
    return linker;
}

void imago_linker_delete(ImagoLinker *linker) {
    if (linker == NULL) {
        return;
    }
    ImagoLinker **link = &linker->store->linkers;
    while (*link != linker) {
        link = &(*link)->next;
    }
    *link = linker->next;
    arena_deinit(&linker->names);
    mem_free(linker->slots);
    mem_free(linker);
}

static u64 name_hash(Str module, Str name) {
    return hash_bytes(name.at, name.count, hash_bytes(module.at, module.count, 0));
}

// The entry of a name, or the free slot where it belongs.
static LinkerEntry *entry_of(const ImagoLinker *linker, Str module, Str name, u64 hash) {
    const u32 mask = linker->slot_count - 1;
    u32 i = (u32)hash & mask;
    while (linker->slots[i].name.at != NULL &&
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
        if (old[i].name.at != NULL) {
            *entry_of(linker, old[i].module, old[i].name, old[i].hash) = old[i];
        }
    }
    mem_free(old);
    return true;
}

static bool define(ImagoLinker *linker, Str module, Str name, const ImagoExtern *item, Error *err) {
    if (!make_slots(linker)) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    const u64 hash = name_hash(module, name);
    LinkerEntry *entry = entry_of(linker, module, name, hash);
    if (entry->name.at == NULL) {
        const char *module_copy = arena_copy(&linker->names, module.at, module.count);
        const char *name_copy = arena_copy(&linker->names, name.at, name.count);
        if (module_copy == NULL || name_copy == NULL) {
            return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        }
        *entry = (LinkerEntry){{module_copy, module.count}, {name_copy, name.count}, hash, *item};
        linker->entry_count++;
    }
    entry->item = *item;
    return true;
}

bool runtime_linker_find(const ImagoLinker *linker, Str module, Str name, ImagoExtern *item) {
    if (linker->slot_count == 0) {
        return false;
    }
    const LinkerEntry *entry = entry_of(linker, module, name, name_hash(module, name));
    *item = entry->item;
    return entry->name.at != NULL;
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

bool imago_linker_define(ImagoLinker *linker, const char *module, size_t module_bytes,
                         const char *name, size_t name_bytes, ImagoExtern item,
                         ImagoError *error) {
    if (item.of.func == NULL || runtime_extern_store(&item) != linker->store) {
        return fail(error, USAGE, ERROR_NO_OFFSET,
                    "the item does not belong to the linker's store");
    }
    return define(linker, (Str){module, module_bytes}, (Str){name, name_bytes}, &item, error);
}

bool imago_linker_define_func(ImagoLinker *linker, const char *module, const char *name,
                              const ImagoFuncType *type, ImagoCallback callback, void *env,
                              ImagoError *error) {
    ImagoFunc *func = imago_func_new(linker->store, type, callback, env, error);
    const ImagoExtern item = {.kind = IMAGO_EXTERN_FUNC, .of.func = func};
    return func != NULL && define(linker, str_of(module), str_of(name), &item, error);
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
    if (instance->store != linker->store) {
        return fail(error, USAGE, ERROR_NO_OFFSET, "an instance of another store");
    }
    HostRead read;
    runtime_image_read_begin(instance->image, &read);
    const bool is_done = define_exports(linker, (Str){module, module_bytes}, instance, error);
    return runtime_image_read_end(instance->image, &read, error) && is_done;
}
