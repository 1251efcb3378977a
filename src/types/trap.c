#include "types/trap.h"

const char *trap_name(TrapKind kind) {
    static const char *const NAMES[TRAP_COUNT] = {
#define TRAP(name, text) [TRAP_##name] = text,
#include "types/traps.def"
#undef TRAP
    };
    return NAMES[kind];
}
