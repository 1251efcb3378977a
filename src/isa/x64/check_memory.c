// See check_int.h: what registers hold, and which memory may be accessed through them.
#include "isa/x64/check_int.h"

enum { COUNTED_SCALE = 3, ENTRY_SCALE = 3, JUMP_SCALE = 2 };

bool check_complain(Checker *c, const char *complaint) {
    if (c->complaint == NULL) {
        c->complaint = complaint;
    }
    return false;
}

// ---- Registers ---------------------------------------------------------------------------------

Upper check_upper(RegState reg) {
    switch ((RegKind)reg.kind) {
    case REG_DATA:
        return (Upper)reg.upper;
    case REG_TABLE_OFFSET:
        return UPPER_ZERO;
    case REG_RECORD:
        return UPPER_ASSUMED;
    case REG_ENTRY: case REG_CONTEXT: case REG_HEAP: case REG_FRAME: case REG_STACK:
    case REG_VALUE: case REG_RESULT: case REG_RODATA: case REG_TABLE: case REG_TEXT:
    case REG_CODE: case REG_START: case REG_JUMP_OFFSET: case REG_JUMP_TARGET: case REG_SUM:
    default:
        return UPPER_DIRTY;
    }
}

void check_set_reg(Checker *c, u8 reg, RegState value) {
    if (reg == RSP) {
        if (value.kind == REG_FRAME) {
            c->state.depth = PROLOGUE_DEPTH;
        } else {
            check_complain(c, "writes the stack pointer");
        }
        return;
    }
    if (reg == RBP) {
        if (value.kind == REG_STACK && (i32)value.value == -PROLOGUE_DEPTH) {
            value = reg_of(REG_FRAME, 0);
        } else if (value.kind != REG_FRAME && !(value.kind == REG_ENTRY && value.value == RBP)) {
            check_complain(c, "writes the frame pointer");
        }
    } else if (reg == R13) {
        value = value.kind == REG_RECORD ? reg_of(REG_CONTEXT, 0) : value;
        if (value.kind != REG_CONTEXT) {
            check_complain(c, "writes the context register");
        }
    } else if (reg == R15 && value.kind != REG_HEAP) {
        check_complain(c, "writes the heap register");
    }
    c->state.regs[reg] = value;
}

void check_entry_state(Checker *c) {
    State *state = &c->state;
    *state = (State){.is_reached = true, .has_depth = true};
    for (u32 i = 0; i < 16; i++) {
        const bool is_zero = (c->input->zero_extended_params >> i & 1) != 0;
        state->regs[i] = data_of(is_zero ? UPPER_ZERO : UPPER_ASSUMED);
    }
    state->regs[RBX] = reg_of(REG_ENTRY, RBX);
    state->regs[RBP] = reg_of(REG_ENTRY, RBP);
    state->regs[R12] = reg_of(REG_ENTRY, R12);
    state->regs[R13] = reg_of(REG_CONTEXT, 1);
    state->regs[R15] = reg_of(REG_HEAP, 1);
    if (c->input->result_bytes != 0) {
        state->regs[RDI] = reg_of(REG_RESULT, 0);
    }
}

// An index in 32 bits: proved, or assumed where that will do.
static bool check_index(Checker *c, u8 index) {
    const Upper upper = check_upper(get_reg(c, index));
    if (upper == UPPER_DIRTY) {
        return check_complain(c, "the index's upper half may not be zero");
    }
    if (upper == UPPER_ASSUMED && c->input->strict) {
        return check_complain(c, "the index's upper half is not known to be zero");
    }
    return true;
}

// ---- Memory ------------------------------------------------------------------------------------

static bool range_has(X64Range range, i64 at, u32 bytes) {
    return at >= range.at && at + bytes <= (i64)range.at + range.bytes;
}

static bool needs_no_index(Checker *c) {
    return c->inst->index == X64_ABSENT || check_complain(c, "an index where none may be");
}

// Contents that the rules depend on.
static bool is_protected(RegState content) {
    return content.kind == REG_ENTRY || content.kind == REG_RESULT ||
           is_own(content, REG_CONTEXT);
}

