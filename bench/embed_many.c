// What many loaded files cost, in one process and in several: bench/run.py's part "many".
#define _GNU_SOURCE
#include "embed.h"

#include <sys/wait.h>
#include <unistd.h>

#include "processes.h"

enum { MAX_MODULES = 10000, TIMED = 500, MAX_PROCESSES = 16 };

// ---- Many files, one process --------------------------------------------------------------------

static void *load_timed(const Peer *peer, const char *folder, int i, double *us) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%d", folder, i);
    const uint64_t start = embed_now_ns();
    void *module = peer->load(path);
    *us = (double)(embed_now_ns() - start) / 1e3;
    return module;
}

bool embed_many(const Peer *peer, const char *folder, int count) {
    static double us[MAX_MODULES];
    if (count < 2 * TIMED || count > MAX_MODULES) {
        return embed_failed("many", "1000 to 10000 files", 19);
    }
    void *first = load_timed(peer, folder, 0, &us[0]); // warms up
    if (first == NULL) {
        return false;
    }
    peer->unload(first);
    const long before = memory_kib("/proc/self/status", "VmRSS:");
    for (int i = 0; i < count; i++) { // they stay until the process ends
        if (load_timed(peer, folder, i, &us[i]) == NULL) {
            return false;
        }
    }
    double each = (double)(memory_kib("/proc/self/status", "VmRSS:") - before) / count;
    embed_print("first-loads", "us", us, TIMED);
    embed_print("last-loads", "us", us + count - TIMED, TIMED);
    embed_print("memory-of-one", "KiB", &each, 1);
    return true;
}

// ---- One file, many processes -------------------------------------------------------------------

typedef struct Shared {
    pthread_barrier_t barrier;
    double resident[MAX_PROCESSES], proportional[MAX_PROCESSES], own[MAX_PROCESSES]; // KiB
    bool is_good[MAX_PROCESSES];
} Shared;

// Reads all of the file's pages that may be read where it is mapped.
static void touch_pages(const char *path) {
    char line[4608];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        char *end = line;
        const uintptr_t from = strtoull(line, &end, 16), to = strtoull(end + 1, &end, 16);
        if (strstr(line, path) != NULL && end[1] == 'r') {
            for (uintptr_t at = from; at < to; at += 4096) {
                (void)*(const volatile char *)at;
            }
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
}

// Has an instance, and all of the file in memory, when it looks who has what.
static void load_and_look(const Peer *peer, const char *path, Shared *shared, int i) {
    void *module = peer->load(path);
    shared->is_good[i] =
        module != NULL && peer->prepare(module) && peer->instantiate(module, 1);
    touch_pages(path);
    (void)pthread_barrier_wait(&shared->barrier);
    shared->resident[i] = (double)mapped_kib(path, "Rss:");
    shared->proportional[i] = (double)mapped_kib(path, "Pss:");
    shared->own[i] = (double)mapped_kib(path, "Anonymous:");
    (void)pthread_barrier_wait(&shared->barrier);
}

bool embed_share(const Peer *peer, const char *path, int count) {
    Shared *shared = new_shared(sizeof *shared);
    if (count < 2 || count > MAX_PROCESSES || shared == NULL ||
        !barrier_init(&shared->barrier, (unsigned)count)) {
        return embed_failed("share", "2 to 16 processes", 17);
    }
    for (int i = 0; i < count; i++) {
        if (fork() == 0) {
            alarm(60); // should another one not arrive
            load_and_look(peer, path, shared, i);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    for (int i = 0; i < count; i++) {
        if (!shared->is_good[i]) {
            return embed_failed("share", "a process failed", 16);
        }
    }
    embed_print("resident", "KiB", shared->resident, (size_t)count);
    embed_print("proportional", "KiB", shared->proportional, (size_t)count);
    embed_print("own", "KiB", shared->own, (size_t)count);
    return true;
}
