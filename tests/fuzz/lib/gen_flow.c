// Control flow, calls, tables and bulk memory (gen.h says what this is about).
#include "fuzz/lib/gen_int.h"

enum { OP_BLOCK = 0x02, OP_LOOP = 0x03, OP_IF = 0x04, OP_ELSE = 0x05, OP_END = 0x0B };

static bool percent(Gen *g, u32 share) { return rng_percent(&g->rng, share); }
static u32 below(Gen *g, u32 bound) { return rng_below(&g->rng, bound); }

static void steps(Gen *g, u32 count);

// ---- Ends of blocks -----------------------------------------------------------------------------

// Leaves exactly these types on the stack of the block.
static void fix_stack(Gen *g, const u8 *types, u32 count) {
    while (g->sp > g->base && (g->sp - g->base > count ||
                               memcmp(g->stack + g->base, types, g->sp - g->base) != 0)) {
        sink(g);
    }
    u32 have = g->sp - g->base;
    if (g->is_dead && have == 0 && percent(g, 60)) {
        have = below(g, count + 1);
        for (u32 i = 0; i < have; i++) {
            push_type(g, types[i]);
        }
    }
    for (u32 i = have; i < count; i++) {
        push_value(g, types[i]);
    }
}

static void emit_block_type(Gen *g, const Signature *type, u32 index) {
    if (type->param_count == 0 && type->result_count == 0) {
        bytes_u8(&g->code, 0x40);
    } else if (type->param_count == 0 && type->result_count == 1) {
        bytes_u8(&g->code, type->results[0]);
    } else {
        bytes_signed(&g->code, index);
    }
}

static void push_label(Gen *g, const u8 *types, u32 count) {
    LabelTypes *label = &g->labels[g->label_count++];
    label->count = (u8)count;
    label->level = g->nesting++;
    if (count != 0) {
        memcpy(label->types, types, count);
    }
}

// Ends the function by values of no interest. Changes no state.
static void emit_leave(Gen *g) {
    for (u32 i = 0; i < g->type->result_count; i++) {
        emit_const(g, g->type->results[i]);
    }
    emit(g, 0x0F);
}

void loop_header(Gen *g) {
    emit_u32(g, 0x20, g->fuel_local);
    emit_i32(g, 1);
    emit(g, 0x6B);
    emit_u32(g, 0x22, g->fuel_local);
    emit_i32(g, 0);
    emit(g, 0x48); // lt_s
    emit(g, OP_IF);
    bytes_u8(&g->code, 0x40);
    emit_leave(g);
    emit(g, OP_END);
}

// Counts a local down and goes back to the loop's start while it is not zero.
static void loop_tail(Gen *g, const Signature *type) {
    need(g, type->params, type->param_count);
    emit_u32(g, 0x20, g->counter_local);
    emit_i32(g, 1);
    emit(g, 0x6B);
    emit_u32(g, 0x22, g->counter_local);
    emit_u32(g, 0x0D, 0);
}

Saved enter_plain(Gen *g, u32 levels) {
    const Saved saved = {g->base, g->frame_base, g->is_dead};
    g->base = g->frame_base = g->sp;
    g->is_dead = false;
    g->nesting += levels;
    return saved;
}

void leave_plain(Gen *g, const Saved *saved, u32 levels) {
    while (g->sp > g->base) {
        sink(g);
    }
    g->base = saved->base;
    g->frame_base = saved->frame_base;
    g->is_dead = saved->is_dead;
    g->nesting -= levels;
}

static void arm(Gen *g, u32 opcode, const Signature *type, bool is_counted) {
    g->is_dead = false;
    g->base = g->frame_base;
    if (opcode == OP_LOOP) {
        loop_header(g);
    }
    steps(g, 1 + below(g, percent(g, 70) ? 5 : 14));
    if (is_counted && !g->is_dead) {
        loop_tail(g, type);
    }
    fix_stack(g, type->results, type->result_count);
}

