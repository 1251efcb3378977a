// See check_int.h: the instructions, one by one.
#include "isa/x64/check_int.h"

enum { COND_B = 2, COND_AE = 3, COND_NE = 5 };

static RegState narrow(bool w) { return data_of(w ? UPPER_DIRTY : UPPER_ZERO); }
static Upper worse(Upper x, Upper y) { return x > y ? x : y; }
static Upper better(Upper x, Upper y) { return x < y ? x : y; }

// The r/m operand's value; a written one is checked as well.
static RegState operand(Checker *c) {
    const X64Inst *inst = c->inst;
    if (!inst->is_memory) {
        return inst->rm == X64_ABSENT ? data_of(UPPER_DIRTY) : get_reg(c, inst->rm);
    }
    const RegState loaded = check_access(c, inst->is_written, NULL);
    const bool is_whole = inst->access_bytes == 8 || loaded.kind == REG_TABLE_OFFSET ||
                          loaded.kind == REG_JUMP_OFFSET;
    return is_whole ? loaded : data_of(UPPER_ZERO);
}

// Writes the r/m operand, which operand() has checked.
static void set_operand(Checker *c, RegState value) {
    if (!c->inst->is_memory) {
        check_set_reg(c, c->inst->rm, value);
    }
}

// ---- Moves -------------------------------------------------------------------------------------

static void step_move(Checker *c) {
    const X64Inst *inst = c->inst;
    const RegState value = operand(c);
    const bool is_whole = inst->w || (inst->is_memory && value.kind == REG_TABLE_OFFSET);
    check_set_reg(c, inst->reg, is_whole ? value : data_of(UPPER_ZERO));
}

static void step_store(Checker *c) {
    const X64Inst *inst = c->inst;
    const RegState value = get_reg(c, inst->reg);
    if (inst->is_memory) {
        (void)check_access(c, true, inst->w ? &value : NULL);
    } else {
        check_set_reg(c, inst->rm, inst->w ? value : data_of(UPPER_ZERO));
    }
}

static void step_move_imm(Checker *c) {
    const X64Inst *inst = c->inst;
    if (inst->is_memory) {
        (void)operand(c);
    } else {
        const bool is_zero = !inst->w || (inst->imm >= 0 && inst->imm <= UINT32_MAX);
        check_set_reg(c, inst->rm, data_of(is_zero ? UPPER_ZERO : UPPER_DIRTY));
    }
}

static void step_exchange(Checker *c) {
    const X64Inst *inst = c->inst;
    const RegState x = get_reg(c, inst->reg), y = get_reg(c, inst->rm);
    check_set_reg(c, inst->reg, inst->w ? y : data_of(UPPER_ZERO));
    check_set_reg(c, inst->rm, inst->w ? x : data_of(UPPER_ZERO));
}

static void step_cmov(Checker *c) {
    const X64Inst *inst = c->inst;
    const RegState value = operand(c), old = get_reg(c, inst->reg);
    const Upper upper = inst->w ? worse(check_upper(value), check_upper(old)) : UPPER_ZERO;
    check_set_reg(c, inst->reg, data_of(upper));
}

// lea rsp, [rsp + n]
static void move_sp(Checker *c, i32 by) {
    State *state = &c->state;
    if (!state->has_depth) {
        check_complain(c, "the stack's depth is not known");
    } else if (by <= 0) {
        state->depth -= by;
        state->results = 0;
    } else if (state->results != 0) {
        if (by > state->results) {
            check_complain(c, "frees more stack than the call left");
        }
        state->results = 0;
    } else if (by > state->depth - state->frame_depth) {
        check_complain(c, "frees stack of the frame");
    } else {
        state->depth -= by;
    }
    if (state->depth > INT32_MAX / 2) {
        check_complain(c, "a frame too large");
        state->depth = 0;
    }
}

