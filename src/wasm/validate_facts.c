// Validator: what it learns about locals and loops on the way (wasm/validate.h).
//
// Initial zeros. The first access that is a local.set or local.tee "dominates" as long as the block
// it stands in is open: control gets behind it inside that block only by passing it. (A branch from
// before it to behind it, inside the block, would have to leave a block that spans it and is
// nested in the innermost one it stands in: there is none.) A local.get when the block is closed,
// or that comes first, may see the zero.
//
// Liveness. A value seen by a local.get is needed until there, unless a loop brings control back
// to it: the loops that are open and were opened behind the dominating assignment. In a loop opened
// before it, the assignment is made anew each time round. Of the former the outermost counts: the
// value is dead behind its end. Parameters and locals that may be seen as zero are assigned at the
// function's start, and so are those whose dominance is lost. What was concluded about the latter
// before is replaced: the loops of an earlier local.get have ended since, or are open still and
// count now.
//
// Hot locals. Accesses in loops are pushed on a stack of events. The end of a loop adds up the
// events since its start by local, keeps the heaviest, and leaves those as one event each, eight
// times heavier, to the loop around. So a loop costs its own accesses and MAX_HOT_LOCALS for each
// loop directly inside.
#include "base/alloc.h"
#include "types/limits.h"
#include "wasm/validate_int.h"

enum {
    LOOP_FACTOR = 8,
    MIN_HOT_BUDGET = 4096,
    MIN_LOCALS_ROOM = 128, // every index of one byte
};

static bool no_memory(Validator *v) {
    return fail_at(v, NO_MEMORY, v->body, "out of memory");
}

static bool grow_locals(Validator *v) {
    u32 room = v->locals_room < MIN_LOCALS_ROOM ? MIN_LOCALS_ROOM : v->locals_room;
    while (room < v->local_count) {
        room *= 2;
    }
    void *locals = mem_grow(v->locals, v->locals_room * sizeof(LocalFacts),
                            room * sizeof(LocalFacts));
    if (locals == NULL) {
        return no_memory(v);
    }
    v->locals = locals;
    void *slots = mem_grow(v->sum_slots, v->locals_room * sizeof(u64), room * sizeof(u64));
    if (slots == NULL) {
        return no_memory(v); // locals_room still tells how much of both is in use
    }
    v->sum_slots = slots;
    v->locals_room = room;
    return true;
}

bool facts_begin(Validator *v) {
    v->stamp++;
    v->loop_depth = 0;
    v->loops.count = v->open_loops.count = v->hots.count = 0;
    v->accessed.count = 0;
    v->has_call = v->has_foreign_call = v->has_builtin = false;
    v->simd_at = NULL;
    if (v->locals_room < v->local_count || v->locals == NULL) {
        TRY(grow_locals(v));
    }
    // An access has two bytes at least, and a loop that ends leaves no more events than it found.
    const usize accesses = (usize)(v->end - v->body) / 2 + 1;
    const usize touched = accesses < v->local_count ? accesses : v->local_count;
    if (v->event_room < accesses) {
        Event *events = mem_grow(v->events, accesses * sizeof(Event), accesses * sizeof(Event));
        if (events == NULL) {
            return no_memory(v);
        }
        v->events = events;
        v->event_room = accesses;
    }
    v->event_at = v->events;
    return vec_reserve(&v->accessed, touched) || no_memory(v);
}

static ValType declared_type(const Validator *v, u32 local) {
    if (local < v->type->param_count) {
        return (ValType)type_params(v->type)[local];
    }
    // The first run that ends behind it. Without a branch that depends on `local`.
    const LocalRun *first = v->runs.at;
    for (usize count = v->runs.count; count > 1;) {
        const usize half = count / 2;
        first += first[half - 1].end <= local ? half : 0;
        count -= half;
    }
    return first->type;
}

bool facts_touch(Validator *v, u32 local) {
    if (local >= v->local_count) {
        return fail_at(v, INVALID, v->op_at, "unknown local %u: the function has %u", local,
                       v->local_count);
    }
    const bool is_param = local < v->type->param_count;
    v->locals[local] = (LocalFacts){
        .stamp = v->stamp,
        .type = (u8)declared_type(v, local),
        .is_param = is_param,
        .last_loop = ID_NONE,
        // Parameters are assigned in the function's frame, the first one.
        .def_block = is_param ? 0 : ID_NONE,
    };
    v->accessed.at[v->accessed.count++] = local;
    return true;
}