// A block whose parameters are the top of the stack; an `if` takes its condition by itself.
static void block(Gen *g, u32 opcode, const Signature *type) {
    const u32 index = type_index(g, type);
    if (index == ID_NONE || g->label_count == MAX_LABELS) {
        return;
    }
    const Saved saved = {g->base, g->frame_base, g->is_dead};
    const bool is_counted = opcode == OP_LOOP && percent(g, 60);
    if (is_counted) {
        emit_i32(g, (i32)below(g, 6) + 1);
        emit_u32(g, 0x21, g->counter_local);
    }
    emit(g, opcode);
    emit_block_type(g, type, index);
    push_label(g, opcode == OP_LOOP ? type->params : type->results,
               opcode == OP_LOOP ? type->param_count : type->result_count);
    g->frame_base = g->sp - type->param_count;
    const u32 start = g->frame_base;
    arm(g, opcode, type, is_counted);
    const bool can_omit = type->param_count == type->result_count &&
                          memcmp(type->params, type->results, type->param_count) == 0;
    if (opcode == OP_IF && (!can_omit || percent(g, 50))) {
        emit(g, OP_ELSE);
        memcpy(g->stack + start, type->params, type->param_count);
        g->sp = start + type->param_count;
        arm(g, OP_ELSE, type, false);
    }
    emit(g, OP_END);
    g->label_count--;
    g->nesting--;
    memcpy(g->stack + start, type->results, type->result_count);
    g->sp = start + type->result_count;
    g->base = saved.base;
    g->frame_base = saved.frame_base;
    g->is_dead = saved.is_dead;
}

static u32 any_block_opcode(Gen *g) {
    static const u8 OPCODES[] = {OP_BLOCK, OP_BLOCK, OP_LOOP, OP_IF, OP_IF};
    return OPCODES[below(g, sizeof OPCODES)];
}

static void push_if_condition(Gen *g, u32 opcode) {
    if (opcode == OP_IF) {
        push_condition(g);
        g->sp--;
    }
}

void push_block_value(Gen *g, u8 type) {
    Signature signature = {.result_count = 1, .results = {type}};
    signature.param_count = (u8)(percent(g, 60) ? 0 : below(g, 4));
    for (u32 i = 0; i < signature.param_count; i++) {
        signature.params[i] = any_type(g);
    }
    const u32 opcode = any_block_opcode(g);
    if (g->label_count == MAX_LABELS || type_index(g, &signature) == ID_NONE) {
        emit_const(g, type);
        push_type(g, type);
        return;
    }
    for (u32 i = 0; i < signature.param_count; i++) {
        push_value(g, signature.params[i]);
    }
    push_if_condition(g, opcode);
    block(g, opcode, &signature);
}

static void step_block(Gen *g) {
    const u32 available = g->sp - g->base;
    Signature type = {0};
    type.param_count = (u8)(percent(g, 50) ? 0 : below(g, available < 3 ? available + 1 : 4));
    const u32 wide = available < MAX_PARAMS ? available : MAX_PARAMS;
    if (wide >= 8 && percent(g, 15)) { // more than go in registers
        type.param_count = (u8)(wide - below(g, wide - 6));
    }
    memcpy(type.params, g->stack + g->sp - type.param_count, type.param_count);
    if (percent(g, 25)) {
        type.result_count = type.param_count;
        memcpy(type.results, type.params, type.param_count);
    } else {
        const u32 wide_results = 6 + below(g, percent(g, 85) ? 7 : MAX_PARAMS - 5);
        const u32 few_results = percent(g, 40) ? 0 : below(g, 4);
        type.result_count = (u8)(percent(g, 8) ? wide_results : few_results);
        for (u32 i = 0; i < type.result_count; i++) {
            type.results[i] = any_type(g);
        }
    }
    if (g->label_count == MAX_LABELS || type_index(g, &type) == ID_NONE) {
        return;
    }
    const u32 opcode = any_block_opcode(g);
    push_if_condition(g, opcode);
    block(g, opcode, &type);
}

// ---- Branches -----------------------------------------------------------------------------------

static const LabelTypes *label_at(const Gen *g, u32 depth) {
    return &g->labels[g->label_count - 1 - depth];
}

// What a branch to it says.
static u32 distance(const Gen *g, u32 depth) {
    return g->nesting - 1 - label_at(g, depth)->level;
}

// Labels near and the function's own are chosen more often.
static u32 any_depth(Gen *g) {
    return percent(g, 50) ? below(g, g->label_count < 3 ? g->label_count : 3)
                          : below(g, g->label_count);
}

static void die(Gen *g) {
    g->is_dead = true;
    g->sp = g->base;
}

static void step_br_if(Gen *g) {
    const u32 depth = any_depth(g);
    const LabelTypes *label = label_at(g, depth);
    need(g, label->types, label->count);
    push_condition(g);
    g->sp--;
    emit_u32(g, 0x0D, distance(g, depth));
}

