// What embedders wait for, measured in their process: bench/run.py's part "embed" runs this.
//
//   embed_bench ENGINE:COMPILER compile MODULE ARTIFACT
//   embed_bench ENGINE:COMPILER validate MODULE      decoding and validation, bytes in memory
//   embed_bench ENGINE:COMPILER load|instantiate ARTIFACT
//   embed_bench floor load ARTIFACT        open, mmap, mprotect, munmap, close: what a load
//                                          of the file cannot be below
//   embed_bench ENGINE:COMPILER calls ARTIFACT   (of `embed_bench text`)
//   embed_bench ENGINE:COMPILER count ARTIFACT N      N loads, to be counted from outside
//   embed_bench ENGINE:COMPILER many FOLDER N         N files, named by number, all kept
//   embed_bench ENGINE:COMPILER share ARTIFACT N      one file in N processes
//   embed_bench text                       the module of `calls`
//
// Prints `what,unit,median,least` lines. Everything is warm: the first samples are dropped.
#define _GNU_SOURCE
#include "embed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 2000, MAX_NS = 300000000, CALLS = 100000, BATCH = 64 };

static const char CALLS_TEXT[] =
    "(module"
    " (import \"host\" \"same\" (func $host (param i32) (result i32)))"
    " (func (export \"same\") (param i32) (result i32) (local.get 0))"
    " (func (export \"loop\") (param i32) (result i32)"
    "  (loop (local.set 0 (i32.sub (call $host (local.get 0)) (i32.const 1)))"
    "   (br_if 0 (local.get 0)))"
    "  (local.get 0)))";

bool embed_failed(const char *what, const char *why, size_t why_bytes) {
    fprintf(stderr, "embed_bench: %s: %.*s\n", what, (int)why_bytes, why);
    return false;
}

// ---- Allocations --------------------------------------------------------------------------------

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static uint64_t allocation_count;

void *malloc(size_t bytes) {
    allocation_count++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    allocation_count++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *p, size_t bytes) {
    allocation_count++;
    return __libc_realloc(p, bytes);
}

int posix_memalign(void **p, size_t alignment, size_t bytes) {
    allocation_count++;
    *p = __libc_memalign(alignment, bytes);
    return *p == NULL;
}

// ---- Samples ------------------------------------------------------------------------------------

uint64_t embed_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void embed_print(const char *what, const char *unit, double *samples, size_t count) {
    qsort(samples, count, sizeof *samples, compare);
    printf("%s,%s,%.3f,%.3f\n", what, unit, samples[count / 2], samples[0]);
}

// Runs `once` until there are enough samples; each counts for `each` of what is measured.
static bool sample(const char *what, const char *unit, bool (*once)(void *), void *env,
                   double each) {
    static double samples[MAX_SAMPLES];
    const double per_unit = strcmp(unit, "us") == 0 ? 1000.0 : 1.0;
    const uint64_t start = embed_now_ns();
    size_t count = 0;
    for (int i = -3; i < MAX_SAMPLES && (i < 5 || embed_now_ns() - start < MAX_NS); i++) {
        const uint64_t before = embed_now_ns();
        if (!once(env)) {
            return false;
        }
        const double ns = (double)(embed_now_ns() - before);
        if (i >= 0) {
            samples[count++] = ns / each / per_unit;
        }
    }
    embed_print(what, unit, samples, count);
    return true;
}

// ---- Parts --------------------------------------------------------------------------------------

typedef struct Subject {
    const Peer *peer;
    const char *path;
    uint8_t *wasm;
    size_t wasm_bytes;
    void *module;
    bool is_checked;
    size_t file_bytes; // for the floor
} Subject;

static bool load_once(void *env) {
    const Subject *subject = env;
    void *module = subject->peer->load(subject->path);
    if (module != NULL) {
        subject->peer->unload(module);
    }
    return module != NULL;
}

