// A row for each 4 GiB of the address space: a memory reserves more than that, so no two start in
// the same. Rows come in blocks of a page, made when the first memory starts there and kept: the
// system places memories side by side.
#include "runtime/memory_index.h"

#include <stdatomic.h>

#include "base/alloc.h"

enum { ADDRESS_BITS = 47, WINDOW_BITS = 32, BLOCK_BITS = 8 }; // what the system gives to processes
enum { BLOCKS = 1 << (ADDRESS_BITS - WINDOW_BITS - BLOCK_BITS), BLOCK_ROWS = 1 << BLOCK_BITS };
_Static_assert(VM_MEMORY_RESERVE_BYTES >= 1ull << WINDOW_BITS, "two memories in one window");

typedef struct Row {
    _Atomic(u64) base; // 0: free. Apart from the memory, which other threads may be freeing
    _Atomic(ImagoMemory *) memory;
} Row;

static _Atomic(Row *) blocks[BLOCKS];

// NULL: there are no rows yet, or none can be.
static Row *row_of(u64 address) {
    const u64 window = address >> WINDOW_BITS, block = window / BLOCK_ROWS;
    Row *rows = block < BLOCKS ? atomic_load_explicit(&blocks[block], memory_order_acquire) : NULL;
    return rows != NULL ? &rows[window % BLOCK_ROWS] : NULL;
}

static bool make_rows(u64 address) {
    const u64 block = address >> (WINDOW_BITS + BLOCK_BITS);
    Row *rows = block < BLOCKS ? mem_alloc(BLOCK_ROWS * sizeof *rows) : NULL;
    Row *none = NULL;
    if (rows != NULL && !atomic_compare_exchange_strong(&blocks[block], &none, rows)) {
        mem_free(rows); // another thread was faster
    }
    return rows != NULL;
}

bool runtime_memory_index_add(ImagoMemory *memory, Error *err) {
    const u64 base = (u64)(uintptr_t)memory->vm.base;
    if (row_of(base) == NULL && !make_rows(base)) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    Row *row = row_of(base);
    atomic_store_explicit(&row->memory, memory, memory_order_relaxed);
    atomic_store_explicit(&row->base, base, memory_order_release);
    return true;
}

void runtime_memory_index_remove(const ImagoMemory *memory) {
    Row *row = row_of((u64)(uintptr_t)memory->vm.base);
    if (row != NULL) {
        atomic_store_explicit(&row->base, 0, memory_order_release);
    }
}

ImagoMemory *runtime_memory_index_at(const void *address) {
    const u64 at = (u64)(uintptr_t)address;
    // It starts in the window of the address, the one before, or with the guard the second before.
    for (u64 back = 0; back <= 2 && at >> WINDOW_BITS >= back; back++) {
        Row *row = row_of(at - (back << WINDOW_BITS));
        const u64 base =
            row == NULL ? 0 : atomic_load_explicit(&row->base, memory_order_acquire);
        if (base != 0 && at - base < VM_MEMORY_RESERVE_BYTES) {
            return atomic_load_explicit(&row->memory, memory_order_relaxed);
        }
    }
    return NULL;
}