static RegState address_of_ref(Checker *c, const X64Ref *ref) {
    if (ref == NULL) {
        const i64 target = (i64)c->inst->offset + c->inst->bytes + c->inst->disp;
        if (target != 0) {
            check_complain(c, "an address that is not the function's start");
        }
        return reg_of(REG_START, 0);
    }
    switch ((X64RefKind)ref->kind) {
    case X64_REF_RODATA:
        return reg_of(REG_RODATA, ref->value);
    case X64_REF_TABLE:
        return reg_of(REG_TABLE, ref->value);
    case X64_REF_TEXT:
        return reg_of(REG_TEXT, 0);
    case X64_REF_FUNC:
    default:
        check_complain(c, "the address of a function");
        return data_of(UPPER_DIRTY);
    }
}

static void step_lea(Checker *c, const X64Ref *ref) {
    const X64Inst *inst = c->inst;
    if (inst->reg == RSP) {
        if (inst->base == RSP && inst->index == X64_ABSENT && inst->w) {
            move_sp(c, inst->disp);
        } else {
            check_complain(c, "writes the stack pointer");
        }
        return;
    }
    RegState value = narrow(inst->w);
    if (inst->is_rip) {
        value = address_of_ref(c, ref);
    } else if (inst->w && inst->base != X64_ABSENT && inst->index == X64_ABSENT) {
        const RegState base = get_reg(c, inst->base);
        if (base.kind == REG_STACK) {
            value = reg_of(REG_STACK, base.value + (u32)inst->disp);
        }
    }
    check_set_reg(c, inst->reg, value);
}

// ---- Arithmetic --------------------------------------------------------------------------------

static bool are_kinds(RegState x, RegState y, RegKind one, RegKind other) {
    return (x.kind == one && y.kind == other) || (x.kind == other && y.kind == one);
}

static RegState sum_of(RegState x, RegState y) {
    if (are_kinds(x, y, REG_TABLE_OFFSET, REG_TEXT)) {
        return reg_of(REG_CODE, 0);
    }
    if (are_kinds(x, y, REG_JUMP_OFFSET, REG_START)) {
        RegState target = x.kind == REG_JUMP_OFFSET ? x : y;
        target.kind = REG_JUMP_TARGET;
        return target;
    }
    const Upper upper = worse(check_upper(x), check_upper(y));
    if (upper == UPPER_DIRTY) {
        return data_of(UPPER_DIRTY);
    }
    RegState sum = reg_of(REG_SUM, 0);
    sum.upper = (u8)upper;
    return sum;
}

static void step_two(Checker *c) {
    const X64Inst *inst = c->inst;
    const RegState right = operand(c), left = get_reg(c, inst->reg);
    RegState result = data_of(UPPER_ZERO);
    if (inst->w && inst->effect == EFFECT_ADD) {
        result = sum_of(left, right);
    } else if (inst->w && inst->effect == EFFECT_AND) {
        result = data_of(better(check_upper(left), check_upper(right)));
    } else if (inst->w) {
        result = data_of(worse(check_upper(left), check_upper(right)));
    }
    check_set_reg(c, inst->reg, result);
}

static RegState and_imm(const X64Inst *inst, RegState old) {
    const bool is_zero = !inst->w || inst->imm >= 0;
    return data_of(is_zero ? UPPER_ZERO : check_upper(old));
}

// Bits only move down; copies of the sign are zero if the upper half is.
static void step_shift_right(Checker *c) {
    enum { BY_IMM = 0xC1, LOGICAL = 5 };
    const X64Inst *inst = c->inst;
    const RegState old = operand(c);
    const bool is_far = inst->opcode == BY_IMM && (inst->reg & 7) == LOGICAL && inst->imm >= 32;
    set_operand(c, data_of(!inst->w || is_far ? UPPER_ZERO : check_upper(old)));
}