// The same pages become executable as when an image is loaded: all but the first.
static bool floor_once(void *env) {
    const Subject *subject = env;
    const size_t bytes = subject->file_bytes;
    const int fd = open(subject->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    char *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    const bool ok = map != MAP_FAILED && mprotect(map + 4096, 4096, PROT_READ | PROT_EXEC) == 0 &&
                    munmap(map, bytes) == 0;
    return close(fd) == 0 && ok;
}

static bool part_floor(Subject *subject) {
    struct stat st;
    if (stat(subject->path, &st) != 0) {
        return false;
    }
    subject->file_bytes = (size_t)st.st_size;
    return sample("load", "us", floor_once, subject, 1);
}

static bool part_load(Subject *subject) {
    if (!sample("load", "us", load_once, subject, 1)) {
        return false;
    }
    const uint64_t before = allocation_count;
    for (int i = 0; i < BATCH; i++) {
        (void)load_once(subject);
    }
    const double each = (double)(allocation_count - before) / (double)BATCH;
    printf("allocations,count,%.2f,%.2f\n", each, each);
    return true;
}

static bool instance_once(void *env) {
    const Subject *subject = env;
    return subject->peer->instantiate(subject->module, 1);
}

static bool instances_once(void *env) {
    const Subject *subject = env;
    return subject->peer->instantiate(subject->module, BATCH);
}

static bool part_instantiate(Subject *subject) {
    subject->module = subject->peer->load(subject->path);
    return subject->module != NULL && subject->peer->prepare(subject->module) &&
           sample("instantiate", "us", instance_once, subject, 1) &&
           sample("instantiate-same-store", "us", instances_once, subject, BATCH);
}

static bool same_once(void *env) {
    const Subject *subject = env;
    return subject->peer->call_same(CALLS, subject->is_checked);
}

static bool loop_once(void *env) {
    const Subject *subject = env;
    return subject->peer->call_loop(CALLS, subject->is_checked);
}

static bool part_calls(Subject *subject) {
    subject->module = subject->peer->load(subject->path);
    if (subject->module == NULL) {
        return false;
    }
    if (subject->peer->has_unchecked &&
        (!subject->peer->ready(subject->module, false) ||
         !sample("host-to-wasm-unchecked", "ns", same_once, subject, CALLS) ||
         !sample("wasm-to-host-unchecked", "ns", loop_once, subject, CALLS))) {
        return false;
    }
    subject->is_checked = true;
    return subject->peer->ready(subject->module, true) &&
           sample("host-to-wasm", "ns", same_once, subject, CALLS) &&
           sample("wasm-to-host", "ns", loop_once, subject, CALLS);
}

static bool part_count(Subject *subject, const char *count) {
    for (int i = atoi(count); i > 0; i--) {
        if (!load_once(subject)) {
            return false;
        }
    }
    return true;
}

static bool read_module(Subject *subject) {
    FILE *file = fopen(subject->path, "rb");
    struct stat st;
    if (file == NULL || fstat(fileno(file), &st) != 0) {
        return embed_failed(subject->path, "cannot read", 11);
    }
    subject->wasm_bytes = (size_t)st.st_size;
    subject->wasm = malloc(subject->wasm_bytes); // until the end
    const bool ok = fread(subject->wasm, 1, subject->wasm_bytes, file) == subject->wasm_bytes;
    fclose(file);
    return ok;
}

static bool part_compile(Subject *subject, const char *out_path) {
    return read_module(subject) &&
           subject->peer->compile(subject->wasm, subject->wasm_bytes, out_path);
}

static bool validate_once(void *env) {
    const Subject *subject = env;
    return subject->peer->validate(subject->wasm, subject->wasm_bytes);
}

static bool part_validate(Subject *subject) {
    return read_module(subject) && sample("validate", "us", validate_once, subject, 1);
}

static const Peer *find_peer(char *name, const char **compiler) {
    char *colon = strchr(name, ':');
    if (colon != NULL) {
        *colon = 0;
        *compiler = colon + 1;
    }
    return strcmp(name, PEER_IMAGO.name) == 0      ? &PEER_IMAGO
           : strcmp(name, PEER_WASMTIME.name) == 0 ? &PEER_WASMTIME
                                                   : NULL;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "text") == 0) {
        return puts(CALLS_TEXT) < 0;
    }
    if (argc < 4) {
        return embed_failed("usage", "see the head of embed_bench.c", 29) + 2;
    }
    const char *part = argv[2], *compiler = "";
    Subject subject = {.path = argv[3]};
    if (strcmp(argv[1], "floor") == 0) {
        return !part_floor(&subject);
    }
    subject.peer = find_peer(argv[1], &compiler);
    if (subject.peer == NULL || !subject.peer->start(compiler)) {
        return 1;
    }
    if (strcmp(part, "compile") == 0 && argc == 5) {
        return !part_compile(&subject, argv[4]);
    }
    if (strcmp(part, "count") == 0 && argc == 5) {
        return !part_count(&subject, argv[4]);
    }
    if (strcmp(part, "many") == 0 && argc == 5) {
        return !embed_many(subject.peer, subject.path, atoi(argv[4]));
    }
    if (strcmp(part, "share") == 0 && argc == 5) {
        return !embed_share(subject.peer, subject.path, atoi(argv[4]));
    }
    if (strcmp(part, "validate") == 0) {
        return !part_validate(&subject);
    }
    if (strcmp(part, "load") == 0) {
        return !part_load(&subject);
    }
    return strcmp(part, "calls") == 0 ? !part_calls(&subject) : !part_instantiate(&subject);
}
