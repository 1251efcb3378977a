// How a call ended. A trap is recorded in the store at once, with its backtrace, while the guest's
// frames still stand; then the activation is ended.
//
// A host function ends its caller in two steps: imago_caller_trap or _exit notes what it wants in
// store->raised, and the exit stub calls builtin RAISE when the function returns. A function that
// returns IMAGO_TRAP or IMAGO_EXIT without noting anything passes on how its own last call ended.
#ifndef RUNTIME_TRAP_H
#define RUNTIME_TRAP_H

#include "base/int.h"
#include "imago/imago.h"
#include "types/trap.h"

enum { TRAP_MAX_FRAMES = 64, TRAP_MESSAGE_BYTES = 256 };

typedef struct TrapRecord {
    ImagoTrap trap; // message and frames point into the record or to constants
    ImagoFrame frames[TRAP_MAX_FRAMES];
    char message[TRAP_MESSAGE_BYTES];
} TrapRecord;

// Records a trap without frames; the functions of backtrace.h add them.
void runtime_trap_set(ImagoStore *store, TrapKind kind);

// Records a trap of host code, with the frames of the guest code that called it, if any.
void runtime_trap_record(ImagoStore *store, TrapKind kind);

// Records a trap of guest code that called a builtin, and ends its activation.
_Noreturn void runtime_trap_raise(ImagoStore *store, TrapKind kind);

// What arch_lost goes on with: ends the newest activation.
_Noreturn void runtime_trap_lost(ImagoStore *store);

// What a call that got `status` (not IMAGO_OK) from a host function ends with; records the trap if
// it is a new one.
ImagoStatus runtime_host_outcome(ImagoStore *store);

#endif
