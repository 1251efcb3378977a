// Sections around the functions (gen.h says what this is about).
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/lib/gen_int.h"

static bool percent(Gen *g, u32 share) { return rng_percent(&g->rng, share); }
static u32 below(Gen *g, u32 bound) { return rng_below(&g->rng, bound); }

// Few most of the time, seldom many.
static u32 any_arity(Gen *g, u32 few) {
    return percent(g, 70) ? below(g, few) : below(g, percent(g, 93) ? 13 : MAX_PARAMS + 1);
}

static Signature any_signature(Gen *g, bool has_references) {
    Signature type = {0};
    type.param_count = (u8)any_arity(g, 5);
    type.result_count = (u8)any_arity(g, percent(g, 85) ? 2 : 7);
    for (u32 i = 0; i < type.param_count; i++) {
        type.params[i] = has_references ? any_type(g) : any_number_type(g);
    }
    for (u32 i = 0; i < type.result_count; i++) {
        type.results[i] = has_references ? any_type(g) : any_number_type(g);
    }
    return type;
}

// Insertion keeps the tables' order sorted by type.
static void put_in_tables(Gen *g, u32 func) {
    u32 at = func;
    while (at > 0 && g->func_type[g->table_order[at - 1]] > g->func_type[func]) {
        g->table_order[at] = g->table_order[at - 1];
        at--;
    }
    g->table_order[at] = func;
}

static void choose_functions(Gen *g) {
    g->import_count = below(g, 4);
    g->func_count = g->import_count + 2 + below(g, 7);
    g->has_start = percent(g, 15);
    g->has_deep = percent(g, 8);
    u32 type = 0;
    for (u32 i = 0; i <= g->func_count; i++) { // the last one may be the one that recurses
        const bool is_start = g->has_start && i == g->import_count;
        if (is_start || i <= g->import_count || percent(g, 60)) { // else as the one before
            const bool has_references = i >= g->import_count || percent(g, 30);
            const Signature signature =
                is_start ? (Signature){0} : any_signature(g, has_references);
            type = type_index(g, &signature);
        }
        g->func_type[i] = type;
        if (i < g->func_count) {
            put_in_tables(g, i);
        }
    }
    for (u32 i = 0; i < g->func_count; i++) {
        g->table_position[g->table_order[i]] = i;
    }
}

// Imported tables come first in their index space.
static void choose_tables(Gen *g) {
    g->is_table_imported[TABLE_OPEN] = percent(g, 20);
    g->is_table_imported[TABLE_EXTERN] = percent(g, 20);
    g->imports_memory = percent(g, 25);
    u32 count = 0;
    for (u32 imported = 2; imported-- > 0;) {
        for (u32 role = 0; role < TABLE_ROLES; role++) {
            if (g->is_table_imported[role] == (imported == 1)) {
                g->table[role] = count++;
            }
        }
    }
}

static void choose_globals(Gen *g) {
    g->import_global_count = percent(g, 50) ? 0 : 1 + below(g, 5);
    g->fuel_global = g->import_global_count;
    g->acc_global = g->fuel_global + 1;
    g->global_count = g->acc_global + 1 + below(g, MAX_GLOBALS - g->acc_global - 1);
    for (u32 i = 0; i < g->global_count; i++) {
        g->global_type[i] = any_type(g);
        g->global_mutable[i] = percent(g, 70);
    }
    g->global_type[g->fuel_global] = T_I32;
    g->global_type[g->acc_global] = T_I64;
    g->global_mutable[g->fuel_global] = g->global_mutable[g->acc_global] = true;
}

static void choose_locals(Gen *g) {
    g->local_count = g->type->param_count;
    memcpy(g->local_type, g->type->params, g->local_count);
    u32 count = percent(g, 60) ? 2 + below(g, 12) : 5 + below(g, 40);
    count = percent(g, 1) ? 100 + below(g, percent(g, 70) ? 1000 : MAX_LOCALS - 200) : count;
    const u32 special = below(g, count);
    for (u32 i = 0; i <= count; i++) {
        if (i == special) {
            static const u8 TYPES[] = {T_I32, T_I32, T_F32, T_F64};
            g->fuel_local = g->local_count;
            g->counter_local = g->local_count + 1;
            g->nan_local[0] = g->local_count + 2;
            g->nan_local[1] = g->local_count + 3;
            memcpy(g->local_type + g->local_count, TYPES, sizeof TYPES);
            g->local_count += 4;
        }
        g->local_type[g->local_count++] = any_type(g);
    }
    g->fresh_first = g->local_count;
    g->fresh_count = 8;
    for (u32 i = 0; i < g->fresh_count; i++) {
        g->local_type[g->local_count++] = percent(g, 60) ? T_I32 : T_I64;
    }
}

