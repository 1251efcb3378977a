// Syntax of number literals, integers and hexadecimal floats. Decimal floats come from decimal.c.
#include "text/number.h"

#include "base/check.h"
#include "base/error.h"
#include "text/decimal.h"

typedef struct Scan {
    const char *at, *end;
} Scan;

static u32 digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return (u32)(c - '0');
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? (u32)(lower - 'a') + 10 : 99;
}

static bool scan_char(Scan *s, char c) {
    const bool fits = s->at < s->end && *s->at == c;
    s->at += fits;
    return fits;
}

// digit ('_'? digit)*
static bool scan_digits(Scan *s, u32 base) {
    if (s->at == s->end || digit_of(*s->at) >= base) {
        return false;
    }
    while (++s->at < s->end) {
        const bool is_gap = *s->at == '_' && s->at + 1 < s->end;
        if (digit_of(s->at[is_gap]) >= base) {
            break;
        }
        s->at += is_gap;
    }
    return true;
}

static void scan_sign(Scan *s) {
    if (!scan_char(s, '+')) {
        (void)scan_char(s, '-');
    }
}

static bool scan_word(Scan *s, Str word) {
    if ((usize)(s->end - s->at) < word.count || memcmp(s->at, word.at, word.count) != 0) {
        return false;
    }
    s->at += word.count;
    return true;
}

static NumberKind special_kind(Scan *s) {
    if (scan_word(s, STR("nan:0x"))) {
        return scan_digits(s, 16) && s->at == s->end ? NUMBER_FLOAT : NUMBER_NONE;
    }
    const bool is_word = scan_word(s, STR("nan")) || scan_word(s, STR("inf"));
    return is_word && s->at == s->end ? NUMBER_FLOAT : NUMBER_NONE;
}

NumberKind text_number_kind(Str text) {
    Scan s = {text.at, text.at + text.count};
    scan_sign(&s);
    const bool has_sign = s.at != text.at;
    if (s.at == s.end || digit_of(*s.at) > 9) {
        return special_kind(&s);
    }
    const bool is_hex = scan_word(&s, STR("0x"));
    const u32 base = is_hex ? 16 : 10;
    if (!scan_digits(&s, base)) {
        return NUMBER_NONE;
    }
    if (s.at == s.end) {
        return has_sign ? NUMBER_INT : NUMBER_NAT;
    }
    if (scan_char(&s, '.') && s.at < s.end && digit_of(*s.at) < base) {
        (void)scan_digits(&s, base);
    }
    if (s.at < s.end && (*s.at | 0x20) == (is_hex ? 'p' : 'e')) {
        s.at++;
        scan_sign(&s);
        if (!scan_digits(&s, 10)) {
            return NUMBER_NONE;
        }
    }
    return s.at == s.end ? NUMBER_FLOAT : NUMBER_NONE;
}

// Digits up to the end or the first other character; false if the value needs more than 64 bits.
static bool digits_value(const char *at, const char *end, u32 base, u64 *out) {
    u64 value = 0;
    bool fits = true;
    for (; at < end; at++) {
        if (*at != '_') {
            fits = fits && mul_u64(value, base, &value) && add_u64(value, digit_of(*at), &value);
        }
    }
    *out = value;
    return fits;
}

bool text_nat_of(Str literal, u64 max, u64 *out) {
    const bool is_hex = literal.count > 2 && literal.at[1] == 'x';
    const char *end = literal.at + literal.count;
    return digits_value(literal.at + (is_hex ? 2 : 0), end, is_hex ? 16 : 10, out) && *out <= max;
}

bool text_int_of(Str literal, u32 bits, u64 *out) {
    assert(bits >= 1 && bits <= 64);
    const bool has_sign = literal.at[0] == '+' || literal.at[0] == '-';
    const bool is_negative = literal.at[0] == '-';
    const u64 mask = UINT64_MAX >> (64 - bits);
    const u64 max = is_negative ? mask / 2 + 1 : mask;
    u64 value;
    if (!text_nat_of((Str){literal.at + has_sign, literal.count - has_sign}, max, &value)) {
        return false;
    }
    *out = (is_negative ? 0 - value : value) & mask;
    return true;
}

static const FloatFormat F32 = {23, 127};
static const FloatFormat F64 = {52, 1023};

// Behind "0x": digits, point, exponent. The first 16 significant digits are the mantissa.
static bool hex_float(const FloatFormat *format, const char *at, const char *end, u64 *out) {
    BinaryFloat value = {0};
    i64 exponent = 0; // of the mantissa's lowest bit
    bool is_fraction = false;
    for (; at < end && (*at | 0x20) != 'p'; at++) {
        if (*at == '.') {
            is_fraction = true;
        } else if (*at != '_') {
            const bool is_full = value.mantissa >> 60 != 0;
            if (is_full) {
                value.is_more = value.is_more || *at != '0';
            } else {
                value.mantissa = value.mantissa << 4 | digit_of(*at);
            }
            exponent += 4 * ((i64)is_full - (i64)is_fraction);
        }
    }
    if (value.mantissa == 0) {
        *out = 0;
        return true;
    }
    if (at < end) {
        exponent += text_exponent_of(at + 1, end);
    }
    const i64 zeros = __builtin_clzll(value.mantissa);
    value.mantissa <<= zeros;
    value.exponent = exponent + 63 - zeros;
    return text_float_round(format, value, out);
}

// Behind "nan:0x".
static bool nan_payload(const FloatFormat *format, const char *at, const char *end, u64 *out) {
    u64 payload;
    const u64 max = (1ull << format->fraction_bits) - 1;
    if (!digits_value(at, end, 16, &payload) || payload == 0 || payload > max) {
        return false;
    }
    *out = payload;
    return true;
}

// Bits without the sign.
static bool magnitude_of(const FloatFormat *format, const char *at, const char *end, u64 *out) {
    const u64 infinity = (u64)(2 * format->bias + 1) << format->fraction_bits;
    if (*at == 'i') {
        *out = infinity;
        return true;
    }
    if (*at == 'n') {
        *out = 1ull << (format->fraction_bits - 1);
        const bool fits = end - at == 3 || nan_payload(format, at + 6, end, out);
        *out |= infinity;
        return fits;
    }
    if (end - at > 2 && at[1] == 'x') {
        return hex_float(format, at + 2, end, out);
    }
    return text_decimal_float(format, at, end, out);
}

static bool float_of(const FloatFormat *format, Str literal, u64 *out) {
    const char *at = literal.at;
    const u64 sign = *at == '-';
    at += *at == '-' || *at == '+';
    TRY(magnitude_of(format, at, literal.at + literal.count, out));
    *out |= sign << (format->fraction_bits == 52 ? 63 : 31);
    return true;
}

bool text_f32_of(Str literal, u32 *out) {
    u64 bits;
    TRY(float_of(&F32, literal, &bits));
    *out = (u32)bits;
    return true;
}

bool text_f64_of(Str literal, u64 *out) { return float_of(&F64, literal, out); }
