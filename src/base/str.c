#include "base/str.h"

// Table 3-7 of the Unicode standard: the range of the second byte by the first.
static bool second_byte_fits(u8 first, u8 second) {
    switch (first) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return second >= 0x80 && second <= 0xBF;
    }
}

static usize sequence_bytes(u8 first) {
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 2;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        return 3;
    }
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

bool str_is_utf8(Str text) {
    const u8 *p = (const u8 *)text.at;
    const u8 *end = p + text.count;
    while (p < end) {
        const usize bytes = sequence_bytes(*p);
        if (bytes == 0 || bytes > (usize)(end - p)) {
            return false;
        }
        if (bytes > 1 && !second_byte_fits(p[0], p[1])) {
            return false;
        }
        for (usize i = 2; i < bytes; i++) {
            if ((p[i] & 0xC0) != 0x80) {
                return false;
            }
        }
        p += bytes;
    }
    return true;
}

const char *str_printable(Str text, char *out, usize out_bytes) {
    static const char HEX[] = "0123456789abcdef";
    usize n = 0;
    for (usize i = 0; i < text.count && n + 4 < out_bytes; i++) {
        const u8 c = (u8)text.at[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            out[n++] = (char)c;
        } else {
            out[n++] = '\\';
            out[n++] = HEX[c >> 4];
            out[n++] = HEX[c & 15];
        }
    }
    out[n] = 0;
    return out;
}

u32 str_distance(const char *a, const char *b, u32 limit) {
    enum { MAX = 48 };
    const usize a_count = strlen(a), b_count = strlen(b);
    if (a_count >= MAX || b_count >= MAX) {
        return limit + 1;
    }
    u32 row[MAX + 1];
    for (u32 j = 0; j <= b_count; j++) {
        row[j] = j;
    }
    for (usize i = 1; i <= a_count; i++) {
        u32 diagonal = row[0];
        row[0] = (u32)i;
        for (usize j = 1; j <= b_count; j++) {
            const u32 changed = diagonal + (a[i - 1] != b[j - 1]);
            const u32 shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = changed < shorter ? changed : shorter;
        }
    }
    return row[b_count] < limit ? row[b_count] : (row[b_count] == limit ? limit : limit + 1);
}