static void step_br(Gen *g) {
    const u32 depth = any_depth(g);
    need(g, label_at(g, depth)->types, label_at(g, depth)->count);
    emit_u32(g, 0x0C, distance(g, depth));
    die(g);
}

static void step_br_table(Gen *g) {
    const LabelTypes *chosen = label_at(g, any_depth(g));
    u32 fitting[MAX_LABELS];
    u32 fitting_count = 0;
    for (u32 i = 0; i < g->label_count; i++) {
        const LabelTypes *label = label_at(g, i);
        if (label->count == chosen->count &&
            memcmp(label->types, chosen->types, label->count) == 0) {
            fitting[fitting_count++] = i;
        }
    }
    need(g, chosen->types, chosen->count);
    if (percent(g, 75)) {
        push_masked(g, percent(g, 70) ? 7 : 1);
    } else {
        push_value(g, T_I32);
    }
    g->sp--;
    const u32 count = below(g, percent(g, 95) ? 7 : percent(g, 90) ? 40 : 1000);
    emit_u32(g, 0x0E, count);
    for (u32 i = 0; i <= count; i++) {
        bytes_u32(&g->code, distance(g, fitting[below(g, fitting_count)]));
    }
    die(g);
}

static void step_return(Gen *g) {
    need(g, g->type->results, g->type->result_count);
    emit(g, 0x0F);
    die(g);
}

// Guarded, so that code behind it is reached now and then.
static void step_trap(Gen *g) {
    if (percent(g, 90)) {
        push_condition(g);
        emit(g, 0x45);
        push_condition(g);
        emit(g, 0x71);
        g->sp -= 2;
        emit(g, OP_IF);
        bytes_u8(&g->code, 0x40);
        percent(g, 30) ? emit(g, 0x00) : emit_leave(g);
        emit(g, OP_END);
        return;
    }
    emit(g, 0x00);
    die(g);
}

// ---- Calls --------------------------------------------------------------------------------------

static const Signature *type_of(const Gen *g, u32 func) { return &g->types[g->func_type[func]]; }

// Pushes the index of a function in the tables, or of another one of its type.
static void push_table_index(Gen *g, u32 func) {
    u32 first = g->table_position[func];
    u32 end = first + 1;
    while (first > 0 && g->func_type[g->table_order[first - 1]] == g->func_type[func]) {
        first--;
    }
    while (end < g->func_count && g->func_type[g->table_order[end]] == g->func_type[func]) {
        end++;
    }
    if (percent(g, 40)) {
        emit_i32(g, (i32)g->table_position[func]);
    } else if (percent(g, 97)) {
        push_value(g, T_I32);
        g->sp--;
        emit_i32(g, (i32)(end - first));
        emit(g, 0x70); // rem_u
        emit_i32(g, (i32)first);
        emit(g, 0x6A);
    } else {
        push_masked(g, percent(g, 80) ? 31 : 0xFFF);
        g->sp--;
    }
}

static void call(Gen *g, u32 func) {
    const Signature *type = type_of(g, func);
    need(g, type->params, type->param_count);
    if (percent(g, 60)) {
        emit_u32(g, 0x10, func);
    } else {
        push_table_index(g, func);
        emit_u32(g, 0x11, g->func_type[func]);
        bytes_u32(&g->code, g->table[percent(g, 60) ? TABLE_FROZEN : TABLE_OPEN]);
    }
    g->sp -= type->param_count;
    for (u32 i = 0; i < type->result_count; i++) {
        push_type(g, type->results[i]);
    }
}

void push_call_value(Gen *g, u8 type) {
    const u32 first = below(g, g->func_count);
    for (u32 i = 0; i < g->func_count; i++) {
        const u32 func = (first + i) % g->func_count;
        if (type_of(g, func)->result_count == 1 && type_of(g, func)->results[0] == type) {
            call(g, func);
            return;
        }
    }
    emit_const(g, type);
    push_type(g, type);
}

// ---- Tables and memory --------------------------------------------------------------------------

static void push_i32(Gen *g, i32 value) {
    emit_i32(g, value);
    push_type(g, T_I32);
}

