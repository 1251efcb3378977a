#include "fuzz/lib/host.h"

#include <string.h>

enum { MAX_DEPTH = 3 };

bool host_is_deep(const ImagoExport *item) {
    return item->name_bytes >= 4 && memcmp(item->name, "deep", 4) == 0;
}

static bool is_nan(uint8_t type, uint64_t bits) {
    return type == IMAGO_F32 ? (bits & 0x7FFFFFFF) > 0x7F800000
                             : type == IMAGO_F64 && (bits & INT64_MAX) > 0x7FF0000000000000;
}

uint64_t value_class(uint8_t type, const ImagoValue *value) {
    const uint64_t bits = value->bits[0];
    if (is_nan(type, bits)) {
        return type == IMAGO_F32 ? 0x7FC00000 : 0x7FF8000000000000;
    }
    switch (type) {
    case IMAGO_I32:
    case IMAGO_F32: return bits & UINT32_MAX;
    case IMAGO_FUNCREF: return bits != 0;
    default: return bits;
    }
}

// An export of the kind, or SIDE_NONE.
static uint32_t any_export(Rng *rng, const SideModule *module, ImagoExternKind kind) {
    const uint32_t count = module == NULL ? 0 : module->export_count;
    const uint32_t first = count == 0 ? 0 : rng_below(rng, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = (first + i) % count;
        const ImagoExport *item = &module->exports[at];
        if (item->type.kind == kind && !host_is_deep(item)) {
            return at;
        }
    }
    return SIDE_NONE;
}

ImagoValue any_value(Rng *rng, uint8_t type, const SideModule *module) {
    ImagoValue value = {.bits = {0, 0}};
    switch (type) {
    case IMAGO_I32: value.bits[0] = rng_i32(rng); break;
    case IMAGO_I64: value.bits[0] = rng_i64(rng); break;
    case IMAGO_F32: value.bits[0] = rng_f32(rng); break;
    case IMAGO_F64: value.bits[0] = rng_f64(rng); break;
    case IMAGO_EXTERNREF: value.bits[0] = rng_below(rng, SIDE_OBJECTS + 1); break;
    default: {
        const uint32_t func = any_export(rng, module, IMAGO_EXTERN_FUNC);
        value.bits[0] = func == SIDE_NONE || rng_percent(rng, 30) ? 0 : 2 + func;
        break;
    }
    }
    return value;
}

void side_fill_memory(uint8_t *data, uint64_t bytes, const ImagoValue *value) {
    Rng rng = {value->bits[0]};
    const uint64_t count = bytes < 1024 ? bytes : 1024;
    for (uint64_t i = 0; i + 8 <= count; i += 8) {
        const uint64_t word = rng_next(&rng);
        memcpy(data + i, &word, sizeof word);
    }
}

static void mix(Rng *rng, uint64_t value) {
    rng->state = (rng->state ^ value) * 0x9E3779B97F4A7C15u;
}

static bool must_pass_on(const SideResult *result) {
    // Where each engine's stack ends is its own affair; the rest is not a trap of the module.
    return result->status != SIDE_OK &&
           (result->status != SIDE_TRAP || result->trap == TRAP_STACK_EXHAUSTED ||
            result->trap > TRAP_COUNT);
}

// Calls an exported function back. What it returns, or its trap, is mixed into *rng unless it must
// be passed on.
static SideResult call_back(const SideModule *module, SideCaller *caller, Rng *rng) {
    const SideResult ok = {.status = SIDE_OK};
    const uint32_t func = any_export(rng, module, IMAGO_EXTERN_FUNC);
    const ImagoFuncType *type = func == SIDE_NONE ? NULL : &module->exports[func].type.func;
    if (type == NULL || type->param_count > 20 || type->result_count > 20) {
        return ok;
    }
    ImagoValue values[20];
    for (uint32_t i = 0; i < type->param_count; i++) {
        values[i] = any_value(rng, type->params[i], module);
    }
    caller->calls_left--;
    caller->depth++;
    const SideResult result = caller->call(caller->side, func, values);
    caller->depth--;
    if (must_pass_on(&result) || (result.status == SIDE_TRAP && rng_percent(rng, 50))) {
        return result;
    }
    mix(rng, result.status == SIDE_TRAP ? result.trap : TRAP_COUNT);
    for (uint32_t i = 0; result.status == SIDE_OK && i < type->result_count; i++) {
        mix(rng, value_class(type->results[i], &values[i]));
    }
    return ok;
}

SideResult host_compute(const SideModule *module, const ImagoFuncType *type, SideCaller *caller,
                        ImagoValue *values) {
    Rng rng = {type->param_count};
    for (uint32_t i = 0; i < type->param_count; i++) {
        mix(&rng, value_class(type->params[i], &values[i]));
    }
    if (rng_percent(&rng, 2)) {
        return (SideResult){.status = SIDE_TRAP, .trap = TRAP_COUNT, .why = SIDE_HOST_TRAP};
    }
    if (caller->is_ready && caller->depth < MAX_DEPTH && caller->calls_left != 0 &&
        rng_percent(&rng, 30)) {
        const SideResult result = call_back(module, caller, &rng);
        if (result.status != SIDE_OK) {
            return result;
        }
    }
    const uint32_t memory = any_export(&rng, module, IMAGO_EXTERN_MEMORY);
    if (caller->is_ready && memory != SIDE_NONE && rng_percent(&rng, 5)) {
        mix(&rng, (uint64_t)caller->grow_memory(caller->side, memory, rng_below(&rng, 2)));
    }
    for (uint32_t i = 0; i < type->result_count; i++) {
        values[i] = any_value(&rng, type->results[i], caller->is_ready ? module : NULL);
    }
    return (SideResult){.status = SIDE_OK};
}
