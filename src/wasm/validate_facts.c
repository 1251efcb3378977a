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
// function's start. If dominance is lost later, what was concluded about loops is void: such a
// local is never dead.
//
// Hot locals. Accesses in loops are pushed on a stack of events. The end of a loop adds up the
// events since its start by local, keeps the heaviest, and leaves those as one event each, eight
// times heavier, to the loop around. So a loop costs its own accesses and MAX_HOT_LOCALS for each
// loop directly inside.
#include "base/alloc.h"
#include "wasm/validate_int.h"

enum { LOOP_FACTOR = 8, MIN_HOT_BUDGET = 4096 };

static bool no_memory(Validator *v) {
    return fail_at(v, NO_MEMORY, v->body, "out of memory");
}

static bool grow_locals(Validator *v) {
    u32 room = v->locals_room < 64 ? 64 : v->locals_room;
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
    v->events.count = v->accessed.count = 0;
    v->has_call = v->has_foreign_call = v->has_builtin = false;
    v->simd_at = NULL;
    if (v->locals_room < v->local_count || v->locals == NULL) {
        TRY(grow_locals(v));
    }
    // An access has two bytes at least, and a loop that ends leaves no more events than it found.
    const usize accesses = (usize)(v->end - v->body) / 2 + 1;
    const usize touched = accesses < v->local_count ? accesses : v->local_count;
    return (vec_reserve(&v->events, accesses) && vec_reserve(&v->accessed, touched)) ||
           no_memory(v);
}

static ValType declared_type(const Validator *v, u32 local) {
    if (local < v->type->param_count) {
        return (ValType)type_params(v->type)[local];
    }
    usize low = 0;
    usize high = v->runs.count - 1;
    while (low < high) {
        const usize middle = (low + high) / 2;
        if (local < v->runs.at[middle].end) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return v->runs.at[low].type;
}

void facts_touch(Validator *v, u32 local) {
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
}

// The outermost open loop that was opened inside frame `depth`, or ID_NONE. While a loop is open
// its end_offset holds the depth of its frame.
static u32 outer_loop(const Validator *v, u32 depth) {
    usize low = 0;
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

static bool is_dominated(const Validator *v, const LocalFacts *local) {
    return local->def_depth < v->frames.count &&
           v->frames.at[local->def_depth].ordinal == local->def_block;
}

void facts_get_slow(Validator *v, LocalFacts *local, u32 offset) {
    if (local->last_use == UINT32_MAX) {
        return; // never dead
    }
    if (!is_dominated(v, local)) {
        const bool is_first = local->def_block == ID_NONE;
        local->needs_zero = true;
        local->def_block = local->def_depth = 0;
        if (!is_first) {
            local->last_use = UINT32_MAX;
            local->last_loop = ID_NONE;
            return;
        }
    }
    local->last_use = offset;
    local->last_loop = outer_loop(v, local->def_depth);
}

void facts_set_slow(Validator *v, LocalFacts *local) {
    local->def_depth = frame_depth(v);
    local->def_block = v->top->ordinal;
}

bool facts_loop_begin(Validator *v) {
    const u32 ordinal = (u32)v->loops.count;
    const LoopFacts loop = {.end_offset = frame_depth(v), .first_hot = (u32)v->events.count};
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
static bool sum_events(Validator *v, usize first) {
    const u64 serial = (u64)++v->sum_serial << 32;
    v->sums.count = 0;
    for (usize i = first; i < v->events.count; i++) {
        const Event event = v->events.at[i];
        const u32 local = event.key >> 1;
        u64 slot = v->sum_slots[local];
        if ((slot & ~(u64)UINT32_MAX) != serial) {
            slot = serial | v->sums.count;
            v->sum_slots[local] = slot;
            if (!vec_push(&v->sums, (HotLocal){.local = local})) {
                return no_memory(v);
            }
        }
        HotLocal *sum = &v->sums.at[(u32)slot];
        sum->weight = add_weights(sum->weight, event.weight);
        sum->is_assigned |= (event.key & 1) != 0;
    }
    return true;
}

static bool is_hotter(const HotLocal *a, const HotLocal *b) {
    return a->weight != b->weight ? a->weight > b->weight : a->local < b->local;
}

// Inserts into the sorted best[0..*count), which keeps the MAX_HOT_LOCALS first.
static void insert_hot(HotLocal *best, u32 *count, HotLocal hot) {
    u32 at = *count;
    if (at == MAX_HOT_LOCALS) {
        if (!is_hotter(&hot, &best[at - 1])) {
            return;
        }
        at--;
    } else {
        ++*count;
    }
    while (at > 0 && is_hotter(&hot, &best[at - 1])) {
        best[at] = best[at - 1];
        at--;
    }
    best[at] = hot;
}

// Replaces the events of the loop that ends by those of its hot locals.
static void leave_events(Validator *v, usize first, const HotLocal *best, u32 count) {
    v->events.count = first;
    for (u32 i = 0; i < count; i++) {
        const u64 weight = (u64)best[i].weight * LOOP_FACTOR;
        v->events.at[v->events.count++] = (Event){
            best[i].local << 1 | best[i].is_assigned,
            weight > UINT32_MAX ? UINT32_MAX : (u32)weight,
        };
    }
}

bool facts_loop_end(Validator *v) {
    LoopFacts *loop = &v->loops.at[v->open_loops.at[--v->open_loops.count]];
    const usize first_event = loop->first_hot;
    HotLocal best[MAX_HOT_LOCALS];
    u32 count = 0;
    TRY(sum_events(v, first_event));
    for (usize i = 0; i < v->sums.count; i++) {
        insert_hot(best, &count, v->sums.at[i]);
    }
    loop->end_offset = body_offset(v, v->at);
    loop->first_hot = (u32)v->hots.count;
    // Thousands of loops around the same locals would need more than the body's own size.
    const usize budget = (usize)(v->end - v->body) / 2 + MIN_HOT_BUDGET;
    loop->hot_count = v->hots.count + count <= budget ? count : 0;
    for (u32 i = 0; i < loop->hot_count; i++) {
        if (!vec_push(&v->hots, best[i])) {
            return no_memory(v);
        }
    }
    const bool has_call = loop->has_call;
    v->loop_depth = 0;
    v->events.count = first_event;
    if (v->open_loops.count != 0) {
        LoopFacts *outer = &v->loops.at[v->open_loops.at[v->open_loops.count - 1]];
        outer->has_call |= has_call;
        v->loop_depth = outer->end_offset;
        leave_events(v, first_event, best, count);
    }
    return true;
}
