#include "wasi/stat.h"

enum { NS_PER_S = 1000000000 };

// Offsets of filestat by layout; the fields up to filetype are the same.
enum { FILESTAT_DEV = 0, FILESTAT_INO = 8, FILESTAT_FILETYPE = 16 };
static const struct {
    u8 nlink, size, atim, mtim, ctim, bytes;
} LAYOUTS[] = {
    [WASI_FILESTAT_PREVIEW1] = {24, 32, 40, 48, 56, 64},
    [WASI_FILESTAT_UNSTABLE] = {20, 24, 32, 40, 48, 56},
};

u32 wasi_filestat_bytes(WasiFilestatLayout layout) { return LAYOUTS[layout].bytes; }

WasiFiletype wasi_filetype_of_mode(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return WASI_FILETYPE_REGULAR_FILE;
    case S_IFDIR:
        return WASI_FILETYPE_DIRECTORY;
    case S_IFLNK:
        return WASI_FILETYPE_SYMBOLIC_LINK;
    case S_IFCHR:
        return WASI_FILETYPE_CHARACTER_DEVICE;
    case S_IFBLK:
        return WASI_FILETYPE_BLOCK_DEVICE;
    case S_IFSOCK:
        return WASI_FILETYPE_SOCKET_STREAM;
    default:
        return WASI_FILETYPE_UNKNOWN;
    }
}

bool wasi_time_of(const struct timespec *time, u64 *ns) {
    if (time->tv_sec < 0) {
        return false;
    }
    return mul_u64((u64)time->tv_sec, NS_PER_S, ns) && add_u64(*ns, (u64)time->tv_nsec, ns);
}

// Times before 1970 and after 2554 have no number: 0.
static u64 file_time(const struct timespec *time) {
    u64 ns;
    return wasi_time_of(time, &ns) ? ns : 0;
}

void wasi_filestat_store(u8 *at, WasiFilestatLayout layout, const struct stat *st,
                         WasiFiletype filetype) {
    memset(at, 0, LAYOUTS[layout].bytes);
    store_u64(at + FILESTAT_DEV, st->st_dev);
    store_u64(at + FILESTAT_INO, st->st_ino);
    at[FILESTAT_FILETYPE] = (u8)filetype;
    if (layout == WASI_FILESTAT_UNSTABLE) {
        store_u32(at + LAYOUTS[layout].nlink, (u32)st->st_nlink);
    } else {
        store_u64(at + LAYOUTS[layout].nlink, st->st_nlink);
    }
    store_u64(at + LAYOUTS[layout].size, (u64)st->st_size);
    store_u64(at + LAYOUTS[layout].atim, file_time(&st->st_atim));
    store_u64(at + LAYOUTS[layout].mtim, file_time(&st->st_mtim));
    store_u64(at + LAYOUTS[layout].ctim, file_time(&st->st_ctim));
}

static struct timespec time_to_set(u64 ns, bool is_given, bool is_now) {
    if (is_now) {
        return (struct timespec){.tv_nsec = UTIME_NOW};
    }
    if (!is_given) {
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    }
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

bool wasi_times_arg(WasiCall *call, u32 first, struct timespec times[2]) {
    const u32 flags = wasi_arg_u32(call, first + 2);
    const u32 both_atim = WASI_FST_ATIM | WASI_FST_ATIM_NOW;
    const u32 both_mtim = WASI_FST_MTIM | WASI_FST_MTIM_NOW;
    if ((flags & ~(u32)WASI_FST_ALL) != 0 || (flags & both_atim) == both_atim ||
        (flags & both_mtim) == both_mtim) {
        return wasi_fail(call, WASI_INVAL);
    }
    times[0] = time_to_set(call->args[first], (flags & WASI_FST_ATIM) != 0,
                           (flags & WASI_FST_ATIM_NOW) != 0);
    times[1] = time_to_set(call->args[first + 1], (flags & WASI_FST_MTIM) != 0,
                           (flags & WASI_FST_MTIM_NOW) != 0);
    return true;
}
