// Validator: scratch memory, declarations of locals, and the loop over a body's instructions.
//
// Speed. The frequent opcodes are rows of v->by_byte: operands are compared as one word, and
// position and stack top live in registers. Anything unusual (wrong or unknown operands, long
// integers) is left to the general functions, which also find the words for the error.
#include "wasm/validate.h"

#include "base/alloc.h"
#include "base/reader.h"
#include "types/limits.h"
#include "wasm/validate_int.h"

static bool index_types(Validator *v) {
    const Module *m = v->module;
    v->type_has_v128 = mem_alloc(m->type_count);
    if (v->type_has_v128 == NULL) {
        return false;
    }
    for (u32 i = 0; i < m->type_count; i++) {
        const FuncType *type = &m->types[i];
        const usize count = type->param_count + type->result_count;
        v->type_has_v128[i] = count != 0 && memchr(type->types, VAL_V128, count) != NULL;
    }
    return true;
}

Validator *validator_new(const Module *module) {
    Validator *v = mem_alloc(sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->module = module;
    if (!index_types(v)) {
        validator_delete(v);
        return NULL;
    }
    shapes_init(v);
    return v;
}

void validator_delete(Validator *v) {
    if (v == NULL) {
        return;
    }
    mem_free(v->stack);
    mem_free(v->locals);
    mem_free(v->sum_slots);
    mem_free(v->type_has_v128);
    vec_free(&v->frames);
    vec_free(&v->runs);
    vec_free(&v->accessed);
    vec_free(&v->loops);
    vec_free(&v->open_loops);
    vec_free(&v->events);
    vec_free(&v->hots);
    vec_free(&v->sums);
    mem_free(v);
}

u64 validator_tables_written(const Validator *v) { return v->tables_written; }

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
    bool has_v128 = v->type_has_v128[v->module->funcs[v->func].type] != 0;
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

static bool bad_local(Validator *v, u32 local) {
    return fail_at(v, INVALID, v->op_at, "unknown local %u: the function has %u", local,
                   v->local_count);
}

// The local that an instruction names, with facts of this function; NULL: the error is set.
static inline LocalFacts *local_at(Validator *v, u32 local) {
    if (UNLIKELY(local >= v->local_count)) {
        (void)bad_local(v, local);
        return NULL;
    }
    if (UNLIKELY(v->locals[local].stamp != v->stamp)) {
        facts_touch(v, local);
    }
    return &v->locals[local];
}

// Behind a signed LEB128 of `bytes` bytes at most that ends within its first bytes - 1, where every
// value is in range; NULL if it does not.
static inline const u8 *skip_short_leb(const u8 *p, const u8 *end, i64 bytes) {
    const u8 *stop = end - p < bytes ? end : p + bytes - 1;
    while (p < stop) {
        if (*p++ < 0x80) {
            return p;
        }
    }
    return NULL;
}

// Behind a memarg of short integers with an alignment of at most `align_log2`, or NULL.
static inline const u8 *skip_short_memarg(const u8 *p, const u8 *end, u32 align_log2) {
    if (UNLIKELY(end - p < 2 || *p > align_log2)) {
        return NULL;
    }
    return skip_short_leb(p + 1, end, 5);
}

// The operand below the top is what `shape` wants: pops and pushes at once.
#define APPLY_FAST(shape)                                                                          \
    (LIKELY(sp - base >= (shape)->pop_count &&                                                     \
            ((load_u32(sp - 4) ^ (shape)->want) & (shape)->mask) == 0)                             \
         ? (sp -= (shape)->pop_count, *sp = (shape)->result, sp += (shape)->result != VAL_NONE,    \
            true)                                                                                  \
         : false)

// Calls a general function: it finds position and stack in *v, and leaves them there.
#define GENERAL(call)                                                                              \
    do {                                                                                           \
        v->at = p;                                                                                 \
        v->sp = sp;                                                                                \
        TRY(call);                                                                                 \
        p = v->at;                                                                                 \
        sp = v->sp;                                                                                \
        base = v->base;                                                                            \
    } while (0)

#define NOTE_HIGH() (v->high = sp > v->high ? sp : v->high)

// Longer than the cap: the registers p, sp and base are the point of it.
static bool walk(Validator *v) {
    const u8 *p = v->at;
    const u8 *const end = v->end;
    u8 *sp = v->sp;
    u8 *base = v->base;
    const bool has_memory = v->module->memory_count != 0;
    while (LIKELY(p < end)) {
        const u8 byte = *p;
        const Shape *shape = &v->by_byte[byte];
        v->op_at = p++;
        switch ((ShapeKind)shape->kind) {
        case SHAPE_PLAIN:
            break;
        case SHAPE_MEMARG: {
            const u8 *next = has_memory ? skip_short_memarg(p, end, shape->align_log2) : NULL;
            if (UNLIKELY(next == NULL)) {
                GENERAL(imm_memarg(v, shape->align_log2));
                break;
            }
            p = next;
            break;
        }
        case SHAPE_I32_CONST: {
            const u8 *next = skip_short_leb(p, end, 5);
            if (UNLIKELY(next == NULL)) {
                GENERAL(imm_s32(v));
                break;
            }
            p = next;
            break;
        }
        case SHAPE_I64_CONST: {
            const u8 *next = skip_short_leb(p, end, 10);
            if (UNLIKELY(next == NULL)) {
                GENERAL(imm_s64(v));
                break;
            }
            p = next;
            break;
        }
        case SHAPE_FLOAT_CONST:
            GENERAL(imm_skip(v, shape->align_log2));
            break;
        case SHAPE_LOCAL_GET:
        case SHAPE_LOCAL_SET:
        case SHAPE_LOCAL_TEE: {
            u32 index;
            if (LIKELY(p < end && *p < 0x80)) {
                index = *p++;
            } else {
                GENERAL(imm_u32_slow(v, &index));
            }
            LocalFacts *local = local_at(v, index);
            if (UNLIKELY(local == NULL)) {
                return false;
            }
            if (shape->kind == SHAPE_LOCAL_GET) {
                *sp++ = local->type;
                NOTE_HIGH();
                if (LIKELY(!v->top->is_dead)) {
                    facts_get(v, local, body_offset(v, p));
                    facts_event(v, index, false);
                }
                continue;
            }
            if (LIKELY(sp > base && sp[-1] == local->type)) {
                sp -= shape->kind == SHAPE_LOCAL_SET;
            } else {
                GENERAL(stack_pop(v, (ValType)local->type));
                if (shape->kind == SHAPE_LOCAL_TEE) {
                    *sp++ = local->type;
                    NOTE_HIGH();
                }
            }
            if (LIKELY(!v->top->is_dead)) {
                if (UNLIKELY(local->def_block == ID_NONE)) {
                    facts_set_slow(v, local);
                }
                facts_event(v, index, true);
            }
            continue;
        }
        case SHAPE_OTHER:
            GENERAL(validate_other(v, byte));
            if (UNLIKELY(v->frames.count == 0)) {
                return p == end ||
                       fail_at(v, MALFORMED, p, "section size mismatch: %td bytes behind the "
                               "function's end", end - p);
            }
            continue;
        }
        if (UNLIKELY(!APPLY_FAST(shape))) {
            GENERAL(stack_apply(v, shape));
        }
        NOTE_HIGH();
    }
    return fail_at(v, MALFORMED, end,
                   "unexpected end of section or function: %zu blocks are still open, the "
                   "function's own included",
                   v->frames.count);
}

static void publish(const Validator *v, FuncFacts *facts) {
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
        .max_stack = (u32)(v->high - (v->stack + STACK_PAD)),
        .max_control = v->max_control,
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
    v->sp = v->base = v->high = v->stack;
    TRY(stack_ensure(v, STACK_PAD));
    TRY(control_begin(v));
    return walk(v);
}

bool validate_func(Validator *v, u32 func, FuncFacts *facts, Error *err) {
    const Module *m = v->module;
    const Func *function = &m->funcs[func];
    v->err = err;
    v->func = func;
    v->type = &m->types[function->type];
    v->body = v->at = v->op_at = m->bytes + function->body_offset;
    v->end = v->body + function->body_bytes;
    const bool was_set = err != NULL && err->code != IMAGO_ERROR_NONE;
    if (!validate_body(v)) {
        if (err != NULL && !was_set) {
            err->func_index = func;
        }
        return false;
    }
    if (facts != NULL) {
        publish(v, facts);
    }
    return true;
}
