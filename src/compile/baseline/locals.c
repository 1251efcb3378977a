// local.set, local.tee.
#include "compile/baseline/ops.h"

// A value in a register goes to the local whose loop wants it in `pin` (NO_REG: in none).
static void assign_elsewhere(Baseline *b, u32 index, Value *value, u8 pin) {
    LocalState *local = &b->locals.at[index];
    if (value_is_own(b, value) && (pin == NO_REG || pin == value->reg)) {
        b->regs.used &= ~BIT(value->reg);
        local_bind(b, index, value->reg, true);
    } else {
        const u8 reg = local_reg_for(b, index);
        value_move(b, reg, value);
        value_done(b, value);
        local_bind(b, index, reg, true);
    }
    b->regs.pinned |= pin == local->reg && pin != NO_REG ? BIT(pin) : 0;
}

// The local takes the value over; false if nothing will ever read it.
static bool assign(Baseline *b, u32 index, Value *value) {
    LocalState *local = &b->locals.at[index];
    const u8 reg = local->reg;
    if (value->kind == VALUE_REG && value->reg == reg) { // computed in place
        b->regs.dirty |= BIT(reg);
        local->is_seen = true;
        return true;
    }
    if (value->kind == VALUE_LOCAL && value->index == index) {
        return true;
    }
    local_materialize_aliases(b, index);
    local->is_seen = true;
    if (reg != NO_REG && (b->regs.pinned & BIT(reg)) != 0) {
        value_move(b, reg, value);
        value_done(b, value);
        b->regs.dirty |= BIT(reg);
        return true;
    }
    if (reg != NO_REG) {
        reg_free(b, reg);
    }
    if (local_is_dead(b, index)) {
        return false;
    }
    assign_elsewhere(b, index, value, pin_of(b, index));
    return true;
}

void emit_local_set(Baseline *b, const OpRow *row) {
    (void)row;
    Value value = pop(b);
    if (!assign(b, next_u32(b), &value)) {
        value_done(b, &value);
    }
}

void emit_local_tee(Baseline *b, const OpRow *row) {
    (void)row;
    const u32 index = next_u32(b);
    Value value = pop(b);
    if (assign(b, index, &value)) {
        push_local(b, index);
    } else {
        push(b, value);
    }
}

u8 destination_hint_of(Baseline *b) {
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
