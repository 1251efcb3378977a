#include "compile/baseline/ops.h"
#include "compile/baseline/refs.h"

// ---- Calls -------------------------------------------------------------------------------------

// Locals in registers that the callee may overwrite go home; they stay readable until the call.
static void clean_locals(Baseline *b) {
    u32 left = b->regs.used & b->regs.is_local & ~MASM_TARGET.callee_saved;
    for (; left != 0; left &= left - 1) {
        local_clean(b, (u8)__builtin_ctz(left));
    }
}

// Releases everything in registers that the callee may overwrite.
static void drop_caller_saved(Baseline *b) {
    RegFile *regs = &b->regs;
    for (u32 left = regs->used & regs->is_local & ~MASM_TARGET.callee_saved; left != 0;
         left &= left - 1) {
        b->locals.at[regs->owner[__builtin_ctz(left)]].reg = NO_REG;
    }
    regs->used &= MASM_TARGET.callee_saved;
    regs->is_local &= MASM_TARGET.callee_saved;
    regs->dirty &= MASM_TARGET.callee_saved;
    regs->pinned &= MASM_TARGET.callee_saved;
}

// Pops `count` operands that have been read.
static void pop_args(Baseline *b, u32 count) {
    drop_operands(b, b->sp - count);
    b->locked = 0;
    drop_caller_saved(b);
}

// Moves the top operands to where the convention passes them; the memory for results stands above
// the stack arguments.
static void pass_args(Baseline *b, const AbiLayout *abi, u32 count) {
    if (abi->param_bytes + abi->result_bytes != 0) {
        masm_move_sp(b, -(i32)(abi->param_bytes + abi->result_bytes));
    }
    MoveSet moves;
    moves_begin(&moves);
    for (u32 i = 0; i < count; i++) {
        const Value *value = &b->stack[b->sp - count + i];
        if (abi->params[i].reg == ABI_MEMORY) {
            masm_store_arg(b, (i32)abi->params[i].offset, value);
        } else {
            moves_add(b, &moves, (u8)abi->params[i].reg, value);
        }
    }
    moves_emit(b, &moves);
    if (abi->result_bytes != 0) {
        masm_arg_address(b, ABI_REGS.param_general[0], (i32)abi->param_bytes);
    }
}

// After the call: the results become operands.
static void take_results(Baseline *b, const AbiLayout *abi, const FuncType *type) {
    for (u32 i = 0; i < type->result_count; i++) {
        const u8 value_type = type_results(type)[i];
        if (abi->results[i].reg != ABI_MEMORY) {
            push_reg(b, value_type, (u8)abi->results[i].reg);
        } else {
            masm_copy_result(b, value_type, slot_offset(b, b->sp), (i32)abi->results[i].offset);
            push_entry(b, (Value){.kind = VALUE_SLOT, .type = value_type, .index = b->sp});
        }
    }
    if (abi->result_bytes != 0) {
        masm_move_sp(b, (i32)abi->result_bytes);
    }
}

static inline void map_refs(Baseline *b) {
    if (UNLIKELY(b->plan->maps_refs)) {
        refs_at_call(b);
    }
}

static inline void before_call(Baseline *b, const AbiLayout *abi, u32 count) {
    settle(b, b->sp - count);
    clean_locals(b);
    pass_args(b, abi, count);
    pop_args(b, count);
    map_refs(b);
}

void emit_call(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 func = next_u32(b);
    const u32 type_index = b->module->funcs[func].type;
    const FuncType *type = &b->module->types[type_index];
    const AbiLayout *abi = &b->plan->layouts[type_index];
    before_call(b, abi, type->param_count);
    if (func < b->module->func_import_count) {
        masm_call_import(b, func);
    } else {
        masm_call_func(b, func);
    }
    take_results(b, abi, type);
}

void emit_call_indirect(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 type_index = next_u32(b);
    const u32 table = next_u32(b);
    const FuncType *type = &b->module->types[type_index];
    const AbiLayout *abi = &b->plan->layouts[type_index];
    Value index = pop(b);
    const u8 target = masm_check_indirect(b, table, type_index, &index);
    value_done(b, &index);
    b->locked |= BIT(target);
    before_call(b, abi, type->param_count);
    masm_call_indirect(b, table, target);
    take_results(b, abi, type);
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

void call_builtin(Baseline *b, Builtin builtin, const u64 *prefix, u32 count, u8 result) {
    settle(b, b->sp - count);
    clean_locals(b);
    MoveSet moves;
    moves_begin(&moves);
    const u8 *regs = ABI_REGS.param_general + 1; // the first one is the context's
    if (prefix != NULL) {
        const Value value = value_const(VAL_I64, *prefix);
        moves_add(b, &moves, *regs++, &value);
    }
    for (u32 i = 0; i < count; i++) {
        moves_add(b, &moves, *regs++, &b->stack[b->sp - count + i]);
    }
    moves_emit(b, &moves);
    pop_args(b, count);
    map_refs(b);
    masm_call_builtin(b, builtin);
    if (result != VAL_NONE) {
        push_reg(b, result, ABI_REGS.result_general[0]);
    }
}

void emit_builtin(Baseline *b, const OpRow *row) {
    u64 prefix;
    const bool has_prefix = next_prefix(b, row->inst, &prefix);
    call_builtin(b, (Builtin)row->variant, has_prefix ? &prefix : NULL, row->width, row->result);
}

void return_values(Baseline *b) {
    MoveSet moves;
    moves_begin(&moves);
    for (u32 i = 0; i < b->type->result_count; i++) {
        const Value *value = &b->stack[b->sp - b->type->result_count + i];
        const AbiPlace place = b->abi->results[i];
        if (place.reg == ABI_MEMORY) {
            masm_store_result(b, (i32)place.offset, value);
        } else {
            moves_add(b, &moves, (u8)place.reg, value);
        }
    }
    moves_emit(b, &moves);
}
