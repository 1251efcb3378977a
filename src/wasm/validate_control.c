// Validator: blocks, branches and calls (specification 3.3.8).
#include "base/alloc.h"
#include "types/limits.h"
#include "wasm/validate_int.h"

// The types of an inline block type, by ValType.
static const u8 SINGLE[VAL_COUNT] = {0, 1, 2, 3, 4, 5, 6, 7};

static TypeList block_params(const Validator *v, u32 type) {
    if ((type & BLOCK_INLINE) != 0) {
        return (TypeList){SINGLE, 0};
    }
    const FuncType *func = &v->module->types[type];
    return (TypeList){type_params(func), func->param_count};
}

static TypeList block_results(const Validator *v, u32 type) {
    if ((type & BLOCK_INLINE) != 0) {
        const u32 value = type & ~BLOCK_INLINE;
        return (TypeList){&SINGLE[value], value != VAL_NONE};
    }
    const FuncType *func = &v->module->types[type];
    return (TypeList){type_results(func), func->result_count};
}

static void note_type(Validator *v, u32 type) {
    const bool is_simd = (type & BLOCK_INLINE) != 0 ? (type & ~BLOCK_INLINE) == VAL_V128
                                                    : type_has_v128(&v->module->types[type]);
    if (UNLIKELY(is_simd)) {
        note_simd(v, v->op_at);
    }
}

bool control_init(Validator *v) {
    enum { FIRST_ROOM = 64 };
    v->frames = mem_alloc(FIRST_ROOM * sizeof(Frame));
    v->frames_end = v->frames + FIRST_ROOM;
    return v->frames != NULL;
}

// Called when the innermost frame is the last one there is room for.
static bool grow_frames(Validator *v) {
    const usize count = (usize)(v->frames_end - v->frames);
    const usize bytes = 2 * count * sizeof(Frame);
    Frame *frames = mem_grow(v->frames, bytes, bytes); // not zeroed: most is not used at first
    if (frames == NULL) {
        return fail_at(v, NO_MEMORY, v->op_at, "out of memory");
    }
    v->frames = frames;
    v->frames_end = frames + 2 * count;
    v->top = v->deepest = frames + count - 1;
    return true;
}

void control_trim(Validator *v) {
    enum { KEPT = 1 << 16 };
    const usize bytes = KEPT * sizeof(Frame);
    if (v->frames_end - v->frames <= KEPT) {
        return;
    }
    Frame *frames = mem_grow(v->frames, bytes, bytes);
    if (frames != NULL) {
        v->frames = frames;
        v->frames_end = frames + KEPT;
    }
}

// The frame's operands begin at the stack's present top.
static bool push_frame(Validator *v, u32 type, u8 byte) {
    if (UNLIKELY(v->top + 1 == v->frames_end)) {
        TRY(grow_frames(v));
    }
    *++v->top = (Frame){
        .height = (u32)(v->sp - v->stack),
        .type = type,
        .op = byte,
        .is_in_dead = v->is_dead,
        .is_plain = type == BLOCK_INLINE && byte != BYTE_LOOP && !v->is_dead,
    };
    v->base = v->sp;
    facts_set_dead(v, false);
    v->deepest = v->top > v->deepest ? v->top : v->deepest;
    return true;
}

bool control_begin(Validator *v) {
    v->is_dead = false;
    v->top = v->deepest = v->frames;
    v->sp = v->stack;
    return push_frame(v, v->module->funcs[v->func].type, BYTE_BLOCK);
}

static bool begin_block(Validator *v, u8 byte) {
    u32 type;
    TRY(imm_block_type(v, &type));
    note_type(v, type);
    if (byte == BYTE_IF) {
        TRY(stack_pop(v, VAL_I32));
    }
    const TypeList params = block_params(v, type);
    TRY(stack_pop_list(v, params));
    TRY(push_frame(v, type, byte));
    if (byte == BYTE_LOOP) {
        TRY(facts_loop_begin(v));
    }
    return stack_push_list(v, params);
}

bool control_block(Validator *v) { return begin_block(v, BYTE_BLOCK); }

bool control_loop(Validator *v) { return begin_block(v, BYTE_LOOP); }

bool control_if(Validator *v) { return begin_block(v, BYTE_IF); }

static void pop_frame(Validator *v) {
    facts_block_end(v);
    facts_set_dead(v, v->top->is_in_dead);
    v->top--;
    v->base = v->stack + v->top->height;
}

// Pops what the innermost frame must leave behind, and nothing else may be there.
static bool finish_frame(Validator *v) {
    TRY(stack_pop_list(v, block_results(v, v->top->type)));
    if (v->sp != v->base) {
        return fail_at(v, INVALID, v->op_at,
                       "type mismatch: %td values remain on the stack at the end of the block",
                       v->sp - v->base);
    }
    return true;
}

