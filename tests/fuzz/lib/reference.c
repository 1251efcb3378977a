#include "fuzz/lib/reference.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- What of the library is used ----------------------------------------------------------------

typedef struct Func {
    uint64_t store;
    void *item;
} Func;
typedef struct Item { // of tables, memories, globals: opaque
    uint64_t opaque[3];
} Item;
typedef struct Instance {
    uint64_t store;
    size_t item;
} Instance;
typedef struct Extern {
    uint8_t kind;
    union {
        Func func;
        Item item;
    } of;
} Extern;
typedef struct Val {
    uint8_t kind;
    union {
        int32_t i32;
        uint64_t bits[3];
    } of;
} Val;
typedef struct ByteVec {
    size_t count;
    char *at;
} ByteVec;
typedef struct TypeVec {
    size_t count;
    void **at;
} TypeVec;
_Static_assert(sizeof(Extern) == 32 && sizeof(Val) == 32 && sizeof(ImagoValue) == 16,
               "C interface");
enum { EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_TABLE, EXTERN_MEMORY };
enum { OPT_LEVEL_NONE, OPT_LEVEL_SPEED };

typedef void *HostCallback(void *env, void *caller, ImagoValue *values, size_t count);

// LIBRARY(result, name, parameters)
#define LIBRARY_FUNCTIONS(F)                                                                       \
    F(void *, wasm_config_new, (void))                                                             \
    F(void, wasmtime_config_cranelift_opt_level_set, (void *, uint8_t))                            \
    F(void, wasmtime_config_max_wasm_stack_set, (void *, size_t))                                  \
    F(void, wasmtime_config_parallel_compilation_set, (void *, bool))                              \
    F(void *, wasm_engine_new_with_config, (void *))                                               \
    F(void *, wasmtime_module_new, (void *, const uint8_t *, size_t, void **))                     \
    F(void, wasmtime_module_delete, (void *))                                                      \
    F(void *, wasmtime_store_new, (void *, void *, void (*)(void *)))                              \
    F(void *, wasmtime_store_context, (void *))                                                    \
    F(void, wasmtime_store_delete, (void *))                                                       \
    F(void *, wasm_valtype_new, (uint8_t))                                                         \
    F(void, wasm_valtype_vec_new, (TypeVec *, size_t, void *const *))                              \
    F(void *, wasm_functype_new, (TypeVec *, TypeVec *))                                           \
    F(void, wasm_functype_delete, (void *))                                                        \
    F(void, wasmtime_func_new_unchecked,                                                           \
      (void *, void *, HostCallback *, void *, void (*)(void *), Func *))                          \
    F(void *, wasmtime_instance_new,                                                               \
      (void *, void *, const Extern *, size_t, Instance *, void **))                               \
    F(bool, wasmtime_instance_export_get,                                                          \
      (void *, const Instance *, const char *, size_t, Extern *))                                  \
    F(void *, wasmtime_func_call_unchecked, (void *, const Func *, ImagoValue *, size_t, void **)) \
    F(bool, wasmtime_trap_code, (void *, uint8_t *))                                               \
    F(void, wasm_trap_delete, (void *))                                                            \
    F(void, wasmtime_error_message, (void *, ByteVec *))                                           \
    F(void, wasmtime_error_delete, (void *))                                                       \
    F(void, wasm_byte_vec_delete, (ByteVec *))                                                     \
    F(void *, wasm_globaltype_new, (void *, uint8_t))                                              \
    F(void, wasm_globaltype_delete, (void *))                                                      \
    F(void *, wasmtime_global_new, (void *, const void *, const Val *, Item *))                    \
    F(void, wasmtime_global_get, (void *, const Item *, Val *))                                    \
    F(void *, wasmtime_global_set, (void *, const Item *, const Val *))                            \
    F(uint8_t *, wasmtime_memory_data, (void *, const Item *))                                     \
    F(size_t, wasmtime_memory_data_size, (void *, const Item *))

struct Reference {
#define FIELD(result, name, parameters) result(*name) parameters;
    LIBRARY_FUNCTIONS(FIELD)
#undef FIELD
    void *engine;
    char message[400];
};

typedef struct Host {
    ReferenceHost *compute;
    ImagoFuncType type;
} Host;

struct ReferenceInstance {
    Reference *engine;
    void *store, *context, *module;
    Instance instance;
    Host *hosts;
};

