// imago compile: a module to an image file.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/settings.h"

typedef struct CompileArgs {
    const char *input, *output;
    ImagoCompileOptions options;
    bool wants_stats;
} CompileArgs;

static f64 ms_of(u64 ns) { return (f64)ns / 1e6; }

static void print_stats(const CompileArgs *c, const ImagoCompileStats *stats) {
    const u64 work_ns = stats->decode_ns + stats->compile_ns;
    fprintf(stderr, "%s: %" PRIu32 " functions, %" PRIu64 " bytes of module, %" PRIu64 " of code\n",
            c->input, stats->func_count, stats->wasm_bytes, stats->code_bytes);
    fprintf(stderr, "%s: %" PRIu64 " bytes of text, %" PRIu64 " of image\n", c->output,
            stats->text_bytes, stats->image_bytes);
    fprintf(stderr, "decode %.2f ms, compile %.2f ms, link %.2f ms, write %.2f ms",
            ms_of(stats->decode_ns), ms_of(stats->compile_ns), ms_of(stats->link_ns),
            ms_of(stats->write_ns));
    if (work_ns != 0) {
        fprintf(stderr, "; %.1f MB of code a second",
                (f64)stats->code_bytes * 1e3 / (f64)work_ns);
    }
    fputc('\n', stderr);
}

// To a regular file by the library, which replaces it at once; to a device or pipe from memory.
static bool compile_to(const CompileArgs *c, const FileBytes *bytes, ImagoCompileStats *stats,
                       Error *err) {
    if (!cli_output_is_stream(c->output)) {
        return imago_compile_file(bytes->at, bytes->count, c->output, &c->options, stats, err);
    }
    int fd = -1;
    TRY(imago_compile_fd(bytes->at, bytes->count, &fd, &c->options, stats, err));
    const bool ok = cli_output_copy(c->output, fd, err);
    close(fd);
    return ok;
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
    return compile(c);
}

int cli_compile(Args *args) {
    CompileArgs c = {.options = {.size = sizeof c.options}};
    for (;;) {
        OptionId id = args_next(args);
        if (cli_setting(args, &id, &c.options)) {
            continue;
        }
        switch ((int)id) {
        case OPT_OUTPUT:
            c.output = args->value;
            break;
        case OPT_STATS:
            c.wants_stats = true;
            break;
        case OPT_OPERAND:
            if (c.input != NULL) {
                return cli_usage_error(CMD_COMPILE, "one FILE expected, found '%s' too",
                                       args->value);
            }
            c.input = args->value;
            break;
        case OPT_END:
            return check_and_compile(&c);
        default:
            return args->status;
        }
    }
}
