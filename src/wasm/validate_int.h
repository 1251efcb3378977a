// What the files of the validator share.
//
// validate_fast.c passes over frequent instructions in their usual form, with position and stack
// top in registers. Each other one is left to validate_op, which knows them all, finds its state in
// the Validator, and finds the words for errors.
#ifndef WASM_VALIDATE_INT_H
#define WASM_VALIDATE_INT_H

#include "base/vec.h"
#include "wasm/opcode.h"
#include "wasm/validate.h"

// Types of a block, in the order of the stack.
typedef struct TypeList {
    const u8 *at;
    u32 count;
} TypeList;

// An open block.
typedef struct Frame {
    u32 height;      // operands below it
    u32 type;        // index of a function type, or BLOCK_INLINE | ValType
    u8 op;           // opcode byte: block, loop, if, else
    bool is_in_dead; // the block around it was dead at its start
    bool is_plain;   // no loop, in live code, neither takes nor leaves operands
    u8 reserved;
} Frame;
_Static_assert(sizeof(Frame) == 12, "modules nest millions of blocks");

enum { BLOCK_EMPTY = 0x40 }; // as a block type

#define BLOCK_INLINE 0x80000000u
#define SERIAL_DEAD UINT32_MAX // as v->serial: no local has it

// What the loop around knew of a local that an inner loop accesses.
typedef struct Outer {
    u32 local;
    u32 serial, known_loop;
    bool is_set;
    u64 weight;
} Outer;

// A run of locals of the same type: those below `end` and not below the previous run's.
typedef struct LocalRun {
    u32 end;
    ValType type;
} LocalRun;

struct Validator {
    const Module *module;
    Error *err;
    u64 tables_used;
    bool has_ref_func;
    bool wants_facts; // somebody reads the facts of the present function

    // The body being walked.
    u32 func;
    const FuncType *type;
    const u8 *body, *at, *end;
    const u8 *op_at; // the present instruction

    // Operands. Bytes that were never an operand of this function are zero: so the highest one that
    // is not tells how far the stack reached, without a test in each push (stack_height).
    u8 *stack_memory; // STACK_PAD bytes, then
    u8 *stack;        // of stack_room bytes
    usize stack_room;
    u8 *sp, *base; // first free one; first one of the innermost frame
    usize height;  // at least; for operands of type VAL_NONE, which is zero

    // Open blocks. frames[0] stands for what is outside of the function, its depth is 0; the
    // function's own frame has depth 1.
    Frame *frames, *frames_end;
    Frame *top;     // innermost
    Frame *deepest; // of this function
    bool is_dead;   // the rest of the innermost frame is not reached; see facts_set_dead

    u32 stamp; // of the present function
    u32 local_count;
    LocalFacts *locals; // locals_room of them
    u32 locals_room;
    VEC(LocalRun) runs;
    VEC(u32) accessed;
    VEC(u32) defs; // locals, by the open frame that first assigned them
    u32 def_depth; // of the last one's frame, 0: there are none

    VEC(LoopFacts) loops;
    VEC(u32) open_loops; // ordinals, outermost first
    u32 func_serial;     // of the function's body outside of loops
    u32 loop_serial;     // of the innermost loop, or func_serial
    u32 serial;          // loop_serial, or SERIAL_DEAD
    VEC(Outer) outers;   // by open loop
    VEC(HotLocal) hots;
    bool is_out_of_memory;

    bool has_call, has_foreign_call, has_builtin;
    bool loop_has_call; // one of them, in the innermost loop so far
    const u8 *simd_at; // first use of FEATURE_SIMD

    u64 *short_params;    // by type index: see short_params_of
    u8 type_of_byte[256]; // ValType by its code in the binary format
};

enum {
    SHORT_PARAMS = 7, // operands compared at once
    STACK_PAD = 8,    // bytes below the lowest operand, so that a word behind any can be loaded
};

#define NO_SHORT_PARAMS UINT64_MAX

// Error at a byte of the module.
#define fail_at(v, code, where, ...)                                                               \
    fail((v)->err, code, (u64)((where) - (v)->module->bytes), __VA_ARGS__)

static inline u32 body_offset(const Validator *v, const u8 *at) { return (u32)(at - v->body); }
static inline u32 frame_depth(const Validator *v) { return (u32)(v->top - v->frames); }

// Of a width in opcodes.def.
static inline u8 log2_of(u32 width) { return width == 0 ? 0 : (u8)__builtin_ctz(width); }

// Of params and results in opcodes.def.
static inline ValType type_of_letter(char letter) {
    static const u8 TYPES[] = {
        ['i'] = VAL_I32,  ['I'] = VAL_I64,     ['f'] = VAL_F32,       ['F'] = VAL_F64,
        ['v'] = VAL_V128, ['n'] = VAL_FUNCREF, ['x'] = VAL_EXTERNREF,
    };
    return (ValType)TYPES[(u8)letter];
}

static inline void note_simd(Validator *v, const u8 *at) {
    v->simd_at = v->simd_at == NULL ? at : v->simd_at;
}

