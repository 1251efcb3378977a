// splitmix64 (Steele, Lea, Flood 2014), and the values where compilers go wrong.
#ifndef FUZZ_LIB_RNG_H
#define FUZZ_LIB_RNG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Rng {
    uint64_t state;
} Rng;

static inline uint64_t rng_next(Rng *rng) {
    uint64_t z = (rng->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// Below `bound`, which is not 0.
static inline uint32_t rng_below(Rng *rng, uint32_t bound) {
    return (uint32_t)(((rng_next(rng) >> 32) * bound) >> 32);
}

static inline bool rng_percent(Rng *rng, uint32_t percent) { return rng_below(rng, 100) < percent; }

// Edge cases, most of the time: near powers of two, immediate widths, NaNs with payloads, borders
// of conversions. The bits of a value of the width.
uint32_t rng_i32(Rng *rng);
uint64_t rng_i64(Rng *rng);
uint32_t rng_f32(Rng *rng);
uint64_t rng_f64(Rng *rng);

#endif
