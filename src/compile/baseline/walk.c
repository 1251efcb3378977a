// The walk over a function's instructions, and the compiler's entry points.
#include "base/alloc.h"
#include "base/reader.h"
#include "compile/baseline/ops.h"
#include "compile/baseline/verify.h"
#include "types/cpu.h"

// ---- Immediates. The validator has read these bytes before: no bounds to check. -----------------

u32 next_u32(Baseline *b) {
    const u8 first = *b->pc;
    if (LIKELY(first < 0x80)) {
        b->pc++;
        return first;
    }
    Reader reader = reader_of(b->pc, (usize)(b->end - b->pc));
    const u32 value = (u32)read_uleb(&reader, 32);
    b->pc = reader.at;
    return value;
}

static i64 next_signed(Baseline *b, u32 bits) {
    if (LIKELY(*b->pc < 0x80)) {
        return (i64)(i8)(*b->pc++ << 1) >> 1;
    }
    Reader reader = reader_of(b->pc, (usize)(b->end - b->pc));
    const i64 value = read_sleb(&reader, bits);
    b->pc = reader.at;
    return value;
}

i32 next_i32(Baseline *b) { return (i32)next_signed(b, 32); }
i64 next_i64(Baseline *b) { return next_signed(b, 64); }

static i32 next_block_type(Baseline *b) { return (i32)next_signed(b, 33); }

// ---- Locals ------------------------------------------------------------------------------------

static void local_get(Baseline *b, u32 index) {
    LocalState *local = &b->locals.at[index];
    const u8 reg = local->reg;
    if (reg != NO_REG && (b->regs.pinned & BIT(reg)) == 0 && local_is_dead(b, index)) {
        reg_free(b, reg); // its last use: the register becomes the operand's own
        push_reg(b, local->type, reg);
        return;
    }
    push(b, (Value){.kind = VALUE_LOCAL, .type = local->type, .index = index});
}

// The local takes the value over; false if nothing will ever read it.
static bool assign(Baseline *b, u32 index, Value *value) {
    LocalState *local = &b->locals.at[index];
    if (value->kind == VALUE_REG && value->reg == local->reg) { // computed in place
        b->regs.dirty |= BIT(local->reg);
        local->is_seen = true;
        return true;
    }
    if (value->kind == VALUE_LOCAL && value->index == index) {
        return true;
    }
    local_materialize_aliases(b, index);
    local->is_seen = true;
    if (local->reg != NO_REG && (b->regs.pinned & BIT(local->reg)) != 0) {
        value_move(b, local->reg, value);
        value_done(b, value);
        b->regs.dirty |= BIT(local->reg);
        return true;
    }
    if (local->reg != NO_REG) {
        reg_free(b, local->reg);
    }
    if (local_is_dead(b, index)) {
        return false;
    }
    const u8 pin = pin_of(b, index);
    const bool is_own = value_is_own(b, value);
    if (is_own && (pin == NO_REG || pin == value->reg)) {
        b->regs.used &= ~BIT(value->reg);
        local_bind(b, index, value->reg, true);
    } else {
        const u8 reg = local_reg_for(b, index);
        value_move(b, reg, value);
        value_done(b, value);
        local_bind(b, index, reg, true);
    }
    b->regs.pinned |= pin == local->reg && pin != NO_REG ? BIT(pin) : 0;
    return true;
}

static void local_set(Baseline *b, u32 index) {
    Value value = pop(b);
    if (!assign(b, index, &value)) {
        value_done(b, &value);
    }
}

static void local_tee(Baseline *b, u32 index) {
    Value value = pop(b);
    if (assign(b, index, &value)) {
        local_get(b, index);
    } else {
        push(b, value);
    }
}

u8 destination_hint(Baseline *b) {
    const u8 op = *b->pc;
    if (op != 0x21 && op != 0x22) {
        return NO_REG;
    }
    const u8 *const pc = b->pc++;
    const u32 index = next_u32(b);
    b->pc = pc;
    const u8 pin = pin_of(b, index);
    if (pin == NO_REG) {
        return NO_REG;
    }
    if (b->locals.at[index].reg == pin) {
        local_materialize_aliases(b, index);
        return pin;
    }
    const bool is_free = b->locals.at[index].reg == NO_REG &&
                         ((b->regs.used | b->locked) & BIT(pin)) == 0;
    b->locked |= is_free ? BIT(pin) : 0;
    return is_free ? pin : NO_REG;
}

