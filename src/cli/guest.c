#define _GNU_SOURCE
#include "cli/guest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/report.h"

// ---- What it is given --------------------------------------------------------------------------

static bool no_memory(Error *err) {
    return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
}

bool guest_add_dir(GuestWorld *world, char *text, Error *err) {
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
        return fail(err, USAGE, ERROR_NO_OFFSET,
                    "option --dir: expected HOST::GUEST, one is empty");
    }
    return vec_push(&world->dirs, dir) || no_memory(err);
}

bool guest_add_env(GuestWorld *world, const char *text, Error *err) {
    if (text[0] == '=' || text[0] == 0) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "option --env: expected NAME=VALUE, found '%s'",
                    text);
    }
    if (strchr(text, '=') == NULL) {
        const char *value = getenv(text);
        if (value == NULL) {
            return true;
        }
        text = value - strlen(text) - 1; // environ holds NAME=VALUE
    }
    return vec_push(&world->envs, text) || no_memory(err);
}

bool guest_inherit_envs(GuestWorld *world, Error *err) {
    for (char **env = environ; env != NULL && *env != NULL; env++) {
        if (!vec_push(&world->envs, *env)) {
            return no_memory(err);
        }
    }
    return true;
}

bool guest_add_args(GuestWorld *world, char **words, Error *err) {
    for (; *words != NULL; words++) {
        if (!vec_push(&world->args, *words)) {
            return no_memory(err);
        }
    }
    return true;
}

void guest_free(GuestWorld *world) {
    vec_free(&world->args);
    vec_free(&world->envs);
    vec_free(&world->dirs);
}

// ---- What lives while it runs ------------------------------------------------------------------

static const char *program_name(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash != NULL && slash[1] != 0 ? slash + 1 : file;
}

static bool make_wasi(Guest *guest, const GuestWorld *world, Error *err) {
    VEC(const char *) args = {0};
    bool ok = vec_push(&args, program_name(guest->file));
    for (usize i = 0; ok && i < world->args.count; i++) {
        ok = vec_push(&args, world->args.at[i]);
    }
    const ImagoWasiOptions options = {
        .size = sizeof options,
        .args = args.at,
        .arg_count = (u32)args.count,
        .envs = world->envs.at,
        .env_count = (u32)world->envs.count,
        .dirs = world->dirs.at,
        .dir_count = (u32)world->dirs.count,
    };
    guest->wasi = ok ? imago_wasi_new(&options, err) : NULL;
    vec_free(&args);
    if (!ok) {
        return no_memory(err);
    }
    return guest->wasi != NULL && imago_wasi_define(guest->wasi, guest->linker, err);
}

bool guest_open(Guest *guest, const GuestWorld *world, const ImagoStoreOptions *options,
                Error *err) {
    guest->store = imago_store_new(guest->engine, options, err);
    TRY(guest->store != NULL);
    guest->linker = imago_linker_new(guest->engine, err);
    return guest->linker != NULL && make_wasi(guest, world, err);
}

void guest_close(Guest *guest) {
    if (guest->linker != NULL) {
        imago_linker_delete(guest->linker);
    }
    if (guest->store != NULL) {
        imago_store_delete(guest->store);
    }
    if (guest->wasi != NULL) {
        imago_wasi_delete(guest->wasi);
    }
    if (guest->image != NULL) {
        imago_image_delete(guest->image);
    }
    if (guest->engine != NULL) {
        imago_engine_delete(guest->engine);
    }
}

// ---- Calls -------------------------------------------------------------------------------------

// The exit status of something that ended with `status`.
static int finish(const Guest *guest, ImagoStatus status, const Error *err) {
    switch (status) {
    case IMAGO_OK:
        return 0;
    case IMAGO_TRAP:
        return cli_report_trap(guest->file, guest->store);
    case IMAGO_EXIT:
        return imago_store_exit_code(guest->store) & 0xFF;
    case IMAGO_FAIL:
    default:
        return cli_report(guest->file, err, NULL);
    }
}

bool guest_start(Guest *guest, int *exit_status) {
    Error err = ERROR_INIT;
    const ImagoStatus status =
        imago_linker_instantiate(guest->linker, guest->store, guest->image, &guest->instance, &err);
    *exit_status = finish(guest, status, &err);
    return status == IMAGO_OK;
}

bool guest_call(Guest *guest, ImagoFunc *func, ImagoValue *values, int *exit_status) {
    Error err = ERROR_INIT;
    const ImagoStatus status = imago_func_call(guest->store, func, values, &err);
    *exit_status = finish(guest, status, &err);
    return status == IMAGO_OK;
}

ImagoFunc *guest_func(const Guest *guest, const char *name) {
    ImagoExtern item;
    const bool found = imago_instance_export(guest->instance, name, strlen(name), &item);
    return found && item.kind == IMAGO_EXTERN_FUNC ? item.of.func : NULL;
}

// ---- The process -------------------------------------------------------------------------------

// A standard stream that is closed must not be replaced by the next file that is opened: output
// would go into it. Its number is taken by something that can be neither read nor written.
static void hold_closed_streams(void) {
    int fd;
    do {
        fd = open("/", O_PATH | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd);
    }
}

void guest_prepare_process(void) {
    hold_closed_streams();
    // A reader that is gone and a file that must not grow are error codes for the guest and for us,
    // not death.
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}
