// The host module of the official test suite (its interpreter/host/spectest.ml): functions that
// print, here to nowhere, and one global of each type, a table, a memory.
#include "cli/wast_int.h"

static ImagoStatus print_nothing(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    (void)values;
    return IMAGO_OK;
}

static const struct {
    const char *name;
    u32 count;
    u8 params[2];
} FUNCS[] = {
    {"print", 0, {0}},
    {"print_i32", 1, {IMAGO_I32}},
    {"print_i64", 1, {IMAGO_I64}},
    {"print_f32", 1, {IMAGO_F32}},
    {"print_f64", 1, {IMAGO_F64}},
    {"print_i32_f32", 2, {IMAGO_I32, IMAGO_F32}},
    {"print_f64_f64", 2, {IMAGO_F64, IMAGO_F64}},
};

// Function types are borrowed by the store, so they outlive it here.
static ImagoFuncType func_types[COUNT_OF(FUNCS)];

static const struct {
    const char *name;
    ImagoType type;
    ImagoValue value;
} GLOBALS[] = {
    {"global_i32", IMAGO_I32, {.i32 = 666}},
    {"global_i64", IMAGO_I64, {.i64 = 666}},
    {"global_f32", IMAGO_F32, {.f32 = 666.6f}},
    {"global_f64", IMAGO_F64, {.f64 = 666.6}},
};

static bool define(ImagoLinker *linker, const char *name, ImagoExtern item, Error *err) {
    return imago_linker_define(linker, "spectest", 8, name, strlen(name), item, err);
}

static bool define_funcs(ImagoLinker *linker, Error *err) {
    for (u32 i = 0; i < COUNT_OF(FUNCS); i++) {
        func_types[i] = (ImagoFuncType){.params = FUNCS[i].params, .param_count = FUNCS[i].count};
        TRY(imago_linker_define_func(linker, "spectest", FUNCS[i].name, &func_types[i],
                                     print_nothing, NULL, err));
    }
    return true;
}

static bool define_globals(ImagoStore *store, ImagoLinker *linker, Error *err) {
    for (u32 i = 0; i < COUNT_OF(GLOBALS); i++) {
        ImagoGlobal *global =
            imago_global_new(store, GLOBALS[i].type, false, GLOBALS[i].value, err);
        TRY(global != NULL);
        TRY(define(linker, GLOBALS[i].name,
                   (ImagoExtern){.kind = IMAGO_EXTERN_GLOBAL, .of.global = global}, err));
    }
    return true;
}

bool wast_define_host(ImagoStore *store, ImagoLinker *linker, Error *err) {
    TRY(define_funcs(linker, err));
    TRY(define_globals(store, linker, err));
    ImagoTable *table = imago_table_new(store, IMAGO_FUNCREF, &(ImagoLimits){10, 20, true},
                                        (ImagoValue){.func = NULL}, err);
    TRY(table != NULL);
    TRY(define(linker, "table", (ImagoExtern){.kind = IMAGO_EXTERN_TABLE, .of.table = table},
               err));
    ImagoMemory *memory = imago_memory_new(store, &(ImagoLimits){1, 2, true}, err);
    TRY(memory != NULL);
    return define(linker, "memory",
                  (ImagoExtern){.kind = IMAGO_EXTERN_MEMORY, .of.memory = memory}, err);
}
