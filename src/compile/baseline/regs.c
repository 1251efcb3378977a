#include "compile/baseline/regs.h"

_Noreturn void out_of_memory(Baseline *b) { longjmp(b->landing, 1); }

i32 slot_offset(Baseline *b, u32 stack_index) {
    const i32 offset = b->slots_base - 8 * (i32)stack_index;
    b->lowest = offset < b->lowest ? offset : b->lowest;
    return offset;
}

void local_clean(Baseline *b, u8 reg) {
    const u32 local = b->regs.owner[reg];
    if ((b->regs.dirty & BIT(reg)) != 0 && !local_is_dead(b, local)) {
        masm_store(b, b->locals.at[local].type, b->locals.at[local].home, reg);
    }
    b->regs.dirty &= ~BIT(reg);
}

// Makes room in a register: its local goes home, its stack entry to its slot.
static void evict(Baseline *b, u8 reg) {
    if ((b->regs.is_local & b->regs.dirty & b->locked & BIT(reg)) != 0) {
        // Perhaps a popped operand (reg_take): it will be read from its home, though this was the
        // local's last use.
        const LocalState *local = &b->locals.at[b->regs.owner[reg]];
        masm_store(b, local->type, local->home, reg);
    } else if ((b->regs.is_local & BIT(reg)) != 0) {
        local_clean(b, reg);
    } else {
        Value *entry = &b->stack[b->regs.owner[reg]];
        assert(entry->kind == VALUE_REG && entry->reg == reg && b->regs.owner[reg] < b->sp);
        masm_store(b, entry->type, slot_offset(b, b->regs.owner[reg]), reg);
        entry->kind = VALUE_SLOT;
        entry->index = b->regs.owner[reg];
    }
    reg_free(b, reg);
}

// The register whose contents are cheapest to lose: a clean local, a dirty one, a stack entry (the
// deepest), a pinned local.
static u8 choose_victim(const Baseline *b, u32 candidates) {
    const RegFile *regs = &b->regs;
    CHECK(candidates != 0);
    const u32 locals = candidates & regs->is_local & ~regs->pinned;
    if ((locals & ~regs->dirty) != 0) {
        return (u8)__builtin_ctz(locals & ~regs->dirty);
    }
    if (locals != 0) {
        return (u8)__builtin_ctz(locals);
    }
    u8 deepest = NO_REG;
    for (u32 left = candidates & ~regs->is_local; left != 0; left &= left - 1) {
        const u8 reg = (u8)__builtin_ctz(left);
        if (deepest == NO_REG || regs->owner[reg] < regs->owner[deepest]) {
            deepest = reg;
        }
    }
    return deepest != NO_REG ? deepest : (u8)__builtin_ctz(candidates);
}

static u8 free_reg(u32 mask) {
    const u32 scratch_first = mask & ~MASM_TARGET.pinnable;
    return (u8)__builtin_ctz(scratch_first != 0 ? scratch_first : mask);
}

u8 reg_alloc(Baseline *b, bool is_float) {
    const u32 all = b->allocatable & class_mask(is_float) & ~b->locked;
    const u32 unused = all & ~b->regs.used;
    u8 reg;
    if (LIKELY(unused != 0)) {
        reg = free_reg(unused);
    } else {
        reg = choose_victim(b, all);
        evict(b, reg);
    }
    b->locked |= BIT(reg);
    return reg;
}

