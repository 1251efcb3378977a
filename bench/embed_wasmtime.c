// Wasmtime in embed_bench, through its C interface, opened at run time: EMBED_LIBWASMTIME, or
// .cache/peers/libwasmtime.so of bench/fetch.sh (version 50). Declared here is only what is used.
#include "embed.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Bytes {
    size_t count;
    char *at;
} Bytes;

typedef struct WtFunc {
    uint64_t store_id;
    void *inner;
} WtFunc;

typedef union WtRaw {
    int32_t i32;
    uint64_t words[2];
} WtRaw;

typedef struct WtValue {
    uint8_t kind; // 0: i32
    union {
        int32_t i32;
        uint64_t words[3];
    } of;
} WtValue;

typedef struct WtExtern {
    uint8_t kind;
    union {
        WtFunc func;
        uint64_t words[3];
    } of;
} WtExtern;

typedef struct WtInstance {
    uint64_t store_id;
    size_t inner;
} WtInstance;

_Static_assert(sizeof(WtExtern) == 32 && sizeof(WtValue) == 32 && sizeof(WtRaw) == 16,
               "as in wasmtime/extern.h and wasmtime/val.h");

typedef void *(*WtCallback)(void *env, void *caller, const WtValue *args, size_t arg_count,
                            WtValue *results, size_t result_count);
typedef void *(*WtRawCallback)(void *env, void *caller, WtRaw *values, size_t count);

// CALL(result, name, parameters): functions return NULL or an error that the caller owns.
#define CALLS                                                                                      \
    CALL(void *, wasm_config_new, (void))                                                          \
    CALL(void, wasmtime_config_strategy_set, (void *, uint8_t))                                    \
    CALL(void *, wasm_engine_new_with_config, (void *))                                            \
    CALL(void, wasmtime_error_message, (const void *, Bytes *))                                    \
    CALL(void, wasm_trap_message, (const void *, Bytes *))                                         \
    CALL(void *, wasmtime_module_new, (void *, const uint8_t *, size_t, void **))                  \
    CALL(void *, wasmtime_module_validate, (void *, const uint8_t *, size_t))                      \
    CALL(void *, wasmtime_module_serialize, (void *, Bytes *))                                     \
    CALL(void *, wasmtime_module_deserialize_file, (void *, const char *, void **))                \
    CALL(void, wasmtime_module_delete, (void *))                                                   \
    CALL(void *, wasmtime_store_new, (void *, void *, void (*)(void *)))                           \
    CALL(void, wasmtime_store_delete, (void *))                                                    \
    CALL(void *, wasmtime_store_context, (void *))                                                 \
    CALL(void *, wasmtime_linker_new, (void *))                                                    \
    CALL(void, wasmtime_linker_delete, (void *))                                                   \
    CALL(void *, wasmtime_linker_define_unknown_imports_as_traps, (void *, void *))                \
    CALL(void *, wasmtime_linker_define_unknown_imports_as_default_values,                         \
         (void *, void *, void *))                                                                 \
    CALL(void *, wasmtime_linker_define_func,                                                      \
         (void *, const char *, size_t, const char *, size_t, const void *, WtCallback, void *,    \
          void (*)(void *)))                                                                       \
    CALL(void *, wasmtime_linker_define_func_unchecked,                                            \
         (void *, const char *, size_t, const char *, size_t, const void *, WtRawCallback, void *, \
          void (*)(void *)))                                                                       \
    CALL(void *, wasmtime_linker_instantiate, (void *, void *, void *, WtInstance *, void **))     \
    CALL(void *, wasmtime_linker_instantiate_pre, (void *, void *, void **))                       \
    CALL(void *, wasmtime_instance_pre_instantiate, (void *, void *, WtInstance *, void **))       \
    CALL(bool, wasmtime_instance_export_get,                                                       \
         (void *, const WtInstance *, const char *, size_t, WtExtern *))                           \
    CALL(void *, wasmtime_func_call,                                                               \
         (void *, const WtFunc *, const WtValue *, size_t, WtValue *, size_t, void **))            \
    CALL(void *, wasmtime_func_call_unchecked, (void *, const WtFunc *, WtRaw *, size_t, void **)) \
    CALL(void *, wasm_valtype_new, (uint8_t))                                                      \
    CALL(void, wasm_valtype_vec_new, (Bytes *, size_t, void **))                                   \
    CALL(void *, wasm_functype_new, (Bytes *, Bytes *))

#define CALL(result, name, params) static result(*name) params;
CALLS
#undef CALL

static void *engine, *pre, *calls_context;
static WtFunc same, loop;

// True if there is neither error nor trap.
static bool fine(const char *what, void *error, void *trap) {
    Bytes message = {0, NULL};
    if (error != NULL) {
        wasmtime_error_message(error, &message);
    } else if (trap != NULL) {
        wasm_trap_message(trap, &message);
    }
    return message.at == NULL || embed_failed(what, message.at, message.count);
}

