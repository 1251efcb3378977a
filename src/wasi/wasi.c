// A guest's state: made from the options, ended with everything it left open.
#define _GNU_SOURCE
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wasi/errnos.h"
#include "wasi/fd_table.h"

void wasi_error_set(WasiCall *call, WasiErrno number) {
    if (call->error == WASI_SUCCESS) {
        call->error = number;
    }
}

void wasi_error_set_host(WasiCall *call) { wasi_error_set(call, wasi_errno_of(errno)); }

static bool strings_copy(WasiStrings *out, const char *const *strings, u32 count, const char *what,
                         Error *err) {
    u64 bytes = 0;
    for (u32 i = 0; i < count; i++) {
        if (strings == NULL || strings[i] == NULL) {
            return fail(err, USAGE, ERROR_NO_OFFSET, "%s %u of %u is NULL", what, i, count);
        }
        bytes += strlen(strings[i]) + 1;
    }
    if (bytes > INT32_MAX) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "%ss of more than 2 GiB", what);
    }
    out->bytes = mem_alloc(bytes);
    if (out->bytes == NULL) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory copying %ss", what);
    }
    for (u32 i = 0; i < count; i++) {
        const usize string_bytes = strlen(strings[i]) + 1;
        memcpy(out->bytes + out->byte_count, strings[i], string_bytes);
        out->byte_count += (u32)string_bytes;
    }
    out->count = count;
    return true;
}

static u16 flags_of_host(int host_flags) {
    u32 flags = 0;
    flags |= (host_flags & O_APPEND) != 0 ? WASI_FDFLAG_APPEND : 0;
    flags |= (host_flags & O_NONBLOCK) != 0 ? WASI_FDFLAG_NONBLOCK : 0;
    flags |= (host_flags & O_SYNC) == O_SYNC ? WASI_FDFLAG_SYNC : 0;
    flags |= (host_flags & O_SYNC) == O_DSYNC ? WASI_FDFLAG_DSYNC : 0;
    return (u16)flags;
}

// Rights of a standard stream: input is read, output written, and no more than the host's
// descriptor allows. A socket goes both ways.
static u64 stream_rights(const WasiFd *entry, u32 number, int host_flags) {
    const u64 writing = wasi_rights_of_kind(entry->kind) & ~wasi_rights_read_only();
    const int mode = host_flags & O_ACCMODE;
    const bool is_socket = entry->kind == WASI_ON_SOCKET;
    u64 rights = wasi_rights_of_kind(entry->kind);
    if (mode == O_WRONLY || (number != STDIN_FILENO && !is_socket)) {
        rights &= ~(u64)WASI_RIGHT_FD_READ;
    }
    if (mode == O_RDONLY || (number == STDIN_FILENO && !is_socket)) {
        rights &= ~writing;
    }
    return rights;
}

// A stream that is closed on the host's side, or no more than a place holder (O_PATH), is closed
// for the guest too.
static void stream_init(ImagoWasi *wasi, u32 number, int host) {
    struct stat st;
    const int host_flags = fcntl(host, F_GETFL);
    if (host < 0 || host_flags < 0 || (host_flags & O_PATH) != 0 || fstat(host, &st) != 0 ||
        S_ISDIR(st.st_mode)) {
        return;
    }
    WasiFd entry = {.host = host, .is_borrowed = true, .flags = flags_of_host(host_flags)};
    wasi_fd_classify(&entry, &st, host);
    entry.base = stream_rights(&entry, number, host_flags);
    entry.inheriting = entry.kind == WASI_ON_SOCKET ? entry.base : 0;
    wasi_fd_insert(wasi, number, &entry);
}

static bool streams_init(ImagoWasi *wasi, const ImagoWasiOptions *options, Error *err) {
    const bool is_default =
        options->stdin_fd == 0 && options->stdout_fd == 0 && options->stderr_fd == 0;
    for (u32 i = 0; i < WASI_FIRST_PREOPEN; i++) {
        if (!vec_push(&wasi->fds, (WasiFd){.host = -1})) {
            return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        }
    }
    stream_init(wasi, STDIN_FILENO, is_default ? STDIN_FILENO : options->stdin_fd);
    stream_init(wasi, STDOUT_FILENO, is_default ? STDOUT_FILENO : options->stdout_fd);
    stream_init(wasi, STDERR_FILENO, is_default ? STDERR_FILENO : options->stderr_fd);
    return true;
}

