// Baseline compiler, x86-64: integer arithmetic, comparisons, conversions between integers.
//
// Most operations have the form dest = lhs op rhs in two-address code. The destination is, in this
// order: the register that the next local.set wants, an operand's own register, a fresh one.
#include "compile/baseline/ops_x64.h"

static bool is_imm32(const Value *value) {
    return value->kind == VALUE_CONST &&
           (value->type == VAL_I32 || (i64)value->bits == (i32)value->bits);
}

static void swap_values(Value *x, Value *y) {
    const Value value = *x;
    *x = *y;
    *y = value;
}

// Registers for values are left that hold nothing.
static bool has_free_reg(const Baseline *b, bool is_float) {
    return (b->allocatable & class_mask(is_float) & ~b->regs.used & ~b->locked) != 0;
}

u8 operand_reg(Baseline *b, Value *value) {
    const u8 reg = value_reg_of(b, value);
    if (reg != NO_REG) {
        return reg;
    }
    const bool is_float = val_is_float((ValType)value->type);
    const bool is_memory = value->kind == VALUE_SLOT || !has_free_reg(b, is_float);
    return is_memory && value->kind != VALUE_CONST ? NO_REG : value_to_reg(b, value);
}

X64Mem operand_mem(Baseline *b, const Value *value) {
    return x64_mem(b->frame_base, value_offset(b, value));
}

u8 choose_destination(Baseline *b, Value *lhs, Value *rhs, bool is_commutative) {
    if (rhs != NULL && lhs->kind == VALUE_CONST) { // as right operand it must not be a constant
        (void)value_to_reg(b, lhs);
    }
    u8 dest = destination_hint(b);
    const u8 right = rhs != NULL ? value_reg_of(b, rhs) : NO_REG;
    if (dest != NO_REG && right == dest && value_reg_of(b, lhs) != dest) {
        if (is_commutative) {
            swap_values(lhs, rhs);
        } else {
            dest = NO_REG;
        }
    }
    if (dest == NO_REG && is_commutative && rhs != NULL && !value_is_own(b, lhs) &&
        value_is_own(b, rhs)) {
        swap_values(lhs, rhs);
    }
    if (dest == NO_REG && value_is_own(b, lhs)) {
        return lhs->reg;
    }
    if (dest == NO_REG) {
        dest = reg_alloc(b, val_is_float((ValType)lhs->type));
    }
    return dest;
}

void push_result(Baseline *b, u8 type, u8 dest, const Value *lhs, const Value *rhs) {
    if (lhs->kind != VALUE_REG || lhs->reg != dest) {
        value_done(b, lhs);
    }
    if (rhs != NULL && (rhs->kind != VALUE_REG || rhs->reg != dest)) {
        value_done(b, rhs);
    }
    push_reg(b, type, dest);
}

// add, sub, and, or, xor: row->inst is the register form, row->variant the group's number.
void emit_alu(Baseline *b, const OpRow *row) {
    const bool w = row->type == VAL_I64;
    const bool is_commutative = row->variant != ALU_SUB;
    Value rhs = pop(b), lhs = pop(b);
    if (lhs.kind == VALUE_CONST && is_commutative) {
        swap_values(&lhs, &rhs);
    }
    const bool is_imm = is_imm32(&rhs);
    if (!is_imm) {
        (void)operand_reg(b, &rhs);
    }
    const u8 dest = choose_destination(b, &lhs, is_imm ? NULL : &rhs, is_commutative);
    const u8 left = value_reg_of(b, &lhs);
    code_room(&b->code, 4 * X64_MAX_INST_BYTES);
    if (is_imm) {
        const i32 imm = (i32)rhs.bits;
        if (left != NO_REG && left != dest && row->variant == ALU_ADD) {
            x64_rm(&b->code, w ? X64_LEA64 : X64_LEA32, dest, x64_mem(left, imm));
        } else {
            value_move(b, dest, &lhs);
            x64_alu_ri(&b->code, w, (X64Alu)row->variant, dest, imm);
        }
    } else {
        const u8 other = value_reg_of(b, &rhs); // the operands may have been exchanged
        if (left != NO_REG && left != dest && row->variant == ALU_ADD && other != NO_REG) {
            x64_rm(&b->code, w ? X64_LEA64 : X64_LEA32, dest, x64_mem_index(left, other, 0, 0));
        } else {
            value_move(b, dest, &lhs);
            if (other != NO_REG) {
                x64_rr(&b->code, (X64Op)row->inst, dest, other);
            } else {
                x64_rm(&b->code, (X64Op)row->inst, dest, operand_mem(b, &rhs));
            }
        }
    }
    push_result(b, row->result, dest, &lhs, &rhs);
}

