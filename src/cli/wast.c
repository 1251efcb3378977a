// imago wast: runs the commands of test scripts against the public interface. Each script has a
// store of its own, in which its modules stay until its end. Only assertions are counted, and
// modules and actions that fail.
//
// A module that needs what this version does not do (ERR_UNSUPPORTED) is no failure: the assertions
// behind it, and modules that import from it, are counted as skipped.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/vec.h"
#include "cli/args.h"
#include "cli/input.h"
#include "cli/report.h"
#include "cli/settings.h"
#include "cli/wast_int.h"

typedef struct Counts {
    u32 passed, failed, skipped;
    u32 other_messages; // the verdict was right, its words were others
} Counts;

typedef struct NamedInstance {
    Str id; // of the module in the script, may be empty
    ImagoInstance *instance; // NULL: it could not be made,
    bool is_unsupported;     // because of something this version does not do
} NamedInstance;

typedef struct Wast {
    const char *path;
    bool is_verbose, requires_simd;
    ImagoCompileOptions options;
    ImagoEngine *engine;
    Counts counts;
    // Of the present script:
    ImagoStore *store;
    ImagoLinker *linker;
    Arena names;
    VEC(ImagoImage *) images;
    VEC(NamedInstance) modules;
    bool has_unsupported; // some module was
    u32 line;
} Wast;

// How making an instance of a module ended.
typedef enum Made { MADE, MADE_TRAP, MADE_ERROR, MADE_UNSUPPORTED } Made;

// ---- Verdicts ----------------------------------------------------------------------------------

__attribute__((format(printf, 2, 0)))
static void say(const Wast *w, const char *format, va_list args) {
    printf("%s:%" PRIu32 ": ", w->path, w->line);
    vprintf(format, args);
    putchar('\n');
}

__attribute__((format(printf, 2, 3)))
static void failed(Wast *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(w, format, args);
    va_end(args);
    w->counts.failed++;
}

static void skipped(Wast *w, const char *why) {
    if (w->is_verbose) {
        printf("%s:%" PRIu32 ": skipped: %s\n", w->path, w->line, why);
    }
    w->counts.skipped++;
}

// The verdict agrees with the script; its words may be others.
static void passed_with(Wast *w, Str expected, const char *message) {
    w->counts.passed++;
    const usize bytes = strlen(message);
    const usize common = expected.count < bytes ? expected.count : bytes;
    if (memcmp(expected.at, message, common) != 0) {
        w->counts.other_messages++;
        if (w->is_verbose) {
            printf("%s:%" PRIu32 ": note: expected \"%.*s\", came \"%s\"\n", w->path, w->line,
                   (int)expected.count, expected.at, message);
        }
    }
}

// ---- Modules -----------------------------------------------------------------------------------