// ---- Comparisons -------------------------------------------------------------------------------

void finish_compare(Baseline *b, u8 condition) {
    enum { IF = 0x04, BR_IF = 0x0D, SELECT = 0x1B, SELECT_T = 0x1C, I32_EQZ = 0x45 };
    while (*b->pc == I32_EQZ) {
        condition ^= 1;
        b->pc++;
    }
    const u8 next = *b->pc;
    if (next == IF || next == BR_IF || next == SELECT || next == SELECT_T) {
        b->pending = condition + 1;
    } else {
        masm_push_condition(b, condition);
    }
}

// ---- Instructions ------------------------------------------------------------------------------

static void skip_bytes(Baseline *b, u32 count) { b->pc += count; }

static void skip_leb(Baseline *b) {
    while (*b->pc++ >= 0x80) {
    }
}

// Passes over the immediates of an instruction that cannot be reached.
static void skip_immediates(Baseline *b, Opcode op) {
    switch (OPCODES[op].imm) {
    case IMM_NONE: break;
    case IMM_BLOCK: case IMM_LABEL: case IMM_FUNC: case IMM_LOCAL: case IMM_GLOBAL: case IMM_TABLE:
    case IMM_MEMORY: case IMM_I32: case IMM_I64: case IMM_REF_TYPE: case IMM_DATA: case IMM_ELEM:
        skip_leb(b);
        break;
    case IMM_CALL_INDIRECT: case IMM_MEMARG: case IMM_MEMORY_INIT: case IMM_MEMORY_COPY:
    case IMM_TABLE_INIT: case IMM_TABLE_COPY:
        skip_leb(b);
        skip_leb(b);
        break;
    case IMM_BR_TABLE:
        for (u32 left = next_u32(b) + 1; left != 0; left--) {
            skip_leb(b);
        }
        break;
    case IMM_SELECT: skip_bytes(b, next_u32(b)); break;
    case IMM_F32: skip_bytes(b, 4); break;
    case IMM_F64: skip_bytes(b, 8); break;
    case IMM_V128: case IMM_SHUFFLE: skip_bytes(b, 16); break;
    case IMM_LANE: skip_bytes(b, 1); break;
    case IMM_MEMARG_LANE:
        skip_leb(b);
        skip_leb(b);
        skip_bytes(b, 1);
        break;
    }
}

static void drop(Baseline *b) {
    const Value value = pop(b);
    value_done(b, &value);
}

// Segment and table indices in front of the operands.
static void builtin(Baseline *b, Builtin which, u32 prefix_count, u32 stack_count, ValType result) {
    const u64 first = prefix_count > 0 ? next_u32(b) : 0;
    call_builtin(b, which, &first, prefix_count, stack_count, result);
}

// Two indices in one argument; the text order is (first, second).
static void builtin_pair(Baseline *b, Builtin which, bool is_swapped) {
    const u64 first = next_u32(b), second = next_u32(b);
    const u64 pair = is_swapped ? second << 32 | first : first << 32 | second;
    call_builtin(b, which, &pair, 1, 3, VAL_NONE);
}

static void emit_bulk(Baseline *b, Opcode op) {
    switch ((u32)op) {
    case OP_MEMORY_GROW:
        skip_leb(b);
        call_builtin(b, BUILTIN_MEMORY_GROW, NULL, 0, 1, VAL_I32);
        break;
    case OP_MEMORY_FILL:
        skip_leb(b);
        call_builtin(b, BUILTIN_MEMORY_FILL, NULL, 0, 3, VAL_NONE);
        break;
    case OP_MEMORY_COPY:
        skip_leb(b);
        skip_leb(b);
        call_builtin(b, BUILTIN_MEMORY_COPY, NULL, 0, 3, VAL_NONE);
        break;
    case OP_MEMORY_INIT: {
        const u64 segment = next_u32(b);
        skip_leb(b);
        call_builtin(b, BUILTIN_MEMORY_INIT, &segment, 1, 3, VAL_NONE);
        break;
    }
    case OP_DATA_DROP: builtin(b, BUILTIN_DATA_DROP, 1, 0, VAL_NONE); break;
    case OP_ELEM_DROP: builtin(b, BUILTIN_ELEM_DROP, 1, 0, VAL_NONE); break;
    case OP_TABLE_GROW: builtin(b, BUILTIN_TABLE_GROW, 1, 2, VAL_I32); break;
    case OP_TABLE_FILL: builtin(b, BUILTIN_TABLE_FILL, 1, 3, VAL_NONE); break;
    case OP_TABLE_COPY: builtin_pair(b, BUILTIN_TABLE_COPY, false); break;
    case OP_TABLE_INIT: builtin_pair(b, BUILTIN_TABLE_INIT, true); break; // segment, table
    default: CHECK(false);
    }
}

