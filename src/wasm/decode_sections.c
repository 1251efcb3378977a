// Decoder: the sections of declarations, one function each (specification 5.5.4 to 5.5.11).
#include "base/alloc.h"
#include "base/hash.h"
#include "types/limits.h"
#include "wasm/decode_int.h"

static bool decode_type_list(Decoder *d, u32 limit, const char *what, const u8 **types,
                             u32 *count) {
    TRY(decode_count(d, limit, what, count));
    *types = d->r.at;
    for (u32 i = 0; i < *count; i++) {
        u8 type;
        TRY(decode_val_type(d, &type));
    }
    return true;
}

static bool decode_func_type(Decoder *d, FuncType *type) {
    enum { FORM_FUNC = 0x60 };
    const u64 at = decode_at(d);
    const u8 form = read_u8(&d->r);
    TRY(decode_ok(d));
    if (form >= 0x80) {
        return fail(d->err, MALFORMED, at, "integer representation too long (form of a type)");
    }
    if (form != FORM_FUNC) {
        return fail(d->err, MALFORMED, at, "malformed definition type 0x%02x, expected 0x60", form);
    }
    const u8 *params;
    const u8 *results;
    TRY(decode_type_list(d, MAX_PARAMS, "parameters", &params, &type->param_count));
    TRY(decode_type_list(d, MAX_RESULTS, "results", &results, &type->result_count));
    void *copy;
    TRY(decode_alloc(d, type->param_count + type->result_count, 1, &copy));
    u8 *types = copy;
    for (u32 i = 0; i < type->param_count; i++) {
        types[i] = (u8)val_of_binary(params[i]);
    }
    for (u32 i = 0; i < type->result_count; i++) {
        types[type->param_count + i] = (u8)val_of_binary(results[i]);
    }
    type->types = types;
    return true;
}

bool decode_types(Decoder *d) {
    Module *m = d->module;
    void *types;
    TRY(decode_count(d, MAX_TYPES, "types", &m->type_count));
    TRY(decode_alloc(d, decode_room(d, m->type_count, 3), sizeof(FuncType), &types));
    m->types = types;
    for (u32 i = 0; i < m->type_count; i++) {
        TRY(decode_func_type(d, &m->types[i]));
    }
    return true;
}

// What an import describes goes to index spaces of its own, which grow item by item here and get
// their definitions behind them later.
typedef struct Imported {
    VEC(Func) funcs;
    VEC(TableType) tables;
    VEC(Limits) memories;
    VEC(Global) globals;
} Imported;

static bool no_memory(Decoder *d) {
    return fail(d->err, NO_MEMORY, decode_at(d), "out of memory");
}

static bool check_memory_count(Decoder *d, u64 at, u64 count) {
    if (count > MAX_MEMORIES) {
        return fail(d->err, INVALID, at, "multiple memories: %llu, expected at most one",
                    (unsigned long long)count);
    }
    return true;
}

static bool import_func(Decoder *d, Imported *all, u32 *index) {
    Func func = {0};
    TRY(decode_index(d, d->module->type_count, "type", &func.type));
    *index = (u32)all->funcs.count;
    return vec_push(&all->funcs, func) || no_memory(d);
}

static bool import_table(Decoder *d, Imported *all, u32 *index) {
    TableType table = {0};
    TRY(decode_table_type(d, &table));
    *index = (u32)all->tables.count;
    return vec_push(&all->tables, table) || no_memory(d);
}

static bool import_memory(Decoder *d, Imported *all, u32 *index) {
    Limits memory = {0};
    const u64 at = decode_at(d);
    TRY(decode_memory_type(d, &memory));
    *index = (u32)all->memories.count;
    TRY(check_memory_count(d, at, all->memories.count + 1));
    return vec_push(&all->memories, memory) || no_memory(d);
}

static bool import_global(Decoder *d, Imported *all, u32 *index) {
    Global global = {0};
    TRY(decode_global_type(d, &global.type));
    *index = (u32)all->globals.count;
    return vec_push(&all->globals, global) || no_memory(d);
}

static bool decode_kind(Decoder *d, const char *what, ExternKind *kind) {
    const u64 at = decode_at(d);
    const u8 byte = read_u8(&d->r);
    TRY(decode_ok(d));
    if (byte > EXTERN_GLOBAL) {
        return fail(d->err, MALFORMED, at, "malformed %s kind 0x%02x", what, byte);
    }
    *kind = (ExternKind)byte;
    return true;
}

