// path_link, path_symlink, path_readlink.
//
// A symbolic link is never followed outside by us, but host programs follow it too: a guest cannot
// leave one behind that leads out of its preopen. Absolute targets are refused, and so are targets
// with more ".." than there are directories between the link and the preopen.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "wasi/guest.h"
#include "wasi/resolve.h"

// A hard link to what a symbolic link points to cannot be made without naming that by path: INVAL.
bool wasi_path_link(WasiCall *call) {
    WasiFd *old_dir, *new_dir;
    WasiPlace old, new;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_PATH_LINK_SOURCE, &old_dir));
    TRY(wasi_fd_arg(call, 4, WASI_RIGHT_PATH_LINK_TARGET, &new_dir));
    if (wasi_arg_u32(call, 1) != 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    TRY(wasi_path_arg(call, 2, 0));
    TRY(wasi_path_arg(call, 5, 1));
    TRY(wasi_place_open(call, old_dir, 0, &old));
    bool is_done = wasi_place_open(call, new_dir, 1, &new);
    if (is_done) {
        is_done = wasi_place_refuse_slash(call, &old, WASI_NOENT, WASI_PERM) &&
                  wasi_place_refuse_slash(call, &new, WASI_NOENT, WASI_EXIST) &&
                  (linkat(old.parent, old.name, new.parent, new.name, 0) == 0 ||
                   wasi_fail_host(call));
        wasi_place_close(&new);
    }
    wasi_place_close(&old);
    return is_done;
}

// How many directories a relative target climbs above the one its link stands in.
static u32 climbs_of(const char *target) {
    i32 depth = 0, lowest = 0;
    while (*target != 0) {
        const usize bytes = strcspn(target, "/");
        if (bytes == 2 && memcmp(target, "..", 2) == 0) {
            depth--;
        } else if (bytes != 0 && !(bytes == 1 && *target == '.')) {
            depth++;
        }
        lowest = depth < lowest ? depth : lowest;
        target += bytes;
        target += *target == '/';
    }
    return (u32)-lowest;
}

// Opens the parent of *host in its place. False: refused by the host; *host stays the caller's.
static bool climb(WasiCall *call, int *host) {
    const int above = openat(*host, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (above < 0) {
        return wasi_fail_host(call);
    }
    close(*host);
    *host = above;
    return true;
}

// PERM unless `*host` stands at least `climbs` directories below root. *host stays the caller's.
static bool check_depth(WasiCall *call, int *host, u32 climbs, const WasiInode *root) {
    for (u32 depth = 0; depth < WASI_PATH_BYTES; depth++) {
        struct stat st;
        if (fstat(*host, &st) != 0) {
            return wasi_fail_host(call);
        }
        if (st.st_dev == root->dev && st.st_ino == root->ino) {
            return climbs <= depth || wasi_fail(call, WASI_PERM);
        }
        TRY(climb(call, host));
    }
    return wasi_fail(call, WASI_PERM); // moved out of the preopen meanwhile
}

static bool target_stays_inside(WasiCall *call, const WasiFd *dir, const WasiPlace *place) {
    const char *target = call->wasi->link;
    if (*target == '/') {
        return wasi_fail(call, WASI_PERM);
    }
    const u32 climbs = climbs_of(target);
    if (climbs == 0) {
        return true;
    }
    int host = openat(place->parent, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (host < 0) {
        return wasi_fail_host(call);
    }
    const bool is_inside = check_depth(call, &host, climbs, &dir->root);
    close(host);
    return is_inside;
}

bool wasi_path_symlink(WasiCall *call) {
    WasiFd *dir;
    WasiPlace place;
    TRY(wasi_fd_arg(call, 2, WASI_RIGHT_PATH_SYMLINK, &dir));
    TRY(wasi_text_arg(call, 0, call->wasi->link));
    TRY(wasi_path_arg(call, 3, 0));
    TRY(wasi_place_open(call, dir, 0, &place));
    const bool is_done =
        wasi_place_refuse_slash(call, &place, WASI_NOENT, WASI_EXIST) &&
        target_stays_inside(call, dir, &place) &&
        (symlinkat(call->wasi->link, place.parent, place.name) == 0 || wasi_fail_host(call));
    wasi_place_close(&place);
    return is_done;
}

bool wasi_path_readlink(WasiCall *call) {
    const u32 room = wasi_arg_u32(call, 4);
    WasiFd *dir;
    u8 *out, *used;
    int host;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_PATH_READLINK, &dir));
    TRY(wasi_path_arg(call, 1, 0));
    TRY(wasi_pointer(call, 3, room, &out));
    TRY(wasi_pointer(call, 5, 4, &used));
    TRY(wasi_open_beneath(call, dir->host, call->wasi->path[0], O_PATH | O_NOFOLLOW, 0, &host));
    const ssize_t bytes = readlinkat(host, "", call->wasi->link, sizeof call->wasi->link);
    const int reason = errno;
    close(host);
    if (bytes < 0) {
        // The empty name makes ENOENT of what is EINVAL for a path: not a link.
        return wasi_fail(call, reason == ENOENT ? WASI_INVAL : WASI_IO);
    }
    const u32 copied = (u64)bytes < room ? (u32)bytes : room;
    memcpy(out, call->wasi->link, copied);
    store_u32(used, copied);
    return true;
}
