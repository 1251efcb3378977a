// Every right against every operation: an operation is refused exactly when one of the rights it
// needs is missing, and a refused one leaves the tree as it was.
#define _GNU_SOURCE
#include "unit/wasi_test.h"

#include <dirent.h>

static const struct {
    const char *name;
    u64 bit;
    u8 kinds;
    bool is_writing;
} RIGHTS[] = {
#define RIGHT(name, bit, kinds, is_writing) {#name, (u64)1 << (bit), kinds, is_writing},
#include "wasi/rights.def"
#undef RIGHT
};

static void tree_begin(bool is_read_only) {
    temp_begin();
    host_write("in/file", "0123456789");
    (void)mkdir(host_path("in/empty"), 0755);
    (void)mkdir(host_path("in/dir"), 0755);
    host_write("in/dir/file", "deep");
    (void)symlink("file", host_path("in/link"));
    guest_begin_with(is_read_only, 0);
}

static void tree_end(void) {
    guest_end();
    temp_end();
}

static u64 mix(u64 hash, u64 value) { return (hash ^ value) * 0x100000001b3u + (hash >> 29); }

// Names, kinds, sizes, link counts and modification times of a directory's entries, in any order.
static u64 digest_dir(const char *name) {
    u64 sum = 0;
    DIR *dir = opendir(host_path(name));
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat st;
        u64 hash = 17;
        for (const char *p = entry->d_name; *p != 0; p++) {
            hash = mix(hash, (u8)*p);
        }
        if (strcmp(entry->d_name, "..") != 0 &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            hash = mix(mix(mix(hash, st.st_mode), (u64)st.st_size), st.st_nlink);
            hash = mix(mix(hash, (u64)st.st_mtim.tv_sec), (u64)st.st_mtim.tv_nsec);
        }
        sum += hash;
    }
    (void)closedir(dir);
    return sum;
}

static u64 digest(void) { return mix(digest_dir("in"), digest_dir("in/dir")); }

// ---- Operations ---------------------------------------------------------------------------------

// Each on descriptor `fd`: a file opened as in/file, or the directory in/.
static WasiErrno op_read(u32 fd) { return read_some(fd, 4); }
static WasiErrno op_pread(u32 fd) { return CALL(fd_pread, fd, AT_IOVS, 0, 0, AT_OUT); }
static WasiErrno op_write(u32 fd) { return write_text(fd, "x"); }
static WasiErrno op_pwrite(u32 fd) { return CALL(fd_pwrite, fd, AT_IOVS, 0, 0, AT_OUT); }
static WasiErrno op_seek(u32 fd) { return CALL(fd_seek, fd, 1, WASI_WHENCE_SET, AT_OUT); }
static WasiErrno op_sync(u32 fd) { return CALL(fd_sync, fd); }
static WasiErrno op_datasync(u32 fd) { return CALL(fd_datasync, fd); }
static WasiErrno op_set_flags(u32 fd) { return CALL(fd_fdstat_set_flags, fd, 0); }
static WasiErrno op_advise(u32 fd) { return CALL(fd_advise, fd, 0, 0, 0); }
static WasiErrno op_allocate(u32 fd) { return CALL(fd_allocate, fd, 0, 99); }
static WasiErrno op_stat(u32 fd) { return CALL(fd_filestat_get, fd, AT_OUT); }
static WasiErrno op_set_size(u32 fd) { return CALL(fd_filestat_set_size, fd, 3); }
static WasiErrno op_set_times(u32 fd) {
    return CALL(fd_filestat_set_times, fd, 5, 5, WASI_FST_MTIM);
}
static WasiErrno op_fdstat(u32 fd) { return CALL(fd_fdstat_get, fd, AT_OUT); }

