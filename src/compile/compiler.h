// The one interface behind which every compiler stands. A compiler turns a validated function into
// a CodeBlob; it knows nothing of ELF, files or threads.
#ifndef COMPILE_COMPILER_H
#define COMPILE_COMPILER_H

#include "base/error.h"
#include "compile/abi.h"
#include "link/blob.h"
#include "types/module.h"
#include "types/platform.h"
#include "types/vmctx.h"
#include "wasm/validate.h"

// What is known of the whole module when functions are compiled. Read-only, shared by workers.
typedef struct CompilePlan {
    const Module *module;
    const Platform *platform;
    VmShape shape;
    const u32 *funcref_slots;   // per function: slot of its VmFuncRef in the context, or ID_NONE
    const u32 *canonical_types; // per type: the first equal one
    const AbiLayout *layouts;   // per type
    u64 frozen_tables;          // bit per table (docs/abi.md); tables from 64 on are never frozen
    u32 lazy_elems;             // bit per element segment: applied when entries are used
    bool maps_all;              // every instruction that makes code gets a site
    bool maps_refs;             // externrefs come from somewhere: calls say which slots have some
} CompilePlan;

// A compiler's per-worker state is opaque; functions are compiled in any order.
typedef struct Compiler {
    const char *name;
    u64 cpu_features; // that its code needs (types/cpu.h)
    // State for one worker whose blobs go to *out. NULL: out of memory.
    void *(*open)(const CompilePlan *plan, CodeOutput *out);
    void (*close)(void *state);
    // Compiles a defined function whose body the validator has accepted; *facts are the
    // validator's. Fills *blob but for its kind, index and worker.
    // ERR_NO_MEMORY, ERR_LIMIT, ERR_UNSUPPORTED (func_index and offset set).
    bool (*compile)(void *state, u32 func, const FuncFacts *facts, CodeBlob *blob, Error *err);
} Compiler;

// By name, NULL: none of that name. The rows are in compilers.def, the first is the default.
const Compiler *compiler_find(const char *name);
// Names for messages: "baseline, ...".
const char *compiler_names(void);

#endif
