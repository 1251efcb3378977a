// What the WASI tests share: a guest memory without an engine, calls of handlers by name, a
// temporary directory as preopen 3.
#ifndef TESTS_UNIT_WASI_TEST_H
#define TESTS_UNIT_WASI_TEST_H

#ifndef _GNU_SOURCE
#error "the test defines _GNU_SOURCE before its first include"
#endif

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "wasi/errnos.h"
#include "wasi/fd_table.h"
#include "wasi/wasi_int.h"

enum { MEMORY_BYTES = 1 << 18 };
// Where things lie in guest memory.
enum { AT_PATH = 0x1000, AT_PATH2 = 0x3000, AT_OUT = 0x5000, AT_IOVS = 0x6000, AT_DATA = 0x8000 };
enum { PREOPEN = 3, NO_FD = 999 };

static u8 memory[MEMORY_BYTES];
static ImagoWasi *wasi;
static char temp_dir[64];    // removed by temp_end
static char preopen_dir[80]; // temp_dir/in: what the guest sees as "/"
static WasiCall last_call;

#define CALL(handler, ...) invoke(wasi_##handler, (u64[WASI_MAX_ARGS]){__VA_ARGS__})

static inline WasiErrno invoke(WasiHandler handler, const u64 *args) {
    last_call = (WasiCall){.wasi = wasi, .memory = memory, .memory_bytes = MEMORY_BYTES};
    memcpy(last_call.args, args, sizeof last_call.args);
    const bool is_done = handler(&last_call);
    if (is_done != (last_call.error == WASI_SUCCESS)) {
        TEST_FAIL("the handler's result and its errno do not agree");
    }
    return last_call.error;
}

#define EXPECT_ERRNO(actual, expected)                                                             \
    do {                                                                                           \
        const WasiErrno got_ = (actual), wanted_ = (expected);                                     \
        if (got_ != wanted_) {                                                                     \
            TEST_FAIL("%s is %s, expected %s", #actual, wasi_errno_name(got_),                     \
                      wasi_errno_name(wanted_));                                                   \
        }                                                                                          \
    } while (0)
#define EXPECT_OK(actual) EXPECT_ERRNO(actual, WASI_SUCCESS)

static inline u32 put(u32 at, const char *text) {
    const usize bytes = strlen(text);
    memcpy(memory + at, text, bytes);
    return (u32)bytes;
}

static inline u32 out_u32(u32 offset) { return load_u32(memory + AT_OUT + offset); }
static inline u64 out_u64(u32 offset) { return load_u64(memory + AT_OUT + offset); }

// One buffer of `bytes` at AT_DATA as the list at AT_IOVS.
static inline void put_iovec(u32 bytes) {
    store_u32(memory + AT_IOVS, AT_DATA);
    store_u32(memory + AT_IOVS + 4, bytes);
}

static inline WasiErrno write_text(u32 fd, const char *text) {
    put_iovec(put(AT_DATA, text));
    return CALL(fd_write, fd, AT_IOVS, 1, AT_OUT);
}

static inline WasiErrno read_some(u32 fd, u32 bytes) {
    put_iovec(bytes);
    return CALL(fd_read, fd, AT_IOVS, 1, AT_OUT);
}

// Calls with one path.
#define PATH(handler, dir, path) CALL(handler, dir, AT_PATH, put(AT_PATH, path))

static inline WasiErrno stat_path(u32 dir, u32 lookup, const char *path) {
    return CALL(path_filestat_get, dir, lookup, AT_PATH, put(AT_PATH, path), AT_OUT);
}

static inline WasiErrno rename_path(u32 old_dir, const char *old, u32 new_dir, const char *new) {
    const u32 old_bytes = put(AT_PATH, old), new_bytes = put(AT_PATH2, new);
    return CALL(path_rename, old_dir, AT_PATH, old_bytes, new_dir, AT_PATH2, new_bytes);
}

static inline WasiErrno link_path(u32 old_dir, const char *old, u32 new_dir, const char *new) {
    const u32 old_bytes = put(AT_PATH, old), new_bytes = put(AT_PATH2, new);
    return CALL(path_link, old_dir, 0, AT_PATH, old_bytes, new_dir, AT_PATH2, new_bytes);
}

static inline WasiErrno symlink_path(const char *target, u32 dir, const char *name) {
    const u32 target_bytes = put(AT_PATH, target), name_bytes = put(AT_PATH2, name);
    return CALL(path_symlink, AT_PATH, target_bytes, dir, AT_PATH2, name_bytes);
}

