// Calls: the doubly recursive Fibonacci function.
#include "kernel.h"

static NOINLINE u32 fib(u32 n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv) {
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 20); n > 0; n--) {
        sum = kernel_mix(sum, fib(30 + n % 2));
    }
    return kernel_report("fib", sum);
}