void emit_mul(Baseline *b, const OpRow *row) {
    const bool w = row->type == VAL_I64;
    Value rhs = pop(b), lhs = pop(b);
    if (lhs.kind == VALUE_CONST) {
        swap_values(&lhs, &rhs);
    }
    const bool is_imm = is_imm32(&rhs);
    if (!is_imm) {
        (void)operand_reg(b, &rhs);
    } else {
        (void)value_to_reg(b, &lhs);
    }
    const u8 dest = choose_destination(b, &lhs, is_imm ? NULL : &rhs, true);
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    if (is_imm) {
        x64_imul_rri(&b->code, w, dest, value_reg_of(b, &lhs), (i32)rhs.bits);
    } else {
        const u8 other = value_reg_of(b, &rhs);
        value_move(b, dest, &lhs);
        if (other != NO_REG) {
            x64_rr(&b->code, (X64Op)row->inst, dest, other);
        } else {
            x64_rm(&b->code, (X64Op)row->inst, dest, operand_mem(b, &rhs));
        }
    }
    push_result(b, row->result, dest, &lhs, &rhs);
}

// An operand that stands in `reg` of its own, while another value needs `reg`.
static void move_away(Baseline *b, Value *value, u8 reg) {
    if (value_is_own(b, value) && value->reg == reg) {
        const u8 other = reg_alloc(b, reg_is_float(reg));
        masm_move(b, value->type, other, reg);
        reg_free(b, reg);
        *value = value_reg(value->type, other);
        b->regs.used |= BIT(other);
        b->regs.owner[other] = ID_NONE;
    }
}

// Brings an operand into `reg`, which then is its own; `others` must not stand there.
static void bring_to(Baseline *b, Value *value, u8 reg) {
    b->locked |= BIT(reg);
    if (value_is_own(b, value) && value->reg == reg) {
        return;
    }
    reg_take(b, reg);
    value_move(b, reg, value);
    value_done(b, value);
    *value = value_reg(value->type, reg);
    b->regs.used |= BIT(reg);
    b->regs.owner[reg] = ID_NONE;
}

// Shifts and rotates: row->variant is the group's number.
void emit_shift(Baseline *b, const OpRow *row) {
    const bool w = row->type == VAL_I64;
    Value count = pop(b), value = pop(b);
    if (count.kind == VALUE_CONST) {
        const u8 bits = (u8)(count.bits & (w ? 63 : 31));
        const u8 dest = choose_destination(b, &value, NULL, false);
        value_move(b, dest, &value);
        code_room(&b->code, X64_MAX_INST_BYTES);
        if (bits != 0) {
            x64_shift_ri(&b->code, w, (X64Shift)row->variant, dest, bits);
        }
        push_result(b, row->result, dest, &value, NULL);
        return;
    }
    b->locked |= BIT(RCX);
    move_away(b, &value, RCX);
    bring_to(b, &count, RCX);
    const u8 dest = choose_destination(b, &value, NULL, false);
    value_move(b, dest, &value);
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_shift_rc(&b->code, w, (X64Shift)row->variant, dest);
    push_result(b, row->result, dest, &value, &count);
}

enum { DIV_SIGNED = 1, DIV_REMAINDER = 2 }; // bits of row->variant

// Unsigned division by a power of two. False: it is not one.
static bool divide_by_power(Baseline *b, const OpRow *row, Value *lhs, const Value *rhs) {
    const u64 divisor = rhs->bits;
    if (rhs->kind != VALUE_CONST || (row->variant & DIV_SIGNED) != 0 || divisor == 0 ||
        (divisor & (divisor - 1)) != 0) {
        return false;
    }
    const bool w = row->type == VAL_I64;
    const u8 bits = (u8)__builtin_ctzll(divisor);
    if ((row->variant & DIV_REMAINDER) != 0 && divisor > (u64)INT32_MAX + 1) {
        return false;
    }
    const u8 dest = choose_destination(b, lhs, NULL, false);
    value_move(b, dest, lhs);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if ((row->variant & DIV_REMAINDER) != 0) {
        x64_alu_ri(&b->code, w && divisor <= INT32_MAX, ALU_AND, dest, (i32)(u32)(divisor - 1));
    } else if (bits != 0) {
        x64_shift_ri(&b->code, w, SHIFT_SHR, dest, bits);
    }
    push_result(b, row->result, dest, lhs, NULL);
    return true;
}

