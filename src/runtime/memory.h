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
    // Nobody has its address, so nobody knows what it holds: zeros, or the snapshot of `image`,
    // which a memory of that size had before, in case that image is going to import it.
    bool is_untouched;
    u64 image; // serial number of the image that part of it is mapped from, 0: none
};

// A memory of limits.min pages, owned by the caller until the store gets it. It holds the snapshot
// of `image`, mapped copy-on-write or copied where that fails, and zeros.
//   image  NULL: an untouched one for the host; it may have no snapshot
// ERR_LIMIT: larger than the store allows. ERR_NO_MEMORY. ERR_IMAGE: the snapshot does not fit.
ImagoMemory *runtime_memory_open(ImagoStore *store, const Limits *limits, const ImagoImage *image,
                                 Error *err);
void runtime_memory_close(ImagoMemory *memory);
// The store owns it from now on.
void runtime_memory_adopt(ImagoMemory *memory);

// Makes an untouched memory one of zeros, which somebody may now see.
void runtime_memory_touch(ImagoMemory *memory);

// Puts the snapshot of an image that imports the memory into it, if it is new and nobody can have
// written to it yet. False: nothing was done.
bool runtime_memory_preload(ImagoMemory *memory, const ImagoImage *image);

// Before the image is unmapped: nothing that the engine keeps shall hold its file.
void runtime_memory_forget(const ImagoImage *image);

#endif
