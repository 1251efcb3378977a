// The walk over a function's instructions, and the compiler's entry points.
#include "base/alloc.h"
#include "compile/baseline/mark.h"
#include "compile/baseline/ops.h"
#include "compile/baseline/refs.h"
#include "compile/baseline/verify.h"
#include "types/cpu.h"

// ---- Comparisons -------------------------------------------------------------------------------

void finish_compare(Baseline *b, u8 condition) {
    while (*b->pc == BYTE_I32_EQZ) {
        condition ^= 1;
        b->pc++;
    }
    const u8 next = *b->pc;
    if (next == BYTE_IF || next == BYTE_BR_IF || next == BYTE_SELECT || next == BYTE_SELECT_T) {
        b->pending = condition + 1;
    } else {
        masm_push_condition(b, condition);
    }
}

// ---- Instructions that say it all --------------------------------------------------------------

void emit_nop(Baseline *b, const OpRow *row) {
    (void)b;
    (void)row;
}

void emit_drop(Baseline *b, const OpRow *row) {
    (void)row;
    const Value value = pop(b);
    value_done(b, &value);
}

void emit_i32_const(Baseline *b, const OpRow *row) {
    push_entry(b, value_const(row->result, (u32)next_i32(b)));
}

void emit_i64_const(Baseline *b, const OpRow *row) {
    push_entry(b, value_const(row->result, (u64)next_i64(b)));
}

void emit_f32_const(Baseline *b, const OpRow *row) {
    push_entry(b, value_const(row->result, load_u32(b->pc)));
    skip_bytes(b, 4);
}

void emit_f64_const(Baseline *b, const OpRow *row) {
    push_entry(b, value_const(row->result, load_u64(b->pc)));
    skip_bytes(b, 8);
}

void emit_ref_null(Baseline *b, const OpRow *row) {
    (void)row;
    push_entry(b, value_const((u8)val_of_binary(*b->pc++), 0));
}

void emit_select_t(Baseline *b, const OpRow *row) {
    skip_bytes(b, next_u32(b));
    emit_select(b, row);
}

static inline void keep_traps_few(Baseline *b) {
    if (UNLIKELY(b->code.traps.count >= CODE_MANY_TRAPS)) {
        code_flush(&b->code);
    }
}

// The instruction at `pc`. Every third one is a local.get.
static inline void take_instruction(Baseline *b, const u8 *pc, const u8 *bytes) {
    const u8 byte = *pc;
    b->pc = pc + 1;
    b->locked = 0;
    if (byte == BYTE_LOCAL_GET) {
        push_local(b, next_u32(b));
        return;
    }
    b->op_offset = (u32)(pc - bytes);
    keep_traps_few(b);
    const Opcode op = byte >= 0xFC ? opcode_of(byte, next_u32(b)) : opcode_of_byte(byte);
    OP_ROWS[op].emit(b, &OP_ROWS[op]);
}

// Functions of their own, so that no variable has to survive a longjmp.
static __attribute__((noinline)) void walk(Baseline *b) {
    const u8 *const bytes = b->module->bytes;
    const u8 *const end = b->end;
    for (const u8 *pc = b->pc; pc != end; pc = b->pc) {
        take_instruction(b, pc, bytes);
    }
}

static void walk_and_mark(Baseline *b) {
    const u8 *const bytes = b->module->bytes;
    for (const u8 *pc = b->pc; pc != b->end; pc = b->pc) {
        keep_traps_few(b); // between marks: the traps are not this instruction's
        const Mark mark = mark_open(b);
        take_instruction(b, pc, bytes);
        mark_close(b, &mark, (u32)(pc - bytes));
    }
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
                       vec_reserve(&b->controls, (usize)facts->max_control + 1);
    if (!is_ok) {
        out_of_memory(b);
    }
    b->stack = b->stack_memory.at;
    b->sp = b->settled = b->slotted = b->slotted_from = 0;
    b->return_edge = LABEL_NONE;
}

