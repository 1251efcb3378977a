// Validator: the walk over a body's instructions.
//
// Speed. An instruction is looked up by its byte, and passed here if it is frequent, has its usual
// form and is right. Otherwise nothing has changed yet, and validate_op does it from its start: it
// alone knows all the rules and all the errors. Position and stack top live in registers, which
// is why a Walk's address goes to no function that is not inlined.
//
// The body's last byte is an `end`, as the caller has checked: so there is a byte behind every
// other opcode, and an integer that begins inside of the body ends there. Words are loaded without
// a look at the body's end, as long as the module has WORD_ROOM bytes more.
#include "wasm/validate_int.h"

enum { WORD_ROOM = 16 };

// For what a constant argument decides, and for a Walk to live in registers.
#ifdef __OPTIMIZE__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

typedef struct Walk {
    Validator *v;
    const u8 *at; // of the present instruction, until it is passed
    u8 *sp, *base; // as in the Validator, which has an up-to-date base
    LocalFacts *locals;
    u32 serial;
    bool has_memory;
} Walk;

INLINE void walk_load(Walk *w) {
    const Validator *v = w->v;
    w->at = v->at;
    w->sp = v->sp;
    w->base = v->base;
    w->serial = v->serial;
}

INLINE void walk_store(const Walk *w) {
    w->v->at = w->at;
    w->v->sp = w->sp;
}

INLINE bool has_operand(const Walk *w, ValType type) {
    return LIKELY(w->sp > w->base && w->sp[-1] == (u8)type);
}

INLINE bool has_operands(const Walk *w, ValType below, ValType top) {
    return LIKELY(w->sp - 1 > w->base && w->sp[-1] == (u8)top && w->sp[-2] == (u8)below);
}

// Bytes of the LEB128 at p; 0: more than four, or seven. Most have one byte.
INLINE u32 leb_bytes_to_4(const u8 *p) {
    if (LIKELY(p[0] < 0x80)) {
        return 1;
    }
    const u32 stops = ~load_u32(p) & 0x80808080u;
    return LIKELY(stops != 0) ? ((u32)__builtin_ctz(stops) >> 3) + 1 : 0;
}

INLINE u32 leb_bytes_to_7(const u8 *p) {
    if (LIKELY(p[0] < 0x80)) {
        return 1;
    }
    const u64 stops = ~load_u64(p) & 0x0080808080808080u;
    return LIKELY(stops != 0) ? ((u32)__builtin_ctzll(stops) >> 3) + 1 : 0;
}

// Alignment and offset; 0: not usual.
INLINE u32 memarg_bytes(const Walk *w, u32 width) {
    const u32 bytes = leb_bytes_to_4(w->at + 2);
    return LIKELY(bytes != 0 && w->at[1] <= log2_of(width) && w->has_memory) ? bytes + 1 : 0;
}

// The arguments of this and the next one are constants.
INLINE bool pass_operands(Walk *w, const char *params, const char *results) {
    const usize count = strlen(params);
    if (count == 1) {
        TRY(has_operand(w, type_of_letter(params[0])));
    } else if (count == 2) {
        TRY(has_operands(w, type_of_letter(params[0]), type_of_letter(params[1])));
    }
    w->sp -= count;
    if (results[0] != 0) {
        *w->sp++ = (u8)type_of_letter(results[0]);
    }
    return true;
}

INLINE bool pass_fixed(Walk *w, ImmKind imm, const char *params, const char *results,
                       u32 width) {
    const u32 bytes = imm == IMM_I32      ? leb_bytes_to_4(w->at + 1)
                      : imm == IMM_I64    ? leb_bytes_to_7(w->at + 1)
                      : imm == IMM_MEMARG ? memarg_bytes(w, width)
                                          : 0;
    if ((imm != IMM_NONE && bytes == 0) || !pass_operands(w, params, results)) {
        return false;
    }
    w->at += 1 + bytes;
    return true;
}

// The index has one byte, and the function has the local.
INLINE bool has_local(const Walk *w) {
    return LIKELY(w->at[1] < 0x80 && w->at[1] < w->v->local_count);
}

INLINE bool pass_local_get(Walk *w) {
    if (!has_local(w)) {
        return false;
    }
    LocalFacts *local = &w->locals[w->at[1]];
    const u32 offset = body_offset(w->v, w->at + 2);
    if (!facts_get_known(local, w->serial, offset)) {
        facts_get(w->v, w->at[1], offset);
    }
    *w->sp++ = local->type;
    w->at += 2;
    return true;
}

INLINE bool pass_local_set(Walk *w, bool is_tee) {
    LocalFacts *local = &w->locals[w->at[1] & 0x7F];
    if (w->at[1] >= 0x80 || !has_operand(w, (ValType)local->type) ||
        !facts_set_known(local, w->serial)) {
        return false;
    }
    w->sp -= is_tee ? 0 : 1;
    w->at += 2;
    return true;
}