// The outermost open loop that was opened inside frame `depth`, or ID_NONE. While a loop is open
// its end_offset holds the depth of its frame.
static u32 outer_loop(const Validator *v, u32 depth) {
    if (v->loop_depth <= depth) {
        return ID_NONE;
    }
    if (v->loops.at[v->open_loops.at[0]].end_offset > depth) {
        return v->open_loops.at[0];
    }
    usize low = 1;
    usize high = v->open_loops.count;
    while (low < high) {
        const usize middle = (low + high) / 2;
        if (v->loops.at[v->open_loops.at[middle]].end_offset > depth) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low < v->open_loops.count ? v->open_loops.at[low] : ID_NONE;
}

void facts_get_slow(Validator *v, LocalFacts *local, u32 offset) {
    if (v->is_dead) {
        return;
    }
    if (!facts_is_dominated(v, local)) {
        local->needs_zero = true;
        local->def_block = local->def_depth = 0;
    }
    local->last_use = offset;
    local->last_loop = outer_loop(v, local->def_depth);
}

void facts_set_slow(Validator *v, LocalFacts *local) {
    if (v->is_dead) {
        return;
    }
    local->def_depth = frame_depth(v);
    local->def_block = v->top->ordinal;
}

void facts_set_dead(Validator *v, bool is_dead) {
    const usize open = v->open_loops.count;
    v->is_dead = is_dead;
    v->loop_depth = is_dead     ? UINT32_MAX
                    : open != 0 ? v->loops.at[v->open_loops.at[open - 1]].end_offset
                                : 0;
}

bool facts_loop_begin(Validator *v) {
    const u32 ordinal = (u32)v->loops.count;
    const LoopFacts loop = {
        .end_offset = frame_depth(v),
        .first_hot = (u32)(v->event_at - v->events),
    };
    if (!vec_push(&v->loops, loop) || !vec_push(&v->open_loops, ordinal)) {
        return no_memory(v);
    }
    v->loop_depth = frame_depth(v);
    return true;
}

void facts_call(Validator *v) {
    if (v->open_loops.count != 0) {
        v->loops.at[v->open_loops.at[v->open_loops.count - 1]].has_call = true;
    }
}

static u32 add_weights(u32 a, u32 b) { return add_u32(a, b, &a) ? a : UINT32_MAX; }

// Adds the events from `first` on up in v->sums, one element a local.
static bool sum_events(Validator *v, const Event *first) {
    const u64 serial = (u64)++v->sum_serial << 32;
    v->sums.count = 0;
    for (const Event *event = first; event < v->event_at; event++) {
        const u32 local = event->key >> 1;
        u64 slot = v->sum_slots[local];
        if ((slot & ~(u64)UINT32_MAX) != serial) {
            slot = serial | v->sums.count;
            v->sum_slots[local] = slot;
            if (!vec_push(&v->sums, (HotLocal){.local = local})) {
                return no_memory(v);
            }
        }
        HotLocal *sum = &v->sums.at[(u32)slot];
        sum->weight = add_weights(sum->weight, event->weight);
        sum->is_assigned |= (event->key & 1) != 0;
    }
    return true;
}

// One integer that is greater for hotter locals, for those of equal weight of lower index.
static u64 hot_rank(const HotLocal *hot) {
    const u32 low = (MAX_LOCALS - hot->local) << 1 | hot->is_assigned;
    return (u64)hot->weight << 32 | low;
}

static HotLocal hot_of_rank(u64 rank) {
    return (HotLocal){
        .local = MAX_LOCALS - ((u32)rank >> 1),
        .weight = (u32)(rank >> 32),
        .is_assigned = (rank & 1) != 0,
    };
}

// Inserts into the sorted best[0..count), which keeps the MAX_HOT_LOCALS first. Returns the count.
static u32 insert_hot(u64 *best, u32 count, u64 rank) {
    if (count == MAX_HOT_LOCALS && rank <= best[count - 1]) {
        return count;
    }
    u32 at = count == MAX_HOT_LOCALS ? count - 1 : count;
    const u32 longer = at + 1;
    while (at > 0 && rank > best[at - 1]) {
        best[at] = best[at - 1];
        at--;
    }
    best[at] = rank;
    return longer;
}

// Replaces the events of the loop that ends by those of its hot locals.
static void leave_events(Validator *v, const u64 *best, u32 count) {
    for (u32 i = 0; i < count; i++) {
        const HotLocal hot = hot_of_rank(best[i]);
        const u64 weight = (u64)hot.weight * LOOP_FACTOR;
        *v->event_at++ = (Event){
            hot.local << 1 | hot.is_assigned,
            weight > UINT32_MAX ? UINT32_MAX : (u32)weight,
        };
    }
}

bool facts_loop_end(Validator *v) {
    LoopFacts *loop = &v->loops.at[v->open_loops.at[--v->open_loops.count]];
    Event *first_event = v->events + loop->first_hot;
    u64 best[MAX_HOT_LOCALS];
    u32 count = 0;
    TRY(sum_events(v, first_event));
    for (usize i = 0; i < v->sums.count; i++) {
        count = insert_hot(best, count, hot_rank(&v->sums.at[i]));
    }
    loop->end_offset = body_offset(v, v->at);
    loop->first_hot = (u32)v->hots.count;
    // Thousands of loops around the same locals would need more than the body's own size.
    const usize budget = (usize)(v->end - v->body) / 2 + MIN_HOT_BUDGET;
    loop->hot_count = (u16)(v->hots.count + count <= budget ? count : 0);
    for (u32 i = 0; i < loop->hot_count; i++) {
        if (!vec_push(&v->hots, hot_of_rank(best[i]))) {
            return no_memory(v);
        }
    }
    const bool has_call = loop->has_call;
    v->loop_depth = 0;
    v->event_at = first_event;
    if (v->open_loops.count != 0) {
        LoopFacts *outer = &v->loops.at[v->open_loops.at[v->open_loops.count - 1]];
        outer->has_call |= has_call;
        v->loop_depth = outer->end_offset;
        leave_events(v, best, count);
    }
    return true;
}