static void begin_function(Gen *g, const Signature *type) {
    static const u8 TYPES[] = {T_I32, T_I64, T_F32, T_F64};
    g->type = type;
    g->favourite = TYPES[below(g, 4)];
    g->is_pressed = percent(g, 35);
    choose_locals(g);
    g->budget = 20 + (i32)below(g, percent(g, 75) ? 250 : percent(g, 98) ? 1200 : 30000);
    g->code.count = 0;
    bytes_u32(&g->code, g->local_count - type->param_count);
    for (u32 k = type->param_count; k < g->local_count; k++) {
        bytes_u32(&g->code, 1);
        bytes_u8(&g->code, g->local_type[k]);
    }
}

static u32 defined_count(const Gen *g) { return g->func_count - g->import_count + g->has_deep; }

// The module's code section.
static void write_code(Gen *g, Bytes *section) {
    bytes_u32(section, defined_count(g));
    for (u32 i = g->import_count; i < g->func_count + g->has_deep; i++) {
        const Signature type = g->types[g->func_type[i]];
        begin_function(g, &type);
        i == g->func_count ? deep_body(g, i) : function_body(g);
        bytes_u32(section, (u32)g->code.count);
        bytes_append(section, g->code.at, g->code.count);
    }
}

static void write_name(Bytes *section, const char *name) {
    bytes_u32(section, (u32)strlen(name));
    bytes_append(section, (const u8 *)name, strlen(name));
}

static void write_types(const Gen *g, Bytes *section) {
    bytes_u32(section, g->type_count);
    for (u32 i = 0; i < g->type_count; i++) {
        const Signature *type = &g->types[i];
        bytes_u8(section, 0x60);
        bytes_u32(section, type->param_count);
        bytes_append(section, type->params, type->param_count);
        bytes_u32(section, type->result_count);
        bytes_append(section, type->results, type->result_count);
    }
}

static void write_limits(Bytes *section, u32 min, u32 max) {
    bytes_u8(section, max != 0);
    bytes_u32(section, min);
    if (max != 0) {
        bytes_u32(section, max);
    }
}

static void write_table_type(const Gen *g, TableRole role, Bytes *section) {
    bytes_u8(section, role == TABLE_EXTERN ? T_EXTERN : T_FUNC);
    switch (role) {
    case TABLE_FROZEN: write_limits(section, g->func_count + TABLE_SPARE, 0); break;
    case TABLE_OPEN: write_limits(section, g->func_count + TABLE_SPARE, 100); break;
    case TABLE_EXTERN: write_limits(section, TABLE_SPARE, 0); break;
    case TABLE_EMPTY:
    case TABLE_ROLES: write_limits(section, 0, 60); break;
    }
}

static void write_import(Bytes *section, char kind, u32 index) {
    char name[16];
    (void)snprintf(name, sizeof name, "%c%u", kind, index);
    write_name(section, "host");
    write_name(section, name);
}

static u32 import_table_count(const Gen *g) {
    return g->is_table_imported[TABLE_OPEN] + (u32)g->is_table_imported[TABLE_EXTERN];
}

static void write_imports(const Gen *g, Bytes *section) {
    bytes_u32(section, g->import_count + g->import_global_count + import_table_count(g) +
                           g->imports_memory);
    for (u32 i = 0; i < g->import_count; i++) {
        write_import(section, 'h', i);
        bytes_u8(section, 0);
        bytes_u32(section, g->func_type[i]);
    }
    for (u32 role = 0; role < TABLE_ROLES; role++) {
        if (g->is_table_imported[role]) {
            write_import(section, 't', role);
            bytes_u8(section, 1);
            write_table_type(g, (TableRole)role, section);
        }
    }
    if (g->imports_memory) {
        write_import(section, 'm', 0);
        bytes_u8(section, 2);
        write_limits(section, g->pages, g->max_pages);
    }
    for (u32 i = 0; i < g->import_global_count; i++) {
        write_import(section, 'g', i);
        bytes_u8(section, 3);
        bytes_u8(section, g->global_type[i]);
        bytes_u8(section, g->global_mutable[i]);
    }
}

