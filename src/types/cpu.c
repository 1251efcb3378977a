// cpuid bits: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E (lzcnt).
#include "types/cpu.h"

#include <stdio.h>

const char *cpu_feature_names(u64 features, char *out, usize out_bytes) {
    static const struct {
        u64 feature;
        const char *name;
    } ROWS[] = {
#define CPU_FEATURE(name, bit, text) {1ull << (bit), text},
#include "types/cpu.def"
#undef CPU_FEATURE
    };
    usize used = 0;
    out[0] = 0;
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        if ((features & ROWS[i].feature) != 0 && used < out_bytes) {
            const int bytes = snprintf(out + used, out_bytes - used, "%s%s", used != 0 ? " " : "",
                                       ROWS[i].name);
            used += bytes > 0 ? (usize)bytes : 0;
        }
    }
    return out;
}

#if defined(__x86_64__)
#include <cpuid.h>

// The system saves the vector registers: XCR0 bits 1 and 2.
static bool saves_ymm(void) {
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

static u64 bit_if(u32 word, u32 bit, u64 feature) { return (word >> bit & 1) != 0 ? feature : 0; }

u64 cpu_features_here(void) {
    u32 a, b, c, d;
    u64 found = 0;
    bool has_ymm = false;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        has_ymm = (c >> 27 & 1) != 0 && saves_ymm();
        found |= bit_if(c, 0, CPU_SSE3) | bit_if(c, 9, CPU_SSSE3) | bit_if(c, 19, CPU_SSE41) |
                 bit_if(c, 20, CPU_SSE42) | bit_if(c, 23, CPU_POPCNT);
        found |= has_ymm ? bit_if(c, 28, CPU_AVX) | bit_if(c, 12, CPU_FMA) : 0;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        found |= bit_if(b, 3, CPU_BMI1) | bit_if(b, 8, CPU_BMI2);
        found |= has_ymm ? bit_if(b, 5, CPU_AVX2) : 0;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        found |= bit_if(c, 5, CPU_LZCNT);
    }
    return found;
}
#else
u64 cpu_features_here(void) { return 0; }
#endif