// Immediates at v->at (validate_imm.c). False with ERR_MALFORMED.
bool imm_u8(Validator *v, u8 *value);
bool imm_u32_slow(Validator *v, u32 *value);
bool imm_s32(Validator *v);
bool imm_s64(Validator *v);
bool imm_skip(Validator *v, u32 count);
bool imm_zero(Validator *v);
bool imm_val_type(Validator *v, ValType *type);
bool imm_ref_type(Validator *v, ValType *type);
bool imm_block_type(Validator *v, u32 *type);
bool imm_memarg(Validator *v, u32 align_log2);
bool imm_lane(Validator *v, u32 lane_count);
// imm_index: an index below `count`, of a thing called `what`. This one says that it is not.
bool imm_bad_index(Validator *v, const u8 *at, u32 count, const char *what, u32 index);

static inline bool imm_u32(Validator *v, u32 *value) {
    if (LIKELY(v->at < v->end && *v->at < 0x80)) {
        *value = *v->at++;
        return true;
    }
    return imm_u32_slow(v, value);
}

static inline bool imm_index(Validator *v, u32 count, const char *what, u32 *index) {
    const u8 *at = v->at;
    TRY(imm_u32(v, index));
    return LIKELY(*index < count) || imm_bad_index(v, at, count, what, *index);
}

// Operands (validate_stack.c). Popping in dead code yields what is wanted once the frame is empty.
bool stack_ensure(Validator *v, u32 count); // room for `count` more and one a remaining byte
bool stack_push_unknown(Validator *v);
bool stack_push_many(Validator *v, TypeList types);
bool stack_pop_slow(Validator *v, ValType type);
bool stack_pop_any(Validator *v, ValType *type); // VAL_NONE: unknown
bool stack_pop_list_slow(Validator *v, TypeList types);
bool stack_check_list(Validator *v, TypeList types);    // the operands stay
bool stack_apply(Validator *v, const OpcodeInfo *info); // an instruction of fixed types
void stack_make_dead(Validator *v);
u32 stack_height(const Validator *v); // the most operands so far

static inline bool stack_push(Validator *v, ValType type) {
    if (UNLIKELY(type == VAL_NONE)) {
        return stack_push_unknown(v);
    }
    *v->sp++ = (u8)type;
    return true;
}

static inline bool stack_pop(Validator *v, ValType type) {
    if (LIKELY(v->sp > v->base && v->sp[-1] == (u8)type)) {
        v->sp--;
        return true;
    }
    return stack_pop_slow(v, type);
}

static inline bool stack_push_list(Validator *v, TypeList types) {
    if (types.count == 1) {
        *v->sp++ = types.at[0];
        return true;
    }
    return types.count == 0 || stack_push_many(v, types);
}

// Byte by byte: they have just been written so, and are few.
static inline bool stack_pop_list(Validator *v, TypeList types) {
    const u8 *found = v->sp - types.count;
    u32 i = 0;
    if (LIKELY((usize)(v->sp - v->base) >= types.count)) {
        while (i < types.count && found[i] == types.at[i]) {
            i++;
        }
    }
    if (LIKELY(i == types.count)) {
        v->sp -= i;
        return true;
    }
    return stack_pop_list_slow(v, types);
}

static inline bool type_has_v128(const FuncType *type) {
    const usize count = type->param_count + type->result_count;
    return count != 0 && memchr(type->types, VAL_V128, count) != NULL;
}

// Blocks, branches, calls (validate_control.c); v->at is behind the opcode.
bool control_init(Validator *v);  // a new validator; false: out of memory
bool control_begin(Validator *v); // the function's own frame
// Gives back what a function with very many open blocks took: its compiler needs as much next.
void control_trim(Validator *v);
bool control_block(Validator *v);
bool control_loop(Validator *v);
bool control_if(Validator *v);
bool control_else(Validator *v);
bool control_end(Validator *v);
bool control_br(Validator *v);
bool control_br_if(Validator *v);
bool control_br_table(Validator *v);
bool control_return(Validator *v);
bool control_unreachable(Validator *v);
bool control_call(Validator *v);
bool control_call_indirect(Validator *v);

// The instruction at v->op_at, v->at is behind its first byte (validate_ops.c).
bool validate_op(Validator *v);
bool validate_local_get(Validator *v); // those that are known to be one
bool validate_local_set(Validator *v);
bool validate_local_tee(Validator *v);
bool validate_select(Validator *v);

// All instructions from v->at on (validate_fast.c).
bool validate_walk(Validator *v);

// Locals and loops (validate_facts.c). A lack of memory that is not said at once facts_ok says.
bool facts_begin(Validator *v); // once the locals are declared
bool facts_ok(Validator *v);
void facts_get(Validator *v, u32 local, u32 offset); // the body offset behind the instruction
void facts_set(Validator *v, u32 local);
// Behind an unconditional branch, or at a place that is reached again.
void facts_set_dead(Validator *v, bool is_dead);
void facts_block_end(Validator *v); // the innermost one's, and at its `else`
bool facts_loop_begin(Validator *v);
void facts_loop_end(Validator *v);

// The same where they know the local in this loop; false: nothing has changed.
static inline bool facts_get_known(LocalFacts *local, u32 serial, u32 offset) {
    if (UNLIKELY(local->serial != serial)) {
        return false;
    }
    local->weight++;
    local->last_use = offset;
    local->last_loop = local->known_loop;
    return true;
}

static inline bool facts_set_known(LocalFacts *local, u32 serial) {
    if (UNLIKELY((local->serial & ~1u) != serial)) { // KNOWN_GET or KNOWN_SET
        return false;
    }
    local->weight++;
    local->is_set = true;
    return true;
}

#endif
