// Decimal to binary, exactly: digits * 10^e is the fraction N / M of two big numbers (M a power of
// five, powers of two go to the exponent); a division yields 64 bits of mantissa, the remainder
// says whether there is more.
//
// 768 significant digits decide every rounding to f64: the longest decimal half-way point has 767.
// Further digits only count as "more", which a last digit 1 expresses. Literals of up to 15 digits
// and small exponents take the short way of W. Clinger, "How to read floating point numbers
// accurately" (1990): both factors are exact in a float, so one operation rounds once.
#include "text/decimal.h"

#include <float.h>

#include "base/check.h"

_Static_assert(FLT_EVAL_METHOD == 0, "operations round to their own type");

__extension__ typedef unsigned __int128 u128;

enum {
    MAX_DIGITS = 768,
    BIG_LIMBS = 60, // 3,840 bits: 10^769 * 5^310 or 5^(769 + 400), and one to spare
    POW5_STEP = 27,   // 5^27 fits 64 bits
    DIGITS_STEP = 19, // so does 10^19
};

// Little-endian; no zero limbs at the top.
typedef struct Big {
    u64 limb[BIG_LIMBS];
    u32 count;
} Big;

static void big_push(Big *n, u64 limb) {
    if (limb != 0) {
        CHECK(n->count < BIG_LIMBS);
        n->limb[n->count++] = limb;
    }
}

// n = n * factor + more
static void big_multiply(Big *n, u64 factor, u64 more) {
    u64 carry = more;
    for (u32 i = 0; i < n->count; i++) {
        const u128 product = (u128)n->limb[i] * factor + carry;
        n->limb[i] = (u64)product;
        carry = (u64)(product >> 64);
    }
    big_push(n, carry);
}

static u64 small_power(u64 base, u64 exponent) {
    u64 power = 1;
    for (; exponent > 0; exponent--) {
        power *= base;
    }
    return power;
}

static void big_multiply_pow5(Big *n, u64 exponent) {
    const u64 step = small_power(5, POW5_STEP);
    for (; exponent >= POW5_STEP; exponent -= POW5_STEP) {
        big_multiply(n, step, 0);
    }
    big_multiply(n, small_power(5, exponent), 0);
}

static u32 big_bits(const Big *n) {
    return n->count == 0 ? 0 : n->count * 64 - (u32)__builtin_clzll(n->limb[n->count - 1]);
}

static void big_shift_left(Big *n, u32 bits) {
    const u32 limbs = bits / 64, rest = bits % 64;
    if (n->count == 0 || bits == 0) {
        return;
    }
    CHECK(n->count + limbs < BIG_LIMBS);
    u64 top = 0;
    for (u32 i = n->count; i-- > 0;) {
        const u64 limb = n->limb[i];
        if (rest != 0) {
            top = i + 1 == n->count ? limb >> (64 - rest) : top;
            n->limb[i + limbs] = limb << rest | (i == 0 ? 0 : n->limb[i - 1] >> (64 - rest));
        } else {
            n->limb[i + limbs] = limb;
        }
    }
    memset(n->limb, 0, limbs * sizeof(u64));
    n->count += limbs;
    big_push(n, top);
}

static bool big_less(const Big *a, const Big *b) {
    if (a->count != b->count) {
        return a->count < b->count;
    }
    for (u32 i = a->count; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i];
        }
    }
    return false;
}

// n -= m * factor, m of one limb less than n. Returns whether the result is below zero (it is then
// what it should be plus 2^64 to the number of limbs).
static bool big_subtract_product(Big *n, const Big *m, u64 factor) {
    u64 carry = 0;
    for (u32 i = 0; i < m->count; i++) {
        const u128 product = (u128)m->limb[i] * factor + carry;
        carry = (u64)(product >> 64) +
                __builtin_sub_overflow(n->limb[i], (u64)product, &n->limb[i]);
    }
    return __builtin_sub_overflow(n->limb[m->count], carry, &n->limb[m->count]);
}

// n += m, modulo 2^64 to the number of limbs of n. Returns the carry out.
static bool big_add_back(Big *n, const Big *m) {
    u64 carry = 0;
    for (u32 i = 0; i < m->count; i++) {
        const u128 sum = (u128)n->limb[i] + m->limb[i] + carry;
        n->limb[i] = (u64)sum;
        carry = (u64)(sum >> 64);
    }
    return __builtin_add_overflow(n->limb[m->count], carry, &n->limb[m->count]);
}

static bool big_is_zero(const Big *n) {
    for (u32 i = 0; i < n->count; i++) {
        if (n->limb[i] != 0) {
            return false;
        }
    }
    return true;
}

