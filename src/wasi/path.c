// path_*: names in directories, but path_open and the links (path_open.c, link.c).
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "wasi/guest.h"
#include "wasi/resolve.h"
#include "wasi/stat.h"

// Descriptor args[0] with `right`, and the path at args[1] resolved up to its last component.
static bool place_of_args(WasiCall *call, u64 right, WasiPlace *place) {
    WasiFd *dir;
    TRY(wasi_fd_arg(call, 0, right, &dir));
    TRY(wasi_path_arg(call, 1, 0));
    return wasi_place_open(call, dir, 0, place);
}

bool wasi_path_create_directory(WasiCall *call) {
    WasiPlace place;
    TRY(place_of_args(call, WASI_RIGHT_PATH_CREATE_DIRECTORY, &place));
    const bool is_done = mkdirat(place.parent, place.name, 0777) == 0 || wasi_fail_host(call);
    wasi_place_close(&place);
    return is_done;
}

bool wasi_path_remove_directory(WasiCall *call) {
    WasiPlace place;
    TRY(place_of_args(call, WASI_RIGHT_PATH_REMOVE_DIRECTORY, &place));
    const bool is_done =
        unlinkat(place.parent, place.name, AT_REMOVEDIR) == 0 || wasi_fail_host(call);
    wasi_place_close(&place);
    return is_done;
}

bool wasi_path_unlink_file(WasiCall *call) {
    WasiPlace place;
    TRY(place_of_args(call, WASI_RIGHT_PATH_UNLINK_FILE, &place));
    const bool is_done = wasi_place_refuse_slash(call, &place, WASI_NOENT, WASI_ISDIR) &&
                         (unlinkat(place.parent, place.name, 0) == 0 || wasi_fail_host(call));
    wasi_place_close(&place);
    return is_done;
}

static bool rename_places(WasiCall *call, const WasiPlace *old, const WasiPlace *new) {
    if (old->has_slash || new->has_slash) {
        TRY(wasi_place_expect_directory(call, old));
    }
    return renameat(old->parent, old->name, new->parent, new->name) == 0 || wasi_fail_host(call);
}

bool wasi_path_rename(WasiCall *call) {
    WasiFd *old_dir, *new_dir;
    WasiPlace old, new;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_PATH_RENAME_SOURCE, &old_dir));
    TRY(wasi_fd_arg(call, 3, WASI_RIGHT_PATH_RENAME_TARGET, &new_dir));
    TRY(wasi_path_arg(call, 1, 0));
    TRY(wasi_path_arg(call, 4, 1));
    TRY(wasi_place_open(call, old_dir, 0, &old));
    bool is_done = wasi_place_open(call, new_dir, 1, &new);
    if (is_done) {
        is_done = rename_places(call, &old, &new);
        wasi_place_close(&new);
    }
    wasi_place_close(&old);
    return is_done;
}

// Opens what the path at args[2] names, for its attributes only; args[1] are lookup flags.
static bool open_for_attributes(WasiCall *call, u64 right, int *host) {
    const u32 lookup = wasi_arg_u32(call, 1);
    WasiFd *dir;
    TRY(wasi_fd_arg(call, 0, right, &dir));
    if ((lookup & ~(u32)WASI_LOOKUP_SYMLINK_FOLLOW) != 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    TRY(wasi_path_arg(call, 2, 0));
    const int follow = (lookup & WASI_LOOKUP_SYMLINK_FOLLOW) != 0 ? 0 : O_NOFOLLOW;
    return wasi_open_beneath(call, dir->host, call->wasi->path[0], O_PATH | follow, 0, host);
}

static bool filestat_get(WasiCall *call, WasiFilestatLayout layout) {
    int host;
    u8 *out;
    struct stat st;
    TRY(wasi_pointer(call, 4, wasi_filestat_bytes(layout), &out));
    TRY(open_for_attributes(call, WASI_RIGHT_PATH_FILESTAT_GET, &host));
    const bool is_done = fstat(host, &st) == 0 || wasi_fail_host(call);
    if (is_done) {
        wasi_filestat_store(out, layout, &st, wasi_filetype_of_mode(st.st_mode));
    }
    close(host);
    return is_done;
}

bool wasi_path_filestat_get(WasiCall *call) { return filestat_get(call, WASI_FILESTAT_PREVIEW1); }

bool wasi_path_filestat_get_unstable(WasiCall *call) {
    return filestat_get(call, WASI_FILESTAT_UNSTABLE);
}

// The times are set through the descriptor, so that what was resolved is what changes (Linux 5.8).
bool wasi_path_filestat_set_times(WasiCall *call) {
    int host;
    struct timespec times[2];
    TRY(wasi_times_arg(call, 4, times));
    TRY(open_for_attributes(call, WASI_RIGHT_PATH_FILESTAT_SET_TIMES, &host));
    const bool is_done = utimensat(host, "", times, AT_EMPTY_PATH) == 0 || wasi_fail_host(call);
    close(host);
    return is_done;
}