// rax, rdx are free but for the dividend in rax; `divisor` is another register.
static void emit_signed_division(Baseline *b, const OpRow *row, const Value *rhs, u8 divisor) {
    const bool w = row->type == VAL_I64;
    const i64 known = w ? (i64)rhs->bits : (i32)rhs->bits;
    u32 done = 0;
    if (rhs->kind != VALUE_CONST || known == -1) {
        x64_alu_ri(&b->code, w, ALU_CMP, divisor, -1);
        const u32 normal = x64_jcc_short(&b->code, CC_NE);
        if ((row->variant & DIV_REMAINDER) != 0) {
            x64_rr(&b->code, X64_XOR32, RDX, RDX);
        } else {
            x64_unary(&b->code, w, UNARY_NEG, RAX);
            x64_jcc(&b->code, CC_O, x64_trap(b, TRAP_INTEGER_OVERFLOW));
        }
        done = x64_jmp_short(&b->code);
        x64_land(&b->code, normal);
    }
    x64_sign_to_rdx(&b->code, w);
    x64_unary(&b->code, w, UNARY_IDIV, divisor);
    if (done != 0) {
        x64_land(&b->code, done);
    }
}

void emit_div(Baseline *b, const OpRow *row) {
    const bool w = row->type == VAL_I64;
    Value rhs = pop(b), lhs = pop(b);
    if (divide_by_power(b, row, &lhs, &rhs)) {
        return;
    }
    const Value known = rhs;
    b->locked |= BIT(RAX) | BIT(RDX);
    const u8 present = value_reg_of(b, &rhs);
    if (present == NO_REG || present == RAX || present == RDX) {
        const u8 reg = reg_alloc(b, false);
        value_move(b, reg, &rhs);
        value_done(b, &rhs);
        rhs = value_reg(rhs.type, reg);
        b->regs.used |= BIT(reg);
        b->regs.owner[reg] = ID_NONE;
    }
    const u8 divisor = value_reg_of(b, &rhs);
    bring_to(b, &lhs, RAX);
    reg_take(b, RDX);
    code_room(&b->code, 12 * X64_MAX_INST_BYTES);
    if (known.kind != VALUE_CONST || known.bits == 0) {
        x64_rr(&b->code, w ? X64_TEST64 : X64_TEST32, divisor, divisor);
        x64_jcc(&b->code, CC_E, x64_trap(b, TRAP_INTEGER_DIVIDE_BY_ZERO));
    }
    if ((row->variant & DIV_SIGNED) != 0) {
        emit_signed_division(b, row, &known, divisor);
    } else {
        x64_rr(&b->code, X64_XOR32, RDX, RDX);
        x64_unary(&b->code, w, UNARY_DIV, divisor);
    }
    value_done(b, &lhs);
    value_done(b, &rhs);
    push_reg(b, row->result, (row->variant & DIV_REMAINDER) != 0 ? RDX : RAX);
}

// ---- Comparisons -------------------------------------------------------------------------------

void masm_push_condition(Baseline *b, u8 condition) {
    const u8 dest = reg_alloc(b, false);
    code_room(&b->code, 6 * X64_MAX_INST_BYTES);
    if (condition < COND_FLOAT_EQ) {
        x64_setcc(&b->code, (X64Cond)condition, dest);
    } else {
        x64_setcc(&b->code, condition == COND_FLOAT_EQ ? CC_NP : CC_P, R11);
        x64_setcc(&b->code, condition == COND_FLOAT_EQ ? CC_E : CC_NE, dest);
        x64_rr(&b->code, condition == COND_FLOAT_EQ ? X64_AND32 : X64_OR32, dest, R11);
    }
    x64_rr(&b->code, X64_MOVZX8, dest, dest);
    push_reg(b, VAL_I32, dest);
}

// The condition for exchanged operands.
static u8 exchanged(u32 condition) {
    switch (condition) {
    case CC_L: return CC_G;
    case CC_G: return CC_L;
    case CC_LE: return CC_GE;
    case CC_GE: return CC_LE;
    case CC_B: return CC_A;
    case CC_A: return CC_B;
    case CC_BE: return CC_AE;
    case CC_AE: return CC_BE;
    default: return (u8)condition;
    }
}

