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
    mem_free(v->events);
    mem_free(v->locals);
    mem_free(v->sum_slots);
    mem_free(v->type_has_v128);
    vec_free(&v->frames);
    vec_free(&v->runs);
    vec_free(&v->accessed);
    vec_free(&v->loops);
    vec_free(&v->open_loops);
    vec_free(&v->hots);
    vec_free(&v->sums);
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

enum { WORD_BYTES = 8 };

// Bytes of the LEB128 at p, found without a branch for each: 1 to `most`. 0: longer, or too near to
// the end to load a word.
static inline u32 short_leb_bytes(const u8 *p, const u8 *end, u32 most) {
    if (UNLIKELY(end - p < WORD_BYTES)) {
        return 0;
    }
    const u64 stops = ~load_u64(p) & 0x8080808080808080u;
    const u32 bytes = ((u32)__builtin_ctzll(stops | 1ull << 63) >> 3) + 1;
    return bytes <= most ? bytes : 0;
}

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

// Behind alignment and offset of a memory access.
#define PASS_MEMARG()                                                                              \
    do {                                                                                           \
        const u32 bytes = short_leb_bytes(p + 1, end, 4);                                          \
        if (LIKELY(bytes != 0 && *p <= shape->align_log2 && has_memory)) {                         \
            p += bytes + 1;                                                                        \
        } else {                                                                                   \
            GENERAL(imm_memarg(v, shape->align_log2));                                             \
        }                                                                                          \
    } while (0)

// Reads the index of an instruction on locals into `local`, whose facts are this function's then.
// The first byte is there: the body's last one is an `end`. There are LocalFacts for every index
// of one byte; those the function does not have never get its stamp.
#define PASS_LOCAL()                                                                               \
    do {                                                                                           \
        index = *p++;                                                                              \
        if (UNLIKELY(index >= 0x80)) {                                                             \
            p--;                                                                                   \
            GENERAL(imm_index(v, v->local_count, "local", &index));                                \
        }                                                                                          \
        local = &v->locals[index];                                                                 \
        if (UNLIKELY(local->stamp != v->stamp)) {                                                  \
            GENERAL(facts_touch(v, index));                                                        \
        }                                                                                          \
    } while (0)

// The innermost frame is a live block or `if` without parameters and results in live code. It is
// not the function's own frame, whose type is never inline.
static inline bool is_plain_end(const Validator *v) {
    const Frame *frame = v->top;
    return frame->type == BLOCK_INLINE && frame->op != BYTE_LOOP && !v->is_dead &&
           !frame->is_in_dead;
}

// Longer than the cap: the registers p, sp and base are the point of it.
static bool walk(Validator *v) {
    const u8 *p = v->at;
    const u8 *const end = v->end;
    u8 *sp = v->sp;
    u8 *base = v->base;
    const bool has_memory = v->module->memory_count != 0;
    u32 index;
    LocalFacts *local;
    while (LIKELY(p < end)) {
        const u8 byte = *p;
        const Shape *shape = &v->by_byte[byte];
        v->op_at = p++;
        switch ((ShapeKind)shape->kind) {
        case SHAPE_UNARY:
            if (LIKELY(sp > base && sp[-1] == shape->pops[0])) {
                sp[-1] = shape->result;
            } else {
                GENERAL(stack_apply(v, shape));
            }
            continue;
        case SHAPE_BINARY:
            if (LIKELY(sp - base >= 2 && sp[-1] == shape->pops[0] && sp[-2] == shape->pops[0])) {
                sp--;
                sp[-1] = shape->result;
            } else {
                GENERAL(stack_apply(v, shape));
            }
            continue;
        case SHAPE_LOAD:
            PASS_MEMARG();
            if (LIKELY(sp > base && sp[-1] == VAL_I32)) {
                sp[-1] = shape->result;
            } else {
                GENERAL(stack_apply(v, shape));
            }
            continue;
        case SHAPE_STORE:
            PASS_MEMARG();
            if (LIKELY(sp - base >= 2 && sp[-1] == shape->pops[0] && sp[-2] == VAL_I32)) {
                sp -= 2;
            } else {
                GENERAL(stack_apply(v, shape));
            }
            continue;
        case SHAPE_I32_CONST: {
            const u32 bytes = short_leb_bytes(p, end, 4);
            p += bytes;
            if (UNLIKELY(bytes == 0)) {
                GENERAL(imm_s32(v));
            }
            *sp++ = VAL_I32;
            continue;
        }
        case SHAPE_I64_CONST: {
            const u32 bytes = short_leb_bytes(p, end, 7);
            p += bytes;
            if (UNLIKELY(bytes == 0)) {
                GENERAL(imm_s64(v));
            }
            *sp++ = VAL_I64;
            continue;
        }
        case SHAPE_LOCAL_GET:
            PASS_LOCAL();
            *sp++ = local->type;
            facts_get(v, local, body_offset(v, p));
            facts_event(v, index, false);
            continue;
        case SHAPE_LOCAL_TEE:
        case SHAPE_LOCAL_SET:
            PASS_LOCAL();
            if (LIKELY(sp > base && sp[-1] == local->type)) {
                sp--;
            } else {
                GENERAL(stack_pop(v, (ValType)local->type));
            }
            if (shape->kind == SHAPE_LOCAL_TEE) {
                *sp++ = local->type;
            }
            if (UNLIKELY(local->def_block == ID_NONE)) {
                facts_set_slow(v, local);
            }
            facts_event(v, index, true);
            continue;
        case SHAPE_BR:
            GENERAL(control_br(v));
            continue;
        case SHAPE_BR_IF:
            if (LIKELY(*p < 0x80 && *p < v->frames.count &&
                       v->top[-(i64)*p].type == BLOCK_INLINE && sp > base &&
                       sp[-1] == VAL_I32)) {
                p++;
                sp--;
                continue;
            }
            GENERAL(control_br_if(v));
            continue;
        case SHAPE_BLOCK:
            GENERAL(control_block(v, byte));
            continue;
        case SHAPE_CALL:
            GENERAL(control_call(v));
            continue;
        case SHAPE_DROP: {
            ValType type;
            if (LIKELY(sp > base)) {
                sp--;
                continue;
            }
            GENERAL(stack_pop_any(v, &type));
            continue;
        }
        case SHAPE_END:
            if (LIKELY(is_plain_end(v) && sp == base)) {
                v->top->ordinal = FRAME_CLOSED;
                v->top--;
                v->frames.count--;
                base = v->base = v->stack + v->top->height;
                continue;
            }
            GENERAL(control_end(v));
            if (UNLIKELY(v->frames.count == 0)) {
                return p == end || fail_at(v, MALFORMED, p,
                                           "section size mismatch: %td bytes behind the "
                                           "function's end",
                                           end - p);
            }
            continue;
        case SHAPE_OTHER:
            GENERAL(validate_other(v, byte));
            continue;
        }
        __builtin_unreachable();
    }
    return fail_at(v, MALFORMED, end,
                   "unexpected end of section or function: %zu blocks are still open, the "
                   "function's own included",
                   v->frames.count);
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
    v->sp = v->base = v->stack;
    v->height = 0;
    TRY(stack_ensure(v, 0));
    TRY(control_begin(v));
    // The loop relies on it to look one byte behind each other opcode.
    if (v->at == v->end || v->end[-1] != OPCODES[OP_END].code) {
        return fail_at(v, MALFORMED, v->end,
                       "unexpected end of section or function: no end behind the function");
    }
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
    return true;
}
