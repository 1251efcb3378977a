// Frozen tables: {signature, text offset} in .rodata, one after the other from its start.
#include "link/link_int.h"

static bool entry_of(const Linker *linker, const ElemItem *item, ImageTableEntry *out) {
    *out = (ImageTableEntry){TABLE_ENTRY_NULL, 0};
    if (item->kind == CONST_REF_NULL) {
        return true;
    }
    if (item->kind != CONST_REF_FUNC || item->index >= linker->module->func_count ||
        linker->func_blob[item->index] == ID_NONE) {
        return false;
    }
    const u32 type = linker->module->funcs[item->index].type;
    const u32 sig = type_sig(&linker->module->types[type]);
    out->sig = sig == SIG_LARGE ? SIG_LARGE | linker->input->canonical_types[type] : sig;
    out->text_offset = (u32)linker->text_at[linker->func_blob[item->index]];
    return true;
}

static bool apply_segment(Linker *linker, const ElemSegment *segment, u8 *entries) {
    const u64 count = linker->module->tables[segment->table].limits.min;
    if (segment->offset.kind != CONST_VALUE ||
        !range_fits((u32)segment->offset.low, segment->count, count)) {
        return false;
    }
    u8 *at = entries + (u32)segment->offset.low * sizeof(ImageTableEntry);
    for (u32 i = 0; i < segment->count; i++, at += sizeof(ImageTableEntry)) {
        ImageTableEntry entry;
        TRY(entry_of(linker, &segment->items[i], &entry));
        memcpy(at, &entry, sizeof entry);
    }
    return true;
}

static void begin_table(Linker *linker, u32 table) {
    Writer *rodata = &linker->sections[SECTION_RODATA];
    const ImageTableEntry null = {TABLE_ENTRY_NULL, 0};
    const u32 count = linker->module->tables[table].limits.min;
    linker->table_at[table] = (u32)rodata->count;
    for (u32 i = 0; i < count && !rodata->failed; i++) {
        write_bytes(rodata, &null, sizeof null);
    }
}

bool tables_write(Linker *linker) {
    const Module *module = linker->module;
    Writer *rodata = &linker->sections[SECTION_RODATA];
    for (u32 i = 0; i < module->table_count && i < 64; i++) {
        if ((linker->input->frozen_tables >> i & 1) != 0) {
            begin_table(linker, i);
        }
    }
    if (rodata->failed) {
        return true; // reported with all writers
    }
    for (u32 i = 0; i < module->elem_count; i++) {
        const ElemSegment *segment = &module->elems[i];
        if (segment->mode != SEGMENT_ACTIVE || linker->table_at[segment->table] == ID_NONE) {
            continue;
        }
        if (!apply_segment(linker, segment, rodata->at + linker->table_at[segment->table])) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET,
                        "table %u cannot be frozen: element segment %u", segment->table, i);
        }
    }
    return true;
}
