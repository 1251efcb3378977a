// Operands and plain instructions (gen.h says what this is about).
#include "fuzz/lib/gen_int.h"

static bool percent(Gen *g, u32 share) { return rng_percent(&g->rng, share); }
static u32 below(Gen *g, u32 bound) { return rng_below(&g->rng, bound); }

u8 any_number_type(Gen *g) {
    static const u8 TYPES[] = {T_I32, T_I64, T_F32, T_F64};
    return percent(g, g->is_pressed ? 75 : 35) ? g->favourite : TYPES[below(g, 4)];
}

u8 any_type(Gen *g) {
    if (percent(g, 4)) {
        return percent(g, 70) ? T_FUNC : T_EXTERN;
    }
    return any_number_type(g);
}

u32 type_index(Gen *g, const Signature *type) {
    for (u32 i = 0; i < g->type_count; i++) {
        const Signature *other = &g->types[i];
        if (other->param_count == type->param_count && other->result_count == type->result_count &&
            memcmp(other->params, type->params, type->param_count) == 0 &&
            memcmp(other->results, type->results, type->result_count) == 0) {
            return i;
        }
    }
    if (g->type_count == MAX_TYPES) {
        return ID_NONE;
    }
    g->types[g->type_count] = *type;
    return g->type_count++;
}

void emit(Gen *g, u32 opcode) {
    g->budget--;
    if (opcode > 0xFF) {
        bytes_u8(&g->code, opcode >> 8);
        bytes_u32(&g->code, opcode & 0xFF);
    } else {
        bytes_u8(&g->code, opcode);
    }
}

void emit_u32(Gen *g, u32 opcode, u32 immediate) {
    emit(g, opcode);
    bytes_u32(&g->code, immediate);
}

void emit_i32(Gen *g, i32 value) {
    emit(g, 0x41);
    bytes_signed(&g->code, value);
}

void emit_const(Gen *g, u8 type) {
    switch (type) {
    case T_I32: emit_i32(g, (i32)rng_i32(&g->rng)); break;
    case T_I64:
        emit(g, 0x42);
        bytes_signed(&g->code, (i64)rng_i64(&g->rng));
        break;
    case T_F32:
        emit(g, 0x43);
        bytes_fixed(&g->code, rng_f32(&g->rng), 4);
        break;
    case T_F64:
        emit(g, 0x44);
        bytes_fixed(&g->code, rng_f64(&g->rng), 8);
        break;
    default: emit_u32(g, 0xD0, type); break;
    }
}

void push_type(Gen *g, u8 type) { g->stack[g->sp++] = type; }

// ---- Numeric instructions -----------------------------------------------------------------------

typedef struct OpRange {
    u16 first, last;
    u8 operand_count;
    u8 operand, result; // both operands are of one type
} OpRange;

static const OpRange OPS[] = {
    {0x45, 0x45, 1, T_I32, T_I32}, {0x46, 0x4F, 2, T_I32, T_I32}, {0x50, 0x50, 1, T_I64, T_I32},
    {0x51, 0x5A, 2, T_I64, T_I32}, {0x5B, 0x60, 2, T_F32, T_I32}, {0x61, 0x66, 2, T_F64, T_I32},
    {0x67, 0x69, 1, T_I32, T_I32}, {0x6A, 0x78, 2, T_I32, T_I32}, {0x79, 0x7B, 1, T_I64, T_I64},
    {0x7C, 0x8A, 2, T_I64, T_I64}, {0x8B, 0x91, 1, T_F32, T_F32}, {0x92, 0x98, 2, T_F32, T_F32},
    {0x99, 0x9F, 1, T_F64, T_F64}, {0xA0, 0xA6, 2, T_F64, T_F64}, {0xA7, 0xA7, 1, T_I64, T_I32},
    {0xA8, 0xA9, 1, T_F32, T_I32}, {0xAA, 0xAB, 1, T_F64, T_I32}, {0xAC, 0xAD, 1, T_I32, T_I64},
    {0xAE, 0xAF, 1, T_F32, T_I64}, {0xB0, 0xB1, 1, T_F64, T_I64}, {0xB2, 0xB3, 1, T_I32, T_F32},
    {0xB4, 0xB5, 1, T_I64, T_F32}, {0xB6, 0xB6, 1, T_F64, T_F32}, {0xB7, 0xB8, 1, T_I32, T_F64},
    {0xB9, 0xBA, 1, T_I64, T_F64}, {0xBB, 0xBB, 1, T_F32, T_F64}, {0xBC, 0xBC, 1, T_F32, T_I32},
    {0xBD, 0xBD, 1, T_F64, T_I64}, {0xBE, 0xBE, 1, T_I32, T_F32}, {0xBF, 0xBF, 1, T_I64, T_F64},
    {0xC0, 0xC1, 1, T_I32, T_I32}, {0xC2, 0xC4, 1, T_I64, T_I64},
    {0xFC00, 0xFC01, 1, T_F32, T_I32}, {0xFC02, 0xFC03, 1, T_F64, T_I32},
    {0xFC04, 0xFC05, 1, T_F32, T_I64}, {0xFC06, 0xFC07, 1, T_F64, T_I64}};

