//! stdin: x
// Clocks, sleeping, waiting for standard input, random bytes.
#include <assert.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock) {
    struct timespec time;
    assert(clock_gettime(clock, &time) == 0);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(void) {
    struct timespec resolution;
    const double start = now(CLOCK_MONOTONIC);
    assert(clock_getres(CLOCK_REALTIME, &resolution) == 0);
    assert(resolution.tv_sec == 0 && resolution.tv_nsec > 0);
    assert(now(CLOCK_REALTIME) > 1.6e9);

    const struct timespec nap = {0, 20000000};
    assert(nanosleep(&nap, NULL) == 0);
    const double slept = now(CLOCK_MONOTONIC) - start;
    assert(slept >= 0.02 && slept < 10);

    struct pollfd in = {.fd = 0, .events = POLLIN};
    assert(poll(&in, 1, 5000) == 1 && (in.revents & POLLIN) != 0);
    struct pollfd both[2] = {{.fd = 0, .events = POLLIN}, {.fd = 1, .events = POLLOUT}};
    assert(poll(both, 2, 5000) >= 1);

    unsigned char a[32] = {0}, b[32] = {0};
    assert(getentropy(a, sizeof a) == 0 && getentropy(b, sizeof b) == 0);
    assert(memcmp(a, b, sizeof a) != 0);
    assert(sched_yield() == 0);
    return 0;
}
