#include "compile/baseline/merge.h"

// ---- Simultaneous moves ------------------------------------------------------------------------

void moves_add(Baseline *b, MoveSet *moves, u8 to, const Value *value) {
    const u8 from = value_reg_of(b, value);
    if (from == to) {
        // It stays, but nothing may overwrite it before others have read it: still a target.
        return;
    }
    moves->targets |= BIT(to);
    moves->value[to] = *value;
    if (from != NO_REG) {
        moves->from_regs |= BIT(to);
        moves->from[to] = from;
    }
}

// Emits the move into `to` and marks it done.
static void move_one(Baseline *b, MoveSet *moves, u8 to, u8 from) {
    masm_move(b, moves->value[to].type, to, from);
    moves->from_regs &= ~BIT(to);
    moves->targets &= ~BIT(to);
}

// A cycle: every pending target is one pending move's source. Swaps, or goes by the scratch
// register, so that `to` is done and its old contents are where the others will look.
static void break_cycle(Baseline *b, MoveSet *moves, u8 to) {
    const u8 from = moves->from[to];
    u8 holds = from;
    if (reg_is_float(to)) {
        const u8 scratch = masm_scratch(true);
        masm_move(b, VAL_F64, scratch, to);
        holds = scratch;
        move_one(b, moves, to, from);
    } else {
        masm_swap(b, to, from);
        moves->from_regs &= ~BIT(to);
        moves->targets &= ~BIT(to);
    }
    for (u32 left = moves->from_regs; left != 0; left &= left - 1) {
        const u8 other = (u8)__builtin_ctz(left);
        if (moves->from[other] == to) {
            moves->from[other] = holds;
        }
    }
}

void moves_emit(Baseline *b, MoveSet *moves) {
    while (moves->from_regs != 0) {
        u32 sources = 0;
        for (u32 left = moves->from_regs; left != 0; left &= left - 1) {
            sources |= BIT(moves->from[__builtin_ctz(left)]);
        }
        u32 ready = moves->from_regs & ~sources;
        if (ready == 0) {
            const u8 to = (u8)__builtin_ctz(moves->from_regs);
            if (moves->from[to] == to) { // a swap has brought it home
                moves->from_regs &= ~BIT(to);
                moves->targets &= ~BIT(to);
            } else {
                break_cycle(b, moves, to);
            }
            continue;
        }
        for (; ready != 0; ready &= ready - 1) {
            const u8 to = (u8)__builtin_ctz(ready);
            move_one(b, moves, to, moves->from[to]);
        }
    }
    for (u32 left = moves->targets; left != 0; left &= left - 1) {
        const u8 to = (u8)__builtin_ctz(left);
        const Value *value = &moves->value[to];
        if (value->kind == VALUE_CONST) {
            masm_const(b, value->type, to, value->bits);
        } else {
            masm_load(b, value->type, to, value_offset(b, value));
        }
    }
    moves->targets = 0;
}

// ---- Block types -------------------------------------------------------------------------------

static const u8 SINGLE_TYPES[VAL_COUNT] = {0, 1, 2, 3, 4, 5, 6, 7};

// Block types as decoded: 0x40 (empty), a value type, or a type index (33-bit signed LEB128).
enum { BLOCK_EMPTY = -64 };

static const u8 *params_of(const FuncType *type, u32 *count) {
    *count = type->param_count;
    return type_params(type);
}

static const u8 *results_of(const FuncType *type, u32 *count) {
    *count = type->result_count;
    return type_results(type);
}

const u8 *block_params(const Baseline *b, const Control *control, u32 *count) {
    *count = 0;
    const bool has_params = control->block_type >= 0 && control->kind != CONTROL_FUNC;
    return has_params ? params_of(&b->module->types[control->block_type], count) : NULL;
}

const u8 *block_results(const Baseline *b, const Control *control, u32 *count) {
    *count = 0;
    if (control->block_type == BLOCK_EMPTY) {
        return NULL;
    }
    if (control->block_type < 0) {
        *count = 1;
        return &SINGLE_TYPES[val_of_binary((u8)(control->block_type & 0x7F))];
    }
    return results_of(control->kind == CONTROL_FUNC ? b->type
                                                    : &b->module->types[control->block_type],
                      count);
}

