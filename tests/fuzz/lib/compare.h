// One module on both sides: results, kinds of trap, exported globals, memories and tables.
#ifndef FUZZ_LIB_COMPARE_H
#define FUZZ_LIB_COMPARE_H

#include "fuzz/lib/reference.h"
#include "fuzz/lib/rng.h"

typedef enum Verdict {
    VERDICT_SAME,
    VERDICT_DIFFERS,
    VERDICT_REJECTED, // by both
    VERDICT_SKIPPED,  // not supported here, beyond a limit, imports that do not fit, no fuel
} Verdict;

typedef struct Comparison {
    ImagoEngine *engine;
    Reference *reference;
    bool is_own; // made by gen.h: it is valid, instantiates and ends by itself
    bool *is_elsewhere; // set while the other engine compiles, which may take very long
    Rng rng;     // for arguments and settings
    uint64_t calls, traps; // adds to both
    char difference[700];  // VERDICT_DIFFERS
} Comparison;

Verdict compare_module(Comparison *comparison, const uint8_t *bytes, size_t count);

#endif
