// The convention of docs/abi.md, applied to a type at run time. ABI facts: 6 integer and 8
// floating-point parameter registers, 4 and 4 result registers; the rest in memory, 8 bytes each,
// v128 16 and aligned to 16; a hidden first integer parameter points to results in memory.
#include "runtime/host_func.h"

#include "base/alloc.h"
#include "runtime/arch.h"
#include "runtime/instance.h"
#include "runtime/value.h"
#include "types/limits.h"

enum { PARAM_INTS = 6, PARAM_FLOATS = 8, RESULT_INTS = 4, RESULT_FLOATS = 4 };

// Deals out registers and memory to one value after the other.
typedef struct Places {
    u32 ints, floats, int_limit, float_limit;
    u64 memory_bytes; // given out so far
    HostSpill *spill;
    u8 *memory;
} Places;

// Where the next value of the type lives; NULL (and counted) when only sizes are wanted.
static u8 *place_next(Places *places, ValType type) {
    if (val_is_float(type) && places->floats < places->float_limit) {
        const u32 i = places->floats++;
        return places->spill == NULL ? NULL : (u8 *)places->spill->floats[i];
    }
    if (!val_is_float(type) && places->ints < places->int_limit) {
        const u32 i = places->ints++;
        return places->spill == NULL ? NULL : (u8 *)&places->spill->ints[i];
    }
    const u64 bytes = type == VAL_V128 ? 16 : 8;
    const u64 at = align_up(places->memory_bytes, bytes);
    places->memory_bytes = at + bytes;
    return places->memory == NULL ? NULL : places->memory + at;
}

static Places result_places(HostSpill *spill, u8 *memory) {
    return (Places){.int_limit = RESULT_INTS, .float_limit = RESULT_FLOATS, .spill = spill,
                    .memory = memory};
}

static Places param_places(bool has_hidden, HostSpill *spill, u8 *memory) {
    return (Places){.ints = has_hidden, .int_limit = PARAM_INTS, .float_limit = PARAM_FLOATS,
                    .spill = spill, .memory = memory};
}

static u64 memory_bytes(Places places, const u8 *types, u32 count) {
    for (u32 i = 0; i < count; i++) {
        (void)place_next(&places, (ValType)types[i]);
    }
    return places.memory_bytes;
}

static bool has_hidden_param(const FuncType *type) {
    return memory_bytes(result_places(NULL, NULL), type_results(type), type->result_count) != 0;
}

static ImagoCallback callback_of(const HostFunc *host) {
    ImagoCallback callback;
    memcpy(&callback, host->vmctx + VMCTX_HOST_CALLBACK, sizeof callback);
    return callback;
}

static void *env_of(const HostFunc *host) { return vmctx_get(host->vmctx, VMCTX_HOST_ENV); }

int runtime_host_call(HostFunc *host, void *caller, ImagoValue *values, HostSpill *spill,
                      const u8 *stack) {
    const FuncType *type = &host->type;
    const bool has_hidden = has_hidden_param(type);
    u8 *const more_results = has_hidden ? (u8 *)(uintptr_t)spill->ints[0] : NULL;
    Places places = param_places(has_hidden, spill, (u8 *)(uintptr_t)stack);
    for (u32 i = 0; i < type->param_count; i++) {
        const ValType param = (ValType)type_params(type)[i];
        memcpy(&values[i], place_next(&places, param), param == VAL_V128 ? 16 : 8);
        runtime_value_clean(&values[i], param);
    }
    const ImagoStatus status = callback_of(host)(env_of(host), (ImagoCaller *)caller, values);
    if (status != IMAGO_OK) {
        return (int)status;
    }
    places = result_places(spill, more_results);
    for (u32 i = 0; i < type->result_count; i++) {
        const ValType result = (ValType)type_results(type)[i];
        runtime_value_clean(&values[i], result);
        memcpy(place_next(&places, result), &values[i], result == VAL_V128 ? 16 : 8);
    }
    return IMAGO_OK;
}

ImagoStatus runtime_host_call_direct(ImagoStore *store, HostFunc *host, ImagoValue *values) {
    const FuncType *type = &host->type;
    for (u32 i = 0; i < type->param_count; i++) {
        runtime_value_clean(&values[i], (ValType)type_params(type)[i]);
    }
    ImagoCaller *caller = (ImagoCaller *)store->host_vmctx;
    const ImagoStatus status = callback_of(host)(env_of(host), caller, values);
    if (status != IMAGO_OK) {
        return runtime_host_outcome(store);
    }
    for (u32 i = 0; i < type->result_count; i++) {
        runtime_value_clean(&values[i], (ValType)type_results(type)[i]);
    }
    return IMAGO_OK;
}

