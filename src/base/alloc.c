#define _GNU_SOURCE // madvise
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

static atomic_ullong request_count;
static atomic_ullong fail_at;
static atomic_bool fail_forever;

u64 mem_fail_at(u64 n, bool forever) {
    const u64 made = atomic_exchange(&request_count, 0);
    atomic_store(&fail_forever, forever);
    atomic_store(&fail_at, n);
    return made;
}

bool mem_request_fails(void) {
    const u64 wanted = atomic_load_explicit(&fail_at, memory_order_relaxed);
    const u64 number = atomic_fetch_add_explicit(&request_count, 1, memory_order_relaxed) + 1;
    if (LIKELY(wanted == 0)) {
        return false;
    }
    return number == wanted || (number > wanted && atomic_load(&fail_forever));
}

void *mem_alloc(usize bytes) { return mem_request_fails() ? NULL : calloc(1, bytes ? bytes : 1); }

void *mem_alloc_front(usize bytes, usize zeroed) {
    void *p = mem_request_fails() ? NULL : malloc(bytes ? bytes : 1);
    return p != NULL ? memset(p, 0, zeroed) : NULL;
}

void mem_free(void *p) { free(p); }

void *mem_grow(void *p, usize old_bytes, usize bytes) {
    if (mem_request_fails()) {
        return NULL;
    }
    u8 *grown = realloc(p, bytes ? bytes : 1);
    if (grown != NULL && bytes > old_bytes) {
        memset(grown + old_bytes, 0, bytes - old_bytes);
    }
    return grown;
}

void mem_will_fill(void *p, usize bytes) {
    enum { PAGE = 4096, LARGE_PAGE = 2 << 20, WORTH_IT = 64 << 10 };
    const uintptr_t end = (uintptr_t)p + bytes;
    const uintptr_t first = align_up((uintptr_t)p, PAGE), last = end & ~(uintptr_t)(PAGE - 1);
    const uintptr_t large = align_up((uintptr_t)p, LARGE_PAGE);
    if (p == NULL || bytes < WORTH_IT) {
        return;
    }
    if (large + LARGE_PAGE <= end) {
        (void)madvise((void *)large, (end - large) & ~(uintptr_t)(LARGE_PAGE - 1), MADV_HUGEPAGE);
    }
#ifdef MADV_POPULATE_WRITE
    (void)madvise((void *)first, last - first, MADV_POPULATE_WRITE);
#else
    (void)first, (void)last;
#endif
}