static bool is_division(u32 op) { return (op >= 0x6D && op <= 0x70) || (op >= 0x7F && op <= 0x82); }
static bool is_trapping_trunc(u32 op) {
    return (op >= 0xA8 && op <= 0xAB) || (op >= 0xAE && op <= 0xB1);
}
static bool shows_bits(u32 op) { return op == 0xBC || op == 0xBD || op == 0x98 || op == 0xA6; }

// The top of the stack, if it is a NaN, becomes a certain one.
void canonicalize(Gen *g, u8 type) {
    const bool is_double = type == T_F64;
    const u32 local = g->nan_local[is_double];
    emit_u32(g, 0x22, local);
    emit(g, is_double ? 0x44 : 0x43);
    bytes_fixed(&g->code, is_double ? 0x7FF8000000000000u : 0x7FC00000u, is_double ? 8 : 4);
    emit_u32(g, 0x20, local);
    emit_u32(g, 0x20, local);
    emit(g, is_double ? 0x61 : 0x5B);
    emit(g, 0x1B);
}

// The float on top becomes 0 unless the trapping conversion takes it.
static void clamp(Gen *g, u32 op) {
    const bool is_double = op == 0xAA || op == 0xAB || op == 0xB0 || op == 0xB1;
    const bool is_wide = op >= 0xAE;
    const u32 local = g->nan_local[is_double];
    const double limit = is_wide ? 9223372036854775808.0 : 2147483648.0;
    const f32 narrow = (f32)limit;
    u64 bits = 0;
    memcpy(&bits, is_double ? (const void *)&limit : (const void *)&narrow, is_double ? 8 : 4);
    emit_u32(g, 0x22, local);
    emit(g, is_double ? 0x44 : 0x43);
    bytes_fixed(&g->code, 0, is_double ? 8 : 4);
    emit_u32(g, 0x20, local);
    emit(g, is_double ? 0x99 : 0x8B); // abs
    emit(g, is_double ? 0x44 : 0x43);
    bytes_fixed(&g->code, bits, is_double ? 8 : 4);
    emit(g, is_double ? 0x63 : 0x5D); // lt
    emit(g, 0x1B);
    if (op % 2 != 0) {
        emit(g, is_double ? 0x99 : 0x8B); // unsigned
    }
}

static void apply(Gen *g, const OpRange *range, u32 op) {
    const u8 types[2] = {range->operand, range->operand};
    const bool has_const = range->operand_count == 2 && percent(g, 25);
    const u32 twice =
        range->operand_count == 2 && percent(g, 5) ? pick_local(g, types[0]) : ID_NONE;
    if (twice != ID_NONE) {
        emit_u32(g, 0x20, twice);
        emit_u32(g, 0x20, twice);
        push_type(g, types[0]);
        push_type(g, types[0]);
    } else {
        need(g, types, range->operand_count - has_const);
    }
    if (has_const && twice == ID_NONE) {
        emit_const(g, range->operand);
        push_type(g, range->operand);
    }
    if (is_division(op) && percent(g, 88)) {
        const bool is_wide = op >= 0x7F;
        emit(g, is_wide ? 0x42 : 0x41);
        bytes_signed(&g->code, 1);
        emit(g, is_wide ? 0x84 : 0x72); // or
    }
    if (is_trapping_trunc(op) && percent(g, 90)) {
        clamp(g, op);
    }
    if (shows_bits(op)) {
        canonicalize(g, range->operand);
    }
    emit(g, op);
    g->sp -= range->operand_count;
    push_type(g, range->result);
}

static void apply_any(Gen *g, const OpRange *range) {
    apply(g, range, range->first + below(g, (u32)(range->last - range->first) + 1));
}

