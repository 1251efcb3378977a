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
// Externrefs are read not only by instructions, but by whoever looks for references in frames
// (imago_store_visit_refs). So they are all assigned at the function's start: such a local is alive
// from there to one place behind which control never comes back before it. Who looks on the way
// sees each value of it from its assignment to the next one, without a gap in which it could have
// ended.
//
// Both change seldom for one local. So each loop, and the body around, has a serial; a local has
// that of the innermost loop it was accessed in, plus how much is known of it there: the rest of
// the accesses there take what is known. The end of a loop restores what the loop around knew. The
// end of a block forgets it of the locals that the block assigned first, which v->defs lists.
//
// Hot locals. An access counts in the local itself. The first one in a loop saves what the loop
// around has counted, the end of the loop restores it, keeps the heaviest locals, and adds those,
// eight times heavier, to the loop around. So a loop costs its own accesses and MAX_HOT_LOCALS for
// each loop directly inside.
#include "base/alloc.h"
#include "types/limits.h"
#include "wasm/validate_int.h"

enum {
    LOOP_FACTOR = 8,
    MIN_HOT_BUDGET = 4096,
    MIN_LOCALS_ROOM = 128, // every index of one byte
};

// What is known of a local in the loop of its serial, in that number's low bits.
enum {
    KNOWN_GET = 0,   // a local.get is dominated, and makes last_loop known_loop
    KNOWN_SET = 1,   // live code has assigned it, here or before
    KNOWN_COUNT = 2, // only that its weight is this loop's; the low bit does not matter then
    SERIAL_STEP = 4,
};

// LocalFacts.def_depth when it is not the depth of an open block that assigns the local.
enum { DEF_NONE = 0, DEF_FUNC = 1 };
#define DEF_LOST UINT32_MAX

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
    v->locals_room = room;
    return true;
}

bool facts_begin(Validator *v) {
    v->stamp++;
    v->func_serial += (u32)(v->loops.count + 1) * SERIAL_STEP;
    v->serial = v->loop_serial = v->func_serial;
    v->loops.count = v->open_loops.count = v->outers.count = v->hots.count = 0;
    v->accessed.count = v->defs.count = v->def_depth = 0;
    v->has_call = v->has_foreign_call = v->has_builtin = v->loop_has_call = false;
    v->simd_at = NULL;
    v->is_out_of_memory = false;
    return (LIKELY(v->locals_room >= v->local_count) && v->locals != NULL) || grow_locals(v);
}

bool facts_ok(Validator *v) { return !v->is_out_of_memory || no_memory(v); }

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

// First access in this function.
static void touch(Validator *v, LocalFacts *local, u32 index) {
    const bool is_param = index < v->type->param_count;
    *local = (LocalFacts){
        .stamp = v->stamp,
        .type = (u8)declared_type(v, index),
        .is_param = is_param,
        .last_loop = ID_NONE,
        .def_depth = is_param || !v->wants_facts ? DEF_FUNC : DEF_NONE,
    };
    if (UNLIKELY(local->type == VAL_EXTERNREF)) {
        local->needs_zero = !is_param;
        local->def_depth = DEF_FUNC;
    }
    v->is_out_of_memory |= !vec_push(&v->accessed, index);
}

// First access in the innermost loop since another one has ended.
static void enter_loop(Validator *v, LocalFacts *local, u32 index) {
    if (local->stamp != v->stamp) {
        touch(v, local, index);
    }
    if (v->open_loops.count != 0) {
        const Outer outer = {
            .local = index,
            .serial = local->serial,
            .known_loop = local->known_loop,
            .is_set = local->is_set,
            .weight = local->weight,
        };
        v->is_out_of_memory |= !vec_push(&v->outers, outer);
    }
    local->serial = v->loop_serial + KNOWN_COUNT;
    local->weight = 0;
    local->is_set = false;
}

// The local, whose weight is that in the innermost loop.
static inline LocalFacts *local_here(Validator *v, u32 index) {
    LocalFacts *local = &v->locals[index];
    if (local->serial - v->loop_serial >= SERIAL_STEP) {
        enter_loop(v, local, index);
    }
    return local;
}

static u32 depth_of_open_loop(const Validator *v, usize i) {
    return v->loops.at[v->open_loops.at[i]].end_offset;
}

