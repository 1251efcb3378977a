// Baseline compiler, x86-64: floating point (SSE2 and SSE4.1) and conversions.
#include "compile/baseline/ops_x64.h"

enum { XMM_SCRATCH = 15 };

static bool is_f64(u8 type) { return type == VAL_F64; }

// op dest, value (register or memory).
static void float_op(Baseline *b, X64Op op, u8 dest, const Value *value) {
    const u8 reg = value_reg_of(b, value);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (reg != NO_REG) {
        x64_rr(&b->code, op, x64_number(dest), x64_number(reg));
    } else {
        x64_rm(&b->code, op, x64_number(dest), operand_mem(b, value));
    }
}

// add, mul (row->variant: commutative), sub, div.
void emit_float_binary(Baseline *b, const OpRow *row) {
    Value rhs = pop(b), lhs = pop(b);
    (void)operand_reg(b, &rhs);
    const u8 dest = choose_destination(b, &lhs, &rhs, row->variant != 0);
    value_move(b, dest, &lhs);
    float_op(b, (X64Op)row->inst, dest, &rhs);
    push_result(b, row->result, dest, &lhs, &rhs);
}

// row->inst: the condition after `ucomis x, y`, where x is the right operand if row->variant is
// set: "above" and "above or equal" are false for NaN, "below" is not.
void emit_float_compare(Baseline *b, const OpRow *row) {
    Value rhs = pop(b), lhs = pop(b);
    Value *first = row->variant != 0 ? &rhs : &lhs;
    Value *second = row->variant != 0 ? &lhs : &rhs;
    const u8 reg = value_to_reg(b, first);
    if (operand_reg(b, second) == NO_REG) {
        code_room(&b->code, X64_MAX_INST_BYTES);
    }
    float_op(b, is_f64(row->type) ? X64_UCOMISD : X64_UCOMISS, reg, second);
    value_done(b, &lhs);
    value_done(b, &rhs);
    finish_compare(b, (u8)row->inst);
}

// min, max: SSE's own return the second operand for NaN and for zeros of both signs.
void emit_float_min_max(Baseline *b, const OpRow *row) {
    const bool is_double = is_f64(row->type);
    const bool is_max = row->variant != 0;
    Value rhs = pop(b), lhs = pop(b);
    const u8 right = value_to_reg(b, &rhs);
    const u8 dest = value_to_own(b, &lhs);
    const u8 x = x64_number(dest), y = x64_number(right);
    code_room(&b->code, 10 * X64_MAX_INST_BYTES);
    x64_rr(&b->code, is_double ? X64_UCOMISD : X64_UCOMISS, x, y);
    const u32 differ = x64_jcc_short(&b->code, CC_NE);
    const u32 unordered = x64_jcc_short(&b->code, CC_P);
    x64_rr(&b->code, is_max ? X64_ANDPS : X64_ORPS, x, y); // equal: zeros, or the same value
    const u32 equal_done = x64_jmp_short(&b->code);
    x64_land(&b->code, unordered);
    x64_rr(&b->code, is_double ? X64_ADDSD : X64_ADDSS, x, y); // NaN, made quiet
    const u32 nan_done = x64_jmp_short(&b->code);
    x64_land(&b->code, differ);
    x64_rr(&b->code, (X64Op)row->inst, x, y);
    x64_land(&b->code, equal_done);
    x64_land(&b->code, nan_done);
    value_done(b, &rhs);
    push_result(b, row->result, dest, &lhs, NULL);
}

void emit_float_unary(Baseline *b, const OpRow *row) {
    Value value = pop(b);
    (void)operand_reg(b, &value);
    const u8 dest = choose_destination(b, &value, NULL, false);
    float_op(b, (X64Op)row->inst, dest, &value);
    push_result(b, row->result, dest, &value, NULL);
}

// The value `bits` in the vector scratch register.
static void float_scratch(Baseline *b, bool is_double, u64 bits) {
    masm_const(b, is_double ? VAL_F64 : VAL_F32, masm_scratch(true), bits);
}

static u64 sign_bit(bool is_double) { return is_double ? 1ull << 63 : 1ull << 31; }

// abs, neg: row->variant: neg.
void emit_float_sign(Baseline *b, const OpRow *row) {
    const bool is_double = is_f64(row->type);
    const u64 sign = sign_bit(is_double);
    Value value = pop(b);
    const u8 dest = choose_destination(b, &value, NULL, false);
    value_move(b, dest, &value);
    float_scratch(b, is_double, row->variant != 0 ? sign : sign - 1);
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rr(&b->code, row->variant != 0 ? X64_XORPS : X64_ANDPS, x64_number(dest), XMM_SCRATCH);
    push_result(b, row->result, dest, &value, NULL);
}

