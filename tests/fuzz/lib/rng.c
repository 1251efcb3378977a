#include "fuzz/lib/rng.h"

#include <string.h>

// A power of two give or take one, or its negative.
static uint64_t near_power(Rng *rng, uint32_t bits) {
    const uint64_t power = (uint64_t)1 << rng_below(rng, bits);
    const uint64_t value = power + rng_below(rng, 3) - 1;
    return rng_percent(rng, 50) ? value : 0 - value;
}

uint32_t rng_i32(Rng *rng) {
    const uint32_t kind = rng_below(rng, 10);
    if (kind < 3) {
        return (uint32_t)near_power(rng, 32);
    }
    if (kind < 7) {
        return rng_below(rng, 20) - 4;
    }
    return kind < 8 ? (uint32_t)rng_next(rng) >> rng_below(rng, 32) : (uint32_t)rng_next(rng);
}

uint64_t rng_i64(Rng *rng) {
    const uint32_t kind = rng_below(rng, 10);
    if (kind < 3) {
        return near_power(rng, 64);
    }
    if (kind < 6) {
        return (uint64_t)rng_below(rng, 20) - 4;
    }
    return kind < 8 ? rng_next(rng) >> rng_below(rng, 64) : rng_next(rng);
}

static const double FLOATS[] = {
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 0.9999999999999999, -0.9999999999999999,
    127.0, 128.0, 255.5, 2147483647.0, 2147483648.0, -2147483648.0, -2147483649.0, 2147483647.9,
    4294967295.0, 4294967296.0, 4294967295.9, 9223372036854775807.0, -9223372036854775808.0,
    9223372036854774784.0, -9223372036854777856.0, 18446744073709551616.0, 18446744073709549568.0,
    1e10, -1e10, 1e300, -1e300, 1e-300, 3.4028234663852886e38, 3.4028235677973366e38, 1.4e-45,
    1.1754943508222875e-38, 5e-324, 2.2250738585072014e-308, 4503599627370496.5, 4503599627370495.5,
    8388608.0, 8388607.5, 16777217.0};
enum { FLOAT_COUNT = sizeof FLOATS / sizeof FLOATS[0] };

static const uint32_t SPECIAL_F32[] = {0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000,
                                       0x7FA00000, 0xFF800001, 0x7FFFFFFF, 0x7FC12345};
static const uint64_t SPECIAL_F64[] = {
    0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000, 0xFFF8000000000000,
    0x7FF4000000000000, 0xFFF0000000000001, 0x7FFFFFFFFFFFFFFF, 0x7FF8123456789ABC};

uint32_t rng_f32(Rng *rng) {
    const uint32_t kind = rng_below(rng, 10);
    if (kind < 1) {
        return SPECIAL_F32[rng_below(rng, 8)];
    }
    if (kind < 2) {
        return (uint32_t)rng_next(rng);
    }
    const float value = kind < 6 ? (float)FLOATS[rng_below(rng, FLOAT_COUNT)]
                                 : (float)(int32_t)(rng_below(rng, 2000) - 1000) / 8;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint64_t rng_f64(Rng *rng) {
    const uint32_t kind = rng_below(rng, 10);
    if (kind < 1) {
        return SPECIAL_F64[rng_below(rng, 8)];
    }
    if (kind < 2) {
        return rng_next(rng);
    }
    const double value = kind < 6 ? FLOATS[rng_below(rng, FLOAT_COUNT)]
                                  : (double)(int32_t)(rng_below(rng, 2000) - 1000) / 8;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