static void choose_frame(Baseline *b, u32 bound) {
    const FuncFacts *facts = b->facts;
    b->has_frame = facts->has_call || facts->has_builtin ||
                   bound > b->plan->platform->red_zone_bytes;
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
            .pin = NO_REG,
            .type = facts->locals[index].type,
            .is_seen = facts->locals[index].is_param || facts->locals[index].needs_zero,
        };
    }
    for (u32 i = 0; i < b->type->param_count; i++) {
        const AbiPlace place = b->abi->params[i];
        if (facts->locals[i].stamp != facts->stamp) {
            continue;
        }
        if (place.reg == ABI_MEMORY) {
            b->locals.at[i].home = b->stack_param_bias + (i32)place.offset;
        } else {
            local_bind(b, i, (u8)place.reg, true);
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
    b->abi = &b->plan->layouts[b->module->funcs[func].type];
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
    b->call_count = 0;
    b->first_site = (u32)b->out->sites.count;
    b->first_fixup = (u32)b->out->fixups.count;
    b->first_unwind = (u32)b->out->unwind.count;
    records_settle(&b->records, b->out);
    reserve(b);
    b->saves_registers = wants_callee_saved(facts);
    b->saves_context = facts->has_foreign_call;
    b->allocatable = MASM_TARGET.allocatable & ~(b->saves_registers ? 0 : MASM_TARGET.callee_saved);
    const bool has_result_pointer = b->abi->result_bytes != 0;
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
    if (b->plan->maps_refs) {
        refs_open(b);
    }
    if (has_result_pointer) {
        masm_store(b, VAL_I64, b->result_pointer_home, ABI_REGS.param_general[0]);
    }
    flow_open_func(b);
    skip_local_declarations(b);
}

static bool fail_too_large(const Baseline *b, Error *err) {
    return fail(err, LIMIT, b->op_offset, "function needs more than %u bytes of code",
                CODE_MAX_BYTES);
}

static bool finish(Baseline *b, CodeBlob *blob, Error *err) {
    u32 bytes;
    masm_misses(b);
    if (!code_finish(&b->code, &bytes)) {
        return fail(err, LIMIT, b->op_offset, "function too large for the target's branches");
    }
    if (bytes > CODE_MAX_BYTES) { // by its tails
        return fail_too_large(b, err);
    }
    if (b->out->code.count > UINT32_MAX) {
        return fail(err, LIMIT, b->op_offset, "more than 4 GiB of code in a thread");
    }
    for (usize i = 0; i < b->table_labels.count; i++) {
        store_u32(b->out->rodata.at + b->rodata_start + 4 * i,
                  code_label_offset(&b->code, (Label){b->table_labels.at[i]}));
    }
    *blob = (CodeBlob){
        .kind = BLOB_FUNC,
        .index = b->func,
        .flags = b->has_frame ? 0 : BLOB_HAS_NO_FRAME,
        .code_at = (u32)b->code.start,
        .code_bytes = bytes,
        .rodata_at = b->rodata_start,
        .rodata_bytes = (u32)b->out->rodata.count - b->rodata_start,
        .first_fixup = b->first_fixup,
        .fixup_count = (u32)b->out->fixups.count - b->first_fixup,
        .first_site = b->first_site,
        .site_count = (u32)b->out->sites.count - b->first_site,
        .first_unwind = b->first_unwind,
        .unwind_count = ((u32)b->out->unwind.count - b->first_unwind) & 15,
        .refs = b->plan->maps_refs ? refs_close(b) : 0,
    };
#ifndef NDEBUG
    return verify_blob(b, blob, err);
#else
    return true;
#endif
}

static void record_trap(void *env, u32 code_offset, u32 wasm_offset, u8 kind) {
    Baseline *b = env;
    mark_settle(b);
    if (!vec_push(&b->out->sites, site_of(code_offset, wasm_offset, kind))) {
        out_of_memory(b);
    }
}

// A site for every instruction. The function's beginning counts as that of its body.
static __attribute__((noinline)) void compile_marked(Baseline *b, u32 func,
                                                     const FuncFacts *facts) {
    const Mark mark = {.site = (u32)b->out->sites.count, .jump = LABEL_NONE};
    begin(b, func, facts);
    mark_close(b, &mark, b->op_offset);
    walk_and_mark(b);
}

static void follow_moves(void *env) {
    Baseline *b = env;
    records_follow(&b->records, b->out, &b->code);
    if (b->frame_patch != ID_NONE) {
        CodeMoves moves = code_moves(&b->code);
        b->frame_patch = code_moved(&moves, b->frame_patch);
    }
}

static bool compile(void *state, u32 func, const FuncFacts *facts, CodeBlob *blob, Error *err) {
    Baseline *b = state;
    if (setjmp(b->landing) != 0) {
        if (b->code.is_too_large) {
            return fail_too_large(b, err);
        }
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory compiling a function");
    }
    code_open(&b->code, MASM_TARGET.code, &b->out->code, &b->landing);
    b->code.on_trap = record_trap;
    b->code.on_move = follow_moves;
    b->code.env = b;
    if (b->plan->maps_all) {
        compile_marked(b, func, facts);
    } else {
        begin(b, func, facts);
        walk(b);
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
    vec_free(&b->ref_homes);
    vec_free(&b->ref_operands);
    mem_free(b);
}

const Compiler COMPILER_baseline = {
    .name = "baseline",
    .cpu_features = CPU_SSE41 | CPU_POPCNT, // roundss, popcnt
    .open = open_state,
    .close = close_state,
    .compile = compile,
};