void emit_copysign(Baseline *b, const OpRow *row) {
    const bool is_double = is_f64(row->type);
    Value rhs = pop(b), lhs = pop(b);
    const u8 right = value_to_reg(b, &rhs);
    const u8 dest = value_to_own(b, &lhs);
    float_scratch(b, is_double, sign_bit(is_double) - 1);
    code_room(&b->code, 4 * X64_MAX_INST_BYTES);
    x64_rr(&b->code, X64_ANDPS, x64_number(dest), XMM_SCRATCH);
    x64_rr(&b->code, X64_ANDNPS, XMM_SCRATCH, x64_number(right)); // the bits that are not magnitude
    x64_rr(&b->code, X64_ORPS, x64_number(dest), XMM_SCRATCH);
    // Bits above the scalar came along from `right`; nobody reads them.
    value_done(b, &rhs);
    push_result(b, row->result, dest, &lhs, NULL);
}

// ceil, floor, trunc, nearest: row->variant is the rounding mode (SDM, ROUNDSS); 8: no exceptions.
void emit_round(Baseline *b, const OpRow *row) {
    Value value = pop(b);
    const u8 source = value_to_reg(b, &value);
    const u8 dest = choose_destination(b, &value, NULL, false);
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rri8(&b->code, (X64Op)row->inst, x64_number(dest), x64_number(source), row->variant | 8);
    push_result(b, row->result, dest, &value, NULL);
}

// Integers to floats and between floats: row->inst dest, source. An unsigned i32 converts as the
// 64-bit number that its register holds. row->type is the source's.
void emit_convert(Baseline *b, const OpRow *row) {
    Value value = pop(b);
    const u8 source = value_to_reg(b, &value);
    const bool is_float = val_is_float((ValType)row->type);
    const u8 dest = is_float ? choose_destination(b, &value, NULL, false) : reg_alloc(b, true);
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    if (!is_float) { // the instruction keeps the upper part: no waiting for old contents
        x64_rr(&b->code, X64_XORPS, x64_number(dest), x64_number(dest));
    }
    x64_rr(&b->code, (X64Op)row->inst, x64_number(dest), x64_number(source));
    push_result(b, row->result, dest, &value, NULL);
}

// u64 to float: a number that looks negative is halved, keeping its lowest bit so that it rounds
// the same way, converted and doubled.
void emit_convert_u64(Baseline *b, const OpRow *row) {
    const bool is_double = row->result == VAL_F64;
    Value value = pop(b);
    const u8 source = value_to_own(b, &value);
    const u8 dest = reg_alloc(b, true);
    const u8 x = x64_number(dest);
    const X64Op convert = is_double ? X64_CVTSI2SD64 : X64_CVTSI2SS64;
    code_room(&b->code, 12 * X64_MAX_INST_BYTES);
    x64_rr(&b->code, X64_XORPS, x, x);
    x64_rr(&b->code, X64_TEST64, source, source);
    const u32 large = x64_jcc_short(&b->code, CC_S);
    x64_rr(&b->code, convert, x, source);
    const u32 done = x64_jmp_short(&b->code);
    x64_land(&b->code, large);
    x64_rr(&b->code, X64_MOV64, R11, source);
    x64_shift_ri(&b->code, true, SHIFT_SHR, source, 1);
    x64_alu_ri(&b->code, false, ALU_AND, R11, 1);
    x64_rr(&b->code, X64_OR64, source, R11);
    x64_rr(&b->code, convert, x, source);
    x64_rr(&b->code, is_double ? X64_ADDSD : X64_ADDSS, x, x);
    x64_land(&b->code, done);
    value_done(b, &value);
    push_reg(b, row->result, dest);
}

// ---- Truncation --------------------------------------------------------------------------------

enum { TRUNC_SIGNED = 1 }; // bit of row->variant

static u64 two_to_63(bool is_double, bool is_negative) {
    const u64 magnitude = is_double ? 0x43E0000000000000 : 0x5F000000;
    return magnitude | (is_negative ? sign_bit(is_double) : 0);
}

static void compare_with(Baseline *b, bool is_double, u8 x, u64 bits) {
    float_scratch(b, is_double, bits);
    code_room(&b->code, 16 * X64_MAX_INST_BYTES);
    x64_rr(&b->code, is_double ? X64_UCOMISD : X64_UCOMISS, x, XMM_SCRATCH);
}