// A numeric instruction with this result, chosen evenly among the opcodes.
static void push_number(Gen *g, u8 type) {
    u32 count = 0;
    for (u32 i = 0; i < COUNT_OF(OPS); i++) {
        count += OPS[i].result == type ? (u32)(OPS[i].last - OPS[i].first) + 1 : 0;
    }
    u32 chosen = below(g, count);
    for (u32 i = 0; i < COUNT_OF(OPS); i++) {
        const u32 size = (u32)(OPS[i].last - OPS[i].first) + 1;
        if (OPS[i].result != type) {
            continue;
        }
        if (chosen < size) {
            apply(g, &OPS[i], OPS[i].first + chosen);
            return;
        }
        chosen -= size;
    }
}

// An instruction that takes what is on top, if any does.
void step_number(Gen *g) {
    const u8 top = g->sp > g->base ? g->stack[g->sp - 1] : any_number_type(g);
    for (u32 tries = 0; tries < 20; tries++) {
        const OpRange *range = &OPS[below(g, COUNT_OF(OPS))];
        if (range->operand == top) {
            apply_any(g, range);
            return;
        }
    }
    push_number(g, any_number_type(g));
}

// An i32 that is often a comparison, so that it meets a branch.
void push_condition(Gen *g) {
    const u32 base = g->base;
    g->base = g->sp;
    if (percent(g, 25)) {
        push_compare_const(g);
    } else if (percent(g, 60)) {
        static const u8 RANGES[] = {0, 1, 1, 2, 3, 3, 4, 5};
        apply_any(g, &OPS[RANGES[below(g, COUNT_OF(RANGES))]]);
    } else {
        push_value(g, T_I32);
    }
    while (percent(g, 20)) {
        emit(g, 0x45);
    }
    g->base = base;
}

// ---- Operands -----------------------------------------------------------------------------------

void need(Gen *g, const u8 *types, u32 count) {
    u32 have = 0;
    if (g->is_dead && g->sp == g->frame_base && percent(g, 50)) {
        have = below(g, count + 1);
        for (u32 i = 0; i < have; i++) {
            push_type(g, types[i]);
        }
    } else if (percent(g, 85)) {
        have = g->sp - g->base < count ? g->sp - g->base : count;
        while (have > 0 && memcmp(g->stack + g->sp - have, types, have) != 0) {
            have--;
        }
    }
    for (u32 i = have; i < count; i++) {
        push_value(g, types[i]);
    }
}

u32 pick_local(Gen *g, u8 type) {
    for (u32 tries = 0; tries < 12; tries++) {
        const u32 local = below(g, g->fresh_first);
        if (g->local_type[local] == type && local != g->fuel_local &&
            local != g->counter_local && local != g->nan_local[0] && local != g->nan_local[1]) {
            return local;
        }
    }
    return ID_NONE;
}

static void push_reference(Gen *g, u8 type) {
    const u32 local = pick_local(g, type);
    if (local != ID_NONE && percent(g, 50)) {
        emit_u32(g, 0x20, local);
    } else if (type == T_FUNC && percent(g, 50)) {
        emit_u32(g, 0xD2, below(g, g->func_count));
    } else if (percent(g, 50)) {
        emit_i32(g, (i32)below(g, TABLE_SPARE));
        emit_u32(g, 0x25, g->table[type == T_EXTERN ? TABLE_EXTERN : below(g, 2)]);
    } else {
        emit_u32(g, 0xD0, type);
    }
    push_type(g, type);
}

static bool push_global(Gen *g, u8 type) {
    const u32 first = below(g, g->global_count);
    for (u32 i = 0; i < g->global_count; i++) {
        const u32 global = (first + i) % g->global_count;
        if (g->global_type[global] == type) {
            emit_u32(g, 0x23, global);
            push_type(g, type);
            return true;
        }
    }
    return false;
}

static void push_leaf(Gen *g, u8 type) {
    const u32 kind = below(g, 100);
    const u32 local = pick_local(g, type);
    if (kind < 60 && local != ID_NONE) {
        emit_u32(g, 0x20, local);
    } else if (kind < 68 && push_global(g, type)) {
        return;
    } else if (kind < 71 && type == T_I32) {
        percent(g, 50) ? emit_u32(g, 0x3F, 0) // memory.size, table.size
                       : emit_u32(g, 0xFC10, g->table[below(g, TABLE_ROLES)]);
    } else {
        emit_const(g, type);
    }
    push_type(g, type);
}