INLINE bool pass_global_get(Walk *w) {
    const u8 index = w->at[1];
    const Module *m = w->v->module;
    if (UNLIKELY(index >= 0x80 || index >= m->global_count) ||
        m->globals[index].type.type == VAL_V128) {
        return false;
    }
    *w->sp++ = (u8)m->globals[index].type.type;
    w->at += 2;
    return true;
}

INLINE bool pass_global_set(Walk *w) {
    const u8 index = w->at[1];
    const Module *m = w->v->module;
    if (UNLIKELY(index >= 0x80 || index >= m->global_count)) {
        return false;
    }
    const GlobalType *type = &m->globals[index].type;
    if (!type->is_mutable || type->type == VAL_V128 || !has_operand(w, type->type)) {
        return false;
    }
    w->sp--;
    w->at += 2;
    return true;
}

// One in live code that takes and leaves nothing.
INLINE bool pass_block(Walk *w) {
    Validator *v = w->v;
    if (w->at[1] != BLOCK_EMPTY || w->serial == SERIAL_DEAD || v->top + 1 == v->frames_end) {
        return false;
    }
    *++v->top = (Frame){
        .height = (u32)(w->sp - v->stack),
        .type = BLOCK_INLINE,
        .op = *w->at,
        .is_plain = true,
    };
    v->base = w->base = w->sp;
    v->deepest = v->top > v->deepest ? v->top : v->deepest;
    w->at += 2;
    return true;
}

INLINE bool pass_if(Walk *w) {
    if (!has_operand(w, VAL_I32)) {
        return false;
    }
    w->sp--;
    if (!pass_block(w)) {
        w->sp++;
        return false;
    }
    return true;
}

INLINE bool pass_end(Walk *w) {
    Validator *v = w->v;
    const Frame *frame = v->top;
    if (!frame->is_plain || w->sp != w->base || v->def_depth == frame_depth(v)) {
        return false;
    }
    v->is_dead = false;
    v->serial = w->serial = v->loop_serial;
    v->top--;
    v->base = w->base = v->stack + v->top->height;
    w->at++;
    return true;
}

// A branch to the end of a block that leaves nothing, or to a loop without parameters.
INLINE bool is_plain_label(const Walk *w) {
    const u8 label = w->at[1];
    return LIKELY(label < 0x80 && label < frame_depth(w->v) &&
                  w->v->top[-(i64)label].type == BLOCK_INLINE);
}

INLINE bool pass_br(Walk *w) {
    if (!is_plain_label(w)) {
        return false;
    }
    w->sp = w->base;
    w->v->is_dead = true;
    w->v->serial = w->serial = SERIAL_DEAD;
    w->at += 2;
    return true;
}

INLINE bool pass_br_if(Walk *w) {
    if (!is_plain_label(w) || !has_operand(w, VAL_I32)) {
        return false;
    }
    w->sp--;
    w->at += 2;
    return true;
}

// A function of an index of one or two bytes.
INLINE bool pass_call(Walk *w) {
    Validator *v = w->v;
    const Module *m = v->module;
    const u32 first = w->at[1];
    const u32 bytes = first < 0x80 ? 1 : 2;
    const u32 func = first < 0x80 ? first : (first & 0x7F) | (u32)w->at[2] << 7;
    if (UNLIKELY(func >= m->func_count || (bytes == 2 && w->at[2] >= 0x80))) {
        return false;
    }
    const FuncType *type = &m->types[m->funcs[func].type];
    const u64 params = v->short_params[m->funcs[func].type];
    const u64 wrong = params ^ load_u64(w->sp - sizeof params);
    const u32 count = type->param_count;
    if (UNLIKELY(params == NO_SHORT_PARAMS || w->sp - w->base < count ||
                 wrong >> 1 >> (63 - 8 * count) != 0)) { // 64 is no shift
        return false;
    }
    w->sp -= count;
    if (type->result_count != 0) {
        *w->sp++ = type_results(type)[0];
    }
    v->has_call = v->loop_has_call = true;
    v->has_foreign_call |= func < m->func_import_count;
    w->at += 1 + bytes;
    return true;
}

INLINE bool pass_drop(Walk *w) {
    if (UNLIKELY(w->sp == w->base)) {
        return false;
    }
    w->sp--;
    w->at++;
    return true;
}

// Lets a general function do the instruction.
INLINE bool do_general(Walk *w, bool (*op)(Validator *)) {
    w->v->op_at = w->at++;
    walk_store(w);
    TRY(op(w->v));
    walk_load(w);
    return true;
}

