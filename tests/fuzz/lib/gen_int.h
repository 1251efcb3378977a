// State of the generator, and what its files call of each other.
#ifndef FUZZ_LIB_GEN_INT_H
#define FUZZ_LIB_GEN_INT_H

#include "base/int.h"
#include "fuzz/lib/gen.h"

enum { T_I32 = 0x7F, T_I64 = 0x7E, T_F32 = 0x7D, T_F64 = 0x7C, T_FUNC = 0x70, T_EXTERN = 0x6F };
enum {
    MAX_PARAMS = 40, // results too
    MAX_TYPES = 400,
    MAX_FUNCS = 24,
    MAX_GLOBALS = 16,
    MAX_LOCALS = 14000,
    MAX_STACK = 600,
    MAX_LABELS = 6000,
    TABLE_SPARE = 8,       // entries of the tables behind those of the functions
    DATA_BYTES = 300,      // of the passive data segment
};

// What tables are for; Gen.table says which index each has.
typedef enum TableRole {
    TABLE_FROZEN, // never written, not exported
    TABLE_OPEN,   // written and exported
    TABLE_EXTERN,
    TABLE_EMPTY, // of functions: no entries at first
    TABLE_ROLES
} TableRole;

// Segments that instructions name.
enum { ELEM_ORDER, ELEM_DROPPED, DATA_PASSIVE = 0, DATA_DROPPED = 1 };

typedef struct Bytes {
    u8 *at;
    usize count, capacity;
} Bytes;

typedef struct Signature {
    u8 param_count, result_count;
    u8 params[MAX_PARAMS], results[MAX_PARAMS];
} Signature;

typedef struct LabelTypes {
    u32 level; // blocks around it
    u8 count;
    u8 types[MAX_PARAMS];
} LabelTypes;

typedef struct Gen {
    Rng rng;
    // Module.
    Signature types[MAX_TYPES];
    u32 type_count;
    u32 import_count, func_count; // imports included
    u32 func_type[MAX_FUNCS];
    u32 table_order[MAX_FUNCS];    // functions in the order of the tables: sorted by type
    u32 table_position[MAX_FUNCS]; // inverse
    u8 global_type[MAX_GLOBALS];
    bool global_mutable[MAX_GLOBALS];
    u32 global_count, import_global_count; // the imported ones come first
    u32 fuel_global, acc_global;
    u32 pages, max_pages;
    u32 table[TABLE_ROLES];
    bool is_table_imported[TABLE_ROLES];
    bool imports_memory, has_deep, has_start; // deep, start: the last functions, in this order
    // Function.
    Bytes code;
    const Signature *type;
    u8 local_type[MAX_LOCALS];
    u32 local_count;
    u32 fresh_first, fresh_count; // locals behind those that are picked, used once each
    u32 fuel_local, counter_local, nan_local[2]; // not assigned but by their own sequences
    u8 stack[MAX_STACK];
    u32 sp;
    u32 base;       // entries below are not to be consumed
    u32 frame_base; // of the block: base, or lower while an operand is generated
    bool is_dead;   // cannot be reached: missing operands need not be generated
    LabelTypes labels[MAX_LABELS];
    u32 label_count;
    u32 nesting; // open blocks: labels, and ones that nothing may branch to
    i32 budget;
    u32 depth;
    bool is_pressed; // many values at once, few kinds of step
    u8 favourite; // type that values of no particular type often have
} Gen;

// What a block changes and its end restores.
typedef struct Saved {
    u32 base, frame_base;
    bool is_dead;
} Saved;

// ---- bytes.c
void bytes_u8(Bytes *bytes, u32 value);
void bytes_u32(Bytes *bytes, u32 value); // LEB128, as the next two
void bytes_signed(Bytes *bytes, i64 value);
void bytes_fixed(Bytes *bytes, u64 value, u32 count);
void bytes_append(Bytes *bytes, const u8 *at, usize count);
// Appends `section` with its id and size and empties it.
void bytes_section(Bytes *bytes, u32 id, Bytes *section);

// ---- gen_value.c: operands and plain instructions
u8 any_type(Gen *g);
u8 any_number_type(Gen *g);
u32 type_index(Gen *g, const Signature *type);
void emit(Gen *g, u32 opcode);
void emit_u32(Gen *g, u32 opcode, u32 immediate);
void emit_const(Gen *g, u8 type);
void emit_i32(Gen *g, i32 value);
void push_type(Gen *g, u8 type);
// Makes the top of the stack be of these types.
void need(Gen *g, const u8 *types, u32 count);
void push_value(Gen *g, u8 type);
void push_computed(Gen *g, u8 type);
void push_condition(Gen *g);
void push_masked(Gen *g, u32 mask);
void canonicalize(Gen *g, u8 type);
// A local of the type that may be assigned, or ID_NONE.
u32 pick_local(Gen *g, u8 type);
// Takes the top of the stack away, most of the time to where it can be seen later.
void sink(Gen *g);
void accumulate(Gen *g, u8 type);
void step_number(Gen *g);
void step_load(Gen *g);
void step_store(Gen *g);
void step_local(Gen *g);
void step_fixed(Gen *g);
void step_update(Gen *g);
void step_rotate(Gen *g);
void step_select(Gen *g);

// ---- gen_shapes.c: sequences
void step_hash(Gen *g);
void step_hot_loop(Gen *g);
void step_tiny_loop(Gen *g);
void step_many_traps(Gen *g);
void step_popped(Gen *g);
void step_tees(Gen *g);
void step_last_use(Gen *g);
void step_edge(Gen *g);
void push_compare_const(Gen *g);
void push_divided(Gen *g);
void push_extended(Gen *g);
void deep_body(Gen *g, u32 func);

// ---- gen_flow.c: control, calls, tables, memory
// Leaves the function if its loops have gone round too often; what every loop begins with.
void loop_header(Gen *g);
// Around the insides of blocks without a label in Gen.labels.
Saved enter_plain(Gen *g, u32 levels);
void leave_plain(Gen *g, const Saved *saved, u32 levels); // what the insides left is sunk
void push_block_value(Gen *g, u8 type);
void push_call_value(Gen *g, u8 type);
void function_body(Gen *g);

#endif