static void push_load(Gen *g, u8 type);

static void push_tee(Gen *g, u8 type) {
    push_value(g, type);
    const u32 local = pick_local(g, type);
    if (local != ID_NONE) {
        emit_u32(g, 0x22, local);
    }
}

static void push_select(Gen *g, u8 type) {
    const u8 types[2] = {type, type};
    need(g, types, 2);
    push_condition(g);
    if (percent(g, 70)) {
        emit(g, 0x1B);
    } else {
        emit_u32(g, 0x1C, 1);
        bytes_u8(&g->code, type);
    }
    g->sp -= 2;
}

// The integer on top becomes one of the type.
static void convert_top(Gen *g, u8 type) {
    if (g->stack[g->sp - 1] != type) {
        emit(g, type == T_I32 ? 0xA7 : 0xAC + below(g, 2));
        g->stack[g->sp - 1] = type;
    }
}

static void push_above(Gen *g, u8 type) {
    if (type == T_FUNC || type == T_EXTERN) {
        push_reference(g, type);
        return;
    }
    if (g->budget <= 0 || g->depth >= 5 || g->sp > MAX_STACK - 100 || percent(g, 55)) {
        push_leaf(g, type);
        return;
    }
    g->depth++;
    const u32 kind = below(g, 100);
    if (kind < 4 && (type == T_I32 || type == T_I64)) {
        percent(g, 50) ? push_divided(g) : push_extended(g);
        convert_top(g, type);
    } else if (kind < 60) {
        push_number(g, type);
    } else if (kind < 70) {
        push_load(g, type);
    } else if (kind < 80) {
        push_tee(g, type);
    } else if (kind < 88) {
        push_select(g, type);
    } else if (kind < 94) {
        push_call_value(g, type);
    } else {
        push_block_value(g, type);
    }
    g->depth--;
}

// What is on the stack already is left alone.
void push_value(Gen *g, u8 type) {
    const u32 base = g->base;
    g->base = g->sp;
    push_above(g, type);
    g->base = base;
}

// A value that is surely computed, so that it takes a register.
void push_computed(Gen *g, u8 type) {
    const u32 base = g->base;
    const u32 depth = g->depth;
    g->base = g->sp;
    g->depth = depth > 4 ? depth : 4;
    push_number(g, type);
    g->depth = depth;
    g->base = base;
}

// ---- Memory -------------------------------------------------------------------------------------

void push_masked(Gen *g, u32 mask) {
    push_value(g, T_I32);
    emit_i32(g, (i32)mask);
    emit(g, 0x71);
}

// Masks the address on top so that `offset` and `width` fit behind it.
static u32 masked_address(Gen *g) {
    static const u32 MASKS[] = {7, 0xFF, 0xFFF, 0x7FFF};
    emit_i32(g, (i32)MASKS[below(g, 4)]);
    emit(g, 0x71);
    const u32 local = percent(g, 30) ? pick_local(g, T_I32) : ID_NONE;
    if (local != ID_NONE) {
        if (percent(g, 50)) {
            emit_u32(g, 0x22, local);
        } else {
            emit_u32(g, 0x21, local);
            emit_u32(g, 0x20, local);
        }
    }
    return percent(g, 40) ? 0 : below(g, percent(g, 70) ? 300 : 0x7FF0);
}

// A constant address that with its offset ends near an edge: of the memory, of 32 MiB, of 4 GiB.
static u32 edge_address(Gen *g, u32 width) {
    u64 end = (u64)g->pages << 16;
    const u32 kind = below(g, 10);
    if (kind == 0) {
        end = (u64)1 << (31 + below(g, 2));
    } else if (kind < 4 && end > 40u << 20) {
        end = 32u << 20;
    }
    const u64 last = end - width + (percent(g, 92) ? (u64)0 - below(g, 4) : below(g, 4));
    const u32 offset =
        percent(g, 50) ? 0 : (u32)(last - below(g, percent(g, 50) ? 16 : 0x7FFFFFFF) % last);
    const u32 address = (u32)(last - offset);
    const u32 local = percent(g, 50) ? pick_local(g, T_I32) : ID_NONE;
    emit_i32(g, (i32)address);
    if (local != ID_NONE) {
        emit_u32(g, 0x22, local);
    }
    return offset;
}

