// Features of the machine that compiled code may need, as a set of bits that images record.
#ifndef TYPES_CPU_H
#define TYPES_CPU_H

#include "base/int.h"

enum {
#define CPU_FEATURE(name, bit, text) CPU_##name = 1 << (bit),
#include "types/cpu.def"
#undef CPU_FEATURE
    CPU_KNOWN_FEATURES = 0
#define CPU_FEATURE(name, bit, text) | 1 << (bit)
#include "types/cpu.def"
#undef CPU_FEATURE
};

// Features of this machine that the operating system lets programs use. Executes cpuid, which costs
// tens of microseconds in some virtual machines: ask once per engine, not per image.
u64 cpu_features_here(void);

// Names of the features in a set, a blank between, cut to fit; for messages. Returns `out`.
const char *cpu_feature_names(u64 features, char *out, usize out_bytes);

#endif
