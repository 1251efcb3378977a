// Islands of veneers between functions, for calls that do not reach their callee. The rules are
// those of the code buffer (isa/code_buffer.c): a call is due at field + forward, where its callee
// or a veneer to it must stand at the latest, and an island is written before a deadline passes.
// Here islands stand between functions only, and callees share veneers: one for each and island.
//
// Functions that are called and not within reach wait in a ring by due, which is the order in which
// they joined it, since calls come in ascending order. Before a function is placed, its callers are
// served if they reach it. If anybody else's deadline, less what veneers for all take, lies before
// the function's end, an island comes first. It serves those who would be due within half a reach:
// the others may yet reach their callee, and so islands stand apart.
//
// Linear: a call is looked at once, and each veneer costs O(1).
#include "base/check.h"
#include "link/link_int.h"

// A function for which calls wait.
typedef struct Wait {
    u64 due;            // of the first call; 0: nobody waits
    u32 before, behind; // in the ring: functions, or ring_head
} Wait;

struct Islands {
    Linker *linker;
    const UseKind *call;
    bool is_forced;
    Wait *waits;     // per function, then the ring's head
    u32 ring_head;   // its place: the number of functions
    u32 wait_count;
    u32 *newest_veneer; // per function, ID_NONE: none
};

Islands *islands_open(Linker *linker) {
    const u32 func_count = linker->module->func_count;
    Islands *islands = PUSH(&linker->arena, Islands, 1);
    *islands = (Islands){
        .linker = linker,
        .call = call_kind(linker),
        .is_forced = linker->input->layout.force_veneers,
        .waits = PUSH(&linker->arena, Wait, (usize)func_count + 1),
        .ring_head = func_count,
        .newest_veneer = PUSH(&linker->arena, u32, func_count),
    };
    linker->first_veneer = PUSH(&linker->arena, u32, func_count);
    for (u32 i = 0; i < func_count; i++) {
        islands->newest_veneer[i] = linker->first_veneer[i] = ID_NONE;
    }
    for (u32 i = 0; i < linker->input->blob_count; i++) {
        linker->text_at[i] = TEXT_NOWHERE;
    }
    islands->waits[func_count] = (Wait){UINT64_MAX, func_count, func_count};
    return islands;
}

// ---- Who waits ---------------------------------------------------------------------------------

static void wait_push(Islands *islands, u32 func, u64 due) {
    Wait *head = &islands->waits[islands->ring_head];
    assert(due != 0 && (head->before == islands->ring_head ||
                        islands->waits[head->before].due <= due));
    islands->waits[func] = (Wait){due, head->before, islands->ring_head};
    islands->waits[head->before].behind = func;
    head->before = func;
    islands->wait_count++;
}

// Returns when the function was due; UINT64_MAX if nobody waited for it.
static u64 wait_take(Islands *islands, u32 func) {
    const Wait wait = islands->waits[func];
    if (wait.due == 0) {
        return UINT64_MAX;
    }
    islands->waits[wait.before].behind = wait.behind;
    islands->waits[wait.behind].before = wait.before;
    islands->waits[func].due = 0;
    islands->wait_count--;
    return wait.due;
}

// The function due first, the ring's head if nobody waits: due at the end of time.
static u32 wait_first(const Islands *islands) { return islands->waits[islands->ring_head].behind; }

static u64 first_due(const Islands *islands) { return islands->waits[wait_first(islands)].due; }

// ---- Islands -----------------------------------------------------------------------------------

static u64 add_veneer(Islands *islands, u32 func, u64 at) {
    Linker *linker = islands->linker;
    const u32 id = (u32)linker->veneers.count;
    const u32 newest = islands->newest_veneer[func];
    if (!vec_push(&linker->veneers, (Veneer){(u32)at, func, ID_NONE})) {
        longjmp(*linker->arena.landing, 1);
    }
    *(newest == ID_NONE ? &linker->first_veneer[func] : &linker->veneers.at[newest].next) = id;
    islands->newest_veneer[func] = id;
    return at + islands->call->veneer_bytes;
}

// Veneers for all that are due before `limit`.
static u64 serve(Islands *islands, u64 limit, u64 at) {
    while (first_due(islands) < limit) {
        const u32 func = wait_first(islands);
        wait_take(islands, func);
        at = add_veneer(islands, func, at);
    }
    return at;
}

u64 islands_before(Islands *islands, const CodeBlob *blob, u64 at) {
    const Linker *linker = islands->linker;
    const bool is_callee = blob->kind == BLOB_FUNC && !islands->is_forced;
    const u64 due = is_callee ? wait_take(islands, blob->index) : UINT64_MAX;
    const u64 start = place_start(linker, blob, at);
    // Where the last veneer would stand in an island behind the blob.
    const u64 others_bytes = (u64)islands->wait_count * islands->call->veneer_bytes;
    const u64 last_at = start + blob->code_bytes + others_bytes - islands->call->veneer_bytes;
    if (due >= start && first_due(islands) >= last_at) {
        return at;
    }
    // Where the blob would be behind the largest island, and another such island behind it.
    const u64 island_bytes = others_bytes + islands->call->veneer_bytes;
    const u64 late_start = place_start(linker, blob, at + island_bytes);
    const u64 late_end = late_start + blob->code_bytes + island_bytes;
    const u64 island_at = at;
    if (due < late_start) {
        at = add_veneer(islands, blob->index, at);
    }
    at = serve(islands, late_end + islands->call->forward / 2, at);
    place_piece(islands->linker, ID_NONE, island_at, (u32)(at - island_at));
    return at;
}

// True if a call reaches its callee, or a veneer to it, with what has been placed so far.
static bool is_served(const Islands *islands, u64 field, u32 callee) {
    const Linker *linker = islands->linker;
    const u64 at = linker->text_at[linker->func_blob[callee]];
    const u32 veneer = islands->newest_veneer[callee];
    return (!islands->is_forced && at != TEXT_NOWHERE && code_reaches(islands->call, field, at)) ||
           (veneer != ID_NONE &&
            code_reaches(islands->call, field, linker->veneers.at[veneer].at));
}

void islands_behind(Islands *islands, u32 blob_id) {
    const Linker *linker = islands->linker;
    const CodeBlob *blob = &linker->input->blobs[blob_id];
    const Fixup *fixups = blob_fixups(linker, blob);
    for (u32 i = 0; i < blob->fixup_count; i++) {
        const u64 field = linker->text_at[blob_id] + fixups[i].offset;
        const u32 callee = fixups[i].index;
        if (fixups[i].target == FIXUP_FUNC && fixups[i].kind == linker->input->target->call_kind &&
            callee < islands->ring_head && linker->func_blob[callee] != ID_NONE &&
            islands->waits[callee].due == 0 && !is_served(islands, field, callee)) {
            wait_push(islands, callee, code_due(islands->call, field));
        }
    }
}

u64 islands_finish(Islands *islands, u64 at) {
    const u64 end = serve(islands, UINT64_MAX, at);
    if (end != at) {
        place_piece(islands->linker, ID_NONE, at, (u32)(end - at));
    }
    return end;
}