// Instructions that are not rows of the target's table.
static void emit_other(Baseline *b, Opcode op) {
    switch ((u32)op) {
    case OP_UNREACHABLE:
        masm_unreachable(b);
        flow_dead(b);
        break;
    case OP_NOP: break;
    case OP_BLOCK: flow_open(b, CONTROL_BLOCK, next_block_type(b)); break;
    case OP_LOOP: flow_open(b, CONTROL_LOOP, next_block_type(b)); break;
    case OP_IF: flow_open(b, CONTROL_IF, next_block_type(b)); break;
    case OP_BR: branch(b, next_u32(b)); break;
    case OP_BR_IF: branch_if(b, next_u32(b)); break;
    case OP_BR_TABLE: branch_table(b); break;
    case OP_RETURN: flow_return(b); break;
    case OP_CALL: call_direct(b, next_u32(b)); break;
    case OP_CALL_INDIRECT: {
        const u32 type = next_u32(b);
        call_indirect(b, next_u32(b), type);
        break;
    }
    case OP_DROP: drop(b); break;
    case OP_SELECT_T:
        skip_bytes(b, next_u32(b));
        emit_select(b, &OP_ROWS[OP_SELECT]);
        break;
    case OP_LOCAL_GET: local_get(b, next_u32(b)); break;
    case OP_LOCAL_SET: local_set(b, next_u32(b)); break;
    case OP_LOCAL_TEE: local_tee(b, next_u32(b)); break;
    case OP_I32_CONST: push(b, value_const(VAL_I32, (u32)next_i32(b))); break;
    case OP_I64_CONST: push(b, value_const(VAL_I64, (u64)next_i64(b))); break;
    case OP_F32_CONST:
        push(b, value_const(VAL_F32, load_u32(b->pc)));
        skip_bytes(b, 4);
        break;
    case OP_F64_CONST:
        push(b, value_const(VAL_F64, load_u64(b->pc)));
        skip_bytes(b, 8);
        break;
    case OP_REF_NULL: push(b, value_const((u8)val_of_binary(*b->pc++), 0)); break;
    default: emit_bulk(b, op);
    }
}

// False at the end of the function.
static bool emit_instruction(Baseline *b) {
    b->op_offset = (u32)(b->pc - b->module->bytes);
    b->locked = 0;
    if (UNLIKELY(b->code.traps.count >= CODE_MANY_TRAPS)) {
        code_flush(&b->code);
    }
    const u8 byte = *b->pc++;
    const Opcode op = byte >= 0xFC ? opcode_of(byte, next_u32(b)) : opcode_of_byte(byte);
    if (op == OP_END) {
        return flow_end(b);
    }
    if (op == OP_ELSE) {
        flow_else(b);
    } else if (b->is_dead) {
        if (op == OP_BLOCK || op == OP_LOOP || op == OP_IF) {
            const ControlKind kind = op == OP_LOOP ? CONTROL_LOOP : CONTROL_BLOCK;
            flow_open(b, kind, next_block_type(b));
        } else {
            skip_immediates(b, op);
        }
    } else if (OP_ROWS[op].emit != NULL) {
        OP_ROWS[op].emit(b, &OP_ROWS[op]);
    } else {
        emit_other(b, op);
    }
    return true;
}

// ---- Functions ---------------------------------------------------------------------------------