static void write_functions(const Gen *g, Bytes *section) {
    bytes_u32(section, defined_count(g));
    for (u32 i = g->import_count; i < g->func_count + g->has_deep; i++) {
        bytes_u32(section, g->func_type[i]);
    }
}

static void write_tables(const Gen *g, Bytes *section) {
    bytes_u32(section, TABLE_ROLES - import_table_count(g));
    for (u32 role = 0; role < TABLE_ROLES; role++) {
        if (!g->is_table_imported[role]) {
            write_table_type(g, (TableRole)role, section);
        }
    }
}

static void write_memory(const Gen *g, Bytes *section) {
    bytes_u32(section, !g->imports_memory);
    if (!g->imports_memory) {
        write_limits(section, g->pages, g->max_pages);
    }
}

// An imported global that does not change, or ID_NONE.
static u32 constant_import(const Gen *g, u8 type) {
    for (u32 i = 0; i < g->import_global_count; i++) {
        if (g->global_type[i] == type && !g->global_mutable[i]) {
            return i;
        }
    }
    return ID_NONE;
}

// A constant, an imported global, or a function.
static void emit_initial(Gen *g, u32 global) {
    const u8 type = g->global_type[global];
    const u32 import = constant_import(g, type);
    if (global == g->fuel_global) { // for the start function
        emit_i32(g, 50);
    } else if (import != ID_NONE && percent(g, 50)) {
        emit_u32(g, 0x23, import);
    } else if (type == T_FUNC && percent(g, 60)) {
        emit_u32(g, 0xD2, below(g, g->func_count));
    } else {
        emit_const(g, type);
    }
}

static void write_globals(Gen *g, Bytes *section) {
    bytes_u32(section, g->global_count - g->import_global_count);
    for (u32 i = g->import_global_count; i < g->global_count; i++) {
        bytes_u8(section, g->global_type[i]);
        bytes_u8(section, g->global_mutable[i]);
        g->code.count = 0;
        emit_initial(g, i);
        bytes_append(section, g->code.at, g->code.count);
        bytes_u8(section, 0x0B);
    }
}

static void write_export(Bytes *section, const char *name, u32 kind, u32 index) {
    write_name(section, name);
    bytes_u8(section, kind);
    bytes_u32(section, index);
}

static void write_exports(Gen *g, Bytes *section) {
    Bytes rows = {0};
    char name[16];
    u32 count = 5;
    write_export(&rows, "fuel", 3, g->fuel_global);
    write_export(&rows, "acc", 3, g->acc_global);
    write_export(&rows, "memory", 2, 0);
    write_export(&rows, "table", 1, g->table[TABLE_OPEN]);
    write_export(&rows, "externs", 1, g->table[TABLE_EXTERN]);
    if (percent(g, 50)) {
        write_export(&rows, "empty", 1, g->table[TABLE_EMPTY]);
        count++;
    }
    if (g->import_count != 0 && percent(g, 20)) {
        write_export(&rows, "h0", 0, 0);
        count++;
    }
    if (g->has_deep) {
        write_export(&rows, "deep", 0, g->func_count);
        count++;
    }
    for (u32 i = 0; i < g->global_count; i++) {
        if (i < g->import_global_count || percent(g, 50)) {
            (void)snprintf(name, sizeof name, "g%u", i);
            write_export(&rows, name, 3, i);
            count++;
        }
    }
    for (u32 i = g->import_count; i < g->func_count; i++) {
        (void)snprintf(name, sizeof name, "f%u", i - g->import_count);
        write_export(&rows, name, 0, i);
        count++;
    }
    bytes_u32(section, count);
    bytes_append(section, rows.at, rows.count);
    free(rows.at);
}