void reg_take(Baseline *b, u8 reg) {
    const u32 bit = BIT(reg);
    if ((b->regs.used & bit) != 0) {
        const u32 unused =
            b->allocatable & class_mask(reg_is_float(reg)) & ~b->locked & ~b->regs.used & ~bit;
        if (unused == 0) {
            evict(b, reg);
        } else {
            const u8 other = free_reg(unused);
            const u32 owner = b->regs.owner[reg];
            const bool is_local = (b->regs.is_local & bit) != 0;
            const u8 type = is_local ? b->locals.at[owner].type : b->stack[owner].type;
            masm_move(b, type, other, reg);
            b->locked |= BIT(other); // it may still be a popped operand
            if (is_local) {
                const bool is_dirty = (b->regs.dirty & bit) != 0;
                reg_free(b, reg);
                local_bind(b, owner, other, is_dirty);
            } else {
                reg_free(b, reg);
                b->stack[owner].reg = other;
                b->regs.used |= BIT(other);
                b->regs.owner[other] = owner;
            }
        }
    }
    b->locked |= bit;
}

void local_bind(Baseline *b, u32 local, u8 reg, bool is_dirty) {
    const u32 bit = BIT(reg);
    assert(b->locals.at[local].reg == NO_REG && (b->regs.used & bit) == 0);
    b->regs.used |= bit;
    b->regs.is_local |= bit;
    b->regs.dirty = is_dirty ? b->regs.dirty | bit : b->regs.dirty & ~bit;
    b->regs.owner[reg] = local;
    b->locals.at[local].reg = reg;
}

// ---- Operand stack ----------------------------------------------------------------------------

// Gives entry `i`, which is a local, a slot of its own.
static void alias_to_slot(Baseline *b, u32 i) {
    Value *entry = &b->stack[i];
    value_store(b, i, entry);
    b->locals.at[entry->index].aliases--;
    *entry = (Value){.kind = VALUE_SLOT, .type = entry->type, .index = i};
}

i32 value_offset(Baseline *b, const Value *value) {
    assert(value->kind == VALUE_SLOT || value->kind == VALUE_LOCAL);
    return value->kind == VALUE_SLOT ? slot_offset(b, value->index)
                                     : b->locals.at[value->index].home;
}

void value_move(Baseline *b, u8 to, const Value *value) {
    const u8 from = value_reg_of(b, value);
    if (value->kind == VALUE_CONST) {
        masm_const(b, value->type, to, value->bits);
    } else if (from == NO_REG) {
        masm_load(b, value->type, to, value_offset(b, value));
    } else if (from != to) {
        masm_move(b, value->type, to, from);
    }
}

void value_store(Baseline *b, u32 stack_index, const Value *value) {
    const u8 from = value_reg_of(b, value);
    const i32 to = slot_offset(b, stack_index);
    if (value->kind == VALUE_CONST) {
        masm_store_const(b, value->type, to, value->bits);
    } else if (from != NO_REG) {
        masm_store(b, value->type, to, from);
    } else if (value_offset(b, value) != to) {
        masm_copy(b, value->type, to, value_offset(b, value));
    }
}

u8 local_reg_for(Baseline *b, u32 local) {
    const u8 pin = pin_of(b, local);
    if (pin != NO_REG && ((b->locked | b->regs.pinned) & BIT(pin)) == 0) {
        reg_take(b, pin);
        return pin;
    }
    return reg_alloc(b, val_is_float((ValType)b->locals.at[local].type));
}

// Caches a local that is in its home.
static u8 local_load(Baseline *b, u32 local) {
    const u8 reg = local_reg_for(b, local);
    masm_load(b, b->locals.at[local].type, reg, b->locals.at[local].home);
    local_bind(b, local, reg, false);
    b->regs.pinned |= pin_of(b, local) == reg ? BIT(reg) : 0;
    return reg;
}

u8 value_load(Baseline *b, Value *value) {
    if (value->kind == VALUE_LOCAL && !local_is_dead(b, value->index)) {
        return local_load(b, value->index);
    }
    const u8 reg = reg_alloc(b, val_is_float((ValType)value->type));
    value_move(b, reg, value);
    *value = value_reg(value->type, reg);
    b->regs.used |= BIT(reg);
    b->regs.owner[reg] = ID_NONE;
    return reg;
}