// Room for everything whose size the facts bound; the states of the locals that are used.
static void reserve(Baseline *b) {
    const FuncFacts *facts = b->facts;
    b->stack_memory.count = 0;
    b->controls.count = b->states.count = b->table_labels.count = b->misses.count = 0;
    b->free_state = STATE_NONE;
    const bool is_ok = vec_reserve(&b->stack_memory, (usize)facts->max_stack + 1) &&
                       vec_reserve(&b->locals, facts->local_count) &&
                       vec_reserve(&b->controls, 16);
    if (!is_ok) {
        out_of_memory(b);
    }
    b->stack = b->stack_memory.at;
    b->sp = b->settled = b->slotted = b->slotted_from = 0;
    b->return_edge = LABEL_NONE;
}

static void choose_frame(Baseline *b, u32 bound) {
    const FuncFacts *facts = b->facts;
    enum { RED_ZONE_BYTES = 128 };
    b->has_frame = facts->has_call || facts->has_builtin || bound > RED_ZONE_BYTES;
    b->frame_base = b->has_frame ? 5 : 4; // rbp, rsp
    b->stack_param_bias = b->has_frame ? 16 : 8;
}

// Parameters start in registers or on the stack, other locals in nothing or, if a read may see it,
// as zero in their homes.
static void place_locals(Baseline *b, i32 homes_top) {
    const FuncFacts *facts = b->facts;
    for (u32 i = 0; i < facts->accessed_count; i++) {
        const u32 index = facts->accessed[i];
        b->locals.at[index] = (LocalState){
            .home = homes_top - 8 * (i32)(i + 1),
            .reg = NO_REG,
            .goal = NO_REG,
            .pin = NO_REG,
            .type = facts->locals[index].type,
            .is_seen = facts->locals[index].is_param || facts->locals[index].needs_zero,
        };
    }
    AbiCursor cursor = abi_params(b->type);
    for (u32 i = 0; i < b->type->param_count; i++) {
        u32 offset = 0;
        const u8 reg = abi_next(&cursor, type_params(b->type)[i], &offset);
        if (facts->locals[i].stamp != facts->stamp) {
            continue;
        }
        if (reg == NO_REG) {
            b->locals.at[i].home = b->stack_param_bias + (i32)offset;
        } else {
            local_bind(b, i, reg, true);
        }
    }
}

static void zero_locals(Baseline *b) {
    const FuncFacts *facts = b->facts;
    for (u32 i = 0; i < facts->accessed_count; i++) {
        const u32 index = facts->accessed[i];
        if (facts->locals[index].needs_zero) {
            masm_store_const(b, VAL_I64, b->locals.at[index].home, 0);
            b->lowest = b->locals.at[index].home < b->lowest ? b->locals.at[index].home : b->lowest;
        }
    }
}

static void skip_local_declarations(Baseline *b) {
    for (u32 groups = next_u32(b); groups != 0; groups--) {
        skip_leb(b);
        skip_bytes(b, 1);
    }
}

// Callee-saved registers are worth their saving where a loop calls, or has more to pin than the
// other registers hold.
static bool wants_callee_saved(const FuncFacts *facts) {
    enum { OTHER_PINNABLE = 6 };
    for (u32 i = 0; i < facts->loop_count; i++) {
        if (facts->loops[i].has_call || facts->loops[i].hot_count > OTHER_PINNABLE) {
            return true;
        }
    }
    return false;
}

