#include "base/reader.h"

u64 reader_fail(Reader *r, const u8 *where, ReaderFault fault) {
    if (r->bad == READ_OK) {
        r->bad = fault;
        r->bad_at = where;
        r->at = r->end;
    }
    return 0;
}

u8 read_u8(Reader *r) {
    if (UNLIKELY(r->at >= r->end)) {
        return (u8)reader_fail(r, r->end, READ_PAST_END);
    }
    return *r->at++;
}

u32 read_u32(Reader *r) {
    if (UNLIKELY(reader_left(r) < 4)) {
        return (u32)reader_fail(r, r->end, READ_PAST_END);
    }
    const u32 value = load_u32(r->at);
    r->at += 4;
    return value;
}

u64 read_u64(Reader *r) {
    if (UNLIKELY(reader_left(r) < 8)) {
        return reader_fail(r, r->end, READ_PAST_END);
    }
    const u64 value = load_u64(r->at);
    r->at += 8;
    return value;
}

u64 read_uleb(Reader *r, u32 bits) {
    const u8 *p = r->at;
    u64 value = 0;
    for (u32 shift = 0; shift < bits; shift += 7) {
        if (UNLIKELY(p >= r->end)) {
            return reader_fail(r, r->end, READ_PAST_END);
        }
        const u8 byte = *p++;
        value |= (u64)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            if (bits - shift < 7 && (byte >> (bits - shift)) != 0) {
                return reader_fail(r, p - 1, READ_LEB_TOO_LARGE);
            }
            r->at = p;
            return value;
        }
    }
    return reader_fail(r, p - 1, READ_LEB_TOO_LONG);
}

i64 read_sleb(Reader *r, u32 bits) {
    const u8 *p = r->at;
    u64 value = 0;
    for (u32 shift = 0; shift < bits; shift += 7) {
        if (UNLIKELY(p >= r->end)) {
            return (i64)reader_fail(r, r->end, READ_PAST_END);
        }
        const u8 byte = *p++;
        value |= (u64)(byte & 0x7F) << shift;
        if ((byte & 0x80) != 0) {
            continue;
        }
        const u32 left = bits - shift; // bits of the value that this byte may hold
        if (left < 7) {
            const u8 sign = (u8)(byte >> (left - 1));
            if (sign != 0 && sign != (0x7F >> (left - 1))) {
                return (i64)reader_fail(r, p - 1, READ_LEB_TOO_LARGE);
            }
        }
        if (shift + 7 < 64 && (byte & 0x40) != 0) {
            value |= UINT64_MAX << (shift + 7);
        }
        r->at = p;
        return (i64)value;
    }
    return (i64)reader_fail(r, p - 1, READ_LEB_TOO_LONG);
}

Str read_bytes(Reader *r, usize count) {
    if (UNLIKELY(count > reader_left(r))) {
        (void)reader_fail(r, r->end, READ_PAST_END);
        return (Str){"", 0};
    }
    const Str bytes = {(const char *)r->at, count};
    r->at += count;
    return bytes;
}
