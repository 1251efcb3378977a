#include "types/valtype.h"

static const struct {
    u8 binary;
    const char *name;
} VALTYPES[VAL_COUNT] = {
    [VAL_NONE] = {0, "unknown"},
#define VALTYPE(name, code, binary, text, bytes, is_float) [VAL_##name] = {binary, text},
#include "types/valtypes.def"
#undef VALTYPE
};

ValType val_of_binary(u8 binary) {
    for (u32 type = VAL_NONE + 1; type < VAL_COUNT; type++) {
        if (VALTYPES[type].binary == binary) {
            return (ValType)type;
        }
    }
    return VAL_NONE;
}

u8 val_binary(ValType type) { return VALTYPES[type].binary; }

const char *val_name(ValType type) { return VALTYPES[type].name; }

bool type_equal(const FuncType *a, const FuncType *b) {
    return a->param_count == b->param_count && a->result_count == b->result_count &&
           memcmp(a->types, b->types, a->param_count + a->result_count) == 0;
}

u32 type_sig(const FuncType *type) {
    if (type->param_count + type->result_count > 9) {
        return SIG_LARGE;
    }
    u32 sig = 0;
    for (u32 i = 0; i < type->param_count; i++) {
        sig = sig << 3 | type_params(type)[i];
    }
    sig <<= 3;
    for (u32 i = 0; i < type->result_count; i++) {
        sig = sig << 3 | type_results(type)[i];
    }
    return sig;
}
