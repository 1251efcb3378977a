// Memory: copying, filling and comparing by loops of the program's own, byte
// and word wide, with an alignment that changes.
#include "kernel.h"

enum { BYTES = 64 * 1024 };
static u8 from[BYTES + 16];
static u8 to[BYTES + 16];

static NOINLINE void copy_bytes(u8 *out, const u8 *in, u32 count) {
    for (u32 i = 0; i < count; i++) {
        // The fence stops the loop from becoming a call of memcpy.
        __asm__ volatile("" ::: "memory");
        out[i] = in[i];
    }
}

static NOINLINE void copy_words(u8 *out, const u8 *in, u32 count) {
    for (u32 i = 0; i + 8 <= count; i += 8) {
        u64 word;
        memcpy(&word, in + i, 8);
        word = (word << 8) | (word >> 56);
        memcpy(out + i, &word, 8);
    }
}

static NOINLINE u32 first_difference(const u8 *a, const u8 *b, u32 count) {
    u32 i = 0;
    while (i < count && a[i] == b[i]) {
        i++;
    }
    return i;
}

static NOINLINE void fill(u8 *out, u8 value, u32 count) {
    for (u32 i = 0; i < count; i += 2) {
        __asm__ volatile("" ::: "memory");
        out[i] = value;
    }
}

int main(int argc, char **argv) {
    u64 seed = 7;
    u64 sum = 0;
    for (u32 i = 0; i < sizeof from; i++) {
        from[i] = (u8)(kernel_random(&seed) >> 56);
    }
    for (u32 n = kernel_repeats(argc, argv, 1100); n > 0; n--) {
        u32 shift = n % 8;
        copy_bytes(to + shift, from, BYTES);
        sum = kernel_mix(sum, first_difference(to + shift, from, BYTES));
        fill(to, (u8)n, BYTES);
        copy_words(from + (n % 3), to, BYTES);
        sum = kernel_mix(sum, from[(n * 7919) % BYTES]);
    }
    return kernel_report("memops", sum);
}
