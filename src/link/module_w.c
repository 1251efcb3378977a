// .imago.module: the module's description as flat tables (src/image/lists.def), each at a multiple
// of 8, without pointers.
#include <stdlib.h>

#include "base/check.h"
#include "link/link_int.h"

static Writer *tables_of(Linker *linker) { return &linker->sections[SECTION_MODULE]; }

// Starts table `id`; it ends where the next one starts.
static void begin_list(Linker *linker, ImageListId id, u32 count) {
    Writer *w = tables_of(linker);
    write_align(w, 8);
    linker->header.lists[id] = (StoredList){count != 0 ? (u32)w->count : 0, count};
}

static StoredConst const_of(const ConstExpr *expr) {
    return (StoredConst){
        .kind = (u8)expr->kind,
        .type = (u8)expr->type,
        .index = expr->kind == CONST_GLOBAL || expr->kind == CONST_REF_FUNC ? expr->index : 0,
        .low = expr->kind == CONST_VALUE ? expr->low : 0,
        .high = expr->kind == CONST_VALUE && expr->type == VAL_V128 ? expr->high : 0,
    };
}

static void write_name(Linker *linker) {
    const Str name = linker->module->name;
    if (name.count != 0) {
        begin_list(linker, IMAGE_LIST_NAME, (u32)name.count + 1);
        write_bytes(tables_of(linker), name.at, name.count);
        write_u8(tables_of(linker), 0);
    }
}