static void write_table_order(const Gen *g, Bytes *section) {
    bytes_u32(section, g->func_count);
    for (u32 i = 0; i < g->func_count; i++) {
        bytes_u32(section, g->table_order[i]);
    }
}

// The tables' order as expressions.
static void write_table_order_exprs(const Gen *g, Bytes *section) {
    bytes_u32(section, g->func_count);
    for (u32 i = 0; i < g->func_count; i++) {
        bytes_u8(section, 0xD2);
        bytes_u32(section, g->table_order[i]);
        bytes_u8(section, 0x0B);
    }
}

static void write_offset(Bytes *section, i32 offset) {
    bytes_u8(section, 0x41);
    bytes_signed(section, offset);
    bytes_u8(section, 0x0B);
}

// An active segment with the tables' order, in one of the forms that the table's index allows.
static void write_active_order(Gen *g, TableRole role, Bytes *section) {
    const u32 table = g->table[role];
    const bool has_exprs = percent(g, 40);
    const bool has_index = table != 0 || percent(g, 40);
    bytes_u8(section, (has_exprs ? 4u : 0) | (has_index ? 2u : 0));
    if (has_index) {
        bytes_u32(section, table);
    }
    write_offset(section, 0);
    if (has_index) {
        bytes_u8(section, has_exprs ? T_FUNC : 0);
    }
    has_exprs ? write_table_order_exprs(g, section) : write_table_order(g, section);
}

// A few entries behind the functions' ones, null or not; seldom one too many.
static void write_spare_entries(Gen *g, Bytes *section) {
    const u32 count = below(g, 4);
    bytes_u8(section, 6);
    bytes_u32(section, g->table[TABLE_OPEN]);
    write_offset(section, (i32)(g->func_count + (percent(g, 98) ? 2 : TABLE_SPARE)));
    bytes_u8(section, T_FUNC);
    bytes_u32(section, count);
    for (u32 i = 0; i < count; i++) {
        const u32 global = constant_import(g, T_FUNC);
        if (global != ID_NONE && percent(g, 50)) {
            bytes_u8(section, 0x23);
            bytes_u32(section, global);
        } else if (percent(g, 50)) {
            bytes_u8(section, 0xD2);
            bytes_u32(section, below(g, g->func_count));
        } else {
            bytes_append(section, (const u8[]){0xD0, T_FUNC}, 2);
        }
        bytes_u8(section, 0x0B);
    }
}

// Segments of external references can only hold nulls.
static void write_nulls(Gen *g, Bytes *section) {
    bytes_u8(section, 6);
    bytes_u32(section, g->table[TABLE_EXTERN]);
    write_offset(section, (i32)below(g, 3));
    bytes_append(section, (const u8[]){T_EXTERN, 2, 0xD0, T_EXTERN, 0x0B, 0xD0, T_EXTERN, 0x0B}, 8);
}

static void write_elements(Gen *g, Bytes *section) {
    const bool has_exprs = percent(g, 50);
    const u32 extra = below(g, 3);
    bytes_u32(section, 5 + extra);
    // ELEM_ORDER, ELEM_DROPPED
    bytes_append(section, has_exprs ? (const u8[]){5, T_FUNC} : (const u8[]){1, 0}, 2);
    has_exprs ? write_table_order_exprs(g, section) : write_table_order(g, section);
    bytes_append(section, (const u8[]){5, T_FUNC, 1, 0xD0, T_FUNC, 0x0B}, 6);
    write_active_order(g, TABLE_FROZEN, section);
    write_active_order(g, TABLE_OPEN, section);
    // Declarative: makes every function one that may be referred to.
    if (percent(g, 50)) {
        bytes_append(section, (const u8[]){3, 0}, 2);
        write_table_order(g, section);
    } else {
        bytes_append(section, (const u8[]){7, T_FUNC}, 2);
        write_table_order_exprs(g, section);
    }
    for (u32 i = 0; i < extra; i++) {
        percent(g, 60) ? write_spare_entries(g, section) : write_nulls(g, section);
    }
}

static void write_numbers(Gen *g, Bytes *section, u32 words) {
    bytes_u32(section, 8 * words);
    for (u32 i = 0; i < words; i++) {
        bytes_fixed(section, percent(g, 30) ? rng_f64(&g->rng) : rng_i64(&g->rng), 8);
    }
}

