// imago run: maps an image (compiled in memory first if FILE is a module), gives it WASI, and calls
// _start, or the function that --invoke names.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/args.h"
#include "cli/guest.h"
#include "cli/input.h"
#include "cli/report.h"
#include "cli/settings.h"
#include "cli/value.h"

typedef struct RunArgs {
    const char *file;
    char **guest_args; // behind FILE, NULL-terminated
    const char *invoke; // NULL: _start
    GuestWorld world;
    ImagoCompileOptions compile;
    ImagoStoreOptions store;
    bool wants_stats, verifies;
} RunArgs;

typedef struct Run {
    const RunArgs *args;
    CliImage file;
    Guest guest;
    u64 load_ns, instantiate_ns, call_ns;
} Run;

// ---- Options -----------------------------------------------------------------------------------

static int out_of_memory(void) {
    return cli_error(error_exit_code(IMAGO_ERROR_NO_MEMORY), "out of memory");
}

static bool add_to_world(RunArgs *run, Args *args, OptionId id) {
    Error err = ERROR_INIT;
    char *text = (char *)(uintptr_t)args->value; // argv is ours to cut up
    const bool ok = id == OPT_DIR   ? guest_add_dir(&run->world, text, &err)
                    : id == OPT_ENV ? guest_add_env(&run->world, text, &err)
                                    : guest_inherit_envs(&run->world, &err);
    if (!ok) {
        args->status = err.code == IMAGO_ERROR_USAGE ? cli_usage_error(CMD_RUN, "%s", err.text)
                                                     : out_of_memory();
    }
    return ok;
}

static bool set_stack(RunArgs *run, Args *args) {
    u64 bytes = 0;
    TRY(args_size(args, OPT_MAX_STACK, &bytes));
    run->store.stack_bytes = bytes;
    return true;
}

// One option. False: args->status is the exit status.
static bool take_option(RunArgs *run, Args *args, OptionId id) {
    if (cli_setting(args, &id, &run->compile)) {
        return true;
    }
    switch ((int)id) {
    case OPT_DIR:
    case OPT_ENV:
    case OPT_ENV_INHERIT:
        return add_to_world(run, args, id);
    case OPT_INVOKE:
        run->invoke = args->value;
        return true;
    case OPT_MAX_MEMORY:
        return args_size(args, OPT_MAX_MEMORY, &run->store.max_memory_bytes);
    case OPT_MAX_STACK:
        return set_stack(run, args);
    case OPT_STATS:
        run->wants_stats = true;
        return true;
    case OPT_VERIFY:
        run->verifies = true;
        return true;
    case OPT_END:
        args->status = cli_usage_error(CMD_RUN, "no FILE given");
        return false;
    default:
        return false; // OPT_STOP
    }
}

// Options up to FILE; what follows is the guest's. False: args->status.
static bool parse(RunArgs *run, Args *args) {
    for (;;) {
        const OptionId id = args_next(args);
        if (id == OPT_OPERAND) {
            run->file = args->value;
            run->guest_args = args->at;
            // With --invoke these are the function's.
            if (run->invoke == NULL && !guest_add_args(&run->world, args->at, NULL)) {
                args->status = out_of_memory();
                return false;
            }
            return true;
        }
        TRY(take_option(run, args, id));
    }
}

// ---- Loading -----------------------------------------------------------------------------------

// By its path where it has one, which spares looking for it.
static ImagoImage *open_image(const Run *run, Error *err) {
    ImagoImage *image = run->file.is_anonymous
                            ? NULL
                            : imago_image_open(run->guest.engine, run->args->file, NULL);
    return image != NULL ? image : imago_image_open_fd(run->guest.engine, run->file.fd, err);
}

static bool load(Run *run, Error *err) {
    Guest *guest = &run->guest;
    guest->engine = imago_engine_new(err);
    TRY(guest->engine != NULL);
    const u64 start_ns = cli_now_ns();
    guest->image = open_image(run, err);
    TRY(guest->image != NULL);
    TRY(!run->args->verifies || imago_image_verify(guest->image, err));
    run->load_ns = cli_now_ns() - start_ns;
    return guest_open(guest, &run->args->world, &run->args->store, err);
}

// ---- Calls -------------------------------------------------------------------------------------

static int unknown_export(const Run *run, const char *name) {
    char nearest[64] = "", printable[64];
    u32 best = 4;
    for (u32 i = 0; i < imago_image_export_count(run->guest.image); i++) {
        const ImagoExport export = imago_image_export(run->guest.image, i);
        (void)str_printable((Str){export.name, export.name_bytes}, printable, sizeof printable);
        const u32 distance = str_distance(name, printable, best);
        if (export.type.kind == IMAGO_EXTERN_FUNC && distance < best) {
            best = distance;
            memcpy(nearest, printable, sizeof nearest);
        }
    }
    if (nearest[0] != 0) {
        return cli_error(EXIT_USAGE, "%s: no exported function '%s', did you mean '%s'?",
                         run->args->file, name, nearest);
    }
    return cli_error(EXIT_USAGE, "%s: no exported function '%s'", run->args->file, name);
}

