// What the scripts tests/spec/text_*.py drive:
//   wat_main wat FILE OUT     translates a text; prints nothing, or the error
//   wat_main wast FILE DIR    reads a script; one line a command, each module as DIR/LINE.COL.wasm:
//                             line, column, kind, and for modules "ok" or what is wrong, and the
//                             expected message (tab-separated)
//   wat_main numbers FILE -   one number literal a line: its kind, then the bits as f32 and as f64,
//                             or "range"
//   wat_main time FILE N      best of N translations, in MB of text a second
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/os_file.h"
#include "text/number.h"
#include "text/wast.h"
#include "text/wat.h"

static const char *const KIND_TEXT[] = {
    [WAST_END] = "end",
    [WAST_MODULE] = "module",
    [WAST_REGISTER] = "register",
    [WAST_ACTION] = "action",
    [WAST_ASSERT_RETURN] = "assert_return",
    [WAST_ASSERT_TRAP] = "assert_trap",
    [WAST_ASSERT_EXHAUSTION] = "assert_exhaustion",
    [WAST_ASSERT_INVALID] = "assert_invalid",
    [WAST_ASSERT_MALFORMED] = "assert_malformed",
    [WAST_ASSERT_UNLINKABLE] = "assert_unlinkable",
    [WAST_ASSERT_UNINSTANTIABLE] = "assert_uninstantiable",
    [WAST_UNSUPPORTED] = "unsupported",
};

static int report(const char *file, const Error *err) {
    printf("%s:%u:%u: %s\n", file, err->line, err->column, err->text);
    return 1;
}

static bool save(const char *path, const void *bytes, usize count) {
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return false;
    }
    const bool ok = fwrite(bytes, 1, count, file) == count;
    return fclose(file) == 0 && ok;
}

static int run_wat(const char *file, Str text, const char *out) {
    Error err = ERROR_INIT;
    Writer module = {0};
    int status = 0;
    if (!wat_to_wasm(text, &module, &err)) {
        status = report(file, &err);
    } else if (!save(out, module.at, module.count)) {
        perror(out);
        status = 2;
    }
    writer_free(&module);
    return status;
}

static bool has_module(const WastCommand *command) {
    return command->module.is_translated || command->module.error.code != IMAGO_ERROR_NONE;
}

static int print_module(const WastCommand *command, const char *directory) {
    const WastModule *module = &command->module;
    const char *source = module->is_binary ? "binary" : (module->is_quote ? "quote" : "text");
    printf("\t%s\t%s", source, module->is_translated ? "ok" : module->error.text);
    if (command->message.at != NULL) {
        printf("\t%.*s", (int)command->message.count, command->message.at);
    }
    if (!module->is_translated) {
        return 0;
    }
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%u.%u.wasm", directory, command->line, command->column);
    return save(path, module->bytes, module->byte_count) ? 0 : 2;
}

static int run_wast(const char *file, Str text, const char *directory) {
    Error err = ERROR_INIT;
    WastScript *script = wast_open(text, &err);
    WastCommand command;
    int status = 0;
    while (script != NULL && status == 0 && wast_next(script, &command, &err)) {
        if (command.kind == WAST_END) {
            wast_close(script);
            return 0;
        }
        printf("%u\t%u\t%s", command.line, command.column, KIND_TEXT[command.kind]);
        if (has_module(&command)) {
            status = print_module(&command, directory);
        }
        printf("\n");
    }
    wast_close(script);
    return status != 0 ? status : report(file, &err);
}

static void print_number(Str literal) {
    const NumberKind kind = text_number_kind(literal);
    u32 single;
    u64 twice;
    if (kind == NUMBER_NONE) {
        printf("none\n");
        return;
    }
    printf("%d ", (int)kind);
    if (text_f32_of(literal, &single)) {
        printf("%08x ", single);
    } else {
        printf("range ");
    }
    if (text_f64_of(literal, &twice)) {
        printf("%016llx\n", (unsigned long long)twice);
    } else {
        printf("range\n");
    }
}

static int run_numbers(Str text) {
    const char *end = text.at + text.count;
    for (const char *at = text.at; at < end;) {
        const char *line_end = memchr(at, '\n', (usize)(end - at));
        line_end = line_end == NULL ? end : line_end;
        print_number((Str){at, (usize)(line_end - at)});
        at = line_end + 1;
    }
    return 0;
}

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int run_time(const char *file, Str text, const char *times) {
    double best = 1e9;
    for (long i = strtol(times, NULL, 10); i > 0; i--) {
        Error err = ERROR_INIT;
        Writer module = {0};
        const double start = seconds();
        const bool ok = wat_to_wasm(text, &module, &err);
        const double used = seconds() - start;
        best = used < best ? used : best;
        writer_free(&module);
        if (!ok) {
            return report(file, &err);
        }
    }
    printf("%.1f MB/s of text (%zu bytes, %.3f ms)\n", (double)text.count / best / 1e6, text.count,
           best * 1e3);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr,
                "usage: wat_main wat FILE OUT | wast FILE DIR | numbers FILE - | time FILE N\n");
        return 2;
    }
    FileBytes file;
    Error err = ERROR_INIT;
    if (!file_read(&file, argv[2], &err)) {
        return report(argv[2], &err);
    }
    const Str text = {(const char *)file.at, file.count};
    int status = 2;
    if (strcmp(argv[1], "wat") == 0) {
        status = run_wat(argv[2], text, argv[3]);
    } else if (strcmp(argv[1], "wast") == 0) {
        status = run_wast(argv[2], text, argv[3]);
    } else if (strcmp(argv[1], "numbers") == 0) {
        status = run_numbers(text);
    } else if (strcmp(argv[1], "time") == 0) {
        status = run_time(argv[2], text, argv[3]);
    }
    file_release(&file);
    return status;
}