static bool bind(Reference *reference, void *library, const char **why) {
    void *found;
#define BIND(result, name, parameters)                                                             \
    found = dlsym(library, #name);                                                                 \
    if (found == NULL) {                                                                           \
        *why = "the library has no " #name;                                                        \
        return false;                                                                              \
    }                                                                                              \
    memcpy(&reference->name, &found, sizeof found);
    LIBRARY_FUNCTIONS(BIND)
#undef BIND
    return true;
}

Reference *reference_open(const char *path, bool optimizes, const char **why) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        *why = dlerror();
        return NULL;
    }
    Reference *reference = calloc(1, sizeof *reference);
    if (reference == NULL || !bind(reference, library, why)) {
        free(reference);
        return NULL;
    }
    void *config = reference->wasm_config_new();
    reference->wasmtime_config_parallel_compilation_set(config, false);
    reference->wasmtime_config_max_wasm_stack_set(config, 31u << 16); // its greatest
    reference->wasmtime_config_cranelift_opt_level_set(config, optimizes ? OPT_LEVEL_SPEED
                                                                         : OPT_LEVEL_NONE);
    reference->engine = reference->wasm_engine_new_with_config(config);
    return reference;
}

static ReferenceStatus failed(Reference *reference, void *error, const char **why) {
    ByteVec message = {0};
    reference->wasmtime_error_message(error, &message);
    (void)snprintf(reference->message, sizeof reference->message, "%.*s", (int)message.count,
                   message.at);
    reference->wasm_byte_vec_delete(&message);
    reference->wasmtime_error_delete(error);
    *why = reference->message;
    return REFERENCE_FAIL;
}

static ReferenceStatus trapped(Reference *reference, void *object, TrapKind *trap) {
    static const TrapKind KINDS[] = {
        TRAP_STACK_EXHAUSTED,       TRAP_MEMORY_OUT_OF_BOUNDS,  TRAP_COUNT,
        TRAP_TABLE_OUT_OF_BOUNDS,   TRAP_UNINITIALIZED_ELEMENT, TRAP_INDIRECT_CALL_TYPE,
        TRAP_INTEGER_OVERFLOW,      TRAP_INTEGER_DIVIDE_BY_ZERO, TRAP_INVALID_CONVERSION,
        TRAP_UNREACHABLE};
    uint8_t code = 255;
    (void)reference->wasmtime_trap_code(object, &code);
    *trap = code < sizeof KINDS / sizeof KINDS[0] ? KINDS[code] : TRAP_COUNT;
    reference->wasm_trap_delete(object);
    return REFERENCE_TRAP;
}

static void *on_host_call(void *env, void *caller, ImagoValue *values, size_t count) {
    const Host *host = env;
    (void)caller;
    (void)count;
    host->compute(&host->type, values);
    return NULL;
}

static const uint8_t KINDS[] = {[IMAGO_I32] = 0,   [IMAGO_I64] = 1,  [IMAGO_F32] = 2,
                                [IMAGO_F64] = 3,   [IMAGO_V128] = 4, [IMAGO_FUNCREF] = 129,
                                [IMAGO_EXTERNREF] = 128};

static TypeVec type_vec(Reference *reference, const uint8_t *types, uint32_t count) {
    void *made[REFERENCE_MAX_VALUES];
    for (uint32_t i = 0; i < count; i++) {
        made[i] = reference->wasm_valtype_new(KINDS[types[i]]);
    }
    TypeVec vec;
    reference->wasm_valtype_vec_new(&vec, count, made);
    return vec;
}

static void make_func(ReferenceInstance *instance, Host *host, Extern *out) {
    Reference *reference = instance->engine;
    TypeVec params = type_vec(reference, host->type.params, host->type.param_count);
    TypeVec results = type_vec(reference, host->type.results, host->type.result_count);
    void *type = reference->wasm_functype_new(&params, &results);
    out->kind = EXTERN_FUNC;
    reference->wasmtime_func_new_unchecked(instance->context, type, on_host_call, host, NULL,
                                           &out->of.func);
    reference->wasm_functype_delete(type);
}

static void make_global(ReferenceInstance *instance, const ReferenceImport *import, Extern *out) {
    Reference *reference = instance->engine;
    const uint8_t kind = KINDS[import->type.value];
    void *type = reference->wasm_globaltype_new(reference->wasm_valtype_new(kind),
                                                import->type.is_mutable);
    Val value = {.kind = kind};
    value.of.bits[0] = import->value.bits[0];
    out->kind = EXTERN_GLOBAL;
    (void)reference->wasmtime_global_new(instance->context, type, &value, &out->of.item);
    reference->wasm_globaltype_delete(type);
}

