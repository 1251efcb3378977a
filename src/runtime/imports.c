#include "runtime/imports.h"

#include <stdio.h>

#include "runtime/arch.h"
#include "runtime/host_func.h"
#include "runtime/value.h"
#include "types/limits.h"

enum { NAME_BYTES = 96, TYPE_BYTES = 64 };

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

static bool take_func(ImagoInstance *instance, const ImageImport *import, u32 index,
                      const ImagoFunc *func, Error *err) {
    const Image *view = &instance->image->view;
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
    *instance_import(instance, index) = (VmImport){
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

static bool take_table(ImagoInstance *instance, const ImageImport *import, u32 index,
                       ImagoTable *table, Error *err) {
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
    vmctx_set(instance->vmctx, (u32)vmctx_table_at(&instance->image->view.shape, index), table);
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

static bool take_global(ImagoInstance *instance, const ImageImport *import, u32 index,
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
    instance->globals[index] = *global;
    vmctx_set(instance->vmctx, (u32)vmctx_global_at(&instance->image->view.shape, index),
              global->value);
    return true;
}

// ---- All ----------------------------------------------------------------------------------------

static bool take_import(ImagoInstance *instance, const ImageImport *import, u32 index,
                        const ImagoExtern *item, Error *err) {
    if ((u32)item->kind != (u32)import->type.kind) {
        return is_incompatible(import, kind_name(import->type.kind), kind_name(item->kind), err);
    }
    switch (item->kind) {
    case IMAGO_EXTERN_FUNC: return take_func(instance, import, index, item->of.func, err);
    case IMAGO_EXTERN_TABLE: return take_table(instance, import, index, item->of.table, err);
    case IMAGO_EXTERN_MEMORY: return take_memory(instance, import, item->of.memory, err);
    case IMAGO_EXTERN_GLOBAL: return take_global(instance, import, index, item->of.global, err);
    default: return false;
    }
}

bool runtime_imports_resolve(ImagoInstance *instance, const ImagoLinker *linker, Error *err) {
    const Image *view = &instance->image->view;
    const u32 counts[] = {view->func_import_count, view->table_import_count,
                          view->memory_import_count, view->global_import_count};
    u32 seen[COUNT_OF(counts)] = {0};
    for (u32 i = 0; i < view->imports.count; i++) {
        const ImageImport import = image_import(view, i);
        const u32 kind = (u32)import.type.kind;
        if (kind >= COUNT_OF(counts) || seen[kind] == counts[kind]) {
            return fail(err, IMAGE, ERROR_NO_OFFSET, "import %u of the image is damaged", i);
        }
        ImagoExtern item;
        if (!runtime_linker_find(linker, import.module, import.name, &item)) {
            return is_unknown(&import, err);
        }
        TRY(take_import(instance, &import, seen[kind], &item, err));
        seen[kind]++;
    }
    if (memcmp(seen, counts, sizeof seen) != 0) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "imports of the image are incomplete");
    }
    return true;
}
