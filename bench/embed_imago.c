// Imago in embed_bench, through its public interface.
#include "embed.h"

#include <stdlib.h>
#include <string.h>

#include "imago/compile.h"
#include "imago/imago.h"

static ImagoEngine *engine;
static const char *compiler;
static ImagoLinker *functions; // of the module that is instantiated
static ImagoLinked *linked;    // NULL: it imports more than functions:
static ImagoImport others[8];
static uint32_t other_count;
static ImagoStore *calls_store;
static ImagoFunc *same, *loop;
static ImagoCall prepared_same;

static bool failed(const char *what, const ImagoError *error) {
    return embed_failed(what, error->text, strlen(error->text));
}

static bool imago_start(const char *name) {
    ImagoError error = IMAGO_ERROR_INIT;
    compiler = name[0] != 0 ? name : NULL;
    engine = imago_engine_new(&error);
    return engine != NULL || failed("engine", &error);
}

static bool imago_compile(const uint8_t *wasm, size_t count, const char *out_path) {
    ImagoError error = IMAGO_ERROR_INIT;
    const ImagoCompileOptions options = {.size = sizeof options, .compiler = compiler};
    return imago_compile_file(wasm, count, out_path, &options, NULL, &error) ||
           failed("compile", &error);
}

static bool validate(const uint8_t *wasm, size_t count) {
    ImagoError error = IMAGO_ERROR_INIT;
    return imago_validate(wasm, count, &error) || failed("validate", &error);
}

static void *imago_load(const char *path) {
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoImage *image = imago_image_open(engine, path, &error);
    if (image == NULL) {
        failed(path, &error);
    }
    return image;
}

static void imago_unload(void *module) { imago_image_delete(module); }

static ImagoStatus refuse(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)values;
    return imago_caller_trap(caller, "an import that only stands in");
}

static bool define_funcs(const ImagoImage *image, ImagoError *error) {
    for (uint32_t i = 0; i < imago_image_import_count(image); i++) {
        const ImagoImport import = imago_image_import(image, i);
        if (import.type.kind != IMAGO_EXTERN_FUNC && other_count < 8) {
            others[other_count++] = import;
        } else if (!imago_linker_define_func(functions, import.module, import.name,
                                             &import.type.func, refuse, NULL, error)) {
            return false;
        }
    }
    return true;
}

// Modules that import functions only are linked once; what else is imported belongs to a store.
static bool imago_prepare(void *module) {
    ImagoError error = IMAGO_ERROR_INIT;
    functions = imago_linker_new(engine, &error);
    return functions != NULL && define_funcs(module, &error) &&
           (other_count != 0 || (linked = imago_linker_link(functions, module, &error)) != NULL);
}

static bool make_item(ImagoStore *store, const ImagoExternType *type, ImagoExtern *item,
                      ImagoError *error) {
    const ImagoValue zero = {.bits = {0, 0}};
    item->kind = type->kind;
    switch (type->kind) {
    case IMAGO_EXTERN_TABLE:
        item->of.table = imago_table_new(store, type->value, &type->limits, zero, error);
        break;
    case IMAGO_EXTERN_MEMORY:
        item->of.memory = imago_memory_new(store, &type->limits, error);
        break;
    case IMAGO_EXTERN_GLOBAL:
        item->of.global = imago_global_new(store, type->value, type->is_mutable, zero, error);
        break;
    case IMAGO_EXTERN_FUNC: return false;
    }
    return item->of.func != NULL;
}

static bool define_others(ImagoStore *store, ImagoLinker *linker, ImagoError *error) {
    for (uint32_t i = 0; i < other_count; i++) {
        ImagoExtern item;
        if (!make_item(store, &others[i].type, &item, error) ||
            !imago_linker_define(linker, others[i].module, others[i].module_bytes, others[i].name,
                                 others[i].name_bytes, item, error)) {
            return false;
        }
    }
    return true;
}

static ImagoStatus instantiate(ImagoStore *store, const ImagoImage *image, ImagoError *error) {
    ImagoInstance *instance;
    if (linked != NULL) {
        return imago_linked_instantiate(linked, store, &instance, error);
    }
    ImagoLinker *linker = imago_linker_extend(functions, error);
    const bool is_defined = linker != NULL && define_others(store, linker, error);
    const ImagoStatus status =
        is_defined ? imago_linker_instantiate(linker, store, image, &instance, error) : IMAGO_FAIL;
    imago_linker_delete(linker);
    return status;
}

static bool imago_instantiate(void *module, uint32_t count) {
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoStore *store = imago_store_new(engine, NULL, &error);
    bool ok = store != NULL;
    for (uint32_t i = 0; ok && i < count; i++) {
        ok = instantiate(store, module, &error) == IMAGO_OK;
    }
    imago_store_delete(store);
    return ok || failed("instantiate", &error);
}

static ImagoStatus host_same(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    (void)values;
    return IMAGO_OK;
}

static bool imago_ready(void *module, bool is_checked) {
    (void)is_checked;
    static const uint8_t I32 = IMAGO_I32;
    static const ImagoFuncType TYPE = {&I32, &I32, 1, 1};
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoInstance *instance;
    ImagoExtern item[2];
    calls_store = imago_store_new(engine, NULL, &error);
    ImagoLinker *linker = imago_linker_new(engine, &error);
    if (!imago_linker_define_func(linker, "host", "same", &TYPE, host_same, NULL, &error) ||
        imago_linker_instantiate(linker, calls_store, module, &instance, &error) != IMAGO_OK ||
        !imago_instance_export(instance, "same", 4, &item[0]) ||
        !imago_instance_export(instance, "loop", 4, &item[1]) ||
        !imago_func_prepare(calls_store, item[0].of.func, &TYPE, &prepared_same, &error)) {
        return failed("calls", &error);
    }
    same = item[0].of.func;
    loop = item[1].of.func;
    return true;
}

static bool imago_call_same(uint32_t count, bool is_checked) {
    ImagoValue value = {.i32 = 0};
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        value.i32 = 1;
        if ((is_checked ? imago_func_call(calls_store, same, &value, NULL)
                        : imago_call(&prepared_same, &value, NULL)) != IMAGO_OK) {
            return false;
        }
        sum += value.i32;
    }
    return sum == (int32_t)count;
}

static bool imago_call_loop(uint32_t count, bool is_checked) {
    (void)is_checked;
    ImagoValue value = {.i32 = (int32_t)count};
    return imago_func_call(calls_store, loop, &value, NULL) == IMAGO_OK && value.i32 == 0;
}

const Peer PEER_IMAGO = {
    .name = "imago",
    .start = imago_start,
    .compile = imago_compile,
    .validate = validate,
    .load = imago_load,
    .unload = imago_unload,
    .prepare = imago_prepare,
    .instantiate = imago_instantiate,
    .ready = imago_ready,
    .call_same = imago_call_same,
    .call_loop = imago_call_loop,
    .has_unchecked = true,
};
