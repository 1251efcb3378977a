// What the host functions of both sides do.
#ifndef FUZZ_LIB_HOST_H
#define FUZZ_LIB_HOST_H

#include "fuzz/lib/rng.h"
#include "fuzz/lib/side.h"

// Mixes its arguments; now and then traps, calls an exported function back (and traps with it or
// goes on), or grows an exported memory.
SideHost host_compute;

// Any value of a type, edge cases most of the time. A function is one of the module's exports;
// module NULL: only null.
ImagoValue any_value(Rng *rng, uint8_t type, const SideModule *module);

// A function that recurses until the stack ends and changes nothing: both sides must trap. No host
// function calls it.
bool host_is_deep(const ImagoExport *item);

// The bits that count: NaNs are one, references null or not (functions) or which (objects).
uint64_t value_class(uint8_t type, const ImagoValue *value);

#endif
