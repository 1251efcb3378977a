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
typedef struct ExternRef {
    uint64_t opaque[3];
} ExternRef;
typedef struct Val {
    uint8_t kind;
    union {
        int32_t i32;
        uint64_t bits[3];
        Func func;
        ExternRef externref;
    } of;
} Val;
typedef struct Limits {
    uint32_t min, max;
} Limits;
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
    F(void, wasmtime_config_consume_fuel_set, (void *, bool))                                      \
    F(void, wasmtime_config_wasm_relaxed_simd_set, (void *, bool))                                 \
    F(void, wasmtime_config_wasm_tail_call_set, (void *, bool))                                    \
    F(void, wasmtime_config_wasm_threads_set, (void *, bool))                                      \
    F(void, wasmtime_config_wasm_multi_memory_set, (void *, bool))                                 \
    F(void, wasmtime_config_wasm_memory64_set, (void *, bool))                                     \
    F(void, wasmtime_config_wasm_exceptions_set, (void *, bool))                                   \
    F(void, wasmtime_config_wasm_function_references_set, (void *, bool))                          \
    F(void, wasmtime_config_wasm_gc_set, (void *, bool))                                           \
    F(void *, wasm_engine_new_with_config, (void *))                                               \
    F(void *, wasmtime_module_new, (void *, const uint8_t *, size_t, void **))                     \
    F(void, wasmtime_module_delete, (void *))                                                      \
    F(void *, wasmtime_store_new, (void *, void *, void (*)(void *)))                              \
    F(void *, wasmtime_store_context, (void *))                                                    \
    F(void, wasmtime_store_delete, (void *))                                                       \
    F(void, wasmtime_store_limiter, (void *, int64_t, int64_t, int64_t, int64_t, int64_t))         \
    F(void *, wasmtime_context_set_fuel, (void *, uint64_t))                                       \
    F(bool, wasmtime_externref_new, (void *, void *, void (*)(void *), ExternRef *))               \
    F(void *, wasmtime_externref_data, (void *, const ExternRef *))                                \
    F(uint32_t, wasmtime_externref_to_raw, (void *, const ExternRef *))                            \
    F(void, wasmtime_externref_from_raw, (void *, uint32_t, ExternRef *))                          \
    F(void, wasmtime_externref_unroot, (ExternRef *))                                              \
    F(void *, wasmtime_func_to_raw, (void *, const Func *))                                        \
    F(void *, wasmtime_trap_new, (const char *, size_t))                                           \
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
    F(void *, wasm_memorytype_new, (const Limits *))                                               \
    F(void, wasm_memorytype_delete, (void *))                                                      \
    F(void *, wasmtime_memory_new, (void *, const void *, Item *))                                 \
    F(void *, wasmtime_memory_grow, (void *, const Item *, uint64_t, uint64_t *))                  \
    F(void *, wasm_tabletype_new, (void *, const Limits *))                                        \
    F(void, wasm_tabletype_delete, (void *))                                                       \
    F(void *, wasmtime_table_new, (void *, const void *, const Val *, Item *))                     \
    F(bool, wasmtime_table_get, (void *, const Item *, uint64_t, Val *))                           \
    F(void *, wasmtime_table_set, (void *, const Item *, uint64_t, const Val *))                   \
    F(uint64_t, wasmtime_table_size, (void *, const Item *))                                       \
    F(uint8_t *, wasmtime_memory_data, (void *, const Item *))                                     \
    F(size_t, wasmtime_memory_data_size, (void *, const Item *))

struct Reference {
#define FIELD(result, name, parameters) result(*name) parameters;
    LIBRARY_FUNCTIONS(FIELD)
#undef FIELD
    void *engine;
    ReferenceOptions options;
    char message[8000];
};

enum { MAX_INSTANCES = 2, FUEL = 100000 };

typedef struct HostFunc {
    Theirs *theirs;
    ImagoFuncType type;
} HostFunc;