// On false nothing stays open.
static bool preopen_init(WasiFd *out, const ImagoWasiDir *dir, Error *err) {
    struct stat st;
    const int host = open(dir->host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (host < 0 || fstat(host, &st) != 0) {
        const int reason = errno;
        if (host >= 0) {
            close(host);
        }
        return fail(err, NO_INPUT, ERROR_NO_OFFSET, "cannot open directory %s: %s", dir->host_path,
                    strerror(reason));
    }
    *out = (WasiFd){.host = host, .root = {st.st_dev, st.st_ino}};
    wasi_fd_classify(out, &st, host);
    const u64 allowed = dir->is_read_only ? wasi_rights_read_only() : WASI_RIGHTS_ALL;
    out->base = wasi_rights_of_kind(WASI_ON_DIRECTORY) & allowed;
    out->inheriting = allowed & wasi_rights_of_kind(WASI_ON_ALL);
    out->shown = dir->is_read_only ? WASI_RIGHTS_TO_WRITE : 0;
    const usize name_bytes = strlen(dir->guest_path) + 1;
    out->preopen_name = mem_alloc(name_bytes);
    if (out->preopen_name == NULL) {
        close(host);
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    memcpy(out->preopen_name, dir->guest_path, name_bytes);
    return true;
}

static bool preopens_init(ImagoWasi *wasi, const ImagoWasiOptions *options, Error *err) {
    for (u32 i = 0; i < options->dir_count; i++) {
        const ImagoWasiDir *dir = options->dirs == NULL ? NULL : &options->dirs[i];
        if (dir == NULL || dir->host_path == NULL || dir->guest_path == NULL) {
            return fail(err, USAGE, ERROR_NO_OFFSET, "directory %u of %u is NULL", i,
                        options->dir_count);
        }
        WasiFd entry;
        if (!vec_push(&wasi->fds, (WasiFd){.host = -1})) {
            return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        }
        TRY(preopen_init(&entry, dir, err));
        wasi_fd_insert(wasi, WASI_FIRST_PREOPEN + i, &entry);
    }
    return true;
}

static bool wasi_init(ImagoWasi *wasi, const ImagoWasiOptions *options, Error *err) {
    wasi->max_fds = options->max_fds != 0 ? options->max_fds : WASI_DEFAULT_MAX_FDS;
    wasi->lowest_free = WASI_FIRST_PREOPEN;
    TRY(strings_copy(&wasi->args, options->args, options->arg_count, "argument", err));
    TRY(strings_copy(&wasi->envs, options->envs, options->env_count, "environment variable", err));
    TRY(streams_init(wasi, options, err));
    return preopens_init(wasi, options, err);
}

ImagoWasi *imago_wasi_new(const ImagoWasiOptions *options, ImagoError *error) {
    ImagoWasiOptions known = {0};
    if (options == NULL || options->size < sizeof options->size) {
        (void)fail(error, USAGE, ERROR_NO_OFFSET, "options without their size");
        return NULL;
    }
    memcpy(&known, options, options->size < sizeof known ? options->size : sizeof known);
    ImagoWasi *wasi = mem_alloc(sizeof *wasi);
    if (wasi == NULL) {
        (void)fail(error, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    if (!wasi_init(wasi, &known, error)) {
        imago_wasi_delete(wasi);
        return NULL;
    }
    return wasi;
}

void imago_wasi_delete(ImagoWasi *wasi) {
    if (wasi == NULL) {
        return;
    }
    for (u32 i = 0; i < wasi->fds.count; i++) {
        if (wasi->fds.at[i].host >= 0) {
            (void)wasi_fd_close_number(wasi, i);
        }
    }
    vec_free(&wasi->fds);
    mem_free(wasi->args.bytes);
    mem_free(wasi->envs.bytes);
    mem_free(wasi->bindings);
    mem_free(wasi);
}
