// Runs modules here and under another engine and compares: results, kinds of trap, exported
// globals, memories and tables. Modules are made by lib/gen.h from seeds, or are files;
// differential.py makes files and calls this program.
//
//     build/fuzz_differential --reference LIB [--seed N] [--count N] [--seconds N] [--keep FOLDER]
//     build/fuzz_differential --reference LIB --files [--seed N] < paths
//     build/fuzz_differential --dump SEED FILE
//
// LIB is _libwasmtime.so of PyPI's wasmtime; differential.py finds it. --optimize lets that engine
// optimize (slower). Each function that is exported is called several times with edge cases as
// arguments, which come from the seed too, as do what imports are and what host functions do
// (lib/host.h); some modules are instantiated twice, the second importing from the first; the
// compiler's settings vary. Files are made comparable first (lib/rewrite.h), and their calls have
// fuel under the other engine, which goes first: a call that runs out of it is not made here.
// Modules run in a child process: if it dies or hangs, the module is reported (skipped, if the
// other engine hangs compiling it) and the next child goes on behind it. Modules that fail are kept
// in FOLDER. The last line is "N passed, N failed, N skipped"; the exit status is 1 if something
// differs.
//
// Compared by class: NaNs; functions that are not exported (null or not). Not compared after it:
// stack exhaustion, whose depth is each engine's own, but for functions whose names begin "deep".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/lib/campaign.h"
#include "fuzz/lib/compare.h"
#include "fuzz/lib/gen.h"
#include "fuzz/lib/rewrite.h"

typedef struct Options {
    const char *reference, *keep;
    uint64_t seed, count;
    uint32_t seconds;
    bool optimizes, reads_files;
    char **paths;
} Options;

typedef struct Env {
    const Options *options;
    Comparison comparison;
} Env;

static uint8_t *module_at(const Options *options, uint64_t index, size_t *count) {
    return options->reads_files ? case_read(options->paths[index], count)
                                : gen_module(options->seed + index, count);
}

static void name_of(const Options *options, uint64_t index, char *name, size_t size) {
    if (options->reads_files) {
        (void)snprintf(name, size, "%s", options->paths[index]);
    } else {
        (void)snprintf(name, size, "seed %llu", (unsigned long long)(options->seed + index));
    }
}

static void report(const Options *options, uint64_t index, const char *difference) {
    char name[300];
    name_of(options, index, name, sizeof name);
    printf("%s (--seed %llu): ", name, (unsigned long long)options->seed);
    for (const char *p = difference; *p != 0; p++) {
        (void)putchar(*p == '\n' ? ' ' : *p);
    }
    (void)putchar('\n');
    size_t count = 0;
    uint8_t *bytes = options->keep == NULL ? NULL : module_at(options, index, &count);
    if (bytes != NULL) {
        char path[400];
        const char *slash = options->reads_files ? strrchr(name, '/') : NULL;
        for (char *p = name; *p != 0; p++) {
            *p = *p == ' ' ? '-' : *p;
        }
        (void)snprintf(path, sizeof path, "%s/%s%s", options->keep,
                       slash != NULL ? slash + 1 : name, options->reads_files ? "" : ".wasm");
        if (!case_write(path, bytes, count)) {
            printf("cannot write %s\n", path);
        }
        free(bytes);
    }
    (void)fflush(stdout);
}

// What of a file is compared: rewritten if it can be decoded.
static uint8_t *prepared(Comparison *comparison, uint8_t *bytes, size_t *count) {
    size_t new_count = 0;
    uint8_t *made =
        rewrite_module(bytes, *count, rng_percent(&comparison->rng, 50), &new_count);
    if (made == NULL) {
        return bytes;
    }
    free(bytes);
    *count = new_count;
    return made;
}

