// Runs modules here and under another engine and compares: results, kinds of trap, exported globals
// and memories. Modules are made by lib/gen.h from seeds, or are files.
//
//     build/fuzz_differential --reference LIB [--seed N] [--count N] [--seconds N] [--keep FOLDER]
//     build/fuzz_differential --reference LIB --files [--seed N] < paths
//     build/fuzz_differential --dump SEED FILE
//
// LIB is _libwasmtime.so of PyPI's wasmtime; differential.py finds it. --optimize lets that engine
// optimize (slower). Each function that is exported is called several times with edge cases as
// arguments, which come from the seed too. Modules run in a child process: if it dies or hangs, the
// module is reported and the next child goes on behind it. Modules that fail are kept in FOLDER.
// The last line is "N passed, N failed, N skipped"; the exit status is 1 if something differs.
//
// Compared by class: NaNs; references (null or not). Not compared after it: stack exhaustion, whose
// depth is each engine's own.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/lib/campaign.h"
#include "fuzz/lib/gen.h"
#include "fuzz/lib/reference.h"
#include "imago/compile.h"

enum { CALLS = 6, FUEL = 150 };

typedef struct Options {
    const char *reference, *keep;
    uint64_t seed, count;
    uint32_t seconds;
    bool optimizes, reads_files;
    char **paths;
} Options;

typedef enum Verdict { PASSED, FAILED, SKIPPED } Verdict;

typedef struct Pair {
    const Options *options;
    ImagoEngine *engine;
    Reference *reference;
    ImagoImage *image;
    ImagoStore *store;
    ImagoInstance *instance;
    ReferenceInstance *other;
    ReferenceImport *imports;
    Progress *progress;
    Rng rng;
    char difference[600];
} Pair;

__attribute__((format(printf, 2, 3))) static Verdict differ(Pair *pair, const char *format, ...) {
    va_list list;
    va_start(list, format);
    (void)vsnprintf(pair->difference, sizeof pair->difference, format, list);
    va_end(list);
    return FAILED;
}

// ---- Values -------------------------------------------------------------------------------------

static bool is_nan(uint8_t type, uint64_t bits) {
    return type == IMAGO_F32 ? (bits & 0x7FFFFFFF) > 0x7F800000
                             : type == IMAGO_F64 && (bits & INT64_MAX) > 0x7FF0000000000000;
}

// The bits that count.
static uint64_t canonical(uint8_t type, const ImagoValue *value) {
    const uint64_t bits = value->bits[0];
    if (is_nan(type, bits)) {
        return type == IMAGO_F32 ? 0x7FC00000 : 0x7FF8000000000000;
    }
    switch (type) {
    case IMAGO_I32:
    case IMAGO_F32: return bits & UINT32_MAX;
    case IMAGO_FUNCREF:
    case IMAGO_EXTERNREF: return bits != 0;
    default: return bits;
    }
}

static ImagoValue any_argument(Rng *rng, uint8_t type) {
    ImagoValue value = {.bits = {0, 0}};
    switch (type) {
    case IMAGO_I32: value.bits[0] = rng_i32(rng); break;
    case IMAGO_I64: value.bits[0] = rng_i64(rng); break;
    case IMAGO_F32: value.bits[0] = rng_f32(rng); break;
    case IMAGO_F64: value.bits[0] = rng_f64(rng); break;
    default: break; // null
    }
    return value;
}

// What a host function returns: a mixture of its arguments.
static void host_results(const ImagoFuncType *type, ImagoValue *values) {
    Rng rng = {type->param_count};
    for (uint32_t i = 0; i < type->param_count; i++) {
        rng.state = (rng.state ^ canonical(type->params[i], &values[i])) * 0x9E3779B97F4A7C15u;
    }
    for (uint32_t i = 0; i < type->result_count; i++) {
        values[i] = any_argument(&rng, type->results[i]);
    }
}

static ImagoStatus on_host_call(void *env, ImagoCaller *caller, ImagoValue *values) {
    const ReferenceImport *import = env;
    (void)caller;
    host_results(&import->type.func, values);
    return IMAGO_OK;
}

// ---- One module on both sides -------------------------------------------------------------------

static TrapKind our_trap(const ImagoStore *store) {
    const char *message = imago_store_trap(store)->message;
    for (int kind = 0; kind < TRAP_COUNT; kind++) {
        if (strcmp(message, trap_name((TrapKind)kind)) == 0) {
            // The other engine does not tell these two apart.
            return kind == TRAP_UNDEFINED_ELEMENT ? TRAP_TABLE_OUT_OF_BOUNDS : (TrapKind)kind;
        }
    }
    return TRAP_COUNT;
}