// ---- Making one ---------------------------------------------------------------------------------

static bool check_type(const ImagoFuncType *type, Error *err) {
    if (type->param_count > MAX_PARAMS || type->result_count > MAX_RESULTS) {
        return fail(err, LIMIT, ERROR_NO_OFFSET, "more than %d parameters or results", MAX_PARAMS);
    }
    for (u32 i = 0; i < type->param_count + type->result_count; i++) {
        const u8 code = i < type->param_count ? type->params[i]
                                              : type->results[i - type->param_count];
        if (code < IMAGO_I32 || code > IMAGO_EXTERNREF) {
            return fail(err, USAGE, ERROR_NO_OFFSET, "no such value type: %u", code);
        }
    }
    return true;
}

static void fill_host_func(HostFunc *host, ImagoCallback callback, void *env) {
    memcpy(host->vmctx + VMCTX_HOST_CALLBACK, &callback, sizeof callback);
    vmctx_set(host->vmctx, VMCTX_HOST_ENV, env);
    const FuncType *type = &host->type;
    const u32 values =
        type->param_count > type->result_count ? type->param_count : type->result_count;
    host->values_bytes = 16 * (values == 0 ? 1 : values);
    host->pop_bytes = (u32)align_up(memory_bytes(param_places(has_hidden_param(type), NULL, NULL),
                                                 type_params(type), type->param_count),
                                    16);
    host->ref.code = (void *)(uintptr_t)arch_host_stub;
    host->ref.vmctx = host->vmctx;
}

HostFunc *runtime_host_func_open(ImagoEngine *engine, const ImagoFuncType *type,
                                 ImagoCallback callback, void *env, Error *err) {
    if (!check_type(type, err)) {
        return NULL;
    }
    HostFunc *host = mem_alloc(sizeof *host + type->param_count + type->result_count);
    if (host == NULL) {
        error_set(err, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    if (type->param_count != 0) {
        memcpy(host->types, type->params, type->param_count);
    }
    if (type->result_count != 0) {
        memcpy(host->types + type->param_count, type->results, type->result_count);
    }
    host->type = (FuncType){host->types, type->param_count, type->result_count};
    fill_host_func(host, callback, env);
    if (!runtime_engine_sig(engine, &host->type, &host->ref.sig, err)) {
        mem_free(host);
        return NULL;
    }
    return host;
}

HostFunc *runtime_host_func_copy(ImagoEngine *engine, const VmFuncRef *ref, Error *err) {
    const HostFunc *host = host_func_of_vmctx(ref->vmctx);
    const ImagoFuncType type = runtime_public_type(&host->type);
    return runtime_host_func_open(engine, &type, callback_of(host), env_of(host), err);
}

void runtime_host_funcs_free(HostFunc *first) {
    while (first != NULL) {
        HostFunc *next = first->next;
        mem_free(first);
        first = next;
    }
}

ImagoFunc *imago_func_new(ImagoStore *store, const ImagoFuncType *type, ImagoCallback callback,
                          void *env, ImagoError *error) {
    HostFunc *host = runtime_host_func_open(store->engine, type, callback, env, error);
    if (host == NULL) {
        return NULL;
    }
    vmctx_set(host->vmctx, VMCTX_EXEC, &store->exec);
    host->next = store->host_funcs;
    store->host_funcs = host;
    return (ImagoFunc *)&host->ref;
}

// ---- What a host function sees ------------------------------------------------------------------

ImagoStore *imago_caller_store(const ImagoCaller *caller) { return store_of_vmctx(caller); }

ImagoInstance *imago_caller_instance(const ImagoCaller *caller) {
    return vmctx_get(caller, VMCTX_INSTANCE);
}

uint8_t *imago_caller_memory(const ImagoCaller *caller, uint64_t *bytes) {
    const VmMemory *memory = vmctx_get(caller, VMCTX_MEMORY0);
    *bytes = memory == NULL ? 0 : memory->bytes;
    return memory == NULL ? NULL : memory->base;
}

ImagoStatus imago_caller_trap(ImagoCaller *caller, const char *message) {
    ImagoStore *store = imago_caller_store(caller);
    const usize bytes = strnlen(message, sizeof store->raised_message - 1);
    memcpy(store->raised_message, message, bytes);
    store->raised_message[bytes] = 0;
    store->raised = IMAGO_TRAP;
    return IMAGO_TRAP;
}

ImagoStatus imago_caller_exit(ImagoCaller *caller, int exit_code) {
    ImagoStore *store = imago_caller_store(caller);
    store->raised_code = exit_code;
    store->raised = IMAGO_EXIT;
    return IMAGO_EXIT;
}
