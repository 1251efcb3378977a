// See code_buffer.h. How islands stay in time:
//
// A use is due at field + forward: its label, or a veneer for it, must stand there or before. An
// island is written as [jump around it] traps, constants, veneers, and the veneers in order of the
// kinds' reach. So a use of kind k is safe as long as the code's end + (jump, traps, constants,
// veneers of all open uses that reach no further than k) <= due. Within a kind the oldest use is due
// first, because fields come in ascending order; one cursor a kind finds it.
//
// `deadline` is kept with the size of a full island, which is too soon at worst; when it passes,
// deadline_refresh computes it by the exact rule, in O(kinds) beside the cursors' steps.
#include "isa/code_buffer.h"

enum {
    USE_CLOSED = 0xFF,
    CONST_SEARCH = 8, // newest constants that a new one is compared with
};

static _Noreturn void give_up(CodeBuffer *code) { longjmp(*code->landing, 1); }

static u8 *byte_at(CodeBuffer *code, u32 offset) { return code->out->at + code->start + offset; }

static u32 sub_to_zero(u32 a, u32 b) { return a > b ? a - b : 0; }

void code_open(CodeBuffer *code, const CodeTarget *target, Writer *out, jmp_buf *landing) {
    assert(target->kind_count <= CODE_MAX_KINDS);
    code->target = target;
    code->out = out;
    code->start = out->count;
    code->landing = landing;
    code->deadline = CODE_MAX_BYTES;
    code->island_bytes = target->jump_bytes;
    code->open_uses = 0;
    code->out_of_reach = false;
    code->last_jump_end = ID_NONE;
    memset(code->open_of_kind, 0, sizeof code->open_of_kind);
    memset(code->oldest_of_kind, 0, sizeof code->oldest_of_kind);
    code->labels.count = 0;
    code->uses.count = 0;
    code->traps.count = 0;
    code->consts.count = 0;
}

void code_close(CodeBuffer *code) {
    vec_free(&code->labels);
    vec_free(&code->uses);
    vec_free(&code->traps);
    vec_free(&code->consts);
}

static void reserve(CodeBuffer *code, usize bytes) {
    if (UNLIKELY(!writer_reserve(code->out, bytes))) {
        give_up(code);
    }
}

// What an island needs grows by `bytes`.
static void need_island_bytes(CodeBuffer *code, u32 bytes) {
    code->island_bytes += bytes;
    code->deadline = sub_to_zero(code->deadline, bytes);
}

Label code_label(CodeBuffer *code) {
    const Label label = {(u32)code->labels.count};
    if (UNLIKELY(!vec_push(&code->labels, (LabelState){ID_NONE, ID_NONE}))) {
        give_up(code);
    }
    return label;
}

static bool reaches(const UseKind *kind, u32 field, u32 target) {
    return target >= field ? target - field <= kind->forward : field - target <= kind->backward;
}

static u32 due_of(const UseKind *kind, u32 field) {
    u32 due;
    return add_u32(field, kind->forward, &due) ? due : UINT32_MAX;
}

// Records an open use. The label is not bound, or bound too far behind for the kind.
static void use_push(CodeBuffer *code, u32 field, Label label, u8 kind_id) {
    const UseKind *kind = &code->target->kinds[kind_id];
    LabelState *state = &code->labels.at[label.i];
    const u32 id = (u32)code->uses.count;
    assert(id == 0 || code->uses.at[id - 1].field < field);
    if (UNLIKELY(!vec_push(&code->uses, (LabelUse){field, state->first_use, label, kind_id}))) {
        give_up(code);
    }
    state->first_use = id;
    code->open_uses++;
    code->open_of_kind[kind_id]++;
    need_island_bytes(code, kind->veneer_bytes);
    const u32 deadline = sub_to_zero(due_of(kind, field), code->island_bytes);
    if (deadline < code->deadline) {
        code->deadline = deadline;
    }
}

static void use_close(CodeBuffer *code, LabelUse *use) {
    code->open_uses--;
    code->open_of_kind[use->kind]--;
    code->island_bytes -= code->target->kinds[use->kind].veneer_bytes;
    use->kind = USE_CLOSED;
}

void code_use(CodeBuffer *code, u32 field, Label label, u8 kind_id) {
    const UseKind *kind = &code->target->kinds[kind_id];
    const u32 target = code->labels.at[label.i].offset;
    assert(kind_id < code->target->kind_count && field < code_offset(code));
    if (target == ID_NONE) {
        use_push(code, field, label, kind_id);
    } else if (LIKELY(reaches(kind, field, target))) {
        kind->patch(byte_at(code, field), field, target);
    } else if (kind->veneer_bytes != 0 &&
               code->target->kinds[kind->veneer_kind].backward > kind->backward) {
        use_push(code, field, label, kind_id);
    } else {
        code->out_of_reach = true; // a veneer would stand even further away
    }
}

