// Open descriptors: numbers, renumbering, quota, seeking, flags, guest pointers, directories.
#define _GNU_SOURCE
#include "unit/wasi_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static void begin(void) {
    temp_begin();
    host_write("in/file", "0123456789");
    guest_begin();
}

static void end(void) {
    guest_end();
    temp_end();
}

TEST(numbers) {
    begin();
    const u32 before = host_fd_count();
    const u32 a = open_file("file", 0, FILE_RIGHTS), b = open_file("file", 0, FILE_RIGHTS);
    EXPECT_EQ(a, 4);
    EXPECT_EQ(b, 5);
    EXPECT_OK(CALL(fd_close, a));
    EXPECT_ERRNO(CALL(fd_close, a), WASI_BADF);
    EXPECT_EQ(open_file("file", 0, FILE_RIGHTS), a);
    EXPECT_EQ(open_file("file", 0, FILE_RIGHTS), 6);
    EXPECT_EQ(host_fd_count(), before + 3);
    EXPECT_ERRNO(CALL(fd_close, 0), WASI_BADF); // closed on the host's side
    EXPECT_ERRNO(CALL(fd_close, UINT32_MAX), WASI_BADF);
    EXPECT_ERRNO(CALL(fd_close, 0x80000003u), WASI_BADF);
    EXPECT_OK(CALL(fd_close, PREOPEN));
    EXPECT_EQ(open_file("file", 0, FILE_RIGHTS), NO_FD);
    guest_end();
    EXPECT_EQ(host_fd_count(), before - 1);
    temp_end();
}

TEST(renumber) {
    begin();
    host_write("in/other", "other");
    const u32 before = host_fd_count();
    const u32 a = open_file("file", 0, FILE_RIGHTS);
    const u32 b = open_file("other", 0, WASI_RIGHT_FD_READ);
    EXPECT_OK(CALL(fd_renumber, a, b));
    EXPECT_EQ(host_fd_count(), before + 1); // the target was closed
    EXPECT_ERRNO(CALL(fd_close, a), WASI_BADF);
    EXPECT_OK(read_some(b, 3));
    EXPECT(memcmp(memory + AT_DATA, "012", 3) == 0);
    EXPECT_OK(CALL(fd_fdstat_get, b, AT_OUT));
    EXPECT_EQ(out_u64(8), FILE_RIGHTS);
    EXPECT_ERRNO(CALL(fd_renumber, b, a), WASI_BADF);   // unused
    EXPECT_ERRNO(CALL(fd_renumber, b, 500), WASI_BADF); // never used
    EXPECT_ERRNO(CALL(fd_renumber, b, 0), WASI_BADF);   // standard stream that is closed
    EXPECT_ERRNO(CALL(fd_renumber, 500, b), WASI_BADF);
    EXPECT_OK(CALL(fd_renumber, b, b));
    EXPECT_OK(CALL(fd_tell, b, AT_OUT));
    EXPECT_EQ(out_u64(0), 3);
    EXPECT_EQ(open_file("other", 0, WASI_RIGHT_FD_READ), a); // the number is free again
    // Over a preopen: it is closed, and the number is none any more.
    EXPECT_OK(CALL(fd_renumber, b, PREOPEN));
    EXPECT_ERRNO(CALL(fd_prestat_get, PREOPEN, AT_OUT), WASI_BADF);
    EXPECT_OK(CALL(fd_tell, PREOPEN, AT_OUT));
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, AT_PATH, put(AT_PATH, "file")), WASI_NOTDIR);
    EXPECT_EQ(host_fd_count(), before + 1);
    end();
}