// Makes an image of a module; it lives until the script ends.
static ImagoImage *make_image(Wast *w, const WastModule *module, Error *err) {
    if (!module->is_translated) {
        *err = module->error;
        return NULL;
    }
    int fd = -1;
    if (!imago_compile_fd(module->bytes, module->byte_count, &fd, &w->options, NULL, err)) {
        return NULL;
    }
    ImagoImage *image = imago_image_open_fd(w->engine, fd, err);
    close(fd);
    if (image != NULL && !vec_push(&w->images, image)) {
        imago_image_delete(image);
        image = NULL;
        (void)fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    return image;
}

static Made instantiate(Wast *w, const WastModule *module, ImagoInstance **instance, Error *err) {
    *instance = NULL;
    const ImagoImage *image = make_image(w, module, err);
    if (image == NULL) {
        const bool is_unsupported = err->code == IMAGO_ERROR_UNSUPPORTED && !w->requires_simd;
        return is_unsupported ? MADE_UNSUPPORTED : MADE_ERROR;
    }
    switch (imago_linker_instantiate(w->linker, w->store, image, instance, err)) {
    case IMAGO_OK:
        return MADE;
    case IMAGO_FAIL:
        // An import of a module that could not be made.
        return err->code == IMAGO_ERROR_LINK && w->has_unsupported ? MADE_UNSUPPORTED : MADE_ERROR;
    case IMAGO_TRAP:
    case IMAGO_EXIT:
    default:
        return MADE_TRAP;
    }
}

static const char *trap_message(const Wast *w) {
    const ImagoTrap *trap = imago_store_trap(w->store);
    return trap != NULL ? trap->message : "exit";
}

static void run_module(Wast *w, const WastModule *module) {
    Error err = ERROR_INIT;
    NamedInstance entry = {0};
    const Made made = instantiate(w, module, &entry.instance, &err);
    if (made == MADE_UNSUPPORTED) {
        entry.is_unsupported = w->has_unsupported = true;
        if (w->is_verbose) {
            printf("%s:%" PRIu32 ": module refused: %s\n", w->path, w->line, err.text);
        }
    } else if (made == MADE_TRAP) {
        failed(w, "expected an instance, came trap: %s", trap_message(w));
        entry.instance = NULL;
    } else if (made == MADE_ERROR) {
        failed(w, "expected an instance, came %s: %s", error_name(err.code), err.text);
    }
    const char *id = arena_copy(&w->names, module->id.at, module->id.count);
    entry.id = (Str){id, module->id.count};
    if (id == NULL || !vec_push(&w->modules, entry)) {
        failed(w, "out of memory");
    }
}

// The latest module of that name, or the latest of all. NULL: there is none.
static const NamedInstance *find_module(const Wast *w, Str id) {
    for (usize i = w->modules.count; i-- != 0;) {
        const NamedInstance *module = &w->modules.at[i];
        if (id.count == 0 || str_equal(module->id, id)) {
            return module;
        }
    }
    return NULL;
}

static void run_register(Wast *w, const WastCommand *command) {
    Error err = ERROR_INIT;
    const NamedInstance *module = find_module(w, command->module_id);
    if (module != NULL && module->is_unsupported) {
        return;
    }
    if (module == NULL || module->instance == NULL) {
        failed(w, "register: there is no such module");
    } else if (!imago_linker_define_instance(w->linker, command->name.at, command->name.count,
                                             module->instance, &err)) {
        failed(w, "register: %s", err.text);
    }
}

// ---- Actions -----------------------------------------------------------------------------------

enum { MAX_VALUES = 1000 };

// What an action gave.
typedef struct Result {
    bool is_skipped;    // its module needs what this version does not do
    const char *problem; // it could not be done: why
    ImagoStatus status;
    u32 count;
    ImagoValue values[MAX_VALUES];
    WastValue as_script[MAX_VALUES];
} Result;

static void get_global(const ImagoGlobal *global, Result *result) {
    bool is_mutable;
    const ImagoValue value = imago_global_get(global);
    result->status = IMAGO_OK;
    result->count = 1;
    result->as_script[0] = wast_of_value(imago_global_type(global, &is_mutable), &value);
}

static void call_func(Wast *w, ImagoFunc *func, const WastAction *action, Result *result) {
    Error err = ERROR_INIT;
    const ImagoFuncType type = imago_func_type(w->store, func);
    if (type.param_count != action->arg_count || type.result_count > MAX_VALUES) {
        result->problem = "the number of arguments is not the function's";
        return;
    }
    for (u32 i = 0; i < action->arg_count; i++) {
        result->values[i] = wast_to_value(&action->args[i]);
    }
    result->status = imago_func_call(w->store, func, result->values, &err);
    if (result->status == IMAGO_FAIL) {
        result->problem = "the call was refused";
    } else if (result->status == IMAGO_OK) {
        result->count = type.result_count;
        for (u32 i = 0; i < result->count; i++) {
            result->as_script[i] = wast_of_value((ImagoType)type.results[i], &result->values[i]);
        }
    }
}

static void run_action(Wast *w, const WastAction *action, Result *result) {
    result->is_skipped = false;
    result->problem = NULL;
    result->count = 0;
    result->status = IMAGO_FAIL;
    const NamedInstance *module = find_module(w, action->module_id);
    if (module == NULL || module->instance == NULL) {
        result->is_skipped = module != NULL && module->is_unsupported;
        result->problem = "there is no such module";
        return;
    }
    ImagoExtern item;
    const ImagoExternKind kind = action->is_get ? IMAGO_EXTERN_GLOBAL : IMAGO_EXTERN_FUNC;
    if (!imago_instance_export(module->instance, action->name.at, action->name.count, &item) ||
        item.kind != kind) {
        result->problem = "there is no such export";
    } else if (action->is_get) {
        get_global(item.of.global, result);
    } else {
        call_func(w, item.of.func, action, result);
    }
}

// What came instead of what was expected, into `out`.
static const char *result_text(const Wast *w, const Result *result, char *out, usize out_bytes) {
    if (result->problem != NULL) {
        return result->problem;
    }
    if (result->status == IMAGO_OK) {
        return wast_values_text(result->as_script, result->count, out, out_bytes);
    }
    (void)snprintf(out, out_bytes, "trap: %s", trap_message(w));
    return out;
}

static void assert_return(Wast *w, const WastCommand *command, const Result *result) {
    bool matches = result->problem == NULL && result->status == IMAGO_OK &&
                   result->count == command->result_count;
    for (u32 i = 0; matches && i < result->count; i++) {
        matches = wast_value_matches(&command->results[i], &result->as_script[i]);
    }
    if (matches) {
        w->counts.passed++;
        return;
    }
    char expected[200], came[200], name[80];
    failed(w, "%s: expected %s, came %s",
           str_printable(command->action.name, name, sizeof name),
           wast_values_text(command->results, command->result_count, expected, sizeof expected),
           result_text(w, result, came, sizeof came));
}

static void assert_trap(Wast *w, const WastCommand *command, const Result *result) {
    if (result->problem == NULL && result->status == IMAGO_TRAP) {
        passed_with(w, command->message, trap_message(w));
        return;
    }
    char came[200], name[80];
    failed(w, "%s: expected trap \"%.*s\", came %s",
           str_printable(command->action.name, name, sizeof name), (int)command->message.count,
           command->message.at, result_text(w, result, came, sizeof came));
}

// A command with an action: by itself, or an assertion about it.
static void run_action_command(Wast *w, const WastCommand *command, Result *result) {
    run_action(w, &command->action, result);
    if (result->is_skipped) {
        if (command->kind != WAST_ACTION) {
            skipped(w, "its module is not supported yet");
        }
    } else if (command->kind == WAST_ASSERT_RETURN) {
        assert_return(w, command, result);
    } else if (command->kind != WAST_ACTION) {
        assert_trap(w, command, result);
    } else if (result->problem != NULL || result->status != IMAGO_OK) {
        char came[200];
        failed(w, "expected a return, came %s", result_text(w, result, came, sizeof came));
    }
}

// ---- Assertions about modules ------------------------------------------------------------------

static void assert_rejected(Wast *w, const WastCommand *command, ErrorCode expected) {
    const WastModule *module = &command->module;
    Error err = module->error;
    const bool is_valid = module->is_translated &&
                          imago_validate(module->bytes, module->byte_count, &err);
    // Text that names what a later version has is malformed for this one before it can be invalid.
    const bool is_early = expected == IMAGO_ERROR_INVALID && !module->is_binary &&
                          err.code == IMAGO_ERROR_MALFORMED;
    if (!is_valid && (err.code == expected || is_early)) {
        passed_with(w, command->message, err.text);
        return;
    }
    failed(w, "expected %s \"%.*s\", came %s%s%s", error_name(expected),
           (int)command->message.count, command->message.at,
           is_valid ? "a valid module" : error_name(err.code), is_valid ? "" : ": ",
           is_valid ? "" : err.text);
}

static void assert_not_made(Wast *w, const WastCommand *command) {
    Error err = ERROR_INIT;
    ImagoInstance *instance;
    const Made made = instantiate(w, &command->module, &instance, &err);
    const bool expects_trap = command->kind == WAST_ASSERT_UNINSTANTIABLE;
    if (made == MADE_ERROR && err.code == IMAGO_ERROR_LINK && !expects_trap) {
        passed_with(w, command->message, err.text);
    } else if (made == MADE_TRAP && expects_trap) {
        passed_with(w, command->message, trap_message(w));
    } else if (made == MADE_UNSUPPORTED) {
        skipped(w, "its module is not supported yet");
    } else {
        failed(w, "expected %s \"%.*s\", came %s%s", expects_trap ? "trap" : "link error",
               (int)command->message.count, command->message.at,
               made == MADE         ? "an instance"
               : made == MADE_TRAP  ? "trap: "
                                    : "error: ",
               made == MADE         ? ""
               : made == MADE_TRAP  ? trap_message(w)
                                    : err.text);
    }
}

// ---- Scripts -----------------------------------------------------------------------------------

static void run_command(Wast *w, const WastCommand *command, Result *result) {
    w->line = command->line;
    switch (command->kind) {
    case WAST_MODULE:
        run_module(w, &command->module);
        break;
    case WAST_REGISTER:
        run_register(w, command);
        break;
    case WAST_ACTION:
    case WAST_ASSERT_RETURN:
    case WAST_ASSERT_TRAP:
    case WAST_ASSERT_EXHAUSTION:
        run_action_command(w, command, result);
        break;
    case WAST_ASSERT_INVALID:
        assert_rejected(w, command, IMAGO_ERROR_INVALID);
        break;
    case WAST_ASSERT_MALFORMED:
        assert_rejected(w, command, IMAGO_ERROR_MALFORMED);
        break;
    case WAST_ASSERT_UNLINKABLE:
    case WAST_ASSERT_UNINSTANTIABLE:
        assert_not_made(w, command);
        break;
    case WAST_UNSUPPORTED:
        skipped(w, "the command is of a later version");
        break;
    case WAST_END:
    default:
        break;
    }
}

static bool run_commands(Wast *w, Str text, Result *result, Error *err) {
    WastScript *script = wast_open(text, err);
    TRY(script != NULL);
    WastCommand command;
    bool ok;
    while ((ok = wast_next(script, &command, err)) && command.kind != WAST_END) {
        run_command(w, &command, result);
    }
    wast_close(script);
    return ok;
}

static bool open_world(Wast *w, Error *err) {
    w->store = imago_store_new(w->engine, NULL, err);
    TRY(w->store != NULL);
    w->linker = imago_linker_new(w->engine, err);
    return w->linker != NULL && wast_define_host(w->store, w->linker, err);
}

static void close_world(Wast *w) {
    if (w->linker != NULL) {
        imago_linker_delete(w->linker);
        w->linker = NULL;
    }
    if (w->store != NULL) {
        imago_store_delete(w->store);
        w->store = NULL;
    }
    for (usize i = w->images.count; i-- != 0;) {
        imago_image_delete(w->images.at[i]);
    }
    vec_free(&w->images);
    vec_free(&w->modules);
    arena_deinit(&w->names);
    w->has_unsupported = false;
}

// Returns the exit status of a script that could not be read or run to its end, else 0.
static int run_script(Wast *w, const char *path, Result *result) {
    Error err = ERROR_INIT;
    FileBytes bytes;
    w->path = path;
    if (!file_read(&bytes, path, &err)) {
        return cli_report(path, &err, NULL);
    }
    arena_init(&w->names);
    const bool ok = open_world(w, &err) &&
                    run_commands(w, (Str){(const char *)bytes.at, bytes.count}, result, &err);
    const int status = ok ? 0 : cli_report(path, &err, NULL);
    close_world(w);
    file_release(&bytes);
    return status;
}

static int run_scripts(Wast *w, char **paths) {
    Error err = ERROR_INIT;
    w->engine = imago_engine_new(&err);
    Result *result = mem_alloc(sizeof *result); // too large for a stack frame
    int status = 0, unreadable = 0;
    if (w->engine == NULL || result == NULL) {
        status = cli_error(error_exit_code(IMAGO_ERROR_NO_MEMORY), "no engine: %s", err.text);
    }
    for (; status == 0 && *paths != NULL; paths++) {
        const int script_status = run_script(w, *paths, result);
        w->counts.failed += script_status != 0;
        unreadable = unreadable != 0 ? unreadable : script_status;
        (void)fflush(stdout); // what is known stays known if the next script ends us
    }
    mem_free(result);
    if (w->engine != NULL) {
        imago_engine_delete(w->engine);
    }
    if (w->is_verbose) {
        printf("%" PRIu32 " verdicts in other words than the scripts'\n", w->counts.other_messages);
    }
    printf("%" PRIu32 " passed, %" PRIu32 " failed, %" PRIu32 " skipped\n", w->counts.passed,
           w->counts.failed, w->counts.skipped);
    if (status == 0) {
        status = unreadable != 0 ? unreadable : w->counts.failed != 0;
    }
    return status;
}

static bool set_simd(Wast *w, Args *args) {
    w->requires_simd = strcmp(args->value, "require") == 0;
    if (!w->requires_simd && strcmp(args->value, "reject") != 0) {
        args->status = cli_usage_error(CMD_WAST, "option --simd: expected reject or require, "
                                       "found '%s'", args->value);
        return false;
    }
    return true;
}

int cli_wast(Args *args) {
    Wast w = {.options = {.size = sizeof w.options, .threads = 1}};
    VEC(char *) paths = {0};
    int status = -1; // until the options are read
    while (status < 0) {
        OptionId id = args_next(args);
        if (cli_setting(args, &id, &w.options)) {
            continue;
        }
        switch ((int)id) {
        case OPT_VERBOSE:
            w.is_verbose = true;
            break;
        case OPT_SIMD:
            status = set_simd(&w, args) ? -1 : args->status;
            break;
        case OPT_OPERAND:
            if (!vec_push(&paths, (char *)(uintptr_t)args->value)) {
                status = cli_error(error_exit_code(IMAGO_ERROR_NO_MEMORY), "out of memory");
            }
            break;
        case OPT_END:
            if (paths.count == 0) {
                status = cli_usage_error(CMD_WAST, "no FILE given");
            } else {
                status = vec_push(&paths, NULL) ? run_scripts(&w, paths.at) : 71;
            }
            break;
        default:
            status = args->status;
            break;
        }
    }
    vec_free(&paths);
    return status;
}
