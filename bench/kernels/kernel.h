// What every kernel shares: the repeat count, a generator of reproducible
// input, and the one line of output that the runner compares.
//
// A kernel is one C program without input. It does the same work for each of
// the repeats given as its first argument (its default runs some 100 ms
// natively) and prints `NAME CHECKSUM`, equal on every engine and natively:
// no libm functions but sqrt, no dependence on addresses or time.
#ifndef BENCH_KERNELS_KERNEL_H
#define BENCH_KERNELS_KERNEL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;

// Keeps the optimizer from seeing through a call.
#define NOINLINE __attribute__((noinline))

static inline u32 kernel_repeats(int argc, char **argv, u32 standard) {
    return argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : standard;
}

// xorshift64*: good enough for input, the same everywhere.
static inline u64 kernel_random(u64 *state) {
    u64 x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

static inline u64 kernel_mix(u64 sum, u64 value) {
    sum ^= value;
    sum *= UINT64_C(0x100000001b3);
    return sum ^ (sum >> 29);
}

static inline u64 kernel_bits(double value) {
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline int kernel_report(const char *name, u64 sum) {
    printf("%s %08x%08x\n", name, (unsigned)(sum >> 32), (unsigned)sum);
    return 0;
}

#endif