TEST(quota) {
    temp_begin();
    host_write("in/file", "x");
    guest_begin_with(false, 5); // the preopen is one of them
    const u32 before = host_fd_count();
    for (u32 i = 0; i < 4; i++) {
        EXPECT_EQ(open_file("file", 0, FILE_RIGHTS), 4 + i);
    }
    u32 fd;
    EXPECT_ERRNO(open_with(&(Open){.dir = PREOPEN, .path = "file"}, &fd), WASI_MFILE);
    EXPECT_EQ(host_fd_count(), before + 4);
    EXPECT_OK(CALL(fd_close, 6));
    EXPECT_OK(open_with(&(Open){.dir = PREOPEN, .path = "file"}, &fd));
    EXPECT_EQ(fd, 6);
    guest_end();
    temp_end();
}

TEST(prestat) {
    begin();
    EXPECT_OK(CALL(fd_prestat_get, PREOPEN, AT_OUT));
    EXPECT_EQ(out_u32(0), 0);
    EXPECT_EQ(out_u32(4), 1);
    EXPECT_OK(CALL(fd_prestat_dir_name, PREOPEN, AT_DATA, 1));
    EXPECT_EQ(memory[AT_DATA], '/');
    EXPECT_EQ(memory[AT_DATA + 1], 0xAA);
    EXPECT_OK(CALL(fd_prestat_dir_name, PREOPEN, AT_DATA, 2));
    EXPECT_ERRNO(CALL(fd_prestat_dir_name, PREOPEN, AT_DATA, 0), WASI_NAMETOOLONG);
    EXPECT_ERRNO(CALL(fd_prestat_get, 4, AT_OUT), WASI_BADF);
    EXPECT_ERRNO(CALL(fd_prestat_get, PREOPEN, MEMORY_BYTES - 7), WASI_FAULT);
    const u32 dir = open_dir(".");
    EXPECT_ERRNO(CALL(fd_prestat_get, dir, AT_OUT), WASI_BADF);
    end();
}

TEST(seek_and_tell) {
    begin();
    const u32 fd = open_file("file", 0, FILE_RIGHTS);
    EXPECT_OK(CALL(fd_seek, fd, 4, WASI_WHENCE_SET, AT_OUT));
    EXPECT_EQ(out_u64(0), 4);
    EXPECT_OK(CALL(fd_seek, fd, (u64)-1, WASI_WHENCE_CUR, AT_OUT));
    EXPECT_EQ(out_u64(0), 3);
    EXPECT_OK(CALL(fd_seek, fd, (u64)-2, WASI_WHENCE_END, AT_OUT));
    EXPECT_EQ(out_u64(0), 8);
    EXPECT_ERRNO(CALL(fd_seek, fd, (u64)-100, WASI_WHENCE_CUR, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_seek, fd, 0, 3, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_seek, fd, 0, WASI_WHENCE_SET, MEMORY_BYTES - 7), WASI_FAULT);
    EXPECT_OK(CALL(fd_tell, fd, AT_OUT));
    EXPECT_EQ(out_u64(0), 8);
    // The older module counts origins from the current position.
    EXPECT_OK(CALL(fd_seek_unstable, fd, (u64)-1, 0, AT_OUT));
    EXPECT_EQ(out_u64(0), 7);
    EXPECT_OK(CALL(fd_seek_unstable, fd, (u64)-1, 1, AT_OUT));
    EXPECT_EQ(out_u64(0), 9);
    EXPECT_OK(CALL(fd_seek_unstable, fd, 2, 2, AT_OUT));
    EXPECT_EQ(out_u64(0), 2);
    EXPECT_ERRNO(CALL(fd_seek, PREOPEN, 0, 0, AT_OUT), WASI_ISDIR);
    EXPECT_ERRNO(CALL(fd_tell, PREOPEN, AT_OUT), WASI_ISDIR);
    end();
}

