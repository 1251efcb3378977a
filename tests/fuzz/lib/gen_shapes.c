// Sequences that a random walk makes too rarely: each is what some part of a compiler waits for.
// They take nothing from the stack and leave it as it was, unless they say otherwise.
#include "fuzz/lib/gen_int.h"

static bool percent(Gen *g, u32 share) { return rng_percent(&g->rng, share); }
static u32 below(Gen *g, u32 bound) { return rng_below(&g->rng, bound); }

static void get(Gen *g, u32 local) { emit_u32(g, 0x20, local); }
static void set(Gen *g, u32 local) { emit_u32(g, 0x21, local); }

// Up to `wanted` locals of the type.
static u32 pick_locals(Gen *g, u8 type, u32 *locals, u32 wanted) {
    u32 count = 0;
    while (count < wanted && (locals[count] = pick_local(g, type)) != ID_NONE) {
        count++;
    }
    return count;
}

// ---- Hash functions -----------------------------------------------------------------------------

// local = rotl(local op (other op third) op constant, n), unrolled: more live values than registers
// and no branch.
static void round_of_hash(Gen *g, u8 type, const u32 *locals, u32 count) {
    static const u8 OPS[] = {0x6A, 0x6A, 0x6B, 0x73, 0x71, 0x72, 0x6C}; // of i32
    const u32 shift = type == T_I64 ? 0x7C - 0x6A : 0;
    const u32 target = locals[below(g, count)];
    get(g, target);
    for (u32 i = 2 + below(g, 3); i > 0; i--) {
        percent(g, 75) ? get(g, locals[below(g, count)]) : emit_const(g, type);
        emit(g, OPS[below(g, COUNT_OF(OPS))] + shift);
    }
    if (percent(g, 70)) {
        emit(g, type == T_I64 ? 0x42 : 0x41);
        bytes_signed(&g->code, below(g, 64));
        emit(g, 0x77 + shift + below(g, 2)); // rotl, rotr
    }
    set(g, target);
}

void step_hash(Gen *g) {
    u32 locals[20];
    const u8 type = percent(g, 50) ? T_I32 : T_I64;
    const u32 count = pick_locals(g, type, locals, 4 + below(g, 16));
    for (u32 i = count == 0 ? 0 : 4 + below(g, 60); i > 0; i--) {
        round_of_hash(g, type, locals, count);
    }
}

// ---- Loops --------------------------------------------------------------------------------------

static void count_down(Gen *g) {
    get(g, g->counter_local);
    emit_i32(g, 1);
    emit(g, 0x6B);
    emit_u32(g, 0x22, g->counter_local);
}

static void hot_body(Gen *g) {
    for (u32 i = 2 + below(g, 14); i > 0; i--) {
        switch (below(g, 10)) {
        case 0: step_rotate(g); break;
        case 1: step_store(g); break;
        case 2: step_popped(g); break;
        case 3: step_edge(g); break;
        case 4: percent(g, 40) ? step_hash(g) : step_update(g); break;
        default: step_update(g); break;
        }
    }
    if (percent(g, 15)) { // memory.grow, and an access in what it may have made
        emit_i32(g, (i32)below(g, 2));
        emit_u32(g, 0x40, 0);
        emit(g, 0x1A);
        step_edge(g);
    }
}

// A loop that works on locals, most of which it wants in registers; sometimes left in the middle.
void step_hot_loop(Gen *g) {
    const bool has_exit = percent(g, 30);
    emit_i32(g, (i32)below(g, 7) + 1);
    set(g, g->counter_local);
    if (has_exit) {
        emit_u32(g, 0x02, 0x40);
    }
    emit_u32(g, 0x03, 0x40);
    const Saved saved = enter_plain(g, 1u + has_exit);
    loop_header(g);
    hot_body(g);
    if (has_exit) {
        push_condition(g);
        g->sp--;
        emit_u32(g, 0x0D, 1);
    }
    leave_plain(g, &saved, 1u + has_exit);
    count_down(g);
    emit_u32(g, 0x0D, 0);
    emit(g, 0x0B);
    if (has_exit) {
        emit(g, 0x0B);
    }
}

// x = x op y, nothing else: what fits in a short jump's reach.
static void tiny_step(Gen *g, u8 type, const u32 *locals, u32 count) {
    const u32 shift = type == T_I64 ? 0x7C - 0x6A : 0;
    get(g, locals[below(g, count)]);
    percent(g, 50) ? get(g, locals[below(g, count)]) : emit_const(g, type);
    emit(g, 0x6A + shift + below(g, 2));
    set(g, locals[below(g, count)]);
}

