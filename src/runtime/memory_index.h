// Which memory an address lies in, for the signal handler: it may run on any thread, in or out of
// calls, and takes no lock.
#ifndef RUNTIME_MEMORY_INDEX_H
#define RUNTIME_MEMORY_INDEX_H

#include "runtime/memory.h"

// From when the memory has its place until just before it gives it up. O(1); an allocation for each
// TiB of address space that memories are in. ERR_NO_MEMORY.
bool runtime_memory_index_add(ImagoMemory *memory, Error *err);
void runtime_memory_index_remove(const ImagoMemory *memory);

// The memory whose reservation holds the address; NULL: none. While somebody uses that memory, it
// is right whatever other threads do with others. O(1), safe in a signal handler.
ImagoMemory *runtime_memory_index_at(const void *address);

#endif