TEST(read_and_write) {
    begin();
    const u32 fd = open_file("file", 0, FILE_RIGHTS);
    // Two buffers, an empty one between them.
    const u32 list[] = {AT_DATA, 3, 0, 0, AT_DATA + 100, 4};
    memcpy(memory + AT_IOVS, list, sizeof list);
    EXPECT_OK(CALL(fd_read, fd, AT_IOVS, 3, AT_OUT));
    EXPECT_EQ(out_u32(0), 7);
    EXPECT(memcmp(memory + AT_DATA, "012", 3) == 0);
    EXPECT(memcmp(memory + AT_DATA + 100, "3456", 4) == 0);
    EXPECT_OK(CALL(fd_pwrite, fd, AT_IOVS, 3, 20, AT_OUT));
    EXPECT_EQ(out_u32(0), 7);
    EXPECT_OK(CALL(fd_pread, fd, AT_IOVS, 1, 22, AT_OUT));
    EXPECT(memcmp(memory + AT_DATA, "234", 3) == 0);
    EXPECT_OK(CALL(fd_tell, fd, AT_OUT));
    EXPECT_EQ(out_u64(0), 7);
    EXPECT_OK(CALL(fd_read, fd, AT_IOVS, 0, AT_OUT));
    EXPECT_EQ(out_u32(0), 0);
    EXPECT_ERRNO(CALL(fd_pread, fd, AT_IOVS, 1, (u64)-1, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_pwrite, fd, AT_IOVS, 1, (u64)INT64_MIN, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_read, PREOPEN, AT_IOVS, 1, AT_OUT), WASI_ISDIR);
    EXPECT_ERRNO(CALL(fd_write, PREOPEN, AT_IOVS, 1, AT_OUT), WASI_ISDIR);
    EXPECT_ERRNO(CALL(fd_read, 77, AT_IOVS, 1, AT_OUT), WASI_BADF);
    end();
}

// Lists and buffers at and over the edges of memory; nothing is moved when one is refused.
TEST(iovec_bounds) {
    static const struct {
        u32 at, count, buf, len;
        WasiErrno error;
    } ROWS[] = {
        {AT_IOVS, 1, MEMORY_BYTES - 4, 4, WASI_SUCCESS},
        {AT_IOVS, 1, MEMORY_BYTES, 0, WASI_SUCCESS},
        {MEMORY_BYTES - 8, 1, AT_DATA, 4, WASI_SUCCESS},
        {MEMORY_BYTES, 0, 0, 0, WASI_SUCCESS},
        {AT_IOVS, 1, MEMORY_BYTES - 4, 5, WASI_FAULT},
        {AT_IOVS, 1, MEMORY_BYTES + 1, 0, WASI_FAULT},
        {AT_IOVS, 1, UINT32_MAX, 1, WASI_FAULT},
        {AT_IOVS, 1, UINT32_MAX, UINT32_MAX, WASI_FAULT},
        {AT_IOVS, 1, 0, UINT32_MAX, WASI_FAULT},
        {MEMORY_BYTES - 7, 1, 0, 0, WASI_FAULT},
        {UINT32_MAX, 1, 0, 0, WASI_FAULT},
        {UINT32_MAX, 0, 0, 0, WASI_FAULT},
        {AT_IOVS, UINT32_MAX, 0, 0, WASI_FAULT},
        {AT_IOVS, 0x20000000, 0, 0, WASI_FAULT}, // times 8 is 2^32
        {AT_IOVS, 1025, AT_DATA, 4, WASI_INVAL},
    };
    begin();
    const u32 fd = open_file("file", 0, FILE_RIGHTS);
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        const u32 at = range_fits(ROWS[i].at, 8, MEMORY_BYTES) ? ROWS[i].at : AT_IOVS;
        store_u32(memory + at, ROWS[i].buf);
        store_u32(memory + at + 4, ROWS[i].len);
        (void)CALL(fd_seek, fd, 0, WASI_WHENCE_SET, AT_OUT);
        const WasiErrno error = CALL(fd_read, fd, ROWS[i].at, ROWS[i].count, AT_OUT);
        if (error != ROWS[i].error) {
            TEST_FAIL("row %u: %s", i, wasi_errno_name(error));
        }
        if (error != WASI_SUCCESS) {
            EXPECT_ERRNO(CALL(fd_write, fd, ROWS[i].at, ROWS[i].count, AT_OUT), error);
            EXPECT_OK(CALL(fd_tell, fd, AT_OUT));
            EXPECT_EQ(out_u64(0), 0);
        }
    }
    put_iovec(4);
    EXPECT_ERRNO(CALL(fd_read, fd, AT_IOVS, 1, MEMORY_BYTES - 3), WASI_FAULT);
    EXPECT_OK(CALL(fd_tell, fd, AT_OUT));
    EXPECT_EQ(out_u64(0), 0);
    EXPECT_STR(host_read("in/file"), "0123456789");
    end();
}