// Removes the jump at the end of the code, whose label is about to be bound there.
static void drop_last_jump(CodeBuffer *code, LabelState *state) {
    LabelUse *use = &code->uses.at[code->uses.count - 1];
    assert(state->first_use == code->uses.count - 1 && use->kind == code->target->jump_kind);
    state->first_use = use->next;
    use_close(code, use);
    const u32 count = (u32)--code->uses.count;
    for (u32 i = 0; i < code->target->kind_count; i++) {
        code->oldest_of_kind[i] = code->oldest_of_kind[i] < count ? code->oldest_of_kind[i] : count;
    }
    code->out->count -= code->target->jump_bytes;
}

void code_bind(CodeBuffer *code, Label label) {
    LabelState *state = &code->labels.at[label.i];
    assert(state->offset == ID_NONE);
    if (code->last_jump_end == code_offset(code) && code->last_jump_label.i == label.i) {
        drop_last_jump(code, state);
    }
    // Once a label stands behind a jump, the jump may not be dropped any more.
    code->last_jump_end = ID_NONE;
    const u32 target = code_offset(code);
    state->offset = target;
    for (u32 i = state->first_use; i != ID_NONE; i = code->uses.at[i].next) {
        LabelUse *use = &code->uses.at[i];
        if (use->kind == USE_CLOSED) {
            continue;
        }
        const UseKind *kind = &code->target->kinds[use->kind];
        if (LIKELY(target - use->field <= kind->forward)) {
            kind->patch(byte_at(code, use->field), use->field, target);
        } else {
            code->out_of_reach = true;
        }
        use_close(code, use);
    }
    state->first_use = ID_NONE;
    if (code->open_uses == 0) { // no list names a use any more
        code->uses.count = 0;
        memset(code->oldest_of_kind, 0, sizeof code->oldest_of_kind);
    }
}

void code_jump(CodeBuffer *code, Label label) {
    const CodeTarget *target = code->target;
    code_room(code, target->jump_bytes + target->kinds[target->jump_kind].veneer_bytes);
    const u32 field = code_offset(code) + target->jump(code_at(code));
    code->out->count += target->jump_bytes;
    code_use(code, field, label, target->jump_kind);
    code->last_jump_end = code_offset(code);
    code->last_jump_label = label;
}

Label code_trap(CodeBuffer *code, u8 kind, u32 wasm_offset) {
    const Label label = code_label(code);
    if (UNLIKELY(!vec_push(&code->traps, (TrapTail){label, wasm_offset, kind}))) {
        give_up(code);
    }
    need_island_bytes(code, code->target->trap_bytes);
    return label;
}

Label code_const(CodeBuffer *code, const void *value, u32 bytes) {
    assert(bytes == 4 || bytes == 8 || bytes == 16);
    const usize count = code->consts.count;
    for (usize i = count; i > 0 && count - i < CONST_SEARCH; i--) {
        const PooledConst *old = &code->consts.at[i - 1];
        if (old->bytes == bytes && memcmp(old->value, value, bytes) == 0) {
            return old->label;
        }
    }
    PooledConst pooled = {.label = code_label(code), .bytes = bytes};
    memcpy(pooled.value, value, bytes);
    if (UNLIKELY(!vec_push(&code->consts, pooled))) {
        give_up(code);
    }
    need_island_bytes(code, 2 * bytes);
    return pooled.label;
}

// The oldest open use of a kind, NULL if there is none.
static LabelUse *oldest_use(CodeBuffer *code, u32 kind_id) {
    u32 i = code->oldest_of_kind[kind_id];
    while (i < code->uses.count && code->uses.at[i].kind != kind_id) {
        i++;
    }
    code->oldest_of_kind[kind_id] = i;
    return i < code->uses.count ? &code->uses.at[i] : NULL;
}

// Size of an island up to and with the veneers of a kind.
static u32 island_bytes_for(const CodeBuffer *code, const UseKind *kind) {
    u32 bytes = code->island_bytes;
    for (u32 i = 0; i < code->target->kind_count; i++) {
        const UseKind *other = &code->target->kinds[i];
        if (other->forward > kind->forward) {
            bytes -= code->open_of_kind[i] * other->veneer_bytes;
        }
    }
    return bytes;
}

static void deadline_refresh(CodeBuffer *code) {
    code->deadline = CODE_MAX_BYTES;
    for (u32 i = 0; i < code->target->kind_count; i++) {
        const UseKind *kind = &code->target->kinds[i];
        const LabelUse *use = oldest_use(code, i);
        if (use != NULL) {
            const u32 due = due_of(kind, use->field);
            const u32 deadline = sub_to_zero(due, island_bytes_for(code, kind));
            code->deadline = deadline < code->deadline ? deadline : code->deadline;
        }
    }
}

static void write_traps(CodeBuffer *code) {
    const CodeTarget *target = code->target;
    for (usize i = 0; i < code->traps.count; i++) {
        const TrapTail trap = code->traps.at[i];
        code_bind(code, trap.label);
        if (code->on_trap != NULL) {
            code->on_trap(code->env, code_offset(code), trap.wasm_offset, trap.kind);
        }
        reserve(code, target->trap_bytes);
        target->trap(code_at(code));
        code->out->count += target->trap_bytes;
    }
    code->island_bytes -= (u32)code->traps.count * target->trap_bytes;
    code->traps.count = 0;
}

