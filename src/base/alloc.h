// The one door to the heap. Every allocation of the libraries passes here, so that tests can make
// the n-th one fail.
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include "base/int.h"

// `bytes` zeroed bytes aligned to 16, or NULL. mem_free(NULL) is allowed.
void *mem_alloc(usize bytes);
// The same, but only the first `zeroed` bytes are zero; the others hold anything.
void *mem_alloc_front(usize bytes, usize zeroed);
void mem_free(void *p);

// Like realloc, but the bytes beyond `old_bytes` are zero. On NULL, `p` is still owned by the
// caller. `p` may be NULL with old_bytes 0.
void *mem_grow(void *p, usize old_bytes, usize bytes);

// A hint that all of a large block will be written soon: its pages are made at once, large ones
// where the system has them, instead of by a fault each. Memory is charged for all of it. Best
// effort.
void mem_will_fill(void *p, usize bytes);

// Test hook: request number `n` from now (1 = the next one) fails, and with `forever` all that
// follow. n = 0 switches it off. Returns how many requests were made since the last call.
// Process-wide; not for use while other threads allocate. Requests of os_mem.h count as well.
u64 mem_fail_at(u64 n, bool forever);

// True if this request must fail: for modules that get memory from the OS by another door.
bool mem_request_fails(void);

#endif
