// Baseline compiler, x86-64: conditions, jump tables, calls (docs/abi.md).
#include "compile/baseline/mark.h"
#include "compile/baseline/regs.h"
#include "compile/baseline/x64.h"

enum { CONTEXT = R13, CALLER = R14, HEAP = R15, INDIRECT_TARGET = R10 };

static void record_fixup(Baseline *b, u32 field, FixupTarget target, u32 index) {
    const u32 kind = target == FIXUP_FUNC ? X64_FIX_CALL : X64_FIX_DATA;
    if (!vec_push(&b->out->fixups, fixup_of(field, target, index, kind))) {
        out_of_memory(b);
    }
}

Label x64_trap(Baseline *b, TrapKind kind) { return code_trap(&b->code, (u8)kind, b->op_offset); }

// ---- Conditions --------------------------------------------------------------------------------

u8 masm_test(Baseline *b, Value *value) {
    if (value->kind == VALUE_SLOT) {
        code_room(&b->code, X64_MAX_INST_BYTES);
        x64_alu_mi(&b->code, false, ALU_CMP, x64_mem(b->frame_base, value_offset(b, value)), 0);
        return CC_NE;
    }
    const u8 reg = value_to_reg(b, value);
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rr(&b->code, X64_TEST32, reg, reg);
    return CC_NE;
}

void masm_branch(Baseline *b, u8 condition, Label label) {
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    if (condition == COND_FLOAT_EQ) {
        const Label skip = code_label(&b->code);
        x64_jcc(&b->code, CC_P, skip);
        x64_jcc(&b->code, CC_E, label);
        code_bind(&b->code, skip);
    } else if (condition == COND_FLOAT_NE) {
        x64_jcc(&b->code, CC_P, label);
        x64_jcc(&b->code, CC_NE, label);
    } else {
        x64_jcc(&b->code, (X64Cond)condition, label);
    }
}

void masm_jump_table(Baseline *b, u8 index, u32 count, Label otherwise) {
    if (count == 0) {
        masm_jump(b, otherwise);
        return;
    }
    code_room(&b->code, 8 * X64_MAX_INST_BYTES);
    x64_alu_ri(&b->code, false, ALU_CMP, index, (i32)count);
    x64_jcc(&b->code, CC_AE, otherwise);
    const u32 table = (u32)b->out->rodata.count - b->rodata_start;
    write_zeros(&b->out->rodata, 4ull * count);
    if (b->out->rodata.failed) {
        out_of_memory(b);
    }
    const u32 table_field = x64_lea_rip(&b->code, R11);
    record_fixup(b, table_field, FIXUP_RODATA, table);
    x64_rm(&b->code, X64_MOVSXD, index, x64_mem_index(R11, index, 2, 0));
    code_use(&b->code, x64_lea_rip(&b->code, R11), code_start_label(&b->code), X64_REL32);
    x64_rr(&b->code, X64_ADD64, index, R11);
    x64_jmp_r(&b->code, index);
}

void masm_unreachable(Baseline *b) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_jmp(&b->code, x64_trap(b, TRAP_UNREACHABLE));
}

// ---- Calls -------------------------------------------------------------------------------------

void masm_move_sp(Baseline *b, i32 bytes) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_LEA64, RSP, x64_mem(RSP, bytes));
}

// Stores a value at [base + offset]; base is neither r11 nor the value's register.
static void store_at(Baseline *b, u8 base, i32 offset, const Value *value) {
    const u8 reg = value_reg_of(b, value);
    const bool is_wide = x64_is_wide(value->type);
    code_room(&b->code, 3 * X64_MAX_INST_BYTES);
    if (reg != NO_REG) {
        x64_rm(&b->code, X64_TYPE_INSTS[value->type].store, x64_number(reg), x64_mem(base, offset));
        return;
    }
    if (value->kind == VALUE_CONST) {
        x64_mov_ri(&b->code, R11, value->bits);
    } else {
        x64_rm(&b->code, is_wide ? X64_MOV64 : X64_MOV32, R11,
               x64_mem(b->frame_base, value_offset(b, value)));
    }
    x64_rm(&b->code, is_wide ? X64_STORE64 : X64_STORE32, R11, x64_mem(base, offset));
}

void masm_store_arg(Baseline *b, i32 sp_offset, const Value *value) {
    store_at(b, RSP, sp_offset, value);
}

void masm_arg_address(Baseline *b, u8 to, i32 sp_offset) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_LEA64, to, x64_mem(RSP, sp_offset));
}

void masm_copy_result(Baseline *b, u8 type, i32 frame_offset, i32 sp_offset) {
    const bool is_wide = x64_is_wide(type);
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    x64_rm(&b->code, is_wide ? X64_MOV64 : X64_MOV32, R11, x64_mem(RSP, sp_offset));
    x64_rm(&b->code, is_wide ? X64_STORE64 : X64_STORE32, R11,
           x64_mem(b->frame_base, frame_offset));
}

