// Registers, the abstract operand stack and the locals cached in registers.
//
// `locked` holds the registers of the present instruction's operands: they are not evicted. The
// walk clears it between instructions. A register that an operation asks for comes back locked and
// with no contents recorded: the operation pushes a value in it or binds a local to it.
#ifndef COMPILE_BASELINE_REGS_H
#define COMPILE_BASELINE_REGS_H

#include "compile/baseline/masm.h"

// Frame offset of an operand stack entry's slot.
i32 slot_offset(Baseline *b, u32 stack_index);

// The register holds nothing any more.
static inline void reg_free(Baseline *b, u8 reg) {
    const u32 bit = BIT(reg);
    RegFile *regs = &b->regs;
    if ((regs->is_local & bit) != 0) {
        b->locals.at[regs->owner[reg]].reg = NO_REG;
    }
    regs->used &= ~bit;
    regs->is_local &= ~bit;
    regs->dirty &= ~bit;
    regs->pinned &= ~bit;
}

// ---- Operand stack
// Locals on the stack deeper than this below its top are copied to their slots, so that the search
// for a local's aliases stays short (and so is anything else there: `settled` is a prefix).
enum { ALIAS_WINDOW = 32 };
// Brings all entries below `count` to where control flow may merge: constants or slots.
void settle(Baseline *b, u32 count);

// A new entry, its contents undefined. Room was reserved from FuncFacts.max_stack.
static inline Value *push_new(Baseline *b) {
    if (UNLIKELY((i32)(b->sp - b->settled) >= ALIAS_WINDOW)) {
        settle(b, b->settled + 1);
    }
    return &b->stack[b->sp++];
}
// A constant, a slot, or what has been accounted for.
static inline void push_entry(Baseline *b, Value value) { *push_new(b) = value; }
static inline void push_reg(Baseline *b, u8 type, u8 reg) {
    if ((b->regs.is_local & BIT(reg)) == 0) {
        b->regs.used |= BIT(reg);
        b->regs.owner[reg] = b->sp;
    }
    Value *entry = push_new(b);
    entry->kind = VALUE_REG;
    entry->type = type;
    entry->reg = reg;
}
// What has been popped before, perhaps in another register.
static inline void push(Baseline *b, Value value) {
    if (value.kind == VALUE_REG) {
        push_reg(b, value.type, value.reg);
        return;
    }
    if (value.kind == VALUE_LOCAL) {
        b->locals.at[value.index].aliases++;
    }
    push_entry(b, value);
}
// The popped value's register, or its local's, is locked.
static inline Value pop(Baseline *b) {
    assert(b->sp != 0);
    const Value value = b->stack[--b->sp];
    b->settled = b->settled < b->sp ? b->settled : b->sp;
    if (value.kind == VALUE_LOCAL) {
        LocalState *local = &b->locals.at[value.index];
        local->aliases--;
        b->locked |= local->reg != NO_REG ? BIT(local->reg) : 0;
    } else if (value.kind == VALUE_REG) {
        b->locked |= BIT(value.reg);
    }
    return value;
}
// True for a value in a register that holds nothing else.
static inline bool value_is_own(const Baseline *b, const Value *value) {
    return value->kind == VALUE_REG && (b->regs.is_local & BIT(value->reg)) == 0;
}
// The operand has been read: its register is free again unless it is a local's.
static inline void value_done(Baseline *b, const Value *value) {
    if (value->kind == VALUE_REG) {
        b->regs.used &= ~BIT(value->reg) | b->regs.is_local;
    }
}
// A register that holds the value and nothing else; may be overwritten. Locked.
u8 value_to_own(Baseline *b, Value *value);
// Copies the value into a register that is free (or holds it already), changes no state.
void value_move(Baseline *b, u8 to, const Value *value);
// Copies the value into its frame slot `stack_index`, changes no state.
void value_store(Baseline *b, u32 stack_index, const Value *value);
// Register of a value that is in one, else NO_REG; frame offset of one that is not (nor constant).
static inline u8 value_reg_of(const Baseline *b, const Value *value) {
    if (value->kind == VALUE_REG) {
        return value->reg;
    }
    return value->kind == VALUE_LOCAL ? b->locals.at[value->index].reg : NO_REG;
}
i32 value_offset(Baseline *b, const Value *value);
// A register that holds the value; not to be written. Locked.
u8 value_load(Baseline *b, Value *value); // one that is in none
static inline u8 value_to_reg(Baseline *b, Value *value) {
    const u8 present = value_reg_of(b, value);
    if (present == NO_REG) {
        return value_load(b, value);
    }
    b->locked |= BIT(present);
    return present;
}
// Pops and releases the entries from `height` on.
void drop_operands(Baseline *b, u32 height);
// Pushes values that stand in their slots, onto settled entries.
void push_slots(Baseline *b, const u8 *types, u32 count);
// Brings the topmost entries to their slots, constants too. They belong to the innermost block:
// what stands below it may be reached from elsewhere, where a constant was not stored.
void operands_to_slots(Baseline *b, u32 count);

// ---- Registers
// A free register, locked; evicts if there is none.
u8 reg_alloc(Baseline *b, bool is_float);
// Empties this register (its contents move elsewhere) and locks it. A popped operand that is the
// register's local is found elsewhere afterwards: in another register (locked) or in its home.
void reg_take(Baseline *b, u8 reg);

// ---- Locals
static inline bool local_is_dead(const Baseline *b, u32 local) {
    const LocalFacts *facts = &b->facts->locals[local];
    if (b->locals.at[local].aliases != 0) {
        return false;
    }
    if (facts->last_loop != ID_NONE) {
        return b->facts->loops[facts->last_loop].end_offset <= position(b);
    }
    return facts->last_use <= position(b);
}
// Binds a register without contents to a local.
void local_bind(Baseline *b, u32 local, u8 reg, bool is_dirty);
// A register for a local that is in none: the one its loop wants it in, if that can be had. Locked.
u8 local_reg_for(Baseline *b, u32 local);
// Entries of the stack that are this local get its present value for themselves.
void local_materialize_aliases(Baseline *b, u32 local);
// Stores the register's local to its home if dirty and still wanted.
void local_clean(Baseline *b, u8 reg);
// Empties all registers outside `keep`: locals go home, stack entries to slots.
void regs_flush(Baseline *b, u32 keep);

#endif
