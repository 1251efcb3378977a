// imago run: maps an image (compiled in memory first if FILE is a module), gives it WASI, and calls
// _start, or the function that --invoke names.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/args.h"
#include "cli/input.h"
#include "cli/report.h"
#include "cli/settings.h"
#include "cli/value.h"
#include "imago/wasi.h"

typedef VEC(const char *) StringVec;
typedef VEC(ImagoWasiDir) DirVec;

typedef struct RunArgs {
    const char *file;
    char **guest_args; // behind FILE, NULL-terminated
    const char *invoke; // NULL: _start
    StringVec envs;
    DirVec dirs;
    ImagoCompileOptions compile;
    ImagoStoreOptions store;
    bool wants_stats, verifies;
} RunArgs;

// What lives while the guest runs; deleted in reverse order.
typedef struct Run {
    const RunArgs *args;
    CliImage file;
    ImagoEngine *engine;
    ImagoImage *image;
    ImagoStore *store;
    ImagoLinker *linker;
    ImagoWasi *wasi;
    ImagoInstance *instance;
    u64 load_ns, instantiate_ns, call_ns;
} Run;

// ---- Options -----------------------------------------------------------------------------------

static int out_of_memory(void) {
    return cli_error(error_exit_code(IMAGO_ERROR_NO_MEMORY), "out of memory");
}

// HOST, HOST::GUEST, either with :ro behind it.
static bool add_dir(RunArgs *run, Args *args) {
    char *text = (char *)(uintptr_t)args->value; // argv is ours to cut up
    const usize bytes = strlen(text);
    ImagoWasiDir dir = {0};
    if (bytes > 3 && strcmp(text + bytes - 3, ":ro") == 0) {
        dir.is_read_only = true;
        text[bytes - 3] = 0;
    }
    char *separator = strstr(text, "::");
    if (separator != NULL) {
        *separator = 0;
    }
    dir.host_path = text;
    dir.guest_path = separator != NULL ? separator + 2 : text;
    if (dir.host_path[0] == 0 || dir.guest_path[0] == 0) {
        args->status = cli_usage_error(CMD_RUN, "option --dir: expected HOST::GUEST, one is empty");
        return false;
    }
    if (!vec_push(&run->dirs, dir)) {
        args->status = out_of_memory();
        return false;
    }
    return true;
}

// NAME=VALUE, or NAME for the value imago itself has (nothing if it has none).
static bool add_env(RunArgs *run, Args *args) {
    const char *text = args->value;
    if (text[0] == '=' || text[0] == 0) {
        args->status = cli_usage_error(CMD_RUN, "option --env: expected NAME=VALUE, found '%s'",
                                       text);
        return false;
    }
    if (strchr(text, '=') == NULL) {
        const char *value = getenv(text);
        if (value == NULL) {
            return true;
        }
        text = value - strlen(text) - 1; // environ holds NAME=VALUE
    }
    if (!vec_push(&run->envs, text)) {
        args->status = out_of_memory();
        return false;
    }
    return true;
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
        return add_dir(run, args);
    case OPT_ENV:
        return add_env(run, args);
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
            return true;
        }
        TRY(take_option(run, args, id));
    }
}

// ---- The guest's world -------------------------------------------------------------------------

// The name that the guest finds as its argument 0: FILE without its folders.
static const char *program_name(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash != NULL && slash[1] != 0 ? slash + 1 : file;
}

static bool make_wasi(Run *run, Error *err) {
    const RunArgs *args = run->args;
    StringVec guest_args = {0};
    bool ok = vec_push(&guest_args, program_name(args->file));
    // With --invoke what follows FILE are the function's arguments.
    for (char **at = args->guest_args; ok && args->invoke == NULL && *at != NULL; at++) {
        ok = vec_push(&guest_args, *at);
    }
    if (!ok) {
        vec_free(&guest_args);
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    run->wasi = imago_wasi_new(
        &(ImagoWasiOptions){
            .size = sizeof(ImagoWasiOptions),
            .args = guest_args.at,
            .arg_count = (u32)guest_args.count,
            .envs = args->envs.at,
            .env_count = (u32)args->envs.count,
            .dirs = args->dirs.at,
            .dir_count = (u32)args->dirs.count,
        },
        err);
    vec_free(&guest_args);
    return run->wasi != NULL && imago_wasi_define(run->wasi, run->linker, err);
}

// By a path where there is one, for debuggers. A module that was just compiled has a name in /proc
// as long as its descriptor is open.
static ImagoImage *open_image(const Run *run, Error *err) {
    char path[48];
    (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), run->file.fd);
    ImagoImage *image =
        imago_image_open(run->engine, run->file.is_anonymous ? path : run->args->file, NULL);
    return image != NULL ? image : imago_image_open_fd(run->engine, run->file.fd, err);
}

