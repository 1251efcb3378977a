// Imago's side of a comparison.
#ifndef FUZZ_LIB_OURS_H
#define FUZZ_LIB_OURS_H

#include "fuzz/lib/side.h"

typedef struct Ours Ours;

// A store. NULL: no memory.
Ours *ours_open(ImagoEngine *engine, const SideLimits *limits, SideHost *host);
void ours_close(Ours *ours);

// Makes the main instance; at most two a store. `module` is borrowed until the store closes.
SideResult ours_instantiate(Ours *ours, const SideModule *module);

// Calls an exported function; the arguments become the results.
SideResult ours_call(Ours *ours, uint32_t export_index, ImagoValue *values);

// Of exports of the kind. Entries and values in the form of side.h.
ImagoValue ours_global(Ours *ours, uint32_t export_index);
// In every instance that exports one of this name.
void ours_set_i32(Ours *ours, const char *global, int32_t value);
const uint8_t *ours_memory(Ours *ours, uint32_t export_index, uint64_t *bytes);
uint32_t ours_table_size(Ours *ours, uint32_t export_index);
ImagoValue ours_table_entry(Ours *ours, uint32_t export_index, uint32_t entry);

#endif