TEST(flags) {
    begin();
    const u32 fd = open_file("file", 0, FILE_RIGHTS);
    EXPECT_OK(CALL(fd_fdstat_get, fd, AT_OUT));
    EXPECT_EQ(memory[AT_OUT], WASI_FILETYPE_REGULAR_FILE);
    EXPECT_EQ(load_u16(memory + AT_OUT + 2), 0);
    EXPECT_EQ(out_u64(8), FILE_RIGHTS);
    EXPECT_EQ(out_u64(16), 0);
    EXPECT_OK(CALL(fd_fdstat_set_flags, fd, WASI_FDFLAG_APPEND | WASI_FDFLAG_NONBLOCK));
    EXPECT_OK(CALL(fd_fdstat_get, fd, AT_OUT));
    EXPECT_EQ(load_u16(memory + AT_OUT + 2), WASI_FDFLAG_APPEND | WASI_FDFLAG_NONBLOCK);
    EXPECT_OK(write_text(fd, "end"));
    EXPECT_STR(host_read("in/file"), "0123456789end");
    EXPECT_OK(CALL(fd_fdstat_set_flags, fd, 0));
    EXPECT_OK(CALL(fd_seek, fd, 0, WASI_WHENCE_SET, AT_OUT));
    EXPECT_OK(write_text(fd, "abc"));
    EXPECT_STR(host_read("in/file"), "abc3456789end");
    EXPECT_ERRNO(CALL(fd_fdstat_set_flags, fd, WASI_FDFLAG_SYNC), WASI_NOTSUP);
    EXPECT_ERRNO(CALL(fd_fdstat_set_flags, fd, WASI_FDFLAG_DSYNC), WASI_NOTSUP);
    EXPECT_ERRNO(CALL(fd_fdstat_set_flags, fd, 32), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_fdstat_set_flags, fd, UINT32_MAX), WASI_INVAL);
    end();
}

TEST(size_and_times) {
    begin();
    const u32 fd = open_file("file", 0, FILE_RIGHTS);
    EXPECT_OK(CALL(fd_filestat_set_size, fd, 100));
    EXPECT_OK(CALL(fd_allocate, fd, 50, 100));
    EXPECT_OK(CALL(fd_filestat_set_times, fd, 1000000001, 2000000002,
                   WASI_FST_ATIM | WASI_FST_MTIM));
    EXPECT_OK(CALL(fd_filestat_get, fd, AT_OUT));
    EXPECT_EQ(out_u64(32), 150);
    EXPECT_EQ(out_u64(40), 1000000001);
    EXPECT_EQ(out_u64(48), 2000000002);
    EXPECT_OK(CALL(fd_filestat_get_unstable, fd, AT_OUT));
    EXPECT_EQ(out_u64(24), 150);
    EXPECT_EQ(out_u64(40), 2000000002);
    EXPECT_ERRNO(CALL(fd_filestat_set_size, fd, (u64)INT64_MAX + 1), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_filestat_set_size, PREOPEN, 0), WASI_ISDIR);
    EXPECT_ERRNO(CALL(fd_allocate, fd, (u64)INT64_MAX + 1, 1), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_allocate, fd, 0, 0), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_allocate, fd, INT64_MAX, INT64_MAX), WASI_FBIG);
    EXPECT_ERRNO(CALL(fd_filestat_set_times, fd, 0, 0, 3), WASI_INVAL);
    EXPECT_OK(CALL(fd_filestat_set_times, fd, 0, 0, WASI_FST_ATIM_NOW | WASI_FST_MTIM_NOW));
    for (u32 advice = 0; advice < 6; advice++) {
        EXPECT_OK(CALL(fd_advise, fd, 0, 10, advice));
    }
    EXPECT_ERRNO(CALL(fd_advise, fd, 0, 10, 6), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_advise, fd, UINT64_MAX, 10, 0), WASI_INVAL);
    EXPECT_OK(CALL(fd_sync, fd));
    EXPECT_OK(CALL(fd_datasync, fd));
    EXPECT_OK(CALL(fd_sync, PREOPEN));
    end();
}