bool control_else(Validator *v) {
    if (v->top->op != BYTE_IF) {
        return fail_at(v, MALFORMED, v->op_at, "unexpected else: no if is open");
    }
    TRY(finish_frame(v));
    facts_block_end(v);
    facts_set_dead(v, false);
    v->top->op = BYTE_ELSE;
    return stack_push_list(v, block_params(v, v->top->type));
}

static bool check_no_else(Validator *v) {
    const TypeList params = block_params(v, v->top->type);
    const TypeList results = block_results(v, v->top->type);
    if (params.count != results.count ||
        (params.count != 0 && memcmp(params.at, results.at, params.count) != 0)) {
        return fail_at(v, INVALID, v->op_at,
                       "type mismatch: if without else must leave what it takes");
    }
    return true;
}

bool control_end(Validator *v) {
    const Frame frame = *v->top;
    TRY(finish_frame(v));
    if (frame.op == BYTE_IF) {
        TRY(check_no_else(v));
    }
    if (frame.op == BYTE_LOOP) {
        facts_loop_end(v);
    }
    pop_frame(v);
    return stack_push_list(v, block_results(v, frame.type));
}

// Types that a branch to the label takes along.
static TypeList label_types(const Validator *v, u32 label) {
    const Frame *frame = v->top - label;
    return frame->op == BYTE_LOOP ? block_params(v, frame->type) : block_results(v, frame->type);
}

static bool imm_label(Validator *v, TypeList *types) {
    u32 label;
    TRY(imm_index(v, frame_depth(v), "label", &label));
    *types = label_types(v, label);
    return true;
}

bool control_br(Validator *v) {
    TypeList types;
    TRY(imm_label(v, &types));
    TRY(stack_pop_list(v, types));
    stack_make_dead(v);
    return true;
}

bool control_br_if(Validator *v) {
    TypeList types;
    TRY(imm_label(v, &types));
    TRY(stack_pop(v, VAL_I32));
    if (types.count == 0) {
        return true;
    }
    // What was unknown has the label's types from here on.
    TRY(stack_pop_list(v, types));
    return stack_push_list(v, types);
}

bool control_br_table(Validator *v) {
    const u8 *at = v->at;
    u32 count;
    TRY(imm_u32(v, &count));
    if (count > (usize)(v->end - v->at)) {
        return fail_at(v, MALFORMED, v->end,
                       "unexpected end of section or function: br_table of %u labels", count);
    }
    if (count > MAX_BR_TABLE) {
        return fail_at(v, LIMIT, at, "br_table of %u labels, the limit is %d", count, MAX_BR_TABLE);
    }
    TRY(stack_pop(v, VAL_I32));
    TypeList first = {NULL, 0};
    for (u32 i = 0; i <= count; i++) { // the default last
        TypeList types;
        v->op_at = v->at;
        TRY(imm_label(v, &types));
        if (i != 0 && types.count != first.count) {
            return fail_at(v, INVALID, v->op_at,
                           "type mismatch: labels of %u and %u values in one br_table", first.count,
                           types.count);
        }
        if (i == 0 || types.at != first.at) {
            TRY(stack_check_list(v, types));
        }
        first = i == 0 ? types : first;
    }
    stack_make_dead(v);
    return true;
}

bool control_return(Validator *v) {
    TRY(stack_pop_list(v, (TypeList){type_results(v->type), v->type->result_count}));
    stack_make_dead(v);
    return true;
}

bool control_unreachable(Validator *v) {
    stack_make_dead(v);
    return true;
}

static bool apply_type(Validator *v, u32 index) {
    const FuncType *type = &v->module->types[index];
    note_type(v, index);
    v->has_call = v->loop_has_call = true;
    TRY(stack_pop_list(v, (TypeList){type_params(type), type->param_count}));
    return stack_push_list(v, (TypeList){type_results(type), type->result_count});
}

bool control_call(Validator *v) {
    const Module *m = v->module;
    u32 func;
    TRY(imm_index(v, m->func_count, "function", &func));
    v->has_foreign_call |= func < m->func_import_count;
    return apply_type(v, m->funcs[func].type);
}

bool control_call_indirect(Validator *v) {
    const Module *m = v->module;
    u32 type;
    u32 table;
    TRY(imm_index(v, m->type_count, "type", &type));
    TRY(imm_index(v, m->table_count, "table", &table));
    if (m->tables[table].elem != VAL_FUNCREF) {
        return fail_at(v, INVALID, v->op_at, "type mismatch: expected a table of funcref, found %s",
                       val_name(m->tables[table].elem));
    }
    v->has_foreign_call = true;
    TRY(stack_pop(v, VAL_I32));
    return apply_type(v, type);
}
