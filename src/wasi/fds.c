// fd_*: everything on an open descriptor but reading, writing and directory entries.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "wasi/fd_table.h"
#include "wasi/guest.h"
#include "wasi/stat.h"

bool wasi_fd_close(WasiCall *call) {
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, 0, &entry));
    errno = wasi_fd_close_number(call->wasi, wasi_arg_u32(call, 0));
    return errno == 0 || wasi_fail_host(call);
}

// The target must be open: a guest cannot choose a number that it was not given.
bool wasi_fd_renumber(WasiCall *call) {
    WasiFd *from, *to;
    TRY(wasi_fd_arg(call, 0, 0, &from));
    TRY(wasi_fd_arg(call, 1, 0, &to));
    if (from != to) {
        wasi_fd_move(call->wasi, wasi_arg_u32(call, 0), wasi_arg_u32(call, 1));
    }
    return true;
}

bool wasi_fd_fdstat_get(WasiCall *call) {
    WasiFd *entry;
    u8 *out;
    TRY(wasi_fd_arg(call, 0, 0, &entry));
    TRY(wasi_pointer(call, 1, WASI_FDSTAT_BYTES, &out));
    memset(out, 0, WASI_FDSTAT_BYTES);
    out[WASI_FDSTAT_FILETYPE] = entry->filetype;
    store_u16(out + WASI_FDSTAT_FLAGS, entry->flags);
    store_u64(out + WASI_FDSTAT_RIGHTS_BASE, entry->base);
    store_u64(out + WASI_FDSTAT_RIGHTS_INHERITING, entry->inheriting | entry->shown);
    return true;
}

// Flags of a borrowed descriptor are shared with the host program and other processes. Only
// NONBLOCK can be set, and only for the guest: io.h says how.
static bool set_host_flags(WasiCall *call, const WasiFd *entry, u32 flags) {
    if (entry->is_borrowed) {
        const bool keeps_append = ((flags ^ entry->flags) & WASI_FDFLAG_APPEND) == 0;
        return keeps_append || wasi_fail(call, WASI_NOTSUP);
    }
    const int append = (flags & WASI_FDFLAG_APPEND) != 0 ? O_APPEND : 0;
    const int nonblock = (flags & WASI_FDFLAG_NONBLOCK) != 0 ? O_NONBLOCK : 0;
    return fcntl(entry->host, F_SETFL, append | nonblock) == 0 || wasi_fail_host(call);
}

// Linux cannot change the synchronisation flags of an open file: NOTSUP.
bool wasi_fd_fdstat_set_flags(WasiCall *call) {
    const u32 fixed = WASI_FDFLAG_DSYNC | WASI_FDFLAG_RSYNC | WASI_FDFLAG_SYNC;
    const u32 flags = wasi_arg_u32(call, 1);
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_FDSTAT_SET_FLAGS, &entry));
    if ((flags & ~(u32)WASI_FDFLAGS_ALL) != 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    if (((flags ^ entry->flags) & fixed) != 0) {
        return wasi_fail(call, WASI_NOTSUP);
    }
    TRY(set_host_flags(call, entry, flags));
    entry->flags = (u16)flags;
    return true;
}

bool wasi_fd_fdstat_set_rights(WasiCall *call) {
    const u64 base = call->args[1], inheriting = call->args[2];
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, 0, &entry));
    if ((base & ~entry->base) != 0 ||
        (inheriting & ~(entry->inheriting | entry->shown)) != 0) {
        return wasi_fail(call, WASI_NOTCAPABLE);
    }
    entry->base = base;
    entry->inheriting &= inheriting;
    entry->shown &= inheriting;
    return true;
}

static bool filestat_get(WasiCall *call, WasiFilestatLayout layout) {
    WasiFd *entry;
    u8 *out;
    struct stat st;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_FILESTAT_GET, &entry));
    TRY(wasi_pointer(call, 1, wasi_filestat_bytes(layout), &out));
    if (fstat(entry->host, &st) != 0) {
        return wasi_fail_host(call);
    }
    wasi_filestat_store(out, layout, &st, (WasiFiletype)entry->filetype);
    return true;
}

bool wasi_fd_filestat_get(WasiCall *call) { return filestat_get(call, WASI_FILESTAT_PREVIEW1); }

bool wasi_fd_filestat_get_unstable(WasiCall *call) {
    return filestat_get(call, WASI_FILESTAT_UNSTABLE);
}

bool wasi_fd_filestat_set_size(WasiCall *call) {
    const u64 bytes = call->args[1];
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_FILESTAT_SET_SIZE, &entry));
    if (bytes > INT64_MAX) {
        return wasi_fail(call, WASI_INVAL);
    }
    int status;
    do {
        status = ftruncate(entry->host, (off_t)bytes);
    } while (status != 0 && errno == EINTR);
    return status == 0 || wasi_fail_host(call);
}