// The error of the one event of polling `fd`.
static WasiErrno poll_fd(u32 fd, u8 type) {
    memset(memory + AT_DATA, 0, 48);
    memory[AT_DATA + 8] = type;
    store_u32(memory + AT_DATA + 16, fd);
    EXPECT_OK(CALL(poll_oneoff, AT_DATA, AT_PATH, 1, AT_OUT));
    return (WasiErrno)load_u16(memory + AT_PATH + WASI_EVENT_ERROR);
}
static WasiErrno op_poll_read(u32 fd) { return poll_fd(fd, WASI_EVENT_FD_READ); }
static WasiErrno op_poll_write(u32 fd) { return poll_fd(fd, WASI_EVENT_FD_WRITE); }

static WasiErrno op_mkdir(u32 fd) { return PATH(path_create_directory, fd, "new"); }
static WasiErrno op_rmdir(u32 fd) { return PATH(path_remove_directory, fd, "empty"); }
static WasiErrno op_unlink(u32 fd) { return PATH(path_unlink_file, fd, "file"); }
static WasiErrno op_symlink(u32 fd) { return symlink_path("file", fd, "new"); }
static WasiErrno op_readlink(u32 fd) { return readlink_path(fd, "link", 10); }
static WasiErrno op_path_stat(u32 fd) { return stat_path(fd, 0, "file"); }
static WasiErrno op_path_times(u32 fd) {
    return CALL(path_filestat_set_times, fd, 0, AT_PATH, put(AT_PATH, "file"), 5, 5,
                WASI_FST_MTIM);
}
static WasiErrno op_readdir(u32 fd) { return CALL(fd_readdir, fd, AT_DATA, 500, 0, AT_OUT); }
static WasiErrno op_rename_from(u32 fd) { return rename_path(fd, "file", PREOPEN, "dir/new"); }
static WasiErrno op_rename_to(u32 fd) { return rename_path(PREOPEN, "dir/file", fd, "new"); }
static WasiErrno op_link_from(u32 fd) { return link_path(fd, "file", PREOPEN, "dir/new"); }
static WasiErrno op_link_to(u32 fd) { return link_path(PREOPEN, "dir/file", fd, "new"); }

static WasiErrno open_and_close(u32 dir, const char *path, u32 oflags, u64 base, u32 fdflags) {
    u32 fd;
    const Open o = {.dir = dir, .path = path, .oflags = oflags, .base = base, .fdflags = fdflags};
    const WasiErrno error = open_with(&o, &fd);
    return error == WASI_SUCCESS ? CALL(fd_close, fd) : error;
}
static WasiErrno op_open(u32 fd) { return open_and_close(fd, "file", 0, 0, 0); }
static WasiErrno op_open_create(u32 fd) {
    return open_and_close(fd, "new", WASI_OFLAG_CREAT, 0, 0);
}
static WasiErrno op_open_truncate(u32 fd) {
    return open_and_close(fd, "file", WASI_OFLAG_TRUNC, 0, 0);
}

typedef struct Operation {
    const char *name;
    WasiErrno (*run)(u32 fd);
    u64 needs;      // base rights
    bool is_silent; // changes nothing in the tree even when it succeeds
} Operation;

#define NEEDS(right) ((u64)WASI_RIGHT_##right)

static const Operation FILE_OPERATIONS[] = {
    {"fd_read", op_read, NEEDS(FD_READ), true},
    {"fd_pread", op_pread, NEEDS(FD_READ) | NEEDS(FD_SEEK), true},
    {"fd_write", op_write, NEEDS(FD_WRITE), false},
    {"fd_pwrite", op_pwrite, NEEDS(FD_WRITE) | NEEDS(FD_SEEK), true},
    {"fd_seek", op_seek, NEEDS(FD_SEEK), true},
    {"fd_sync", op_sync, NEEDS(FD_SYNC), true},
    {"fd_datasync", op_datasync, NEEDS(FD_DATASYNC), true},
    {"fd_fdstat_set_flags", op_set_flags, NEEDS(FD_FDSTAT_SET_FLAGS), true},
    {"fd_fdstat_get", op_fdstat, 0, true},
    {"fd_advise", op_advise, NEEDS(FD_ADVISE), true},
    {"fd_allocate", op_allocate, NEEDS(FD_ALLOCATE), false},
    {"fd_filestat_get", op_stat, NEEDS(FD_FILESTAT_GET), true},
    {"fd_filestat_set_size", op_set_size, NEEDS(FD_FILESTAT_SET_SIZE), false},
    {"fd_filestat_set_times", op_set_times, NEEDS(FD_FILESTAT_SET_TIMES), false},
    {"poll read", op_poll_read, NEEDS(POLL_FD_READWRITE) | NEEDS(FD_READ), true},
    {"poll write", op_poll_write, NEEDS(POLL_FD_READWRITE) | NEEDS(FD_WRITE), true},
};

