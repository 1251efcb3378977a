// Calls with several arguments and deep stacks: functions that call each
// other, Ackermann's among them and Takeuchi's with floating-point arguments.
#include "kernel.h"

static u32 ack_even(u32 m, u32 n, u32 *calls);

static NOINLINE u32 ack_odd(u32 m, u32 n, u32 *calls) {
    ++*calls;
    if (m == 0) {
        return n + 1;
    }
    return ack_even(m - 1, n == 0 ? 1 : ack_odd(m, n - 1, calls), calls);
}

static NOINLINE u32 ack_even(u32 m, u32 n, u32 *calls) {
    ++*calls;
    if (m == 0) {
        return n + 1;
    }
    return ack_odd(m - 1, n == 0 ? 1 : ack_even(m, n - 1, calls), calls);
}

static NOINLINE double tak(double x, double y, double z) {
    if (y >= x) {
        return z;
    }
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static NOINLINE u64 eight(u32 a, u64 b, u32 c, u64 d, u32 e, u64 f, u32 g, u32 depth) {
    if (depth == 0) {
        return a + b * 3 + c * 5 + d * 7 + e * 11 + f * 13 + g * 17;
    }
    return eight(g, d, a, f, c, b + depth, e, depth - 1) + eight(c, f, g, b, a, d, e, depth - 1);
}

int main(int argc, char **argv) {
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 24); n > 0; n--) {
        u32 calls = 0;
        sum = kernel_mix(sum, ack_odd(3, 7 + n % 2, &calls));
        sum = kernel_mix(sum, calls);
        sum = kernel_mix(sum, (u64)tak(18, 12, 6 + n % 2));
        sum = kernel_mix(sum, eight(n, 2, 3, 4, 5, 6, 7, 18));
    }
    return kernel_report("mutual", sum);
}
