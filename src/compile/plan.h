// What is decided for the whole module before functions are compiled.
#ifndef COMPILE_PLAN_H
#define COMPILE_PLAN_H

#include "base/arena.h"
#include "compile/compiler.h"

// What function bodies do that the plan depends on. Assumed absent until a body shows it; then the
// functions are compiled again.
typedef struct BodyUses {
    u64 tables;    // bits of tables whose references instructions read or write
    bool ref_func; // some body makes a reference
} BodyUses;

// Fills *plan, whose arrays live in `arena`. False: out of memory.
bool plan_module(CompilePlan *plan, Arena *arena, const Module *module, BodyUses uses);

#endif
