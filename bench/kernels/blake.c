// Integer, unrolled mixing of sixteen state words with sixteen message words:
// the quarter-round network of BLAKE2s and BLAKE3, seven rounds without a loop.
#include "kernel.h"

#define ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))

#define MIX(a, b, c, d, x, y)  \
    do {                       \
        a = a + b + (x);       \
        d = ROR(d ^ a, 16);    \
        c = c + d;             \
        b = ROR(b ^ c, 12);    \
        a = a + b + (y);       \
        d = ROR(d ^ a, 8);     \
        c = c + d;             \
        b = ROR(b ^ c, 7);     \
    } while (0)

#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
    do {                                                                            \
        MIX(v0, v4, v8, v12, m0, m1);                                               \
        MIX(v1, v5, v9, v13, m2, m3);                                               \
        MIX(v2, v6, v10, v14, m4, m5);                                              \
        MIX(v3, v7, v11, v15, m6, m7);                                              \
        MIX(v0, v5, v10, v15, m8, m9);                                              \
        MIX(v1, v6, v11, v12, m10, m11);                                            \
        MIX(v2, v7, v8, v13, m12, m13);                                             \
        MIX(v3, v4, v9, v14, m14, m15);                                             \
    } while (0)

static NOINLINE void mix_block(u32 chain[8], const u32 m[16], u32 counter) {
    u32 a = m[0], b = m[1], c = m[2], d = m[3], e = m[4], f = m[5], g = m[6], h = m[7];
    u32 i = m[8], j = m[9], k = m[10], l = m[11], n = m[12], o = m[13], p = m[14], q = m[15];
    u32 v0 = chain[0], v1 = chain[1], v2 = chain[2], v3 = chain[3];
    u32 v4 = chain[4], v5 = chain[5], v6 = chain[6], v7 = chain[7];
    u32 v8 = 0x6a09e667, v9 = 0xbb67ae85, v10 = 0x3c6ef372, v11 = 0xa54ff53a;
    u32 v12 = counter, v13 = 0, v14 = 64, v15 = 11;
    ROUND(a, b, c, d, e, f, g, h, i, j, k, l, n, o, p, q);
    ROUND(c, g, d, k, h, a, e, o, b, l, n, f, j, p, q, i);
    ROUND(d, e, k, n, o, c, h, p, g, f, j, a, l, q, i, b);
    ROUND(k, h, n, j, p, d, o, q, e, a, l, c, f, i, b, g);
    ROUND(n, o, j, l, q, k, p, i, h, c, f, d, a, b, g, e);
    ROUND(j, p, l, f, i, n, q, b, o, d, a, k, c, g, e, h);
    ROUND(l, q, f, a, b, j, i, g, p, k, c, n, d, e, h, o);
    chain[0] = v0 ^ v8;
    chain[1] = v1 ^ v9;
    chain[2] = v2 ^ v10;
    chain[3] = v3 ^ v11;
    chain[4] = v4 ^ v12;
    chain[5] = v5 ^ v13;
    chain[6] = v6 ^ v14;
    chain[7] = v7 ^ v15;
}

enum { BLOCKS = 1024 };
static u32 message[BLOCKS][16];

int main(int argc, char **argv) {
    u32 chain[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u64 seed = 2;
    for (u32 i = 0; i < BLOCKS * 16; i++) {
        message[i / 16][i % 16] = (u32)(kernel_random(&seed) >> 32);
    }
    for (u32 n = kernel_repeats(argc, argv, 1000); n > 0; n--) {
        for (u32 i = 0; i < BLOCKS; i++) {
            mix_block(chain, message[i], i);
        }
    }
    u64 sum = 0;
    for (u32 i = 0; i < 8; i++) {
        sum = kernel_mix(sum, chain[i]);
    }
    return kernel_report("blake", sum);
}
