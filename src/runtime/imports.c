#include "runtime/imports.h"

#include <stdio.h>

#include "runtime/arch.h"
#include "runtime/host_func.h"
#include "runtime/value.h"
#include "types/limits.h"

enum { NAME_BYTES = 96, TYPE_BYTES = 64, IMPORT_KINDS = 4 };

// `"module"."name"`, as messages quote it.
typedef struct ImportName {
    char module[NAME_BYTES], name[NAME_BYTES];
} ImportName;

static void import_name(const ImageImport *import, ImportName *out) {
    (void)str_printable(import->module, out->module, sizeof out->module);
    (void)str_printable(import->name, out->name, sizeof out->name);
}

static const char *kind_name(u32 kind) {
    static const char *const NAMES[] = {"function", "table", "memory", "global"};
    return kind < COUNT_OF(NAMES) ? NAMES[kind] : "unknown";
}

static bool is_unknown(const ImageImport *import, Error *err) {
    ImportName name;
    import_name(import, &name);
    return fail(err, LINK, ERROR_NO_OFFSET, "unknown import: \"%s\".\"%s\" (%s)", name.module,
                name.name, kind_name(import->type.kind));
}

static bool is_incompatible(const ImageImport *import, const char *expected, const char *found,
                            Error *err) {
    ImportName name;
    import_name(import, &name);
    return fail(err, LINK, ERROR_NO_OFFSET,
                "incompatible import type: \"%s\".\"%s\": expected %s, found %s", name.module,
                name.name, expected, found);
}

// ---- Functions ----------------------------------------------------------------------------------

static bool find_func(const Image *view, const ImageImport *import, const ImagoFunc *func,
                      VmImport *out, Error *err) {
    VmFuncRef *ref = (VmFuncRef *)(uintptr_t)func;
    const ImageType wanted = image_type(view, import->type.type);
    const FuncType found = runtime_func_type(ref);
    if (!type_equal(&wanted.type, &found)) {
        char wanted_text[TYPE_BYTES], found_text[TYPE_BYTES];
        return is_incompatible(import,
                               runtime_type_text(&wanted.type, wanted_text, sizeof wanted_text),
                               runtime_type_text(&found, found_text, sizeof found_text), err);
    }
    const bool is_host = vmctx_get(ref->vmctx, VMCTX_INSTANCE) == NULL;
    // The image's own stub for the type passes the arguments without looking at the type.
    const bool has_stub = is_host && wanted.exit_stub < view->text_bytes;
    *out = (VmImport){
        .code = has_stub ? (void *)(uintptr_t)(view->text + wanted.exit_stub) : ref->code,
        .vmctx = ref->vmctx,
        .ref = ref,
    };
    return true;
}

// ---- The others ---------------------------------------------------------------------------------

static const char *limits_text(const char *what, u64 min, const Limits *limits, char *out) {
    if (limits->has_max) {
        (void)snprintf(out, TYPE_BYTES, "%s of %llu to %u", what, (unsigned long long)min,
                       limits->max);
    } else {
        (void)snprintf(out, TYPE_BYTES, "%s of %llu or more", what, (unsigned long long)min);
    }
    return out;
}

// `size` counts now; a maximum must be at most the one that the importer relies on.
static bool limits_match(const Limits *wanted, u64 size, const Limits *found) {
    return size >= wanted->min &&
           (!wanted->has_max || (found->has_max && found->max <= wanted->max));
}

static bool take_table(ImagoInstance *instance, const ImageImport *import, ImagoTable *table,
                       Error *err) {
    const TableType *wanted = &import->type.table, *found = &table->type;
    char wanted_text[TYPE_BYTES], found_text[TYPE_BYTES];
    if (wanted->elem != found->elem) {
        return is_incompatible(import, val_name(wanted->elem), val_name(found->elem), err);
    }
    if (!limits_match(&wanted->limits, table->vm.count, &found->limits)) {
        return is_incompatible(
            import, limits_text("table", wanted->limits.min, &wanted->limits, wanted_text),
            limits_text("table", table->vm.count, &found->limits, found_text), err);
    }
    vmctx_set(instance->vmctx, (u32)vmctx_table_at(&instance->image->view.shape, import->index),
              table);
    return true;
}

