// Floating point with divisions and square roots: five bodies under gravity,
// positions and speeds in memory, f64.
#include "kernel.h"
#include <math.h>

enum { BODIES = 5 };

typedef struct {
    double x, y, z, vx, vy, vz, mass;
} Body;

static Body bodies[BODIES];

static void place(void) {
    u64 seed = 4;
    for (u32 i = 0; i < BODIES; i++) {
        double p[6];
        for (u32 k = 0; k < 6; k++) {
            p[k] = (double)(kernel_random(&seed) >> 40) / (1 << 23) - 1.0;
        }
        bodies[i] = (Body){p[0] * 20, p[1] * 20, p[2] * 5, p[3], p[4], p[5] * 0.1,
                           i == 0 ? 40.0 : 0.01 * i};
    }
}

static NOINLINE void advance(double dt) {
    for (u32 i = 0; i < BODIES; i++) {
        Body *a = &bodies[i];
        for (u32 j = i + 1; j < BODIES; j++) {
            Body *b = &bodies[j];
            double dx = a->x - b->x;
            double dy = a->y - b->y;
            double dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz + 0.01;
            double pull = dt / (square * sqrt(square));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (u32 i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

int main(int argc, char **argv) {
    place();
    for (u32 n = kernel_repeats(argc, argv, 12) * 100000; n > 0; n--) {
        advance(0.0005);
    }
    u64 sum = 0;
    for (u32 i = 0; i < BODIES; i++) {
        sum = kernel_mix(sum, kernel_bits(bodies[i].x));
        sum = kernel_mix(sum, kernel_bits(bodies[i].vz));
    }
    return kernel_report("nbody", sum);
}