const u8 *label_types(const Baseline *b, const Control *control, u32 *count) {
    return control->kind == CONTROL_LOOP ? block_params(b, control, count)
                                         : block_results(b, control, count);
}

// ---- States ------------------------------------------------------------------------------------

static const MergeState EMPTY_STATE = {.result_reg = NO_REG};

static const MergeState *state_of(const Baseline *b, u16 state) {
    assert(state != STATE_NONE);
    return state == STATE_EMPTY ? &EMPTY_STATE : &b->states.at[state];
}

// A fresh state, or STATE_EMPTY when there are too many.
static u16 state_new(Baseline *b) {
    const u16 state = b->free_state;
    if (state != STATE_NONE) {
        b->free_state = b->states.at[state].next_free;
        return state;
    }
    if (b->states.count == MAX_MERGE_STATES) {
        return STATE_EMPTY;
    }
    if (!vec_push(&b->states, EMPTY_STATE)) {
        out_of_memory(b);
    }
    return (u16)(b->states.count - 1);
}

void state_drop(Baseline *b, u16 state) {
    if (state < STATE_EMPTY) {
        b->states.at[state].next_free = b->free_state;
        b->free_state = state;
    }
}

// Records the live locals that stand in registers.
static void snapshot(const Baseline *b, MergeState *state, u8 result_reg) {
    state->used = 0;
    state->pinned = 0;
    state->result_reg = result_reg;
    state->edge = LABEL_NONE;
    for (u32 left = b->regs.used & b->regs.is_local; left != 0; left &= left - 1) {
        const u32 reg = (u32)__builtin_ctz(left);
        const u32 local = b->regs.owner[reg];
        state->owner[reg] = local;
        state->used |= (u32)!local_is_dead(b, local) << reg;
    }
    state->dirty = b->regs.dirty & state->used;
}

u16 state_save(Baseline *b) {
    const u16 state = state_new(b);
    if (state == STATE_EMPTY) {
        regs_flush(b, 0);
    } else {
        snapshot(b, &b->states.at[state], NO_REG);
    }
    return state;
}

// Registers in which a local stands that the state has there, too. All are compared, four at once:
// their number varies too much for a branch on it.
static u32 agreeing(const Baseline *b, const MergeState *state) {
    enum { LANES = 4 };
    typedef u32 Lanes __attribute__((vector_size(4 * LANES)));
    Lanes agree = {0};
    Lanes bits = {1, 2, 4, 8};
    for (u32 reg = 0; reg < REG_COUNT; reg += LANES) {
        Lanes mine, theirs;
        memcpy(&mine, &b->regs.owner[reg], sizeof mine);
        memcpy(&theirs, &state->owner[reg], sizeof theirs);
        agree |= (Lanes)(mine == theirs) & bits;
        bits <<= LANES;
    }
    const u32 all = agree[0] | agree[1] | agree[2] | agree[3];
    return all & b->regs.used & b->regs.is_local & state->used;
}

void repin(Baseline *b) {
    b->regs.pinned = 0;
    if (b->loop_state < STATE_EMPTY) {
        const MergeState *state = &b->states.at[b->loop_state];
        b->regs.pinned = state->pinned & agreeing(b, state);
    }
}

void state_load(Baseline *b, u16 id) {
    const MergeState *state = state_of(b, id);
    const u32 agree = agreeing(b, state);
    for (u32 left = b->regs.used & b->regs.is_local & ~agree; left != 0; left &= left - 1) {
        b->locals.at[b->regs.owner[__builtin_ctz(left)]].reg = NO_REG;
    }
    b->regs.used = b->regs.is_local = state->used;
    b->regs.dirty = state->dirty;
    for (u32 left = state->used & ~agree; left != 0; left &= left - 1) {
        const u8 reg = (u8)__builtin_ctz(left);
        b->regs.owner[reg] = state->owner[reg];
        b->locals.at[state->owner[reg]].reg = reg;
    }
    repin(b);
}

// ---- Labels ------------------------------------------------------------------------------------

