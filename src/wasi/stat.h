// File attributes and times between host and guest.
#ifndef WASI_STAT_H
#define WASI_STAT_H

#include <sys/stat.h>
#include <time.h>

#include "wasi/wasi_int.h"

// Layout of filestat: the older module's link count has 32 bits.
typedef enum WasiFilestatLayout {
    WASI_FILESTAT_PREVIEW1,
    WASI_FILESTAT_UNSTABLE
} WasiFilestatLayout;

u32 wasi_filestat_bytes(WasiFilestatLayout layout);
// Writes wasi_filestat_bytes(layout) bytes.
void wasi_filestat_store(u8 *at, WasiFilestatLayout layout, const struct stat *st,
                         WasiFiletype filetype);

// What a name in a directory is; a socket is taken for a stream socket.
WasiFiletype wasi_filetype_of_mode(mode_t mode);

// Nanoseconds since the epoch; false if they do not fit.
bool wasi_time_of(const struct timespec *time, u64 *ns);

// The two times of set_times from args[first] on (access time, modification time, flags). INVAL:
// unknown flags, or a time and "now" for the same field.
bool wasi_times_arg(WasiCall *call, u32 first, struct timespec times[2]);

#endif
