// Mutations of modules: of the bytes as they come, or of one section or function body whose sizes
// are then made right again, so that the damage gets past the first checks.
#ifndef FUZZ_LIB_DAMAGE_H
#define FUZZ_LIB_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "fuzz/lib/rng.h"

typedef struct Sample {
    uint8_t *bytes;
    size_t count;
} Sample;

// A changed copy, in a block of exactly its size; the caller's to free. `other` is spliced from.
// NULL: no memory.
uint8_t *damage(Rng *rng, const Sample *sample, const Sample *other, size_t *count);

#endif
