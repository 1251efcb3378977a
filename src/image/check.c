// Each record has a function that says what is wrong with it, or NULL. The accessors of image.h
// answer for anything; here the stored bytes themselves are looked at.
#include "image/check.h"

#include "image/image_int.h"
#include "types/limits.h"

#define FAULT_UNLESS(condition, text)                                                              \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return (text);                                                                         \
        }                                                                                          \
    } while (0)

static bool string_is_fine(const Image *image, u32 offset, u32 bytes) {
    return bytes == 0 || string_at(image, offset, bytes).count == bytes;
}

static bool limits_are_fine(u64 min, u64 max, bool has_max, u64 most) {
    return min <= most && (!has_max || (min <= max && max <= UINT32_MAX)) && (has_max || max == 0);
}

static bool stub_is_fine(const Image *image, u32 text_offset) {
    return text_offset == ID_NONE || text_offset < image->text_bytes;
}

// A constant of a type, whose globals are below `globals`.
static bool const_is_fine(const Image *image, const StoredConst *stored, u8 type, u32 globals) {
    if (stored->type != type) {
        return false;
    }
    switch (stored->kind) {
    case CONST_VALUE: return type > VAL_NONE && !val_is_ref((ValType)type);
    case CONST_GLOBAL:
        return stored->index < globals &&
               image_global(image, stored->index).type.type == (ValType)type;
    case CONST_REF_NULL: return val_is_ref((ValType)type);
    case CONST_REF_FUNC: return type == VAL_FUNCREF && stored->index < image->funcs.count;
    default: return false;
    }
}

// ---- Records -----------------------------------------------------------------------------------

static const char *type_fault(const Image *image, u32 i) {
    StoredType stored;
    record_load(&image->types, i, &stored);
    const ImageType type = image_type(image, i), first = image_type(image, stored.canonical);
    const u32 codes = type.type.param_count + type.type.result_count;
    FAULT_UNLESS(codes == (u32)stored.params + stored.results, "value types that are none");
    FAULT_UNLESS(codes <= MAX_PARAMS + MAX_RESULTS, "too many value types");
    FAULT_UNLESS(stored.sig == type_sig(&type.type), "a signature that is not the type's");
    FAULT_UNLESS(stored.canonical <= i && first.canonical == stored.canonical &&
                     type_equal(&type.type, &first.type),
                 "another first type that is equal");
    FAULT_UNLESS(stub_is_fine(image, stored.entry_stub) && stub_is_fine(image, stored.exit_stub),
                 "a stub beyond the text");
    FAULT_UNLESS(type.entry_stub == first.entry_stub && type.exit_stub == first.exit_stub,
                 "other stubs than an equal type");
    return NULL;
}

static u32 imported_count(const Image *image, u32 kind) {
    switch (kind) {
    case EXTERN_FUNC: return image->func_import_count;
    case EXTERN_TABLE: return image->table_import_count;
    case EXTERN_MEMORY: return image->memory_import_count;
    case EXTERN_GLOBAL: return image->global_import_count;
    default: return 0;
    }
}

static const char *import_fault(const Image *image, u32 i) {
    StoredImport stored;
    record_load(&image->imports, i, &stored);
    FAULT_UNLESS(stored.index < imported_count(image, stored.kind), "no import of that kind");
    FAULT_UNLESS(string_is_fine(image, stored.module_offset, stored.module_bytes) &&
                     string_is_fine(image, stored.name_offset, stored.name_bytes),
                 "a name beyond the strings");
    return NULL;
}

static const char *export_fault(const Image *image, u32 i) {
    StoredExport stored;
    ImageExport found;
    record_load(&image->exports, i, &stored);
    FAULT_UNLESS(string_is_fine(image, stored.name_offset, stored.name_bytes),
                 "a name beyond the strings");
    const Str name = string_at(image, stored.name_offset, stored.name_bytes);
    FAULT_UNLESS(image_export_find(image, name, &found) && found.kind == (ExternKind)stored.kind &&
                     found.index == stored.index,
                 "not found by its name, or it exports what is not there");
    return NULL;
}