// Traps with "invalid conversion" if x is NaN, else with "overflow".
static void trap_nan_or_overflow(Baseline *b, bool is_double, u8 x) {
    x64_rr(&b->code, is_double ? X64_UCOMISD : X64_UCOMISS, x, x);
    x64_jcc(&b->code, CC_P, x64_trap(b, TRAP_INVALID_CONVERSION));
    x64_jmp(&b->code, x64_trap(b, TRAP_INTEGER_OVERFLOW));
}

// To 32 bits by way of 64: the result is right if it is the extension of its lower half.
static void trunc_to_32(Baseline *b, bool is_double, bool is_signed, u8 x, u8 dest) {
    x64_rr(&b->code, is_double ? X64_CVTTSD2SI64 : X64_CVTTSS2SI64, dest, x);
    x64_rr(&b->code, is_signed ? X64_MOVSXD : X64_MOV32, R11, dest);
    x64_rr(&b->code, X64_CMP64, R11, dest);
    const u32 good = x64_jcc_short(&b->code, CC_E);
    trap_nan_or_overflow(b, is_double, x);
    x64_land(&b->code, good);
    x64_rr(&b->code, X64_MOV32, dest, dest);
}

// The instruction answers 2^63 for all that does not fit, -2^63 included.
static void trunc_to_i64(Baseline *b, bool is_double, u8 x, u8 dest) {
    x64_rr(&b->code, is_double ? X64_CVTTSD2SI64 : X64_CVTTSS2SI64, dest, x);
    x64_alu_ri(&b->code, true, ALU_CMP, dest, 1); // overflows for -2^63 only
    const u32 good = x64_jcc_short(&b->code, CC_NO);
    compare_with(b, is_double, x, two_to_63(is_double, true));
    const u32 nan = x64_jcc_short(&b->code, CC_P);
    const u32 exact = x64_jcc_short(&b->code, CC_E);
    x64_land(&b->code, nan);
    trap_nan_or_overflow(b, is_double, x);
    x64_land(&b->code, good);
    x64_land(&b->code, exact);
}

// Below 2^63 as signed; above, 2^63 less and back again.
static void trunc_to_u64(Baseline *b, bool is_double, u8 x, u8 dest) {
    const X64Op convert = is_double ? X64_CVTTSD2SI64 : X64_CVTTSS2SI64;
    compare_with(b, is_double, x, two_to_63(is_double, false));
    const u32 large = x64_jcc_short(&b->code, CC_AE);
    x64_rr(&b->code, convert, dest, x);
    x64_rr(&b->code, X64_TEST64, dest, dest);
    const u32 good = x64_jcc_short(&b->code, CC_NS);
    trap_nan_or_overflow(b, is_double, x);
    x64_land(&b->code, large);
    x64_rr(&b->code, X64_MOVAPS, XMM_SCRATCH, x);
    masm_const(b, VAL_I64, R11, two_to_63(is_double, true));
    x64_rr(&b->code, is_double ? X64_MOVQ_TO_XMM : X64_MOVD_TO_XMM, XMM_SCRATCH, R11);
    x64_rr(&b->code, is_double ? X64_ADDSD : X64_ADDSS, XMM_SCRATCH, x);
    x64_rr(&b->code, convert, dest, XMM_SCRATCH);
    x64_rr(&b->code, X64_TEST64, dest, dest);
    const u32 fits = x64_jcc_short(&b->code, CC_NS);
    trap_nan_or_overflow(b, is_double, x);
    x64_land(&b->code, fits);
    x64_mov_ri(&b->code, R11, 1ull << 63);
    x64_rr(&b->code, X64_XOR64, dest, R11);
    x64_land(&b->code, good);
}

void emit_trunc(Baseline *b, const OpRow *row) {
    const bool is_double = is_f64(row->type);
    const bool is_signed = (row->variant & TRUNC_SIGNED) != 0;
    Value value = pop(b);
    const u8 x = x64_number(value_to_reg(b, &value));
    const u8 dest = reg_alloc(b, false);
    code_room(&b->code, 24 * X64_MAX_INST_BYTES);
    if (row->result == VAL_I32) {
        trunc_to_32(b, is_double, is_signed, x, dest);
    } else if (is_signed) {
        trunc_to_i64(b, is_double, x, dest);
    } else {
        trunc_to_u64(b, is_double, x, dest);
    }
    value_done(b, &value);
    push_reg(b, row->result, dest);
}

