// Growable byte buffer that is written at its end. Sticky: after a failed allocation every write
// is dropped and `failed` is set. `{0}` is an empty writer. Not thread-safe.
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/int.h"

typedef struct Writer {
    u8 *at; // the bytes, owned
    usize count, capacity;
    bool failed;
} Writer;

void writer_free(Writer *w);
// Room for `bytes` more; false (and failed) when memory runs out.
bool writer_reserve(Writer *w, usize bytes);
static inline void write_u8(Writer *w, u8 value) {
    if (LIKELY(w->count < w->capacity && !w->failed) || writer_reserve(w, 1)) {
        w->at[w->count++] = value;
    }
}
void write_u16(Writer *w, u16 value);
void write_u32(Writer *w, u32 value);
void write_u64(Writer *w, u64 value);
void write_uleb(Writer *w, u64 value);
void write_sleb(Writer *w, i64 value);
void write_bytes(Writer *w, const void *bytes, usize count);
void write_zeros(Writer *w, usize count);
// Zeros up to the next multiple of `align`.
void write_align(Writer *w, usize align);

#endif