static bool find_calls(void) {
    const char *path = getenv("EMBED_LIBWASMTIME");
    void *library = dlopen(path != NULL ? path : ".cache/peers/libwasmtime.so", RTLD_NOW);
    if (library == NULL) {
        const char *why = dlerror();
        return embed_failed("libwasmtime", why, strlen(why));
    }
    bool ok = true;
#define CALL(result, name, params)                                                                 \
    *(void **)&name = dlsym(library, #name);                                                       \
    ok = ok && (name != NULL || embed_failed(#name, "not in the library", 18));
    CALLS
#undef CALL
    return ok;
}

static bool wt_start(const char *compiler) {
    if (!find_calls()) {
        return false;
    }
    void *config = wasm_config_new();
    wasmtime_config_strategy_set(config, strcmp(compiler, "winch") == 0 ? 2 : 1);
    engine = wasm_engine_new_with_config(config);
    return engine != NULL;
}

static bool wt_compile(const uint8_t *wasm, size_t count, const char *out_path) {
    void *module = NULL;
    Bytes bytes = {0, NULL};
    if (!fine("compile", wasmtime_module_new(engine, wasm, count, &module), NULL) ||
        !fine("serialize", wasmtime_module_serialize(module, &bytes), NULL)) {
        return false;
    }
    FILE *file = fopen(out_path, "wb");
    const bool ok = file != NULL && fwrite(bytes.at, 1, bytes.count, file) == bytes.count;
    return file != NULL && fclose(file) == 0 && ok;
}

static bool wt_validate(const uint8_t *wasm, size_t count) {
    return fine("validate", wasmtime_module_validate(engine, wasm, count), NULL);
}

static void *wt_load(const char *path) {
    void *module = NULL;
    return fine(path, wasmtime_module_deserialize_file(engine, path, &module), NULL) ? module
                                                                                     : NULL;
}

static void wt_unload(void *module) { wasmtime_module_delete(module); }

// Modules that import functions only are linked once; what else is imported belongs to a store.
static bool wt_prepare(void *module) {
    void *linker = wasmtime_linker_new(engine);
    if (!fine("imports", wasmtime_linker_define_unknown_imports_as_traps(linker, module), NULL)) {
        return false;
    }
    if (wasmtime_linker_instantiate_pre(linker, module, &pre) != NULL) {
        pre = NULL;
    }
    return true;
}

static bool instantiate(void *context, void *module) {
    WtInstance instance;
    void *trap = NULL;
    if (pre != NULL) {
        return fine("instantiate",
                    wasmtime_instance_pre_instantiate(pre, context, &instance, &trap), trap);
    }
    void *linker = wasmtime_linker_new(engine);
    void *error =
        wasmtime_linker_define_unknown_imports_as_default_values(linker, context, module);
    if (error == NULL) {
        error = wasmtime_linker_instantiate(linker, context, module, &instance, &trap);
    }
    wasmtime_linker_delete(linker);
    return fine("instantiate", error, trap);
}

static bool wt_instantiate(void *module, uint32_t count) {
    void *store = wasmtime_store_new(engine, NULL, NULL);
    void *context = wasmtime_store_context(store);
    bool ok = true;
    for (uint32_t i = 0; ok && i < count; i++) {
        ok = instantiate(context, module);
    }
    wasmtime_store_delete(store);
    return ok;
}

static void *host_same(void *env, void *caller, const WtValue *args, size_t arg_count,
                       WtValue *results, size_t result_count) {
    (void)env;
    (void)caller;
    (void)arg_count;
    (void)result_count;
    results[0] = args[0];
    return NULL;
}

static void *host_same_raw(void *env, void *caller, WtRaw *values, size_t count) {
    (void)env;
    (void)caller;
    (void)values;
    (void)count;
    return NULL;
}

static bool wt_ready(void *module, bool is_checked) {
    void *i32[2] = {wasm_valtype_new(0), wasm_valtype_new(0)};
    Bytes params, results;
    wasm_valtype_vec_new(&params, 1, &i32[0]);
    wasm_valtype_vec_new(&results, 1, &i32[1]);
    const void *type = wasm_functype_new(&params, &results);
    void *linker = wasmtime_linker_new(engine);
    void *error = is_checked
                      ? wasmtime_linker_define_func(linker, "host", 4, "same", 4, type, host_same,
                                                    NULL, NULL)
                      : wasmtime_linker_define_func_unchecked(linker, "host", 4, "same", 4, type,
                                                              host_same_raw, NULL, NULL);
    WtInstance instance;
    WtExtern item[2];
    void *trap = NULL;
    calls_context = wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
    if (!fine("define", error, NULL) ||
        !fine("instantiate",
              wasmtime_linker_instantiate(linker, calls_context, module, &instance, &trap), trap) ||
        !wasmtime_instance_export_get(calls_context, &instance, "same", 4, &item[0]) ||
        !wasmtime_instance_export_get(calls_context, &instance, "loop", 4, &item[1])) {
        return false;
    }
    same = item[0].of.func;
    loop = item[1].of.func;
    return true;
}

static bool call(const WtFunc *func, int32_t arg, int32_t *result, bool is_checked) {
    void *trap = NULL;
    void *error;
    if (is_checked) {
        const WtValue args = {.kind = 0, .of.i32 = arg};
        WtValue results;
        error = wasmtime_func_call(calls_context, func, &args, 1, &results, 1, &trap);
        *result = results.of.i32;
    } else {
        WtRaw value = {.i32 = arg};
        error = wasmtime_func_call_unchecked(calls_context, func, &value, 1, &trap);
        *result = value.i32;
    }
    return error == NULL && trap == NULL;
}

static bool wt_call_same(uint32_t count, bool is_checked) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        int32_t result = 0;
        if (!call(&same, 1, &result, is_checked)) {
            return false;
        }
        sum += result;
    }
    return sum == (int32_t)count;
}

static bool wt_call_loop(uint32_t count, bool is_checked) {
    int32_t result = -1;
    return call(&loop, (int32_t)count, &result, is_checked) && result == 0;
}

const Peer PEER_WASMTIME = {
    .name = "wasmtime",
    .start = wt_start,
    .compile = wt_compile,
    .validate = wt_validate,
    .load = wt_load,
    .unload = wt_unload,
    .prepare = wt_prepare,
    .instantiate = wt_instantiate,
    .ready = wt_ready,
    .call_same = wt_call_same,
    .call_loop = wt_call_loop,
    .has_unchecked = true,
};
