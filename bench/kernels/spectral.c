// Floating point, dominated by division: power iteration on the infinite
// matrix 1 / ((i + j)(i + j + 1) / 2 + i + 1), cut to a square.
#include "kernel.h"
#include <math.h>

enum { N = 400 };
static double u[N];
static double v[N];
static double t[N];

static double entry(u32 i, u32 j) {
    return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1);
}

static NOINLINE void times(const double *in, double *out, int transposed) {
    for (u32 i = 0; i < N; i++) {
        double sum = 0;
        for (u32 j = 0; j < N; j++) {
            sum += (transposed ? entry(j, i) : entry(i, j)) * in[j];
        }
        out[i] = sum;
    }
}

static void step(const double *in, double *out) {
    times(in, t, 0);
    times(t, out, 1);
}

int main(int argc, char **argv) {
    for (u32 i = 0; i < N; i++) {
        u[i] = 1;
    }
    for (u32 n = kernel_repeats(argc, argv, 60); n > 0; n--) {
        step(u, v);
        step(v, u);
        // Keeps the numbers near one without changing the quotient below.
        double scale = 1.0 / u[0];
        for (u32 i = 0; i < N; i++) {
            u[i] *= scale;
        }
    }
    step(u, v);
    double uv = 0;
    double uu = 0;
    for (u32 i = 0; i < N; i++) {
        uv += u[i] * v[i];
        uu += u[i] * u[i];
    }
    return kernel_report("spectral", kernel_bits(sqrt(uv / uu)));
}