// sub rsp, imm behind the prologue's push and move, and pushes of registers that are saved.
static bool step_take_frame(Checker *c) {
    enum { SUB = 5 };
    const X64Inst *inst = c->inst;
    State *state = &c->state;
    if (inst->rm != RSP) {
        return false;
    }
    const bool is_prologue = (inst->reg & 7) == SUB && inst->w && c->in_first_block &&
                             state->regs[RBP].kind == REG_FRAME &&
                             state->depth >= PROLOGUE_DEPTH && state->frame_depth == 0;
    if (!is_prologue || inst->imm < 0 || inst->imm > INT32_MAX / 2) {
        return check_complain(c, "writes the stack pointer"), true;
    }
    if (inst->imm >= c->input->stack_probe_bytes &&
        (i64)state->probed < inst->imm + state->depth) {
        check_complain(c, "a large frame without comparing with the stack's limit");
    }
    state->depth += (i32)inst->imm;
    state->frame_depth = state->depth;
    return true;
}

// ---- Comparisons -------------------------------------------------------------------------------

static Test step_compare(Checker *c) {
    const X64Inst *inst = c->inst;
    (void)operand(c);
    if (!inst->w || !inst->is_memory || inst->base == X64_ABSENT ||
        get_reg(c, inst->base).kind != REG_RECORD) {
        return (Test){.kind = TEST_NONE};
    }
    const RegState left = get_reg(c, inst->reg);
    if (left.kind == REG_STACK) {
        return (Test){TEST_STACK, inst->reg, left.value};
    }
    return (Test){TEST_COUNT, inst->reg, 0};
}

static Test step_compare_imm(Checker *c) {
    const X64Inst *inst = c->inst;
    const u8 reg = inst->effect == EFFECT_COMPARE_RAX ? RAX : inst->rm;
    (void)operand(c);
    if (inst->is_memory) {
        const bool is_entry = inst->base != X64_ABSENT && inst->index != X64_ABSENT && !inst->w &&
                              get_reg(c, inst->base).kind == REG_TABLE;
        return (Test){.kind = is_entry && inst->disp == 0 ? TEST_SIGNATURE : TEST_NONE,
                      .reg = inst->index};
    }
    const bool is_bound = !inst->w || inst->imm >= 0;
    return (Test){is_bound ? TEST_BOUND : TEST_NONE, reg, (u32)inst->imm};
}

static Test step_bit_test(const Checker *c) {
    const X64Inst *inst = c->inst;
    return (Test){.kind = inst->w && inst->imm == 32 ? TEST_CARRY : TEST_NONE, .reg = inst->rm};
}

// What is known when the branch is not taken.
static void step_branch(Checker *c) {
    const u32 condition = c->inst->opcode & 15u;
    const Test test = c->test;
    RegState *reg = &c->state.regs[test.reg & 15];
    if (test.kind == TEST_BOUND && condition == COND_AE) {
        reg->bound = test.value;
    } else if (test.kind == TEST_COUNT && condition == COND_AE) {
        reg->is_counted = true;
    } else if (test.kind == TEST_SIGNATURE && condition == COND_NE) {
        reg->is_matching = true;
    } else if (test.kind == TEST_CARRY && condition == COND_B && reg->kind == REG_SUM) {
        *reg = data_of((Upper)reg->upper);
    } else if (test.kind == TEST_STACK && condition == COND_B) {
        c->state.probed = 0u - test.value;
    }
}

// ---- Stack and control -------------------------------------------------------------------------

static void step_push(Checker *c, u8 reg) {
    const RegState value = get_reg(c, reg);
    c->state.depth += 8;
    (void)check_frame(c, -(i64)c->state.depth, 8, true, &value);
}

static void step_pop(Checker *c, u8 reg) {
    State *state = &c->state;
    if (state->depth < 8 || state->results != 0) {
        check_complain(c, "pops what was not pushed");
        return;
    }
    const RegState value = check_frame(c, -(i64)state->depth, 8, false, NULL);
    state->depth -= 8;
    if (state->depth < state->frame_depth) {
        state->frame_depth = 0;
    }
    check_set_reg(c, reg, value);
}

static void step_leave(Checker *c) {
    if (c->state.regs[RBP].kind != REG_FRAME) {
        check_complain(c, "leaves a frame that was not made");
        return;
    }
    c->state.depth = PROLOGUE_DEPTH;
    c->state.results = 0;
    c->state.has_depth = true;
    step_pop(c, RBP);
}

