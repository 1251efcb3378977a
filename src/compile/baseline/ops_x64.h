// Shared by the files that emit x86-64 instructions for opcodes.
#ifndef COMPILE_BASELINE_OPS_X64_H
#define COMPILE_BASELINE_OPS_X64_H

#include "compile/baseline/ops.h"
#include "compile/baseline/x64.h"

// A register that holds the operand, or NO_REG if it is better used from memory (operand_mem).
u8 operand_reg(Baseline *b, Value *value);
X64Mem operand_mem(Baseline *b, const Value *value);

// Where the result of `lhs op rhs` goes: may be lhs's own register, never that of rhs (unless both
// operands are the same local). Operands of a commutative operation may be exchanged. rhs NULL:
// none.
u8 choose_destination(Baseline *b, Value *lhs, Value *rhs, bool is_commutative);
// Releases the operands but for the destination, pushes the result.
void push_result(Baseline *b, u8 type, u8 dest, const Value *lhs, const Value *rhs);
void emit_zero_test(Baseline *b, bool w);

OpEmit emit_alu, emit_mul, emit_shift, emit_div, emit_compare, emit_eqz, emit_unary,
    emit_count_zeros, emit_extend_u, emit_wrap;
OpEmit emit_float_binary, emit_float_compare, emit_float_min_max, emit_float_unary, emit_float_sign,
    emit_copysign, emit_round, emit_convert, emit_convert_u64, emit_trunc, emit_trunc_sat,
    emit_reinterpret;
OpEmit emit_load, emit_store;

#endif
