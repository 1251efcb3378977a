// Damaged modules through decoder, validator, compiler, linker, loader and instantiation: each is
// refused with one sentence or accepted, and no sanitizer has anything to say.
//
//     build/asan/fuzz_mutate [--seed N] [--count N] [--seconds N] [--keep FOLDER] FILE...
//     build/asan/fuzz_mutate --cut [--seconds N] [--keep FOLDER] FILE...
//
// FILEs are .wasm, .wat or .wast (all their modules are samples, the wrong ones included); some
// generated modules are added. --cut runs every sample cut at every byte instead of mutations.
// For the campaign: tests/fuzz/run.py --hostile. Cases run in a child process; one that kills it is
// reported, kept in FOLDER, and the next child goes on. The last line is "N passed, N failed, N
// skipped"; the exit status is 1 if a case failed.
//
// A module with a start function is not instantiated: it need not end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/lib/campaign.h"
#include "fuzz/lib/damage.h"
#include "fuzz/lib/gen.h"
#include "imago/compile.h"
#include "imago/imago.h"
#include "text/wast.h"

enum { GENERATED_SAMPLES = 40, MAX_SAMPLE_BYTES = 300000 };

typedef struct Mutate {
    const char *keep;
    uint64_t seed;
    bool cuts;
    Sample *samples;
    size_t sample_count;
    uint64_t *first_cut; // number of the sample's first case
    ImagoEngine *engine;
    Progress *progress;
} Mutate;

// ---- Samples ------------------------------------------------------------------------------------

static void add_sample(Mutate *mutate, const uint8_t *bytes, size_t count) {
    if (count > MAX_SAMPLE_BYTES) {
        return;
    }
    mutate->samples =
        realloc(mutate->samples, (mutate->sample_count + 1) * sizeof *mutate->samples);
    uint8_t *copy = malloc(count == 0 ? 1 : count);
    if (mutate->samples == NULL || copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, count);
    mutate->samples[mutate->sample_count++] = (Sample){copy, count};
}

static void add_script(Mutate *mutate, const uint8_t *text, size_t count) {
    Error error = ERROR_INIT;
    WastScript *script = wast_open((Str){(const char *)text, count}, &error);
    WastCommand command;
    while (script != NULL && wast_next(script, &command, &error) && command.kind != WAST_END) {
        const bool has_module =
            command.kind == WAST_MODULE || command.kind == WAST_ASSERT_INVALID ||
            command.kind == WAST_ASSERT_MALFORMED || command.kind == WAST_ASSERT_UNLINKABLE ||
            command.kind == WAST_ASSERT_UNINSTANTIABLE;
        if (has_module && command.module.is_translated) {
            add_sample(mutate, command.module.bytes, command.module.byte_count);
        }
    }
    wast_close(script);
}

static bool add_file(Mutate *mutate, const char *path) {
    size_t count = 0;
    uint8_t *bytes = case_read(path, &count);
    if (bytes == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        return false;
    }
    if (count >= 4 && memcmp(bytes, "\0asm", 4) == 0) {
        add_sample(mutate, bytes, count);
    } else {
        add_script(mutate, bytes, count);
    }
    free(bytes);
    return true;
}

static void add_generated(Mutate *mutate) {
    for (uint64_t seed = 0; seed < GENERATED_SAMPLES; seed++) {
        size_t count = 0;
        uint8_t *bytes = gen_module(seed, &count);
        if (bytes != NULL) {
            add_sample(mutate, bytes, count);
        }
        free(bytes);
    }
}

// ---- Cases --------------------------------------------------------------------------------------

static uint8_t *cut_case(const Mutate *mutate, uint64_t index, size_t *count) {
    size_t low = 0;
    size_t high = mutate->sample_count;
    while (high - low > 1) {
        const size_t middle = (low + high) / 2;
        *(mutate->first_cut[middle] <= index ? &low : &high) = middle;
    }
    *count = (size_t)(index - mutate->first_cut[low]);
    uint8_t *bytes = malloc(*count == 0 ? 1 : *count);
    if (bytes != NULL) {
        memcpy(bytes, mutate->samples[low].bytes, *count);
    }
    return bytes;
}

static uint8_t *case_at(const Mutate *mutate, uint64_t index, size_t *count) {
    if (mutate->cuts) {
        return cut_case(mutate, index, count);
    }
    Rng rng = {(mutate->seed << 32) + index};
    const Sample *sample = &mutate->samples[rng_below(&rng, (uint32_t)mutate->sample_count)];
    const Sample *other = &mutate->samples[rng_below(&rng, (uint32_t)mutate->sample_count)];
    return damage(&rng, sample, other, count);
}

// True unless the module surely has no start section. Only called on modules that decoded.
static bool has_start(const uint8_t *bytes, size_t count) {
    size_t at = 8;
    while (at < count && bytes[at] != 8) {
        size_t size = 0;
        uint32_t shift = 0;
        do {
            at++;
            size |= (size_t)(bytes[at] & 0x7F) << shift;
            shift += 7;
        } while (bytes[at] >= 0x80);
        at += 1 + size;
    }
    return at < count;
}

static ImagoStatus on_call(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)values;
    return imago_caller_trap(caller, "not to be called");
}

