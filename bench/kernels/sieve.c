// Integer, byte stores with a stride: primes below two million.
#include "kernel.h"

enum { LIMIT = 2000000 };
static u8 composite[LIMIT];

static NOINLINE u32 count_primes(void) {
    u32 found = 0;
    memset(composite, 0, sizeof composite);
    for (u32 i = 2; i < LIMIT; i++) {
        if (composite[i]) {
            continue;
        }
        found++;
        for (u64 j = (u64)i * i; j < LIMIT; j += i) {
            composite[j] = 1;
        }
    }
    return found;
}

int main(int argc, char **argv) {
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 12); n > 0; n--) {
        sum = kernel_mix(sum, count_primes());
    }
    return kernel_report("sieve", sum);
}