bool label_fix(Baseline *b, Control *control) {
    if (control->state != STATE_NONE) {
        return false;
    }
    u32 count;
    const u8 *types = label_types(b, control, &count);
    u8 result_reg = NO_REG;
    if (count == 1) {
        const Value *value = &b->stack[b->sp - 1];
        const bool is_own = value->kind == VALUE_REG;
        result_reg = is_own ? value->reg : reg_alloc(b, val_is_float((ValType)types[0]));
    }
    control->state = state_new(b);
    if (control->state == STATE_EMPTY) {
        return false;
    }
    snapshot(b, &b->states.at[control->state], result_reg);
    return true;
}

// True if the local in `reg`, which is not there in the state, must be stored on an edge.
static bool needs_store(const Baseline *b, const MergeState *state, u32 agree, u8 reg) {
    const u32 local = b->regs.owner[reg];
    for (u32 left = state->used & ~agree; left != 0; left &= left - 1) {
        const u8 goal = (u8)__builtin_ctz(left);
        if (state->owner[goal] == local) {
            return (state->dirty & BIT(goal)) == 0;
        }
    }
    return !local_is_dead(b, local);
}

bool edge_operands_are_free(Baseline *b, const Control *control) {
    const MergeState *state = state_of(b, control->state);
    u32 count;
    (void)label_types(b, control, &count);
    if (count == 1 && state->result_reg != NO_REG) {
        return value_reg_of(b, &b->stack[b->sp - 1]) == state->result_reg;
    }
    for (u32 i = 0; i < count; i++) {
        const Value *value = &b->stack[b->sp - count + i];
        if (value->kind != VALUE_SLOT || value->index != control->height + i) {
            return false;
        }
    }
    return true;
}

static bool edge_locals_are_free(const Baseline *b, const MergeState *state) {
    const u32 agree = agreeing(b, state);
    if ((b->regs.dirty & agree & ~state->dirty) != 0) {
        return false;
    }
    for (u32 left = state->used & ~agree; left != 0; left &= left - 1) {
        if (!local_is_dead(b, state->owner[__builtin_ctz(left)])) {
            return false;
        }
    }
    for (u32 left = b->regs.dirty & ~agree; left != 0; left &= left - 1) {
        if (needs_store(b, state, agree, (u8)__builtin_ctz(left))) {
            return false;
        }
    }
    return true;
}

bool edge_is_free(Baseline *b, const Control *control) {
    return edge_operands_are_free(b, control) &&
           edge_locals_are_free(b, state_of(b, control->state));
}

void edge_emit(Baseline *b, const Control *control) {
    const MergeState *state = state_of(b, control->state);
    const u32 agree = agreeing(b, state);
    MoveSet moves;
    moves_begin(&moves);
    for (u32 left = b->regs.dirty & ~(agree & state->dirty); left != 0; left &= left - 1) {
        const u8 reg = (u8)__builtin_ctz(left);
        if ((agree & BIT(reg)) != 0 || needs_store(b, state, agree, reg)) {
            const LocalState *local = &b->locals.at[b->regs.owner[reg]];
            masm_store(b, local->type, local->home, reg);
        }
    }
    u32 count;
    (void)label_types(b, control, &count);
    if (count == 1 && state->result_reg != NO_REG) {
        moves_add(b, &moves, state->result_reg, &b->stack[b->sp - 1]);
    } else {
        for (u32 i = 0; i < count; i++) { // ascending: a slot is read before it is overwritten
            value_store(b, control->height + i, &b->stack[b->sp - count + i]);
        }
    }
    for (u32 left = state->used & ~agree; left != 0; left &= left - 1) {
        const u8 reg = (u8)__builtin_ctz(left);
        const u32 local = state->owner[reg];
        if (!local_is_dead(b, local)) {
            const Value value = {
                .kind = VALUE_LOCAL, .type = b->locals.at[local].type, .index = local};
            moves_add(b, &moves, reg, &value);
        }
    }
    moves_emit(b, &moves);
}

void label_enter(Baseline *b, Control *control) {
    const MergeState *state = state_of(b, control->state);
    u32 count;
    const u8 *types = block_results(b, control, &count);
    drop_operands(b, control->height);
    state_load(b, control->state);
    b->sp = b->settled = control->height;
    if (count == 1 && state->result_reg != NO_REG) {
        push_reg(b, types[0], state->result_reg);
    } else {
        push_slots(b, types, count);
    }
}