u8 value_to_own(Baseline *b, Value *value) {
    if (value_is_own(b, value)) {
        return value->reg;
    }
    const u8 reg = reg_alloc(b, val_is_float((ValType)value->type));
    value_move(b, reg, value);
    *value = value_reg(value->type, reg);
    b->regs.used |= BIT(reg);
    b->regs.owner[reg] = ID_NONE;
    return reg;
}

void settle(Baseline *b, u32 count) {
    // Entries that have been pushed since are not known to be in slots.
    b->slotted = b->slotted < b->settled ? b->slotted : b->settled;
    b->refs_known = b->refs_known < b->settled ? b->refs_known : b->settled;
    for (u32 i = b->settled; i < count; i++) {
        Value *entry = &b->stack[i];
        if (entry->kind == VALUE_LOCAL) {
            alias_to_slot(b, i);
        } else if (entry->kind == VALUE_REG) {
            evict(b, entry->reg);
        }
    }
    b->settled = b->settled < count ? count : b->settled;
}

void drop_operands(Baseline *b, u32 height) {
    while (b->sp > height && b->sp > b->settled) {
        const Value value = pop(b);
        value_done(b, &value);
    }
    if (b->sp > height) { // what is settled holds nothing
        b->sp = b->settled = height;
    }
}

void push_slots(Baseline *b, const u8 *types, u32 count) {
    const u32 first = b->sp;
    assert(b->settled == first);
    b->slotted = b->slotted < first ? b->slotted : first;
    b->refs_known = b->refs_known < first ? b->refs_known : first;
    Value *entries = b->stack + first;
    for (u32 i = 0; i < count; i++) {
        entries[i].kind = VALUE_SLOT;
        entries[i].type = types[i];
        entries[i].index = first + i;
    }
    b->sp = b->settled = first + count;
    const bool is_continued = b->slotted == first && b->slotted_from <= first;
    if (is_continued || count > WIDE_OPERANDS) {
        b->slotted_from = is_continued ? b->slotted_from : first;
        b->slotted = b->sp;
    }
}

// Stores the constants among the entries from `first` on to their slots.
static void constants_to_slots(Baseline *b, u32 first) {
    for (u32 i = first; i < b->sp; i++) {
        if (b->stack[i].kind == VALUE_CONST) {
            value_store(b, i, &b->stack[i]);
            b->stack[i] = (Value){.kind = VALUE_SLOT, .type = b->stack[i].type, .index = i};
            b->refs_known = b->refs_known < i ? b->refs_known : i;
        }
    }
}

void operands_to_slots(Baseline *b, u32 count) {
    settle(b, b->sp);
    const u32 first = b->sp - count;
    const bool is_known = b->slotted_from <= first && first < b->slotted;
    constants_to_slots(b, is_known ? b->slotted : first);
    b->slotted_from = is_known ? b->slotted_from : first;
    b->slotted = b->sp;
}

void local_materialize_aliases(Baseline *b, u32 local) {
    u32 i = b->sp;
    while (b->locals.at[local].aliases != 0) {
        Value *entry = &b->stack[--i];
        if (entry->kind != VALUE_LOCAL || entry->index != local) {
            continue;
        }
        const bool is_float = val_is_float((ValType)entry->type);
        const u32 unused = b->allocatable & class_mask(is_float) & ~b->regs.used & ~b->locked;
        if (unused == 0) {
            alias_to_slot(b, i);
            continue;
        }
        const u8 reg = free_reg(unused);
        value_move(b, reg, entry);
        b->locals.at[local].aliases--;
        *entry = value_reg(entry->type, reg);
        b->regs.used |= BIT(reg);
        b->regs.owner[reg] = i;
    }
}

void regs_flush(Baseline *b, u32 keep) {
    for (u32 left = b->regs.used & ~keep; left != 0; left &= left - 1) {
        const u8 reg = (u8)__builtin_ctz(left);
        if ((b->regs.is_local & BIT(reg)) != 0 || b->regs.owner[reg] < b->sp) {
            evict(b, reg);
        }
    }
}