// Lists directory `fd` with a buffer of `room` bytes; names are counted and marked by number.
static u32 list_all(u32 fd, u32 room, u32 *calls) {
    u64 cookie = 0;
    u32 names = 0;
    for (*calls = 1; *calls < 10000; (*calls)++) {
        EXPECT_OK(CALL(fd_readdir, fd, AT_DATA, room, cookie, AT_OUT));
        const u32 used = out_u32(0);
        u32 at = 0;
        while (used - at >= WASI_DIRENT_BYTES) {
            const u8 *entry = memory + AT_DATA + at;
            const u32 name_bytes = load_u32(entry + WASI_DIRENT_NAMLEN);
            if (used - at < WASI_DIRENT_BYTES + name_bytes) {
                break;
            }
            cookie = load_u64(entry + WASI_DIRENT_NEXT);
            names++;
            at += WASI_DIRENT_BYTES + name_bytes;
        }
        if (used < room) {
            return names;
        }
    }
    return names;
}

TEST(readdir) {
    temp_begin();
    guest_begin();
    char name[32];
    u32 calls;
    const u32 fd = open_dir(".");
    EXPECT_EQ(list_all(fd, 4096, &calls), 2); // "." and ".."
    for (u32 i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof name, "in/name_%u", i);
        host_write(name, "");
    }
    static const u32 ROOMS[] = {64, 100, 256, 1000, 4096, 100000};
    for (u32 i = 0; i < COUNT_OF(ROOMS); i++) {
        EXPECT_EQ(list_all(fd, ROOMS[i], &calls), 502);
    }
    EXPECT_EQ(calls, 1);
    // The preopen and an own descriptor have their own positions.
    EXPECT_EQ(list_all(PREOPEN, 256, &calls), 502);
    EXPECT_OK(CALL(fd_readdir, fd, AT_DATA, 0, 0, AT_OUT));
    EXPECT_EQ(out_u32(0), 0);
    EXPECT_OK(CALL(fd_readdir, fd, AT_DATA, 10, 0, AT_OUT)); // a cut entry fills the buffer
    EXPECT_EQ(out_u32(0), 10);
    EXPECT_ERRNO(CALL(fd_readdir, fd, AT_DATA, 100, UINT64_MAX, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(fd_readdir, fd, AT_DATA, MEMORY_BYTES, 0, AT_OUT), WASI_FAULT);
    EXPECT_ERRNO(CALL(fd_readdir, fd, AT_DATA, 100, 0, MEMORY_BYTES - 3), WASI_FAULT);
    const WasiErrno any_cookie = CALL(fd_readdir, fd, AT_DATA, 100, 0x123456789abcdef, AT_OUT);
    EXPECT(any_cookie == WASI_SUCCESS || any_cookie == WASI_INVAL);
    const u32 file = open_file("name_0", 0, FILE_RIGHTS | WASI_RIGHT_FD_READDIR);
    EXPECT_ERRNO(CALL(fd_readdir, file, AT_DATA, 100, 0, AT_OUT), WASI_NOTDIR);
    guest_end();
    temp_end();
}

