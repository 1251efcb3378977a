// What all float literals share: the formats, the exponent, and rounding. For number.c and
// decimal.c.
#ifndef TEXT_ROUND_H
#define TEXT_ROUND_H

#include "base/int.h"

typedef struct FloatFormat {
    i32 fraction_bits; // stored, without the leading one
    i32 bias;
} FloatFormat;

// mantissa / 2^63 * 2^exponent, and a little more if `is_more`. The top bit of the mantissa is set.
typedef struct BinaryFloat {
    u64 mantissa;
    i64 exponent;
    bool is_more;
} BinaryFloat;

// Bits of the nearest float, ties to even, subnormals included. False: it would be infinite.
bool text_float_round(const FloatFormat *format, BinaryFloat value, u64 *out);

// Decimal exponent with optional sign and gaps, cut to +-2^58.
i64 text_exponent_of(const char *at, const char *end);

#endif
