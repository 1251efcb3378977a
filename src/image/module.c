// Records of `.imago.module` as the runtime sees them. Every value that a record holds is checked
// when it is read: a code, kind or index that makes no sense gives the zero record.
#include "image/image_int.h"
#include "types/limits.h"

static bool type_is_known(u8 type) { return type > VAL_NONE && type < VAL_COUNT; }

static ConstExpr const_of(const Image *image, const StoredConst *stored) {
    const bool is_index_fine =
        stored->kind == CONST_VALUE || stored->kind == CONST_REF_NULL ||
        (stored->kind == CONST_GLOBAL && stored->index < image->globals.count) ||
        (stored->kind == CONST_REF_FUNC && stored->index < image->funcs.count);
    if (!is_index_fine || !type_is_known(stored->type)) {
        return (ConstExpr){0};
    }
    return (ConstExpr){
        .kind = (ConstKind)stored->kind,
        .type = (ValType)stored->type,
        .index = stored->index,
        .low = stored->low,
        .high = stored->high,
    };
}

static Limits limits_of(u64 min, u64 max, bool has_max) {
    if (min > UINT32_MAX || max > UINT32_MAX) {
        return (Limits){0};
    }
    return (Limits){(u32)min, (u32)max, has_max};
}

static bool codes_are_known(const u8 *codes, u32 count) {
    for (u32 i = 0; i < count; i++) {
        if (!type_is_known(codes[i])) {
            return false;
        }
    }
    return true;
}

Str image_name(const Image *image) {
    const ImageTable *text = &image->name_text;
    const bool is_terminated = text->count != 0 && text->at[text->count - 1] == 0;
    return is_terminated ? (Str){(const char *)text->at, text->count - 1} : (Str){"", 0};
}

static u32 stub_of(const Image *image, u32 text_offset) {
    return text_offset < image->text_bytes ? text_offset : ID_NONE;
}

ImageType image_type(const Image *image, u32 i) {
    static const u8 NO_CODES[1] = {0};
    const ImageType none = {
        .type = {.types = NO_CODES}, .entry_stub = ID_NONE, .exit_stub = ID_NONE};
    StoredType stored;
    if (!record_load(&image->types, i, &stored) ||
        !range_fits(stored.codes, (u64)stored.params + stored.results, image->type_codes.count)) {
        return none;
    }
    const u8 *codes = image->type_codes.at + stored.codes;
    if (!codes_are_known(codes, (u32)stored.params + stored.results)) {
        return none;
    }
    return (ImageType){
        .type = {codes, stored.params, stored.results},
        .sig = stored.sig,
        .entry_stub = stub_of(image, stored.entry_stub),
        .exit_stub = stub_of(image, stored.exit_stub),
        .canonical = stored.canonical <= i ? stored.canonical : i,
    };
}

ImageTableInfo image_table(const Image *image, u32 i) {
    StoredTable stored;
    if (!record_load(&image->tables, i, &stored) || !type_is_known(stored.elem)) {
        return (ImageTableInfo){0};
    }
    const bool is_frozen =
        (stored.flags & STORED_IS_FROZEN) != 0 && stored.min <= UINT32_MAX &&
        range_fits(stored.entries, stored.min * sizeof(ImageTableEntry), image->rodata_bytes);
    return (ImageTableInfo){
        .type = {(ValType)stored.elem,
                 limits_of(stored.min, stored.max, (stored.flags & STORED_HAS_MAX) != 0)},
        .is_frozen = is_frozen,
        .entries_offset = is_frozen ? image->rodata_offset + stored.entries : 0,
    };
}

Limits image_memory(const Image *image, u32 i) {
    StoredMemory stored;
    record_load(&image->memories, i, &stored);
    if (stored.min > MAX_MEMORY_PAGES) {
        return (Limits){0};
    }
    return limits_of(stored.min, stored.max, (stored.flags & STORED_HAS_MAX) != 0);
}

ImageGlobal image_global(const Image *image, u32 i) {
    StoredGlobal stored;
    if (!record_load(&image->globals, i, &stored) || !type_is_known(stored.type)) {
        return (ImageGlobal){0};
    }
    return (ImageGlobal){
        .type = {(ValType)stored.type, (stored.flags & STORED_IS_MUTABLE) != 0},
        .init = const_of(image, &stored.init),
    };
}

ImageExternType image_extern_type(const Image *image, ExternKind kind, u32 index) {
    ImageExternType type = {.kind = kind};
    switch (kind) {
    case EXTERN_FUNC: type.type = image_func(image, index).type; break;
    case EXTERN_TABLE: type.table = image_table(image, index).type; break;
    case EXTERN_MEMORY: type.memory = image_memory(image, index); break;
    case EXTERN_GLOBAL: type.global = image_global(image, index).type; break;
    }
    return type;
}

u32 image_type_sig(const Image *image, u32 i) {
    return i < image->types.count
               ? load_u32(image->types.at + (usize)i * sizeof(StoredType) +
                          offsetof(StoredType, sig))
               : 0;
}

