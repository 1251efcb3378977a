// A program of the guest's: what it is given, and what lives while it runs. For `imago run`, and
// for programs that hold their guest.
#ifndef CLI_GUEST_H
#define CLI_GUEST_H

#include "base/error.h"
#include "base/vec.h"
#include "imago/imago.h"
#include "imago/wasi.h"

// `{0}` gives it nothing. The strings are borrowed.
typedef struct GuestWorld {
    VEC(const char *) args; // from argument 1 on
    VEC(const char *) envs;
    VEC(ImagoWasiDir) dirs;
} GuestWorld;

// HOST, HOST::GUEST, either with :ro behind it; `text` is cut up. ERR_USAGE, ERR_NO_MEMORY.
bool guest_add_dir(GuestWorld *world, char *text, Error *err);
// NAME=VALUE, or NAME for the value it has here (nothing if it has none). ERR_USAGE, ERR_NO_MEMORY.
bool guest_add_env(GuestWorld *world, const char *text, Error *err);
// All that are set here. ERR_NO_MEMORY.
bool guest_inherit_envs(GuestWorld *world, Error *err);
// The words that follow, NULL-terminated. ERR_NO_MEMORY.
bool guest_add_args(GuestWorld *world, char **words, Error *err);
void guest_free(GuestWorld *world);

typedef struct Guest {
    const char *file; // what messages call it; without its folders the guest's argument 0
    ImagoEngine *engine;
    ImagoImage *image;
    ImagoStore *store;
    ImagoLinker *linker;
    ImagoWasi *wasi;
    ImagoInstance *instance;
} Guest;

// Makes all but file, engine, image and instance. The world is not needed afterwards.
bool guest_open(Guest *guest, const GuestWorld *world, const ImagoStoreOptions *options,
                Error *err);
// Whatever there is of it, engine and image too.
void guest_close(Guest *guest);

// Instantiates it. False: *exit_status says how that ended, which has been reported.
bool guest_start(Guest *guest, int *exit_status);
// The same of a call.
bool guest_call(Guest *guest, ImagoFunc *func, ImagoValue *values, int *exit_status);
// An exported function; NULL: there is none.
ImagoFunc *guest_func(const Guest *guest, const char *name);

// Standard streams and signals as guests want them: first thing in main.
void guest_prepare_process(void);

#endif