static void instantiate(Mutate *mutate, const ImagoImage *image) {
    ImagoError error = IMAGO_ERROR_INIT;
    const ImagoStoreOptions options = {.size = sizeof options, .max_table_entries = 100000,
                                       .max_memory_bytes = 64u << 20};
    ImagoStore *store = imago_store_new(mutate->engine, &options, &error);
    ImagoLinker *linker = imago_linker_new(mutate->engine, &error);
    for (uint32_t i = 0; i < imago_image_import_count(image); i++) {
        const ImagoImport import = imago_image_import(image, i);
        if (import.type.kind == IMAGO_EXTERN_FUNC) {
            ImagoExtern item = {.kind = IMAGO_EXTERN_FUNC};
            item.of.func = imago_func_new(store, &import.type.func, on_call, NULL, &error);
            if (item.of.func != NULL) {
                (void)imago_linker_define(linker, import.module, import.module_bytes, import.name,
                                          import.name_bytes, item, &error);
            }
        }
    }
    ImagoInstance *instance = NULL;
    error = (ImagoError)IMAGO_ERROR_INIT;
    (void)imago_linker_instantiate(linker, store, image, &instance, &error);
    imago_linker_delete(linker);
    imago_store_delete(store);
}

// One sentence or an accepted module that maps: anything else is a failure.
static const char *run_module(Mutate *mutate, const uint8_t *bytes, size_t count) {
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoError verdict = IMAGO_ERROR_INIT;
    int fd = -1;
    const bool is_valid = imago_validate(bytes, count, &verdict);
    if (!imago_compile_fd(bytes, count, &fd, NULL, NULL, &error)) {
        if (error.code == IMAGO_ERROR_NONE || error.text[0] == 0) {
            return "refused without a reason";
        }
        if (is_valid && error.code != IMAGO_ERROR_UNSUPPORTED && error.code != IMAGO_ERROR_LIMIT) {
            return "valid, but does not compile";
        }
        return error.code == IMAGO_ERROR_INTERNAL ? "internal error" : NULL;
    }
    ImagoImage *image = is_valid ? imago_image_open_fd(mutate->engine, fd, &error) : NULL;
    close(fd);
    if (image == NULL) {
        return is_valid ? "compiled, but cannot be opened" : "compiled, but not valid";
    }
    mutate->progress->accepted++;
    if (!has_start(bytes, count)) {
        instantiate(mutate, image);
    }
    imago_image_delete(image);
    return NULL;
}

static void keep(const Mutate *mutate, uint64_t index, const char *what) {
    printf("case %llu (seed %llu): %s\n", (unsigned long long)index,
           (unsigned long long)mutate->seed, what);
    size_t count = 0;
    uint8_t *bytes = mutate->keep == NULL ? NULL : case_at(mutate, index, &count);
    if (bytes != NULL) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s-%llu-%llu.wasm", mutate->keep,
                       mutate->cuts ? "cut" : "mutate", (unsigned long long)mutate->seed,
                       (unsigned long long)index);
        if (!case_write(path, bytes, count)) {
            printf("cannot write %s\n", path);
        }
        free(bytes);
    }
    (void)fflush(stdout);
}

static bool start(void *env, Progress *progress) {
    Mutate *mutate = env;
    ImagoError error = IMAGO_ERROR_INIT;
    mutate->progress = progress;
    mutate->engine = imago_engine_new(&error);
    return mutate->engine != NULL;
}

static void run_case(void *env, Progress *progress) {
    Mutate *mutate = env;
    size_t count = 0;
    uint8_t *bytes = case_at(mutate, progress->index, &count);
    const char *what = bytes == NULL ? "no memory" : run_module(mutate, bytes, count);
    free(bytes);
    progress->passed += what == NULL;
    if (what != NULL) {
        progress->failed++;
        keep(mutate, progress->index, what);
    }
}

static void report(void *env, const Progress *progress, const char *what) {
    keep(env, progress->index, what);
}

static uint64_t number_cuts(Mutate *mutate) {
    mutate->first_cut = calloc(mutate->sample_count + 1, sizeof *mutate->first_cut);
    uint64_t total = 0;
    for (size_t i = 0; mutate->first_cut != NULL && i < mutate->sample_count; i++) {
        mutate->first_cut[i] = total;
        total += mutate->samples[i].count;
    }
    return total;
}

int main(int argc, char **argv) {
    Mutate mutate = {.seed = 1};
    Campaign campaign = {.count = 100000, .env = &mutate, .start = start, .run = run_case,
                         .report = report};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--cut") == 0) {
            mutate.cuts = true;
        } else if (next != NULL && strcmp(argv[i], "--seed") == 0) {
            mutate.seed = strtoull(argv[++i], NULL, 0);
        } else if (next != NULL && strcmp(argv[i], "--count") == 0) {
            campaign.count = strtoull(argv[++i], NULL, 0);
        } else if (next != NULL && strcmp(argv[i], "--seconds") == 0) {
            campaign.seconds = (uint32_t)strtoul(argv[++i], NULL, 0);
        } else if (next != NULL && strcmp(argv[i], "--keep") == 0) {
            mutate.keep = argv[++i];
        } else if (!add_file(&mutate, argv[i])) {
            return 2;
        }
    }
    add_generated(&mutate);
    if (mutate.cuts) {
        campaign.count = number_cuts(&mutate);
    }
    printf("%zu samples, %llu cases\n", mutate.sample_count, (unsigned long long)campaign.count);
    const int status = campaign_run(&campaign);
    for (size_t i = 0; i < mutate.sample_count; i++) {
        free(mutate.samples[i].bytes);
    }
    free(mutate.samples);
    free(mutate.first_cut);
    return status;
}
