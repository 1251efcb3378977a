// Process-wide state behind ImagoEngine: signal handlers (signals.h) and the ids of function types
// that are too large for a signature id by value.
#ifndef RUNTIME_ENGINE_H
#define RUNTIME_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/vec.h"
#include "imago/imago.h"
#include "runtime/debugger.h"
#include "types/valtype.h"

// A function type of this engine; its id is SIG_LARGE | its index in ImagoEngine.sigs.
typedef struct EngineSig {
    u64 hash;
    FuncType type; // types owned
} EngineSig;

// Address space of a memory that ended, for the next one. `bytes` of it are accessible and as they
// are at first: with the memory snapshot of an image, or zero.
typedef struct SpareMemory {
    u8 *base;
    u64 bytes;
    u64 image; // the serial number of the image, 0: none
} SpareMemory;

// The mapping of a guest stack that ended (stack.h), for another of its size.
typedef struct SpareStack {
    u8 *map;
    usize bytes;
} SpareStack;

enum { ENGINE_MAX_SPARES = 64, ENGINE_MAX_FILES = 256 };

struct ImagoEngine {
    u64 cpu_features; // of this machine
    _Atomic u64 image_count;  // that were opened: the serial number of the newest
    _Atomic u32 file_count;   // that images keep open, or nearly: ENGINE_MAX_FILES
    _Atomic u64 placed_bytes; // of images mapped so far, for the place of the next
    pthread_mutex_t lock; // of all below
    VEC(EngineSig) sigs;
    u32 *slots; // hash table: index + 1, 0 is free; a power of two
    u32 slot_count;
    SpareMemory spares[ENGINE_MAX_SPARES];
    u32 spare_count;
    SpareStack stacks[ENGINE_MAX_SPARES];
    u32 stack_count;
    ImagoImage *buffers; // images in memory of the embedder's
    struct ImagoEngine *next; // all engines, for fork
    char directory[DEBUGGER_MAX_PATH]; // where relative paths counted from when it was made
};

// Signature id of any function type: by value if it is small, else the engine's id of it, made on
// first use and kept as long as the engine. Thread-safe; O(1).
//   engine  not const: the table grows
// ERR_NO_MEMORY.
bool runtime_engine_sig(ImagoEngine *engine, const FuncType *type, u32 *sig, Error *err);

#endif
