// Starts a command, waits for it, and writes what it cost:
//
//   launch REPORT COMMAND [ARGS]
//
// REPORT gets one line: wall time and CPU time in nanoseconds, peak memory in
// kB, exit status (128 + signal if killed). Linux counts the memory of the
// program that forked as the child's own until it execs, so the one that forks
// has to be this small: from Python every figure would be at least 16 MB.
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t time_ns(struct timeval t) {
    return ((int64_t)t.tv_sec * 1000000 + t.tv_usec) * 1000;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: launch REPORT COMMAND [ARGS]\n");
        return 2;
    }
    pid_t pid;
    int status;
    struct rusage usage;
    int64_t start = now_ns();
    int error = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", argv[2], strerror(error));
        return 127;
    }
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            return 127;
        }
    }
    int64_t wall = now_ns() - start;
    FILE *report = fopen(argv[1], "w");
    if (!report) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 73;
    }
    fprintf(report, "%lld %lld %ld %d\n", (long long)wall,
            (long long)(time_ns(usage.ru_utime) + time_ns(usage.ru_stime)), usage.ru_maxrss,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(report) == 0 ? 0 : 73;
}
