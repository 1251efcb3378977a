#include "compile/baseline/control.h"

#include "compile/baseline/ops.h"

static Control *control_at(Baseline *b, u32 depth) {
    assert(depth < b->controls.count);
    return &b->controls.at[b->controls.count - 1 - depth];
}

// Passes over what cannot be reached, up to the `else` or `end` of the innermost open block.
static void skip_dead(Baseline *b) {
    for (u32 depth = 0; depth != 0 || (*b->pc != BYTE_ELSE && *b->pc != BYTE_END);) {
        const Opcode op = skip_instruction(b);
        depth += op == OP_BLOCK || op == OP_LOOP || op == OP_IF;
        depth -= op == OP_END;
        b->loop_count += op == OP_LOOP;
    }
}

// Nothing up to the end of the present block can be reached. The last thing an instruction does.
static void flow_dead(Baseline *b) {
    drop_operands(b, control_at(b, 0)->height);
    b->is_dead = true;
    skip_dead(b);
}

u8 take_condition(Baseline *b) {
    if (b->pending != 0) {
        const u8 condition = b->pending - 1;
        b->pending = 0;
        return condition;
    }
    Value value = pop(b);
    const u8 condition = masm_test(b, &value);
    value_done(b, &value);
    return condition;
}

static Label label_of(Baseline *b, Control *control) {
    if (control->label.i == ID_NONE) {
        control->label = code_label(&b->code);
    }
    return control->label;
}

// ---- Opening -----------------------------------------------------------------------------------

static Control *open_control(Baseline *b, ControlKind kind, i32 block_type) {
    const Control control = {
        .kind = (u32)kind & 7,
        .block_type = block_type,
        .label = LABEL_NONE,
        .state = STATE_NONE,
        .else_label = LABEL_NONE,
        .other_state = b->loop_state,
        .table_stub = LABEL_NONE,
    };
    if (!vec_push(&b->controls, control)) {
        out_of_memory(b);
    }
    return control_at(b, 0);
}

void flow_open_func(Baseline *b) {
    Control *control = open_control(b, CONTROL_FUNC, 0);
    control->label = code_label(&b->code);
}

static void open_loop(Baseline *b, Control *control, u32 param_count, const LoopFacts *facts) {
    operands_to_slots(b, param_count); // code arrives from elsewhere, too
    loop_fix(b, control, facts);
    code_bind(&b->code, label_of(b, control));
}

static void open_if(Baseline *b, Control *control, u32 param_count) {
    const u8 condition = take_condition(b);
    control->height = (b->sp - param_count) & HEIGHT_MASK;
    operands_to_slots(b, param_count); // code arrives from elsewhere, too
    control->other_state = state_save(b);
    control->else_label = code_label(&b->code);
    masm_branch(b, condition ^ 1, control->else_label);
}

void emit_block(Baseline *b, const OpRow *row) {
    const ControlKind kind = (ControlKind)row->variant;
    const u32 loop = b->loop_count;
    b->loop_count += kind == CONTROL_LOOP;
    Control *control = open_control(b, kind, next_block_type(b));
    u32 param_count;
    (void)block_params(b, control, &param_count);
    if (kind == CONTROL_IF) {
        open_if(b, control, param_count);
        return;
    }
    control->height = (b->sp - param_count) & HEIGHT_MASK;
    settle(b, control->height);
    if (kind == CONTROL_LOOP) {
        open_loop(b, control, param_count, &b->facts->loops[loop]);
    }
}

// ---- Branches ----------------------------------------------------------------------------------

static u32 label_arity(const Baseline *b, const Control *control) {
    u32 count;
    (void)label_types(b, control, &count);
    return count;
}

static bool is_wide(const Baseline *b, const Control *control) {
    return label_arity(b, control) > WIDE_OPERANDS;
}

// Where the shared edge of a wide label is noted: its label and the stack height it is for.
static Label *wide_edge(Baseline *b, const Control *control, u32 **sp) {
    if (control->kind == CONTROL_FUNC) {
        *sp = &b->return_edge_sp;
        return &b->return_edge;
    }
    if (control->state >= STATE_EMPTY) {
        return NULL;
    }
    *sp = &b->states.at[control->state].edge_sp;
    return &b->states.at[control->state].edge;
}

