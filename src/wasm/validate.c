// Validator: scratch memory, declarations of locals, and what is known of a body in the end.
#include "wasm/validate.h"

#include "base/alloc.h"
#include "base/reader.h"
#include "types/limits.h"
#include "wasm/validate_int.h"

// The parameters as the highest bytes of an integer, the last one highest: so a load of the topmost
// operands has them. NO_SHORT_PARAMS: there are too many, or several results, or a v128.
static u64 short_params_of(const FuncType *type) {
    if (type->param_count > SHORT_PARAMS || type->result_count > 1 || type_has_v128(type)) {
        return NO_SHORT_PARAMS;
    }
    u64 params = 0;
    for (u32 i = 0; i < type->param_count; i++) {
        params = params >> 8 | (u64)type_params(type)[i] << 56;
    }
    return params;
}

static bool index_types(Validator *v) {
    const Module *m = v->module;
    v->short_params = mem_alloc(m->type_count * sizeof(u64));
    if (v->short_params == NULL) {
        return false;
    }
    for (u32 i = 0; i < m->type_count; i++) {
        v->short_params[i] = short_params_of(&m->types[i]);
    }
    return true;
}

Validator *validator_new(const Module *module) {
    Validator *v = mem_alloc(sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->module = module;
    if (!index_types(v) || !control_init(v)) {
        validator_delete(v);
        return NULL;
    }
    for (u32 type = VAL_NONE + 1; type < VAL_COUNT; type++) {
        v->type_of_byte[val_binary((ValType)type)] = (u8)type;
    }
    return v;
}

void validator_delete(Validator *v) {
    if (v == NULL) {
        return;
    }
    mem_free(v->stack_memory);
    mem_free(v->frames);
    mem_free(v->locals);
    mem_free(v->short_params);
    vec_free(&v->runs);
    vec_free(&v->accessed);
    vec_free(&v->defs);
    vec_free(&v->loops);
    vec_free(&v->open_loops);
    vec_free(&v->outers);
    vec_free(&v->hots);
    mem_free(v);
}

u64 validator_tables_used(const Validator *v) { return v->tables_used; }

bool validator_has_ref_func(const Validator *v) { return v->has_ref_func; }

static bool declare_run(Validator *v, const u8 *at, u32 count, ValType type, u64 *total) {
    *total += count; // at most 2^23 runs of less than 2^32
    if (*total - v->type->param_count > UINT32_MAX) {
        return fail_at(v, MALFORMED, at, "too many locals: more than 2**32 - 1");
    }
    if (count != 0 && *total <= MAX_LOCALS && !vec_push(&v->runs, (LocalRun){(u32)*total, type})) {
        return fail_at(v, NO_MEMORY, at, "out of memory");
    }
    return true;
}

static bool declare_locals(Validator *v) {
    u64 total = v->type->param_count;
    u32 run_count;
    TRY(imm_u32(v, &run_count));
    v->runs.count = 0;
    const bool is_short = v->short_params[v->module->funcs[v->func].type] != NO_SHORT_PARAMS;
    bool has_v128 = !is_short && type_has_v128(v->type);
    for (u32 i = 0; i < run_count; i++) {
        const u8 *at = v->at;
        u32 count;
        ValType type;
        TRY(imm_u32(v, &count));
        TRY(imm_val_type(v, &type));
        TRY(declare_run(v, at, count, type, &total));
        has_v128 |= type == VAL_V128;
    }
    if (total > MAX_LOCALS) {
        return fail_at(v, LIMIT, v->body, "too many locals: %llu, the limit is %d",
                       (unsigned long long)total, MAX_LOCALS);
    }
    v->local_count = (u32)total;
    TRY(facts_begin(v));
    if (has_v128) {
        note_simd(v, v->body);
    }
    return true;
}

static void publish(const Validator *v, u32 max_stack, FuncFacts *facts) {
    *facts = (FuncFacts){
        .stamp = v->stamp,
        .type = v->type,
        .local_count = v->local_count,
        .locals = v->locals,
        .accessed = v->accessed.at,
        .accessed_count = (u32)v->accessed.count,
        .loops = v->loops.at,
        .loop_count = (u32)v->loops.count,
        .hots = v->hots.at,
        .max_stack = max_stack,
        .max_control = (u32)(v->deepest - v->frames),
        .has_call = v->has_call,
        .has_foreign_call = v->has_foreign_call,
        .has_builtin = v->has_builtin,
        .has_simd = v->simd_at != NULL,
        .simd_offset = v->simd_at == NULL ? 0 : (u32)(v->simd_at - v->module->bytes),
    };
}

static bool validate_body(Validator *v) {
    TRY(declare_locals(v));
    v->op_at = v->at;
    v->sp = v->base = v->stack;
    v->height = 0;
    TRY(stack_ensure(v, 0));
    TRY(control_begin(v));
    // The walk relies on it to look one byte behind each other opcode.
    if (v->at == v->end || v->end[-1] != BYTE_END) {
        return fail_at(v, MALFORMED, v->end,
                       "unexpected end of section or function: no end behind the function");
    }
    return validate_walk(v) && facts_ok(v);
}

bool validate_func(Validator *v, u32 func, FuncFacts *facts, Error *err) {
    const Module *m = v->module;
    const Func *function = &m->funcs[func];
    v->err = err;
    v->wants_facts = facts != NULL;
    v->func = func;
    v->type = &m->types[function->type];
    v->body = v->at = v->op_at = m->bytes + function->body_offset;
    v->end = v->body + function->body_bytes;
    const bool was_set = err != NULL && err->code != IMAGO_ERROR_NONE;
    const bool ok = validate_body(v);
    const u32 max_stack = v->stack == NULL ? 0 : stack_height(v);
    if (max_stack != 0) {
        memset(v->stack, 0, max_stack);
    }
    if (!ok) {
        if (err != NULL && !was_set) {
            err->func_index = func;
        }
        return false;
    }
    if (facts != NULL) {
        publish(v, max_stack, facts);
    }
    control_trim(v);
    return true;
}