struct Theirs {
    Reference *engine;
    SideHost *host;
    void *store, *context;
    const SideModule *module; // of the main instance
    void *modules[MAX_INSTANCES];
    Instance instances[MAX_INSTANCES];
    uint32_t instance_count;
    HostFunc *host_funcs[MAX_INSTANCES];
    void **funcs; // of the main instance's exports: references as they stand in memory
    ExternRef objects[SIDE_OBJECTS];
    void *pending; // a trap on its way through a host function
    SideCaller caller;
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

// What is not WebAssembly 2.0.
static void disable_proposals(Reference *reference, void *config) {
    reference->wasmtime_config_wasm_relaxed_simd_set(config, false);
    reference->wasmtime_config_wasm_tail_call_set(config, false);
    reference->wasmtime_config_wasm_threads_set(config, false);
    reference->wasmtime_config_wasm_multi_memory_set(config, false);
    reference->wasmtime_config_wasm_memory64_set(config, false);
    reference->wasmtime_config_wasm_exceptions_set(config, false);
    reference->wasmtime_config_wasm_gc_set(config, false);
    reference->wasmtime_config_wasm_function_references_set(config, false);
}

Reference *reference_open(const char *path, ReferenceOptions options, const char **why) {
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
    reference->options = options;
    void *config = reference->wasm_config_new();
    disable_proposals(reference, config);
    reference->wasmtime_config_parallel_compilation_set(config, false);
    reference->wasmtime_config_consume_fuel_set(config, options.has_fuel);
    reference->wasmtime_config_max_wasm_stack_set(config, 31u << 16); // its greatest
    reference->wasmtime_config_cranelift_opt_level_set(config, options.optimizes ? OPT_LEVEL_SPEED
                                                                                 : OPT_LEVEL_NONE);
    reference->engine = reference->wasm_engine_new_with_config(config);
    return reference;
}

// ---- Outcomes -----------------------------------------------------------------------------------

static bool is_limit(const char *text) {
    static const char *const WORDS[] = {"limit", "too large", "too many", "exceed",
                                        "not supported", "memory"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (strstr(text, WORDS[i]) != NULL) {
            return true;
        }
    }
    return false;
}

// Its message becomes the engine's; the error is gone.
static const char *take_message(Reference *reference, void *error) {
    ByteVec message = {0};
    reference->wasmtime_error_message(error, &message);
    (void)snprintf(reference->message, sizeof reference->message, "%.*s", (int)message.count,
                   message.at);
    reference->wasm_byte_vec_delete(&message);
    reference->wasmtime_error_delete(error);
    return reference->message;
}

static SideResult failure(const char *why) {
    return (SideResult){.status = is_limit(why) ? SIDE_LIMIT : SIDE_FAIL, .why = why};
}

static TrapKind kind_of(Reference *reference, void *trap) {
    static const TrapKind KINDS[] = {
        TRAP_STACK_EXHAUSTED,       TRAP_MEMORY_OUT_OF_BOUNDS,  TRAP_COUNT,
        TRAP_TABLE_OUT_OF_BOUNDS,   TRAP_UNINITIALIZED_ELEMENT, TRAP_INDIRECT_CALL_TYPE,
        TRAP_INTEGER_OVERFLOW,      TRAP_INTEGER_DIVIDE_BY_ZERO, TRAP_INVALID_CONVERSION,
        TRAP_UNREACHABLE,           TRAP_COUNT,                 REFERENCE_NO_FUEL};
    uint8_t code = 255;
    (void)reference->wasmtime_trap_code(trap, &code);
    return code < sizeof KINDS / sizeof KINDS[0] ? KINDS[code] : TRAP_COUNT;
}

static SideResult trapped(Reference *reference, void *trap) {
    const TrapKind kind = kind_of(reference, trap);
    reference->wasm_trap_delete(trap);
    return (SideResult){.status = SIDE_TRAP, .trap = kind};
}

bool reference_validate(Reference *reference, const uint8_t *bytes, size_t count,
                        const char **why) {
    void *module = NULL;
    void *error = reference->wasmtime_module_new(reference->engine, bytes, count, &module);
    if (error != NULL) {
        *why = take_message(reference, error);
        return false;
    }
    reference->wasmtime_module_delete(module);
    return true;
}

// ---- Values -------------------------------------------------------------------------------------

// A function's reference as it stands in memory.
static uint64_t func_to_side(const Theirs *theirs, const void *func) {
    const uint32_t count = theirs->funcs == NULL ? 0 : theirs->module->export_count;
    if (func == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (theirs->funcs[i] == func) {
            return 2 + i;
        }
    }
    return 1;
}

static uint64_t object_to_side(const Theirs *theirs, const ExternRef *object) {
    return object->opaque[0] == 0 // the store's id: null
               ? 0
               : (uintptr_t)theirs->engine->wasmtime_externref_data(theirs->context, object);
}

static ImagoValue raw_to_side(const Theirs *theirs, uint8_t type, ImagoValue raw) {
    if (type == IMAGO_FUNCREF) {
        raw.bits[0] = func_to_side(theirs, (const void *)(uintptr_t)raw.bits[0]);
    } else if (type == IMAGO_EXTERNREF && (uint32_t)raw.bits[0] != 0) { // the rest is not written
        ExternRef object = {0};
        theirs->engine->wasmtime_externref_from_raw(theirs->context, (uint32_t)raw.bits[0],
                                                    &object);
        raw.bits[0] = object_to_side(theirs, &object);
        theirs->engine->wasmtime_externref_unroot(&object);
    } else if (type == IMAGO_EXTERNREF) {
        raw.bits[0] = 0;
    }
    return raw;
}

static ImagoValue raw_from_side(const Theirs *theirs, uint8_t type, ImagoValue value) {
    const uint64_t bits = value.bits[0];
    if (type == IMAGO_FUNCREF) {
        value.bits[0] = bits < 2 ? 0 : (uintptr_t)theirs->funcs[bits - 2];
    } else if (type == IMAGO_EXTERNREF && bits != 0) {
        value.bits[0] = theirs->engine->wasmtime_externref_to_raw(theirs->context,
                                                                  &theirs->objects[bits - 1]);
    }
    return value;
}

static void all_to_side(const Theirs *theirs, const uint8_t *types, uint32_t count,
                        ImagoValue *values) {
    for (uint32_t i = 0; i < count; i++) {
        values[i] = raw_to_side(theirs, types[i], values[i]);
    }
}

static void all_from_side(const Theirs *theirs, const uint8_t *types, uint32_t count,
                          ImagoValue *values) {
    for (uint32_t i = 0; i < count; i++) {
        values[i] = raw_from_side(theirs, types[i], values[i]);
    }
}

// The library's names for types, in types and in values.
static const uint8_t TYPE_KINDS[] = {[IMAGO_I32] = 0,   [IMAGO_I64] = 1,  [IMAGO_F32] = 2,
                                     [IMAGO_F64] = 3,   [IMAGO_V128] = 4, [IMAGO_FUNCREF] = 129,
                                     [IMAGO_EXTERNREF] = 128};
static const uint8_t VAL_KINDS[] = {[IMAGO_I32] = 0,  [IMAGO_I64] = 1,  [IMAGO_F32] = 2,
                                    [IMAGO_F64] = 3,  [IMAGO_V128] = 4, [IMAGO_FUNCREF] = 5,
                                    [IMAGO_EXTERNREF] = 6};

// Of a number, a null, or an object.
static Val val_of(const Theirs *theirs, uint8_t type, const ImagoValue *value) {
    Val val = {.kind = VAL_KINDS[type]};
    if (type == IMAGO_EXTERNREF && value->bits[0] != 0) {
        val.of.externref = theirs->objects[value->bits[0] - 1];
    } else if (type != IMAGO_EXTERNREF && type != IMAGO_FUNCREF) {
        val.of.bits[0] = value->bits[0];
    }
    return val;
}

static ImagoValue val_to_side(const Theirs *theirs, uint8_t type, Val *val) {
    Reference *reference = theirs->engine;
    ImagoValue value = {.bits = {val->of.bits[0], 0}};
    if (type == IMAGO_FUNCREF) {
        value.bits[0] = val->of.func.store == 0
                            ? 0
                            : func_to_side(theirs, reference->wasmtime_func_to_raw(
                                                       theirs->context, &val->of.func));
    } else if (type == IMAGO_EXTERNREF) {
        value.bits[0] = object_to_side(theirs, &val->of.externref);
        reference->wasmtime_externref_unroot(&val->of.externref);
    }
    return value;
}

// ---- Calls --------------------------------------------------------------------------------------

static bool find(const Theirs *theirs, uint32_t export_index, Extern *found) {
    const ImagoExport *item = &theirs->module->exports[export_index];
    return theirs->engine->wasmtime_instance_export_get(
        theirs->context, &theirs->instances[theirs->instance_count - 1], item->name,
        item->name_bytes, found);
}

static Extern export_at(const Theirs *theirs, uint32_t export_index) {
    Extern found;
    if (!find(theirs, export_index, &found)) {
        abort();
    }
    return found;
}

// Why an error is none: the library gives back a trap that a host function made as an error, which
// becomes a trap again. NULL, or a message.
static const char *judge(Reference *reference, void *error, void **trap) {
    const char *why = error == NULL ? NULL : take_message(reference, error);
    if (why != NULL && strstr(why, SIDE_HOST_TRAP) != NULL) {
        *trap = reference->wasmtime_trap_new(SIDE_HOST_TRAP, sizeof SIDE_HOST_TRAP - 1);
        why = NULL;
    }
    return why;
}

// NULL, or why it failed. *trap: NULL, or to be deleted or passed on.
static const char *call(Theirs *theirs, uint32_t export_index, ImagoValue *values, void **trap) {
    const ImagoFuncType *type = &theirs->module->exports[export_index].type.func;
    const Extern found = export_at(theirs, export_index);
    const uint32_t count =
        type->param_count > type->result_count ? type->param_count : type->result_count;
    all_from_side(theirs, type->params, type->param_count, values);
    void *error = theirs->engine->wasmtime_func_call_unchecked(theirs->context, &found.of.func,
                                                               values, count, trap);
    const char *why = judge(theirs->engine, error, trap);
    if (why == NULL && *trap == NULL) {
        all_to_side(theirs, type->results, type->result_count, values);
    }
    return why;
}

SideResult theirs_call(Theirs *theirs, uint32_t export_index, ImagoValue *values) {
    if (theirs->engine->options.has_fuel) {
        (void)theirs->engine->wasmtime_context_set_fuel(theirs->context, FUEL);
    }
    theirs->caller.calls_left = SIDE_CALLBACKS;
    void *trap = NULL;
    const char *why = call(theirs, export_index, values, &trap);
    return why != NULL    ? failure(why)
           : trap != NULL ? trapped(theirs->engine, trap)
                          : (SideResult){.status = SIDE_OK};
}

static void drop_pending(Theirs *theirs) {
    if (theirs->pending != NULL) {
        theirs->engine->wasm_trap_delete(theirs->pending);
        theirs->pending = NULL;
    }
}

static SideResult call_back(void *side, uint32_t export_index, ImagoValue *values) {
    Theirs *theirs = side;
    void *trap = NULL;
    const char *why = call(theirs, export_index, values, &trap);
    if (why != NULL) {
        return failure(why);
    }
    if (trap == NULL) {
        return (SideResult){.status = SIDE_OK};
    }
    drop_pending(theirs);
    theirs->pending = trap;
    return (SideResult){.status = SIDE_TRAP, .trap = kind_of(theirs->engine, trap)};
}

static int64_t grow_memory(void *side, uint32_t export_index, uint32_t pages) {
    const Theirs *theirs = side;
    const Extern found = export_at(theirs, export_index);
    uint64_t before = 0;
    void *error = theirs->engine->wasmtime_memory_grow(theirs->context, &found.of.item, pages,
                                                       &before);
    if (error != NULL) {
        theirs->engine->wasmtime_error_delete(error);
        return -1;
    }
    return (int64_t)before;
}

static void *on_host_call(void *env, void *caller, ImagoValue *values, size_t count) {
    const HostFunc *func = env;
    Theirs *theirs = func->theirs;
    (void)caller;
    (void)count;
    all_to_side(theirs, func->type.params, func->type.param_count, values);
    const SideResult result = theirs->host(theirs->module, &func->type, &theirs->caller, values);
    if (result.status == SIDE_OK) {
        all_from_side(theirs, func->type.results, func->type.result_count, values);
        drop_pending(theirs);
        return NULL;
    }
    void *trap = theirs->pending;
    theirs->pending = NULL;
    return result.why == NULL ? trap
                              : theirs->engine->wasmtime_trap_new(result.why, strlen(result.why));
}

// ---- Exports ------------------------------------------------------------------------------------

ImagoValue theirs_global(Theirs *theirs, uint32_t export_index) {
    const Extern found = export_at(theirs, export_index);
    Val val = {0};
    theirs->engine->wasmtime_global_get(theirs->context, &found.of.item, &val);
    return val_to_side(theirs, (uint8_t)theirs->module->exports[export_index].type.value, &val);
}

void theirs_set_i32(Theirs *theirs, const char *global, int32_t value) {
    const Val val = {.kind = VAL_KINDS[IMAGO_I32], .of.i32 = value};
    for (uint32_t i = 0; i < theirs->instance_count; i++) {
        Extern found;
        if (theirs->engine->wasmtime_instance_export_get(theirs->context, &theirs->instances[i],
                                                         global, strlen(global), &found) &&
            found.kind == EXTERN_GLOBAL) {
            void *error =
                theirs->engine->wasmtime_global_set(theirs->context, &found.of.item, &val);
            if (error != NULL) {
                theirs->engine->wasmtime_error_delete(error);
            }
        }
    }
}

const uint8_t *theirs_memory(Theirs *theirs, uint32_t export_index, uint64_t *bytes) {
    const Extern found = export_at(theirs, export_index);
    *bytes = theirs->engine->wasmtime_memory_data_size(theirs->context, &found.of.item);
    return theirs->engine->wasmtime_memory_data(theirs->context, &found.of.item);
}

uint32_t theirs_table_size(Theirs *theirs, uint32_t export_index) {
    const Extern found = export_at(theirs, export_index);
    return (uint32_t)theirs->engine->wasmtime_table_size(theirs->context, &found.of.item);
}

ImagoValue theirs_table_entry(Theirs *theirs, uint32_t export_index, uint32_t entry) {
    const Extern found = export_at(theirs, export_index);
    Val val = {0};
    (void)theirs->engine->wasmtime_table_get(theirs->context, &found.of.item, entry, &val);
    return val_to_side(theirs, (uint8_t)theirs->module->exports[export_index].type.value, &val);
}

// ---- Imports ------------------------------------------------------------------------------------

static TypeVec type_vec(Reference *reference, const uint8_t *types, uint32_t count) {
    void *made[SIDE_VALUES];
    for (uint32_t i = 0; i < count; i++) {
        made[i] = reference->wasm_valtype_new(TYPE_KINDS[types[i]]);
    }
    TypeVec vec;
    reference->wasm_valtype_vec_new(&vec, count, made);
    return vec;
}

static void make_func(Theirs *theirs, HostFunc *host, Extern *out) {
    Reference *reference = theirs->engine;
    TypeVec params = type_vec(reference, host->type.params, host->type.param_count);
    TypeVec results = type_vec(reference, host->type.results, host->type.result_count);
    void *type = reference->wasm_functype_new(&params, &results);
    reference->wasmtime_func_new_unchecked(theirs->context, type, on_host_call, host, NULL,
                                           &out->of.func);
    reference->wasm_functype_delete(type);
}

static void *make_global(Theirs *theirs, const SideImport *import, Extern *out) {
    Reference *reference = theirs->engine;
    const uint8_t value_type = (uint8_t)import->item.type.value;
    const Val value = val_of(theirs, value_type, &import->value);
    void *type = reference->wasm_globaltype_new(reference->wasm_valtype_new(TYPE_KINDS[value_type]),
                                                import->item.type.is_mutable);
    void *error = reference->wasmtime_global_new(theirs->context, type, &value, &out->of.item);
    reference->wasm_globaltype_delete(type);
    return error;
}

static Limits limits_of(const ImagoLimits *limits) {
    return (Limits){limits->min, limits->has_max ? limits->max : UINT32_MAX};
}

static void *make_memory(Theirs *theirs, const SideImport *import, Extern *out) {
    Reference *reference = theirs->engine;
    const Limits limits = limits_of(&import->item.type.limits);
    void *type = reference->wasm_memorytype_new(&limits);
    void *error = reference->wasmtime_memory_new(theirs->context, type, &out->of.item);
    reference->wasm_memorytype_delete(type);
    if (error == NULL) {
        side_fill_memory(reference->wasmtime_memory_data(theirs->context, &out->of.item),
                         reference->wasmtime_memory_data_size(theirs->context, &out->of.item),
                         &import->value);
    }
    return error;
}

static void fill_table(Theirs *theirs, const Item *table, uint64_t count, const Extern *externs,
                       uint32_t i) {
    for (uint32_t entry = 0; entry < count && i != 0; entry++) {
        const Extern *from = &externs[entry % i];
        Val val = {.kind = VAL_KINDS[IMAGO_FUNCREF]};
        if (from->kind == EXTERN_FUNC) {
            val.of.func = from->of.func;
            void *error =
                theirs->engine->wasmtime_table_set(theirs->context, table, entry, &val);
            if (error != NULL) { // beyond its end
                theirs->engine->wasmtime_error_delete(error);
            }
        }
    }
}

static void *make_table(Theirs *theirs, const SideImport *import, const Extern *externs,
                        uint32_t i, Extern *out) {
    Reference *reference = theirs->engine;
    const uint8_t value_type = (uint8_t)import->item.type.value;
    const Limits limits = limits_of(&import->item.type.limits);
    const Val null = val_of(theirs, value_type, &(ImagoValue){.bits = {0}});
    void *type = reference->wasm_tabletype_new(reference->wasm_valtype_new(TYPE_KINDS[value_type]),
                                               &limits);
    void *error = reference->wasmtime_table_new(theirs->context, type, &null, &out->of.item);
    reference->wasm_tabletype_delete(type);
    if (error == NULL && value_type == IMAGO_FUNCREF) {
        fill_table(theirs, &out->of.item, import->value.bits[0], externs, i);
    }
    return error;
}

// NULL, or an error.
static void *make_import(Theirs *theirs, const SideModule *module, Extern *externs, uint32_t i) {
    const SideImport *import = &module->imports[i];
    static const uint8_t EXTERN_KINDS[] = {[IMAGO_EXTERN_FUNC] = EXTERN_FUNC,
                                           [IMAGO_EXTERN_TABLE] = EXTERN_TABLE,
                                           [IMAGO_EXTERN_MEMORY] = EXTERN_MEMORY,
                                           [IMAGO_EXTERN_GLOBAL] = EXTERN_GLOBAL};
    if (import->same_as != SIDE_NONE) {
        externs[i] = externs[import->same_as];
        return NULL;
    }
    if (import->export_of_first != SIDE_NONE) {
        externs[i] = export_at(theirs, import->export_of_first);
        return NULL;
    }
    externs[i].kind = EXTERN_KINDS[import->item.type.kind];
    switch (import->item.type.kind) {
    case IMAGO_EXTERN_FUNC: {
        HostFunc *host = &theirs->host_funcs[theirs->instance_count][i];
        *host = (HostFunc){theirs, import->item.type.func};
        make_func(theirs, host, &externs[i]);
        return NULL;
    }
    case IMAGO_EXTERN_GLOBAL: return make_global(theirs, import, &externs[i]);
    case IMAGO_EXTERN_MEMORY: return make_memory(theirs, import, &externs[i]);
    case IMAGO_EXTERN_TABLE: return make_table(theirs, import, externs, i, &externs[i]);
    }
    return NULL;
}

// ---- Instances ----------------------------------------------------------------------------------

Theirs *theirs_open(Reference *reference, const SideLimits *limits, SideHost *host) {
    Theirs *theirs = calloc(1, sizeof *theirs);
    if (theirs == NULL) {
        return NULL;
    }
    theirs->engine = reference;
    theirs->host = host;
    theirs->caller = (SideCaller){.side = theirs, .call = call_back, .grow_memory = grow_memory};
    theirs->store = reference->wasmtime_store_new(reference->engine, NULL, NULL);
    theirs->context = reference->wasmtime_store_context(theirs->store);
    reference->wasmtime_store_limiter(theirs->store, (int64_t)limits->memory_bytes,
                                      limits->table_entries, -1, -1, -1);
    for (uintptr_t i = 0; i < SIDE_OBJECTS; i++) {
        (void)reference->wasmtime_externref_new(theirs->context, (void *)(i + 1), NULL,
                                                &theirs->objects[i]);
    }
    return theirs;
}

void theirs_close(Theirs *theirs) {
    drop_pending(theirs);
    for (uint32_t i = 0; i < SIDE_OBJECTS; i++) {
        theirs->engine->wasmtime_externref_unroot(&theirs->objects[i]);
    }
    theirs->engine->wasmtime_store_delete(theirs->store);
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        if (theirs->modules[i] != NULL) {
            theirs->engine->wasmtime_module_delete(theirs->modules[i]);
        }
        free(theirs->host_funcs[i]);
    }
    free(theirs->funcs);
    free(theirs);
}