static bool check_end(Validator *v) {
    if (v->top != v->frames) {
        return fail_at(v, MALFORMED, v->end,
                       "unexpected end of section or function: %u blocks are still open, the "
                       "function's own included",
                       frame_depth(v));
    }
    if (v->at != v->end) {
        return fail_at(v, MALFORMED, v->at,
                       "section size mismatch: %td bytes behind the function's end",
                       v->end - v->at);
    }
    return true;
}

static bool walk_slowly(Validator *v) {
    while (v->at < v->end && v->top != v->frames) {
        v->op_at = v->at++;
        TRY(validate_op(v));
    }
    return check_end(v);
}

// Where words can be loaded up to, at most the body's end.
static const u8 *end_of_words(const Validator *v) {
    const usize behind = (usize)(v->module->bytes + v->module->byte_count - v->end);
    const usize missing = behind < WORD_ROOM ? WORD_ROOM - behind : 0;
    return (usize)(v->end - v->at) > missing ? v->end - missing : v->at;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum" // those that are not like most
// All arguments but the first are constants: one case is left of it.
INLINE bool pass(Walk *w, Opcode op, ImmKind imm, const char *params, const char *results,
                 u32 width) {
    switch (op) {
    case OP_LOCAL_GET:
        return pass_local_get(w);
    case OP_LOCAL_SET:
        return pass_local_set(w, false);
    case OP_LOCAL_TEE:
        return pass_local_set(w, true);
    case OP_GLOBAL_GET:
        return pass_global_get(w);
    case OP_GLOBAL_SET:
        return pass_global_set(w);
    case OP_BLOCK:
        return pass_block(w);
    case OP_IF:
        return pass_if(w);
    case OP_END:
        return pass_end(w);
    case OP_BR:
        return pass_br(w);
    case OP_BR_IF:
        return pass_br_if(w);
    case OP_CALL:
        return pass_call(w);
    case OP_DROP:
        return pass_drop(w);
    default:
        return params != NULL && pass_fixed(w, imm, params, results, width);
    }
}

// What does the opcode, if it is known; validate_op does all.
INLINE bool (*general_of(Opcode op))(Validator *) {
    switch (op) {
    case OP_LOCAL_GET:
        return validate_local_get;
    case OP_LOCAL_SET:
        return validate_local_set;
    case OP_LOCAL_TEE:
        return validate_local_tee;
    case OP_BLOCK:
        return control_block;
    case OP_LOOP:
        return control_loop;
    case OP_IF:
        return control_if;
    case OP_ELSE:
        return control_else;
    case OP_END:
        return control_end;
    case OP_BR:
        return control_br;
    case OP_BR_IF:
        return control_br_if;
    case OP_UNREACHABLE:
        return control_unreachable;
    case OP_RETURN:
        return control_return;
    case OP_CALL:
        return control_call;
    case OP_SELECT:
        return validate_select;
    default:
        return validate_op;
    }
}
#pragma GCC diagnostic pop

// Each instruction ends with its own jump to the next one's code, as jumps are predicted by where
// they stand: the addresses of labels are for that.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

#define NEXT()                                                                                     \
    if (UNLIKELY(w.at >= words_end)) {                                                             \
        goto out;                                                                                  \
    }                                                                                              \
    goto *CODE_OF_BYTE[*w.at]

// Rows of opcodes.def without prefix.
#define ENTRY_0(name, code) [code] = &&op_##name,
#define ENTRY_0xFC(name, code)
#define ENTRY_0xFD(name, code)

#define BODY_0(name, imm, params, results, width)                                                  \
    op_##name:                                                                                     \
    if (!pass(&w, OP_##name, imm, params, results, width)) {                                       \
        TRY(do_general(&w, general_of(OP_##name)));                                                \
        if (OP_##name == OP_END && v->top == v->frames) {                                          \
            return check_end(v);                                                                   \
        }                                                                                          \
    }                                                                                              \
    NEXT();
#define BODY_0xFC(name, imm, params, results, width)
#define BODY_0xFD(name, imm, params, results, width)

bool validate_walk(Validator *v) {
    static const void *const CODE_OF_BYTE[256] = {
        [0 ... 255] = &&other,
#define OPCODE(name, prefix, code, text, imm, params, results, width, feature)                     \
    ENTRY_##prefix(name, code)
#include "wasm/opcodes.def"
#undef OPCODE
    };
    const u8 *const words_end = end_of_words(v);
    Walk w = {.v = v, .locals = v->locals, .has_memory = v->module->memory_count != 0};
    walk_load(&w);
    NEXT();
#define OPCODE(name, prefix, code, text, imm, params, results, width, feature)                     \
    BODY_##prefix(name, imm, params, results, width)
#include "wasm/opcodes.def"
#undef OPCODE
other:
    TRY(do_general(&w, validate_op));
    NEXT();
out:
    walk_store(&w);
    return walk_slowly(v);
}
#pragma GCC diagnostic pop