static const char *func_fault(const Image *image, u32 i) {
    StoredFunc stored;
    record_load(&image->funcs, i, &stored);
    const u32 type = stored.type_flags & STORED_FUNC_TYPE_MASK;
    FAULT_UNLESS(type < image->types.count, "an unknown type");
    const ImageType func_type = image_type(image, type);
    FAULT_UNLESS(stored.funcref == ID_NONE || image_funcref(image, stored.funcref) == i,
                 "another function's reference slot");
    FAULT_UNLESS(stored.funcref == ID_NONE || func_type.entry_stub != ID_NONE,
                 "a reference, but no entry stub");
    if (i < image->func_import_count) {
        FAULT_UNLESS(stored.text_offset == ID_NONE && stored.text_bytes == 0,
                     "an import with code");
        FAULT_UNLESS(func_type.exit_stub != ID_NONE, "an import without an exit stub");
        return NULL;
    }
    FAULT_UNLESS(range_fits(stored.text_offset, stored.text_bytes, image->text_bytes) &&
                     stored.text_bytes != 0,
                 "code beyond the text");
    // Either end would be found in another function if two overlapped or were out of order.
    FAULT_UNLESS(image_func_at(image, stored.text_offset) == i &&
                     image_func_at(image, stored.text_offset + stored.text_bytes - 1) == i,
                 "not found by the place of its code");
    return NULL;
}

static const char *func_name_fault(const Image *image, u32 i) {
    StoredName stored;
    record_load(&image->func_names, i, &stored);
    FAULT_UNLESS(string_is_fine(image, stored.offset, stored.bytes), "a name beyond the strings");
    return NULL;
}

static const char *funcref_fault(const Image *image, u32 i) {
    const u32 func = image_funcref(image, i);
    FAULT_UNLESS(func != ID_NONE, "no such function");
    FAULT_UNLESS(image_func(image, func).funcref == i, "a function that has another slot");
    return NULL;
}

// An entry is a function's, and its signature the function's: indirect calls rely on it.
static bool entry_is_fine(const Image *image, u64 offset) {
    ImageTableEntry entry;
    memcpy(&entry, image->bytes + offset, sizeof entry);
    if (entry.sig == TABLE_ENTRY_NULL) {
        return true;
    }
    const ImageFunc func = image_func(image, image_func_at(image, entry.text_offset));
    const ImageType type = image_type(image, func.type);
    const u32 sig = type.sig == SIG_LARGE ? SIG_LARGE | type.canonical : type.sig;
    return func.text_offset == entry.text_offset && sig == entry.sig;
}

static const char *table_fault(const Image *image, u32 i) {
    StoredTable stored;
    record_load(&image->tables, i, &stored);
    const ImageTableInfo table = image_table(image, i);
    FAULT_UNLESS(stored.elem < VAL_COUNT && val_is_ref((ValType)stored.elem),
                 "elements that are no references");
    FAULT_UNLESS(limits_are_fine(stored.min, stored.max, (stored.flags & STORED_HAS_MAX) != 0,
                                 UINT32_MAX),
                 "limits that contradict each other");
    FAULT_UNLESS(table.is_frozen == ((stored.flags & STORED_IS_FROZEN) != 0),
                 "entries beyond .rodata");
    for (u32 k = 0; table.is_frozen && k < table.type.limits.min; k++) {
        FAULT_UNLESS(entry_is_fine(image, table.entries_offset + k * sizeof(ImageTableEntry)),
                     "an entry that is no function's");
    }
    return NULL;
}

static const char *memory_fault(const Image *image, u32 i) {
    StoredMemory stored;
    record_load(&image->memories, i, &stored);
    FAULT_UNLESS(limits_are_fine(stored.min, stored.max, (stored.flags & STORED_HAS_MAX) != 0,
                                 MAX_MEMORY_PAGES),
                 "limits that contradict each other");
    return NULL;
}

static const char *global_fault(const Image *image, u32 i) {
    StoredGlobal stored;
    record_load(&image->globals, i, &stored);
    FAULT_UNLESS(stored.type > VAL_NONE && stored.type < VAL_COUNT, "an unknown type");
    FAULT_UNLESS(i < image->global_import_count ||
                     const_is_fine(image, &stored.init, stored.type, i),
                 "an initial value that is none");
    return NULL;
}

static const char *data_fault(const Image *image, u32 i) {
    StoredData stored;
    record_load(&image->datas, i, &stored);
    const bool is_active = stored.mode == SEGMENT_ACTIVE;
    const bool is_applied = (stored.flags & STORED_IS_APPLIED) != 0;
    FAULT_UNLESS(is_active || (stored.mode == SEGMENT_PASSIVE && !is_applied), "an unknown mode");
    FAULT_UNLESS(range_fits(stored.offset, stored.bytes,
                            is_applied ? image->snapshot_bytes : image->data_bytes),
                 "bytes beyond the data");
    FAULT_UNLESS(!is_active || (stored.memory < image->memories.count &&
                                const_is_fine(image, &stored.at, VAL_I32, image->globals.count)),
                 "a place that is none");
    return NULL;
}