// Code that makes the edge to a wide label from the present stack height, if there is some.
static Label shared_edge(Baseline *b, const Control *control) {
    u32 *sp = NULL;
    const Label *edge = is_wide(b, control) ? wide_edge(b, control, &sp) : NULL;
    return edge != NULL && edge->i != ID_NONE && *sp == b->sp ? *edge : LABEL_NONE;
}

// What follows makes the edge to a wide label from the present stack height.
static void share_edge(Baseline *b, const Control *control) {
    u32 *sp = NULL;
    Label *edge = wide_edge(b, control, &sp);
    if (edge != NULL) {
        *edge = code_label(&b->code);
        *sp = b->sp;
        code_bind(&b->code, *edge);
    }
}

// The edge to a label and the jump; its operands are on top of the stack. Changes no state.
static void take_edge(Baseline *b, Control *control) {
    const Label shared = shared_edge(b, control);
    if (shared.i != ID_NONE) {
        masm_jump(b, shared);
        return;
    }
    if (is_wide(b, control)) {
        share_edge(b, control);
    }
    if (control->kind == CONTROL_FUNC) {
        return_values(b);
    } else {
        edge_emit(b, control);
    }
    masm_jump(b, label_of(b, control));
}

// True if a jump to the label is all it takes.
static bool is_plain_jump(Baseline *b, const Control *control) {
    if (control->kind == CONTROL_FUNC) {
        return b->type->result_count == 0;
    }
    if (is_wide(b, control) && control->state < STATE_EMPTY) {
        return b->sp - label_arity(b, control) == control->height;
    }
    return edge_is_free(b, control);
}

// Fixes the label's state if it has none; true if a jump to it is all that this edge takes.
static bool fix_target(Baseline *b, Control *control) {
    if (is_wide(b, control)) {
        operands_to_slots(b, label_arity(b, control));
        regs_flush(b, 0);
        if (control->kind != CONTROL_FUNC) {
            (void)label_fix(b, control);
        }
        return is_plain_jump(b, control);
    }
    if (control->kind == CONTROL_FUNC) {
        return b->type->result_count == 0;
    }
    return label_fix(b, control) ? edge_operands_are_free(b, control) : edge_is_free(b, control);
}

static void branch(Baseline *b, u32 depth) {
    Control *control = control_at(b, depth);
    if (fix_target(b, control)) {
        masm_jump(b, label_of(b, control));
    } else {
        take_edge(b, control);
    }
    flow_dead(b);
}

void emit_br(Baseline *b, const OpRow *row) {
    (void)row;
    branch(b, next_u32(b));
}

void emit_return(Baseline *b, const OpRow *row) {
    (void)row;
    branch(b, (u32)b->controls.count - 1);
}

void emit_unreachable(Baseline *b, const OpRow *row) {
    (void)row;
    masm_unreachable(b);
    flow_dead(b);
}

void emit_br_if(Baseline *b, const OpRow *row) {
    (void)row;
    const u8 condition = take_condition(b);
    Control *control = control_at(b, next_u32(b));
    if (fix_target(b, control)) {
        masm_branch(b, condition, label_of(b, control));
        return;
    }
    const Label shared = shared_edge(b, control);
    if (shared.i != ID_NONE) {
        masm_branch(b, condition, shared);
        return;
    }
    const Label skip = code_label(&b->code);
    masm_branch(b, condition ^ 1, skip);
    take_edge(b, control);
    code_bind(&b->code, skip);
}

// The label's single operand moves to a register, so that all labels can agree on that.
static void operand_to_reg(Baseline *b) {
    Value value = pop(b);
    const u8 reg = value_to_own(b, &value);
    push_reg(b, value.type, reg);
}

// Where the table's entry for a target goes: its label, or a stub that makes the edge first.
static Label table_target(Baseline *b, Control *control) {
    if (control->table_stub.i == ID_NONE) {
        control->table_stub =
            is_plain_jump(b, control) ? label_of(b, control) : code_label(&b->code);
    }
    return control->table_stub;
}

// Writes a target's stub if it has one; forgets the entry for the next br_table.
static void finish_target(Baseline *b, Control *control) {
    const Label stub = control->table_stub;
    control->table_stub = LABEL_NONE;
    if (stub.i != ID_NONE && stub.i != control->label.i) {
        code_bind(&b->code, stub);
        take_edge(b, control);
    }
}