// row->inst is the condition.
void emit_compare(Baseline *b, const OpRow *row) {
    const bool w = row->type == VAL_I64;
    u8 condition = (u8)row->inst;
    Value rhs = pop(b), lhs = pop(b);
    if (lhs.kind == VALUE_CONST && rhs.kind != VALUE_CONST) {
        swap_values(&lhs, &rhs);
        condition = exchanged(condition);
    }
    if (is_imm32(&rhs)) {
        const i32 imm = (i32)rhs.bits;
        const u8 left = operand_reg(b, &lhs);
        code_room(&b->code, X64_MAX_INST_BYTES);
        if (left == NO_REG) {
            x64_alu_mi(&b->code, w, ALU_CMP, operand_mem(b, &lhs), imm);
        } else if (imm == 0) {
            x64_rr(&b->code, w ? X64_TEST64 : X64_TEST32, left, left);
        } else {
            x64_alu_ri(&b->code, w, ALU_CMP, left, imm);
        }
    } else {
        const u8 left = value_to_reg(b, &lhs);
        const u8 right = operand_reg(b, &rhs);
        code_room(&b->code, X64_MAX_INST_BYTES);
        if (right == NO_REG) {
            x64_rm(&b->code, w ? X64_CMP64 : X64_CMP32, left, operand_mem(b, &rhs));
        } else {
            x64_rr(&b->code, w ? X64_CMP64 : X64_CMP32, left, right);
        }
    }
    value_done(b, &lhs);
    value_done(b, &rhs);
    finish_compare(b, condition);
}

void emit_zero_test(Baseline *b, bool w) {
    Value value = pop(b);
    const u8 reg = operand_reg(b, &value);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (reg == NO_REG) {
        x64_alu_mi(&b->code, w, ALU_CMP, operand_mem(b, &value), 0);
    } else {
        x64_rr(&b->code, w ? X64_TEST64 : X64_TEST32, reg, reg);
    }
    value_done(b, &value);
    finish_compare(b, CC_E);
}

void emit_eqz(Baseline *b, const OpRow *row) { emit_zero_test(b, row->type == VAL_I64); }

void emit_ref_is_null(Baseline *b, const OpRow *row) {
    (void)row;
    emit_zero_test(b, true);
}

// ---- Bits and widths ---------------------------------------------------------------------------

// One source, register or memory, into a destination: row->inst dest, source.
void emit_unary(Baseline *b, const OpRow *row) {
    Value value = pop(b);
    const u8 source = operand_reg(b, &value);
    const u8 dest = choose_destination(b, &value, NULL, false);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (source == NO_REG) {
        x64_rm(&b->code, (X64Op)row->inst, dest, operand_mem(b, &value));
    } else {
        x64_rr(&b->code, (X64Op)row->inst, dest, source);
    }
    push_result(b, row->result, dest, &value, NULL);
}

// clz, ctz by bit scan: the flags say if the source was zero. row->variant: clz.
void emit_count_zeros(Baseline *b, const OpRow *row) {
    const bool w = row->type == VAL_I64;
    const u64 bits = w ? 64 : 32;
    Value value = pop(b);
    const u8 source = value_to_reg(b, &value);
    const u8 dest = choose_destination(b, &value, NULL, false);
    code_room(&b->code, 5 * X64_MAX_INST_BYTES);
    x64_mov_ri(&b->code, R11, row->variant != 0 ? 2 * bits - 1 : bits);
    x64_rr(&b->code, (X64Op)row->inst, dest, source);
    x64_cmov_rr(&b->code, w, CC_E, dest, R11);
    if (row->variant != 0) {
        x64_alu_ri(&b->code, w, ALU_XOR, dest, (i32)bits - 1);
    }
    push_result(b, row->result, dest, &value, NULL);
}

// i64.extend_i32_u: nothing to do for a value that is in a register of its own.
void emit_extend_u(Baseline *b, const OpRow *row) {
    Value value = pop(b);
    if (value.kind == VALUE_CONST) {
        push(b, value_const(row->result, value.bits));
        return;
    }
    const u8 dest = choose_destination(b, &value, NULL, false);
    value_move(b, dest, &value);
    push_result(b, row->result, dest, &value, NULL);
}

void emit_wrap(Baseline *b, const OpRow *row) {
    Value value = pop(b);
    if (value.kind == VALUE_CONST) {
        push(b, value_const(row->result, (u32)value.bits));
        return;
    }
    const u8 source = value_reg_of(b, &value);
    const u8 dest = choose_destination(b, &value, NULL, false);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (source == NO_REG) {
        x64_rm(&b->code, X64_MOV32, dest, operand_mem(b, &value));
    } else {
        x64_rr(&b->code, X64_MOV32, dest, source);
    }
    push_result(b, row->result, dest, &value, NULL);
}
