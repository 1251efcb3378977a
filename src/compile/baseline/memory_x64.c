// Baseline compiler, x86-64: loads, stores, globals, tables, select.
//
// A heap access is [r15 + index + offset] with a zero-extended index (docs/abi.md, "Memory"); every
// one is a site, since it may fault.
#include "compile/baseline/ops_x64.h"

enum { CONTEXT = R13, HEAP = R15 };

// Highest constant address that a displacement alone reaches, with room for the access itself.
enum { MAX_CONST_ADDRESS = INT32_MAX - 64 };

// r11 = index + offset, trapping unless it is below 2^32.
static X64Mem far_address(Baseline *b, u8 index, u32 offset) {
    code_room(&b->code, 5 * X64_MAX_INST_BYTES);
    x64_mov_ri(&b->code, R11, offset);
    x64_rr(&b->code, X64_ADD64, R11, index);
    x64_bt_ri(&b->code, R11, 32);
    x64_jcc(&b->code, CC_B, x64_trap(b, TRAP_MEMORY_OUT_OF_BOUNDS));
    return x64_mem_index(HEAP, R11, 0, 0);
}

static X64Mem const_address(Baseline *b, u64 address) {
    if (address <= MAX_CONST_ADDRESS) {
        return x64_mem(HEAP, (i32)address);
    }
    code_room(&b->code, 3 * X64_MAX_INST_BYTES);
    if (address > UINT32_MAX) {
        // Never inside a memory. What follows the jump is not reached.
        x64_jmp(&b->code, x64_trap(b, TRAP_MEMORY_OUT_OF_BOUNDS));
        return x64_mem(HEAP, 0);
    }
    x64_mov_ri(&b->code, R11, address);
    return x64_mem_index(HEAP, R11, 0, 0);
}

// Address of an access that is not simply [heap + index register + displacement].
static X64Mem rare_address(Baseline *b, Value *index, u32 offset) {
    return index->kind == VALUE_CONST ? const_address(b, index->bits + offset)
                                      : far_address(b, value_to_reg(b, index), offset);
}

static bool is_rare(const Value *index, u32 offset) {
    return index->kind == VALUE_CONST || offset >= VM_MAX_DISPLACEMENT;
}

// Where the result of a load goes: the index has been read by then.
static u8 load_destination(Baseline *b, const Value *index, bool is_float) {
    const u8 hint = destination_hint(b);
    value_done(b, index);
    if (hint != NO_REG) {
        return hint;
    }
    return index->kind == VALUE_REG && !is_float ? index->reg : reg_alloc(b, is_float);
}

void emit_load(Baseline *b, const OpRow *row) {
    skip_leb(b); // alignment
    const u32 offset = next_u32(b);
    const bool is_float = val_is_float((ValType)row->result);
    Value index = pop(b);
    u8 dest;
    if (UNLIKELY(is_rare(&index, offset))) {
        const X64Mem mem = rare_address(b, &index, offset);
        dest = load_destination(b, &index, is_float);
        code_room(&b->code, X64_MAX_INST_BYTES);
        record_site(b, TRAP_MEMORY_OUT_OF_BOUNDS);
        x64_rm(&b->code, (X64Op)row->inst, x64_number(dest), mem);
    } else {
        const u8 reg = value_to_reg(b, &index);
        dest = load_destination(b, &index, is_float);
        code_room(&b->code, X64_MAX_INST_BYTES);
        record_site(b, TRAP_MEMORY_OUT_OF_BOUNDS);
        x64_rm(&b->code, (X64Op)row->inst, x64_number(dest),
               x64_mem_index(HEAP, reg, 0, (i32)offset));
    }
    push_reg(b, row->result, dest);
}

static bool is_store_imm(const OpRow *row, const Value *value) {
    return value->kind == VALUE_CONST && (row->width < 8 || (i64)value->bits == (i32)value->bits);
}

