// See code_buffer.h. How islands stay in time:
//
// A use is due at field + forward: its label must be bound there or before. An island relieves uses
// in the order of their kinds' reach, each by code_use_room bytes at most: by writing the trap or
// the constant that it means, or a veneer. So a use of kind k is safe as long as the code's end +
// (a jump around the island, relief of all open uses that reach no further than k) <= due. Within a
// kind the oldest use is due first, because fields come in ascending order; one cursor a kind finds
// it.
//
// `deadline` is lowered with every use by what its relief takes and never raised when a use is
// closed, so it is too soon at worst; when it passes, deadline_refresh computes it by the exact
// rule, in O(kinds^2) beside the cursors' steps.
#include "isa/code_buffer.h"

enum {
    USE_CLOSED = 0xFF,
    CONST_SEARCH = 8, // newest constants that a new one is compared with
};

// Keeps what is rare out of short functions, which then need to save no registers.
#define NOINLINE __attribute__((noinline))

static _Noreturn void give_up(CodeBuffer *code) { longjmp(*code->landing, 1); }

static u32 sub_to_zero(u32 a, u32 b) { return a > b ? a - b : 0; }

// After a change of the memory or the deadline.
static void limit_refresh(CodeBuffer *code) {
    const usize room = code->out->capacity - code->start;
    code->limit = code->base + (room < code->deadline ? room : code->deadline);
}

// After a move of the memory, too.
static void writer_refresh(CodeBuffer *code) {
    code->base = code->out->at + code->start;
    code->at = code->out->at + code->out->count;
    limit_refresh(code);
}

static void writer_sync(CodeBuffer *code) { code->out->count = (usize)(code->at - code->out->at); }

#ifndef NDEBUG
static bool kinds_are_consistent(const CodeTarget *target) {
    bool is_short = false, is_late = true;
    for (u32 i = 0; i < target->kind_count; i++) {
        const UseKind *kind = &target->kinds[i];
        is_short |= kind->short_saves != 0;
        is_late &= kind->is_late;
    }
    return target->kind_count <= CODE_MAX_KINDS && (is_late || !is_short);
}
#endif

void code_open(CodeBuffer *code, const CodeTarget *target, Writer *out, jmp_buf *landing) {
    assert(kinds_are_consistent(target));
    code->target = target;
    code->out = out;
    code->start = out->count;
    code->landing = landing;
    code->deadline = CODE_MAX_BYTES;
    code->island_bytes = target->jump_bytes;
    code->open_uses = 0;
    code->out_of_reach = false;
    code->is_too_large = code->is_aligned = false;
    code->last_jump_end = ID_NONE;
    memset(code->open_of_kind, 0, sizeof code->open_of_kind);
    memset(code->oldest_of_kind, 0, sizeof code->oldest_of_kind);
    code->labels.count = 0;
    code->uses.count = 0;
    code->late.count = code->bound.count = code->far.count = 0;
    code->traps.count = 0;
    code->consts.count = 0;
    if (!writer_reserve(out, target->jump_bytes)) {
        give_up(code);
    }
    writer_refresh(code);
}

void code_close(CodeBuffer *code) {
    vec_free(&code->labels);
    vec_free(&code->uses);
    vec_free(&code->late);
    vec_free(&code->bound);
    vec_free(&code->far);
    vec_free(&code->traps);
    vec_free(&code->consts);
}

static void reserve(CodeBuffer *code, usize bytes) {
    if (LIKELY((usize)(code->out->at + code->out->capacity - code->at) >= bytes)) {
        return;
    }
    writer_sync(code);
    if (!writer_reserve(code->out, bytes)) {
        give_up(code);
    }
    writer_refresh(code);
}

static NOINLINE void labels_grow(CodeBuffer *code) {
    if (!vec_reserve(&code->labels, 1)) {
        give_up(code);
    }
}

Label code_label(CodeBuffer *code) {
    if (UNLIKELY(code->labels.count == code->labels.capacity)) {
        labels_grow(code);
    }
    const u32 id = (u32)code->labels.count++;
    code->labels.at[id] = (LabelState){.offset = ID_NONE, .first_use = ID_NONE};
    return (Label){id};
}

Label code_start_label(CodeBuffer *code) {
    const Label label = code_label(code);
    code->labels.at[label.i] = (LabelState){.offset = 0, .late_before = 0};
    return label;
}