static inline WasiErrno readlink_path(u32 dir, const char *path, u32 room) {
    return CALL(path_readlink, dir, AT_PATH, put(AT_PATH, path), AT_DATA, room, AT_OUT);
}

typedef struct Open {
    u32 dir;
    const char *path;
    u32 lookup, oflags, fdflags;
    u64 base, inheriting;
} Open;

static inline WasiErrno open_with(const Open *o, u32 *fd) {
    const WasiErrno error = CALL(path_open, o->dir, o->lookup, AT_PATH, put(AT_PATH, o->path),
                                 o->oflags, o->base, o->inheriting, o->fdflags, AT_OUT);
    *fd = error == WASI_SUCCESS ? out_u32(0) : NO_FD;
    return error;
}

#define FILE_RIGHTS ((u64)WASI_RIGHTS_ALL & wasi_rights_of_kind(WASI_ON_FILE))
#define DIR_RIGHTS ((u64)WASI_RIGHTS_ALL & wasi_rights_of_kind(WASI_ON_DIRECTORY))

// Opens with the given rights and flags, following links; NO_FD after a failure.
static inline u32 open_file(const char *path, u32 oflags, u64 base) {
    u32 fd;
    (void)open_with(&(Open){.dir = PREOPEN, .path = path, .lookup = 1, .oflags = oflags,
                            .base = base}, &fd);
    return fd;
}

static inline u32 open_dir(const char *path) {
    u32 fd;
    (void)open_with(&(Open){.dir = PREOPEN, .path = path, .lookup = 1,
                            .oflags = WASI_OFLAG_DIRECTORY, .base = DIR_RIGHTS,
                            .inheriting = WASI_RIGHTS_ALL}, &fd);
    return fd;
}

// The error of opening for reading.
static inline WasiErrno try_open(u32 dir, u32 lookup, const char *path) {
    u32 fd;
    const WasiErrno error = open_with(
        &(Open){.dir = dir, .path = path, .lookup = lookup, .base = WASI_RIGHT_FD_READ}, &fd);
    if (error == WASI_SUCCESS) {
        (void)CALL(fd_close, fd);
    }
    return error;
}

// ---- Host side ----------------------------------------------------------------------------------

static inline const char *host_path(const char *name) {
    static char path[4][512];
    static u32 turn;
    char *out = path[turn++ % 4];
    (void)snprintf(out, sizeof path[0], "%s/%s", temp_dir, name);
    return out;
}

static inline void host_write(const char *name, const char *text) {
    const int fd = open(host_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        TEST_FAIL("cannot write %s", name);
    }
    (void)close(fd);
}

// First bytes of a host file; "" if it cannot be read.
static inline const char *host_read(const char *name) {
    static char text[256];
    const int fd = open(host_path(name), O_RDONLY);
    const ssize_t bytes = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[bytes < 0 ? 0 : bytes] = 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return text;
}

static inline bool host_exists(const char *name) {
    struct stat st;
    return lstat(host_path(name), &st) == 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

// Open descriptors of this process: what a call leaves behind shows.
static inline u32 host_fd_count(void) {
    u32 count = 0;
    for (int i = 0; i < 1024; i++) {
        count += fcntl(i, F_GETFD) >= 0;
    }
    return count;
}

static inline void guest_end(void) {
    imago_wasi_delete(wasi);
    wasi = NULL;
}

// A guest with preopen_dir as descriptor 3, the standard streams closed for it.
static inline void guest_begin_with(bool is_read_only, u32 max_fds) {
    const ImagoWasiDir dir = {preopen_dir, "/", is_read_only};
    const ImagoWasiOptions options = {.size = sizeof options, .dirs = &dir, .dir_count = 1,
                                      .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1,
                                      .max_fds = max_fds};
    ImagoError error = IMAGO_ERROR_INIT;
    wasi = imago_wasi_new(&options, &error);
    if (wasi == NULL) {
        printf("cannot make a guest: %s\n", error.text);
        exit(1);
    }
    memset(memory, 0xAA, sizeof memory);
}

static inline void guest_begin(void) { guest_begin_with(false, 0); }

static inline void temp_begin(void) {
    (void)snprintf(temp_dir, sizeof temp_dir, "/tmp/imago-wasi-XXXXXX");
    if (mkdtemp(temp_dir) == NULL) {
        printf("cannot make a directory in /tmp\n");
        exit(1);
    }
    (void)snprintf(preopen_dir, sizeof preopen_dir, "%s/in", temp_dir);
    (void)mkdir(preopen_dir, 0755);
}

static inline void temp_end(void) {
    (void)nftw(temp_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
