// 64-bit multiplies: 64 x 64 -> 128 products by four partial products, in a
// modular power (Montgomery form, one odd 64-bit modulus) and in a product of
// long numbers.
#include "kernel.h"

enum { LIMBS = 24 };

static inline u64 high_product(u64 a, u64 b) {
    u64 a0 = (u32)a;
    u64 a1 = a >> 32;
    u64 b0 = (u32)b;
    u64 b1 = b >> 32;
    u64 middle = a1 * b0 + ((a0 * b0) >> 32);
    u64 cross = a0 * b1 + (u32)middle;
    return a1 * b1 + (middle >> 32) + (cross >> 32);
}

// a * b / 2^64 modulo m, for a and b below m < 2^63.
static inline u64 reduce(u64 a, u64 b, u64 m, u64 inverse) {
    u64 low = a * b;
    u64 high = high_product(a, b);
    u64 q = low * inverse;
    u64 t = high_product(q, m) + (low != 0);
    u64 r = high + t;
    return r >= m ? r - m : r;
}

static NOINLINE u64 power(u64 base, u64 exponent, u64 m) {
    u64 inverse = m; // of -m modulo 2^64, by Newton's iteration
    for (u32 i = 0; i < 6; i++) {
        inverse *= 2 - m * inverse;
    }
    inverse = 0 - inverse;
    u64 result = base;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1) {
            result = reduce(result, base, m, inverse);
        }
        base = reduce(base, base, m, inverse);
    }
    return result;
}

static NOINLINE void long_product(u64 *out, const u64 *a, const u64 *b) {
    for (u32 i = 0; i < 2 * LIMBS; i++) {
        out[i] = 0;
    }
    for (u32 i = 0; i < LIMBS; i++) {
        u64 carry = 0;
        for (u32 j = 0; j < LIMBS; j++) {
            u64 low = a[i] * b[j];
            u64 high = high_product(a[i], b[j]);
            u64 sum = out[i + j] + low;
            high += sum < low;
            sum += carry;
            high += sum < carry;
            out[i + j] = sum;
            carry = high;
        }
        out[i + LIMBS] = carry;
    }
}

int main(int argc, char **argv) {
    u64 seed = 13;
    u64 sum = 0;
    u64 a[LIMBS];
    u64 b[LIMBS];
    u64 product[2 * LIMBS];
    for (u32 i = 0; i < LIMBS; i++) {
        a[i] = kernel_random(&seed);
        b[i] = kernel_random(&seed);
    }
    for (u32 n = kernel_repeats(argc, argv, 30) * 1000; n > 0; n--) {
        long_product(product, a, b);
        a[n % LIMBS] ^= product[LIMBS];
        sum += power(product[3] >> 2, product[4], (product[5] >> 1) | 1);
    }
    return kernel_report("mul64", kernel_mix(sum, product[LIMBS]));
}
