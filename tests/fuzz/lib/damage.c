#include "fuzz/lib/damage.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/lib/gen_int.h"

typedef struct Span {
    const u8 *at;
    usize count;
} Span;

static const u8 BYTES[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10,
                           0x11, 0x1A, 0x1B, 0x1C, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x40, 0x41,
                           0x42, 0x60, 0x6A, 0x6F, 0x70, 0x7C, 0x7D, 0x7E, 0x7F, 0x80, 0xD0, 0xD1,
                           0xD2, 0xFC, 0xFD, 0xFE, 0xFF};
static const char *const NUMBERS[] = {
    "\x80\x80\x80\x80\x00", "\xFF\xFF\xFF\xFF\x0F", "\xFF\xFF\xFF\xFF\x07", "\x80\x80\x80\x80\x78",
    "\xFF\xFF\xFF\xFF\x7F", "\x80\x80\x80\x80\x10", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
    "\xFF\xFF\x03",         "\x80\x80\x04",         "\x80\x02",             "\xFF\x7F"};

static void put(Bytes *out, Span span) { bytes_append(out, span.at, span.count); }

static Span part(Span span, usize first, usize count) { return (Span){span.at + first, count}; }

static usize below(Rng *rng, usize bound) { return bound == 0 ? 0 : rng_below(rng, (u32)bound); }

// One change; the result is appended to `out`.
static void change(Rng *rng, Span in, Span other, Bytes *out) {
    const usize at = below(rng, in.count);
    const usize rest = in.count - at;
    const usize length = below(rng, rest < 40 ? rest + 1 : 40);
    const usize start = out->count;
    switch (rng_below(rng, 9)) {
    case 0: // a bit
        put(out, in);
        if (rest != 0) {
            out->at[start + at] ^= (u8)(1u << rng_below(rng, 8));
        }
        return;
    case 1: // a byte
    case 2:
        put(out, in);
        if (rest != 0) {
            out->at[start + at] =
                rng_percent(rng, 60) ? BYTES[rng_below(rng, sizeof BYTES)] : (u8)rng_next(rng);
        }
        return;
    case 3: // an inserted byte
        put(out, part(in, 0, at));
        bytes_u8(out, BYTES[rng_below(rng, sizeof BYTES)]);
        put(out, part(in, at, rest));
        return;
    case 4: { // a number in place of a byte
        const char *number = NUMBERS[rng_below(rng, COUNT_OF(NUMBERS))];
        put(out, part(in, 0, at));
        put(out, (Span){(const u8 *)number, strlen(number)});
        put(out, part(in, at + (rest != 0), rest - (rest != 0)));
        return;
    }
    case 5: // a deleted range
        put(out, part(in, 0, at));
        put(out, part(in, at + length, rest - length));
        return;
    case 6: // a repeated range
        put(out, part(in, 0, at + length));
        for (u32 i = rng_percent(rng, 95) ? 1 : rng_below(rng, 200); i > 0; i--) {
            put(out, part(in, at, length));
        }
        put(out, part(in, at + length, rest - length));
        return;
    case 7: { // a range of another module
        const usize from = below(rng, other.count);
        const usize count = below(rng, other.count - from < 60 ? other.count - from + 1 : 60);
        put(out, part(in, 0, at));
        put(out, part(other, from, count));
        put(out, part(in, at, rest));
        return;
    }
    default: { // a range moved elsewhere
        const usize to = below(rng, at + 1);
        put(out, part(in, 0, to));
        put(out, part(in, at, length));
        put(out, part(in, to, at - to));
        put(out, part(in, at + length, rest - length));
        return;
    }
    }
}

static void change_some(Rng *rng, Span in, Span other, Bytes *out) {
    Bytes now = {0};
    put(&now, in);
    u32 changes = 1;
    while (changes < 8 && rng_percent(rng, 35)) {
        changes++;
    }
    for (u32 i = 0; i < changes; i++) {
        Bytes next = {0};
        change(rng, (Span){now.at, now.count}, other, &next);
        free(now.at);
        now = next;
    }
    put(out, (Span){now.at, now.count});
    free(now.at);
}

// A sized item: its number and where it ends; false if it does not fit.
static bool sized(Span in, usize at, usize *first, usize *end) {
    u64 size = 0;
    for (u32 shift = 0; at < in.count && shift < 35; shift += 7) {
        const u8 byte = in.at[at++];
        size |= (u64)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *first = at;
            *end = at + (usize)size;
            return size <= in.count - at;
        }
    }
    return false;
}

// The body of one function is changed, its size and the others stay right.
static void change_body(Rng *rng, Span code, Span other, Bytes *out) {
    usize first, end;
    usize bodies = 0;
    usize at = 0;
    while (at < code.count && code.at[at] >= 0x80) {
        at++;
    }
    at += at < code.count; // behind the count
    const usize start = at;
    while (sized(code, at, &first, &end)) {
        at = end;
        bodies++;
    }
    put(out, part(code, 0, start));
    const usize chosen = below(rng, bodies);
    at = start;
    for (usize i = 0; i < bodies && sized(code, at, &first, &end); i++) {
        if (i == chosen) {
            Bytes body = {0};
            change_some(rng, part(code, first, end - first), other, &body);
            bytes_u32(out, (u32)body.count);
            put(out, (Span){body.at, body.count});
            free(body.at);
        } else {
            put(out, part(code, at, end - at));
        }
        at = end;
    }
    put(out, part(code, at, code.count - at));
}

static void change_section(Rng *rng, Span in, Span other, Bytes *out) {
    usize at = 8;
    usize first, end;
    u32 sections = 0;
    while (at < in.count && sized(in, at + 1, &first, &end)) {
        at = end;
        sections++;
    }
    const u32 chosen = sections == 0 ? 0 : rng_below(rng, sections);
    put(out, part(in, 0, 8));
    at = 8;
    for (u32 i = 0; i < sections && sized(in, at + 1, &first, &end); i++) {
        const bool is_code = in.at[at] == 10;
        const bool is_chosen = is_code ? rng_percent(rng, 50) : i == chosen;
        Bytes section = {0};
        const Span span = part(in, first, end - first);
        if (is_chosen && is_code && rng_percent(rng, 85)) {
            change_body(rng, span, other, &section);
        } else if (is_chosen) {
            change_some(rng, span, other, &section);
        } else {
            put(&section, span);
        }
        bytes_section(out, in.at[at], &section);
        free(section.at);
        at = end;
    }
    put(out, part(in, at, in.count - at));
}

uint8_t *damage(Rng *rng, const Sample *sample, const Sample *other, size_t *count) {
    const Span in = {sample->bytes, sample->count};
    const Span from = {other->bytes, other->count};
    Bytes out = {0};
    if (in.count >= 8 && rng_percent(rng, 70)) {
        change_section(rng, in, from, &out);
    } else {
        change_some(rng, in, from, &out);
    }
    uint8_t *bytes = malloc(out.count == 0 ? 1 : out.count);
    if (bytes != NULL && out.count != 0) {
        memcpy(bytes, out.at, out.count);
    }
    *count = out.count;
    free(out.at);
    return bytes;
}