// ---- Loops -------------------------------------------------------------------------------------

// Registers beyond which a loop keeps no locals that it hardly uses.
enum { KEPT_MAX_GENERAL = 7, KEPT_MAX_FLOAT = 11 };

// Registers for one more local that the loop wants.
static u32 pinnable_regs(const Baseline *b, bool is_float, bool has_call, u32 wanted) {
    const u32 all = b->allocatable & MASM_TARGET.pinnable & class_mask(is_float) & ~wanted;
    const u32 saved = all & MASM_TARGET.callee_saved;
    return has_call && saved != 0 ? saved : all;
}

// Puts a hot local in a register that no other hot local has; returns the register.
static u8 place_hot(Baseline *b, u32 index, bool has_call, u32 wanted) {
    LocalState *local = &b->locals.at[index];
    const u32 good = pinnable_regs(b, val_is_float((ValType)local->type), has_call, wanted);
    CHECK(good != 0); // fewer are pinned than there are
    if (local->reg != NO_REG && (good & BIT(local->reg)) != 0) {
        return local->reg;
    }
    const u32 unused = good & ~b->regs.used;
    const u8 reg = (u8)__builtin_ctz(unused != 0 ? unused : good);
    regs_flush(b, ~BIT(reg));
    bool is_dirty = false;
    if (local->reg != NO_REG) {
        is_dirty = (b->regs.dirty & BIT(local->reg)) != 0;
        masm_move(b, local->type, reg, local->reg);
        reg_free(b, local->reg);
    } else {
        masm_load(b, local->type, reg, local->home);
    }
    local_bind(b, index, reg, is_dirty);
    return reg;
}

static u32 pin_hot_locals(Baseline *b, const LoopFacts *facts) {
    u32 wanted = 0, general = 0, floats = 0;
    for (u32 i = 0; i < facts->hot_count; i++) {
        const HotLocal *hot = &b->facts->hots[facts->first_hot + i];
        LocalState *local = &b->locals.at[hot->local];
        const bool is_float = val_is_float((ValType)local->type);
        u32 *count = is_float ? &floats : &general;
        const u32 max = is_float ? MASM_TARGET.pinned_max_float : MASM_TARGET.pinned_max_general;
        if (!local->is_seen || *count == max) {
            continue;
        }
        const u8 reg = place_hot(b, hot->local, facts->has_call, wanted);
        (*count)++;
        wanted |= BIT(reg);
        local->pin = reg;
        b->regs.dirty |= hot->is_assigned ? BIT(reg) : 0;
    }
    return wanted;
}

// Locals that the loop does not want go home, but for a few that are not in its way.
static void drop_cold_locals(Baseline *b, u32 wanted) {
    u32 kept_general = (u32)__builtin_popcount(wanted & GENERAL_MASK);
    u32 kept_float = (u32)__builtin_popcount(wanted & FLOAT_MASK);
    u32 keep = wanted;
    for (u32 left = b->regs.used & ~wanted & MASM_TARGET.pinnable; left != 0; left &= left - 1) {
        const u8 reg = (u8)__builtin_ctz(left);
        u32 *kept = reg_is_float(reg) ? &kept_float : &kept_general;
        if (*kept < (reg_is_float(reg) ? KEPT_MAX_FLOAT : KEPT_MAX_GENERAL)) {
            keep |= BIT(reg);
            (*kept)++;
        }
    }
    regs_flush(b, keep);
}

void loop_fix(Baseline *b, Control *control, const LoopFacts *facts) {
    const u16 state = state_new(b);
    control->state = state;
    b->regs.pinned = 0;
    u32 operands;
    (void)label_types(b, control, &operands);
    const bool keeps_locals = state != STATE_EMPTY && operands <= WIDE_OPERANDS;
    const u32 wanted = keeps_locals ? pin_hot_locals(b, facts) : 0;
    if (keeps_locals) {
        drop_cold_locals(b, wanted);
    } else {
        regs_flush(b, 0);
    }
    if (state == STATE_EMPTY) {
        b->loop_state = state;
        return;
    }
    snapshot(b, &b->states.at[state], NO_REG);
    b->states.at[state].pinned = wanted & b->states.at[state].used;
    b->loop_state = state;
    repin(b);
}