static void write_consts(CodeBuffer *code) {
    for (u32 bytes = 16; bytes >= 4 && code->consts.count != 0; bytes /= 2) {
        for (usize i = 0; i < code->consts.count; i++) {
            const PooledConst *pooled = &code->consts.at[i];
            if (pooled->bytes != bytes) {
                continue;
            }
            const u32 offset = code_offset(code);
            const u32 padding = (u32)align_up(offset, bytes) - offset;
            reserve(code, padding + bytes);
            memset(code_at(code), 0, padding);
            code->out->count += padding;
            code_bind(code, pooled->label);
            memcpy(code_at(code), pooled->value, bytes);
            code->out->count += bytes;
            code->island_bytes -= 2 * bytes;
        }
    }
    code->consts.count = 0;
}

// Hands a use over to a veneer at the end of the code.
static void write_veneer(CodeBuffer *code, u32 id) {
    const LabelUse use = code->uses.at[id];
    const UseKind *kind = &code->target->kinds[use.kind];
    const u32 at = code_offset(code);
    reserve(code, kind->veneer_bytes);
    const u32 field = at + kind->veneer(code_at(code));
    code->out->count += kind->veneer_bytes;
    if (LIKELY(at - use.field <= kind->forward)) {
        kind->patch(byte_at(code, use.field), use.field, at);
    } else {
        code->out_of_reach = true;
    }
    use_close(code, &code->uses.at[id]);
    code_use(code, field, use.label, kind->veneer_kind);
}

// Veneers for the uses of a kind that come due before `limit`. Uses for which no veneer exists are
// passed over: whether they reach is seen when their label is bound.
static void write_veneers(CodeBuffer *code, u32 kind_id, u64 limit) {
    const UseKind *kind = &code->target->kinds[kind_id];
    const usize end = code->uses.count; // not the veneers' own
    for (LabelUse *use = oldest_use(code, kind_id); use != NULL;
         use = oldest_use(code, kind_id)) {
        const u32 id = code->oldest_of_kind[kind_id];
        if (id >= end || due_of(kind, use->field) >= limit) {
            break;
        }
        code->oldest_of_kind[kind_id]++;
        if (kind->veneer_bytes != 0) {
            write_veneer(code, id);
        }
    }
}

// The kind after `previous` (NULL: the first) in order of reach, ties in order of ids; its id, or
// kind_count if there is none.
static u32 next_kind(const CodeTarget *target, const UseKind *previous) {
    u32 best = target->kind_count;
    for (u32 i = 0; i < target->kind_count; i++) {
        const UseKind *kind = &target->kinds[i];
        const bool is_behind =
            previous == NULL || kind->forward > previous->forward ||
            (kind->forward == previous->forward && kind > previous);
        if (is_behind && (best == target->kind_count ||
                          kind->forward < target->kinds[best].forward)) {
            best = i;
        }
    }
    return best;
}

// Veneers for all uses that come due before `limit` + half their reach, so that islands stand
// apart. The kinds of least reach go first.
static void write_due_veneers(CodeBuffer *code, u64 limit) {
    const CodeTarget *target = code->target;
    for (u32 i = next_kind(target, NULL); i < target->kind_count;
         i = next_kind(target, &target->kinds[i])) {
        write_veneers(code, i, limit + target->kinds[i].forward / 2);
    }
}

static void write_island(CodeBuffer *code, u32 bytes) {
    const CodeTarget *target = code->target;
    const UseKind *jump_kind = &target->kinds[target->jump_kind];
    const bool falls_in = code->last_jump_end != code_offset(code);
    u32 field = 0;
    if (falls_in) {
        reserve(code, target->jump_bytes);
        field = code_offset(code) + target->jump(code_at(code));
        code->out->count += target->jump_bytes;
    }
    write_traps(code);
    write_consts(code);
    write_due_veneers(code, (u64)code_offset(code) + code->island_bytes + bytes);
    if (falls_in) {
        const u32 end = code_offset(code);
        code->out_of_reach |= !reaches(jump_kind, field, end);
        jump_kind->patch(byte_at(code, field), field, end);
    }
    code->last_jump_end = ID_NONE;
    deadline_refresh(code);
}

void code_grow(CodeBuffer *code, u32 bytes) {
    assert(bytes <= CODE_MAX_ROOM);
    if (code->out->count - code->start + bytes > CODE_MAX_BYTES) {
        give_up(code);
    }
    if (code_offset(code) + bytes > code->deadline) {
        deadline_refresh(code);
    }
    if (code_offset(code) + bytes > code->deadline) {
        write_island(code, bytes);
    }
    reserve(code, bytes);
}

bool code_finish(CodeBuffer *code, u32 *bytes) {
    write_traps(code);
    write_consts(code);
    // What is open now are uses of labels far behind; every round of veneers reaches further.
    for (u32 i = 0; i < code->target->kind_count && code->open_uses != 0; i++) {
        write_due_veneers(code, (u64)UINT32_MAX + 1);
    }
    *bytes = code_offset(code);
    return code->open_uses == 0 && !code->out_of_reach;
}