// An active segment somewhere, seldom beyond the memory's end; large ones become an image of pages.
static void write_active_data(Gen *g, Bytes *section) {
    const u32 words = percent(g, 70) ? below(g, 100) : below(g, 2500);
    const u64 end = ((u64)g->pages << 16) - 8 * words;
    const u32 offset = percent(g, 50)   ? below(g, 9000)
                       : percent(g, 96) ? (u32)(end - below(g, 3))
                                        : (u32)(end + 1);
    if (percent(g, 50)) {
        bytes_u8(section, 0);
    } else {
        bytes_append(section, (const u8[]){2, 0}, 2);
    }
    write_offset(section, (i32)offset);
    write_numbers(g, section, words);
}

static void write_data(Gen *g, Bytes *section, u32 extra) {
    bytes_u32(section, 3 + extra);
    bytes_u8(section, 1); // DATA_PASSIVE, DATA_DROPPED
    bytes_u32(section, DATA_BYTES);
    for (u32 i = 0; i < DATA_BYTES; i++) {
        bytes_u8(section, below(g, 256));
    }
    bytes_append(section, (const u8[]){1, 2, 1, 2}, 4);
    bytes_append(section, (const u8[]){0, 0x41, 16, 0x0B}, 4);
    write_numbers(g, section, 64);
    for (u32 i = 0; i < extra; i++) {
        write_active_data(g, section);
    }
}

// Names of the module and of some functions, not always well-formed.
static void write_names(Gen *g, Bytes *section) {
    Bytes part = {0};
    const u32 first = below(g, g->func_count);
    write_name(section, "name");
    bytes_append(section, (const u8[]){0, 5, 4, 'f', 'u', 'z', 'z'}, 7);
    bytes_u32(&part, g->func_count - first + percent(g, 5));
    for (u32 i = first; i < g->func_count; i++) {
        bytes_u32(&part, i);
        write_name(&part, percent(g, 90) ? "some name" : "");
    }
    bytes_u8(section, 1);
    bytes_u32(section, (u32)part.count);
    bytes_append(section, part.at, part.count);
    free(part.at);
}

static void write_module(Gen *g, Bytes *code, Bytes *module) {
    Bytes section = {0};
    const u32 extra_data = percent(g, 60) ? 0 : 1 + below(g, 3);
    bytes_append(module, (const u8[]){0, 'a', 's', 'm', 1, 0, 0, 0}, 8);
    write_types(g, &section);
    bytes_section(module, 1, &section);
    write_imports(g, &section);
    bytes_section(module, 2, &section);
    write_functions(g, &section);
    bytes_section(module, 3, &section);
    write_tables(g, &section);
    bytes_section(module, 4, &section);
    write_memory(g, &section);
    bytes_section(module, 5, &section);
    write_globals(g, &section);
    bytes_section(module, 6, &section);
    write_exports(g, &section);
    bytes_section(module, 7, &section);
    if (g->has_start) {
        bytes_u32(&section, g->import_count);
        bytes_section(module, 8, &section);
    }
    write_elements(g, &section);
    bytes_section(module, 9, &section);
    bytes_u32(&section, 3 + extra_data);
    bytes_section(module, 12, &section);
    bytes_section(module, 10, code);
    write_data(g, &section, extra_data);
    bytes_section(module, 11, &section);
    if (percent(g, 15)) {
        write_names(g, &section);
        bytes_section(module, 0, &section);
    }
    free(section.at);
}

uint8_t *gen_module(uint64_t seed, size_t *count) {
    Gen *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return NULL;
    }
    g->rng.state = seed * 0xD1342543DE82EF95u + 1;
    g->favourite = T_I32;
    g->pages = percent(g, 3) ? 600 + below(g, 100) : 1 + below(g, 3);
    g->max_pages = g->pages + below(g, 5);
    choose_functions(g);
    choose_tables(g);
    choose_globals(g);
    Bytes code = {0};
    Bytes module = {0};
    write_code(g, &code); // adds types
    write_module(g, &code, &module);
    free(g->code.at);
    free(code.at);
    free(g);
    *count = module.count;
    return module.at;
}