static void write_memories(Linker *linker) {
    const Module *module = linker->module;
    begin_list(linker, IMAGE_LIST_MEMORIES, module->memory_count);
    for (u32 i = 0; i < module->memory_count; i++) {
        const Limits *limits = &module->memories[i];
        const StoredMemory stored = {
            .min = limits->min,
            .max = limits->has_max ? limits->max : 0,
            .flags = limits->has_max ? STORED_HAS_MAX : 0,
        };
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
}

static void write_types(Linker *linker) {
    const Module *module = linker->module;
    u32 codes = 0;
    begin_list(linker, IMAGE_LIST_TYPES, module->type_count);
    for (u32 i = 0; i < module->type_count; i++) {
        const FuncType *type = &module->types[i];
        const StoredType stored = {
            .codes = codes,
            .params = (u16)type->param_count,
            .results = (u16)type->result_count,
            .sig = type_sig(type),
            .entry_stub = linker->entry_stub_at[linker->input->canonical_types[i]],
            .exit_stub = linker->exit_stub_at[linker->input->canonical_types[i]],
            .canonical = linker->input->canonical_types[i],
        };
        codes += type->param_count + type->result_count;
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
    begin_list(linker, IMAGE_LIST_TYPE_CODES, codes);
    for (u32 i = 0; i < module->type_count; i++) {
        const FuncType *type = &module->types[i];
        write_bytes(tables_of(linker), type->types, type->param_count + type->result_count);
    }
}

static void write_imports(Linker *linker) {
    const Module *module = linker->module;
    begin_list(linker, IMAGE_LIST_IMPORTS, module->import_count);
    for (u32 i = 0; i < module->import_count; i++) {
        const Import *item = &module->imports[i];
        const StoredImport stored = {
            .module_offset = strings_add(linker, item->module),
            .module_bytes = (u32)item->module.count,
            .name_offset = strings_add(linker, item->name),
            .name_bytes = (u32)item->name.count,
            .kind = (u32)item->kind,
            .index = item->index,
        };
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
}

static int export_compare(const void *left, const void *right) {
    const Export *a = *(const Export *const *)left, *b = *(const Export *const *)right;
    const usize shorter = a->name.count < b->name.count ? a->name.count : b->name.count;
    const int order = shorter == 0 ? 0 : memcmp(a->name.at, b->name.at, shorter);
    return order != 0 ? order : (a->name.count > b->name.count) - (a->name.count < b->name.count);
}

static void write_exports(Linker *linker) {
    const Module *module = linker->module;
    const Export **sorted = PUSH(&linker->arena, const Export *, module->export_count);
    for (u32 i = 0; i < module->export_count; i++) {
        sorted[i] = &module->exports[i];
    }
    if (module->export_count != 0) {
        qsort(sorted, module->export_count, sizeof *sorted, export_compare);
    }
    begin_list(linker, IMAGE_LIST_EXPORTS, module->export_count);
    for (u32 i = 0; i < module->export_count; i++) {
        const StoredExport stored = {
            .name_offset = strings_add(linker, sorted[i]->name),
            .name_bytes = (u32)sorted[i]->name.count,
            .kind = (u32)sorted[i]->kind,
            .index = sorted[i]->index,
        };
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
}

static void write_tables(Linker *linker) {
    const Module *module = linker->module;
    begin_list(linker, IMAGE_LIST_TABLES, module->table_count);
    for (u32 i = 0; i < module->table_count; i++) {
        const TableType *type = &module->tables[i];
        const bool is_frozen = linker->table_at[i] != ID_NONE;
        const StoredTable stored = {
            .min = type->limits.min,
            .max = type->limits.has_max ? type->limits.max : 0,
            .elem = (u8)type->elem,
            .flags = (u8)((type->limits.has_max ? STORED_HAS_MAX : 0) |
                          (is_frozen ? STORED_IS_FROZEN : 0)),
            .entries = linker->table_at[i],
        };
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
}

static void write_globals(Linker *linker) {
    const Module *module = linker->module;
    begin_list(linker, IMAGE_LIST_GLOBALS, module->global_count);
    for (u32 i = 0; i < module->global_count; i++) {
        const Global *global = &module->globals[i];
        StoredGlobal stored = {
            .type = (u8)global->type.type,
            .flags = global->type.is_mutable ? STORED_IS_MUTABLE : 0,
        };
        if (i >= module->global_import_count) {
            stored.init = const_of(&global->init);
        }
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
}

static void write_datas(Linker *linker) {
    const Module *module = linker->module;
    bool copies = false;
    begin_list(linker, IMAGE_LIST_DATAS, module->data_count);
    for (u32 i = 0; i < module->data_count; i++) {
        const DataSegment *data = &module->datas[i];
        StoredData stored = {
            .mode = (u8)data->mode,
            .flags = linker->data_in_snapshot[i] ? STORED_IS_APPLIED : 0,
            .memory = data->mode == SEGMENT_ACTIVE ? data->memory : 0,
            .offset = linker->data_at[i],
            .bytes = data->bytes.count,
        };
        if (data->mode == SEGMENT_ACTIVE) {
            copies |= !linker->data_in_snapshot[i];
            stored.at = const_of(&data->offset);
        }
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
    linker->header.flags |= copies ? 0 : IMAGE_COPIES_NO_DATA;
}

static u32 item_of(ValType type, const ElemItem *item) {
    switch (item->kind) {
    case CONST_REF_FUNC: return item->index;
    case CONST_GLOBAL: return item->index | ITEM_GLOBAL;
    case CONST_REF_NULL:
    case CONST_VALUE: break;
    }
    return type == VAL_EXTERNREF ? ITEM_NULL_EXTERN : ITEM_NULL_FUNC;
}

static void write_elems(Linker *linker) {
    const Module *module = linker->module;
    u32 items = 0;
    bool copies = false;
    begin_list(linker, IMAGE_LIST_ELEMS, module->elem_count);
    for (u32 i = 0; i < module->elem_count; i++) {
        const ElemSegment *elem = &module->elems[i];
        const bool is_active = elem->mode == SEGMENT_ACTIVE;
        const bool is_applied = is_active && linker->table_at[elem->table] != ID_NONE;
        const bool is_lazy = i < 32 && (linker->input->lazy_elems >> i & 1) != 0;
        StoredElem stored = {
            .mode = (u8)elem->mode,
            .type = (u8)elem->type,
            .flags = is_applied ? STORED_IS_APPLIED : is_lazy ? STORED_IS_LAZY : 0,
            .table = is_active ? elem->table : 0,
            .first_item = items,
            .count = elem->count,
        };
        if (is_active) {
            copies |= !is_applied;
            stored.at = const_of(&elem->offset);
        }
        items += elem->count;
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
    linker->header.flags |= copies ? 0 : IMAGE_COPIES_NO_ELEMS;
    begin_list(linker, IMAGE_LIST_ELEM_ITEMS, items);
    for (u32 i = 0; i < module->elem_count; i++) {
        const ElemSegment *elem = &module->elems[i];
        for (u32 k = 0; k < elem->count; k++) {
            write_u32(tables_of(linker), item_of(elem->type, &elem->items[k]));
        }
    }
}

static void write_funcrefs(Linker *linker) {
    const Module *module = linker->module;
    const u32 count = linker->input->shape.funcref_count;
    u32 *funcs = PUSH(&linker->arena, u32, count);
    for (u32 i = 0; i < module->func_count; i++) {
        const u32 slot = linker->input->funcref_slots[i];
        if (slot != ID_NONE) {
            CHECK(slot < count);
            funcs[slot] = i;
        }
    }
    begin_list(linker, IMAGE_LIST_FUNCREFS, count);
    write_bytes(tables_of(linker), funcs, count * sizeof *funcs);
}

// Only where it is not that of the indexes. Not a list of the header: it follows the functions.
static void write_func_order(Linker *linker) {
    for (u32 i = 0; i < linker->piece_count; i++) {
        const u32 id = linker->pieces[i].blob;
        if (id != ID_NONE && linker->input->blobs[id].kind == BLOB_FUNC) {
            write_u32(tables_of(linker), linker->input->blobs[id].index);
        }
    }
    linker->header.flags |= IMAGE_HAS_FUNC_ORDER;
}

static void write_funcs(Linker *linker) {
    const Module *module = linker->module;
    begin_list(linker, IMAGE_LIST_FUNCS, module->func_count);
    for (u32 i = 0; i < module->func_count; i++) {
        StoredFunc stored = {
            .type_flags = module->funcs[i].type,
            .text_offset = ID_NONE,
            .funcref = linker->input->funcref_slots[i],
        };
        if (linker->func_blob[i] != ID_NONE) {
            const CodeBlob *blob = &linker->input->blobs[linker->func_blob[i]];
            stored.text_offset = (u32)linker->text_at[linker->func_blob[i]];
            stored.text_bytes = blob->code_bytes;
            stored.type_flags |= (blob->flags & BLOB_HAS_NO_FRAME) != 0 ? STORED_FUNC_NO_FRAME : 0;
        }
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
    if (linker->input->layout.shuffle_seed != 0) {
        write_func_order(linker);
    }
}

static Str func_name(const Linker *linker, u32 func) {
    const Str name = module_func_name(linker->module, func);
    const u32 exported = linker->first_export[func];
    return name.count == 0 && exported != ID_NONE ? linker->module->exports[exported].name : name;
}

static void write_func_names(Linker *linker) {
    const Module *module = linker->module;
    linker->named_count = module->func_count;
    while (linker->named_count != 0 && func_name(linker, linker->named_count - 1).count == 0) {
        linker->named_count--;
    }
    linker->name_at = PUSH(&linker->arena, u32, linker->named_count);
    begin_list(linker, IMAGE_LIST_FUNC_NAMES, linker->named_count);
    for (u32 i = 0; i < linker->named_count; i++) {
        const Str name = func_name(linker, i);
        const StoredName stored = {strings_add(linker, name), (u32)name.count};
        linker->name_at[i] = stored.offset;
        write_bytes(tables_of(linker), &stored, sizeof stored);
    }
}

static void write_counts(Linker *linker) {
    const Module *module = linker->module;
    const VmShape *shape = &linker->input->shape;
    StoredHeader *header = &linker->header;
    header->ctx_func_imports = shape->func_import_count;
    header->ctx_tables = shape->table_count;
    header->ctx_globals = shape->global_count;
    header->ctx_funcrefs = shape->funcref_count;
    header->ctx_types = shape->type_count;
    header->func_imports = module->func_import_count;
    header->table_imports = module->table_import_count;
    header->memory_imports = module->memory_import_count;
    header->global_imports = module->global_import_count;
    header->start_func = module->has_start ? module->start_func : ID_NONE;
}

void module_write(Linker *linker) {
    write_memories(linker);
    write_name(linker);
    write_types(linker);
    write_imports(linker);
    write_exports(linker);
    write_tables(linker);
    write_globals(linker);
    write_datas(linker);
    write_elems(linker);
    write_funcrefs(linker);
    write_funcs(linker);
    write_func_names(linker);
    write_counts(linker);
}
