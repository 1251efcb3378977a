// Branches and tiny loops: over all permutations of nine, the greatest number
// of prefix reversals until a one is in front.
#include "kernel.h"

enum { N = 9 };

static NOINLINE u32 flips_of(const u8 *permutation) {
    u8 p[N];
    u32 flips = 0;
    for (u32 i = 0; i < N; i++) {
        p[i] = permutation[i];
    }
    while (p[0] != 0) {
        for (u32 low = 0, high = p[0]; low < high; low++, high--) {
            u8 swap = p[low];
            p[low] = p[high];
            p[high] = swap;
        }
        flips++;
    }
    return flips;
}

// Steps to the next permutation by rotating ever longer prefixes.
static int next_permutation(u8 *p, u8 *count) {
    for (u32 i = 1; i < N; i++) {
        u8 first = p[0];
        for (u32 k = 0; k < i; k++) {
            p[k] = p[k + 1];
        }
        p[i] = first;
        if (++count[i] <= i) {
            return 1;
        }
        count[i] = 0;
    }
    return 0;
}

static NOINLINE u64 all(u32 salt) {
    u8 p[N];
    u8 count[N] = {0};
    u64 checksum = salt;
    u32 most = 0;
    u32 index = 0;
    for (u32 i = 0; i < N; i++) {
        p[i] = (u8)i;
    }
    do {
        u32 flips = flips_of(p);
        most = flips > most ? flips : most;
        checksum += index++ % 2 == 0 ? flips : 0 - (u64)flips;
    } while (next_permutation(p, count));
    return checksum * 100 + most;
}

int main(int argc, char **argv) {
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 6); n > 0; n--) {
        sum = kernel_mix(sum, all(n));
    }
    return kernel_report("fannkuch", sum);
}