void masm_store_result(Baseline *b, i32 result_offset, const Value *value) {
    // What is not in a register goes by the vector scratch register: r11 has the pointer.
    Value present = *value;
    if (value_reg_of(b, value) == NO_REG) {
        present = value_reg(x64_is_wide(value->type) ? VAL_F64 : VAL_F32, masm_scratch(true));
        if (value->kind == VALUE_CONST) {
            masm_const(b, present.type, present.reg, value->bits);
        } else {
            masm_load(b, present.type, present.reg, value_offset(b, value));
        }
    }
    masm_load(b, VAL_I64, R11, b->result_pointer_home);
    store_at(b, R11, result_offset, &present);
}

// After a call that may have switched instances.
static void restore_context(Baseline *b) {
    x64_rm(&b->code, X64_MOV64, CONTEXT, x64_mem(RBP, -8));
    x64_rm(&b->code, X64_MOV64, HEAP, x64_mem(CONTEXT, VMCTX_HEAP_BASE));
}

void masm_call_func(Baseline *b, u32 func) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    record_fixup(b, x64_call(&b->code), FIXUP_FUNC, func);
    record_site(b, SITE_CALL);
}

void masm_call_import(Baseline *b, u32 import) {
    const i32 slot = (i32)vmctx_import_at(&b->plan->shape, import);
    code_room(&b->code, 6 * X64_MAX_INST_BYTES);
    x64_rr(&b->code, X64_MOV64, CALLER, CONTEXT);
    x64_rm(&b->code, X64_MOV64, CONTEXT, x64_mem(CALLER, slot + VM_IMPORT_VMCTX));
    x64_rm(&b->code, X64_MOV64, HEAP, x64_mem(CONTEXT, VMCTX_HEAP_BASE));
    x64_call_m(&b->code, x64_mem(CALLER, slot + VM_IMPORT_CODE));
    record_site(b, SITE_CALL);
    restore_context(b);
}

void masm_call_builtin(Baseline *b, Builtin builtin) {
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    x64_mov_ri(&b->code, RAX, builtin);
    x64_call_m(&b->code, x64_mem(CONTEXT, VMCTX_BUILTIN_ENTRY));
    record_site(b, SITE_CALL);
}

static bool is_frozen(const Baseline *b, u32 table) {
    return table < 64 && (b->plan->frozen_tables >> table & 1) != 0;
}

static void miss_push(Baseline *b, const SignatureMiss *miss) {
    if (!vec_push(&b->misses, *miss)) {
        out_of_memory(b);
    }
}

// r10 = code of entry r10, of a table in the image.
static void check_frozen(Baseline *b, u32 table, u32 type) {
    u32 sig = type_sig(&b->module->types[type]);
    sig = sig == SIG_LARGE ? SIG_LARGE | b->plan->canonical_types[type] : sig;
    x64_alu_ri(&b->code, false, ALU_CMP, R10, (i32)b->module->tables[table].limits.min);
    x64_jcc(&b->code, CC_AE, x64_trap(b, TRAP_UNDEFINED_ELEMENT));
    record_fixup(b, x64_lea_rip(&b->code, R11), FIXUP_TABLE, table);
    const SignatureMiss miss = {
        .entry = code_label(&b->code),
        .table = ID_NONE,
        .uninitialized = x64_trap(b, TRAP_UNINITIALIZED_ELEMENT),
        .mismatch = x64_trap(b, TRAP_INDIRECT_CALL_TYPE),
        .wasm_offset = b->op_offset,
    };
    x64_alu_mi(&b->code, false, ALU_CMP, x64_mem_index(R11, R10, 3, 0), (i32)sig);
    x64_jcc(&b->code, CC_NE, miss.entry);
    miss_push(b, &miss);
    x64_rm(&b->code, X64_MOV32, R10, x64_mem_index(R11, R10, 3, 4));
    record_fixup(b, x64_lea_rip(&b->code, R11), FIXUP_TEXT, 0);
    x64_rr(&b->code, X64_ADD64, R10, R11);
}

static void miss_in_image(Baseline *b, const SignatureMiss *miss) {
    x64_alu_mi(&b->code, false, ALU_CMP, x64_mem_index(R11, R10, 3, 0), -1);
    x64_jcc(&b->code, CC_E, miss->uninitialized);
    x64_jmp(&b->code, miss->mismatch);
}