bool wasi_fd_filestat_set_times(WasiCall *call) {
    WasiFd *entry;
    struct timespec times[2];
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_FILESTAT_SET_TIMES, &entry));
    TRY(wasi_times_arg(call, 1, times));
    return futimens(entry->host, times) == 0 || wasi_fail_host(call);
}

bool wasi_fd_datasync(WasiCall *call) {
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_DATASYNC, &entry));
    return fdatasync(entry->host) == 0 || wasi_fail_host(call);
}

bool wasi_fd_sync(WasiCall *call) {
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_SYNC, &entry));
    return fsync(entry->host) == 0 || wasi_fail_host(call);
}

bool wasi_fd_advise(WasiCall *call) {
    static const int ADVICES[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                                  POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,   POSIX_FADV_NOREUSE};
    const u64 offset = call->args[1], bytes = call->args[2];
    const u32 advice = wasi_arg_u32(call, 3);
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_ADVISE, &entry));
    if (advice >= COUNT_OF(ADVICES) || offset > INT64_MAX || bytes > INT64_MAX) {
        return wasi_fail(call, WASI_INVAL);
    }
    errno = posix_fadvise(entry->host, (off_t)offset, (off_t)bytes, ADVICES[advice]);
    return errno == 0 || wasi_fail_host(call);
}

bool wasi_fd_allocate(WasiCall *call) {
    const u64 offset = call->args[1], bytes = call->args[2];
    WasiFd *entry;
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_ALLOCATE, &entry));
    if (offset > INT64_MAX || bytes > INT64_MAX) {
        return wasi_fail(call, WASI_INVAL);
    }
    int status;
    do {
        status = fallocate(entry->host, 0, (off_t)offset, (off_t)bytes);
    } while (status != 0 && errno == EINTR);
    return status == 0 || wasi_fail_host(call);
}

// BADF ends the guest's search for its preopens.
static bool preopen_arg(WasiCall *call, WasiFd **entry) {
    TRY(wasi_fd_arg(call, 0, 0, entry));
    return (*entry)->preopen_name != NULL || wasi_fail(call, WASI_BADF);
}

bool wasi_fd_prestat_get(WasiCall *call) {
    WasiFd *entry;
    u8 *out;
    TRY(preopen_arg(call, &entry));
    TRY(wasi_pointer(call, 1, WASI_PRESTAT_BYTES, &out));
    memset(out, 0, WASI_PRESTAT_BYTES); // the tag of a directory is 0
    store_u32(out + WASI_PRESTAT_NAME_LEN, (u32)strlen(entry->preopen_name));
    return true;
}

bool wasi_fd_prestat_dir_name(WasiCall *call) {
    const u32 room = wasi_arg_u32(call, 2);
    WasiFd *entry;
    u8 *out;
    TRY(preopen_arg(call, &entry));
    const usize bytes = strlen(entry->preopen_name);
    if (room < bytes) {
        return wasi_fail(call, WASI_NAMETOOLONG);
    }
    TRY(wasi_pointer(call, 1, room, &out));
    memcpy(out, entry->preopen_name, bytes);
    return true;
}

// Seeks args[1] bytes from origin args[2]; `origins` gives the host's name for each number.
static bool seek(WasiCall *call, const int origins[WASI_WHENCE_COUNT]) {
    const i64 offset = (i64)call->args[1];
    const u32 whence = wasi_arg_u32(call, 2);
    WasiFd *entry;
    u8 *out;
    if (whence >= WASI_WHENCE_COUNT) {
        return wasi_fail(call, WASI_INVAL);
    }
    const bool only_tells = offset == 0 && origins[whence] == SEEK_CUR;
    TRY(wasi_fd_arg_any(call, 0,
                        WASI_RIGHT_FD_SEEK | (only_tells ? (u64)WASI_RIGHT_FD_TELL : 0), &entry));
    TRY(wasi_pointer(call, 3, 8, &out));
    const off_t position = lseek(entry->host, offset, origins[whence]);
    if (position < 0) {
        return wasi_fail_host(call);
    }
    store_u64(out, (u64)position);
    return true;
}

bool wasi_fd_seek(WasiCall *call) {
    static const int ORIGINS[WASI_WHENCE_COUNT] = {SEEK_SET, SEEK_CUR, SEEK_END};
    return seek(call, ORIGINS);
}

bool wasi_fd_seek_unstable(WasiCall *call) {
    static const int ORIGINS[WASI_WHENCE_COUNT] = {SEEK_CUR, SEEK_END, SEEK_SET};
    return seek(call, ORIGINS);
}

bool wasi_fd_tell(WasiCall *call) {
    WasiFd *entry;
    u8 *out;
    TRY(wasi_fd_arg_any(call, 0, WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL, &entry));
    TRY(wasi_pointer(call, 1, 8, &out));
    const off_t position = lseek(entry->host, 0, SEEK_CUR);
    if (position < 0) {
        return wasi_fail_host(call);
    }
    store_u64(out, (u64)position);
    return true;
}