static u32 due_of(const UseKind *kind, u32 field) {
    const u64 due = code_due(kind, field);
    return due < UINT32_MAX ? (u32)due : UINT32_MAX;
}

// Size of an island that relieves all open uses that reach no further than `kind`.
static u32 island_bytes_for(const CodeBuffer *code, const UseKind *kind) {
    u32 bytes = code->island_bytes;
    for (u32 i = 0; i < code->target->kind_count; i++) {
        if (code->target->kinds[i].forward > kind->forward) {
            bytes -= code->open_of_kind[i] * code_use_room(code->target, (u8)i);
        }
    }
    return bytes;
}

// Puts a use into the list of its label, if that is yet to be bound.
static void use_link(CodeBuffer *code, u32 id) {
    LabelUse *use = &code->uses.at[id];
    LabelState *state = &code->labels.at[use->label.i];
    use->next = ID_NONE;
    if (state->offset == ID_NONE) {
        use->next = state->first_use;
        state->first_use = id;
    }
}

// Records an open use. The label is not bound, or bound too far behind for the kind.
static void use_push(CodeBuffer *code, u32 field, Label label, u8 kind_id) {
    const UseKind *kind = &code->target->kinds[kind_id];
    const u32 id = (u32)code->uses.count;
    assert(id == 0 || code->uses.at[id - 1].field < field);
    if (UNLIKELY(!vec_push(&code->uses, (LabelUse){field, ID_NONE, label, kind_id}))) {
        give_up(code);
    }
    use_link(code, id);
    code->open_uses++;
    code->open_of_kind[kind_id]++;
    const u32 relief = code_use_room(code->target, kind_id);
    code->island_bytes += relief;
    code->deadline = sub_to_zero(code->deadline, relief);
    const u32 deadline = sub_to_zero(due_of(kind, field), island_bytes_for(code, kind));
    if (deadline < code->deadline) {
        code->deadline = deadline;
    }
    limit_refresh(code);
}

static void use_close(CodeBuffer *code, LabelUse *use) {
    code->open_uses--;
    code->open_of_kind[use->kind]--;
    code->island_bytes -= code_use_room(code->target, use->kind);
    use->kind = USE_CLOSED;
}

// A use whose label must be in reach in time.
static NOINLINE void timely_use(CodeBuffer *code, u32 field, Label label, u8 kind_id) {
    const UseKind *kind = &code->target->kinds[kind_id];
    const u32 target = code->labels.at[label.i].offset;
    if (target == ID_NONE) {
        use_push(code, field, label, kind_id);
    } else if (LIKELY(code_reaches(kind, field, target))) {
        kind->patch(code_byte(code, field), field, target);
    } else if (kind->veneer_bytes != 0 &&
               code->target->kinds[kind->veneer_kind].backward > kind->backward) {
        use_push(code, field, label, kind_id);
    } else {
        code->out_of_reach = true; // a veneer would stand even further away
    }
}

static NOINLINE void late_grow(CodeBuffer *code) {
    if (!vec_reserve(&code->late, 1)) {
        give_up(code);
    }
}

void code_use(CodeBuffer *code, u32 field, Label label, u8 kind_id) {
    assert(kind_id < code->target->kind_count && field < code_offset(code));
    if (UNLIKELY(!code->target->kinds[kind_id].is_late)) {
        timely_use(code, field, label, kind_id);
        return;
    }
    assert(code->late.count == 0 || code->late.at[code->late.count - 1].field < field);
    if (UNLIKELY(code->late.count == code->late.capacity)) {
        late_grow(code);
    }
    code->late.at[code->late.count++] = (LateUse){field, label, 0, kind_id, LATE_AHEAD};
}

// Removes the jump at the end of the code, whose label is about to be bound there.
static NOINLINE void drop_last_jump(CodeBuffer *code, LabelState *state) {
    code->at -= code->target->jump_bytes;
    if (code->target->kinds[code->target->jump_kind].is_late) {
        assert(code->late.at[code->late.count - 1].field >= code_offset(code));
        code->late.count--;
        return;
    }
    LabelUse *use = &code->uses.at[code->uses.count - 1];
    assert(state->first_use == code->uses.count - 1 && use->kind == code->target->jump_kind);
    state->first_use = use->next;
    use_close(code, use);
    const u32 count = (u32)--code->uses.count;
    for (u32 i = 0; i < code->target->kind_count; i++) {
        code->oldest_of_kind[i] = code->oldest_of_kind[i] < count ? code->oldest_of_kind[i] : count;
    }
}

