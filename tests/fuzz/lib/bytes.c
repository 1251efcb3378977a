#include <stdlib.h>

#include "fuzz/lib/gen_int.h"

void bytes_append(Bytes *bytes, const u8 *at, usize count) {
    if (bytes->count + count > bytes->capacity) {
        bytes->capacity = (bytes->count + count) * 2 + 64;
        bytes->at = realloc(bytes->at, bytes->capacity);
        if (bytes->at == NULL) {
            abort();
        }
    }
    if (count != 0) {
        memcpy(bytes->at + bytes->count, at, count);
        bytes->count += count;
    }
}

void bytes_u8(Bytes *bytes, u32 value) {
    const u8 byte = (u8)value;
    bytes_append(bytes, &byte, 1);
}

void bytes_u32(Bytes *bytes, u32 value) {
    while (value >= 0x80) {
        bytes_u8(bytes, (value & 0x7F) | 0x80);
        value >>= 7;
    }
    bytes_u8(bytes, value);
}

void bytes_signed(Bytes *bytes, i64 value) {
    for (;;) {
        const u32 low = (u32)value & 0x7F;
        value >>= 7;
        const bool is_last = (low & 0x40) != 0 ? value == -1 : value == 0;
        bytes_u8(bytes, is_last ? low : low | 0x80);
        if (is_last) {
            return;
        }
    }
}

void bytes_fixed(Bytes *bytes, u64 value, u32 count) {
    for (u32 i = 0; i < count; i++) {
        bytes_u8(bytes, (u32)(value >> (8 * i)) & 0xFF);
    }
}

void bytes_section(Bytes *bytes, u32 id, Bytes *section) {
    bytes_u8(bytes, id);
    bytes_u32(bytes, (u32)section->count);
    bytes_append(bytes, section->at, section->count);
    section->count = 0;
}