static const char *trap_text(TrapKind kind) {
    return kind == TRAP_COUNT ? "another trap" : trap_name(kind);
}

static bool define_import(Pair *pair, ImagoLinker *linker, uint32_t i, ImagoError *error) {
    const ImagoImport import = imago_image_import(pair->image, i);
    ReferenceImport *made = &pair->imports[i];
    ImagoExtern item = {.kind = import.type.kind};
    made->type = import.type;
    if (item.kind == IMAGO_EXTERN_FUNC) {
        item.of.func = imago_func_new(pair->store, &import.type.func, on_host_call, made, error);
    } else if (item.kind == IMAGO_EXTERN_GLOBAL) {
        made->value = any_argument(&pair->rng, (uint8_t)import.type.value);
        item.of.global = imago_global_new(pair->store, import.type.value, import.type.is_mutable,
                                          made->value, error);
    } else {
        return false;
    }
    return item.of.func != NULL &&
           imago_linker_define(linker, import.module, import.module_bytes, import.name,
                               import.name_bytes, item, error);
}

static bool define_imports(Pair *pair, ImagoLinker *linker, ImagoError *error) {
    const uint32_t count = imago_image_import_count(pair->image);
    pair->imports = calloc(count + 1u, sizeof *pair->imports);
    for (uint32_t i = 0; i < count; i++) {
        if (!define_import(pair, linker, i, error)) {
            return false;
        }
    }
    return true;
}

static bool is_limit(const char *text) {
    return strstr(text, "limit") != NULL || strstr(text, "too large") != NULL ||
           strstr(text, "too many") != NULL || strstr(text, "exceed") != NULL ||
           strstr(text, "not supported") != NULL || strstr(text, "memory") != NULL;
}

static Verdict open_image(Pair *pair, const uint8_t *bytes, size_t count) {
    ImagoError error = IMAGO_ERROR_INIT;
    int fd = -1;
    if (imago_compile_fd(bytes, count, &fd, NULL, NULL, &error)) {
        pair->image = imago_image_open_fd(pair->engine, fd, &error);
        close(fd);
    }
    if (pair->image != NULL) {
        return PASSED;
    }
    if (error.code == IMAGO_ERROR_UNSUPPORTED || error.code == IMAGO_ERROR_LIMIT) {
        return SKIPPED;
    }
    return differ(pair, "does not compile: function %u, offset %llu: %s", error.func_index,
                  (unsigned long long)error.offset, error.text);
}

// Both instances, or a difference. *runs: there is something to call.
static Verdict instantiate(Pair *pair, const uint8_t *bytes, size_t count, bool *runs) {
    ImagoError error = IMAGO_ERROR_INIT;
    *runs = false;
    pair->store = imago_store_new(pair->engine, NULL, &error);
    ImagoLinker *linker = imago_linker_new(pair->store, &error);
    if (linker == NULL || !define_imports(pair, linker, &error)) {
        return SKIPPED;
    }
    const ImagoStatus ours = imago_linker_instantiate(linker, pair->image, &pair->instance, &error);
    TrapKind trap = TRAP_COUNT;
    const char *why = "";
    const ReferenceStatus theirs = reference_instantiate(
        pair->reference, bytes, count, pair->imports, imago_image_import_count(pair->image),
        host_results, &pair->other, &trap, &why);
    if (theirs == REFERENCE_FAIL) {
        return ours == IMAGO_FAIL || is_limit(why) ? SKIPPED
                                                   : differ(pair, "only we instantiate: %s", why);
    }
    if (ours == IMAGO_FAIL) {
        return error.code == IMAGO_ERROR_LIMIT || error.code == IMAGO_ERROR_NO_MEMORY
                   ? SKIPPED
                   : differ(pair, "only we do not instantiate: %s", error.text);
    }
    if (ours == IMAGO_TRAP || theirs == REFERENCE_TRAP) {
        const TrapKind our = ours == IMAGO_TRAP ? our_trap(pair->store) : TRAP_COUNT;
        return (ours == IMAGO_TRAP) == (theirs == REFERENCE_TRAP) && our == trap
                   ? PASSED
                   : differ(pair, "instantiation: ours %s, theirs %s", trap_text(our),
                            trap_text(trap));
    }
    *runs = true;
    return PASSED;
}