// The stub leaves the reference in r11 and everything else as it was, or traps.
static void miss_in_runtime(Baseline *b, const SignatureMiss *miss) {
    x64_mov_ri(&b->code, R11, (u64)miss->table << 32 | miss->type);
    x64_call_m(&b->code, x64_mem(CONTEXT, VMCTX_TABLE_ENTRY));
    b->op_offset = miss->wasm_offset;
    record_site(b, SITE_CALL);
    x64_jmp(&b->code, miss->resume);
}

void masm_misses(Baseline *b) {
    for (usize i = 0; i < b->misses.count; i++) {
        const SignatureMiss *miss = &b->misses.at[i];
        const Mark mark = mark_open(b);
        code_bind(&b->code, miss->entry);
        code_room(&b->code, 4 * X64_MAX_INST_BYTES);
        (miss->table == ID_NONE ? miss_in_image : miss_in_runtime)(b, miss);
        if (b->plan->maps_all) {
            mark_close(b, &mark, miss->wasm_offset);
        }
    }
    b->misses.count = 0;
}

// Compares the signature of r11 with the type's.
static void compare_sig(Baseline *b, u32 type) {
    const u32 sig = type_sig(&b->module->types[type]);
    if (sig == SIG_LARGE) {
        x64_rm(&b->code, X64_MOV32, R11, x64_mem(R11, VM_FUNCREF_SIG));
        x64_rm(&b->code, X64_CMP32, R11,
               x64_mem(CONTEXT, (i32)vmctx_type_at(&b->plan->shape, type)));
    } else {
        x64_alu_mi(&b->code, false, ALU_CMP, x64_mem(R11, VM_FUNCREF_SIG), (i32)sig);
    }
}

// r10 = the VmFuncRef of entry r10, of a table of the runtime.
static void check_table(Baseline *b, u32 table, u32 type) {
    const i32 slot = (i32)vmctx_table_at(&b->plan->shape, table);
    x64_rm(&b->code, X64_MOV64, R11, x64_mem(CONTEXT, slot));
    x64_rm(&b->code, X64_CMP64, R10, x64_mem(R11, VM_TABLE_COUNT));
    x64_jcc(&b->code, CC_AE, x64_trap(b, TRAP_UNDEFINED_ELEMENT));
    x64_rm(&b->code, X64_MOV64, R11, x64_mem(R11, VM_TABLE_ENTRIES));
    x64_rm(&b->code, X64_MOV64, R11, x64_mem_index(R11, R10, 3, 0));
    x64_rr(&b->code, X64_TEST64, R11, R11);
    x64_jcc(&b->code, CC_E, x64_trap(b, TRAP_UNINITIALIZED_ELEMENT));
    compare_sig(b, type);
    const SignatureMiss miss = {
        .entry = code_label(&b->code),
        .table = table,
        .resume = code_label(&b->code),
        .type = type,
        .wasm_offset = b->op_offset,
    };
    x64_jcc(&b->code, CC_NE, miss.entry);
    miss_push(b, &miss);
    code_bind(&b->code, miss.resume);
    if (type_sig(&b->module->types[type]) == SIG_LARGE) {
        x64_rm(&b->code, X64_MOV64, R11, x64_mem(CONTEXT, slot)); // r11 was needed for the id
        x64_rm(&b->code, X64_MOV64, R11, x64_mem(R11, VM_TABLE_ENTRIES));
        x64_rm(&b->code, X64_MOV64, R10, x64_mem_index(R11, R10, 3, 0));
    } else {
        x64_rr(&b->code, X64_MOV64, R10, R11);
    }
}

u8 masm_check_indirect(Baseline *b, u32 table, u32 type, Value *index) {
    if (index->kind != VALUE_REG || index->reg != INDIRECT_TARGET) {
        reg_take(b, INDIRECT_TARGET);
        value_move(b, INDIRECT_TARGET, index);
    }
    code_room(&b->code, 15 * X64_MAX_INST_BYTES);
    if (is_frozen(b, table)) {
        check_frozen(b, table, type);
    } else {
        check_table(b, table, type);
    }
    return INDIRECT_TARGET;
}

void masm_call_indirect(Baseline *b, u32 table, u8 target) {
    code_room(&b->code, 6 * X64_MAX_INST_BYTES);
    if (is_frozen(b, table)) {
        x64_call_r(&b->code, target);
        record_site(b, SITE_CALL);
        return;
    }
    x64_rr(&b->code, X64_MOV64, CALLER, CONTEXT);
    x64_rm(&b->code, X64_MOV64, CONTEXT, x64_mem(target, VM_FUNCREF_VMCTX));
    x64_rm(&b->code, X64_MOV64, HEAP, x64_mem(CONTEXT, VMCTX_HEAP_BASE));
    x64_call_m(&b->code, x64_mem(target, VM_FUNCREF_CODE));
    record_site(b, SITE_CALL);
    restore_context(b);
}