static const Operation DIR_OPERATIONS[] = {
    {"path_create_directory", op_mkdir, NEEDS(PATH_CREATE_DIRECTORY), false},
    {"path_remove_directory", op_rmdir, NEEDS(PATH_REMOVE_DIRECTORY), false},
    {"path_unlink_file", op_unlink, NEEDS(PATH_UNLINK_FILE), false},
    {"path_symlink", op_symlink, NEEDS(PATH_SYMLINK), false},
    {"path_readlink", op_readlink, NEEDS(PATH_READLINK), true},
    {"path_filestat_get", op_path_stat, NEEDS(PATH_FILESTAT_GET), true},
    {"path_filestat_set_times", op_path_times, NEEDS(PATH_FILESTAT_SET_TIMES), false},
    {"fd_readdir", op_readdir, NEEDS(FD_READDIR), true},
    {"path_rename, source", op_rename_from, NEEDS(PATH_RENAME_SOURCE), false},
    {"path_rename, target", op_rename_to, NEEDS(PATH_RENAME_TARGET), false},
    {"path_link, source", op_link_from, NEEDS(PATH_LINK_SOURCE), false},
    {"path_link, target", op_link_to, NEEDS(PATH_LINK_TARGET), false},
    {"path_open", op_open, NEEDS(PATH_OPEN), true},
    {"path_open, create", op_open_create, NEEDS(PATH_OPEN) | NEEDS(PATH_CREATE_FILE), false},
    {"path_open, truncate", op_open_truncate, NEEDS(PATH_OPEN) | NEEDS(PATH_FILESTAT_SET_SIZE),
     false},
    {"fd_sync", op_sync, NEEDS(FD_SYNC), true},
    {"fd_fdstat_set_flags", op_set_flags, NEEDS(FD_FDSTAT_SET_FLAGS), true},
    {"fd_filestat_get", op_stat, NEEDS(FD_FILESTAT_GET), true},
    {"fd_filestat_set_times", op_set_times, NEEDS(FD_FILESTAT_SET_TIMES), false},
};

// ---- The matrix ---------------------------------------------------------------------------------

static void check_cell(const Operation *op, u32 right, bool on_dir) {
    tree_begin(false);
    const u32 fd = on_dir ? open_dir(".") : open_file("file", 0, FILE_RIGHTS);
    const u64 all = on_dir ? DIR_RIGHTS : FILE_RIGHTS;
    EXPECT_OK(CALL(fd_fdstat_set_rights, fd, all & ~RIGHTS[right].bit,
                   on_dir ? WASI_RIGHTS_ALL : 0));
    const bool is_refused = (op->needs & RIGHTS[right].bit) != 0;
    const u64 before = digest();
    const WasiErrno error = op->run(fd);
    if (error != (is_refused ? WASI_NOTCAPABLE : WASI_SUCCESS)) {
        TEST_FAIL("%s without %s: %s", op->name, RIGHTS[right].name, wasi_errno_name(error));
    }
    if ((digest() == before) != (is_refused || op->is_silent)) {
        TEST_FAIL("%s without %s: the tree %s", op->name, RIGHTS[right].name,
                  is_refused ? "changed" : "did not change");
    }
    tree_end();
}

