// Sections around the functions (gen.h says what this is about).
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/lib/gen_int.h"

static bool percent(Gen *g, u32 share) { return rng_percent(&g->rng, share); }
static u32 below(Gen *g, u32 bound) { return rng_below(&g->rng, bound); }

static Signature any_signature(Gen *g, bool has_references) {
    Signature type = {0};
    type.param_count = (u8)(percent(g, 70) ? below(g, 5) : below(g, MAX_PARAMS + 1));
    type.result_count = (u8)(percent(g, 60) ? below(g, 2)
                                             : below(g, percent(g, 90) ? 7 : MAX_PARAMS + 1));
    for (u32 i = 0; i < type.param_count; i++) {
        type.params[i] = has_references ? any_type(g) : any_number_type(g);
    }
    for (u32 i = 0; i < type.result_count; i++) {
        type.results[i] = has_references ? any_type(g) : any_number_type(g);
    }
    return type;
}

static void choose_functions(Gen *g) {
    g->import_count = below(g, 4);
    g->func_count = g->import_count + 2 + below(g, 7);
    u32 type = 0;
    for (u32 i = 0; i < g->func_count; i++) {
        if (i <= g->import_count || percent(g, 60)) { // else of the type of the one before
            const Signature signature = any_signature(g, i >= g->import_count);
            type = type_index(g, &signature);
        }
        g->func_type[i] = type;
        // Insertion keeps the tables' order sorted by type.
        u32 at = i;
        while (at > 0 && g->func_type[g->table_order[at - 1]] > type) {
            g->table_order[at] = g->table_order[at - 1];
            at--;
        }
        g->table_order[at] = i;
    }
    for (u32 i = 0; i < g->func_count; i++) {
        g->table_position[g->table_order[i]] = i;
    }
}

