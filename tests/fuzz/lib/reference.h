// Another engine, to compare with: the shared library of PyPI's `wasmtime`, loaded at run time.
// Declares what it uses of that library's C interface (version 50; checked by use in a self-test).
// As ours.h, but where it says otherwise.
#ifndef FUZZ_LIB_REFERENCE_H
#define FUZZ_LIB_REFERENCE_H

#include "fuzz/lib/side.h"

typedef struct Reference Reference; // the engine
typedef struct Theirs Theirs;       // a store

typedef struct ReferenceOptions {
    bool optimizes;
    bool has_fuel; // of stores, too
} ReferenceOptions;

// The trap of a call that has no fuel left: nothing can be said of it. No other one is this.
#define REFERENCE_NO_FUEL ((TrapKind)(TRAP_COUNT + 1))

// NULL: no library at the path, or one that lacks a function (*why is set).
Reference *reference_open(const char *path, ReferenceOptions options, const char **why);

// True if it compiles; else *why.
bool reference_validate(Reference *reference, const uint8_t *bytes, size_t count, const char **why);

Theirs *theirs_open(Reference *reference, const SideLimits *limits, SideHost *host);
void theirs_close(Theirs *theirs);
SideResult theirs_instantiate(Theirs *theirs, const SideModule *module);
SideResult theirs_call(Theirs *theirs, uint32_t export_index, ImagoValue *values);
ImagoValue theirs_global(Theirs *theirs, uint32_t export_index);
void theirs_set_i32(Theirs *theirs, const char *global, int32_t value);
const uint8_t *theirs_memory(Theirs *theirs, uint32_t export_index, uint64_t *bytes);
uint32_t theirs_table_size(Theirs *theirs, uint32_t export_index);
ImagoValue theirs_table_entry(Theirs *theirs, uint32_t export_index, uint32_t entry);

#endif
