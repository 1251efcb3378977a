// Floating point with a data-dependent loop: iterations to escape, f64.
#include "kernel.h"

enum { WIDTH = 200, HEIGHT = 160, MAX_STEPS = 256 };

static NOINLINE u32 steps_at(double cr, double ci) {
    double zr = 0;
    double zi = 0;
    u32 steps = 0;
    while (steps < MAX_STEPS && zr * zr + zi * zi < 4.0) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
        steps++;
    }
    return steps;
}

static u64 picture(double shift) {
    u64 sum = 0;
    for (u32 y = 0; y < HEIGHT; y++) {
        for (u32 x = 0; x < WIDTH; x++) {
            sum += steps_at(x * (3.0 / WIDTH) - 2.25 + shift, y * (2.5 / HEIGHT) - 1.25) * (x ^ y);
        }
    }
    return sum;
}

int main(int argc, char **argv) {
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 12); n > 0; n--) {
        sum = kernel_mix(sum, picture(n * 0.001));
    }
    return kernel_report("mandelbrot", sum);
}
