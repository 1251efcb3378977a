#include "runtime/value.h"

#include <stdio.h>

#include "runtime/host_func.h"
#include "runtime/instance.h"

#define VALTYPE(name, code, binary, text, bytes, is_float)                                         \
    _Static_assert(IMAGO_##name == (int)VAL_##name, "the same numbers inside and outside");
#include "types/valtypes.def"
#undef VALTYPE
_Static_assert(sizeof(ImagoValue) == 16, "slots of compiled code");

static u32 value_bytes(ValType type) {
    static const u8 BYTES[VAL_COUNT] = {
#define VALTYPE(name, code, binary, text, bytes, is_float) [VAL_##name] = (bytes),
#include "types/valtypes.def"
#undef VALTYPE
    };
    return BYTES[type];
}

void runtime_value_clean(ImagoValue *value, ValType type) {
    const u32 bytes = value_bytes(type);
    memset((u8 *)value + bytes, 0, sizeof *value - bytes);
}

void runtime_value_store(void *to, ValType type, const ImagoValue *value) {
    ImagoValue clean = *value;
    runtime_value_clean(&clean, type);
    memcpy(to, &clean, sizeof clean);
}

bool runtime_value_belongs(const ImagoStore *store, ValType type, const ImagoValue *value) {
    return type != VAL_FUNCREF || value->func == NULL || runtime_func_serves(store, value->func);
}

// True if an instance of the store keeps the linker alive.
static bool holds(const ImagoStore *store, const ImagoLinker *linker) {
    const ImagoInstance *instance = store->instances;
    while (instance != NULL && instance->linker != linker && instance->linker->base != linker) {
        instance = instance->next;
    }
    return instance != NULL;
}

bool runtime_func_serves(const ImagoStore *store, const ImagoFunc *func) {
    const ImagoStore *own = store_of_func(func);
    const HostFunc *host = host_func_of_vmctx(((const VmFuncRef *)func)->vmctx);
    return own == store || (own == NULL && holds(store, host->linker));
}

FuncType runtime_func_type(const VmFuncRef *ref) {
    const ImagoInstance *instance = vmctx_get(ref->vmctx, VMCTX_INSTANCE);
    return instance == NULL ? host_func_of_vmctx(ref->vmctx)->type
                            : image_type(&instance->image->view, ref->type_index).type;
}

bool runtime_type_is(const FuncType *type, const ImagoFuncType *other) {
    const u32 params = type->param_count, results = type->result_count;
    return params == other->param_count && results == other->result_count &&
           (params == 0 || memcmp(type_params(type), other->params, params) == 0) &&
           (results == 0 || memcmp(type_results(type), other->results, results) == 0);
}

ImagoFuncType runtime_public_type(const FuncType *type) {
    return (ImagoFuncType){type_params(type), type_results(type), type->param_count,
                           type->result_count};
}

static usize put(char *out, usize out_bytes, usize at, const char *text) {
    if (at < out_bytes) {
        (void)snprintf(out + at, out_bytes - at, "%s", text);
    }
    return at + strlen(text);
}

static usize put_types(char *out, usize out_bytes, usize at, const u8 *types, u32 count) {
    at = put(out, out_bytes, at, "(");
    for (u32 i = 0; i < count; i++) {
        at = put(out, out_bytes, at, i == 0 ? "" : " ");
        at = put(out, out_bytes, at, val_name((ValType)types[i]));
    }
    return put(out, out_bytes, at, ")");
}

const char *runtime_type_text(const FuncType *type, char *out, usize out_bytes) {
    usize at = put_types(out, out_bytes, 0, type_params(type), type->param_count);
    at = put(out, out_bytes, at, " -> ");
    (void)put_types(out, out_bytes, at, type_results(type), type->result_count);
    return out;
}