static bool decode_import(Decoder *d, Import *import, Imported *all) {
    static bool (*const BY_KIND[])(Decoder *, Imported *, u32 *) = {
        [EXTERN_FUNC] = import_func,
        [EXTERN_TABLE] = import_table,
        [EXTERN_MEMORY] = import_memory,
        [EXTERN_GLOBAL] = import_global,
    };
    TRY(decode_name(d, &import->module));
    TRY(decode_name(d, &import->name));
    TRY(decode_kind(d, "import", &import->kind));
    return BY_KIND[import->kind](d, all, &import->index);
}

static bool publish_imports(Decoder *d, const Imported *all) {
    Module *m = d->module;
    m->func_count = m->func_import_count = (u32)all->funcs.count;
    m->table_count = m->table_import_count = (u32)all->tables.count;
    m->memory_count = m->memory_import_count = (u32)all->memories.count;
    m->global_count = m->global_import_count = (u32)all->globals.count;
    void *funcs = all->funcs.at;
    void *tables = all->tables.at;
    void *memories = all->memories.at;
    void *globals = all->globals.at;
    TRY(decode_extend(d, &funcs, m->func_count, 0, sizeof(Func)));
    TRY(decode_extend(d, &tables, m->table_count, 0, sizeof(TableType)));
    TRY(decode_extend(d, &memories, m->memory_count, 0, sizeof(Limits)));
    TRY(decode_extend(d, &globals, m->global_count, 0, sizeof(Global)));
    m->funcs = funcs;
    m->tables = tables;
    m->memories = memories;
    m->globals = globals;
    return true;
}

bool decode_imports(Decoder *d) {
    Module *m = d->module;
    void *imports;
    TRY(decode_count(d, MAX_IMPORTS, "imports", &m->import_count));
    TRY(decode_alloc(d, decode_room(d, m->import_count, 4), sizeof(Import), &imports));
    m->imports = imports;
    Imported all = {0};
    bool ok = true;
    for (u32 i = 0; ok && i < m->import_count; i++) {
        ok = decode_import(d, &m->imports[i], &all);
    }
    ok = ok && publish_imports(d, &all);
    vec_free(&all.funcs);
    vec_free(&all.tables);
    vec_free(&all.memories);
    vec_free(&all.globals);
    return ok;
}

// Makes room for the definitions of one kind behind its imports; *count becomes that of both.
static bool begin_definitions(Decoder *d, u32 limit, u32 min_bytes, const char *what, void **array,
                              u32 *count, usize item_bytes) {
    const u64 at = decode_at(d);
    u32 more;
    TRY(decode_count(d, limit, what, &more));
    if (more > limit - *count) {
        return fail(d->err, LIMIT, at, "%u %s with the imported ones, the limit is %u",
                    more + *count, what, limit);
    }
    TRY(decode_extend(d, array, *count, decode_room(d, more, min_bytes), item_bytes));
    *count += more;
    return true;
}

bool decode_funcs(Decoder *d) {
    Module *m = d->module;
    void *funcs = m->funcs;
    TRY(begin_definitions(d, MAX_FUNCS, 1, "functions", &funcs, &m->func_count, sizeof(Func)));
    m->funcs = funcs;
    for (u32 i = m->func_import_count; i < m->func_count; i++) {
        TRY(decode_index(d, m->type_count, "type", &m->funcs[i].type));
    }
    return true;
}

bool decode_tables(Decoder *d) {
    Module *m = d->module;
    void *tables = m->tables;
    TRY(begin_definitions(d, MAX_TABLES, 3, "tables", &tables, &m->table_count,
                          sizeof(TableType)));
    m->tables = tables;
    for (u32 i = m->table_import_count; i < m->table_count; i++) {
        TRY(decode_table_type(d, &m->tables[i]));
    }
    return true;
}

bool decode_memories(Decoder *d) {
    Module *m = d->module;
    void *memories = m->memories;
    const u64 at = decode_at(d);
    TRY(begin_definitions(d, UINT32_MAX, 2, "memories", &memories, &m->memory_count,
                          sizeof(Limits)));
    m->memories = memories;
    for (u32 i = m->memory_import_count; i < m->memory_count; i++) {
        TRY(decode_memory_type(d, &m->memories[i]));
    }
    return check_memory_count(d, at, m->memory_count);
}