static void make_imports(ReferenceInstance *instance, const ReferenceImport *imports,
                         uint32_t count, ReferenceHost *compute, Extern *externs) {
    for (uint32_t i = 0; i < count; i++) {
        if (imports[i].type.kind == IMAGO_EXTERN_GLOBAL) {
            make_global(instance, &imports[i], &externs[i]);
        } else {
            instance->hosts[i] = (Host){compute, imports[i].type.func};
            make_func(instance, &instance->hosts[i], &externs[i]);
        }
    }
}

ReferenceStatus reference_instantiate(Reference *reference, const uint8_t *bytes, size_t count,
                                      const ReferenceImport *imports, uint32_t import_count,
                                      ReferenceHost *host, ReferenceInstance **out, TrapKind *trap,
                                      const char **why) {
    void *module = NULL;
    *out = NULL;
    void *error = reference->wasmtime_module_new(reference->engine, bytes, count, &module);
    if (error != NULL) {
        return failed(reference, error, why);
    }
    ReferenceInstance *instance = calloc(1, sizeof *instance);
    Extern *externs = calloc(import_count + 1u, sizeof *externs);
    if (instance == NULL || externs == NULL) {
        abort();
    }
    instance->engine = reference;
    instance->module = module;
    instance->hosts = calloc(import_count + 1u, sizeof *instance->hosts);
    instance->store = reference->wasmtime_store_new(reference->engine, NULL, NULL);
    instance->context = reference->wasmtime_store_context(instance->store);
    make_imports(instance, imports, import_count, host, externs);
    void *object = NULL;
    error = reference->wasmtime_instance_new(instance->context, module, externs, import_count,
                                             &instance->instance, &object);
    free(externs);
    if (error == NULL && object == NULL) {
        *out = instance;
        return REFERENCE_OK;
    }
    reference_close(instance);
    return error != NULL ? failed(reference, error, why) : trapped(reference, object, trap);
}

void reference_close(ReferenceInstance *instance) {
    instance->engine->wasmtime_store_delete(instance->store);
    instance->engine->wasmtime_module_delete(instance->module);
    free(instance->hosts);
    free(instance);
}

static bool find(ReferenceInstance *instance, const char *name, size_t name_bytes, uint8_t kind,
                 Extern *found) {
    return instance->engine->wasmtime_instance_export_get(instance->context, &instance->instance,
                                                          name, name_bytes, found) &&
           found->kind == kind;
}

ReferenceStatus reference_call(ReferenceInstance *instance, const char *name, size_t name_bytes,
                               const ImagoFuncType *type, ImagoValue *values, TrapKind *trap,
                               const char **why) {
    Extern found;
    if (!find(instance, name, name_bytes, EXTERN_FUNC, &found)) {
        *why = "no such function";
        return REFERENCE_FAIL;
    }
    const uint32_t count =
        type->param_count > type->result_count ? type->param_count : type->result_count;
    void *object = NULL;
    void *error = instance->engine->wasmtime_func_call_unchecked(
        instance->context, &found.of.func, values, count, &object);
    if (error != NULL) {
        return failed(instance->engine, error, why);
    }
    for (uint32_t i = 0; i < type->result_count; i++) {
        if (type->results[i] == IMAGO_EXTERNREF) {
            values[i].bits[0] &= UINT32_MAX; // only these are written
        }
    }
    return object != NULL ? trapped(instance->engine, object, trap) : REFERENCE_OK;
}

bool reference_global_get(ReferenceInstance *instance, const char *name, size_t name_bytes,
                          ImagoValue *value) {
    Extern found;
    if (!find(instance, name, name_bytes, EXTERN_GLOBAL, &found)) {
        return false;
    }
    Val val = {0};
    instance->engine->wasmtime_global_get(instance->context, &found.of.item, &val);
    value->bits[0] = val.of.bits[0];
    value->bits[1] = 0;
    return true;
}

bool reference_global_set_i32(ReferenceInstance *instance, const char *name, int32_t value) {
    Extern found;
    const Val val = {.kind = 0, .of.i32 = value};
    return find(instance, name, strlen(name), EXTERN_GLOBAL, &found) &&
           instance->engine->wasmtime_global_set(instance->context, &found.of.item, &val) == NULL;
}

const uint8_t *reference_memory(ReferenceInstance *instance, const char *name, size_t name_bytes,
                                size_t *count) {
    Extern found;
    if (!find(instance, name, name_bytes, EXTERN_MEMORY, &found)) {
        return NULL;
    }
    *count = instance->engine->wasmtime_memory_data_size(instance->context, &found.of.item);
    return instance->engine->wasmtime_memory_data(instance->context, &found.of.item);
}