static void find_funcs(Theirs *theirs) {
    theirs->funcs = calloc(theirs->module->export_count + 1u, sizeof *theirs->funcs);
    for (uint32_t i = 0; i < theirs->module->export_count; i++) {
        if (theirs->module->exports[i].type.kind == IMAGO_EXTERN_FUNC) {
            const Extern found = export_at(theirs, i);
            theirs->funcs[i] =
                theirs->engine->wasmtime_func_to_raw(theirs->context, &found.of.func);
        }
    }
}

// NULL, or why it failed.
static const char *make_instance(Theirs *theirs, const SideModule *module, void **trap) {
    const uint32_t main = theirs->instance_count;
    Extern *externs = calloc(module->import_count + 1u, sizeof *externs);
    void *error = NULL;
    for (uint32_t i = 0; error == NULL && i < module->import_count; i++) {
        error = make_import(theirs, module, externs, i);
    }
    if (error == NULL) {
        error = theirs->engine->wasmtime_instance_new(theirs->context, theirs->modules[main],
                                                      externs, module->import_count,
                                                      &theirs->instances[main], trap);
    }
    free(externs);
    return judge(theirs->engine, error, trap);
}

SideResult theirs_instantiate(Theirs *theirs, const SideModule *module) {
    Reference *reference = theirs->engine;
    const uint32_t main = theirs->instance_count;
    void *trap = NULL;
    theirs->host_funcs[main] = calloc(module->import_count + 1u, sizeof(HostFunc));
    free(theirs->funcs);
    theirs->funcs = NULL;
    theirs->caller.is_ready = false;
    void *error = reference->wasmtime_module_new(reference->engine, module->bytes, module->count,
                                                 &theirs->modules[main]);
    const char *why = error == NULL ? NULL : take_message(reference, error);
    if (why == NULL) {
        if (reference->options.has_fuel) {
            (void)reference->wasmtime_context_set_fuel(theirs->context, FUEL);
        }
        theirs->module = module;
        why = make_instance(theirs, module, &trap);
    }
    if (why != NULL) {
        return failure(why);
    }
    if (trap != NULL) {
        return trapped(reference, trap);
    }
    theirs->instance_count++;
    find_funcs(theirs);
    theirs->caller.is_ready = true;
    return (SideResult){.status = SIDE_OK};
}