void emit_br_table(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 count = imm_u32(&b->pc);
    const u8 *targets = b->pc;
    Value index = pop(b);
    const u8 index_reg = value_to_own(b, &index);
    u32 arity;
    const u8 *p = targets;
    (void)label_types(b, control_at(b, imm_u32(&p)), &arity);
    if (arity == 1) {
        operand_to_reg(b);
    }
    p = targets;
    for (u32 i = 0; i <= count; i++) {
        (void)fix_target(b, control_at(b, imm_u32(&p)));
    }
    // No code from here to the jump but the jump's own: the edges are judged by the present state.
    reg_free(b, index_reg);
    p = targets;
    for (u32 i = 0; i < count; i++) {
        if (!vec_push(&b->table_labels, table_target(b, control_at(b, imm_u32(&p))).i)) {
            out_of_memory(b);
        }
    }
    const Label otherwise = table_target(b, control_at(b, imm_u32(&p)));
    b->pc = p;
    masm_jump_table(b, index_reg, count, otherwise);
    p = targets;
    for (u32 i = 0; i <= count; i++) {
        finish_target(b, control_at(b, imm_u32(&p)));
    }
    flow_dead(b);
}

// ---- Ending ------------------------------------------------------------------------------------

// The label is bound here; control falls into it unless the code before is dead.
static void enter_label(Baseline *b, Control *control) {
    const bool is_in_place = !b->is_dead && is_wide(b, control);
    if (!b->is_dead && !fix_target(b, control)) {
        edge_emit(b, control);
    }
    code_bind(&b->code, label_of(b, control));
    if (is_in_place) { // the results are in their slots and stay
        state_load(b, control->state);
    } else {
        label_enter(b, control);
    }
    b->is_dead = false;
}

// The state at the start of the second arm, with the parameters in their slots.
static void enter_else(Baseline *b, Control *control) {
    u32 count;
    const u8 *types = block_params(b, control, &count);
    drop_operands(b, control->height);
    code_bind(&b->code, control->else_label);
    state_load(b, control->other_state);
    b->sp = b->settled = control->height;
    push_slots(b, types, count);
    b->is_dead = false;
}

void emit_else(Baseline *b, const OpRow *row) {
    (void)row;
    Control *control = control_at(b, 0);
    if (!b->is_dead) {
        if (fix_target(b, control)) {
            masm_jump(b, label_of(b, control));
        } else {
            take_edge(b, control);
        }
    }
    enter_else(b, control);
    state_drop(b, control->other_state);
    control->other_state = STATE_NONE;
    control->kind = CONTROL_ELSE;
}

// An `if` without `else`: its results are its parameters, which stand in their slots.
static void end_if(Baseline *b, Control *control) {
    if (b->is_dead) {
        enter_else(b, control);
        state_drop(b, control->other_state);
        if (control->state != STATE_NONE) {
            enter_label(b, control);
        }
        return;
    }
    if (control->state == STATE_NONE) { // only the two arms meet: as the untaken one finds it
        control->state = control->other_state;
        if (!edge_is_free(b, control)) {
            edge_emit(b, control);
        }
        code_bind(&b->code, control->else_label);
        label_enter(b, control);
        return;
    }
    take_edge(b, control);
    enter_else(b, control);
    state_drop(b, control->other_state);
    enter_label(b, control);
}

// The end of the function's own block.
static void end_func(Baseline *b, Control *control) {
    if (!b->is_dead) {
        return_values(b);
    }
    code_bind(&b->code, control->label);
    masm_epilogue(b);
}

static void end_loop(Baseline *b, const Control *control) {
    b->loop_state = control->other_state;
    repin(b);
}

void emit_end(Baseline *b, const OpRow *row) {
    (void)row;
    Control *control = control_at(b, 0);
    if (control->kind == CONTROL_FUNC) {
        end_func(b, control);
        return;
    }
    if (control->kind == CONTROL_LOOP) {
        end_loop(b, control);
    } else if (control->kind == CONTROL_IF) {
        end_if(b, control);
    } else if (control->state != STATE_NONE) {
        enter_label(b, control);
    }
    state_drop(b, control->state);
    b->controls.count--;
    if (b->is_dead) {
        skip_dead(b);
    }
}