RegState check_frame(Checker *c, i64 at, u32 bytes, bool is_write, const RegState *content) {
    const State *state = &c->state;
    const i64 lowest = -(i64)state->depth - (state->frame_depth == 0 ? RED_ZONE_BYTES : 0);
    const bool is_param = range_has((X64Range){8, c->input->param_stack_bytes}, at, bytes);
    if (!state->has_depth) {
        check_complain(c, "the stack's depth is not known");
        return data_of(UPPER_DIRTY);
    }
    if (!is_param && (at < lowest || at + bytes > 0)) {
        check_complain(c, "outside of the frame");
    }
    for (u32 i = 0; i < c->slot_count; i++) {
        const Slot *slot = &c->slots[i];
        if (at == slot->at && bytes == 8 && !is_write && slot->writer < c->inst->offset) {
            return slot->content;
        }
        if (is_write && at < slot->at + 8 && slot->at < at + bytes &&
            slot->writer != c->inst->offset) {
            check_complain(c, "overwrites a saved register");
        }
        if (is_write && slot->writer == c->inst->offset) {
            return data_of(UPPER_DIRTY);
        }
    }
    if (is_write && bytes == 8 && content != NULL && is_protected(*content) && c->in_first_block &&
        c->slot_count < MAX_SLOTS) {
        c->slots[c->slot_count++] = (Slot){(i32)at, c->inst->offset, *content};
    }
    return data_of(UPPER_DIRTY);
}

static RegState access_stack(Checker *c, bool is_write, const RegState *content) {
    const X64Inst *inst = c->inst;
    needs_no_index(c);
    if (c->state.results != 0) { // what a call left above sp
        if (is_write || inst->disp < 0 || inst->disp + inst->access_bytes > c->state.results) {
            check_complain(c, "outside of the results of a call");
        }
        return data_of(UPPER_DIRTY);
    }
    return check_frame(c, -(i64)c->state.depth + inst->disp, inst->access_bytes, is_write,
                        content);
}

static void access_heap(Checker *c, RegState base) {
    const X64Inst *inst = c->inst;
    if (!is_own(base, REG_HEAP)) {
        check_complain(c, "the heap of another instance");
    } else if (inst->disp < 0) {
        check_complain(c, "negative displacement in the heap");
    } else if (inst->index != X64_ABSENT) {
        if (inst->scale != 0 || (u32)inst->disp >= c->input->max_displacement) {
            check_complain(c, "displacement or scale too large for a heap access");
        }
        check_index(c, inst->index);
    }
}

static RegState access_context(Checker *c, RegState base, bool is_write) {
    const X64Inst *inst = c->inst;
    const X64CheckInput *input = c->input;
    const i64 at = inst->disp;
    const bool is_heap_base = at == input->heap_base_at && inst->access_bytes == 8 && !is_write;
    needs_no_index(c);
    if (is_heap_base) {
        return reg_of(REG_HEAP, base.value);
    }
    if (base.value != 1) {
        check_complain(c, "the context of another instance");
    } else if (!range_has((X64Range){0, input->context_bytes}, at, inst->access_bytes)) {
        check_complain(c, "outside of the context");
    }
    if (range_has(input->values, at, inst->access_bytes)) {
        return data_of(UPPER_DIRTY);
    }
    if (is_write) {
        check_complain(c, "writes the context");
    }
    if (range_has(input->value_pointers, at, inst->access_bytes) &&
        (at - input->value_pointers.at) % 16 == 0) {
        return reg_of(REG_VALUE, 0);
    }
    return reg_of(REG_RECORD, 0);
}

