// imago compile: a module to an image, or to a file that holds one.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "cli/args.h"
#include "cli/emit.h"
#include "cli/guest.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/settings.h"

typedef VEC(const char *) WordVec;

typedef struct CompileArgs {
    const char *input, *output;
    ImagoCompileOptions options;
    EmitKind emit;
    WordVec words; // options that a program is started with
    bool wants_stats;
} CompileArgs;

static int out_of_memory(void) {
    return cli_error(error_exit_code(IMAGO_ERROR_NO_MEMORY), "out of memory");
}

static f64 ms_of(u64 ns) { return (f64)ns / 1e6; }

static void print_stats(const CompileArgs *c, const ImagoCompileStats *stats) {
    const u64 work_ns = stats->decode_ns + stats->compile_ns;
    fprintf(stderr, "%s: %" PRIu32 " functions, %" PRIu64 " bytes of module, %" PRIu64 " of code\n",
            c->input, stats->func_count, stats->wasm_bytes, stats->code_bytes);
    fprintf(stderr, "%s: %" PRIu64 " bytes of text (%" PRIu64 " padding), %" PRIu64 " of image\n",
            c->output, stats->text_bytes, stats->padding_bytes, stats->image_bytes);
    fprintf(stderr, "decode %.2f ms, compile %.2f ms, link %.2f ms, write %.2f ms",
            ms_of(stats->decode_ns), ms_of(stats->compile_ns), ms_of(stats->link_ns),
            ms_of(stats->write_ns));
    if (work_ns != 0) {
        fprintf(stderr, "; %.1f MB of code a second",
                (f64)stats->code_bytes * 1e3 / (f64)work_ns);
    }
    fputc('\n', stderr);
}

// An image goes to a regular file by the library, which replaces it at once; to a device or pipe
// from memory.
static bool compile_to(const CompileArgs *c, const FileBytes *bytes, ImagoCompileStats *stats,
                       Error *err) {
    if (c->emit == EMIT_IMAGE && !cli_output_is_stream(c->output)) {
        return imago_compile_file(bytes->at, bytes->count, c->output, &c->options, stats, err);
    }
    int fd = -1;
    TRY(imago_compile_fd(bytes->at, bytes->count, &fd, &c->options, stats, err));
    const bool ok = c->emit == EMIT_IMAGE ? cli_output_copy(c->output, fd, err)
                                          : cli_emit(c->emit, fd, c->words.at, c->output, err);
    close(fd);
    return ok;
}

// The words that an image which is a program starts `imago run` with.
static bool end_words(CompileArgs *c) {
    const bool is_ok =
        (c->emit != EMIT_EXE || vec_push(&c->words, "--env-inherit")) && vec_push(&c->words, NULL);
    c->options.program_options = c->emit == EMIT_EXE ? c->words.at : NULL;
    return is_ok;
}

static int compile(CompileArgs *c) {
    Error err = ERROR_INIT;
    FileBytes bytes;
    if (!cli_module_read(c->input, &bytes, &err)) {
        return cli_report(c->input, &err, NULL);
    }
    ImagoCompileStats stats = {0};
    Progress progress;
    progress_start(&progress, &c->options);
    const bool ok = compile_to(c, &bytes, &stats, &err);
    progress_end(&progress);
    int status = 0;
    if (!ok) {
        const char *file = cli_blame(&err, c->input, c->output);
        status = cli_report_module(file, &bytes, &err);
    } else if (c->wants_stats) {
        print_stats(c, &stats);
    }
    file_release(&bytes);
    return status;
}

static int check_and_compile(CompileArgs *c) {
    if (c->input == NULL) {
        return cli_usage_error(CMD_COMPILE, "no FILE given");
    }
    if (c->output == NULL) {
        return cli_usage_error(CMD_COMPILE, "no output given: -o IMAGE");
    }
    if (cli_same_file(c->input, c->output)) {
        return cli_usage_error(CMD_COMPILE, "%s is input and output", c->input);
    }
    if (c->words.count != 0 && !cli_emits_program(c->emit)) {
        return cli_usage_error(CMD_COMPILE, "--dir and --env are for programs: --emit exe");
    }
    return end_words(c) ? compile(c) : out_of_memory();
}

// What the program would say of it when it starts.
static bool check_word(OptionId id, const char *value, Error *err) {
    GuestWorld world = {0};
    const usize bytes = strlen(value) + 1;
    char *copy = mem_alloc(bytes); // to be cut up
    bool is_ok = copy != NULL || fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    is_ok = is_ok && (id == OPT_DIR ? guest_add_dir(&world, memcpy(copy, value, bytes), err)
                                    : guest_add_env(&world, value, err));
    guest_free(&world);
    mem_free(copy);
    return is_ok;
}

// Returns the exit status, 0 on success.
static int add_word(CompileArgs *c, OptionId id, const char *value) {
    Error err = ERROR_INIT;
    if (!check_word(id, value, &err)) {
        return err.code == IMAGO_ERROR_USAGE ? cli_usage_error(CMD_COMPILE, "%s", err.text)
                                             : out_of_memory();
    }
    const char *name = id == OPT_DIR ? "--dir" : "--env";
    return vec_push(&c->words, name) && vec_push(&c->words, value) ? 0 : out_of_memory();
}

// One option. False: *status is the exit status.
static bool take_option(CompileArgs *c, Args *args, OptionId id, int *status) {
    switch ((int)id) {
    case OPT_OUTPUT:
        c->output = args->value;
        return true;
    case OPT_STATS:
        c->wants_stats = true;
        return true;
    case OPT_EMIT:
        c->emit = cli_emit_kind(args->value);
        *status = c->emit != EMIT_COUNT
                      ? 0
                      : cli_usage_error(CMD_COMPILE, "option --emit: expected image, obj, exe or "
                                                     "static-exe, found '%s'", args->value);
        return c->emit != EMIT_COUNT;
    case OPT_DIR:
    case OPT_ENV:
        *status = add_word(c, id, args->value);
        return *status == 0;
    case OPT_OPERAND:
        if (c->input != NULL) {
            *status = cli_usage_error(CMD_COMPILE, "one FILE expected, found '%s' too",
                                      args->value);
            return false;
        }
        c->input = args->value;
        return true;
    case OPT_END:
        *status = check_and_compile(c);
        return false;
    default:
        *status = args->status;
        return false;
    }
}

int cli_compile(Args *args) {
    CompileArgs c = {.options = {.size = sizeof c.options}};
    int status = 0;
    bool is_more = true;
    while (is_more) {
        OptionId id = args_next(args);
        is_more = cli_setting(args, &id, &c.options) || take_option(&c, args, id, &status);
    }
    vec_free(&c.words);
    return status;
}