static void open_table_step(Gen *g) {
    const u32 func = below(g, g->func_count);
    const i32 spare = (i32)(g->func_count + below(g, TABLE_SPARE));
    switch (below(g, 6)) {
    case 0: // keeps the entry's type
        emit_i32(g, (i32)g->table_position[func]);
        emit_u32(g, 0xD2, func);
        emit_u32(g, 0x26, g->table[TABLE_OPEN]);
        break;
    case 1:
        push_i32(g, spare);
        push_value(g, T_FUNC);
        g->sp -= 2;
        emit_u32(g, 0x26, g->table[TABLE_OPEN]);
        break;
    case 2: // from the frozen table, at the same place
        push_i32(g, (i32)g->table_position[func]);
        push_i32(g, (i32)g->table_position[func]);
        push_masked(g, 1);
        g->sp -= 3;
        emit_u32(g, 0xFC0E, g->table[TABLE_OPEN]);
        bytes_u32(&g->code, g->table[TABLE_FROZEN]);
        break;
    case 3:
        push_i32(g, spare);
        push_value(g, T_FUNC);
        g->sp -= 2;
        emit_i32(g, (i32)below(g, 2));
        emit_u32(g, 0xFC11, g->table[TABLE_OPEN]);
        break;
    case 4:
        push_value(g, T_FUNC);
        g->sp--;
        emit_i32(g, (i32)below(g, 3));
        emit_u32(g, 0xFC0F, g->table[TABLE_OPEN]);
        push_type(g, T_I32);
        break;
    default: // the passive segment is the tables' order
        emit_i32(g, (i32)g->table_position[func]);
        emit_i32(g, (i32)g->table_position[func]);
        emit_i32(g, (i32)below(g, 2));
        emit_u32(g, 0xFC0C, ELEM_ORDER);
        bytes_u32(&g->code, g->table[TABLE_OPEN]);
        break;
    }
}

// Reads an entry of a table that has some, inside of a block.
static void any_entry(Gen *g, u32 table) {
    const Saved saved = enter_plain(g, 1);
    push_value(g, T_I32);
    g->sp--;
    leave_plain(g, &saved, 1);
    emit_u32(g, 0xFC10, table);
    emit(g, 0x70); // rem_u
    emit_u32(g, 0x25, table);
}

// The table that is empty at first, and one of external references: operands that often fit.
static void small_table_step(Gen *g) {
    const TableRole role = percent(g, 60) ? TABLE_EMPTY : TABLE_EXTERN;
    const u32 table = g->table[role];
    const u8 type = role == TABLE_EXTERN ? T_EXTERN : T_FUNC;
    switch (below(g, 6)) {
    case 0: // grow
        push_value(g, type);
        g->sp--;
        emit_i32(g, percent(g, 95) ? (i32)below(g, 3) : (i32)rng_i32(&g->rng));
        emit_u32(g, 0xFC0F, table);
        push_type(g, T_I32);
        break;
    case 1: // copy within itself
        push_masked(g, 3);
        push_masked(g, 3);
        push_masked(g, percent(g, 90) ? 1 : 3);
        g->sp -= 3;
        emit_u32(g, 0xFC0E, table);
        bytes_u32(&g->code, table);
        break;
    case 2: // fill
        push_masked(g, 3);
        push_value(g, type);
        g->sp -= 2;
        emit_i32(g, (i32)below(g, 2));
        emit_u32(g, 0xFC11, table);
        break;
    case 3: // an entry below the size, if there is one
        emit_u32(g, 0xFC10, table);
        emit(g, OP_IF);
        bytes_u8(&g->code, type);
        any_entry(g, table);
        emit(g, OP_ELSE);
        emit_u32(g, 0xD0, type);
        emit(g, OP_END);
        push_type(g, type);
        break;
    case 4: // init from a segment that may have been dropped
        if (role == TABLE_EMPTY) {
            emit_i32(g, 0);
            emit_i32(g, (i32)below(g, 2));
            emit_i32(g, percent(g, 95) ? 0 : 1);
            emit_u32(g, 0xFC0C, ELEM_DROPPED);
            bytes_u32(&g->code, table);
        }
        break;
    default: // from the open table, a few
        if (role == TABLE_EMPTY) {
            push_i32(g, 0);
            push_masked(g, 1);
            g->sp -= 2;
            emit_u32(g, 0xFC10, table);
            emit_i32(g, 0);
            emit(g, 0x4B); // gt_u
            emit_u32(g, 0xFC0E, table);
            bytes_u32(&g->code, g->table[TABLE_OPEN]);
        }
        break;
    }
}

