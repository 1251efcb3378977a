// What the files of the validator share.
//
// The main loop (validate.c) keeps position and stack top in registers and does the frequent
// opcodes itself. For the others it stores them in the Validator and calls a function here.
#ifndef WASM_VALIDATE_INT_H
#define WASM_VALIDATE_INT_H

#include "base/vec.h"
#include "wasm/opcode.h"
#include "wasm/validate.h"

// What the main loop does with an opcode byte.
typedef enum ShapeKind {
    SHAPE_OTHER, // rare: validate_other
    SHAPE_UNARY,  // one operand, one result, no immediate
    SHAPE_BINARY, // two operands of the same type, one result, no immediate
    SHAPE_LOAD,
    SHAPE_STORE,
    SHAPE_I32_CONST,
    SHAPE_I64_CONST,
    SHAPE_LOCAL_GET,
    SHAPE_LOCAL_SET,
    SHAPE_LOCAL_TEE,
    SHAPE_BLOCK, // block, loop, if
    SHAPE_END,
    SHAPE_BR,
    SHAPE_BR_IF,
    SHAPE_CALL,
    SHAPE_DROP,
} ShapeKind;

// Row of OPCODES in the form that the loop works with. Operands are compared byte by byte: a wider
// load would have to wait for the byte stores before it.
typedef struct Shape {
    u8 pops[3]; // ValTypes, topmost first
    u8 pop_count;
    u8 result;     // ValType or VAL_NONE
    u8 kind;       // ShapeKind
    u8 align_log2; // of the natural alignment
    u8 reserved;
} Shape;

// Types of a block, in the order of the stack.
typedef struct TypeList {
    const u8 *at;
    u32 count;
} TypeList;

// An open block. `ordinal` is unique in the function; the arms of an `if` have different ones.
typedef struct Frame {
    u32 height; // operands below it
    u32 type;   // index of a function type, or BLOCK_INLINE | ValType
    u32 ordinal;
    u8 op;            // opcode byte: block, loop, if, else
    bool is_in_dead;  // the block around it was dead at its start
} Frame;

enum { BYTE_BLOCK = 0x02, BYTE_LOOP = 0x03, BYTE_IF = 0x04, BYTE_ELSE = 0x05 };

#define BLOCK_INLINE 0x80000000u
#define FRAME_CLOSED (ID_NONE - 1)

// Accesses to a local inside open loops. A closed loop leaves its hot locals as one event each.
typedef struct Event {
    u32 key; // local << 1 | is_set
    u32 weight;
} Event;

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

    // The body being walked.
    u32 func;
    const FuncType *type;
    const u8 *body, *at, *end;
    const u8 *op_at; // the present instruction

    // Operands. Bytes that were never an operand of this function are zero: so the highest one that
    // is not tells how far the stack reached, without a test in each push (stack_height).
    u8 *stack; // of stack_room bytes
    usize stack_room;
    u8 *sp, *base; // first free one; first one of the innermost frame
    usize height;  // at least; for operands of type VAL_NONE, which is zero

    VEC(Frame) frames;
    Frame *top; // innermost
    bool is_dead; // the rest of the innermost frame is not reached; see facts_set_dead
    u32 next_ordinal;
    u32 max_control;

    u32 stamp; // of the present function
    u32 local_count;
    LocalFacts *locals; // locals_room of them
    u32 locals_room;
    VEC(LocalRun) runs;
    VEC(u32) accessed;

    VEC(LoopFacts) loops;
    VEC(u32) open_loops; // ordinals, outermost first
    u32 loop_depth;      // frame index of the innermost open loop; 0: none; UINT32_MAX: dead code
    Event *events;       // event_room of them
    usize event_room;
    Event *event_at;     // first free one
    VEC(HotLocal) hots;
    VEC(HotLocal) sums; // scratch: accesses by local in the loop that ends
    u64 *sum_slots;     // locals_room of them: serial of the loop << 32 | index in sums
    u32 sum_serial;

    bool has_call, has_foreign_call, has_builtin;
    const u8 *simd_at; // first use of FEATURE_SIMD

    u8 *type_has_v128;    // by type index
    u8 type_of_byte[256]; // ValType by its code in the binary format
    Shape by_byte[256];
    Shape by_opcode[OP_COUNT];
};

