// Floating point over arrays: product of two square matrices, f64, the inner
// loop along rows so that a vectorizing compiler can use its registers.
#include "kernel.h"

enum { N = 220 };
static double a[N][N];
static double b[N][N];
static double c[N][N];

static NOINLINE void multiply(void) {
    for (u32 i = 0; i < N; i++) {
        for (u32 k = 0; k < N; k++) {
            double factor = a[i][k];
            for (u32 j = 0; j < N; j++) {
                c[i][j] += factor * b[k][j];
            }
        }
    }
}

int main(int argc, char **argv) {
    u64 seed = 5;
    for (u32 i = 0; i < N * N; i++) {
        a[i / N][i % N] = (double)(kernel_random(&seed) >> 56) / 256;
        b[i / N][i % N] = (double)(kernel_random(&seed) >> 56) / 256;
    }
    for (u32 n = kernel_repeats(argc, argv, 45); n > 0; n--) {
        multiply();
    }
    u64 sum = 0;
    for (u32 i = 0; i < N * N; i += 37) {
        sum = kernel_mix(sum, kernel_bits((double)c[i / N][i % N]));
    }
    return kernel_report("matmul_f64", sum);
}
