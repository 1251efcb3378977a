#include "compile/baseline/ops.h"

// ---- Where values are passed ------------------------------------------------------------------

AbiCursor abi_results(void) {
    return (AbiCursor){.general = MASM_TARGET.result_general,
                       .floats = MASM_TARGET.result_float,
                       .general_left = MASM_TARGET.result_general_count,
                       .float_left = MASM_TARGET.result_float_count};
}

AbiCursor abi_params(const FuncType *type) {
    AbiCursor cursor = {.general = MASM_TARGET.param_general,
                        .floats = MASM_TARGET.param_float,
                        .general_left = MASM_TARGET.param_general_count,
                        .float_left = MASM_TARGET.param_float_count};
    if (abi_result_bytes(type) != 0) { // the hidden pointer
        cursor.general++;
        cursor.general_left--;
    }
    return cursor;
}

u8 abi_next(AbiCursor *cursor, u8 type, u32 *memory_offset) {
    const bool is_float = val_is_float((ValType)type);
    u32 *left = is_float ? &cursor->float_left : &cursor->general_left;
    if (*left != 0) {
        (*left)--;
        return is_float ? *cursor->floats++ : *cursor->general++;
    }
    *memory_offset = cursor->memory_bytes;
    cursor->memory_bytes += 8;
    return NO_REG;
}

static u32 memory_bytes(AbiCursor cursor, const u8 *types, u32 count) {
    u32 offset = 0;
    for (u32 i = 0; i < count; i++) {
        (void)abi_next(&cursor, types[i], &offset);
    }
    return (u32)align_up(cursor.memory_bytes, 16);
}

u32 abi_result_bytes(const FuncType *type) {
    return memory_bytes(abi_results(), type_results(type), type->result_count);
}

u32 abi_param_bytes(const FuncType *type) {
    return memory_bytes(abi_params(type), type_params(type), type->param_count);
}

// ---- Calls -------------------------------------------------------------------------------------

// Locals in registers that the callee may overwrite go home; they stay readable until the call.
static void clean_locals(Baseline *b) {
    u32 left = b->regs.used & b->regs.is_local & ~MASM_TARGET.callee_saved;
    for (; left != 0; left &= left - 1) {
        local_clean(b, (u8)__builtin_ctz(left));
    }
}

static void drop_caller_saved(Baseline *b) {
    for (u32 left = b->regs.used & ~MASM_TARGET.callee_saved; left != 0; left &= left - 1) {
        reg_free(b, (u8)__builtin_ctz(left));
    }
}

// Pops `count` operands that have been read.
static void pop_args(Baseline *b, u32 count) {
    for (u32 i = 0; i < count; i++) {
        const Value value = pop(b);
        value_done(b, &value);
    }
    b->locked = 0;
    drop_caller_saved(b);
}

// Moves the top operands to where `type` passes them; `result_bytes` of memory for results stand
// above the stack arguments.
static void pass_args(Baseline *b, const FuncType *type, u32 result_bytes) {
    const u32 param_bytes = abi_param_bytes(type);
    if (param_bytes + result_bytes != 0) {
        masm_move_sp(b, -(i32)(param_bytes + result_bytes));
    }
    MoveSet moves;
    moves_begin(&moves);
    AbiCursor cursor = abi_params(type);
    for (u32 i = 0; i < type->param_count; i++) {
        const Value *value = &b->stack[b->sp - type->param_count + i];
        u32 offset = 0;
        const u8 reg = abi_next(&cursor, value->type, &offset);
        if (reg == NO_REG) {
            masm_store_arg(b, (i32)offset, value);
        } else {
            moves_add(b, &moves, reg, value);
        }
    }
    moves_emit(b, &moves);
    if (result_bytes != 0) {
        masm_arg_address(b, MASM_TARGET.param_general[0], (i32)param_bytes);
    }
}

// After the call: the results become operands.
static void take_results(Baseline *b, const FuncType *type, u32 result_bytes) {
    AbiCursor cursor = abi_results();
    for (u32 i = 0; i < type->result_count; i++) {
        const u8 value_type = type_results(type)[i];
        u32 offset = 0;
        const u8 reg = abi_next(&cursor, value_type, &offset);
        if (reg != NO_REG) {
            push_reg(b, value_type, reg);
        } else {
            masm_copy_result(b, value_type, slot_offset(b, b->sp), (i32)offset);
            push(b, (Value){.kind = VALUE_SLOT, .type = value_type, .index = b->sp});
        }
    }
    if (result_bytes != 0) {
        masm_move_sp(b, (i32)result_bytes);
    }
}

void emit_call(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 func = next_u32(b);
    const FuncType *type = module_func_type(b->module, func);
    const u32 result_bytes = abi_result_bytes(type);
    settle(b, b->sp - type->param_count);
    clean_locals(b);
    pass_args(b, type, result_bytes);
    pop_args(b, type->param_count);
    if (func < b->module->func_import_count) {
        masm_call_import(b, func);
    } else {
        masm_call_func(b, func);
    }
    take_results(b, type, result_bytes);
}

void emit_call_indirect(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 type_index = next_u32(b);
    const u32 table = next_u32(b);
    const FuncType *type = &b->module->types[type_index];
    const u32 result_bytes = abi_result_bytes(type);
    Value index = pop(b);
    const u8 target = masm_check_indirect(b, table, type_index, &index);
    value_done(b, &index);
    b->locked |= BIT(target);
    settle(b, b->sp - type->param_count);
    clean_locals(b);
    pass_args(b, type, result_bytes);
    pop_args(b, type->param_count);
    masm_call_indirect(b, table, target);
    take_results(b, type, result_bytes);
}

// Reads a builtin's immediates. True: *prefix is to be passed.
static bool next_prefix(Baseline *b, u32 how, u64 *prefix) {
    const u64 first = next_u32(b);
    const u64 second = how == PASS_NONE_OF_1 || how == PASS_ONE ? 0 : next_u32(b);
    *prefix = how == PASS_PAIR             ? first << 32 | second
              : how == PASS_PAIR_EXCHANGED ? second << 32 | first
                                           : first;
    return how != PASS_NONE_OF_1 && how != PASS_NONE_OF_2;
}

void emit_builtin(Baseline *b, const OpRow *row) {
    u64 prefix;
    const bool has_prefix = next_prefix(b, row->inst, &prefix);
    const u32 count = row->width;
    settle(b, b->sp - count);
    clean_locals(b);
    MoveSet moves;
    moves_begin(&moves);
    const u8 *regs = MASM_TARGET.param_general + 1; // the first one is the context's
    if (has_prefix) {
        const Value value = value_const(VAL_I64, prefix);
        moves_add(b, &moves, *regs++, &value);
    }
    for (u32 i = 0; i < count; i++) {
        moves_add(b, &moves, *regs++, &b->stack[b->sp - count + i]);
    }
    moves_emit(b, &moves);
    pop_args(b, count);
    masm_call_builtin(b, (Builtin)row->variant);
    if (row->result != VAL_NONE) {
        push_reg(b, row->result, MASM_TARGET.result_general[0]);
    }
}

void return_values(Baseline *b) {
    MoveSet moves;
    moves_begin(&moves);
    AbiCursor cursor = abi_results();
    for (u32 i = 0; i < b->type->result_count; i++) {
        const Value *value = &b->stack[b->sp - b->type->result_count + i];
        u32 offset = 0;
        const u8 reg = abi_next(&cursor, value->type, &offset);
        if (reg == NO_REG) {
            masm_store_result(b, (i32)offset, value);
        } else {
            moves_add(b, &moves, reg, value);
        }
    }
    moves_emit(b, &moves);
}
