#include "compile/plan.h"

#include "types/canonical.h"

// A frozen table's entries stand in the image; one that is mostly empty does not deserve that.
enum { FROZEN_EMPTY_MAX = 65536 };

// The runtime looks through all segments when an entry is used for the first time.
enum { ELEM_LAZY_MAX = 16 };

// True if the segment's effect can be computed now: it cannot trap, and its items are null or
// functions with an index from `first_func` on.
static bool is_static_segment(const Module *module, const ElemSegment *segment, u32 first_func) {
    const u32 entries = module->tables[segment->table].limits.min;
    if (segment->offset.kind != CONST_VALUE ||
        !range_fits((u32)segment->offset.low, segment->count, entries)) {
        return false;
    }
    for (u32 i = 0; i < segment->count; i++) {
        const ElemItem *item = &segment->items[i];
        if (item->kind != CONST_REF_NULL &&
            (item->kind != CONST_REF_FUNC || item->index < first_func)) {
            return false;
        }
    }
    return true;
}

static u64 frozen_tables(const Module *module, u64 used_tables) {
    u64 frozen = 0;
    for (u32 i = module->table_import_count; i < module->table_count && i < 64; i++) {
        const TableType *type = &module->tables[i];
        if (type->elem == VAL_FUNCREF && type->limits.min != 0 &&
            type->limits.min <= FROZEN_EMPTY_MAX) {
            frozen |= 1ull << i;
        }
    }
    frozen &= ~used_tables;
    for (u32 i = 0; i < module->export_count; i++) {
        const Export *item = &module->exports[i];
        if (item->kind == EXTERN_TABLE && item->index < 64) {
            frozen &= ~(1ull << item->index);
        }
    }
    bool has_trap = false; // an earlier segment that may trap keeps later ones from being applied
    for (u32 i = 0; i < module->elem_count; i++) {
        const ElemSegment *segment = &module->elems[i];
        if (segment->mode != SEGMENT_ACTIVE || segment->table >= 64) {
            has_trap |= segment->mode == SEGMENT_ACTIVE;
            continue;
        }
        if (has_trap || !is_static_segment(module, segment, module->func_import_count)) {
            frozen &= ~(1ull << segment->table);
            has_trap = true;
        }
    }
    return frozen;
}

// Active segments (by bit) whose entries need no reference before they are used: functions at
// constant places of a table of the module's own. All before them are so, too, or fill frozen
// tables: none traps, so that each of them is applied.
static u32 lazy_segments(const Module *module, u64 frozen) {
    u32 lazy = 0;
    for (u32 i = 0; i < module->elem_count && module->elem_count <= ELEM_LAZY_MAX; i++) {
        const ElemSegment *segment = &module->elems[i];
        if (segment->mode != SEGMENT_ACTIVE ||
            (segment->table < 64 && (frozen >> segment->table & 1) != 0)) {
            continue;
        }
        if (segment->table < module->table_import_count || segment->type != VAL_FUNCREF ||
            !is_static_segment(module, segment, 0)) {
            break;
        }
        lazy |= 1u << i;
    }
    return lazy;
}

// Functions whose reference can exist at run time get a VmFuncRef. A segment that only fills a
// frozen table makes no reference; it does allow bodies to make one (`frozen` is 0 then).
static bool *find_escaping(const Module *module, Arena *arena, u64 frozen) {
    bool *is_escaping = PUSH(arena, bool, (usize)module->func_count + 1);
    if (is_escaping == NULL) {
        return NULL;
    }
    for (u32 i = 0; i < module->export_count; i++) {
        if (module->exports[i].kind == EXTERN_FUNC) {
            is_escaping[module->exports[i].index] = true;
        }
    }
    for (u32 i = module->global_import_count; i < module->global_count; i++) {
        if (module->globals[i].init.kind == CONST_REF_FUNC) {
            is_escaping[module->globals[i].init.index] = true;
        }
    }
    for (u32 i = 0; i < module->elem_count; i++) {
        const ElemSegment *segment = &module->elems[i];
        const bool is_frozen = segment->mode == SEGMENT_ACTIVE && segment->table < 64 &&
                               (frozen >> segment->table & 1) != 0;
        for (u32 j = 0; !is_frozen && j < segment->count; j++) {
            if (segment->items[j].kind == CONST_REF_FUNC) {
                is_escaping[segment->items[j].index] = true;
            }
        }
    }
    if (module->has_start) {
        is_escaping[module->start_func] = true;
    }
    return is_escaping;
}

// Where no externref comes from, there is none but null.
static bool has_externrefs(const Module *module) {
    bool found = false;
    for (u32 i = 0; i < module->type_count; i++) {
        const FuncType *type = &module->types[i];
        for (u32 k = 0; k < type->param_count + type->result_count; k++) {
            found |= type->types[k] == VAL_EXTERNREF;
        }
    }
    for (u32 i = 0; i < module->table_count; i++) {
        found |= module->tables[i].elem == VAL_EXTERNREF;
    }
    for (u32 i = 0; i < module->global_count; i++) {
        found |= module->globals[i].type.type == VAL_EXTERNREF;
    }
    return found;
}

bool plan_module(CompilePlan *plan, Arena *arena, const Module *module, BodyUses uses) {
    const u64 frozen = frozen_tables(module, uses.tables);
    const bool *is_escaping = find_escaping(module, arena, uses.ref_func ? 0 : frozen);
    u32 *slots = PUSH(arena, u32, (usize)module->func_count + 1);
    u32 *canonical = PUSH(arena, u32, (usize)module->type_count + 1);
    const AbiLayout *layouts = abi_layouts(arena, module->types, module->type_count);
    if (is_escaping == NULL || slots == NULL || canonical == NULL || layouts == NULL ||
        !types_canonical(module->types, module->type_count, canonical)) {
        return false;
    }
    u32 slot_count = 0;
    for (u32 i = 0; i < module->func_count; i++) {
        const bool has_slot = i >= module->func_import_count && is_escaping[i];
        slots[i] = has_slot ? slot_count++ : ID_NONE;
    }
    *plan = (CompilePlan){
        .module = module,
        .shape = {.func_import_count = module->func_import_count,
                  .table_count = module->table_count,
                  .global_count = module->global_count,
                  .funcref_count = slot_count,
                  .type_count = module->type_count},
        .funcref_slots = slots,
        .canonical_types = canonical,
        .layouts = layouts,
        .frozen_tables = frozen,
        .lazy_elems = lazy_segments(module, frozen),
        .maps_refs = has_externrefs(module),
    };
    return true;
}
