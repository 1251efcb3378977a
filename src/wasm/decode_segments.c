// Decoder: element segments, code bodies' places, data segments (specification 5.5.12 to 5.5.15).
#include "types/limits.h"
#include "wasm/decode_int.h"

// Bits of an element segment's leading integer, 0 to 7.
enum {
    ELEM_NOT_ACTIVE = 1,
    ELEM_EXPLICIT = 2, // active: a table index; else: declarative
    ELEM_EXPRESSIONS = 4,
};

static bool decode_offset(Decoder *d, ConstExpr *offset) {
    return decode_const(d, VAL_I32, offset);
}

// The type byte of a segment that names it: an element kind or a reference type.
static bool decode_elem_type(Decoder *d, u32 flags, ValType *type) {
    *type = VAL_FUNCREF;
    if ((flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT)) == 0) {
        return true;
    }
    if ((flags & ELEM_EXPRESSIONS) != 0) {
        return decode_ref_type(d, type);
    }
    const u64 at = decode_at(d);
    const u8 kind = read_u8(&d->r);
    TRY(decode_ok(d));
    if (kind != 0) {
        return fail(d->err, MALFORMED, at, "malformed element kind 0x%02x, expected 0", kind);
    }
    return true;
}

static bool decode_elem_item(Decoder *d, bool is_expression, ValType type, ElemItem *item) {
    if (is_expression) {
        ConstExpr expr;
        TRY(decode_const(d, type, &expr));
        *item = (ElemItem){expr.kind, expr.index};
        return true;
    }
    item->kind = CONST_REF_FUNC;
    TRY(decode_index(d, d->module->func_count, "function", &item->index));
    d->module->funcs[item->index].is_escaping = true;
    return true;
}

static bool decode_elem_items(Decoder *d, u32 flags, ElemSegment *elem) {
    const bool has_expressions = (flags & ELEM_EXPRESSIONS) != 0;
    TRY(decode_count(d, MAX_TABLE_ENTRIES, "elements", &elem->count));
    const usize room = decode_room(d, elem->count, has_expressions ? 2 : 1);
    void *out;
    TRY(decode_alloc(d, room, sizeof(ElemItem), &out));
    ElemItem *items = out;
    elem->items = items;
    for (u32 i = 0; i < elem->count; i++) {
        TRY(decode_elem_item(d, has_expressions, elem->type, &items[i]));
    }
    return true;
}

static bool decode_elem(Decoder *d, ElemSegment *elem) {
    const u64 at = decode_at(d);
    const u32 flags = (u32)read_uleb(&d->r, 32);
    TRY(decode_ok(d));
    if (flags > 7) {
        return fail(d->err, MALFORMED, at, "malformed elements segment kind %u, expected 0 to 7",
                    flags);
    }
    const bool is_explicit = (flags & ELEM_EXPLICIT) != 0;
    const Module *m = d->module;
    if ((flags & ELEM_NOT_ACTIVE) != 0) {
        elem->mode = is_explicit ? SEGMENT_DECLARATIVE : SEGMENT_PASSIVE;
    } else {
        elem->mode = SEGMENT_ACTIVE;
        if (is_explicit) {
            TRY(decode_index(d, m->table_count, "table", &elem->table));
        } else if (m->table_count == 0) {
            return fail(d->err, INVALID, at, "unknown table 0: the module has none");
        }
        TRY(decode_offset(d, &elem->offset));
    }
    TRY(decode_elem_type(d, flags, &elem->type));
    if (elem->mode == SEGMENT_ACTIVE && elem->type != m->tables[elem->table].elem) {
        return fail(d->err, INVALID, at, "type mismatch: %s elements for table %u of %s",
                    val_name(elem->type), elem->table, val_name(m->tables[elem->table].elem));
    }
    return decode_elem_items(d, flags, elem);
}

bool decode_elems(Decoder *d) {
    Module *m = d->module;
    void *elems;
    TRY(decode_count(d, MAX_ELEM_SEGMENTS, "element segments", &m->elem_count));
    TRY(decode_alloc(d, decode_room(d, m->elem_count, 3), sizeof(ElemSegment), &elems));
    m->elems = elems;
    for (u32 i = 0; i < m->elem_count; i++) {
        TRY(decode_elem(d, &m->elems[i]));
    }
    return true;
}

bool decode_data_count(Decoder *d) {
    d->data_count = (u32)read_uleb(&d->r, 32);
    d->module->has_data_count = true;
    return decode_ok(d);
}

bool decode_code(Decoder *d) {
    Module *m = d->module;
    const u32 defined = m->func_count - m->func_import_count;
    TRY(decode_count(d, MAX_FUNCS, "function bodies", &d->body_count));
    m->code_offset = decode_at(d);
    m->code_bytes = reader_left(&d->r);
    for (u32 i = 0; i < d->body_count; i++) {
        Func surplus; // there may be more bodies than functions: an error, found at the end
        Func *func = i < defined ? &m->funcs[m->func_import_count + i] : &surplus;
        TRY(decode_count(d, MAX_BODY_BYTES, "bytes of a function body", &func->body_bytes));
        func->body_offset = (u32)decode_at(d);
        (void)read_bytes(&d->r, func->body_bytes);
    }
    return true;
}

static bool decode_data(Decoder *d, DataSegment *data) {
    enum { ACTIVE, PASSIVE, ACTIVE_EXPLICIT };
    const u64 at = decode_at(d);
    const u32 kind = (u32)read_uleb(&d->r, 32);
    TRY(decode_ok(d));
    if (kind > ACTIVE_EXPLICIT) {
        return fail(d->err, MALFORMED, at, "malformed data segment kind %u, expected 0 to 2", kind);
    }
    data->mode = kind == PASSIVE ? SEGMENT_PASSIVE : SEGMENT_ACTIVE;
    if (kind == ACTIVE_EXPLICIT) {
        TRY(decode_index(d, d->module->memory_count, "memory", &data->memory));
    } else if (kind == ACTIVE && d->module->memory_count == 0) {
        return fail(d->err, INVALID, at, "unknown memory 0: the module has none");
    }
    if (kind != PASSIVE) {
        TRY(decode_offset(d, &data->offset));
    }
    u32 count;
    TRY(decode_count(d, UINT32_MAX, "bytes of data", &count));
    data->file_offset = decode_at(d);
    data->bytes = read_bytes(&d->r, count);
    return true;
}

bool decode_datas(Decoder *d) {
    Module *m = d->module;
    void *datas;
    TRY(decode_count(d, MAX_DATA_SEGMENTS, "data segments", &m->data_count));
    TRY(decode_alloc(d, decode_room(d, m->data_count, 2), sizeof(DataSegment), &datas));
    m->datas = datas;
    for (u32 i = 0; i < m->data_count; i++) {
        TRY(decode_data(d, &m->datas[i]));
    }
    return true;
}