static void run_one(void *data, Progress *progress) {
    Env *env = data;
    const Options *options = env->options;
    Comparison *comparison = &env->comparison;
    const uint64_t index = progress->index;
    size_t count = 0;
    uint8_t *bytes = module_at(options, index, &count);
    if (bytes == NULL) {
        progress->skipped++;
        return;
    }
    comparison->rng.state = options->seed + (options->reads_files ? 0 : index);
    comparison->calls = comparison->traps = 0;
    bytes = options->reads_files ? prepared(comparison, bytes, &count) : bytes;
    const Verdict verdict = compare_module(comparison, bytes, count);
    free(bytes);
    progress->calls += comparison->calls;
    progress->traps += comparison->traps;
    progress->passed += verdict == VERDICT_SAME || verdict == VERDICT_REJECTED;
    progress->rejected += verdict == VERDICT_REJECTED;
    progress->failed += verdict == VERDICT_DIFFERS;
    progress->skipped += verdict == VERDICT_SKIPPED;
    if (verdict == VERDICT_DIFFERS) {
        report(options, index, comparison->difference);
    }
}

static bool start(void *data, Progress *progress) {
    Env *env = data;
    const Options *options = env->options;
    ImagoError error = IMAGO_ERROR_INIT;
    const char *why = "";
    env->comparison.is_elsewhere = &progress->is_elsewhere;
    env->comparison.is_own = !options->reads_files;
    env->comparison.engine = imago_engine_new(&error);
    env->comparison.reference = reference_open(
        options->reference,
        (ReferenceOptions){.optimizes = options->optimizes, .has_fuel = options->reads_files},
        &why);
    if (env->comparison.engine == NULL || env->comparison.reference == NULL) {
        printf("cannot start: %s%s\n", error.text, why);
        return false;
    }
    return true;
}

static void report_death(void *data, const Progress *progress, const char *what) {
    const Env *env = data;
    report(env->options, progress->index, what);
}

static void read_paths(Options *options) {
    char line[1000];
    options->reads_files = true;
    options->count = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        options->paths = realloc(options->paths, (options->count + 1) * sizeof *options->paths);
        options->paths[options->count++] = strdup(line);
    }
}

static int dump(uint64_t seed, const char *path) {
    size_t count = 0;
    uint8_t *bytes = gen_module(seed, &count);
    const bool ok = bytes != NULL && case_write(path, bytes, count);
    free(bytes);
    return ok ? 0 : 1;
}

static uint64_t number(const char *text) { return text == NULL ? 0 : strtoull(text, NULL, 0); }

int main(int argc, char **argv) {
    static Options options = {.seed = 1, .count = UINT64_MAX / 2};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--files") == 0) {
            read_paths(&options);
        } else if (strcmp(argv[i], "--optimize") == 0) {
            options.optimizes = true;
        } else if (strcmp(argv[i], "--dump") == 0 && i + 2 < argc) {
            return dump(number(next), argv[i + 2]);
        } else if (next != NULL && strcmp(argv[i], "--reference") == 0) {
            options.reference = argv[++i];
        } else if (next != NULL && strcmp(argv[i], "--keep") == 0) {
            options.keep = argv[++i];
        } else if (next != NULL && strcmp(argv[i], "--seed") == 0) {
            options.seed = number(argv[++i]);
        } else if (next != NULL && strcmp(argv[i], "--count") == 0) {
            options.count = number(argv[++i]);
        } else if (next != NULL && strcmp(argv[i], "--seconds") == 0) {
            options.seconds = (uint32_t)number(argv[++i]);
        } else {
            fprintf(stderr, "unknown option %s; the head of differential.c lists them\n", argv[i]);
            return 2;
        }
    }
    if (options.reference == NULL) {
        fprintf(stderr, "--reference is missing\n");
        return 2;
    }
    Env env = {.options = &options};
    const Campaign campaign = {.count = options.count, .seconds = options.seconds, .env = &env,
                               .start = start, .run = run_one, .report = report_death};
    return campaign_run(&campaign);
}