static void step_table(Gen *g) {
    switch (below(g, 5)) {
    case 0: // table.size
        emit_u32(g, 0xFC10, g->table[below(g, TABLE_ROLES)]);
        push_type(g, T_I32);
        break;
    case 1: // ref.is_null of an entry
        push_masked(g, percent(g, 95) ? 7 : 31);
        emit_u32(g, 0x25, g->table[below(g, 2)]);
        emit(g, 0xD1);
        break;
    case 2: // table.set of an external reference
        push_masked(g, 7);
        push_value(g, T_EXTERN);
        g->sp -= 2;
        emit_u32(g, 0x26, g->table[TABLE_EXTERN]);
        break;
    case 3: small_table_step(g); break;
    default: open_table_step(g); break;
    }
}

static void step_memory(Gen *g) {
    const u32 kind = below(g, 10);
    if (kind < 2) {
        percent(g, 90) ? emit_i32(g, (i32)below(g, 2)) : emit_const(g, T_I32);
        emit_u32(g, 0x40, 0);
        push_type(g, T_I32);
    } else if (kind < 3) {
        emit_u32(g, 0x3F, 0);
        push_type(g, T_I32);
    } else if (kind < 6) { // memory.fill
        push_masked(g, 0x3FFF);
        push_value(g, T_I32);
        push_masked(g, percent(g, 98) ? 0xFF : 0xFFFFF);
        g->sp -= 3;
        emit_u32(g, 0xFC0B, 0);
    } else if (kind < 8) { // memory.copy
        push_masked(g, percent(g, 50) ? 0xFF : 0x3FFF);
        push_masked(g, percent(g, 50) ? 0xFF : 0x3FFF);
        push_masked(g, percent(g, 98) ? 0xFF : 0xFFFFF);
        g->sp -= 3;
        emit_u32(g, 0xFC0A, 0);
        bytes_u32(&g->code, 0);
    } else if (percent(g, 8)) { // data.drop, elem.drop
        emit_u32(g, 0xFC09, percent(g, 5) ? DATA_PASSIVE : DATA_DROPPED);
        emit_u32(g, 0xFC0D, percent(g, 5) ? ELEM_ORDER : ELEM_DROPPED);
    } else { // memory.init of the passive segment
        push_masked(g, 0x3FFF);
        push_masked(g, 0x7F);
        push_masked(g, 0x7F);
        g->sp -= 3;
        emit_u32(g, 0xFC08, DATA_PASSIVE);
        bytes_u32(&g->code, 0);
    }
}

// ---- Sequences ----------------------------------------------------------------------------------

// Many values at once: more than there are registers.
static void step_pump(Gen *g) {
    const u32 count = 3 + below(g, percent(g, 70) ? 14 : 38);
    const u8 type = any_number_type(g);
    for (u32 i = 0; i < count && g->sp < MAX_STACK / 2; i++) {
        const u8 chosen = percent(g, 60) ? type : any_number_type(g);
        percent(g, 70) ? push_computed(g, chosen) : push_value(g, chosen);
    }
}

static void step_drain(Gen *g) {
    for (u32 i = below(g, 12); i > 0 && g->sp > g->base; i--) {
        percent(g, 70) ? step_number(g) : sink(g);
    }
}

typedef struct StepRow {
    u32 weight;
    void (*step)(Gen *g);
} StepRow;

static void step_value(Gen *g) { push_value(g, any_type(g)); }
static void step_sink(Gen *g) {
    if (g->sp > g->base) {
        sink(g);
    }
}
static void step_call(Gen *g) { call(g, below(g, g->func_count)); }
static void step_nop(Gen *g) { emit(g, 0x01); }

static const StepRow STEPS[] = {
    {100, step_value}, {220, step_number}, {160, step_local}, {50, step_load}, {60, step_store},
    {110, step_block}, {60, step_br_if},   {10, step_br},     {12, step_br_table}, {4, step_return},
    {12, step_trap},   {50, step_call},    {45, step_select}, {12, step_table}, {14, step_memory},
    {20, step_pump},   {50, step_drain},   {30, step_sink},   {90, step_update}, {25, step_rotate},
    {30, step_fixed},  {6, step_hash},      {8, step_hot_loop}, {25, step_popped},
    {15, step_tees},   {12, step_edge},     {4, step_nop},
    {10, step_tiny_loop}, {12, step_last_use}};

