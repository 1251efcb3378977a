// Makes a module that anybody wrote fit for comparison.
//
// Bits of NaNs that arithmetic makes are each engine's own: behind every such instruction comes a
// sequence that turns a NaN into a certain one. And what a module hides cannot be compared:
// everything may be exported, under names that no one uses.
#ifndef FUZZ_LIB_REWRITE_H
#define FUZZ_LIB_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The bytes are the caller's to free. NULL: not a module that can be decoded, or no memory.
uint8_t *rewrite_module(const uint8_t *bytes, size_t count, bool exports_all, size_t *new_count);

#endif