TEST(readdir_fields) {
    temp_begin();
    (void)mkdir(host_path("in/sub"), 0755);
    (void)symlink("sub", host_path("in/link"));
    (void)mkfifo(host_path("in/fifo"), 0644);
    host_write("in/file", "x");
    guest_begin();
    struct stat st;
    EXPECT_OK(CALL(fd_readdir, PREOPEN, AT_DATA, 4096, 0, AT_OUT));
    for (u32 at = 0; at < out_u32(0);) {
        const u8 *entry = memory + AT_DATA + at;
        char name[300] = "in/";
        const u32 name_bytes = load_u32(entry + WASI_DIRENT_NAMLEN);
        memcpy(name + 3, entry + WASI_DIRENT_BYTES, name_bytes);
        name[3 + name_bytes] = 0;
        const bool is_above = strcmp(name, "in/..") == 0; // has the number of "."
        EXPECT_EQ(lstat(host_path(is_above ? "in" : name), &st), 0);
        EXPECT_EQ(load_u64(entry + WASI_DIRENT_INO), st.st_ino);
        const u8 type = entry[WASI_DIRENT_TYPE];
        EXPECT_EQ(type, S_ISDIR(st.st_mode)   ? WASI_FILETYPE_DIRECTORY
                        : S_ISREG(st.st_mode) ? WASI_FILETYPE_REGULAR_FILE
                        : S_ISLNK(st.st_mode) ? WASI_FILETYPE_SYMBOLIC_LINK
                                              : WASI_FILETYPE_UNKNOWN);
        at += WASI_DIRENT_BYTES + name_bytes;
    }
    guest_end();
    temp_end();
}

// ---- Standard streams ---------------------------------------------------------------------------

static void streams_begin(int in, int out, int err) {
    const ImagoWasiOptions options = {.size = sizeof options, .stdin_fd = in, .stdout_fd = out,
                                      .stderr_fd = err};
    wasi = imago_wasi_new(&options, NULL);
}

TEST(streams_of_pipes) {
    int in[2], out[2];
    EXPECT_EQ(pipe(in), 0);
    EXPECT_EQ(pipe(out), 0);
    streams_begin(in[0], out[1], -1);
    EXPECT_OK(CALL(fd_fdstat_get, 0, AT_OUT));
    EXPECT_EQ(memory[AT_OUT], WASI_FILETYPE_UNKNOWN);
    EXPECT_EQ(out_u64(8) & (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_SEEK),
              WASI_RIGHT_FD_READ);
    EXPECT_OK(CALL(fd_fdstat_get, 1, AT_OUT));
    EXPECT_EQ(out_u64(8) & (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_SEEK),
              WASI_RIGHT_FD_WRITE);
    EXPECT_ERRNO(CALL(fd_fdstat_get, 2, AT_OUT), WASI_BADF);
    EXPECT_ERRNO(write_text(0, "x"), WASI_NOTCAPABLE);
    EXPECT_ERRNO(read_some(1, 1), WASI_NOTCAPABLE);
    EXPECT_ERRNO(CALL(fd_seek, 1, 0, 0, AT_OUT), WASI_SPIPE);
    EXPECT_ERRNO(CALL(fd_tell, 1, AT_OUT), WASI_SPIPE);
    EXPECT_ERRNO(CALL(path_open, 0, 0, AT_PATH, 1, 0, 0, 0, 0, AT_OUT), WASI_NOTDIR);
    EXPECT_OK(write_text(1, "hello"));
    EXPECT_EQ(read(out[0], memory + AT_DATA, 10), 5);
    // Non-blocking for the guest only: the pipe's flags are shared with other processes.
    EXPECT_OK(CALL(fd_fdstat_set_flags, 0, WASI_FDFLAG_NONBLOCK));
    EXPECT_EQ(fcntl(in[0], F_GETFL) & O_NONBLOCK, 0);
    EXPECT_ERRNO(read_some(0, 4), WASI_AGAIN);
    EXPECT_EQ(write(in[1], "ab", 2), 2);
    EXPECT_OK(read_some(0, 4));
    EXPECT_EQ(out_u32(0), 2);
    EXPECT_ERRNO(CALL(fd_fdstat_set_flags, 0, WASI_FDFLAG_APPEND), WASI_NOTSUP);
    // Borrowed: closing is for the guest only.
    EXPECT_OK(CALL(fd_close, 1));
    EXPECT_ERRNO(write_text(1, "x"), WASI_BADF);
    EXPECT(fcntl(out[1], F_GETFD) >= 0);
    guest_end();
    EXPECT(fcntl(in[0], F_GETFD) >= 0);
    (void)close(in[0]);
    (void)close(in[1]);
    (void)close(out[0]);
    (void)close(out[1]);
}

