// Linear memories: a reservation that never moves, of which the first pages are accessible. An
// index of 32 bits plus the displacement of any access stays inside, so the hardware checks
// bounds.
#ifndef RUNTIME_MEMORY_H
#define RUNTIME_MEMORY_H

#include "runtime/store.h"

struct ImagoMemory {
    VmMemory vm; // first: contexts point here
    ImagoStore *store;
    ImagoMemory *next; // in store->memories, once the store owns it
    Limits limits;     // as declared; min is the size at first
    bool has_file;     // part of it is mapped from an image
};

// A memory of limits.min zeroed pages, owned by the caller until the store gets it.
// ERR_LIMIT: larger than the store allows. ERR_NO_MEMORY.
ImagoMemory *runtime_memory_open(ImagoStore *store, const Limits *limits, Error *err);
void runtime_memory_close(ImagoMemory *memory);
// The store owns it from now on.
void runtime_memory_adopt(ImagoMemory *memory);

// Fills a new memory from the image's snapshot: mapped copy-on-write, or copied where that fails.
// ERR_IMAGE: the snapshot does not fit.
bool runtime_memory_load(ImagoMemory *memory, const ImagoImage *image,
                         const ImageSnapshot *snapshot, Error *err);

#endif
