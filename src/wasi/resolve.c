#define _GNU_SOURCE
#include "wasi/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "wasi/guest.h"

// How often a walk is tried again that a concurrent rename made uncertain.
enum { MAX_TRIES = 128 };

bool wasi_text_arg(WasiCall *call, u32 arg, char *out) {
    const u32 bytes = wasi_arg_u32(call, arg + 1);
    u8 *text;
    TRY(wasi_pointer(call, arg, bytes, &text));
    if (bytes == 0) {
        return wasi_fail(call, WASI_NOENT);
    }
    if (bytes >= WASI_PATH_BYTES) {
        return wasi_fail(call, WASI_NAMETOOLONG);
    }
    memcpy(out, text, bytes);
    out[bytes] = 0;
    if (strlen(out) != bytes) {
        return wasi_fail(call, WASI_INVAL);
    }
    return str_is_utf8((Str){out, bytes}) || wasi_fail(call, WASI_ILSEQ);
}

bool wasi_path_arg(WasiCall *call, u32 arg, u32 slot) {
    TRY(wasi_text_arg(call, arg, call->wasi->path[slot]));
    return call->wasi->path[slot][0] != '/' || wasi_fail(call, WASI_PERM);
}

bool wasi_open_beneath(WasiCall *call, int dir, const char *path, int flags, u32 mode, int *host) {
    const struct open_how how = {
        .flags = (u64)(u32)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (u32 tries = 0; tries < MAX_TRIES; tries++) {
        const long opened = syscall(SYS_openat2, dir, path, &how, sizeof how);
        if (opened >= 0) {
            *host = (int)opened;
            return true;
        }
        if (errno != EAGAIN && errno != EINTR) {
            break;
        }
    }
    switch (errno) {
    case EXDEV:
        return wasi_fail(call, WASI_PERM);
    case ENOSYS:
        return wasi_fail(call, WASI_NOTSUP);
    default:
        return wasi_fail_host(call);
    }
}

// Cuts the path at its last slash: *name is what follows. NULL if there was none.
static char *split_last(char *path, const char **name) {
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        *name = path;
        return NULL;
    }
    *slash = 0;
    *name = slash + 1;
    return path;
}

// A path that ends in ".." names a directory above the one that would be opened as its parent: the
// whole of it must lie inside.
static bool check_dotdot(WasiCall *call, const WasiFd *dir, const char *path) {
    int host;
    TRY(wasi_open_beneath(call, dir->host, path, O_PATH | O_DIRECTORY, 0, &host));
    close(host);
    return true;
}

static bool ends_in_dotdot(const char *path, usize bytes) {
    return bytes >= 2 && memcmp(path + bytes - 2, "..", 2) == 0 &&
           (bytes == 2 || path[bytes - 3] == '/');
}

bool wasi_place_open(WasiCall *call, const WasiFd *dir, u32 slot, WasiPlace *out) {
    char *path = call->wasi->path[slot];
    usize bytes = strlen(path);
    *out = (WasiPlace){.parent = dir->host};
    while (bytes > 1 && path[bytes - 1] == '/') {
        path[--bytes] = 0;
        out->has_slash = true;
    }
    if (ends_in_dotdot(path, bytes)) {
        TRY(check_dotdot(call, dir, path));
    }
    const char *parent = split_last(path, &out->name);
    if (parent == NULL) {
        return true;
    }
    out->is_owned = true;
    return wasi_open_beneath(call, dir->host, parent, O_PATH | O_DIRECTORY, 0, &out->parent);
}

void wasi_place_close(const WasiPlace *place) {
    if (place->is_owned) {
        close(place->parent);
    }
}

bool wasi_place_refuse_slash(WasiCall *call, const WasiPlace *place, WasiErrno missing,
                             WasiErrno directory) {
    if (!place->has_slash) {
        return true;
    }
    struct stat st;
    if (fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? wasi_fail(call, missing) : wasi_fail_host(call);
    }
    return wasi_fail(call, S_ISDIR(st.st_mode) ? directory : WASI_NOTDIR);
}

bool wasi_place_expect_directory(WasiCall *call, const WasiPlace *place) {
    struct stat st;
    if (fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return wasi_fail_host(call);
    }
    return S_ISDIR(st.st_mode) || wasi_fail(call, WASI_NOTDIR);
}