static bool load(Run *run, Error *err) {
    run->engine = imago_engine_new(err);
    TRY(run->engine != NULL);
    const u64 start_ns = cli_now_ns();
    run->image = open_image(run, err);
    TRY(run->image != NULL);
    TRY(!run->args->verifies || imago_image_verify(run->image, err));
    run->load_ns = cli_now_ns() - start_ns;
    run->store = imago_store_new(run->engine, &run->args->store, err);
    TRY(run->store != NULL);
    run->linker = imago_linker_new(run->store, err);
    return run->linker != NULL && make_wasi(run, err);
}

static void unload(Run *run) {
    if (run->linker != NULL) {
        imago_linker_delete(run->linker);
    }
    if (run->store != NULL) {
        imago_store_delete(run->store);
    }
    if (run->wasi != NULL) {
        imago_wasi_delete(run->wasi);
    }
    if (run->image != NULL) {
        imago_image_delete(run->image);
    }
    if (run->engine != NULL) {
        imago_engine_delete(run->engine);
    }
    close(run->file.fd);
}

// The exit status of something that ended with `status`.
static int finish(const Run *run, ImagoStatus status, const Error *err) {
    switch (status) {
    case IMAGO_OK:
        return 0;
    case IMAGO_TRAP:
        return cli_report_trap(run->args->file, run->store);
    case IMAGO_EXIT:
        return imago_store_exit_code(run->store) & 0xFF;
    case IMAGO_FAIL:
    default:
        return cli_report(run->args->file, err, NULL);
    }
}

// ---- Calls -------------------------------------------------------------------------------------

static ImagoFunc *find_func(Run *run, const char *name) {
    ImagoExtern item;
    const bool found = imago_instance_export(run->instance, name, strlen(name), &item);
    return found && item.kind == IMAGO_EXTERN_FUNC ? item.of.func : NULL;
}

static int unknown_export(const Run *run, const char *name) {
    char nearest[64] = "", printable[64];
    u32 best = 4;
    for (u32 i = 0; i < imago_image_export_count(run->image); i++) {
        const ImagoExport export = imago_image_export(run->image, i);
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

// False if the call ended otherwise than by returning: *exit_status says how.
static bool call(Run *run, ImagoFunc *func, ImagoValue *values, int *exit_status) {
    Error err = ERROR_INIT;
    const u64 start_ns = cli_now_ns();
    const ImagoStatus status = imago_func_call(run->store, func, values, &err);
    run->call_ns = cli_now_ns() - start_ns;
    *exit_status = finish(run, status, &err);
    return status == IMAGO_OK;
}

static int invoke(Run *run, const char *name, char **texts) {
    ImagoFunc *func = find_func(run, name);
    if (func == NULL) {
        return unknown_export(run, name);
    }
    const ImagoFuncType type = imago_func_type(run->store, func);
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
    ImagoFunc *start = find_func(run, "_start");
    ImagoFunc *initialize = find_func(run, "_initialize");
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
    const u64 start_ns = cli_now_ns();
    const ImagoStatus status =
        imago_linker_instantiate(run->linker, run->image, &run->instance, &err);
    run->instantiate_ns = cli_now_ns() - start_ns;
    const int exit_status = status == IMAGO_OK ? call_guest(run) : finish(run, status, &err);
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
        Run run = {.args = &options, .file = {.fd = -1}};
        status = cli_image_open(options.file, &options.compile, &run.file);
        if (status == 0) {
            status = execute(&run);
            unload(&run);
        }
    }
    vec_free(&options.envs);
    vec_free(&options.dirs);
    return status;
}