// The outermost open loop that was opened inside frame `depth`, or ID_NONE. While a loop is open
// its end_offset holds the depth of its frame.
static u32 outer_loop(const Validator *v, u32 depth) {
    usize low = 0;
    usize high = v->open_loops.count;
    if (high == 0 || depth_of_open_loop(v, high - 1) <= depth) {
        return ID_NONE;
    }
    if (depth_of_open_loop(v, 0) > depth) {
        return v->open_loops.at[0];
    }
    while (low < high) {
        const usize middle = (low + high) / 2;
        if (depth_of_open_loop(v, middle) > depth) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return v->open_loops.at[low];
}

void facts_get(Validator *v, u32 index, u32 offset) {
    LocalFacts *local = local_here(v, index);
    local->weight++;
    if (v->is_dead) {
        return;
    }
    if (local->def_depth == DEF_NONE || local->def_depth == DEF_LOST) {
        local->needs_zero = true;
        local->def_depth = DEF_FUNC;
    }
    local->last_use = offset;
    local->last_loop = local->known_loop = outer_loop(v, local->def_depth);
    local->serial = v->loop_serial + KNOWN_GET;
}

void facts_set(Validator *v, u32 index) {
    LocalFacts *local = local_here(v, index);
    local->weight++;
    local->is_set = true;
    if (v->is_dead) {
        return;
    }
    if (local->def_depth == DEF_NONE) {
        local->def_depth = frame_depth(v);
        if (vec_push(&v->defs, index)) {
            v->def_depth = local->def_depth;
        } else {
            v->is_out_of_memory = true;
        }
        local->serial = v->loop_serial + KNOWN_GET;
        local->known_loop = ID_NONE; // this loop assigns it anew each time
    } else if ((local->serial & KNOWN_COUNT) != 0) {
        local->serial = v->loop_serial + KNOWN_SET;
    }
}

void facts_set_dead(Validator *v, bool is_dead) {
    v->is_dead = is_dead;
    v->serial = is_dead ? SERIAL_DEAD : v->loop_serial;
}

void facts_block_end(Validator *v) {
    const u32 depth = frame_depth(v);
    while (v->def_depth == depth) {
        LocalFacts *local = &v->locals[v->defs.at[--v->defs.count]];
        local->def_depth = DEF_LOST;
        local->serial |= KNOWN_SET;
        const usize left = v->defs.count;
        v->def_depth = left == 0 ? 0 : v->locals[v->defs.at[left - 1]].def_depth;
    }
}

static u32 serial_of_loop(const Validator *v, u32 ordinal) {
    return v->func_serial + (ordinal + 1) * SERIAL_STEP;
}

bool facts_loop_begin(Validator *v) {
    if (!v->wants_facts) { // as if there were no loops: locals stay known
        return true;
    }
    const u32 ordinal = (u32)v->loops.count;
    if (v->open_loops.count != 0) {
        v->loops.at[v->open_loops.at[v->open_loops.count - 1]].has_call = v->loop_has_call;
    }
    v->loop_has_call = false;
    const LoopFacts loop = {
        .end_offset = frame_depth(v),
        .first_hot = (u32)v->outers.count,
    };
    if (!vec_push(&v->loops, loop) || !vec_push(&v->open_loops, ordinal)) {
        return no_memory(v);
    }
    v->serial = v->loop_serial = serial_of_loop(v, ordinal);
    return true;
}

// One integer that is greater for hotter locals, for those of equal weight of lower index.
static u64 hot_rank(u32 index, const LocalFacts *local) {
    const u64 weight = local->weight > UINT32_MAX ? UINT32_MAX : local->weight;
    return weight << 32 | (MAX_LOCALS - index) << 1 | local->is_set;
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

// Puts the hottest locals of the loop that ends into `best`, and all of them back to what the loop
// around knows. Returns how many are best.
static u32 take_hots(Validator *v, usize first_outer, u64 *best) {
    u32 count = 0;
    for (usize i = first_outer; i < v->outers.count; i++) {
        const Outer *outer = &v->outers.at[i];
        LocalFacts *local = &v->locals[outer->local];
        count = insert_hot(best, count, hot_rank(outer->local, local));
        local->serial = outer->serial;
        local->known_loop = outer->known_loop;
        local->weight = outer->weight;
        local->is_set = outer->is_set;
    }
    v->outers.count = first_outer;
    return count;
}

static void keep_hots(Validator *v, LoopFacts *loop, const u64 *best, u32 count) {
    loop->first_hot = (u32)v->hots.count;
    // Thousands of loops around the same locals would need more than the body's own size.
    const usize budget = (usize)(v->end - v->body) / 2 + MIN_HOT_BUDGET;
    loop->hot_count = (u16)(v->hots.count + count <= budget ? count : 0);
    if (!vec_reserve(&v->hots, loop->hot_count)) {
        v->is_out_of_memory = true;
        loop->hot_count = 0;
    }
    for (u32 i = 0; i < loop->hot_count; i++) {
        v->hots.at[v->hots.count++] = hot_of_rank(best[i]);
    }
}

void facts_loop_end(Validator *v) {
    if (!v->wants_facts) {
        return;
    }
    const u32 ordinal = v->open_loops.at[--v->open_loops.count];
    LoopFacts *loop = &v->loops.at[ordinal];
    u64 best[MAX_HOT_LOCALS];
    const u32 count = take_hots(v, loop->first_hot, best);
    loop->end_offset = body_offset(v, v->at);
    loop->has_call = v->loop_has_call;
    keep_hots(v, loop, best, count);
    if (v->open_loops.count == 0) {
        v->loop_serial = v->func_serial;
        return;
    }
    const u32 outer = v->open_loops.at[v->open_loops.count - 1];
    v->loop_has_call |= v->loops.at[outer].has_call; // as it was at the start of this one
    v->loop_serial = serial_of_loop(v, outer);
    for (u32 i = 0; i < count; i++) {
        const HotLocal hot = hot_of_rank(best[i]);
        LocalFacts *local = local_here(v, hot.local);
        local->weight += (u64)hot.weight * LOOP_FACTOR;
        local->is_set |= hot.is_assigned;
    }
}