// The value (a register, or NO_REG: a constant) to the heap.
static inline void write_heap(Baseline *b, const OpRow *row, X64Mem mem, u8 reg, u64 bits) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    record_site(b, TRAP_MEMORY_OUT_OF_BOUNDS);
    if (reg == NO_REG) {
        x64_mov_mi(&b->code, row->width, mem, (i32)(u32)bits);
    } else {
        x64_rm(&b->code, (X64Op)row->inst, x64_number(reg), mem);
    }
}

void emit_store(Baseline *b, const OpRow *row) {
    skip_leb(b); // alignment
    const u32 offset = next_u32(b);
    Value value = pop(b), index = pop(b);
    const u8 reg = is_store_imm(row, &value) ? NO_REG : value_to_reg(b, &value);
    if (UNLIKELY(is_rare(&index, offset))) {
        write_heap(b, row, rare_address(b, &index, offset), reg, value.bits);
    } else {
        const u8 index_reg = value_to_reg(b, &index);
        write_heap(b, row, x64_mem_index(HEAP, index_reg, 0, (i32)offset), reg, value.bits);
    }
    value_done(b, &value);
    value_done(b, &index);
}

void emit_memory_size(Baseline *b, const OpRow *row) {
    (void)next_u32(b);
    const u8 dest = reg_alloc(b, false);
    code_room(&b->code, 3 * X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_MOV64, dest, x64_mem(CONTEXT, VMCTX_MEMORY0));
    x64_rm(&b->code, X64_MOV64, dest, x64_mem(dest, VM_MEMORY_BYTES));
    x64_shift_ri(&b->code, true, SHIFT_SHR, dest, 16);
    push_reg(b, row->result, dest);
}

// ---- Globals -----------------------------------------------------------------------------------

static X64Mem global_mem(Baseline *b, u32 index) {
    const i32 offset = (i32)vmctx_global_at(&b->plan->shape, index);
    if (index >= b->module->global_import_count) {
        return x64_mem(CONTEXT, offset);
    }
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_MOV64, R11, x64_mem(CONTEXT, offset));
    return x64_mem(R11, 0);
}

void emit_global_get(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 index = next_u32(b);
    const Global *global = &b->module->globals[index];
    const u8 type = (u8)global->type.type;
    if (!global->type.is_mutable && index >= b->module->global_import_count &&
        global->init.kind == CONST_VALUE) {
        push(b, value_const(type, x64_is_wide(type) ? global->init.low : (u32)global->init.low));
        return;
    }
    const bool is_float = val_is_float(global->type.type);
    u8 dest = destination_hint(b);
    dest = dest != NO_REG ? dest : reg_alloc(b, is_float);
    const X64Mem mem = global_mem(b, index);
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_TYPE_INSTS[type].load, x64_number(dest), mem);
    push_reg(b, type, dest);
}

void emit_global_set(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 index = next_u32(b);
    Value value = pop(b);
    const u8 reg = value_to_reg(b, &value);
    const X64Mem mem = global_mem(b, index);
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_TYPE_INSTS[value.type].store, x64_number(reg), mem);
    value_done(b, &value);
}

// ---- Tables and references ---------------------------------------------------------------------

// r11 = entries of the table, after the check that the entry in `index` exists.
static void table_entries(Baseline *b, u32 table, u8 index) {
    code_room(&b->code, 5 * X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_MOV64, R11, x64_mem(CONTEXT, (i32)vmctx_table_at(&b->plan->shape, table)));
    x64_rm(&b->code, X64_CMP64, index, x64_mem(R11, VM_TABLE_COUNT));
    x64_jcc(&b->code, CC_AE, x64_trap(b, TRAP_TABLE_OUT_OF_BOUNDS));
    x64_rm(&b->code, X64_MOV64, R11, x64_mem(R11, VM_TABLE_ENTRIES));
}

