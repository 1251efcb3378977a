// Bounded reader of untrusted bytes. Sticky: after the first read past the end, or the first bad
// LEB128, every read yields zero and `bad` says what happened and where. Test it once a record.
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/str.h"

typedef enum ReaderFault {
    READ_OK,
    READ_PAST_END,
    READ_LEB_TOO_LONG,  // more bytes than the width allows
    READ_LEB_TOO_LARGE, // unused bits of the last byte are set
} ReaderFault;

typedef struct Reader {
    const u8 *at, *end;
    const u8 *start;  // offsets are counted from here
    const u8 *bad_at; // first byte of the item that failed
    ReaderFault bad;
} Reader;

static inline Reader reader_of(const void *bytes, usize count) {
    const u8 *p = bytes;
    return (Reader){.at = p, .end = p + count, .start = p};
}

static inline bool reader_ok(const Reader *r) { return r->bad == READ_OK; }
static inline bool reader_at_end(const Reader *r) { return r->at >= r->end; }
static inline usize reader_left(const Reader *r) { return (usize)(r->end - r->at); }
// Bytes from start; of the failed item once the reader is bad.
static inline usize reader_offset(const Reader *r) {
    return (usize)((r->bad != READ_OK ? r->bad_at : r->at) - r->start);
}

u64 reader_fail(Reader *r, const u8 *where, ReaderFault fault);

u8 read_u8(Reader *r);
u32 read_u32(Reader *r);           // four bytes, little endian
u64 read_u64(Reader *r);           // eight bytes, little endian
u64 read_uleb(Reader *r, u32 bits); // LEB128, unsigned, of a value of `bits` bits
i64 read_sleb(Reader *r, u32 bits); // LEB128, signed
Str read_bytes(Reader *r, usize count);

static inline u32 read_u32_leb(Reader *r) {
    if (LIKELY(r->at < r->end && *r->at < 0x80)) {
        return *r->at++;
    }
    return (u32)read_uleb(r, 32);
}

#endif
