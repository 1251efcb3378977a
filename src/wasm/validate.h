// Validation of function bodies (WebAssembly 2.0, 3.3 and appendix "Validation Algorithm"), and the
// facts about them that a single-pass compiler would otherwise have to guess.
//
// One forward walk, no recursion, O(bytes of the body) time and memory whatever the declared
// locals: per-local state is stamped with the function's number instead of being cleared.
#ifndef WASM_VALIDATE_H
#define WASM_VALIDATE_H

#include "base/error.h"
#include "base/vec.h"
#include "types/module.h"

// How a local is used. Valid while `stamp` equals FuncFacts.stamp: only locals that the body
// accesses have facts, the others may hold anything.
typedef struct LocalFacts {
    u32 stamp;
    u8 type;         // ValType
    bool needs_zero; // a local.get may see the initial zero, or stack maps list it (never set for
                     // parameters)
    bool is_param;
    bool is_set;   // private: assigned in the innermost loop
    u32 last_use;  // body offset behind which no local.get can see the present value, if ...
    u32 last_loop; // ... this is ID_NONE; else ordinal of the loop at whose end it is dead
    // Private to the validator: see validate_facts.c.
    u32 known_loop;
    u32 def_depth;
    u32 serial;
    u64 weight;
} LocalFacts;

// A local that is worth a register in a loop.
typedef struct HotLocal {
    u32 local;
    u32 weight; // accesses, those in a nested loop counted 8 times per level
    bool is_assigned;
} HotLocal;

enum { MAX_HOT_LOCALS = 24 }; // kept per loop, heaviest first

typedef struct LoopFacts {
    u32 end_offset; // body offset behind the loop's `end`
    u32 first_hot;
    u16 hot_count;
    bool has_call;  // call, call_indirect or a runtime builtin inside, nested loops included
} LoopFacts;

typedef struct FuncFacts {
    u32 stamp;
    const FuncType *type;
    u32 local_count;         // with parameters
    const LocalFacts *locals; // by index; see stamp
    const u32 *accessed;     // locals that the body names, each once, in order of first access
    u32 accessed_count;
    const LoopFacts *loops;  // by order of their `loop` opcodes, those in dead code included
    u32 loop_count;
    const HotLocal *hots;
    u32 max_stack;   // most operands on the stack at once
    u32 max_control; // most open blocks, the body's own included
    bool has_call;        // call or call_indirect
    bool has_foreign_call; // call of an import, or call_indirect
    bool has_builtin;     // memory.grow, memory.fill, table.init, ...
    bool has_simd;        // uses an instruction, type or local of FEATURE_SIMD
    u32 simd_offset;      // module offset of the first one
} FuncFacts;

// One worker's scratch memory; reused from function to function.
typedef struct Validator Validator;

// NULL when out of memory. The module must outlive the validator and is not modified.
Validator *validator_new(const Module *module);
void validator_delete(Validator *validator);

// Validates the body of `func` (index space with imports, a defined function).
//   facts   on success: borrowed from the validator, valid until its next use; may be NULL
//   err     ERR_MALFORMED, ERR_INVALID, ERR_LIMIT, ERR_NO_MEMORY; offset in the module, func_index
// Not thread-safe; several validators may share a module.
bool validate_func(Validator *validator, u32 func, FuncFacts *facts, Error *err);

// Tables below 64 that some validated body writes or reads references from (table.get, set, grow,
// fill, init, copy), by bit. The others serve calls only.
u64 validator_tables_used(const Validator *validator);
// True if some validated body has ref.func.
bool validator_has_ref_func(const Validator *validator);

#endif
