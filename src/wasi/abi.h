// Numbers and structure layouts of WASI preview 1, as the guest sees them. Source: the witx files
// of wasi_snapshot_preview1. Structures are little-endian; fields are reached by offset
// (WASI_<STRUCT>_<FIELD>) through load and store, never by a C struct.
#ifndef WASI_ABI_H
#define WASI_ABI_H

#include "base/int.h"

typedef enum WasiErrno {
#define ERRNO(name, number, host) WASI_##name = number,
#include "wasi/errnos.def"
#undef ERRNO
    WASI_ERRNO_COUNT
} WasiErrno;
_Static_assert(WASI_ERRNO_COUNT == 77, "errno numbers are dense and end with notcapable");

typedef enum WasiFiletype {
    WASI_FILETYPE_UNKNOWN, // pipes: preview 1 has no number for them
    WASI_FILETYPE_BLOCK_DEVICE,
    WASI_FILETYPE_CHARACTER_DEVICE,
    WASI_FILETYPE_DIRECTORY,
    WASI_FILETYPE_REGULAR_FILE,
    WASI_FILETYPE_SOCKET_DGRAM,
    WASI_FILETYPE_SOCKET_STREAM,
    WASI_FILETYPE_SYMBOLIC_LINK
} WasiFiletype;

// Kinds of open file, as far as rights differ: one bit each, for the sets in rights.def.
enum {
    WASI_ON_FILE = 1,
    WASI_ON_DIRECTORY = 2,
    WASI_ON_TERMINAL = 4,
    WASI_ON_DEVICE = 8, // character device that is no terminal, block device
    WASI_ON_PIPE = 16,
    WASI_ON_SOCKET = 32,
    WASI_ON_STORED = WASI_ON_FILE | WASI_ON_DIRECTORY | WASI_ON_DEVICE,
    WASI_ON_SEEKABLE = WASI_ON_FILE | WASI_ON_DEVICE,
    WASI_ON_DATA = WASI_ON_SEEKABLE | WASI_ON_TERMINAL | WASI_ON_PIPE | WASI_ON_SOCKET,
    WASI_ON_ALL = WASI_ON_DATA | WASI_ON_DIRECTORY
};

enum {
#define RIGHT(name, bit, kinds, is_writing) WASI_RIGHT_##name = 1 << (bit),
#include "wasi/rights.def"
#undef RIGHT
    WASI_RIGHTS_ALL = (1 << 30) - 1
};

enum {
    WASI_FDFLAG_APPEND = 1,
    WASI_FDFLAG_DSYNC = 2,
    WASI_FDFLAG_NONBLOCK = 4,
    WASI_FDFLAG_RSYNC = 8,
    WASI_FDFLAG_SYNC = 16,
    WASI_FDFLAGS_ALL = 31
};

enum {
    WASI_OFLAG_CREAT = 1,
    WASI_OFLAG_DIRECTORY = 2,
    WASI_OFLAG_EXCL = 4,
    WASI_OFLAG_TRUNC = 8,
    WASI_OFLAGS_ALL = 15
};

enum { WASI_LOOKUP_SYMLINK_FOLLOW = 1 };

enum {
    WASI_FST_ATIM = 1,
    WASI_FST_ATIM_NOW = 2,
    WASI_FST_MTIM = 4,
    WASI_FST_MTIM_NOW = 8,
    WASI_FST_ALL = 15
};

enum { WASI_WHENCE_SET, WASI_WHENCE_CUR, WASI_WHENCE_END, WASI_WHENCE_COUNT };

enum { WASI_CLOCK_REALTIME, WASI_CLOCK_MONOTONIC, WASI_CLOCK_PROCESS_CPU, WASI_CLOCK_THREAD_CPU };

enum { WASI_EVENT_CLOCK, WASI_EVENT_FD_READ, WASI_EVENT_FD_WRITE };
enum { WASI_EVENT_HANGUP = 1 };    // eventrwflags
enum { WASI_SUBCLOCK_ABSTIME = 1 };

enum { WASI_RECV_PEEK = 1, WASI_RECV_WAITALL = 2 };
enum { WASI_RECV_DATA_TRUNCATED = 1 };
enum { WASI_SHUTDOWN_RD = 1, WASI_SHUTDOWN_WR = 2 };

enum { WASI_IOVEC_BUF = 0, WASI_IOVEC_LEN = 4, WASI_IOVEC_BYTES = 8 };

enum {
    WASI_FDSTAT_FILETYPE = 0,
    WASI_FDSTAT_FLAGS = 2,
    WASI_FDSTAT_RIGHTS_BASE = 8,
    WASI_FDSTAT_RIGHTS_INHERITING = 16,
    WASI_FDSTAT_BYTES = 24
};

enum { WASI_PRESTAT_TAG = 0, WASI_PRESTAT_NAME_LEN = 4, WASI_PRESTAT_BYTES = 8 };

enum {
    WASI_DIRENT_NEXT = 0,
    WASI_DIRENT_INO = 8,
    WASI_DIRENT_NAMLEN = 16,
    WASI_DIRENT_TYPE = 20,
    WASI_DIRENT_BYTES = 24
};

enum {
    WASI_EVENT_USERDATA = 0,
    WASI_EVENT_ERROR = 8,
    WASI_EVENT_TYPE = 10,
    WASI_EVENT_NBYTES = 16,
    WASI_EVENT_RWFLAGS = 24,
    WASI_EVENT_BYTES = 32
};

#endif
