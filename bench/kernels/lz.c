// Memory, mixed: a small LZ77 compressor (hash of four bytes, greedy match,
// token bytes) and its decompressor, over text-like input.
#include "kernel.h"

enum { INPUT = 1 << 18, HASH_BITS = 13, MIN_MATCH = 4, WINDOW = 65535 };
static u8 input[INPUT];
static u8 packed[INPUT + INPUT / 8 + 64];
static u8 unpacked[INPUT];
static u32 heads[1 << HASH_BITS];

static u32 load4(const u8 *p) {
    u32 v;
    memcpy(&v, p, 4);
    return v;
}

static u8 *put_length(u8 *out, u32 n) {
    for (; n >= 255; n -= 255) {
        *out++ = 255;
    }
    *out++ = (u8)n;
    return out;
}

static const u8 *get_length(const u8 *in, u32 *n) {
    *n = 0;
    while (*in == 255) {
        *n += *in++;
    }
    *n += *in++;
    return in;
}

// A sequence: literal count, literals, distance (2 bytes), match length.
static u8 *put_sequence(u8 *out, const u8 *literals, u32 count, u32 distance, u32 length) {
    out = put_length(out, count);
    for (u32 i = 0; i < count; i++) {
        *out++ = literals[i];
    }
    *out++ = (u8)distance;
    *out++ = (u8)(distance >> 8);
    return put_length(out, length);
}

static NOINLINE u32 compress(void) {
    u8 *out = packed;
    u32 start = 0;
    u32 i = 1;
    memset(heads, 0, sizeof heads);
    while (i + MIN_MATCH <= INPUT) {
        u32 word = load4(input + i);
        u32 slot = (word * 2654435761u) >> (32 - HASH_BITS);
        u32 candidate = heads[slot];
        heads[slot] = i;
        if (i - candidate > WINDOW || load4(input + candidate) != word) {
            i++;
            continue;
        }
        u32 length = MIN_MATCH;
        while (i + length < INPUT && input[candidate + length] == input[i + length]) {
            length++;
        }
        out = put_sequence(out, input + start, i - start, i - candidate, length);
        i += length;
        start = i;
    }
    out = put_sequence(out, input + start, INPUT - start, 0, 0);
    return (u32)(out - packed);
}

static NOINLINE u32 decompress(u32 packed_bytes) {
    const u8 *in = packed;
    u8 *out = unpacked;
    while (in < packed + packed_bytes) {
        u32 count;
        u32 length;
        in = get_length(in, &count);
        for (u32 i = 0; i < count; i++) {
            *out++ = *in++;
        }
        u32 distance = in[0] | (u32)in[1] << 8;
        in = get_length(in + 2, &length);
        for (u32 i = 0; i < length; i++, out++) {
            *out = out[-(i32)distance];
        }
    }
    return (u32)(out - unpacked);
}

// Words from a small vocabulary, with some noise.
static void make_input(void) {
    u64 seed = 10;
    u32 i = 0;
    while (i < INPUT) {
        u64 r = kernel_random(&seed);
        u64 word_seed = (r >> 58) + 1;
        u32 length = (u32)(r >> 20) % 8 + 2;
        for (u32 k = 0; k < length && i < INPUT; k++) {
            input[i++] = (u8)('a' + (kernel_random(&word_seed) >> 40) % 26);
        }
        if (i < INPUT) {
            input[i++] = (r & 31) ? ' ' : (u8)(r >> 8);
        }
    }
}

int main(int argc, char **argv) {
    u64 sum = 0;
    make_input();
    for (u32 n = kernel_repeats(argc, argv, 40); n > 0; n--) {
        u32 bytes = compress();
        sum = kernel_mix(sum, bytes);
        sum = kernel_mix(sum, decompress(bytes));
        sum = kernel_mix(sum, (u64)memcmp(input, unpacked, INPUT));
        input[(n * 7919) % INPUT] ^= 1;
    }
    return kernel_report("lz", sum);
}