// Pushes an address for an access of `width` bytes; returns the offset. is_on_stack: masks the top.
static u32 push_address(Gen *g, u32 width, bool is_on_stack) {
    if (!is_on_stack && percent(g, 8)) {
        const u32 offset = edge_address(g, width);
        push_type(g, T_I32);
        return offset;
    }
    if (!is_on_stack) {
        push_value(g, T_I32);
    }
    if (percent(g, 1) && percent(g, 60)) {
        return percent(g, 50) ? rng_i32(&g->rng) : 0;
    }
    return masked_address(g);
}

typedef struct AccessRow {
    u8 opcode, type, log2_width;
} AccessRow;

static const AccessRow LOADS[] = {
    {0x28, T_I32, 2}, {0x29, T_I64, 3}, {0x2A, T_F32, 2}, {0x2B, T_F64, 3}, {0x2C, T_I32, 0},
    {0x2D, T_I32, 0}, {0x2E, T_I32, 1}, {0x2F, T_I32, 1}, {0x30, T_I64, 0}, {0x31, T_I64, 0},
    {0x32, T_I64, 1}, {0x33, T_I64, 1}, {0x34, T_I64, 2}, {0x35, T_I64, 2}};
static const AccessRow STORES[] = {
    {0x36, T_I32, 2}, {0x37, T_I64, 3}, {0x38, T_F32, 2}, {0x39, T_F64, 3}, {0x3A, T_I32, 0},
    {0x3B, T_I32, 1}, {0x3C, T_I64, 0}, {0x3D, T_I64, 1}, {0x3E, T_I64, 2}};

static void emit_access(Gen *g, const AccessRow *row, u32 offset) {
    emit_u32(g, row->opcode, below(g, row->log2_width + 1u));
    bytes_u32(&g->code, offset);
}

static void load(Gen *g, const AccessRow *row, bool is_on_stack) {
    const u32 offset = push_address(g, 1u << row->log2_width, is_on_stack);
    emit_access(g, row, offset);
    g->sp--;
    push_type(g, row->type);
}

static void push_load(Gen *g, u8 type) {
    for (;;) {
        const AccessRow *row = &LOADS[below(g, COUNT_OF(LOADS))];
        if (row->type == type) {
            load(g, row, false);
            return;
        }
    }
}

void step_load(Gen *g) {
    const bool is_on_stack = g->sp > g->base && g->stack[g->sp - 1] == T_I32;
    load(g, &LOADS[below(g, COUNT_OF(LOADS))], is_on_stack);
}

// A value whose bits the specification fixes, NaN or not.
static void push_exact(Gen *g, u8 type) {
    const u32 kind = below(g, 3);
    if (kind == 0) {
        emit_const(g, type);
        push_type(g, type);
    } else if (kind == 1) {
        push_value(g, type == T_F32 ? T_I32 : T_I64);
        emit(g, type == T_F32 ? 0xBE : 0xBF);
        g->stack[g->sp - 1] = type;
    } else {
        load(g, &LOADS[type == T_F32 ? 2 : 3], false);
    }
    const u32 local = percent(g, 40) ? pick_local(g, type) : ID_NONE;
    if (local != ID_NONE) {
        emit_u32(g, 0x22, local);
    }
}

void step_store(Gen *g) {
    const AccessRow *row = &STORES[below(g, COUNT_OF(STORES))];
    const u32 offset = push_address(g, 1u << row->log2_width, false);
    const bool is_float = row->type == T_F32 || row->type == T_F64;
    if (is_float && percent(g, 40)) {
        push_exact(g, row->type);
    } else {
        push_value(g, row->type);
        if (is_float) {
            canonicalize(g, row->type);
        }
    }
    emit_access(g, row, offset);
    g->sp -= 2;
}

// ---- Locals, select, sinks ----------------------------------------------------------------------

void step_local(Gen *g) {
    if (g->sp == g->base) {
        push_value(g, any_type(g));
    }
    const u32 local = pick_local(g, g->stack[g->sp - 1]);
    if (local == ID_NONE) {
        return;
    }
    const bool is_tee = percent(g, 40);
    emit_u32(g, is_tee ? 0x22 : 0x21, local);
    g->sp -= is_tee ? 0 : 1;
}

