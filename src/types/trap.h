// Kinds of trap.
#ifndef TYPES_TRAP_H
#define TYPES_TRAP_H

typedef enum TrapKind {
#define TRAP(name, text) TRAP_##name,
#include "types/traps.def"
#undef TRAP
    TRAP_COUNT
} TrapKind;

// The message of the specification's scripts, without what depends on the case.
const char *trap_name(TrapKind kind);

#endif
