// Integer, one huge basic block: SHA-256 with all 64 rounds unrolled and the
// message schedule in sixteen locals. Keeps some 30 values alive throughout.
#include "kernel.h"

#define ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define S0(x) (ROR(x, 2) ^ ROR(x, 13) ^ ROR(x, 22))
#define S1(x) (ROR(x, 6) ^ ROR(x, 11) ^ ROR(x, 25))
#define G0(x) (ROR(x, 7) ^ ROR(x, 18) ^ ((x) >> 3))
#define G1(x) (ROR(x, 17) ^ ROR(x, 19) ^ ((x) >> 10))
#define CH(x, y, z) (((x) & (y)) ^ (~(x) & (z)))
#define MAJ(x, y, z) (((x) & (y)) ^ ((x) & (z)) ^ ((y) & (z)))

#define ROUND(a, b, c, d, e, f, g, h, k, w)           \
    do {                                              \
        u32 t1 = h + S1(e) + CH(e, f, g) + (k) + (w); \
        u32 t2 = S0(a) + MAJ(a, b, c);                \
        d += t1;                                      \
        h = t1 + t2;                                  \
    } while (0)

// Next word of the schedule, in the place of the one sixteen before.
#define NEXT(w0, w1, w9, w14) (w0 += G1(w14) + (w9) + G0(w1))

#define EIGHT(w0, w1, w2, w3, w4, w5, w6, w7, k0, k1, k2, k3, k4, k5, k6, k7) \
    do {                                                                      \
        ROUND(a, b, c, d, e, f, g, h, k0, w0);                                \
        ROUND(h, a, b, c, d, e, f, g, k1, w1);                                \
        ROUND(g, h, a, b, c, d, e, f, k2, w2);                                \
        ROUND(f, g, h, a, b, c, d, e, k3, w3);                                \
        ROUND(e, f, g, h, a, b, c, d, k4, w4);                                \
        ROUND(d, e, f, g, h, a, b, c, k5, w5);                                \
        ROUND(c, d, e, f, g, h, a, b, k6, w6);                                \
        ROUND(b, c, d, e, f, g, h, a, k7, w7);                                \
    } while (0)

#define SCHEDULE                                                              \
    do {                                                                      \
        NEXT(w0, w1, w9, w14);                                                \
        NEXT(w1, w2, w10, w15);                                               \
        NEXT(w2, w3, w11, w0);                                                \
        NEXT(w3, w4, w12, w1);                                                \
        NEXT(w4, w5, w13, w2);                                                \
        NEXT(w5, w6, w14, w3);                                                \
        NEXT(w6, w7, w15, w4);                                                \
        NEXT(w7, w8, w0, w5);                                                 \
        NEXT(w8, w9, w1, w6);                                                 \
        NEXT(w9, w10, w2, w7);                                                \
        NEXT(w10, w11, w3, w8);                                               \
        NEXT(w11, w12, w4, w9);                                               \
        NEXT(w12, w13, w5, w10);                                              \
        NEXT(w13, w14, w6, w11);                                              \
        NEXT(w14, w15, w7, w12);                                              \
        NEXT(w15, w0, w8, w13);                                               \
    } while (0)

#define LOW(...) EIGHT(w0, w1, w2, w3, w4, w5, w6, w7, __VA_ARGS__)
#define HIGH(...) EIGHT(w8, w9, w10, w11, w12, w13, w14, w15, __VA_ARGS__)

static u32 load_be(const u8 *p) {
    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static NOINLINE void compress(u32 state[8], const u8 *p) {
    u32 w0 = load_be(p), w1 = load_be(p + 4), w2 = load_be(p + 8), w3 = load_be(p + 12);
    u32 w4 = load_be(p + 16), w5 = load_be(p + 20), w6 = load_be(p + 24), w7 = load_be(p + 28);
    u32 w8 = load_be(p + 32), w9 = load_be(p + 36), w10 = load_be(p + 40), w11 = load_be(p + 44);
    u32 w12 = load_be(p + 48), w13 = load_be(p + 52), w14 = load_be(p + 56), w15 = load_be(p + 60);
    u32 a = state[0], b = state[1], c = state[2], d = state[3];
    u32 e = state[4], f = state[5], g = state[6], h = state[7];
    LOW(0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5);
    HIGH(0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
         0xc19bf174);
    SCHEDULE;
    LOW(0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc,
        0x76f988da);
    HIGH(0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351,
         0x14292967);
    SCHEDULE;
    LOW(0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e,
        0x92722c85);
    HIGH(0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
         0x106aa070);
    SCHEDULE;
    LOW(0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3);
    HIGH(0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
         0xc67178f2);
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

enum { BLOCKS = 1024 };
static u8 message[BLOCKS * 64];

int main(int argc, char **argv) {
    u32 state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u64 seed = 1;
    for (u32 i = 0; i < sizeof message; i++) {
        message[i] = (u8)(kernel_random(&seed) >> 56);
    }
    for (u32 n = kernel_repeats(argc, argv, 500); n > 0; n--) {
        for (u32 i = 0; i < BLOCKS; i++) {
            compress(state, message + i * 64);
        }
    }
    u64 sum = 0;
    for (u32 i = 0; i < 8; i++) {
        sum = kernel_mix(sum, state[i]);
    }
    return kernel_report("sha256", sum);
}
