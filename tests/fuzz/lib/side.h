// What is compared: a store with instances under one engine, seen through one form of values. Two
// files implement it: ours.h, reference.h.
//
// Values are ImagoValue, but for references, whose bits[0] is
//   externref  0: null; i: the host's object i, 1 to SIDE_OBJECTS
//   funcref    0: null; 2 + i: export i of the main instance; 1: a function that it does not
//              export, or imports (the other engine has several references of one such function)
// The main instance is the one made last; no function is told apart before it is complete.
#ifndef FUZZ_LIB_SIDE_H
#define FUZZ_LIB_SIDE_H

#include "imago/imago.h"
#include "types/trap.h"

#define SIDE_NONE UINT32_MAX
enum { SIDE_VALUES = 1000, SIDE_OBJECTS = 4, SIDE_CALLBACKS = 6 };

typedef enum SideStatus { SIDE_OK, SIDE_TRAP, SIDE_LIMIT, SIDE_FAIL } SideStatus;

typedef struct SideResult {
    SideStatus status;
    TrapKind trap;   // SIDE_TRAP; TRAP_COUNT for a host's own, or one that only one engine has
    const char *why; // SIDE_FAIL, SIDE_LIMIT: valid until the next call
} SideResult;

// Limits that both sides have, so that growing fails alike.
typedef struct SideLimits {
    uint64_t memory_bytes;
    uint32_t table_entries;
} SideLimits;

// What an import gets. Memories and tables have the size asked for.
typedef struct SideImport {
    ImagoImport item;
    ImagoValue value;  // of a global; of a memory: seeds its first bytes; of a table: how many of
                       // its first entries are host functions
    uint32_t same_as;  // an earlier import of this name, or SIDE_NONE
    uint32_t export_of_first; // export of the instance made before, or SIDE_NONE
} SideImport;

typedef struct SideModule {
    const uint8_t *bytes;
    size_t count;
    ImagoImage *image; // of the bytes; borrowed
    const ImagoExport *exports;
    uint32_t export_count;
    const SideImport *imports;
    uint32_t import_count;
} SideModule;

// What a host function may do to the side that calls it. Both fail before the main instance is
// complete.
typedef struct SideCaller {
    void *side;
    SideResult (*call)(void *side, uint32_t export_index, ImagoValue *values);
    int64_t (*grow_memory)(void *side, uint32_t export_index, uint32_t pages);
    bool is_ready;
    uint32_t depth, calls_left; // the host functions' own; SIDE_CALLBACKS at first
} SideCaller;

// What host functions say that trap by themselves.
#define SIDE_HOST_TRAP "the host traps"

// A host function: the same on both sides, and all that it knows comes from its arguments and from
// what it asks of the caller. A result that is not SIDE_OK is passed on.
typedef SideResult SideHost(const SideModule *module, const ImagoFuncType *type,
                            SideCaller *caller, ImagoValue *values);

// Fills an imported memory's start.
void side_fill_memory(uint8_t *data, uint64_t bytes, const ImagoValue *value);

#endif