bool decode_globals(Decoder *d) {
    Module *m = d->module;
    void *globals = m->globals;
    TRY(begin_definitions(d, MAX_GLOBALS, 3, "globals", &globals, &m->global_count,
                          sizeof(Global)));
    m->globals = globals;
    for (u32 i = m->global_import_count; i < m->global_count; i++) {
        Global *global = &m->globals[i];
        TRY(decode_global_type(d, &global->type));
        TRY(decode_const(d, global->type.type, &global->init));
    }
    return true;
}

static bool decode_export(Decoder *d, Export *export) {
    const Module *m = d->module;
    const struct {
        const char *name;
        u32 count;
    } spaces[] = {
        [EXTERN_FUNC] = {"function", m->func_count},
        [EXTERN_TABLE] = {"table", m->table_count},
        [EXTERN_MEMORY] = {"memory", m->memory_count},
        [EXTERN_GLOBAL] = {"global", m->global_count},
    };
    TRY(decode_name(d, &export->name));
    TRY(decode_kind(d, "export", &export->kind));
    TRY(decode_index(d, spaces[export->kind].count, spaces[export->kind].name, &export->index));
    if (export->kind == EXTERN_FUNC) {
        m->funcs[export->index].is_escaping = true;
    }
    return true;
}

// Export names by hash, then by content: the order makes equal names neighbours in O(n log n)
// whatever the names are.
typedef struct Named {
    u64 hash;
    Str name;
} Named;

static bool named_less(const Named *a, const Named *b) {
    if (LIKELY(a->hash != b->hash)) {
        return a->hash < b->hash;
    }
    if (a->name.count != b->name.count) {
        return a->name.count < b->name.count;
    }
    return memcmp(a->name.at, b->name.at, a->name.count) < 0;
}

static void sift_down(Named *heap, usize root, usize count) {
    for (usize child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && named_less(&heap[child], &heap[child + 1])) {
            child++;
        }
        if (!named_less(&heap[root], &heap[child])) {
            return;
        }
        const Named swap = heap[root];
        heap[root] = heap[child];
        heap[child] = swap;
        root = child;
    }
}

static void sort_names(Named *names, usize count) {
    for (usize root = count / 2; root-- > 0;) {
        sift_down(names, root, count);
    }
    for (usize last = count; last-- > 1;) {
        const Named swap = names[0];
        names[0] = names[last];
        names[last] = swap;
        sift_down(names, 0, last);
    }
}

static bool check_export_names(Decoder *d) {
    const Module *m = d->module;
    Named *names = mem_alloc(m->export_count * sizeof(Named));
    if (names == NULL) {
        return no_memory(d);
    }
    for (u32 i = 0; i < m->export_count; i++) {
        const Str name = m->exports[i].name;
        names[i] = (Named){hash_bytes(name.at, name.count, 0), name};
    }
    sort_names(names, m->export_count);
    bool ok = true;
    for (u32 i = 1; ok && i < m->export_count; i++) {
        if (names[i].hash == names[i - 1].hash && str_equal(names[i].name, names[i - 1].name)) {
            const char *a = names[i - 1].name.at;
            const char *b = names[i].name.at;
            const char *second = a > b ? a : b;
            char text[80];
            ok = fail(d->err, INVALID, (u64)((const u8 *)second - m->bytes),
                      "duplicate export name \"%s\"",
                      str_printable(names[i].name, text, sizeof text));
        }
    }
    mem_free(names);
    return ok;
}

bool decode_exports(Decoder *d) {
    Module *m = d->module;
    void *exports;
    TRY(decode_count(d, MAX_EXPORTS, "exports", &m->export_count));
    TRY(decode_alloc(d, decode_room(d, m->export_count, 3), sizeof(Export), &exports));
    m->exports = exports;
    for (u32 i = 0; i < m->export_count; i++) {
        TRY(decode_export(d, &m->exports[i]));
    }
    return check_export_names(d);
}

bool decode_start(Decoder *d) {
    Module *m = d->module;
    const u64 at = decode_at(d);
    TRY(decode_index(d, m->func_count, "function", &m->start_func));
    const FuncType *type = module_func_type(m, m->start_func);
    if (type->param_count != 0 || type->result_count != 0) {
        return fail(d->err, INVALID, at,
                    "start function %u has %u parameters and %u results, expected none",
                    m->start_func, type->param_count, type->result_count);
    }
    m->has_start = true;
    return true;
}