// A division, shift or rotation, which want certain registers, of locals above what is pending.
void step_fixed(Gen *g) {
    static const OpRange FIXED[] = {{0x6D, 0x70, 2, T_I32, T_I32}, {0x74, 0x78, 2, T_I32, T_I32},
                                    {0x7F, 0x82, 2, T_I64, T_I64}, {0x86, 0x8A, 2, T_I64, T_I64}};
    const u32 base = g->base;
    const u32 depth = g->depth;
    const OpRange *range = &FIXED[below(g, COUNT_OF(FIXED))];
    if (percent(g, 70)) {
        g->base = g->sp;
        g->depth = 5; // leaves only
    }
    if (percent(g, 50)) { // the first operand is computed, the second a local
        push_computed(g, range->operand);
        g->base = g->base > base ? g->sp - 1 : base;
    }
    apply_any(g, range);
    g->depth = depth;
    g->base = base;
}

// x = x op value: what compilers like to do in the local's register.
void step_update(Gen *g) {
    const u8 type = any_number_type(g);
    const u32 local = pick_local(g, type);
    const OpRange *range = &OPS[below(g, COUNT_OF(OPS))];
    while (range->operand != type || range->result != type) {
        range = &OPS[below(g, COUNT_OF(OPS))];
    }
    if (local == ID_NONE) {
        return;
    }
    const u32 base = g->base;
    g->base = g->sp;
    if (percent(g, 75)) {
        emit_u32(g, 0x20, local);
    } else {
        push_value(g, type);
        g->sp--;
    }
    push_type(g, type);
    if (range->operand_count == 2 && percent(g, 30)) {
        emit_u32(g, 0x20, local);
        push_type(g, type);
    }
    apply_any(g, range);
    const bool is_tee = percent(g, 10);
    emit_u32(g, is_tee ? 0x22 : 0x21, local);
    g->sp -= is_tee ? 0 : 1;
    g->base = base;
}

// Several locals exchange their values.
void step_rotate(Gen *g) {
    u32 locals[8];
    u32 count = 0;
    const u8 type = any_number_type(g);
    for (u32 wanted = 2 + below(g, 6); count < wanted; count++) {
        locals[count] = pick_local(g, type);
        if (locals[count] == ID_NONE) {
            break;
        }
        emit_u32(g, 0x20, locals[count]);
    }
    const u32 shift = count == 0 ? 0 : below(g, count);
    for (u32 i = 0; i < count; i++) {
        emit_u32(g, 0x21, locals[(i + shift) % count]);
    }
}

void step_select(Gen *g) {
    const u8 type = g->sp > g->base ? g->stack[g->sp - 1] : any_number_type(g);
    if (type != T_FUNC && type != T_EXTERN) {
        push_select(g, type);
        return;
    }
    need(g, (const u8[]){type, type, T_I32}, 3);
    emit_u32(g, 0x1C, 1);
    bytes_u8(&g->code, type);
    g->sp -= 2;
}

// Adds the top of the stack, of this type, to the exported accumulator.
void accumulate(Gen *g, u8 type) {
    if (type == T_F32 || type == T_F64) {
        canonicalize(g, type);
        emit(g, type == T_F32 ? 0xBC : 0xBD);
    }
    if (type == T_FUNC || type == T_EXTERN) {
        emit(g, 0xD1);
    }
    if (type != T_I64 && type != T_F64) {
        emit(g, percent(g, 50) ? 0xAC : 0xAD);
    }
    emit_u32(g, 0x23, g->acc_global);
    emit(g, 0x85); // xor
    emit(g, 0x42);
    bytes_signed(&g->code, 0x9E3779B1);
    emit(g, 0x7E); // mul
    emit(g, 0x42);
    bytes_signed(&g->code, 29);
    emit(g, 0x89); // rotl
    emit_u32(g, 0x24, g->acc_global);
}

static bool sink_to_global(Gen *g, u8 type) {
    const u32 first = below(g, g->global_count);
    for (u32 i = 0; i < g->global_count; i++) {
        const u32 global = (first + i) % g->global_count;
        if (g->global_type[global] == type && g->global_mutable[global] &&
            global != g->acc_global && global != g->fuel_global) {
            emit_u32(g, 0x24, global);
            return true;
        }
    }
    return false;
}

void sink(Gen *g) {
    const u8 type = g->stack[g->sp - 1];
    const u32 kind = below(g, 100);
    const u32 local = pick_local(g, type);
    g->sp--;
    if (kind < 40 && local != ID_NONE) {
        emit_u32(g, 0x21, local);
    } else if (kind < 60 && sink_to_global(g, type)) {
        return;
    } else if (kind < 80) {
        accumulate(g, type);
    } else {
        emit(g, 0x1A);
    }
}