// A loop of a few instructions; it ends by itself.
void step_tiny_loop(Gen *g) {
    u32 locals[4];
    const u8 type = percent(g, 50) ? T_I32 : T_I64;
    const u32 count = pick_locals(g, type, locals, 1 + below(g, 4));
    const bool leaves = percent(g, 50); // else falls out
    if (count == 0) {
        return;
    }
    emit_i32(g, (i32)below(g, 30) + 1);
    set(g, g->counter_local);
    emit_u32(g, 0x02, 0x40);
    emit_u32(g, 0x03, 0x40);
    for (u32 i = below(g, 4); i > 0; i--) {
        tiny_step(g, type, locals, count);
    }
    count_down(g);
    if (leaves) {
        emit(g, 0x45);
        emit_u32(g, 0x0D, 1);
        tiny_step(g, type, locals, count);
    }
    emit_u32(g, leaves ? 0x0C : 0x0D, 0);
    emit(g, 0x0B);
    emit(g, 0x0B);
}

// ---- Locals -------------------------------------------------------------------------------------

// Reads a local, assigns it while what was read is pending, and uses both.
void step_popped(Gen *g) {
    const u8 type = percent(g, 50) ? T_I32 : T_I64;
    u32 locals[3];
    const u32 shift = type == T_I64 ? 0x7C - 0x6A : 0;
    if (pick_locals(g, type, locals, 3) != 3) {
        return;
    }
    const u32 reads = 1 + below(g, 3);
    for (u32 i = 0; i < reads; i++) {
        get(g, locals[below(g, 2)]);
    }
    get(g, locals[percent(g, 50) ? 0 : 2]);
    if (percent(g, 60)) {
        emit_const(g, type);
        emit(g, 0x6A + shift + below(g, 3));
    }
    set(g, locals[0]);
    for (u32 i = 1; i < reads; i++) {
        emit(g, 0x6A + shift + below(g, 3));
    }
    if (percent(g, 50)) {
        get(g, locals[0]);
        emit(g, percent(g, 70) ? 0x6A + shift : 0x74 + shift + below(g, 5)); // shifts, rotations
    }
    set(g, locals[percent(g, 50) ? 1 : 0]);
}

// One value in several locals.
void step_tees(Gen *g) {
    u32 locals[5];
    const u8 type = any_number_type(g);
    const u32 count = pick_locals(g, type, locals, 2 + below(g, 4));
    if (count == 0) {
        return;
    }
    push_value(g, type);
    g->sp--;
    for (u32 i = 0; i < count; i++) {
        emit_u32(g, 0x22, locals[i]);
    }
    set(g, locals[below(g, count)]);
}

static void make_odd(Gen *g, u8 type) {
    emit(g, type == T_I64 ? 0x42 : 0x41);
    bytes_signed(&g->code, 1);
    emit(g, type == T_I64 ? 0x84 : 0x72); // or
}

// A local computed, then read for the last time by an instruction that wants registers of its own,
// above as many values as there may be registers.
void step_last_use(Gen *g) {
    static const u8 FIXED[] = {0x6D, 0x6E, 0x6F, 0x70, 0x74, 0x75, 0x76, 0x77, 0x78};
    if (g->fresh_count == 0) {
        return;
    }
    // A compiler knows where a function's last read of a local is.
    u32 locals[3] = {g->fresh_first + --g->fresh_count};
    const u8 type = g->local_type[locals[0]];
    const u32 shift = type == T_I64 ? 0x7C - 0x6A : 0;
    const u32 pending = 3 + below(g, 9);
    if (pick_locals(g, type, locals + 1, 2) != 2) {
        return;
    }
    percent(g, 50) ? push_call_value(g, type) : push_value(g, type);
    g->sp--;
    make_odd(g, type);
    set(g, locals[0]);
    for (u32 i = 0; i < pending; i++) {
        get(g, locals[1 + below(g, 2)]);
        emit_const(g, type);
        emit(g, 0x6A + shift);
    }
    const u32 op = FIXED[below(g, COUNT_OF(FIXED))];
    get(g, locals[percent(g, 60) ? 0 : 1]);
    if (percent(g, 70)) {
        get(g, locals[0]);
    } else {
        get(g, locals[1]);
        make_odd(g, type);
    }
    emit(g, op + shift);
    for (u32 i = 0; i < pending; i++) {
        emit(g, percent(g, 50) ? 0x6A + shift : 0x73 + shift);
    }
    set(g, locals[1]);
}

// ---- Constants ----------------------------------------------------------------------------------