// Reads the function's arguments from the command line. Returns the exit status, 0 on success.
static int parse_values(const Run *run, const char *name, const ImagoFuncType *type, char **texts,
                        ImagoValue *values) {
    u32 count = 0;
    while (texts[count] != NULL) {
        count++;
    }
    if (count != type->param_count) {
        return cli_error(EXIT_USAGE,
                         "%s: function '%s' takes %" PRIu32 " arguments, found %" PRIu32,
                         run->args->file, name, type->param_count, count);
    }
    for (u32 i = 0; i < count; i++) {
        if (!cli_value_parse((ImagoType)type->params[i], texts[i], &values[i])) {
            return cli_error(EXIT_USAGE,
                             "%s: argument %" PRIu32 " of '%s': expected %s, found '%s'",
                             run->args->file, i + 1, name,
                             cli_type_name((ImagoType)type->params[i]), texts[i]);
        }
    }
    return 0;
}

// guest_call, timed.
static bool call(Run *run, ImagoFunc *func, ImagoValue *values, int *exit_status) {
    const u64 start_ns = cli_now_ns();
    const bool is_ok = guest_call(&run->guest, func, values, exit_status);
    run->call_ns = cli_now_ns() - start_ns;
    return is_ok;
}

static int invoke(Run *run, const char *name, char **texts) {
    ImagoFunc *func = guest_func(&run->guest, name);
    if (func == NULL) {
        return unknown_export(run, name);
    }
    const ImagoFuncType type = imago_func_type(run->guest.store, func);
    const u32 most = type.param_count > type.result_count ? type.param_count : type.result_count;
    ImagoValue *values = mem_alloc(((usize)most + 1) * sizeof *values);
    if (values == NULL) {
        return out_of_memory();
    }
    int status = parse_values(run, name, &type, texts, values);
    if (status == 0 && call(run, func, values, &status)) {
        for (u32 i = 0; i < type.result_count; i++) {
            cli_value_print(stdout, (ImagoType)type.results[i], &values[i]);
            putchar('\n');
        }
    }
    mem_free(values);
    return status;
}

// A program has _start. A library may have _initialize, and is of use only with --invoke; as it has
// no arguments of its own, --invoke may stand behind FILE too.
static int call_guest(Run *run) {
    const char *name = run->args->invoke;
    char **texts = run->args->guest_args;
    ImagoFunc *start = guest_func(&run->guest, "_start");
    ImagoFunc *initialize = guest_func(&run->guest, "_initialize");
    ImagoValue none = {.bits = {0, 0}};
    int status = 0;
    if (start == NULL && name == NULL && texts[0] != NULL && strcmp(texts[0], "--invoke") == 0 &&
        texts[1] != NULL) {
        name = texts[1];
        texts += 2;
    }
    if (start == NULL && initialize != NULL && !call(run, initialize, &none, &status)) {
        return status;
    }
    if (name != NULL) {
        return invoke(run, name, texts);
    }
    if (start != NULL) {
        (void)call(run, start, &none, &status);
    }
    return status;
}

static void print_stats(const Run *run) {
    const CliImage *file = &run->file;
    const off_t image_bytes = lseek(file->fd, 0, SEEK_END);
    if (file->module_bytes != 0) {
        fprintf(stderr, "module: %" PRIu64 " bytes, read in %.3f ms, compiled in %.3f ms\n",
                file->module_bytes, (f64)file->read_ns / 1e6, (f64)file->compile_ns / 1e6);
    }
    fprintf(stderr, "image: %lld bytes, loaded in %.1f us, instantiated in %.1f us\n",
            (long long)image_bytes, (f64)run->load_ns / 1e3, (f64)run->instantiate_ns / 1e3);
    fprintf(stderr, "call: %.3f ms\n", (f64)run->call_ns / 1e6);
}

static int execute(Run *run) {
    Error err = ERROR_INIT;
    if (!load(run, &err)) {
        return cli_report(run->args->file, &err, NULL);
    }
    int exit_status;
    const u64 start_ns = cli_now_ns();
    const bool is_started = guest_start(&run->guest, &exit_status);
    run->instantiate_ns = cli_now_ns() - start_ns;
    exit_status = is_started ? call_guest(run) : exit_status;
    if (run->args->wants_stats) {
        print_stats(run);
    }
    return exit_status;
}

int cli_run(Args *args) {
    RunArgs options = {.compile = {.size = sizeof options.compile},
                       .store = {.size = sizeof options.store}};
    int status;
    if (!parse(&options, args)) {
        status = args->status;
    } else {
        Run run = {.args = &options, .file = {.fd = -1}, .guest = {.file = options.file}};
        status = cli_image_open(options.file, &options.compile, &run.file);
        if (status == 0) {
            status = execute(&run);
            guest_close(&run.guest);
            close(run.file.fd);
        }
    }
    guest_free(&options.world);
    return status;
}