// The first 64 bits of n / m: one step of long division in base 2^64 (D. Knuth, The Art of Computer
// Programming 2, 4.3.1, algorithm D), both scaled to make the quotient one limb with its top bit
// set. Destroys n and m.
static BinaryFloat big_divide(Big *n, Big *m) {
    const u32 limbs = n->count > m->count ? n->count : m->count;
    i64 exponent = (i64)big_bits(n) - (i64)big_bits(m);
    big_shift_left(n, limbs * 64 - big_bits(n));
    big_shift_left(m, limbs * 64 - big_bits(m));
    const bool is_less = big_less(n, m);
    exponent -= is_less;
    big_shift_left(n, is_less ? 64 : 63);
    assert(n->count == limbs + 1 && m->count == limbs);
    const u64 divisor = m->limb[limbs - 1];
    const u128 top = (u128)n->limb[limbs] << 64 | n->limb[limbs - 1];
    // At most 2 too large, as the divisor has its top bit set.
    u64 quotient = n->limb[limbs] >= divisor ? UINT64_MAX : (u64)(top / divisor);
    bool is_below = big_subtract_product(n, m, quotient);
    while (is_below) {
        quotient--;
        is_below = !big_add_back(n, m);
    }
    return (BinaryFloat){quotient, exponent, !big_is_zero(n)};
}

// Significant digits, and the power of ten of the last one.
typedef struct Decimal {
    u8 digits[MAX_DIGITS + 1];
    u32 count;
    i64 exponent;
} Decimal;

static void decimal_read(Decimal *d, const char *at, const char *end) {
    bool is_fraction = false, is_more = false;
    d->count = 0;
    d->exponent = 0;
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            is_fraction = true;
        } else if (*at != '_') {
            if (d->count == MAX_DIGITS) {
                is_more = is_more || *at != '0';
                d->exponent++;
            } else if (d->count != 0 || *at != '0') {
                d->digits[d->count++] = (u8)(*at - '0');
            }
            d->exponent -= is_fraction;
        }
    }
    if (is_more) {
        d->digits[d->count++] = 1;
        d->exponent--;
    }
    if (at < end) {
        d->exponent += text_exponent_of(at + 1, end);
    }
}

// Value of digits[first..first + count), at most DIGITS_STEP.
static u64 digits_value(const Decimal *d, u32 first, u32 count) {
    u64 value = 0;
    for (u32 i = 0; i < count; i++) {
        value = value * 10 + d->digits[first + i];
    }
    return value;
}

// Digits and exponent small enough for one exact operation.
static bool short_way(const FloatFormat *format, const Decimal *d, u64 *out) {
    static const f64 POW10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const bool is_f64 = format->fraction_bits == 52;
    const i64 max_exponent = is_f64 ? 22 : 10;
    if (d->count > (is_f64 ? 15u : 7u) || d->exponent > max_exponent ||
        d->exponent < -max_exponent) {
        return false;
    }
    const u64 value = digits_value(d, 0, d->count);
    const f64 power = POW10[d->exponent < 0 ? -d->exponent : d->exponent];
    if (is_f64) {
        const f64 result = d->exponent < 0 ? (f64)value / power : (f64)value * power;
        memcpy(out, &result, sizeof result);
        return true;
    }
    const f32 result = d->exponent < 0 ? (f32)value / (f32)power : (f32)value * (f32)power;
    u32 bits;
    memcpy(&bits, &result, sizeof bits);
    *out = bits;
    return true;
}

bool text_decimal_float(const FloatFormat *format, const char *at, const char *end, u64 *out) {
    Decimal d;
    decimal_read(&d, at, end);
    const i64 magnitude = d.exponent + d.count; // value < 10^magnitude
    if (d.count == 0 || magnitude < -400) {
        *out = 0;
        return true;
    }
    if (magnitude > 310) {
        return false;
    }
    if (short_way(format, &d, out)) {
        return true;
    }
    Big n = {.count = 0}, m = {.limb = {1}, .count = 1};
    for (u32 i = 0; i < d.count; i += DIGITS_STEP) {
        const u32 count = d.count - i < DIGITS_STEP ? d.count - i : DIGITS_STEP;
        big_multiply(&n, small_power(10, count), digits_value(&d, i, count));
    }
    big_multiply_pow5(d.exponent > 0 ? &n : &m, (u64)(d.exponent > 0 ? d.exponent : -d.exponent));
    BinaryFloat value = big_divide(&n, &m);
    value.exponent += d.exponent;
    return text_float_round(format, value, out);
}