static Verdict compare_results(Pair *pair, const ImagoExport *item, const ImagoValue *ours,
                               const ImagoValue *theirs, uint32_t call) {
    const ImagoFuncType *type = &item->type.func;
    for (uint32_t i = 0; i < type->result_count; i++) {
        const uint64_t our = canonical(type->results[i], &ours[i]);
        const uint64_t their = canonical(type->results[i], &theirs[i]);
        if (our != their) {
            return differ(pair, "%.*s, call %u: result %u of type %u: ours %#llx, theirs %#llx",
                          (int)item->name_bytes, item->name, call, i, type->results[i],
                          (unsigned long long)our, (unsigned long long)their);
        }
    }
    return PASSED;
}

// SKIPPED: the instances cannot be compared further.
static Verdict call_both(Pair *pair, const ImagoExport *item, uint32_t call) {
    const ImagoFuncType *type = &item->type.func;
    ImagoValue ours[REFERENCE_MAX_VALUES];
    _Alignas(16) ImagoValue theirs[REFERENCE_MAX_VALUES];
    ImagoExtern found;
    if (type->param_count > REFERENCE_MAX_VALUES || type->result_count > REFERENCE_MAX_VALUES ||
        !imago_instance_export(pair->instance, item->name, item->name_bytes, &found)) {
        return SKIPPED;
    }
    for (uint32_t i = 0; i < type->param_count; i++) {
        ours[i] = theirs[i] = any_argument(&pair->rng, type->params[i]);
    }
    ImagoExtern fuel;
    if (imago_instance_export(pair->instance, "fuel", 4, &fuel) &&
        fuel.kind == IMAGO_EXTERN_GLOBAL) {
        (void)imago_global_set(fuel.of.global, (ImagoValue){.i32 = FUEL});
        (void)reference_global_set_i32(pair->other, "fuel", FUEL);
    }
    ImagoError error = IMAGO_ERROR_INIT;
    TrapKind trap = TRAP_COUNT;
    const char *why = "";
    const ImagoStatus status = imago_func_call(pair->store, found.of.func, ours, &error);
    const ReferenceStatus other =
        reference_call(pair->other, item->name, item->name_bytes, type, theirs, &trap, &why);
    pair->progress->calls++;
    if (status == IMAGO_OK && other == REFERENCE_OK) {
        return compare_results(pair, item, ours, theirs, call);
    }
    const TrapKind our = status == IMAGO_TRAP ? our_trap(pair->store) : TRAP_COUNT;
    pair->progress->traps++;
    if (our == TRAP_STACK_EXHAUSTED || (other == REFERENCE_TRAP && trap == TRAP_STACK_EXHAUSTED)) {
        return SKIPPED;
    }
    if (status == IMAGO_TRAP && other == REFERENCE_TRAP && our == trap) {
        return PASSED;
    }
    return differ(pair, "%.*s, call %u: ours %s, theirs %s", (int)item->name_bytes, item->name,
                  call, status == IMAGO_OK ? "returns" : status == IMAGO_TRAP ? trap_text(our)
                                                                               : error.text,
                  other == REFERENCE_OK ? "returns" : other == REFERENCE_TRAP ? trap_text(trap)
                                                                               : why);
}

static Verdict compare_memory(Pair *pair, const ImagoExport *item, const ImagoMemory *memory) {
    size_t count = 0;
    const uint8_t *theirs = reference_memory(pair->other, item->name, item->name_bytes, &count);
    const uint8_t *ours = imago_memory_data(memory);
    if (imago_memory_bytes(memory) != count) {
        return differ(pair, "memory: ours has %llu bytes, theirs %zu",
                      (unsigned long long)imago_memory_bytes(memory), count);
    }
    if (count == 0 || memcmp(ours, theirs, count) == 0) {
        return PASSED;
    }
    size_t at = 0;
    while (ours[at] == theirs[at]) {
        at++;
    }
    return differ(pair, "memory at %#zx: ours %#x, theirs %#x", at, ours[at], theirs[at]);
}

static Verdict compare_global(Pair *pair, const ImagoExport *item, const ImagoGlobal *global) {
    const uint8_t type = (uint8_t)item->type.value;
    const ImagoValue ours = imago_global_get(global);
    ImagoValue theirs;
    if (type == IMAGO_FUNCREF || type == IMAGO_EXTERNREF ||
        !reference_global_get(pair->other, item->name, item->name_bytes, &theirs)) {
        return PASSED;
    }
    const uint64_t our = canonical(type, &ours);
    const uint64_t their = canonical(type, &theirs);
    return our == their ? PASSED
                        : differ(pair, "global %.*s: ours %#llx, theirs %#llx",
                                 (int)item->name_bytes, item->name, (unsigned long long)our,
                                 (unsigned long long)their);
}

