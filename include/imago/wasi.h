/* WASI preview 1 for guests, sandboxed by the kernel (openat2 with RESOLVE_BENEATH). */
#ifndef IMAGO_WASI_H
#define IMAGO_WASI_H

#include "imago/imago.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one guest may see. Not thread-safe; belongs to one store. */
typedef struct ImagoWasi ImagoWasi;

typedef struct ImagoWasiDir {
    const char *host_path;
    const char *guest_path; /* the name the guest finds it under */
    bool is_read_only;      /* nothing below it can be created, changed or removed */
} ImagoWasiDir;

typedef struct ImagoWasiOptions {
    size_t size;              /* sizeof(ImagoWasiOptions) */
    const char *const *args;  /* args[0] is the program's name */
    uint32_t arg_count;
    const char *const *envs;  /* "NAME=value" */
    uint32_t env_count;
    const ImagoWasiDir *dirs; /* preopened from descriptor 3 on, in this order */
    uint32_t dir_count;
    /* Borrowed: never closed, their flags never changed. 0 in all three: the process's own 0, 1, 2.
     * One that is not open (-1), or open with O_PATH only, is closed for the guest. */
    int stdin_fd, stdout_fd, stderr_fd;
    uint32_t max_fds;         /* open at once, 0: 1024 */
} ImagoWasiOptions;

/* Strings are copied, directories opened. NULL: ERROR_NO_INPUT naming a directory that cannot be
 * opened, ERROR_NO_MEMORY, ERROR_USAGE. */
IMAGO_API ImagoWasi *imago_wasi_new(const ImagoWasiOptions *options, ImagoError *error);
/* After its store. Closes what the guest left open. wasi may be NULL. */
IMAGO_API void imago_wasi_delete(ImagoWasi *wasi);

/* Defines all functions of module "wasi_snapshot_preview1" and of its predecessor "wasi_unstable".
 * proc_exit ends a call with IMAGO_EXIT. */
IMAGO_API bool imago_wasi_define(ImagoWasi *wasi, ImagoLinker *linker, ImagoError *error);

#ifdef __cplusplus
}
#endif

#endif
