#include "text/round.h"

#include "base/check.h"

bool text_float_round(const FloatFormat *format, BinaryFloat value, u64 *out) {
    assert(value.mantissa >> 63 == 1);
    const i64 min_exponent = 1 - format->bias;
    i64 kept = format->fraction_bits + 1;
    const bool is_subnormal = value.exponent < min_exponent;
    if (is_subnormal) {
        kept -= min_exponent - value.exponent;
    }
    if (kept < 0) {
        *out = 0;
        return true;
    }
    const u32 dropped = 64 - (u32)kept;
    const u64 half = 1ull << (dropped - 1);
    const u64 rest = value.mantissa & (half | (half - 1));
    u64 result = dropped == 64 ? 0 : value.mantissa >> dropped;
    if (rest > half || (rest == half && (value.is_more || (result & 1) != 0))) {
        result++;
    }
    if (!is_subnormal) { // the leading one adds one to the exponent; so does a carry
        if (value.exponent > format->bias) {
            return false;
        }
        result += (u64)(value.exponent + format->bias - 1) << format->fraction_bits;
    }
    *out = result;
    return result >> format->fraction_bits <= 2 * (u64)format->bias;
}

i64 text_exponent_of(const char *at, const char *end) {
    const i64 limit = 1ll << 58; // beyond what any text can make up for with digits
    const bool is_negative = *at == '-';
    i64 value = 0;
    for (at += *at == '-' || *at == '+'; at < end; at++) {
        if (*at != '_' && value < limit) {
            value = value * 10 + (*at - '0');
        }
    }
    value = value < limit ? value : limit;
    return is_negative ? -value : value;
}