enum { MAX_OPERANDS = 7654321 };

// Error at a byte of the module.
#define fail_at(v, code, where, ...)                                                               \
    fail((v)->err, code, (u64)((where) - (v)->module->bytes), __VA_ARGS__)

static inline u32 body_offset(const Validator *v, const u8 *at) { return (u32)(at - v->body); }
static inline u32 frame_depth(const Validator *v) { return (u32)v->frames.count - 1; }

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
// An index below `count`, of a thing called `what`.
bool imm_index_slow(Validator *v, u32 count, const char *what, u32 *index);

static inline bool imm_u32(Validator *v, u32 *value) {
    if (LIKELY(v->at < v->end && *v->at < 0x80)) {
        *value = *v->at++;
        return true;
    }
    return imm_u32_slow(v, value);
}

static inline bool imm_index(Validator *v, u32 count, const char *what, u32 *index) {
    if (LIKELY(v->at < v->end && *v->at < 0x80 && *v->at < count)) {
        *index = *v->at++;
        return true;
    }
    return imm_index_slow(v, count, what, index);
}

// Operands (validate_stack.c). Popping in dead code yields what is wanted once the frame is empty.
bool stack_ensure(Validator *v, u32 count); // room for `count` more and one a remaining byte
bool stack_push(Validator *v, ValType type);
bool stack_push_list(Validator *v, TypeList types);
bool stack_pop(Validator *v, ValType type);
bool stack_pop_any(Validator *v, ValType *type); // VAL_NONE: unknown
bool stack_pop_list(Validator *v, TypeList types);
bool stack_check_list(Validator *v, TypeList types); // the operands stay
bool stack_apply(Validator *v, const Shape *shape);  // pops and pushes, one by one
void stack_make_dead(Validator *v);
u32 stack_height(const Validator *v); // the most operands so far

// Blocks, branches, calls (validate_control.c); v->at is behind the opcode.
bool control_begin(Validator *v); // the function's own frame
bool control_block(Validator *v, u8 byte); // block, loop, if
bool control_end(Validator *v);
bool control_br(Validator *v);
bool control_br_if(Validator *v);
bool control_call(Validator *v);
bool control_rare(Validator *v, Opcode op); // the others

// Everything else that the loop does not do itself (validate_ops.c).
bool validate_other(Validator *v, u8 byte);
void shapes_init(Validator *v);

// Locals and loops (validate_facts.c).
bool facts_begin(Validator *v);  // after the locals are known: room for all that is pushed later
bool facts_touch(Validator *v, u32 local); // first access in this function
// Behind an unconditional branch, or at a place that is reached again.
void facts_set_dead(Validator *v, bool is_dead);
void facts_get_slow(Validator *v, LocalFacts *local, u32 offset);
void facts_set_slow(Validator *v, LocalFacts *local);
bool facts_loop_begin(Validator *v);
bool facts_loop_end(Validator *v);
void facts_call(Validator *v);

// True if the dominating assignment's block is open. Its frame's slot exists, but holds another
// ordinal if the block is closed (FRAME_CLOSED or a newer one).
static inline bool facts_is_dominated(const Validator *v, const LocalFacts *local) {
    return v->frames.at[local->def_depth].ordinal == local->def_block;
}

static inline void facts_event(Validator *v, u32 local, bool is_set) {
    if (v->loop_depth != 0) {
        *v->event_at++ = (Event){local << 1 | is_set, 1};
    }
}

// A local.get that ends at body offset `offset`. In dead code no depth reaches loop_depth.
static inline void facts_get(Validator *v, LocalFacts *local, u32 offset) {
    const u32 depth = local->def_depth;
    if (LIKELY(depth >= v->loop_depth && facts_is_dominated(v, local))) {
        local->last_use = offset;
        local->last_loop = ID_NONE;
    } else {
        facts_get_slow(v, local, offset);
    }
}

#endif