static bool lazy_elem_is_fine(const Image *image, const StoredElem *stored) {
    return stored->mode == SEGMENT_ACTIVE && stored->type == VAL_FUNCREF &&
           stored->table >= image->table_import_count && stored->at.kind == CONST_VALUE &&
           range_fits((u32)stored->at.low, stored->count,
                      image_table(image, stored->table).type.limits.min);
}

static const char *elem_fault(const Image *image, u32 i) {
    StoredElem stored;
    record_load(&image->elems, i, &stored);
    const bool is_active = stored.mode == SEGMENT_ACTIVE;
    FAULT_UNLESS(stored.mode <= SEGMENT_DECLARATIVE, "an unknown mode");
    FAULT_UNLESS(stored.type < VAL_COUNT && val_is_ref((ValType)stored.type),
                 "elements that are no references");
    FAULT_UNLESS(range_fits(stored.first_item, stored.count, image->elem_items.count),
                 "items beyond the table");
    FAULT_UNLESS(!is_active || (stored.table < image->tables.count &&
                                const_is_fine(image, &stored.at, VAL_I32, image->globals.count)),
                 "a place that is none");
    for (u32 k = 0; k < stored.count; k++) {
        const ConstExpr item = image_elem_item(image, stored.first_item + k);
        FAULT_UNLESS(item.type == (ValType)stored.type, "an item of another type");
        FAULT_UNLESS((stored.flags & STORED_IS_LAZY) == 0 || item.kind != CONST_GLOBAL,
                     "an item that cannot be made later");
    }
    FAULT_UNLESS((stored.flags & STORED_IS_LAZY) == 0 || lazy_elem_is_fine(image, &stored),
                 "a lazy segment outside of its table");
    return NULL;
}

// ---- All ---------------------------------------------------------------------------------------

static const struct {
    const char *name;
    usize table; // offset of the ImageTable in Image
    const char *(*fault)(const Image *image, u32 i);
} TABLES[] = {
    {"type", offsetof(Image, types), type_fault},
    {"import", offsetof(Image, imports), import_fault},
    {"export", offsetof(Image, exports), export_fault},
    {"function", offsetof(Image, funcs), func_fault},
    {"name of function", offsetof(Image, func_names), func_name_fault},
    {"function reference", offsetof(Image, funcrefs), funcref_fault},
    {"table", offsetof(Image, tables), table_fault},
    {"memory", offsetof(Image, memories), memory_fault},
    {"global", offsetof(Image, globals), global_fault},
    {"data segment", offsetof(Image, datas), data_fault},
    {"element segment", offsetof(Image, elems), elem_fault},
};

static bool check_tables(const Image *image, Error *err) {
    for (u32 row = 0; row < COUNT_OF(TABLES); row++) {
        ImageTable table;
        memcpy(&table, (const char *)image + TABLES[row].table, sizeof table);
        for (u32 i = 0; i < table.count; i++) {
            const char *fault = TABLES[row].fault(image, i);
            if (fault != NULL) {
                return fail(err, IMAGE, ERROR_NO_OFFSET, "damaged image: %s %u: %s",
                            TABLES[row].name, i, fault);
            }
        }
    }
    return true;
}

static const char *start_fault(const Image *image) {
    if (image->start_func == ID_NONE) {
        return NULL;
    }
    const FuncType type = image_type(image, image_func(image, image->start_func).type).type;
    return type.param_count + type.result_count == 0 ? NULL : "it takes or returns values";
}

bool image_check(const Image *image, Error *err) {
    static const struct {
        const char *name;
        const char *(*fault)(const Image *image);
    } PARTS[] = {
        {"start function", start_fault},
        {"trap table", check_traps},
        {"address map", check_addresses},
        {"stack maps", check_stackmaps},
        {"unwind table", check_frames},
        {"unwind table", check_pdata},
        {"symbols", check_symbols},
    };
    TRY(check_tables(image, err));
    for (u32 i = 0; i < COUNT_OF(PARTS); i++) {
        const char *fault = PARTS[i].fault(image);
        if (fault != NULL) {
            return fail(err, IMAGE, ERROR_NO_OFFSET, "damaged image: %s: %s", PARTS[i].name,
                        fault);
        }
    }
    return true;
}
