// path_open: one openat2 for the whole path.
//
// The access mode follows from the rights asked for. Rights that decide about access to data
// (reading, writing, resizing, listing) must be among those the directory passes on, else the open
// is refused; other rights are cut to what the directory passes on, since libraries ask for all
// they might ever need.
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "wasi/guest.h"
#include "wasi/resolve.h"

// Creation mode before umask.
enum { NEW_FILE_MODE = 0666 };

static const u64 READING = WASI_RIGHT_FD_READ | WASI_RIGHT_FD_READDIR;
static const u64 WRITING = WASI_RIGHTS_TO_WRITE;

typedef struct OpenRequest {
    WasiFd dir; // a copy: the table may move
    u32 oflags, fdflags;
    u64 base, inheriting;
    bool follows;
} OpenRequest;

static bool request_of_args(WasiCall *call, OpenRequest *out) {
    const u32 lookup = wasi_arg_u32(call, 1);
    out->oflags = wasi_arg_u32(call, 4);
    out->base = call->args[5];
    out->inheriting = call->args[6];
    out->fdflags = wasi_arg_u32(call, 7);
    out->follows = (lookup & WASI_LOOKUP_SYMLINK_FOLLOW) != 0;
    const u32 both = WASI_OFLAG_CREAT | WASI_OFLAG_DIRECTORY;
    if ((lookup & ~(u32)WASI_LOOKUP_SYMLINK_FOLLOW) != 0 ||
        (out->oflags & ~(u32)WASI_OFLAGS_ALL) != 0 || (out->oflags & both) == both ||
        (out->fdflags & ~(u32)WASI_FDFLAGS_ALL) != 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    return true;
}

// Rights that the directory itself needs, and those it must pass on.
static bool check_rights(WasiCall *call, OpenRequest *request) {
    u64 own = WASI_RIGHT_PATH_OPEN;
    u64 passed = request->base & (READING | WRITING);
    own |= (request->oflags & WASI_OFLAG_CREAT) != 0 ? WASI_RIGHT_PATH_CREATE_FILE : 0;
    own |= (request->oflags & WASI_OFLAG_TRUNC) != 0 ? WASI_RIGHT_PATH_FILESTAT_SET_SIZE : 0;
    passed |= (request->fdflags & WASI_FDFLAG_DSYNC) != 0 ? WASI_RIGHT_FD_DATASYNC : 0;
    passed |= (request->fdflags & (WASI_FDFLAG_RSYNC | WASI_FDFLAG_SYNC)) != 0 ? WASI_RIGHT_FD_SYNC
                                                                               : 0;
    WasiFd *dir;
    TRY(wasi_fd_arg(call, 0, own, &dir));
    request->dir = *dir;
    return (passed & ~dir->inheriting) == 0 || wasi_fail(call, WASI_NOTCAPABLE);
}

static int access_mode(const OpenRequest *request) {
    const bool is_read = (request->base & READING) != 0;
    const bool is_written =
        (request->base & WRITING) != 0 || (request->oflags & WASI_OFLAG_TRUNC) != 0;
    return is_written ? (is_read ? O_RDWR : O_WRONLY) : O_RDONLY;
}

// O_NONBLOCK keeps the open of a FIFO or device from waiting; settle takes it away.
static int host_flags(const OpenRequest *request) {
    const u32 oflags = request->oflags, fdflags = request->fdflags;
    int flags = access_mode(request) | O_NONBLOCK | O_NOCTTY;
    flags |= request->follows ? 0 : O_NOFOLLOW;
    flags |= (oflags & WASI_OFLAG_CREAT) != 0 ? O_CREAT : 0;
    flags |= (oflags & WASI_OFLAG_CREAT) != 0 && (oflags & WASI_OFLAG_EXCL) != 0 ? O_EXCL : 0;
    flags |= (oflags & WASI_OFLAG_DIRECTORY) != 0 ? O_DIRECTORY : 0;
    flags |= (oflags & WASI_OFLAG_TRUNC) != 0 ? O_TRUNC : 0;
    flags |= (fdflags & WASI_FDFLAG_APPEND) != 0 ? O_APPEND : 0;
    flags |= (fdflags & WASI_FDFLAG_DSYNC) != 0 ? O_DSYNC : 0;
    flags |= (fdflags & (WASI_FDFLAG_RSYNC | WASI_FDFLAG_SYNC)) != 0 ? O_SYNC : 0;
    return flags;
}

// Makes the opened file what the guest asked for. On false `host` is still the caller's.
static bool settle(WasiCall *call, const OpenRequest *request, int host, WasiFd *out) {
    struct stat st;
    if (fstat(host, &st) != 0) {
        return wasi_fail_host(call);
    }
    if ((request->fdflags & WASI_FDFLAG_NONBLOCK) == 0 &&
        fcntl(host, F_SETFL, host_flags(request) & O_APPEND) != 0) {
        return wasi_fail_host(call);
    }
    *out = (WasiFd){.host = host, .flags = (u16)request->fdflags, .root = request->dir.root};
    wasi_fd_classify(out, &st, host);
    out->base = request->base & request->dir.inheriting & wasi_rights_of_kind(out->kind);
    if (out->kind == WASI_ON_DIRECTORY) {
        out->inheriting = request->inheriting & request->dir.inheriting;
        out->shown = request->inheriting & request->dir.shown;
    }
    return true;
}

bool wasi_path_open(WasiCall *call) {
    OpenRequest request;
    WasiFd entry;
    u8 *out;
    u32 number;
    int host;
    TRY(request_of_args(call, &request));
    TRY(check_rights(call, &request));
    TRY(wasi_path_arg(call, 2, 0));
    TRY(wasi_pointer(call, 8, 4, &out));
    TRY(wasi_fd_reserve(call, &number));
    TRY(wasi_open_beneath(call, request.dir.host, call->wasi->path[0], host_flags(&request),
                          NEW_FILE_MODE, &host));
    if (!settle(call, &request, host, &entry)) {
        close(host);
        return false;
    }
    wasi_fd_insert(call->wasi, number, &entry);
    store_u32(out, number);
    return true;
}