static Verdict compare_state(Pair *pair) {
    const uint32_t count = imago_image_export_count(pair->image);
    Verdict verdict = PASSED;
    for (uint32_t i = 0; i < count && verdict == PASSED; i++) {
        const ImagoExport item = imago_image_export(pair->image, i);
        ImagoExtern found;
        if (!imago_instance_export(pair->instance, item.name, item.name_bytes, &found)) {
            return differ(pair, "export %u is not there", i);
        }
        if (item.type.kind == IMAGO_EXTERN_MEMORY) {
            verdict = compare_memory(pair, &item, found.of.memory);
        } else if (item.type.kind == IMAGO_EXTERN_GLOBAL) {
            verdict = compare_global(pair, &item, found.of.global);
        }
    }
    return verdict;
}

// State is compared after each function, so that a difference is reported where it arose.
static Verdict call_all(Pair *pair) {
    const uint32_t count = imago_image_export_count(pair->image);
    for (uint32_t i = 0; i < count; i++) {
        const ImagoExport item = imago_image_export(pair->image, i);
        if (item.type.kind != IMAGO_EXTERN_FUNC) {
            continue;
        }
        for (uint32_t call = 0; call < CALLS; call++) {
            const Verdict verdict = call_both(pair, &item, call);
            if (verdict != PASSED) {
                return verdict == SKIPPED ? PASSED : verdict;
            }
        }
        if (compare_state(pair) == FAILED) {
            char text[sizeof pair->difference];
            memcpy(text, pair->difference, sizeof text);
            return differ(pair, "after %.*s: %.500s", (int)item.name_bytes, item.name, text);
        }
    }
    return compare_state(pair);
}

static Verdict run_module(Pair *pair, const uint8_t *bytes, size_t count) {
    pair->image = NULL;
    pair->store = NULL;
    pair->instance = NULL;
    pair->other = NULL;
    pair->imports = NULL;
    Verdict verdict = open_image(pair, bytes, count);
    if (verdict == PASSED) {
        bool runs;
        verdict = instantiate(pair, bytes, count, &runs);
        if (runs) {
            verdict = call_all(pair);
        }
    }
    if (pair->other != NULL) {
        reference_close(pair->other);
    }
    imago_store_delete(pair->store);
    if (pair->image != NULL) {
        imago_image_delete(pair->image);
    }
    free(pair->imports);
    return verdict;
}

// ---- Many modules -------------------------------------------------------------------------------

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
    printf("%s: %s\n", name, difference);
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

static void run_one(void *env, Progress *progress) {
    Pair *pair = env;
    const Options *options = pair->options;
    const uint64_t index = progress->index;
    size_t count = 0;
    uint8_t *bytes = module_at(options, index, &count);
    if (bytes == NULL) {
        progress->skipped++;
        return;
    }
    pair->rng.state = options->seed + (options->reads_files ? 0 : index);
    const Verdict verdict = run_module(pair, bytes, count);
    free(bytes);
    progress->passed += verdict == PASSED;
    progress->failed += verdict == FAILED;
    progress->skipped += verdict == SKIPPED;
    if (verdict == FAILED) {
        report(options, index, pair->difference);
    }
}

static bool start(void *env, Progress *progress) {
    Pair *pair = env;
    ImagoError error = IMAGO_ERROR_INIT;
    const char *why = "";
    pair->progress = progress;
    pair->engine = imago_engine_new(&error);
    pair->reference = reference_open(pair->options->reference, pair->options->optimizes, &why);
    if (pair->engine == NULL || pair->reference == NULL) {
        printf("cannot start: %s%s\n", error.text, why);
        return false;
    }
    return true;
}

static void report_death(void *env, const Progress *progress, const char *what) {
    const Pair *pair = env;
    report(pair->options, progress->index, what);
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
    Options options = {.seed = 1, .count = UINT64_MAX / 2};
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
    Pair pair = {.options = &options};
    const Campaign campaign = {.count = options.count, .seconds = options.seconds, .env = &pair,
                               .start = start, .run = run_one, .report = report_death};
    return campaign_run(&campaign);
}