static void step_return(Checker *c) {
    static const u8 SAVED[] = {RBX, RBP, R12};
    const State *state = &c->state;
    for (usize i = 0; i < COUNT_OF(SAVED); i++) {
        const RegState reg = state->regs[SAVED[i]];
        if (reg.kind != REG_ENTRY || reg.value != SAVED[i]) {
            check_complain(c, "returns without restoring a callee-saved register");
        }
    }
    if (!is_own(state->regs[R13], REG_CONTEXT) || !is_own(state->regs[R15], REG_HEAP)) {
        check_complain(c, "returns with another instance's context or heap");
    }
    if (!state->has_depth || state->depth != 0) {
        check_complain(c, "returns with the stack moved");
    }
    if ((u16)c->inst->imm != c->input->param_stack_bytes) {
        check_complain(c, "returns popping another size than the parameters'");
    }
}

static void check_alignment(Checker *c) {
    if (!c->state.has_depth || c->state.depth % 16 != PROLOGUE_DEPTH) {
        check_complain(c, "the stack is not aligned at a call");
    }
}

static void after_call(Checker *c) {
    State *state = &c->state;
    check_alignment(c);
    for (u8 reg = 0; reg < 16; reg++) {
        const bool is_kept =
            reg == RBX || reg == RBP || reg == R12 || reg == R13 || reg == R15 || reg == RSP;
        if (!is_kept) {
            state->regs[reg] = data_of(UPPER_ASSUMED);
        }
    }
    // The callee popped its arguments; above them may be results.
    state->results = state->depth - state->frame_depth;
    state->depth = state->frame_depth;
}

// A call of the stub that makes an entry of a table.
static bool is_table_entry(const Checker *c) {
    const X64Inst *inst = c->inst;
    return inst->is_memory && inst->base == R13 && inst->index == X64_ABSENT &&
           (u32)inst->disp == c->input->table_entry_at;
}

static void step_table_entry(Checker *c) {
    if (!is_own(c->state.regs[R13], REG_CONTEXT)) {
        check_complain(c, "a stub of another instance");
    }
    check_alignment(c);
    check_set_reg(c, R11, reg_of(REG_RECORD, 0));
}

static void step_call(Checker *c, const X64Ref *ref) {
    const State *state = &c->state;
    const X64Inst *inst = c->inst;
    if (is_table_entry(c)) {
        step_table_entry(c);
        return;
    }
    const bool is_local =
        is_own(state->regs[R13], REG_CONTEXT) && is_own(state->regs[R15], REG_HEAP);
    if (inst->effect == EFFECT_CALL) {
        if (ref == NULL || ref->kind != X64_REF_FUNC) {
            check_complain(c, "calls something that is not a function");
        }
    } else if (!inst->is_memory) {
        if (get_reg(c, inst->rm).kind != REG_CODE) {
            check_complain(c, "calls an address of unknown origin");
        }
    } else {
        const RegState callee = check_access(c, false, NULL);
        if (callee.kind != REG_RECORD || inst->index != X64_ABSENT) {
            check_complain(c, "calls an address of unknown origin");
        }
    }
    if (!inst->is_memory && !is_local) {
        check_complain(c, "a local call with another instance's context or heap");
    }
    after_call(c);
}

// ---- All ---------------------------------------------------------------------------------------

static void step_narrow(Checker *c, u8 reg) {
    (void)operand(c);
    check_set_reg(c, reg, narrow(c->inst->w));
}

// A bit number, or what was there if no bit is set.
static RegState after_scan(const Checker *c) {
    return data_of(c->inst->w ? check_upper(get_reg(c, c->inst->reg)) : UPPER_ZERO);
}

static void step_divide(Checker *c) {
    (void)operand(c);
    check_set_reg(c, RAX, narrow(c->inst->w));
    check_set_reg(c, RDX, narrow(c->inst->w));
}