// Keeps the registers full while locals are read for the last time and written.
static void step_pressed(Gen *g) {
    static void (*const CHOICES[])(Gen *) = {step_pump,   step_number, step_number, step_fixed,
                                             step_fixed,  step_update, step_local,  step_local,
                                             step_value,  step_store,  step_select, step_popped,
                                             step_hash,   step_tees};
    CHOICES[below(g, COUNT_OF(CHOICES))](g);
}

static void steps(Gen *g, u32 count) {
    u32 total = 0;
    for (u32 i = 0; i < COUNT_OF(STEPS); i++) {
        total += STEPS[i].weight;
    }
    for (u32 i = 0; i < count && g->budget > 0; i++) {
        u32 chosen = below(g, total);
        u32 row = 0;
        while (chosen >= STEPS[row].weight) {
            chosen -= STEPS[row++].weight;
        }
        g->is_pressed && percent(g, 70) ? step_pressed(g) : STEPS[row].step(g);
        while (g->sp > MAX_STACK / 2 && g->sp > g->base) {
            sink(g);
        }
    }
}

static void function_prologue(Gen *g) {
    emit_u32(g, 0x23, g->fuel_global);
    emit(g, 0x45);
    emit(g, OP_IF);
    bytes_u8(&g->code, 0x40);
    emit_leave(g);
    emit(g, OP_END);
    emit_u32(g, 0x23, g->fuel_global);
    emit_i32(g, 1);
    emit(g, 0x6B);
    emit_u32(g, 0x24, g->fuel_global);
    emit_i32(g, 3 + (i32)below(g, 25));
    emit_u32(g, 0x21, g->fuel_local);
}

// Makes what the locals hold visible.
static void fold_locals(Gen *g) {
    for (u32 i = 0; i < g->fresh_first; i++) {
        if (percent(g, 70)) {
            emit_u32(g, 0x20, i);
            accumulate(g, g->local_type[i]);
        }
    }
}

// Many blocks in one another, with branches out of most. Seldom very many, each with a branch to
// its end: more places to merge at than a compiler may want to remember. Other engines take long
// then.
static void deep_nest(Gen *g) {
    const bool is_very_deep = percent(g, 1);
    const u32 depth = is_very_deep ? MAX_LABELS - 100 - below(g, 300) : 1 + below(g, 1400);
    const Saved saved = {g->base, g->frame_base, g->is_dead};
    for (u32 i = 0; i < depth; i++) {
        emit(g, OP_BLOCK);
        bytes_u8(&g->code, 0x40);
        push_label(g, NULL, 0);
        const u32 local = percent(g, is_very_deep ? 90 : 50) ? pick_local(g, T_I32) : ID_NONE;
        if (local != ID_NONE) {
            emit_u32(g, 0x20, local);
            emit_u32(g, 0x0D, is_very_deep ? 0 : below(g, i + 1));
        }
    }
    g->budget = 300;
    g->base = g->frame_base = g->sp;
    steps(g, 20);
    fix_stack(g, NULL, 0);
    g->base = saved.base;
    g->frame_base = saved.frame_base;
    g->is_dead = false;
    for (u32 i = 0; i < depth; i++) {
        if (percent(g, 5)) {
            step_rotate(g);
        }
        emit(g, OP_END);
    }
    g->label_count -= depth;
    g->nesting -= depth;
    g->is_dead = saved.is_dead;
    g->budget = 200;
}

void function_body(Gen *g) {
    g->sp = g->base = g->frame_base = 0;
    g->is_dead = false;
    g->label_count = g->nesting = 0;
    g->depth = 0;
    push_label(g, g->type->results, g->type->result_count);
    function_prologue(g);
    for (u32 i = 0; i < g->local_count / 2 && i < 40; i++) {
        step_value(g);
        sink(g);
    }
    if (percent(g, 1) && percent(g, 30)) {
        deep_nest(g);
    }
    while (g->budget > 0) {
        steps(g, 8);
    }
    if (percent(g, 1) && percent(g, 40)) {
        step_many_traps(g);
    }
    // Where that is not done, locals die early.
    if (!g->is_dead && percent(g, g->is_pressed ? 15 : 35)) {
        fold_locals(g);
    }
    fix_stack(g, g->type->results, g->type->result_count);
    emit(g, OP_END);
}
