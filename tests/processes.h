// What the system says of this process's memory, and processes that wait for each other. For tests,
// and for bench/.
#ifndef TESTS_PROCESSES_H
#define TESTS_PROCESSES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// A field of /proc/self/status and the like, in KiB; -1: not there.
static inline long memory_kib(const char *file, const char *field) {
    char line[256];
    long kib = -1;
    FILE *in = fopen(file, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            kib = atol(line + strlen(field));
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    return kib;
}

// Sum of a field of /proc/self/smaps over this process's mappings of a file, in KiB.
static inline long mapped_kib(const char *file, const char *field) {
    char line[512];
    long sum = 0;
    bool is_ours = false;
    FILE *in = fopen("/proc/self/smaps", "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        const char *dash = strchr(line, '-'), *space = strchr(line, ' ');
        if (dash != NULL && dash < space) { // "from-to rights offset device inode file"
            is_ours = strstr(line, file) != NULL;
        } else if (is_ours && strncmp(line, field, strlen(field)) == 0) {
            sum += atol(line + strlen(field));
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    return sum;
}

// Memory that forked processes have in common, zeros; NULL: there is none.
static inline void *new_shared(size_t bytes) {
    void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared != MAP_FAILED ? shared : NULL;
}

// In such memory: for `count` processes.
static inline bool barrier_init(pthread_barrier_t *barrier, unsigned count) {
    pthread_barrierattr_t attr;
    return pthread_barrierattr_init(&attr) == 0 &&
           pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
           pthread_barrier_init(barrier, &attr, count) == 0;
}

#endif