// Only a part of the register changes.
static void step_part(Checker *c) {
    const RegState old = operand(c);
    set_operand(c, data_of(check_upper(old)));
}

// References stand where they are understood.
static void check_ref(Checker *c, const X64Ref *ref) {
    const X64Effect effect = (X64Effect)c->inst->effect;
    const bool is_expected = effect == EFFECT_CALL || (effect == EFFECT_LEA && c->inst->is_rip);
    if (ref != NULL && !is_expected) {
        check_complain(c, "a reference in an instruction that has none");
    }
}

void check_step(Checker *c, const X64Inst *inst, const X64Ref *ref) {
    Test test = {.kind = TEST_NONE};
    c->inst = inst;
    check_ref(c, ref);
    switch ((X64Effect)inst->effect) {
    case EFFECT_ADD: case EFFECT_OR: case EFFECT_AND: step_two(c); break;
    case EFFECT_ARITH: step_narrow(c, inst->reg); break;
    case EFFECT_ARITH_RM:
        if (!step_take_frame(c)) {
            (void)operand(c);
            set_operand(c, narrow(inst->w));
        }
        break;
    case EFFECT_ARITH_RAX: check_set_reg(c, RAX, narrow(inst->w)); break;
    case EFFECT_AND_RAX: check_set_reg(c, RAX, and_imm(inst, get_reg(c, RAX))); break;
    case EFFECT_AND_IMM: set_operand(c, and_imm(inst, operand(c))); break;
    case EFFECT_COMPARE: test = step_compare(c); break;
    case EFFECT_COMPARE_IMM: case EFFECT_COMPARE_RAX: test = step_compare_imm(c); break;
    case EFFECT_DIVIDE: step_divide(c); break;
    case EFFECT_SIGN: check_set_reg(c, RDX, narrow(inst->w)); break;
    case EFFECT_SHIFT_RIGHT: step_shift_right(c); break;
    case EFFECT_BIT_TEST: test = step_bit_test(c); break;
    case EFFECT_SCAN:
        (void)operand(c);
        check_set_reg(c, inst->reg, after_scan(c));
        break;
    case EFFECT_COUNT:
        (void)operand(c);
        check_set_reg(c, inst->reg, data_of(UPPER_ZERO));
        break;
    case EFFECT_SET: step_part(c); break;
    case EFFECT_STORE_PART: step_part(c); break;
    case EFFECT_CMOV: step_cmov(c); break;
    case EFFECT_MOVE: step_move(c); break;
    case EFFECT_STORE: step_store(c); break;
    case EFFECT_MOVE_IMM: step_move_imm(c); break;
    case EFFECT_EXCHANGE: step_exchange(c); break;
    case EFFECT_LEA: step_lea(c, ref); break;
    case EFFECT_MOVSXD: {
        const RegState value = operand(c);
        check_set_reg(c, inst->reg,
                value.kind == REG_JUMP_OFFSET && inst->is_memory ? value : data_of(UPPER_DIRTY));
        break;
    }
    case EFFECT_FROM_VECTOR:
        (void)operand(c);
        set_operand(c, narrow(inst->w));
        break;
    case EFFECT_PUSH: step_push(c, inst->reg); break;
    case EFFECT_POP: step_pop(c, inst->reg); break;
    case EFFECT_LEAVE: step_leave(c); break;
    case EFFECT_RETURN: step_return(c); break;
    case EFFECT_CALL: case EFFECT_CALL_RM: step_call(c, ref); break;
    case EFFECT_BRANCH: step_branch(c); break;
    case EFFECT_JUMP_RM: // its targets: check.c
        if (inst->is_memory || get_reg(c, inst->rm).kind != REG_JUMP_TARGET) {
            check_complain(c, "jumps to an address of unknown origin");
        }
        break;
    case EFFECT_NOTHING: case EFFECT_JUMP: case EFFECT_TRAP:
    default:
        (void)(inst->is_memory ? operand(c) : data_of(UPPER_DIRTY));
        break;
    }
    c->test = test;
}
