#include "text/escape.h"

#include "base/check.h"
#include "base/error.h"

u32 text_hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return (u32)(c - '0');
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? (u32)(lower - 'a') + 10 : 99;
}

bool text_code_point_of(Str digits, u32 *out) {
    const u32 beyond = 0x110000;
    u32 value = 0;
    bool was_digit = false;
    for (usize i = 0; i < digits.count; i++) {
        const u32 digit = text_hex_digit(digits.at[i]);
        if (digit > 15 && (digits.at[i] != '_' || !was_digit)) {
            return false;
        }
        was_digit = digit <= 15;
        if (was_digit) {
            value = value < beyond ? value * 16 + digit : beyond;
        }
    }
    *out = value < beyond ? value : beyond;
    return was_digit;
}

static usize encode_utf8(u32 point, u8 *out) {
    static const u8 LEADS[] = {0, 0, 0xC0, 0xE0, 0xF0};
    if (point < 0x80) {
        out[0] = (u8)point;
        return 1;
    }
    const usize bytes = point < 0x800 ? 2 : (point < 0x10000 ? 3 : 4);
    for (usize i = bytes - 1; i > 0; i--) {
        out[i] = (u8)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (u8)(LEADS[bytes] | point);
    return bytes;
}

// Decodes the escape or character at *at. Returns how many bytes it stands for.
static usize decode_one(const char **at, const char *end, u8 out[4]) {
    const char c = *(*at)++;
    out[0] = (u8)c;
    if (c != '\\') {
        return 1;
    }
    CHECK(*at < end);
    const char kind = *(*at)++;
    switch (kind) {
    case 't': out[0] = '\t'; return 1;
    case 'n': out[0] = '\n'; return 1;
    case 'r': out[0] = '\r'; return 1;
    case '"':
    case '\'':
    case '\\': out[0] = (u8)kind; return 1;
    case 'u': {
        const char *digits = ++*at;
        const char *close = memchr(digits, '}', (usize)(end - digits));
        u32 point = 0;
        CHECK(close != NULL && text_code_point_of((Str){digits, (usize)(close - digits)}, &point));
        *at = close + 1;
        return encode_utf8(point, out);
    }
    default:
        CHECK(*at < end);
        out[0] = (u8)(text_hex_digit(kind) << 4 | text_hex_digit(*(*at)++));
        return 1;
    }
}

usize text_decode(Str text, u8 *out) {
    const char *at = text.at;
    const char *end = at + text.count;
    usize count = 0;
    while (at < end) {
        u8 bytes[4];
        const usize n = decode_one(&at, end, bytes);
        memcpy(out + count, bytes, n); // an escape is longer than what it stands for
        count += n;
    }
    assert(count <= text.count);
    return count;
}

// How many bytes of the present sequence are to come, and the range of the next one (Unicode 15,
// table 3-7).
typedef struct Utf8State {
    u32 needed;
    u8 low, high;
} Utf8State;

static bool utf8_step(Utf8State *state, u8 byte) {
    if (state->needed != 0) {
        const bool fits = byte >= state->low && byte <= state->high;
        *state = (Utf8State){state->needed - 1, 0x80, 0xBF};
        return fits;
    }
    if (byte < 0x80) {
        return true;
    }
    const u8 low = byte == 0xE0 ? 0xA0 : (byte == 0xF0 ? 0x90 : 0x80);
    const u8 high = byte == 0xED ? 0x9F : (byte == 0xF4 ? 0x8F : 0xBF);
    *state = (Utf8State){byte < 0xE0 ? 1 : (byte < 0xF0 ? 2 : 3), low, high};
    return byte >= 0xC2 && byte <= 0xF4;
}

bool text_decodes_to_utf8(Str text) {
    const char *at = text.at;
    const char *end = at + text.count;
    Utf8State state = {0};
    while (at < end) {
        u8 bytes[4];
        const usize n = decode_one(&at, end, bytes);
        for (usize i = 0; i < n; i++) {
            TRY(utf8_step(&state, bytes[i]));
        }
    }
    return state.needed == 0;
}
