// Verdicts of decoder and validator on many files: `validate_main FILE...` prints a line each,
// "valid", "malformed", "invalid", ... , the offset, the function and the message, by tabs. With
// `-` as the only argument file names are read from standard input, one a line.
//
// Used by validate_compare.py and for timing: `validate_main -t N FILE...` validates each N times
// and prints megabytes of code section a second.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "wasm/decode.h"
#include "wasm/validate.h"

typedef struct File {
    unsigned char *bytes;
    size_t count;
} File;

static bool load(const char *path, File *file) {
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        return false;
    }
    (void)fseek(in, 0, SEEK_END);
    const long size = ftell(in);
    rewind(in);
    file->count = size < 0 ? 0 : (size_t)size;
    // Exactly as large as the file, so that the address sanitizer sees every byte too many.
    file->bytes = malloc(file->count + (file->count == 0));
    const bool ok = size >= 0 && file->bytes != NULL &&
                    fread(file->bytes, 1, file->count, in) == file->count;
    (void)fclose(in);
    return ok;
}

static bool validate_bodies(const Module *module, Error *err) {
    Validator *validator = validator_new(module);
    if (validator == NULL) {
        return fail(err, NO_MEMORY, 0, "out of memory");
    }
    bool ok = true;
    for (u32 i = module->func_import_count; ok && i < module->func_count; i++) {
        FuncFacts facts;
        ok = validate_func(validator, i, &facts, err);
    }
    validator_delete(validator);
    return ok;
}

static void print_verdict(const char *path) {
    File file = {0};
    if (!load(path, &file)) {
        printf("unreadable\t0\t0\t-\t%s\n", path);
        return;
    }
    Arena arena;
    arena_init(&arena);
    Module module;
    Error err = ERROR_INIT;
    const bool ok = wasm_decode(&module, &arena, file.bytes, file.count, &err) &&
                    validate_bodies(&module, &err);
    printf("%s\t%llu\t%d\t%s\t%s\n", ok ? "valid" : error_name(err.code),
           ok ? 0 : (unsigned long long)err.offset, ok ? -1 : (int)err.func_index,
           ok ? "-" : err.text, path);
    arena_deinit(&arena);
    free(file.bytes);
}

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void print_speed(const char *path, int rounds) {
    File file = {0};
    Error err = ERROR_INIT;
    Arena arena;
    arena_init(&arena);
    Module module;
    if (!load(path, &file) || !wasm_decode(&module, &arena, file.bytes, file.count, &err)) {
        printf("%s: %s\n", path, err.text);
        return;
    }
    double best = 1e9;
    for (int i = 0; i < rounds; i++) {
        const double start = seconds();
        if (!validate_bodies(&module, &err)) {
            printf("%s: %s\n", path, err.text);
            return;
        }
        const double taken = seconds() - start;
        best = taken < best ? taken : best;
    }
    const double megabytes = (double)module.code_bytes * 1e-6;
    printf("%s: %.2f MB of code, %u functions, %.2f ms, %.0f MB/s\n", path, megabytes,
           module.func_count - module.func_import_count, best * 1e3, megabytes / best);
    arena_deinit(&arena);
    free(file.bytes);
}

static void print_verdicts_of_stdin(void) {
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        print_verdict(line);
    }
}

int main(int argc, char **argv) {
    if (argc > 3 && strcmp(argv[1], "-t") == 0) {
        for (int i = 3; i < argc; i++) {
            print_speed(argv[i], atoi(argv[2]));
        }
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "-") == 0) {
        print_verdicts_of_stdin();
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        print_verdict(argv[i]);
    }
    return 0;
}