// Saturating: the bounds as floats, and as results. A value not below `high` gives the greatest
// integer, one below `low` the least, NaN zero.
static void sat_bounds(const OpRow *row, u64 *low, u64 *high, u64 *least, u64 *greatest) {
    const bool is_signed = (row->variant & TRUNC_SIGNED) != 0;
    const bool is_32 = row->result == VAL_I32;
    const u32 exponent = (is_32 ? 32u : 64u) - (is_signed ? 1u : 0u); // high = 2^exponent
    const bool is_double = is_f64(row->type);
    *high = is_double ? (u64)(1023 + exponent) << 52 : (u64)(127 + exponent) << 23;
    *low = is_signed ? *high | sign_bit(is_double) : 0;
    *greatest = is_32 ? (is_signed ? 0x7FFFFFFF : 0xFFFFFFFF)
                      : (is_signed ? (u64)INT64_MAX : UINT64_MAX);
    *least = !is_signed ? 0 : (is_32 ? 0x80000000 : 1ull << 63);
}

// The conversion of a value that is in range; u64 needs its own for the upper half.
static void sat_in_range(Baseline *b, const OpRow *row, u8 x, u8 dest) {
    const bool is_double = is_f64(row->type);
    const X64Op convert = is_double ? X64_CVTTSD2SI64 : X64_CVTTSS2SI64;
    if (row->result == VAL_I64 && (row->variant & TRUNC_SIGNED) == 0) {
        compare_with(b, is_double, x, two_to_63(is_double, false));
        const u32 large = x64_jcc_short(&b->code, CC_AE);
        x64_rr(&b->code, convert, dest, x);
        const u32 done = x64_jmp_short(&b->code);
        x64_land(&b->code, large);
        float_scratch(b, is_double, two_to_63(is_double, true));
        x64_rr(&b->code, is_double ? X64_ADDSD : X64_ADDSS, XMM_SCRATCH, x);
        x64_rr(&b->code, convert, dest, XMM_SCRATCH);
        x64_mov_ri(&b->code, R11, 1ull << 63);
        x64_rr(&b->code, X64_XOR64, dest, R11);
        x64_land(&b->code, done);
        return;
    }
    x64_rr(&b->code, convert, dest, x);
    if (row->result == VAL_I32) {
        x64_rr(&b->code, X64_MOV32, dest, dest);
    }
}

void emit_trunc_sat(Baseline *b, const OpRow *row) {
    const bool is_double = is_f64(row->type);
    u64 low, high, least, greatest;
    sat_bounds(row, &low, &high, &least, &greatest);
    Value value = pop(b);
    const u8 x = x64_number(value_to_reg(b, &value));
    const u8 dest = reg_alloc(b, false);
    code_room(&b->code, 40 * X64_MAX_INST_BYTES);
    x64_rr(&b->code, X64_XORPS, XMM_SCRATCH, XMM_SCRATCH);
    x64_rr(&b->code, X64_XOR32, dest, dest);
    x64_rr(&b->code, is_double ? X64_UCOMISD : X64_UCOMISS, x, x);
    const Label done = code_label(&b->code);
    x64_jcc(&b->code, CC_P, done);
    compare_with(b, is_double, x, high);
    const u32 not_high = x64_jcc_short(&b->code, CC_B);
    x64_mov_ri(&b->code, dest, greatest);
    x64_jmp(&b->code, done);
    x64_land(&b->code, not_high);
    compare_with(b, is_double, x, low);
    const u32 not_low = x64_jcc_short(&b->code, CC_AE);
    x64_mov_ri(&b->code, dest, least);
    x64_jmp(&b->code, done);
    x64_land(&b->code, not_low);
    sat_in_range(b, row, x, dest);
    code_bind(&b->code, done);
    value_done(b, &value);
    push_reg(b, row->result, dest);
}

// Reinterpretation: constants and memory keep their bits; registers move to the other class.
void emit_reinterpret(Baseline *b, const OpRow *row) {
    Value value = pop(b);
    if (value.kind == VALUE_CONST || value.kind == VALUE_SLOT) {
        value.type = row->result;
        push(b, value);
        return;
    }
    const u8 source = value_to_reg(b, &value);
    const bool to_float = val_is_float((ValType)row->result);
    const u8 dest = reg_alloc(b, to_float);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (to_float) {
        x64_rr(&b->code, (X64Op)row->inst, x64_number(dest), source);
    } else {
        x64_rr(&b->code, (X64Op)row->inst, x64_number(source), dest);
    }
    value_done(b, &value);
    push_reg(b, row->result, dest);
}
