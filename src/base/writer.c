#include "base/writer.h"

#include "base/alloc.h"

void writer_free(Writer *w) {
    mem_free(w->at);
    *w = (Writer){0};
}

bool writer_reserve(Writer *w, usize bytes) {
    if (LIKELY(!w->failed && bytes <= w->capacity - w->count)) {
        return true;
    }
    u64 needed;
    if (w->failed || !add_u64(w->count, bytes, &needed)) {
        w->failed = true;
        return false;
    }
    usize capacity = w->capacity + w->capacity / 2;
    capacity = capacity < needed ? needed : capacity;
    capacity = capacity < 256 ? 256 : capacity;
    u8 *grown = mem_grow(w->at, capacity, capacity); // bytes behind count are never read
    if (grown == NULL) {
        w->failed = true;
        return false;
    }
    w->at = grown;
    w->capacity = capacity;
    return true;
}

void write_bytes(Writer *w, const void *bytes, usize count) {
    if (count != 0 && writer_reserve(w, count)) {
        memcpy(w->at + w->count, bytes, count);
        w->count += count;
    }
}

void write_zeros(Writer *w, usize count) {
    if (count != 0 && writer_reserve(w, count)) {
        memset(w->at + w->count, 0, count);
        w->count += count;
    }
}

void write_align(Writer *w, usize align) { write_zeros(w, align_up(w->count, align) - w->count); }

void write_u16(Writer *w, u16 value) { write_bytes(w, &value, sizeof value); }
void write_u32(Writer *w, u32 value) { write_bytes(w, &value, sizeof value); }
void write_u64(Writer *w, u64 value) { write_bytes(w, &value, sizeof value); }

void write_uleb(Writer *w, u64 value) {
    while (value >= 0x80) {
        write_u8(w, (u8)(value | 0x80));
        value >>= 7;
    }
    write_u8(w, (u8)value);
}

void write_sleb(Writer *w, i64 value) {
    for (;;) {
        const u8 byte = value & 0x7F;
        value >>= 7;
        if ((value == 0 && (byte & 0x40) == 0) || (value == -1 && (byte & 0x40) != 0)) {
            write_u8(w, byte);
            return;
        }
        write_u8(w, (u8)(byte | 0x80));
    }
}