// A field of a record, or an element of an array below an index that was compared.
static RegState access_record(Checker *c, bool is_write) {
    const X64Inst *inst = c->inst;
    if (inst->index == X64_ABSENT) {
        if (is_write) {
            check_complain(c, "writes a record of the runtime");
        }
        if (!range_has((X64Range){0, c->input->record_bytes}, inst->disp, inst->access_bytes)) {
            check_complain(c, "outside of a record");
        }
    } else if (!get_reg(c, inst->index).is_counted || inst->scale != COUNTED_SCALE ||
               inst->disp != 0) {
        check_complain(c, "an index that was not compared with the count");
    }
    return reg_of(REG_RECORD, 0);
}

static RegState access_table(Checker *c, RegState base, bool is_write) {
    const X64Inst *inst = c->inst;
    if (inst->index == X64_ABSENT || inst->scale != ENTRY_SCALE || inst->access_bytes != 4 ||
        is_write) {
        check_complain(c, "not an access to an entry of a table");
        return data_of(UPPER_DIRTY);
    }
    const RegState index = get_reg(c, inst->index);
    check_index(c, inst->index);
    if (index.bound == 0 || index.bound > base.value) {
        check_complain(c, "an index that was not compared with the table's size");
    }
    if (inst->disp == 4) {
        if (!index.is_matching) {
            check_complain(c, "the signature was not compared");
        }
        return reg_of(REG_TABLE_OFFSET, 0);
    }
    if (inst->disp != 0) {
        check_complain(c, "not a field of a table's entry");
    }
    return data_of(UPPER_ZERO);
}

static RegState access_jump_table(Checker *c, RegState base) {
    const X64Inst *inst = c->inst;
    const RegState index = inst->index == X64_ABSENT ? data_of(UPPER_DIRTY)
                                                     : get_reg(c, inst->index);
    if (inst->effect != EFFECT_MOVSXD || inst->index == X64_ABSENT || inst->scale != JUMP_SCALE ||
        inst->disp != 0 || index.bound == 0 ||
        !range_has((X64Range){0, c->input->rodata_bytes}, base.value, 4) ||
        (u64)base.value + 4ull * index.bound > c->input->rodata_bytes) {
        check_complain(c, "not a bounded access to a jump table");
        return data_of(UPPER_DIRTY);
    }
    check_index(c, inst->index);
    RegState loaded = reg_of(REG_JUMP_OFFSET, base.value);
    loaded.bound = index.bound;
    return loaded;
}

// Pointers of which only the start is used.
static RegState access_plain(Checker *c, u32 bytes) {
    needs_no_index(c);
    if (!range_has((X64Range){0, bytes}, c->inst->disp, c->inst->access_bytes)) {
        check_complain(c, "outside of what the pointer points to");
    }
    return data_of(UPPER_DIRTY);
}

RegState check_access(Checker *c, bool is_write, const RegState *content) {
    const X64Inst *inst = c->inst;
    if (inst->base == X64_ABSENT) {
        check_complain(c, "an address without base");
        return data_of(UPPER_DIRTY);
    }
    const RegState base = get_reg(c, inst->base);
    switch ((RegKind)base.kind) {
    case REG_STACK:
        if (inst->base == RSP) {
            return access_stack(c, is_write, content);
        }
        break;
    case REG_FRAME:
        needs_no_index(c);
        return check_frame(c, (i64)inst->disp - PROLOGUE_DEPTH, inst->access_bytes, is_write,
                            content);
    case REG_HEAP:
        access_heap(c, base);
        return data_of(UPPER_DIRTY);
    case REG_CONTEXT:
        return access_context(c, base, is_write);
    case REG_RECORD:
        return access_record(c, is_write);
    case REG_VALUE:
        return access_plain(c, 16);
    case REG_RESULT:
        return access_plain(c, c->input->result_bytes);
    case REG_TABLE:
        return access_table(c, base, is_write);
    case REG_RODATA:
        return access_jump_table(c, base);
    case REG_DATA: case REG_ENTRY: case REG_TABLE_OFFSET: case REG_TEXT: case REG_CODE:
    case REG_START: case REG_JUMP_OFFSET: case REG_JUMP_TARGET: case REG_SUM:
    default:
        break;
    }
    check_complain(c, "the base is not a pointer that may be used");
    return data_of(UPPER_DIRTY);
}