// Patches the open uses of a label that has been bound.
static NOINLINE void patch_uses(CodeBuffer *code, LabelState *state) {
    for (u32 i = state->first_use; i != ID_NONE; i = code->uses.at[i].next) {
        LabelUse *use = &code->uses.at[i];
        if (use->kind == USE_CLOSED) {
            continue;
        }
        const UseKind *kind = &code->target->kinds[use->kind];
        if (LIKELY(state->offset - use->field <= kind->forward)) {
            kind->patch(code_byte(code, use->field), use->field, state->offset);
        } else {
            code->out_of_reach = true;
        }
        use_close(code, use);
    }
    if (code->open_uses == 0) { // no list names a use any more
        code->uses.count = 0;
        memset(code->oldest_of_kind, 0, sizeof code->oldest_of_kind);
    }
}

static NOINLINE void bound_grow(CodeBuffer *code) {
    if (!vec_reserve(&code->bound, 1)) {
        give_up(code);
    }
}

void code_bind(CodeBuffer *code, Label label) {
    if (UNLIKELY(code->bound.count == code->bound.capacity)) {
        bound_grow(code);
    }
    code->bound.at[code->bound.count++] = label;
    LabelState *state = &code->labels.at[label.i];
    assert(state->offset == ID_NONE);
    if (code->last_jump_end == code_offset(code) && code->last_jump_label.i == label.i) {
        drop_last_jump(code, state);
    }
    // Once a label stands behind a jump, the jump may not be dropped any more.
    code->last_jump_end = ID_NONE;
    state->offset = code_offset(code);
    if (state->first_use != ID_NONE) {
        patch_uses(code, state);
    }
    state->late_before = (u32)code->late.count;
}

void code_jump(CodeBuffer *code, Label label) {
    const CodeTarget *target = code->target;
    code_room(code, target->jump_bytes + target->kinds[target->jump_kind].veneer_bytes);
    const u32 field = code_offset(code) + target->jump(code->at);
    code->at += target->jump_bytes;
    code_use(code, field, label, target->jump_kind);
    code->last_jump_end = code_offset(code);
    code->last_jump_label = label;
}

Label code_trap(CodeBuffer *code, u8 kind, u32 wasm_offset) {
    const Label label = code_label(code);
    if (UNLIKELY(!vec_push(&code->traps, (TrapTail){label, wasm_offset, kind}))) {
        give_up(code);
    }
    return label;
}

