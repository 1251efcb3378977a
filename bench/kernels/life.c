// Branches and small arrays: Conway's game of life on a torus, one byte a cell.
#include "kernel.h"

enum { WIDTH = 160, HEIGHT = 120 };
static u8 grid[2][HEIGHT][WIDTH];

static NOINLINE void generation(const u8 now[HEIGHT][WIDTH], u8 next[HEIGHT][WIDTH]) {
    for (u32 y = 0; y < HEIGHT; y++) {
        const u8 *above = now[(y + HEIGHT - 1) % HEIGHT];
        const u8 *row = now[y];
        const u8 *below = now[(y + 1) % HEIGHT];
        for (u32 x = 0; x < WIDTH; x++) {
            u32 l = x == 0 ? WIDTH - 1 : x - 1;
            u32 r = x == WIDTH - 1 ? 0 : x + 1;
            u32 n = (u32)above[l] + above[x] + above[r] + row[l] + row[r] + below[l] + below[x] +
                    below[r];
            if (row[x]) {
                next[y][x] = n == 2 || n == 3;
            } else {
                next[y][x] = n == 3;
            }
        }
    }
}

int main(int argc, char **argv) {
    u64 seed = 12;
    u64 sum = 0;
    for (u32 i = 0; i < WIDTH * HEIGHT; i++) {
        grid[0][i / WIDTH][i % WIDTH] = (kernel_random(&seed) >> 61) < 3;
    }
    u32 generations = kernel_repeats(argc, argv, 12) * 100;
    for (u32 n = 0; n < generations; n++) {
        generation(grid[n % 2], grid[(n + 1) % 2]);
    }
    for (u32 i = 0; i < WIDTH * HEIGHT; i++) {
        sum = kernel_mix(sum, grid[generations % 2][i / WIDTH][i % WIDTH] + 2 * i);
    }
    return kernel_report("life", sum);
}
