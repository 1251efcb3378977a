// Floating point with strided access: radix-2 transform in place and back,
// complex f64. Roots of unity come from half-angle square roots and products,
// so that no libm decides the last bit.
#include "kernel.h"
#include <math.h>

enum { LOG_N = 13, N = 1 << LOG_N };

typedef struct {
    double re, im;
} Complex;

static Complex data[N];
static Complex roots[N / 2];

static Complex product(Complex a, Complex b) {
    return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// roots[k] = exp(-2 pi i k / N): each power of two by halving the angle, the
// others as products of those.
static void fill_roots(void) {
    Complex root = {-1, 0};
    roots[0] = (Complex){1, 0};
    for (u32 step = N / 2; step > 0; step /= 2) {
        if (step < N / 2) {
            roots[step] = root;
        }
        double re = sqrt((1 + root.re) / 2);
        root = (Complex){re, step == N / 2 ? -1 : root.im / (2 * re)};
    }
    for (u32 k = 1; k < N / 2; k++) {
        u32 low = k & (0 - k);
        if (low != k) {
            roots[k] = product(roots[k - low], roots[low]);
        }
    }
}

static NOINLINE void reorder(void) {
    for (u32 i = 0, j = 0; i < N; i++) {
        if (i < j) {
            Complex swap = data[i];
            data[i] = data[j];
            data[j] = swap;
        }
        u32 bit = N / 2;
        for (; bit > 0 && (j & bit); bit /= 2) {
            j ^= bit;
        }
        j |= bit;
    }
}

static NOINLINE void transform(double sign) {
    reorder();
    for (u32 half = 1; half < N; half *= 2) {
        u32 stride = N / 2 / half;
        for (u32 start = 0; start < N; start += 2 * half) {
            for (u32 k = 0; k < half; k++) {
                Complex root = roots[k * stride];
                root.im *= sign;
                Complex odd = product(data[start + k + half], root);
                Complex even = data[start + k];
                data[start + k] = (Complex){even.re + odd.re, even.im + odd.im};
                data[start + k + half] = (Complex){even.re - odd.re, even.im - odd.im};
            }
        }
    }
}

int main(int argc, char **argv) {
    u64 seed = 6;
    fill_roots();
    for (u32 i = 0; i < N; i++) {
        data[i] = (Complex){(double)(kernel_random(&seed) >> 50) / 16384, 0};
    }
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 250); n > 0; n--) {
        transform(1);
        sum = kernel_mix(sum, kernel_bits(data[n % N].re));
        transform(-1);
        for (u32 i = 0; i < N; i++) {
            data[i].re /= N;
            data[i].im /= N;
        }
    }
    sum = kernel_mix(sum, kernel_bits(data[17].re));
    return kernel_report("fft", sum);
}