Label code_const(CodeBuffer *code, const void *value, u32 bytes) {
    assert(bytes == 4 || bytes == 8 || bytes == 16);
    const usize count = code->consts.count;
    for (usize i = count; i > 0 && count - i < CONST_SEARCH; i--) {
        const PooledConst *old = &code->consts.at[i - 1];
        if (old->bytes == bytes && memcmp(old->value, value, bytes) == 0 &&
            !code_is_bound(code, old->label)) {
            return old->label;
        }
    }
    PooledConst pooled = {.label = code_label(code), .bytes = bytes};
    memcpy(pooled.value, value, bytes);
    if (UNLIKELY(!vec_push(&code->consts, pooled))) {
        give_up(code);
    }
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

static void deadline_refresh(CodeBuffer *code) {
    code->deadline = CODE_MAX_BYTES;
    for (u32 i = 0; i < code->target->kind_count; i++) {
        const UseKind *kind = &code->target->kinds[i];
        const LabelUse *use = kind->is_late ? NULL : oldest_use(code, i);
        if (use != NULL) {
            const u32 due = due_of(kind, use->field);
            const u32 deadline = sub_to_zero(due, island_bytes_for(code, kind));
            code->deadline = deadline < code->deadline ? deadline : code->deadline;
        }
    }
    limit_refresh(code);
}

static void write_trap(CodeBuffer *code, TrapTail trap) {
    reserve(code, code->target->trap_bytes);
    code_bind(code, trap.label);
    if (code->on_trap != NULL) {
        code->on_trap(code->env, code_offset(code), trap.wasm_offset, trap.kind);
    }
    code->target->trap(code->at);
    code->at += code->target->trap_bytes;
}

static void write_const(CodeBuffer *code, const PooledConst *pooled) {
    const u32 offset = code_offset(code);
    const u32 padding = (u32)align_up(offset, pooled->bytes) - offset;
    reserve(code, padding + pooled->bytes);
    memset(code->at, 0, padding);
    code->at += padding;
    code->is_aligned = true;
    code_bind(code, pooled->label);
    memcpy(code->at, pooled->value, pooled->bytes);
    code->at += pooled->bytes;
}

// Writes what stands behind the function and is not in an island yet; the most aligned first.
static void write_tails(CodeBuffer *code) {
    for (usize i = 0; i < code->traps.count; i++) {
        if (!code_is_bound(code, code->traps.at[i].label)) {
            write_trap(code, code->traps.at[i]);
        }
    }
    for (u32 bytes = 16; bytes >= 4 && code->consts.count != 0; bytes /= 2) {
        for (usize i = 0; i < code->consts.count; i++) {
            const PooledConst *pooled = &code->consts.at[i];
            if (pooled->bytes == bytes && !code_is_bound(code, pooled->label)) {
                write_const(code, pooled);
            }
        }
    }
}

// The element for a label in a vector with ascending labels, which it begins with; NULL if there is
// none.
static const void *find_tail(const void *at, usize count, usize item_bytes, Label label) {
    const u8 *low = at;
    while (count != 0) {
        const u8 *middle = low + count / 2 * item_bytes;
        Label found;
        memcpy(&found, middle, sizeof found);
        if (found.i == label.i) {
            return middle;
        }
        if (found.i < label.i) {
            low = middle + item_bytes;
            count -= count / 2 + 1;
        } else {
            count /= 2;
        }
    }
    return NULL;
}

// If the label is a trap's or a constant's, writes it here. False: it is an ordinary one.
static bool write_tail_of(CodeBuffer *code, Label label) {
    const TrapTail *trap =
        find_tail(code->traps.at, code->traps.count, sizeof *code->traps.at, label);
    if (trap != NULL) {
        write_trap(code, *trap);
        return true;
    }
    const PooledConst *pooled =
        find_tail(code->consts.at, code->consts.count, sizeof *code->consts.at, label);
    if (pooled != NULL) {
        write_const(code, pooled);
        return true;
    }
    return false;
}

// Hands a use over to a veneer at the end of the code.
static void write_veneer(CodeBuffer *code, u32 id) {
    const LabelUse use = code->uses.at[id];
    const UseKind *kind = &code->target->kinds[use.kind];
    const u32 at = code_offset(code);
    reserve(code, kind->veneer_bytes);
    const u32 field = at + kind->veneer(code->at);
    code->at += kind->veneer_bytes;
    if (LIKELY(at - use.field <= kind->forward)) {
        kind->patch(code_byte(code, use.field), use.field, at);
    } else {
        code->out_of_reach = true;
    }
    use_close(code, &code->uses.at[id]);
    code_use(code, field, use.label, kind->veneer_kind);
}

// Relieves one use. With an ordinary label and no veneer it stays open; whether it reaches is seen
// when the label is bound.
static void relieve(CodeBuffer *code, u32 id) {
    const LabelUse use = code->uses.at[id];
    const bool is_written = !code_is_bound(code, use.label) && write_tail_of(code, use.label);
    if (!is_written && code->target->kinds[use.kind].veneer_bytes != 0) {
        write_veneer(code, id);
    }
}

// The kind of least reach whose oldest use comes due before `bytes` more are written and those that
// reach no further are relieved, less half its reach: so that islands stand apart, and the veneers'
// own uses find room in the next one. kind_count: none.
static u32 due_kind(CodeBuffer *code, u64 bytes) {
    const CodeTarget *target = code->target;
    u32 best = target->kind_count;
    for (u32 i = 0; i < target->kind_count; i++) {
        const UseKind *kind = &target->kinds[i];
        const LabelUse *use = kind->is_late ? NULL : oldest_use(code, i);
        if (use == NULL ||
            (best != target->kind_count && target->kinds[best].forward <= kind->forward)) {
            continue;
        }
        const u64 island_end = (u64)code_offset(code) + island_bytes_for(code, kind);
        if (due_of(kind, use->field) < island_end + bytes + kind->forward / 2) {
            best = i;
        }
    }
    return best;
}

// Relieves all uses that are due. Looks anew after each, since it moves the end of the code.
// O(uses relieved * kinds^2).
static void relieve_due(CodeBuffer *code, u64 bytes) {
    for (u32 kind_id = due_kind(code, bytes); kind_id < code->target->kind_count;
         kind_id = due_kind(code, bytes)) {
        relieve(code, code->oldest_of_kind[kind_id]++);
    }
}

typedef struct Island {
    u32 start; // behind the jump around it
    u32 field; // of the jump, ID_NONE: there is none
    Label end; // of a late jump
} Island;

// Begins with a jump around what follows, if the code before runs into it.
static Island open_island(CodeBuffer *code) {
    const CodeTarget *target = code->target;
    Island island = {code_offset(code), ID_NONE, LABEL_NONE};
    if (code->last_jump_end == island.start) {
        return island;
    }
    reserve(code, target->jump_bytes);
    island.field = island.start + target->jump(code->at);
    code->at += target->jump_bytes;
    island.start += target->jump_bytes;
    if (target->kinds[target->jump_kind].is_late) {
        island.end = code_label(code);
        code_use(code, island.field, island.end, target->jump_kind);
    }
    return island;
}

static void drop_island(CodeBuffer *code, const Island *island) {
    code->at -= code->target->jump_bytes;
    code->late.count -= island->end.i != ID_NONE;
}

static void close_island(CodeBuffer *code, const Island *island) {
    const UseKind *kind = &code->target->kinds[code->target->jump_kind];
    const u32 end = code_offset(code);
    if (end != island->start) {
        code->last_jump_end = ID_NONE;
    }
    if (island->field != ID_NONE && end == island->start) {
        drop_island(code, island);
    } else if (island->end.i != ID_NONE) {
        code_bind(code, island->end);
    } else if (island->field != ID_NONE) {
        code->out_of_reach |= !code_reaches(kind, island->field, end);
        kind->patch(code_byte(code, island->field), island->field, end);
    }
    deadline_refresh(code);
}

static void write_island(CodeBuffer *code, u32 bytes) {
    const Island island = open_island(code);
    relieve_due(code, bytes);
    close_island(code, &island);
}

// Drops closed uses if they are the better half, so that the work is linear.
static void compact_uses(CodeBuffer *code) {
    if (code->uses.count < 2 * (usize)code->open_uses) {
        return;
    }
    u32 count = 0;
    for (usize i = 0; i < code->uses.count; i++) {
        if (code->uses.at[i].kind != USE_CLOSED) {
            code->uses.at[count++] = code->uses.at[i];
        }
    }
    code->uses.count = count;
    for (u32 i = 0; i < count; i++) {
        LabelState *state = &code->labels.at[code->uses.at[i].label.i];
        if (state->offset == ID_NONE) {
            state->first_use = ID_NONE;
        }
    }
    for (u32 i = 0; i < count; i++) {
        use_link(code, i);
    }
    memset(code->oldest_of_kind, 0, sizeof code->oldest_of_kind);
}

// Writes a branch forward, short if that reaches, where it stands. Returns the bytes saved.
static inline u32 choose_form(const UseKind *kind, u8 *field, u32 distance, u32 short_most) {
    assert(code_reaches(kind, 0, distance));
    if (distance > (kind->short_forward & short_most)) {
        kind->patch(field, 0, distance);
        return 0;
    }
    kind->shorten(field, 0, distance - kind->short_saves);
    return kind->short_saves;
}

// Chooses the forms of branches forward, the last one first: then only what has been chosen lies
// between a branch and its target, and every branch to a bound label that can be short is.
static void choose_forms(CodeBuffer *code) {
    const UseKind *const kinds = code->target->kinds;
    const LabelState *const labels = code->labels.at;
    LateUse *const uses = code->late.at;
    u8 *const base = code->base;
    const u32 short_most = code->is_aligned ? 0 : UINT32_MAX;
    u32 saved = 0;
    for (u32 i = (u32)code->late.count - 1; i-- > 0;) {
        LateUse *use = &uses[i];
        const LabelState *label = &labels[use->label.i];
        if (UNLIKELY(label->offset == ID_NONE)) {
            use->target = LATE_UNBOUND;
        } else if (UNLIKELY(label->late_before <= i)) {
            use->target = LATE_BEHIND;
        } else {
            const u32 between = saved - uses[label->late_before].saved;
            const u32 distance = label->offset - use->field - between;
            saved += choose_form(&kinds[use->kind], base + use->field, distance, short_most);
        }
        use->saved = saved;
    }
}

static void move_labels(CodeBuffer *code) {
    const LateUse *const uses = code->late.at;
    const u32 saved = uses[0].saved;
    for (usize i = 0; i < code->bound.count; i++) {
        LabelState *label = &code->labels.at[code->bound.at[i].i];
        label->offset -= saved - uses[label->late_before].saved;
        label->late_before = 0;
    }
}

// Writes the distance of a use that does not look ahead; without a label yet, it waits.
static void place_use(CodeBuffer *code, const LateUse *use) {
    const UseKind *kind = &code->target->kinds[use->kind];
    LateUse moved = *use;
    moved.field -= code->late.at[0].saved - use->saved;
    if (use->target == LATE_UNBOUND) {
        if (!vec_push(&code->far, moved)) {
            give_up(code);
        }
        return;
    }
    const u32 target = code_label_offset(code, use->label);
    assert(code_reaches(kind, moved.field, target));
    kind->patch(code_byte(code, use->field), moved.field, target);
}

// Places the uses that do not look ahead, and closes the gaps that short forms leave.
static void close_gaps(CodeBuffer *code) {
    const UseKind *const kinds = code->target->kinds;
    const LateUse *const uses = code->late.at, *const end = uses + code->late.count - 1;
    u8 *const base = code->base;
    u8 *to = NULL; // nothing to move before the first gap
    const u8 *from = NULL;
    for (const LateUse *use = uses; use != end; use++) {
        const u32 gap = use->saved - use[1].saved;
        if (UNLIKELY(use->target != LATE_AHEAD)) {
            place_use(code, use);
        } else if (gap != 0) {
            u8 *next = base + use->field + kinds[use->kind].field_bytes;
            if (to == NULL) {
                to = next - gap;
            } else {
                const usize bytes = (usize)(next - gap - from);
                memmove(to, from, bytes);
                to += bytes;
            }
            from = next;
        }
    }
    if (to != NULL) {
        memmove(to, from, (usize)(code->at - from));
        code->at -= uses[0].saved;
    }
}

// Makes all choices up to here. A branch whose label is not bound yet stays long.
static void settle(CodeBuffer *code) {
    if (code->late.count != 0) {
        const LateUse end = {.field = UINT32_MAX}; // who looks for a use need not count
        if (!vec_push(&code->late, end)) {
            give_up(code);
        }
        choose_forms(code);
        move_labels(code);
        close_gaps(code);
        if (code->late.at[0].saved != 0 && code->on_move != NULL) {
            code->on_move(code->env);
        }
    }
    code->late.count = code->bound.count = 0;
    code->is_aligned = false;
    code->last_jump_end = ID_NONE;
}

// False: a label is not bound.
static bool patch_far(CodeBuffer *code) {
    for (usize i = 0; i < code->far.count; i++) {
        const LateUse use = code->far.at[i];
        const u32 target = code_label_offset(code, use.label);
        if (target == ID_NONE) {
            return false;
        }
        code->target->kinds[use.kind].patch(code_byte(code, use.field), use.field, target);
    }
    return true;
}

void code_flush(CodeBuffer *code) {
    const Island island = open_island(code);
    relieve_due(code, code->traps.count * code->target->trap_bytes +
                          code->consts.count * CODE_CONST_BYTES);
    write_tails(code);
    code->traps.count = code->consts.count = 0;
    compact_uses(code);
    close_island(code, &island);
    settle(code);
}

void code_grow(CodeBuffer *code, u32 bytes) {
    assert(bytes <= CODE_MAX_ROOM);
    if ((u64)code_offset(code) + bytes > CODE_MAX_BYTES) {
        code->is_too_large = true;
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

// True if every open use is of a bound label, too far behind for it.
static bool open_uses_are_bound(const CodeBuffer *code) {
    for (usize i = 0; i < code->uses.count; i++) {
        const LabelUse *use = &code->uses.at[i];
        if (use->kind != USE_CLOSED && !code_is_bound(code, use->label)) {
            return false;
        }
    }
    return true;
}

bool code_finish(CodeBuffer *code, u32 *bytes) {
    if (code->open_uses != 0) {
        relieve_due(code, code->traps.count * code->target->trap_bytes +
                              code->consts.count * CODE_CONST_BYTES);
    }
    write_tails(code);
    if (code->open_uses != 0) {
        if (!open_uses_are_bound(code)) {
            return false;
        }
        relieve_due(code, UINT32_MAX); // every veneer reaches further back than what it stands for
    }
    settle(code);
    if (!patch_far(code)) {
        return false;
    }
    writer_sync(code);
    *bytes = code_offset(code);
    return code->open_uses == 0 && !code->out_of_reach;
}