static bool take_memory(ImagoInstance *instance, const ImageImport *import, ImagoMemory *memory,
                        Error *err) {
    const Limits *wanted = &import->type.memory, *found = &memory->limits;
    const u64 pages = memory->vm.bytes / WASM_PAGE_BYTES;
    char wanted_text[TYPE_BYTES], found_text[TYPE_BYTES];
    if (!limits_match(wanted, pages, found)) {
        return is_incompatible(import, limits_text("memory", wanted->min, wanted, wanted_text),
                               limits_text("memory", pages, found, found_text), err);
    }
    vmctx_set(instance->vmctx, VMCTX_MEMORY0, memory);
    vmctx_set(instance->vmctx, VMCTX_HEAP_BASE, memory->vm.base);
    return true;
}

static bool take_global(ImagoInstance *instance, const ImageImport *import,
                        const ImagoGlobal *global, Error *err) {
    const GlobalType *wanted = &import->type.global, *found = &global->type;
    if (wanted->type != found->type || wanted->is_mutable != found->is_mutable) {
        char wanted_text[TYPE_BYTES], found_text[TYPE_BYTES];
        (void)snprintf(wanted_text, sizeof wanted_text, "%s global of type %s",
                       wanted->is_mutable ? "mutable" : "immutable", val_name(wanted->type));
        (void)snprintf(found_text, sizeof found_text, "%s one of type %s",
                       found->is_mutable ? "mutable" : "immutable", val_name(found->type));
        return is_incompatible(import, wanted_text, found_text, err);
    }
    instance->globals[import->index] = *global;
    vmctx_set(instance->vmctx,
              (u32)vmctx_global_at(&instance->image->view.shape, import->index), global->value);
    return true;
}

// ---- All ----------------------------------------------------------------------------------------

static bool take_item(ImagoInstance *instance, const ImageImport *import, const ImagoExtern *item,
                      Error *err) {
    switch (item->kind) {
    case IMAGO_EXTERN_TABLE: return take_table(instance, import, item->of.table, err);
    case IMAGO_EXTERN_MEMORY: return take_memory(instance, import, item->of.memory, err);
    case IMAGO_EXTERN_GLOBAL: return take_global(instance, import, item->of.global, err);
    case IMAGO_EXTERN_FUNC:
    default: return false; // not among the items
    }
}

bool runtime_imports_take(ImagoInstance *instance, const ImagoLinked *linked, Error *err) {
    const Image *view = &instance->image->view;
    if (view->func_import_count != 0) {
        memcpy(instance_import(instance, 0), linked->funcs,
               view->func_import_count * sizeof *linked->funcs);
    }
    for (u32 i = 0; i < linked->item_count; i++) {
        const ImageImport import = image_import(view, linked->items[i].import);
        TRY(take_item(instance, &import, &linked->items[i].item, err));
    }
    return true;
}

// An import whose index is the next of its kind.
static bool find_import(const ImagoLinked *linked, u32 i, const u32 *counts, u32 *seen,
                        ImageImport *import, ImagoExtern *item, Error *err) {
    *import = image_import(&linked->image->view, i);
    const u32 kind = (u32)import->type.kind;
    if (kind >= IMPORT_KINDS || seen[kind] == counts[kind] || import->index != seen[kind]) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "import %u of the image is damaged", i);
    }
    seen[kind]++;
    if (!runtime_linker_find(linked->linker, import->module, import->name, item)) {
        return is_unknown(import, err);
    }
    return (u32)item->kind == kind ||
           is_incompatible(import, kind_name(kind), kind_name(item->kind), err);
}

bool runtime_imports_find(ImagoLinked *linked, Error *err) {
    const Image *view = &linked->image->view;
    const u32 counts[IMPORT_KINDS] = {view->func_import_count, view->table_import_count,
                                      view->memory_import_count, view->global_import_count};
    u32 seen[IMPORT_KINDS] = {0};
    LinkedItem *next = linked->items;
    for (u32 i = 0; i < view->imports.count; i++) {
        ImageImport import;
        ImagoExtern item;
        TRY(find_import(linked, i, counts, seen, &import, &item, err));
        if (item.kind != IMAGO_EXTERN_FUNC) {
            *next++ = (LinkedItem){i, item};
        } else {
            TRY(find_func(view, &import, item.of.func, &linked->funcs[import.index], err));
        }
    }
    if (memcmp(seen, counts, sizeof seen) != 0) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "imports of the image are incomplete");
    }
    return true;
}