TEST(file_matrix) {
    for (u32 i = 0; i < COUNT_OF(FILE_OPERATIONS); i++) {
        for (u32 right = 0; right < COUNT_OF(RIGHTS); right++) {
            check_cell(&FILE_OPERATIONS[i], right, false);
        }
    }
}

TEST(directory_matrix) {
    for (u32 i = 0; i < COUNT_OF(DIR_OPERATIONS); i++) {
        for (u32 right = 0; right < COUNT_OF(RIGHTS); right++) {
            check_cell(&DIR_OPERATIONS[i], right, true);
        }
    }
}

// fd_tell and a seek that only tells need either of two rights.
TEST(telling) {
    static const struct {
        u64 rights;
        WasiErrno error;
    } ROWS[] = {{WASI_RIGHT_FD_SEEK, WASI_SUCCESS},
                {WASI_RIGHT_FD_TELL, WASI_SUCCESS},
                {0, WASI_NOTCAPABLE}};
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        tree_begin(false);
        const u32 fd = open_file("file", 0, ROWS[i].rights);
        EXPECT_ERRNO(CALL(fd_tell, fd, AT_OUT), ROWS[i].error);
        EXPECT_ERRNO(CALL(fd_seek, fd, 0, WASI_WHENCE_CUR, AT_OUT), ROWS[i].error);
        tree_end();
    }
}

// What a directory does not pass on: refused if it decides about data, else silently left out.
TEST(inheriting) {
    const u64 decisive = NEEDS(FD_READ) | NEEDS(FD_READDIR) | NEEDS(FD_WRITE) |
                         NEEDS(FD_ALLOCATE) | NEEDS(FD_FILESTAT_SET_SIZE);
    for (u32 i = 0; i < COUNT_OF(RIGHTS); i++) {
        tree_begin(false);
        u32 fd;
        const u64 left = WASI_RIGHTS_ALL & ~RIGHTS[i].bit;
        EXPECT_OK(CALL(fd_fdstat_set_rights, PREOPEN, DIR_RIGHTS, left));
        const Open all = {.dir = PREOPEN, .path = "file", .base = WASI_RIGHTS_ALL,
                          .inheriting = WASI_RIGHTS_ALL};
        const bool is_refused = (decisive & RIGHTS[i].bit) != 0;
        EXPECT_ERRNO(open_with(&all, &fd), is_refused ? WASI_NOTCAPABLE : WASI_SUCCESS);
        Open rest = all;
        rest.base = left;
        EXPECT_OK(open_with(&rest, &fd));
        EXPECT_EQ(wasi->fds.at[fd].base, left & FILE_RIGHTS);
        EXPECT_EQ(wasi->fds.at[fd].inheriting, 0);
        const Open dir = {.dir = PREOPEN, .path = "dir", .base = left & DIR_RIGHTS,
                          .inheriting = UINT64_MAX};
        EXPECT_OK(open_with(&dir, &fd));
        EXPECT_EQ(wasi->fds.at[fd].base, left & DIR_RIGHTS);
        EXPECT_EQ(wasi->fds.at[fd].inheriting, left);
        tree_end();
    }
}

TEST(sync_flags_need_rights) {
    static const struct {
        u32 fdflags;
        u64 dropped;
    } ROWS[] = {{WASI_FDFLAG_DSYNC, WASI_RIGHT_FD_DATASYNC},
                {WASI_FDFLAG_SYNC, WASI_RIGHT_FD_SYNC},
                {WASI_FDFLAG_RSYNC, WASI_RIGHT_FD_SYNC}};
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        tree_begin(false);
        EXPECT_OK(open_and_close(PREOPEN, "file", 0, 0, ROWS[i].fdflags));
        EXPECT_OK(CALL(fd_fdstat_set_rights, PREOPEN, DIR_RIGHTS,
                       WASI_RIGHTS_ALL & ~ROWS[i].dropped));
        EXPECT_ERRNO(open_and_close(PREOPEN, "file", 0, 0, ROWS[i].fdflags), WASI_NOTCAPABLE);
        tree_end();
    }
}