static void *write_later(void *fd) {
    struct timespec left = {0, 20000000};
    while (nanosleep(&left, &left) != 0) {
    }
    while (write(*(const int *)fd, "late", 4) < 0) {
    }
    return NULL;
}

// A pipe that is non-blocking on the host's side: the guest sees that, and a guest that clears the
// flag waits, while the host's flag stays.
TEST(nonblocking_host) {
    int in[2];
    pthread_t thread;
    EXPECT_EQ(pipe2(in, O_NONBLOCK | O_CLOEXEC), 0);
    streams_begin(in[0], -1, -1);
    EXPECT_OK(CALL(fd_fdstat_get, 0, AT_OUT));
    EXPECT_EQ(load_u16(memory + AT_OUT + 2), WASI_FDFLAG_NONBLOCK);
    EXPECT_ERRNO(read_some(0, 4), WASI_AGAIN);
    EXPECT_OK(CALL(fd_fdstat_set_flags, 0, 0));
    EXPECT_EQ(pthread_create(&thread, NULL, write_later, &in[1]), 0);
    EXPECT_OK(read_some(0, 10));
    EXPECT_EQ(out_u32(0), 4);
    (void)pthread_join(thread, NULL);
    EXPECT(fcntl(in[0], F_GETFL) & O_NONBLOCK);
    guest_end();
    (void)close(in[0]);
    (void)close(in[1]);
}

static void on_alarm(int number) { (void)number; }

// Signals that interrupt a read again and again do not show.
TEST(interrupted_read) {
    int in[2];
    pthread_t thread;
    const struct sigaction action = {.sa_handler = on_alarm}; // no SA_RESTART
    struct sigaction old;
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    streams_begin(in[0], -1, -1);
    (void)sigaction(SIGALRM, &action, &old);
    EXPECT_EQ(pthread_create(&thread, NULL, write_later, &in[1]), 0);
    const struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    (void)setitimer(ITIMER_REAL, &every, NULL);
    EXPECT_OK(read_some(0, 10));
    EXPECT_EQ(out_u32(0), 4);
    (void)setitimer(ITIMER_REAL, &never, NULL);
    (void)pthread_join(thread, NULL);
    (void)sigaction(SIGALRM, &old, NULL);
    guest_end();
    (void)close(in[0]);
    (void)close(in[1]);
}

// What holds the number of a closed stream is no stream, nor is a directory.
TEST(streams_that_are_none) {
    const int holder = open("/dev/null", O_PATH | O_CLOEXEC), dir = open("/", O_RDONLY | O_CLOEXEC);
    streams_begin(holder, holder, dir);
    for (u32 fd = 0; fd < 3; fd++) {
        EXPECT_ERRNO(CALL(fd_fdstat_get, fd, AT_OUT), WASI_BADF);
    }
    guest_end();
    (void)close(holder);
    (void)close(dir);
}