static void begin(Baseline *b, u32 func, const FuncFacts *facts) {
    b->func = func;
    b->facts = facts;
    b->type = facts->type;
    const Func *info = &b->module->funcs[func];
    b->body = b->module->bytes + info->body_offset;
    b->pc = b->body;
    b->end = b->body + info->body_bytes;
    b->op_offset = info->body_offset;
    b->loop_count = 0;
    b->regs = (RegFile){0};
    b->locked = 0;
    b->loop_state = STATE_NONE;
    b->is_dead = false;
    b->pending = 0;
    b->rodata_start = (u32)b->out->rodata.count;
    b->first_site = (u32)b->out->sites.count;
    b->first_fixup = (u32)b->out->fixups.count;
    b->first_unwind = (u32)b->out->unwind.count;
    reserve(b);
    b->saves_registers = wants_callee_saved(facts);
    b->saves_context = facts->has_foreign_call;
    b->allocatable = MASM_TARGET.allocatable & ~(b->saves_registers ? 0 : MASM_TARGET.callee_saved);
    b->param_stack_bytes = abi_param_bytes(b->type);
    const bool has_result_pointer = abi_result_bytes(b->type) != 0;
    i32 fixed = -8 * (b->saves_context + 2 * b->saves_registers);
    if (has_result_pointer) {
        fixed -= 8;
        b->result_pointer_home = fixed;
    }
    b->slots_base = fixed - 8 * (i32)facts->accessed_count - 8;
    const u32 bound = (u32)(-b->slots_base) + 8 * facts->max_stack;
    choose_frame(b, bound);
    // Homes are few and all count as used; slots count as they are used.
    b->lowest = b->slots_base + 8;
    masm_prologue(b, bound);
    place_locals(b, fixed);
    zero_locals(b);
    if (has_result_pointer) {
        masm_store(b, VAL_I64, b->result_pointer_home, MASM_TARGET.param_general[0]);
    }
    flow_open_func(b);
    skip_local_declarations(b);
}

static bool finish(Baseline *b, CodeBlob *blob, Error *err) {
    u32 bytes;
    masm_misses(b);
    if (!code_finish(&b->code, &bytes) || bytes > BLOB_MAX_BYTES ||
        b->out->code.count > UINT32_MAX) {
        return fail(err, LIMIT, b->op_offset, "function too large for the target's branches");
    }
    u8 *entries = b->out->rodata.at + b->rodata_start;
    for (usize i = 0; i < b->table_labels.count; i++) {
        store_u32(entries + 4 * i, code_label_offset(&b->code, (Label){b->table_labels.at[i]}));
    }
    *blob = (CodeBlob){
        .kind = BLOB_FUNC,
        .index = b->func,
        .flags = b->has_frame ? 0 : BLOB_HAS_NO_FRAME,
        .code_at = (u32)b->code.start,
        .code_bytes = bytes,
        .align = 16,
        .rodata_at = b->rodata_start,
        .rodata_bytes = (u32)b->out->rodata.count - b->rodata_start,
        .first_fixup = b->first_fixup,
        .fixup_count = (u32)b->out->fixups.count - b->first_fixup,
        .first_site = b->first_site,
        .site_count = (u32)b->out->sites.count - b->first_site,
        .first_unwind = b->first_unwind,
        .unwind_count = ((u32)b->out->unwind.count - b->first_unwind) & 15,
    };
#ifndef NDEBUG
    return verify_blob(b, blob, err);
#else
    return true;
#endif
}

static void record_trap(void *env, u32 code_offset, u32 wasm_offset, u8 kind) {
    Baseline *b = env;
    if (!vec_push(&b->out->sites, site_of(code_offset, wasm_offset, kind))) {
        out_of_memory(b);
    }
}

static bool compile(void *state, u32 func, const FuncFacts *facts, CodeBlob *blob, Error *err) {
    Baseline *b = state;
    if (setjmp(b->landing) != 0) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory compiling a function");
    }
    code_open(&b->code, MASM_TARGET.code, &b->out->code, &b->landing);
    b->code.on_trap = record_trap;
    b->code.env = b;
    begin(b, func, facts);
    while (emit_instruction(b)) {
    }
    return finish(b, blob, err);
}

static void *open_state(const CompilePlan *plan, CodeOutput *out) {
    Baseline *b = mem_alloc(sizeof *b);
    if (b != NULL) {
        b->plan = plan;
        b->module = plan->module;
        b->out = out;
    }
    return b;
}

static void close_state(void *state) {
    Baseline *b = state;
    if (b == NULL) {
        return;
    }
    code_close(&b->code);
    vec_free(&b->stack_memory);
    vec_free(&b->controls);
    vec_free(&b->locals);
    vec_free(&b->states);
    vec_free(&b->table_labels);
    vec_free(&b->misses);
    mem_free(b);
}

const Compiler COMPILER_baseline = {
    .name = "baseline",
    .cpu_features = CPU_SSE41 | CPU_POPCNT, // roundss, popcnt
    .open = open_state,
    .close = close_state,
    .compile = compile,
};