TEST(rights_only_shrink) {
    tree_begin(false);
    const u32 fd = open_file("file", 0, WASI_RIGHT_FD_READ);
    EXPECT_ERRNO(CALL(fd_fdstat_set_rights, fd, WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE, 0),
                 WASI_NOTCAPABLE);
    EXPECT_ERRNO(CALL(fd_fdstat_set_rights, fd, WASI_RIGHT_FD_READ, 1), WASI_NOTCAPABLE);
    EXPECT_OK(CALL(fd_fdstat_set_rights, fd, WASI_RIGHT_FD_READ, 0));
    EXPECT_OK(CALL(fd_fdstat_set_rights, fd, 0, 0));
    EXPECT_ERRNO(read_some(fd, 1), WASI_NOTCAPABLE);
    EXPECT_ERRNO(CALL(fd_fdstat_set_rights, fd, WASI_RIGHT_FD_READ, 0), WASI_NOTCAPABLE);
    EXPECT_ERRNO(CALL(fd_fdstat_set_rights, fd, UINT64_MAX, 0), WASI_NOTCAPABLE);
    tree_end();
}

// ---- Read-only preopens -------------------------------------------------------------------------

static u64 read_only_dir_rights(void) {
    u64 rights = 0;
    for (u32 i = 0; i < COUNT_OF(RIGHTS); i++) {
        rights |= RIGHTS[i].is_writing ? 0 : RIGHTS[i].bit;
    }
    return rights & DIR_RIGHTS;
}

// Through the preopen and through a directory opened below it, with all rights asked for.
TEST(read_only_preopen) {
    tree_begin(true);
    const u64 before = digest();
    const u32 dirs[] = {PREOPEN, open_dir(".")};
    for (u32 d = 0; d < COUNT_OF(dirs); d++) {
        EXPECT_EQ(wasi->fds.at[dirs[d]].base, read_only_dir_rights());
        for (u32 i = 0; i < COUNT_OF(DIR_OPERATIONS); i++) {
            const Operation *op = &DIR_OPERATIONS[i];
            const WasiErrno error = op->run(dirs[d]);
            if (error != (op->is_silent ? WASI_SUCCESS : WASI_NOTCAPABLE)) {
                TEST_FAIL("%s: %s", op->name, wasi_errno_name(error));
            }
        }
        static const u64 WRITING[] = {WASI_RIGHT_FD_WRITE, WASI_RIGHT_FD_ALLOCATE,
                                      WASI_RIGHT_FD_FILESTAT_SET_SIZE};
        for (u32 i = 0; i < COUNT_OF(WRITING); i++) {
            EXPECT_ERRNO(open_and_close(dirs[d], "file", 0, WRITING[i], 0), WASI_NOTCAPABLE);
            EXPECT_ERRNO(open_and_close(dirs[d], "file", 0, WRITING[i] | WASI_RIGHT_FD_READ, 0),
                         WASI_NOTCAPABLE);
        }
        EXPECT_ERRNO(open_and_close(dirs[d], "file", WASI_OFLAG_CREAT | WASI_OFLAG_TRUNC, 0, 0),
                     WASI_NOTCAPABLE);
    }
    // A library that asks for what is shown is refused, and not left with a file it cannot write.
    for (u32 d = 0; d < COUNT_OF(dirs); d++) {
        EXPECT_OK(CALL(fd_fdstat_get, dirs[d], AT_OUT));
        const u64 shown = out_u64(16);
        EXPECT_ERRNO(open_and_close(dirs[d], "file", 0, shown & WASI_RIGHT_FD_WRITE, 0),
                     WASI_NOTCAPABLE);
        EXPECT_OK(CALL(fd_fdstat_set_rights, dirs[d], wasi->fds.at[dirs[d]].base, shown));
        EXPECT_ERRNO(open_and_close(dirs[d], "file", 0, WASI_RIGHT_FD_WRITE, 0), WASI_NOTCAPABLE);
        EXPECT_EQ(wasi->fds.at[dirs[d]].inheriting & (u64)WASI_RIGHTS_TO_WRITE, 0);
    }
    // All but writing, as a library that wants to read asks for it.
    const u64 asked = FILE_RIGHTS & ~(u64)(WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE |
                                           WASI_RIGHT_FD_FILESTAT_SET_SIZE);
    const u32 fd = open_file("file", 0, asked);
    EXPECT_OK(read_some(fd, 4));
    EXPECT_ERRNO(write_text(fd, "x"), WASI_NOTCAPABLE);
    EXPECT_ERRNO(CALL(fd_filestat_set_times, fd, 0, 0, WASI_FST_MTIM), WASI_NOTCAPABLE);
    EXPECT_ERRNO(CALL(fd_fdstat_set_rights, fd, asked, 0), WASI_NOTCAPABLE);
    EXPECT_EQ(digest(), before);
    tree_end();
}