// A full pipe: the guest's non-blocking write takes what fits, then answers AGAIN.
TEST(nonblocking_write) {
    int out[2];
    EXPECT_EQ(pipe(out), 0);
    streams_begin(-1, out[1], -1);
    EXPECT_OK(CALL(fd_fdstat_set_flags, 1, WASI_FDFLAG_NONBLOCK));
    put_iovec(100000);
    WasiErrno error = WASI_SUCCESS;
    u32 total = 0;
    for (u32 i = 0; i < 1000 && error == WASI_SUCCESS; i++) {
        error = CALL(fd_write, 1, AT_IOVS, 1, AT_OUT);
        total += error == WASI_SUCCESS ? out_u32(0) : 0;
    }
    EXPECT_ERRNO(error, WASI_AGAIN);
    EXPECT_EQ(total, fcntl(out[1], F_GETPIPE_SZ));
    guest_end();
    (void)close(out[0]);
    (void)close(out[1]);
}

static volatile sig_atomic_t pipe_signals;
static void on_pipe(int number) {
    (void)number;
    pipe_signals = pipe_signals + 1;
}

// A reader that is gone is an errno for the guest and no signal for the host, whatever the host
// does with SIGPIPE; its handler, its mask and a SIGPIPE of its own stay.
TEST(broken_pipe) {
    int out[2];
    struct sigaction action = {.sa_handler = on_pipe}, old, now;
    sigset_t mask, only_pipe;
    EXPECT_EQ(pipe(out), 0);
    (void)close(out[0]);
    (void)sigaction(SIGPIPE, &action, &old);
    streams_begin(-1, out[1], -1);
    EXPECT_ERRNO(write_text(1, "x"), WASI_PIPE);
    EXPECT_ERRNO(write_text(1, "x"), WASI_PIPE);
    EXPECT_EQ(pipe_signals, 0);
    (void)sigaction(SIGPIPE, NULL, &now);
    EXPECT(now.sa_handler == on_pipe);
    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    EXPECT_EQ(sigismember(&mask, SIGPIPE), 0);
    // One that was pending before the call is the host's and is delivered to it.
    sigemptyset(&only_pipe);
    sigaddset(&only_pipe, SIGPIPE);
    (void)sigprocmask(SIG_BLOCK, &only_pipe, NULL);
    (void)raise(SIGPIPE);
    EXPECT_ERRNO(write_text(1, "x"), WASI_PIPE);
    EXPECT_EQ(pipe_signals, 0);
    (void)sigprocmask(SIG_UNBLOCK, &only_pipe, NULL);
    EXPECT_EQ(pipe_signals, 1);
    (void)sigaction(SIGPIPE, &old, NULL);
    guest_end();
    (void)close(out[1]);
}

TEST(full_device) {
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) {
        TEST_SKIP("no /dev/full");
        return;
    }
    streams_begin(-1, full, -1);
    EXPECT_ERRNO(write_text(1, "x"), WASI_NOSPC);
    EXPECT_OK(CALL(fd_fdstat_get, 1, AT_OUT));
    EXPECT_EQ(memory[AT_OUT], WASI_FILETYPE_CHARACTER_DEVICE);
    guest_end();
    (void)close(full);
}

// A terminal is told from other devices by what it cannot do.
TEST(terminal) {
    const int host = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (host < 0) {
        TEST_SKIP("no terminals here");
        return;
    }
    streams_begin(host, host, host);
    for (u32 fd = 0; fd < 3; fd++) {
        EXPECT_OK(CALL(fd_fdstat_get, fd, AT_OUT));
        EXPECT_EQ(memory[AT_OUT], WASI_FILETYPE_CHARACTER_DEVICE);
        EXPECT_EQ(out_u64(8) & (WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL), 0);
    }
    guest_end();
    (void)close(host);
}

int main(void) {
    RUN(numbers);
    RUN(renumber);
    RUN(quota);
    RUN(prestat);
    RUN(seek_and_tell);
    RUN(read_and_write);
    RUN(iovec_bounds);
    RUN(flags);
    RUN(size_and_times);
    RUN(readdir);
    RUN(readdir_fields);
    RUN(streams_of_pipes);
    RUN(nonblocking_host);
    RUN(interrupted_read);
    RUN(streams_that_are_none);
    RUN(nonblocking_write);
    RUN(broken_pipe);
    RUN(full_device);
    RUN(terminal);
    return test_end();
}
