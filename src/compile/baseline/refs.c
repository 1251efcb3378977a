#include "compile/baseline/refs.h"

#include <stdlib.h>

#include "compile/baseline/regs.h"

// Position behind which the local is dead.
static u32 end_of(const FuncFacts *facts, u32 local) {
    const LocalFacts *local_facts = &facts->locals[local];
    return local_facts->last_loop != ID_NONE ? facts->loops[local_facts->last_loop].end_offset
                                             : local_facts->last_use;
}

// Those that die last first; no two have the same home.
static int by_end(const void *a, const void *b) {
    const RefHome *left = a, *right = b;
    return left->end != right->end ? (left->end < right->end) - (left->end > right->end)
                                   : (left->home < right->home) - (left->home > right->home);
}

static void push_slot(Baseline *b, i32 offset) {
    assert(offset % 8 == 0 && b->frame_base == 5);
    if (!vec_push(&b->out->ref_slots, offset)) {
        out_of_memory(b);
    }
}

void refs_open(Baseline *b) {
    const FuncFacts *facts = b->facts;
    b->ref_homes.count = b->ref_operands.count = 0;
    b->refs_known = b->refs_kept = 0;
    b->ref_func = (RefFunc){.first_slot = (u32)b->out->ref_slots.count,
                            .first_call = (u32)b->out->ref_calls.count,
                            .operand_base = (u32)-b->slots_base};
    if (!facts->has_call && !facts->has_builtin) {
        return;
    }
    for (u32 i = 0; i < facts->accessed_count; i++) {
        const u32 local = facts->accessed[i];
        const RefHome home = {end_of(facts, local), b->locals.at[local].home};
        if (facts->locals[local].type == VAL_EXTERNREF && !vec_push(&b->ref_homes, home)) {
            out_of_memory(b);
        }
    }
    if (b->ref_homes.count > 1) {
        qsort(b->ref_homes.at, b->ref_homes.count, sizeof *b->ref_homes.at, by_end);
    }
    for (usize i = 0; i < b->ref_homes.count; i++) {
        push_slot(b, b->ref_homes.at[i].home);
    }
    b->ref_func.home_count = (u32)b->ref_homes.count;
}

// Registers that the callee leaves alone keep their locals, but nobody looks for references there.
static void store_saved(Baseline *b) {
    u32 left = b->regs.dirty & b->regs.is_local & MASM_TARGET.callee_saved;
    for (; left != 0; left &= left - 1) {
        const u8 reg = (u8)__builtin_ctz(left);
        if (b->locals.at[b->regs.owner[reg]].type == VAL_EXTERNREF) {
            local_clean(b, reg);
        }
    }
}

// Brings ref_operands up to date: the operands that are externrefs in slots.
static void find_operands(Baseline *b) {
    u32 known = b->refs_known < b->sp ? b->refs_known : b->sp;
    usize count = b->ref_operands.count;
    while (count != 0 && b->ref_operands.at[count - 1] >= known) {
        count--;
    }
    b->ref_operands.count = count;
    b->refs_kept = count < b->refs_kept ? (u32)count : b->refs_kept;
    for (; known < b->sp; known++) {
        const Value *value = &b->stack[known];
        assert(value->kind == VALUE_SLOT || value->kind == VALUE_CONST);
        if (value->type == VAL_EXTERNREF && value->kind == VALUE_SLOT &&
            !vec_push(&b->ref_operands, known)) {
            out_of_memory(b);
        }
    }
    b->refs_known = known;
}

void refs_at_call(Baseline *b) {
    assert(b->settled == b->sp);
    store_saved(b);
    while (b->ref_homes.count != 0 &&
           b->ref_homes.at[b->ref_homes.count - 1].end <= position(b)) {
        b->ref_homes.count--;
    }
    find_operands(b);
    const u32 operands = (u32)b->ref_operands.count;
    if (operands + b->ref_homes.count == 0) {
        return;
    }
    const RefCall call = {
        .call = b->call_count,
        .homes = (u32)b->ref_homes.count,
        .kept = b->refs_kept,
        .pushed = operands - b->refs_kept,
    };
    if (!vec_push(&b->out->ref_calls, call)) {
        out_of_memory(b);
    }
    for (u32 i = b->refs_kept; i < operands; i++) {
        push_slot(b, slot_offset(b, b->stack[b->ref_operands.at[i]].index) - b->slots_base);
    }
    b->refs_kept = operands;
}

u32 refs_close(Baseline *b) {
    CodeOutput *out = b->out;
    b->ref_func.call_count = (u32)out->ref_calls.count - b->ref_func.first_call;
    if (b->ref_func.call_count == 0) {
        out->ref_slots.count = b->ref_func.first_slot;
        return 0;
    }
    if (!vec_push(&out->ref_funcs, b->ref_func)) {
        out_of_memory(b);
    }
    return (u32)out->ref_funcs.count;
}
