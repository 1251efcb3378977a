#include "base/vec.h"

#include "base/alloc.h"

enum { MIN_CAPACITY = 16 };

bool vec_grow(void **at, usize *capacity, usize count, usize more, usize item_bytes) {
    u64 needed, bytes;
    if (!add_u64(count, more, &needed)) {
        return false;
    }
    u64 wanted = *capacity + *capacity / 2;
    wanted = wanted < needed ? needed : wanted;
    wanted = wanted < MIN_CAPACITY ? MIN_CAPACITY : wanted;
    if (!mul_u64(wanted, item_bytes, &bytes)) {
        return false;
    }
    void *grown = mem_grow(*at, bytes, bytes);
    if (grown == NULL) {
        return false;
    }
    *at = grown;
    *capacity = wanted;
    return true;
}

void vec_release(void **at, usize *count, usize *capacity) {
    mem_free(*at);
    *at = NULL;
    *count = *capacity = 0;
}