static void choose_globals(Gen *g) {
    g->import_global_count = percent(g, 50) ? 0 : 1 + below(g, 5);
    g->fuel_global = g->import_global_count;
    g->acc_global = g->fuel_global + 1;
    g->global_count = g->acc_global + 1 + below(g, MAX_GLOBALS - g->acc_global - 1);
    for (u32 i = 0; i < g->global_count; i++) {
        g->global_type[i] = i < g->import_global_count ? any_number_type(g) : any_type(g);
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
}

// The module's code section.
static void write_code(Gen *g, Bytes *section) {
    bytes_u32(section, g->func_count - g->import_count);
    for (u32 i = g->import_count; i < g->func_count; i++) {
        const Signature type = g->types[g->func_type[i]];
        g->type = &type;
        static const u8 TYPES[] = {T_I32, T_I64, T_F32, T_F64};
        g->favourite = TYPES[below(g, 4)];
        g->is_pressed = percent(g, 35);
        choose_locals(g);
        g->budget = 20 + (i32)below(g, percent(g, 75) ? 250 : percent(g, 98) ? 1200 : 30000);
        g->code.count = 0;
        const u32 declared = g->local_count - type.param_count;
        bytes_u32(&g->code, declared);
        for (u32 k = type.param_count; k < g->local_count; k++) {
            bytes_u32(&g->code, 1);
            bytes_u8(&g->code, g->local_type[k]);
        }
        function_body(g);
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

static void write_imports(const Gen *g, Bytes *section) {
    char name[16];
    bytes_u32(section, g->import_count + g->import_global_count);
    for (u32 i = 0; i < g->import_count; i++) {
        (void)snprintf(name, sizeof name, "h%u", i);
        write_name(section, "host");
        write_name(section, name);
        bytes_u8(section, 0);
        bytes_u32(section, g->func_type[i]);
    }
    for (u32 i = 0; i < g->import_global_count; i++) {
        (void)snprintf(name, sizeof name, "g%u", i);
        write_name(section, "host");
        write_name(section, name);
        bytes_u8(section, 3);
        bytes_u8(section, g->global_type[i]);
        bytes_u8(section, g->global_mutable[i]);
    }
}

static void write_functions(const Gen *g, Bytes *section) {
    bytes_u32(section, g->func_count - g->import_count);
    for (u32 i = g->import_count; i < g->func_count; i++) {
        bytes_u32(section, g->func_type[i]);
    }
}

static void write_tables(const Gen *g, Bytes *section) {
    bytes_u32(section, 3);
    bytes_append(section, (const u8[]){T_FUNC, 0}, 2);
    bytes_u32(section, g->func_count + TABLE_SPARE);
    bytes_append(section, (const u8[]){T_FUNC, 1}, 2);
    bytes_u32(section, g->func_count + TABLE_SPARE);
    bytes_u32(section, 100);
    bytes_append(section, (const u8[]){T_EXTERN, 0, TABLE_SPARE}, 3);
}

static void write_memory(const Gen *g, Bytes *section) {
    bytes_append(section, (const u8[]){1, 1}, 2);
    bytes_u32(section, g->pages);
    bytes_u32(section, g->max_pages);
}

static void write_globals(Gen *g, Bytes *section) {
    bytes_u32(section, g->global_count - g->import_global_count);
    for (u32 i = g->import_global_count; i < g->global_count; i++) {
        bytes_u8(section, g->global_type[i]);
        bytes_u8(section, g->global_mutable[i]);
        g->code.count = 0;
        emit_const(g, g->global_type[i]);
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
    u32 count = 4;
    write_export(&rows, "fuel", 3, g->fuel_global);
    write_export(&rows, "acc", 3, g->acc_global);
    write_export(&rows, "memory", 2, 0);
    write_export(&rows, "table", 1, TABLE_OPEN);
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

static void write_elements(const Gen *g, Bytes *section) {
    bytes_u32(section, 3);
    bytes_append(section, (const u8[]){0, 0x41, 0, 0x0B}, 4);
    write_table_order(g, section);
    bytes_append(section, (const u8[]){2, TABLE_OPEN, 0x41, 0, 0x0B, 0}, 6);
    write_table_order(g, section);
    bytes_append(section, (const u8[]){1, 0}, 2);
    write_table_order(g, section);
}

static void write_data(Gen *g, Bytes *section) {
    bytes_append(section, (const u8[]){2, 0, 0x41, 16, 0x0B}, 5);
    bytes_u32(section, 512);
    for (u32 i = 0; i < 64; i++) {
        bytes_fixed(section, percent(g, 30) ? rng_f64(&g->rng) : rng_i64(&g->rng), 8);
    }
    bytes_u8(section, 1);
    bytes_u32(section, DATA_BYTES);
    for (u32 i = 0; i < DATA_BYTES; i++) {
        bytes_u8(section, below(g, 256));
    }
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
    choose_globals(g);
    Bytes code = {0};
    Bytes section = {0};
    Bytes module = {0};
    write_code(g, &code); // adds types
    bytes_append(&module, (const u8[]){0, 'a', 's', 'm', 1, 0, 0, 0}, 8);
    write_types(g, &section);
    bytes_section(&module, 1, &section);
    write_imports(g, &section);
    bytes_section(&module, 2, &section);
    write_functions(g, &section);
    bytes_section(&module, 3, &section);
    write_tables(g, &section);
    bytes_section(&module, 4, &section);
    write_memory(g, &section);
    bytes_section(&module, 5, &section);
    write_globals(g, &section);
    bytes_section(&module, 6, &section);
    write_exports(g, &section);
    bytes_section(&module, 7, &section);
    write_elements(g, &section);
    bytes_section(&module, 9, &section);
    bytes_u32(&section, 2);
    bytes_section(&module, 12, &section);
    bytes_section(&module, 10, &code);
    write_data(g, &section);
    bytes_section(&module, 11, &section);
    free(g->code.at);
    free(code.at);
    free(section.at);
    free(g);
    *count = module.count;
    return module.at;
}