// A comparison with a constant, on either side. Leaves an i32.
void push_compare_const(Gen *g) {
    static const struct {
        u8 first, last, type;
    } ROWS[] = {{0x46, 0x4F, T_I32}, {0x51, 0x5A, T_I64}, {0x5B, 0x60, T_F32}, {0x61, 0x66, T_F64}};
    const u32 row = below(g, percent(g, 70) ? 2 : 4);
    const u8 type = ROWS[row].type;
    const bool is_left = percent(g, 50);
    for (u32 i = 0; i < 2; i++) {
        if (is_left == (i == 0)) {
            emit_const(g, type);
            push_type(g, type);
        } else {
            push_value(g, type);
        }
    }
    g->sp -= 2;
    emit(g, ROWS[row].first + below(g, (u32)(ROWS[row].last - ROWS[row].first) + 1));
    push_type(g, T_I32);
}

// Division by a constant that is not zero: a power of two, near one, anything. Leaves an integer.
void push_divided(Gen *g) {
    const bool is_wide = percent(g, 50);
    const u8 type = is_wide ? T_I64 : T_I32;
    const bool is_unsafe = percent(g, 2);
    i64 divisor = is_wide ? (i64)rng_i64(&g->rng) : (i32)rng_i32(&g->rng);
    divisor = divisor == 0 || (divisor == -1 && !is_unsafe) ? 3 : divisor;
    push_value(g, type);
    emit(g, is_wide ? 0x42 : 0x41);
    bytes_signed(&g->code, divisor);
    emit(g, (is_wide ? 0x7F : 0x6D) + below(g, 4));
}

// More places that may trap than a function usually has.
void step_many_traps(Gen *g) {
    u32 locals[8];
    const u8 type = percent(g, 50) ? T_I32 : T_I64;
    const u32 shift = type == T_I64 ? 0x7F - 0x6D : 0;
    const u32 count = pick_locals(g, type, locals, 8);
    for (u32 i = count == 0 ? 0 : 300 + below(g, 1500); i > 0; i--) {
        get(g, locals[below(g, count)]);
        get(g, locals[below(g, count)]);
        make_odd(g, type);
        emit(g, (percent(g, 90) ? 0x6E : 0x6F) + shift);
        set(g, locals[below(g, count)]);
    }
}

// ---- Memory -------------------------------------------------------------------------------------

// A load or store near the end of what the memory is now: in bounds most of the time.
void step_edge(Gen *g) {
    static const u8 LOADS[] = {0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x31};
    const u32 width = 8;
    const u32 offset = percent(g, 50) ? 0 : below(g, 200);
    const u32 back = percent(g, 98) ? width + offset + below(g, 9) : below(g, 12);
    const bool is_store = percent(g, 50);
    emit_u32(g, 0x3F, 0);
    emit_i32(g, 16);
    emit(g, 0x74);
    if (percent(g, 97)) { // else behind the end of a memory of no pages
        emit_i32(g, 0x10000);
        emit(g, 0x72);
    }
    emit_i32(g, (i32)back);
    emit(g, 0x6B);
    if (is_store) {
        percent(g, 50) ? emit_const(g, T_I32) : emit_u32(g, 0x3F, 0);
        emit_u32(g, 0x36, 0);
    } else {
        emit_u32(g, LOADS[below(g, COUNT_OF(LOADS))], 0);
    }
    bytes_u32(&g->code, offset);
    if (!is_store) {
        emit(g, 0x1A);
    }
}

// A narrow load and the extension of its result. Leaves an integer.
void push_extended(Gen *g) {
    static const u8 LOADS[2][6] = {{0x2C, 0x2D, 0x2E, 0x2F, 0x28, 0x28},
                                   {0x30, 0x31, 0x32, 0x33, 0x34, 0x35}};
    const bool is_wide = percent(g, 50);
    push_masked(g, 0xFFF);
    emit_u32(g, LOADS[is_wide][below(g, 6)], 0);
    bytes_u32(&g->code, below(g, 300));
    if (percent(g, 80)) {
        emit(g, is_wide ? 0xC2 + below(g, 3) : 0xC0 + below(g, 2));
    }
    g->stack[g->sp - 1] = is_wide ? T_I64 : T_I32;
}

// ---- Recursion ----------------------------------------------------------------------------------

// The body of a function that calls itself until the stack ends, and changes nothing.
void deep_body(Gen *g, u32 func) {
    for (u32 i = below(g, 30); i > 0; i--) {
        step_popped(g);
    }
    for (u32 i = 0; i < g->type->param_count; i++) {
        if (percent(g, 50)) {
            get(g, i);
        } else {
            emit_const(g, g->type->params[i]);
        }
    }
    emit_u32(g, 0x10, func);
    emit(g, 0x0B);
}