void emit_table_get(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 table = next_u32(b);
    if (b->module->tables[table].elem == VAL_FUNCREF) { // which may be still to be made
        const u64 prefix = table;
        call_builtin(b, BUILTIN_TABLE_GET, &prefix, 1, VAL_FUNCREF);
        return;
    }
    Value index = pop(b);
    const u8 reg = value_to_own(b, &index);
    table_entries(b, table, reg);
    x64_rm(&b->code, X64_MOV64, reg, x64_mem_index(R11, reg, 3, 0));
    push_reg(b, (u8)b->module->tables[table].elem, reg);
}

void emit_table_set(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 table = next_u32(b);
    Value value = pop(b), index = pop(b);
    const u8 source = value_to_reg(b, &value);
    const u8 reg = value_to_reg(b, &index);
    table_entries(b, table, reg);
    x64_rm(&b->code, X64_STORE64, source, x64_mem_index(R11, reg, 3, 0));
    value_done(b, &value);
    value_done(b, &index);
}

void emit_table_size(Baseline *b, const OpRow *row) {
    const u32 table = next_u32(b);
    if (table < 64 && (b->plan->frozen_tables >> table & 1) != 0) {
        push(b, value_const(row->result, b->module->tables[table].limits.min));
        return;
    }
    const u8 dest = reg_alloc(b, false);
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_MOV64, dest,
           x64_mem(CONTEXT, (i32)vmctx_table_at(&b->plan->shape, table)));
    x64_rm(&b->code, X64_MOV64, dest, x64_mem(dest, VM_TABLE_COUNT));
    push_reg(b, row->result, dest);
}

void emit_ref_func(Baseline *b, const OpRow *row) {
    const u32 func = next_u32(b);
    if (func >= b->module->func_import_count) {
        const u64 prefix = func;
        call_builtin(b, BUILTIN_REF_FUNC, &prefix, 0, VAL_FUNCREF);
        return;
    }
    const u8 dest = reg_alloc(b, false);
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rm(&b->code, X64_MOV64, dest,
           x64_mem(CONTEXT, (i32)vmctx_import_at(&b->plan->shape, func) + VM_IMPORT_REF));
    push_reg(b, row->result, dest);
}

// ---- Select ------------------------------------------------------------------------------------

static void cmov(Baseline *b, bool w, X64Cond condition, u8 dest, const Value *value) {
    const u8 reg = value_reg_of(b, value);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (reg != NO_REG) {
        x64_cmov_rr(&b->code, w, condition, dest, reg);
    } else {
        x64_cmov_rm(&b->code, w, condition, dest, operand_mem(b, value));
    }
}

// dest = condition ? value : dest, without touching the flags before it has read them.
static void select_int(Baseline *b, u8 condition, u8 dest, Value *value) {
    const bool w = x64_is_wide(value->type);
    if (value->kind == VALUE_CONST) {
        (void)value_to_reg(b, value);
    }
    if (condition == COND_FLOAT_NE) {
        cmov(b, w, CC_NE, dest, value);
        cmov(b, w, CC_P, dest, value);
    } else {
        cmov(b, w, (X64Cond)condition, dest, value);
    }
}

void emit_select(Baseline *b, const OpRow *row) {
    (void)row;
    u8 condition = take_condition(b);
    Value other = pop(b), value = pop(b); // value if the condition holds
    // The result is made in an operand's own register; "float equal" is two flags that must both
    // hold, so it is turned round.
    const bool can_swap = value.kind == VALUE_REG && other.kind != VALUE_REG;
    if (condition == COND_FLOAT_EQ || (can_swap && condition != COND_FLOAT_NE)) {
        const Value exchanged = value;
        value = other;
        other = exchanged;
        condition ^= 1;
    }
    const u8 dest = value_to_own(b, &other);
    if (reg_is_float(dest)) {
        const Label skip = code_label(&b->code);
        masm_branch(b, condition ^ 1, skip);
        value_move(b, dest, &value);
        code_bind(&b->code, skip);
    } else {
        select_int(b, condition, dest, &value);
    }
    value_done(b, &value);
    push_reg(b, other.type, dest);
}