// Nothing moves or is linked between a read-only and a writable preopen, in either direction.
TEST(across_preopens) {
    tree_begin(false);
    guest_end();
    (void)mkdir(host_path("other"), 0755);
    host_write("other/theirs", "theirs");
    char other[100];
    (void)snprintf(other, sizeof other, "%s", host_path("other"));
    const ImagoWasiDir dirs[] = {{preopen_dir, "/in", false}, {other, "/other", true}};
    const ImagoWasiOptions options = {.size = sizeof options, .dirs = dirs, .dir_count = 2};
    wasi = imago_wasi_new(&options, NULL);
    EXPECT_ERRNO(rename_path(4, "theirs", 3, "x"), WASI_NOTCAPABLE);
    EXPECT_ERRNO(rename_path(3, "file", 4, "x"), WASI_NOTCAPABLE);
    EXPECT_ERRNO(link_path(4, "theirs", 3, "x"), WASI_NOTCAPABLE);
    EXPECT_ERRNO(link_path(3, "file", 4, "x"), WASI_NOTCAPABLE);
    EXPECT_STR(host_read("other/theirs"), "theirs");
    EXPECT_STR(host_read("in/file"), "0123456789");
    EXPECT(!host_exists("in/x") && !host_exists("other/x"));
    tree_end();
}

// A right that the kind of file cannot have is not granted, and the errno says why.
TEST(kinds) {
    tree_begin(false);
    const u32 file = open_file("file", 0, WASI_RIGHTS_ALL & ~(u64)WASI_RIGHT_FD_READDIR);
    EXPECT_EQ(wasi->fds.at[file].base, FILE_RIGHTS);
    EXPECT_ERRNO(op_mkdir(file), WASI_NOTDIR);
    EXPECT_ERRNO(op_open(file), WASI_NOTDIR);
    EXPECT_ERRNO(op_readdir(file), WASI_NOTDIR);
    EXPECT_ERRNO(CALL(sock_shutdown, file, 3), WASI_NOTSOCK);
    EXPECT_ERRNO(CALL(sock_accept, file, 0, AT_OUT), WASI_NOTSOCK);
    EXPECT_ERRNO(CALL(sock_recv, file, AT_IOVS, 0, 0, AT_OUT, AT_OUT), WASI_NOTSOCK);
    EXPECT_ERRNO(CALL(sock_send, file, AT_IOVS, 0, 0, AT_OUT), WASI_NOTSOCK);
    EXPECT_ERRNO(CALL(sock_shutdown, PREOPEN, 3), WASI_NOTSOCK);
    EXPECT_ERRNO(CALL(fd_allocate, PREOPEN, 0, 1), WASI_ISDIR);
    tree_end();
}

int main(void) {
    RUN(file_matrix);
    RUN(directory_matrix);
    RUN(telling);
    RUN(inheriting);
    RUN(sync_flags_need_rights);
    RUN(rights_only_shrink);
    RUN(read_only_preopen);
    RUN(across_preopens);
    RUN(kinds);
    return test_end();
}