// A kind and an index in its index space.
static bool extern_fits(const Image *image, u32 kind, u32 index) {
    switch (kind) {
    case EXTERN_FUNC: return index < image->funcs.count;
    case EXTERN_TABLE: return index < image->tables.count;
    case EXTERN_MEMORY: return index < image->memories.count;
    case EXTERN_GLOBAL: return index < image->globals.count;
    default: return false;
    }
}

ImageImport image_import(const Image *image, u32 i) {
    StoredImport stored;
    if (!record_load(&image->imports, i, &stored) ||
        !extern_fits(image, stored.kind, stored.index)) {
        return (ImageImport){.module = {"", 0}, .name = {"", 0}};
    }
    return (ImageImport){
        .module = string_at(image, stored.module_offset, stored.module_bytes),
        .name = string_at(image, stored.name_offset, stored.name_bytes),
        .index = stored.index,
        .type = image_extern_type(image, (ExternKind)stored.kind, stored.index),
    };
}

ImageExport image_export(const Image *image, u32 i) {
    StoredExport stored;
    if (!record_load(&image->exports, i, &stored) ||
        !extern_fits(image, stored.kind, stored.index)) {
        return (ImageExport){.name = {"", 0}};
    }
    return (ImageExport){
        .name = string_at(image, stored.name_offset, stored.name_bytes),
        .kind = (ExternKind)stored.kind,
        .index = stored.index,
    };
}

// The order of the export table: bytes as unsigned, a prefix first.
static int name_compare(Str a, Str b) {
    const int order = memcmp(a.at, b.at, a.count < b.count ? a.count : b.count);
    return order != 0 ? order : (a.count > b.count) - (a.count < b.count);
}

bool image_export_find(const Image *image, Str name, ImageExport *out) {
    u32 first = 0, end = image->exports.count;
    while (first < end) {
        const u32 middle = first + (end - first) / 2;
        StoredExport stored;
        record_load(&image->exports, middle, &stored);
        const int order =
            name_compare(name, string_at(image, stored.name_offset, stored.name_bytes));
        if (order == 0) {
            *out = image_export(image, middle);
            return extern_fits(image, stored.kind, stored.index);
        }
        if (order < 0) {
            end = middle;
        } else {
            first = middle + 1;
        }
    }
    return false;
}

ImageElem image_elem(const Image *image, u32 i) {
    StoredElem stored;
    if (!record_load(&image->elems, i, &stored) || stored.mode > SEGMENT_DECLARATIVE ||
        !type_is_known(stored.type) ||
        !range_fits(stored.first_item, stored.count, image->elem_items.count)) {
        return (ImageElem){.mode = SEGMENT_DECLARATIVE};
    }
    return (ImageElem){
        .mode = (SegmentMode)stored.mode,
        .type = (ValType)stored.type,
        .table = stored.table,
        .is_in_frozen_table = (stored.flags & STORED_IS_APPLIED) != 0,
        .is_lazy = stored.mode == SEGMENT_ACTIVE && (stored.flags & STORED_IS_LAZY) != 0 &&
                   stored.at.kind == CONST_VALUE,
        .offset = const_of(image, &stored.at),
        .first_item = stored.first_item,
        .count = stored.count,
    };
}

ConstExpr image_elem_item(const Image *image, u32 item) {
    if (item >= image->elem_items.count) {
        return (ConstExpr){0};
    }
    const u32 stored = load_u32(image->elem_items.at + (usize)item * sizeof stored);
    if (stored >= ITEM_NULL_EXTERN) {
        const ValType type = stored == ITEM_NULL_EXTERN ? VAL_EXTERNREF : VAL_FUNCREF;
        return (ConstExpr){.kind = CONST_REF_NULL, .type = type};
    }
    const u32 index = stored & ~ITEM_GLOBAL;
    if ((stored & ITEM_GLOBAL) != 0) {
        const ValType type = image_global(image, index).type.type;
        return type == VAL_NONE ? (ConstExpr){0}
                                : (ConstExpr){.kind = CONST_GLOBAL, .type = type, .index = index};
    }
    return index >= image->funcs.count
               ? (ConstExpr){0}
               : (ConstExpr){.kind = CONST_REF_FUNC, .type = VAL_FUNCREF, .index = index};
}

ImageData image_data(const Image *image, u32 i) {
    const ImageData none = {.mode = SEGMENT_PASSIVE, .bytes = {"", 0}};
    StoredData stored;
    if (!record_load(&image->datas, i, &stored) || stored.mode > SEGMENT_PASSIVE) {
        return none;
    }
    const bool is_applied = (stored.flags & STORED_IS_APPLIED) != 0;
    const u8 *from = is_applied ? image->bytes + image->snapshot_offset : image->data;
    if (!range_fits(stored.offset, stored.bytes,
                    is_applied ? image->snapshot_bytes : image->data_bytes)) {
        return none;
    }
    return (ImageData){
        .mode = (SegmentMode)stored.mode,
        .memory = stored.memory,
        .offset = const_of(image, &stored.at),
        .bytes = {(const char *)from + stored.offset, stored.bytes},
        .is_in_snapshot = is_applied,
    };
}
