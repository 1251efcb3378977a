// Making a guest, strings, clocks, random bytes, sockets, missing openat2, allocation failures.
#define _GNU_SOURCE
#include "unit/wasi_test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/alloc.h"

static const char *const ARGS[] = {"program", "", "three words here"};
static const char *const ENVS[] = {"A=1", "EMPTY="};

static ImagoWasiOptions with_strings(void) {
    return (ImagoWasiOptions){.size = sizeof(ImagoWasiOptions), .args = ARGS, .arg_count = 3,
                              .envs = ENVS, .env_count = 2};
}

TEST(strings) {
    const ImagoWasiOptions options = with_strings();
    wasi = imago_wasi_new(&options, NULL);
    EXPECT_OK(CALL(args_sizes_get, AT_OUT, AT_OUT + 4));
    EXPECT_EQ(out_u32(0), 3);
    EXPECT_EQ(out_u32(4), 8 + 1 + 17);
    EXPECT_OK(CALL(args_get, AT_OUT, AT_DATA));
    EXPECT_EQ(out_u32(0), AT_DATA);
    EXPECT_EQ(out_u32(4), AT_DATA + 8);
    EXPECT_EQ(out_u32(8), AT_DATA + 9);
    EXPECT_STR((const char *)memory + AT_DATA, "program");
    EXPECT_STR((const char *)memory + AT_DATA + 9, "three words here");
    EXPECT_OK(CALL(environ_sizes_get, AT_OUT, AT_OUT + 4));
    EXPECT_EQ(out_u32(0), 2);
    EXPECT_EQ(out_u32(4), 11);
    EXPECT_OK(CALL(environ_get, AT_OUT, AT_DATA));
    EXPECT_STR((const char *)memory + out_u32(4), "EMPTY=");
    EXPECT_OK(CALL(args_get, MEMORY_BYTES - 12, MEMORY_BYTES - 26));
    EXPECT_ERRNO(CALL(args_get, MEMORY_BYTES - 11, AT_DATA), WASI_FAULT);
    EXPECT_ERRNO(CALL(args_get, AT_OUT, MEMORY_BYTES - 25), WASI_FAULT);
    EXPECT_ERRNO(CALL(args_sizes_get, AT_OUT, MEMORY_BYTES - 3), WASI_FAULT);
    EXPECT_ERRNO(CALL(args_sizes_get, UINT32_MAX, AT_OUT), WASI_FAULT);
    guest_end();
}

TEST(clocks) {
    const ImagoWasiOptions options = with_strings();
    wasi = imago_wasi_new(&options, NULL);
    for (u32 clock = 0; clock < 4; clock++) {
        EXPECT_OK(CALL(clock_res_get, clock, AT_OUT));
        EXPECT(out_u64(0) > 0 && out_u64(0) < 1000000000);
        EXPECT_OK(CALL(clock_time_get, clock, 1, AT_OUT));
        const u64 first = out_u64(0);
        EXPECT_OK(CALL(clock_time_get, clock, UINT64_MAX, AT_OUT));
        EXPECT(out_u64(0) >= first);
    }
    EXPECT_OK(CALL(clock_time_get, WASI_CLOCK_REALTIME, 0, AT_OUT));
    EXPECT(out_u64(0) > 1600000000000000000u);
    EXPECT_ERRNO(CALL(clock_time_get, 4, 0, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(clock_res_get, UINT32_MAX, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(clock_time_get, 0, 0, MEMORY_BYTES - 7), WASI_FAULT);
    guest_end();
}

TEST(process) {
    const ImagoWasiOptions options = with_strings();
    wasi = imago_wasi_new(&options, NULL);
    memset(memory, 0, MEMORY_BYTES);
    EXPECT_OK(CALL(random_get, 0, MEMORY_BYTES));
    u32 zeros = 0;
    for (u32 i = 0; i < MEMORY_BYTES; i++) {
        zeros += memory[i] == 0;
    }
    EXPECT(zeros > 700 && zeros < 1400); // 1024 of 2^18 expected, 32 standard deviation
    EXPECT_OK(CALL(random_get, MEMORY_BYTES, 0));
    EXPECT_ERRNO(CALL(random_get, 1, MEMORY_BYTES), WASI_FAULT);
    EXPECT_ERRNO(CALL(random_get, 0, UINT32_MAX), WASI_FAULT);
    EXPECT_OK(CALL(sched_yield, 0));
    EXPECT_ERRNO(CALL(proc_raise, 9), WASI_NOTSUP);
    EXPECT_OK(CALL(proc_exit, 42));
    EXPECT(last_call.is_exit);
    EXPECT_EQ(last_call.exit_code, 42);
    guest_end();
}

TEST(bad_options) {
    ImagoError error = IMAGO_ERROR_INIT;
    EXPECT(imago_wasi_new(NULL, &error) == NULL);
    EXPECT_EQ(error.code, IMAGO_ERROR_USAGE);
    EXPECT(imago_wasi_new(NULL, NULL) == NULL);
    const ImagoWasiDir missing = {"/nonexistent/directory", "/", false};
    const ImagoWasiDir file = {"/dev/null", "/", false};
    const ImagoWasiDir null = {NULL, "/", false};
    const ImagoWasiDir *const dirs[] = {&missing, &file, &null};
    static const ImagoErrorCode CODES[] = {IMAGO_ERROR_NO_INPUT, IMAGO_ERROR_NO_INPUT,
                                           IMAGO_ERROR_USAGE};
    for (u32 i = 0; i < COUNT_OF(dirs); i++) {
        ImagoWasiOptions options = with_strings();
        options.dirs = dirs[i];
        options.dir_count = 1;
        error = (ImagoError)IMAGO_ERROR_INIT;
        EXPECT(imago_wasi_new(&options, &error) == NULL);
        EXPECT_EQ(error.code, CODES[i]);
    }
    EXPECT(strstr(error.text, "NULL") != NULL);
    ImagoWasiOptions options = with_strings();
    options.dirs = &missing;
    options.dir_count = 1;
    error = (ImagoError)IMAGO_ERROR_INIT;
    (void)imago_wasi_new(&options, &error);
    EXPECT(strstr(error.text, missing.host_path) != NULL);
    options = (ImagoWasiOptions){.size = sizeof options, .arg_count = 1};
    error = (ImagoError)IMAGO_ERROR_INIT;
    EXPECT(imago_wasi_new(&options, &error) == NULL);
    EXPECT_EQ(error.code, IMAGO_ERROR_USAGE);
    // An older caller, whose options end before `dirs`.
    options = with_strings();
    options.size = offsetof(ImagoWasiOptions, dirs);
    options.dir_count = 1000;
    wasi = imago_wasi_new(&options, NULL);
    EXPECT(wasi != NULL);
    guest_end();
    imago_wasi_delete(NULL);
}

// ---- Sockets ------------------------------------------------------------------------------------

static void socket_guest(int host) {
    const ImagoWasiOptions options = {.size = sizeof options, .stdin_fd = host, .stdout_fd = -1,
                                      .stderr_fd = -1};
    wasi = imago_wasi_new(&options, NULL);
}

TEST(sockets) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    socket_guest(pair[0]);
    EXPECT_OK(CALL(fd_fdstat_get, 0, AT_OUT));
    EXPECT_EQ(memory[AT_OUT], WASI_FILETYPE_SOCKET_STREAM);
    put_iovec(put(AT_DATA, "hello"));
    EXPECT_OK(CALL(sock_send, 0, AT_IOVS, 1, 0, AT_OUT));
    EXPECT_EQ(out_u32(0), 5);
    EXPECT_EQ(read(pair[1], memory + AT_PATH, 10), 5);
    EXPECT_EQ(write(pair[1], "answer", 6), 6);
    EXPECT_OK(CALL(sock_recv, 0, AT_IOVS, 1, WASI_RECV_PEEK, AT_OUT, AT_OUT + 4));
    EXPECT_OK(CALL(sock_recv, 0, AT_IOVS, 1, 0, AT_OUT, AT_OUT + 4));
    EXPECT_EQ(out_u32(0), 5);
    EXPECT_EQ(load_u16(memory + AT_OUT + 4), 0);
    EXPECT(memcmp(memory + AT_DATA, "answe", 5) == 0);
    EXPECT_ERRNO(CALL(sock_recv, 0, AT_IOVS, 1, 4, AT_OUT, AT_OUT + 4), WASI_INVAL);
    EXPECT_ERRNO(CALL(sock_send, 0, AT_IOVS, 1, 1, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(sock_recv, 0, AT_IOVS, 1, 0, AT_OUT, MEMORY_BYTES - 1), WASI_FAULT);
    EXPECT_ERRNO(CALL(sock_shutdown, 0, 0), WASI_INVAL);
    EXPECT_ERRNO(CALL(sock_shutdown, 0, 4), WASI_INVAL);
    EXPECT_ERRNO(CALL(sock_accept, 0, 0, AT_OUT), WASI_INVAL); // not listening
    EXPECT_OK(CALL(sock_shutdown, 0, WASI_SHUTDOWN_WR));
    EXPECT_ERRNO(CALL(sock_send, 0, AT_IOVS, 1, 0, AT_OUT), WASI_PIPE); // and no SIGPIPE
    EXPECT_ERRNO(write_text(0, "x"), WASI_PIPE);
    EXPECT_ERRNO(CALL(sock_shutdown, 77, 1), WASI_BADF);
    guest_end();
    (void)close(pair[0]);
    (void)close(pair[1]);
}

TEST(datagrams) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    socket_guest(pair[0]);
    EXPECT_OK(CALL(fd_fdstat_get, 0, AT_OUT));
    EXPECT_EQ(memory[AT_OUT], WASI_FILETYPE_SOCKET_DGRAM);
    EXPECT_EQ(write(pair[1], "answer", 6), 6);
    put_iovec(3);
    EXPECT_OK(CALL(sock_recv, 0, AT_IOVS, 1, 0, AT_OUT, AT_OUT + 4));
    EXPECT_EQ(out_u32(0), 3);
    EXPECT_EQ(load_u16(memory + AT_OUT + 4), WASI_RECV_DATA_TRUNCATED);
    EXPECT_OK(CALL(fd_fdstat_set_flags, 0, WASI_FDFLAG_NONBLOCK));
    EXPECT_ERRNO(CALL(sock_recv, 0, AT_IOVS, 1, 0, AT_OUT, AT_OUT + 4), WASI_AGAIN);
    guest_end();
    (void)close(pair[0]);
    (void)close(pair[1]);
}

TEST(accepting) {
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sa_family_t family = AF_UNIX; // alone: the kernel chooses an abstract name
    struct sockaddr_storage name;
    socklen_t name_bytes = sizeof name;
    EXPECT_EQ(bind(listener, (const struct sockaddr *)&family, sizeof family), 0);
    EXPECT_EQ(listen(listener, 5), 0);
    EXPECT_EQ(getsockname(listener, (struct sockaddr *)&name, &name_bytes), 0);
    socket_guest(listener);
    EXPECT_OK(CALL(fd_fdstat_set_flags, 0, WASI_FDFLAG_NONBLOCK));
    EXPECT_ERRNO(CALL(sock_accept, 0, 0, AT_OUT), WASI_AGAIN);
    EXPECT_EQ(connect(client, (const struct sockaddr *)&name, name_bytes), 0);
    EXPECT_ERRNO(CALL(sock_accept, 0, WASI_FDFLAG_APPEND, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(sock_accept, 0, 0, MEMORY_BYTES - 3), WASI_FAULT);
    EXPECT_OK(CALL(sock_accept, 0, WASI_FDFLAG_NONBLOCK, AT_OUT));
    const u32 fd = out_u32(0);
    EXPECT_EQ(fd, 3);
    put_iovec(4);
    EXPECT_ERRNO(CALL(sock_recv, fd, AT_IOVS, 1, 0, AT_OUT, AT_OUT + 4), WASI_AGAIN);
    EXPECT_EQ(write(client, "ping", 4), 4);
    EXPECT_OK(CALL(sock_recv, fd, AT_IOVS, 1, 0, AT_OUT, AT_OUT + 4));
    EXPECT_EQ(out_u32(0), 4);
    EXPECT_OK(CALL(fd_close, fd));
    guest_end();
    (void)close(listener);
    (void)close(client);
}

// ---- openat2 missing ----------------------------------------------------------------------------

// Makes openat2 answer `reason` in this process, for good.
static bool forbid_openat2(int reason) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((u32)reason & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {COUNT_OF(code), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Every operation that would have to resolve something answers `wanted` and does nothing.
static void expect_no_paths(WasiErrno wanted) {
    u32 fd;
    const Open create = {.dir = PREOPEN, .path = "new", .oflags = WASI_OFLAG_CREAT};
    EXPECT_ERRNO(try_open(PREOPEN, 0, "file"), wanted);
    EXPECT_ERRNO(open_with(&create, &fd), wanted);
    EXPECT_ERRNO(stat_path(PREOPEN, 0, "file"), wanted);
    EXPECT_ERRNO(PATH(path_unlink_file, PREOPEN, "dir/file"), wanted);
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, "dir/new"), wanted);
    EXPECT_ERRNO(PATH(path_remove_directory, PREOPEN, "dir/.."), wanted);
    EXPECT_ERRNO(rename_path(PREOPEN, "dir/file", PREOPEN, "x"), wanted);
    EXPECT_ERRNO(link_path(PREOPEN, "dir/file", PREOPEN, "x"), wanted);
    EXPECT_ERRNO(symlink_path("x", PREOPEN, "dir/x"), wanted);
    EXPECT_ERRNO(readlink_path(PREOPEN, "link", 10), wanted);
    EXPECT_OK(CALL(fd_readdir, PREOPEN, AT_DATA, 1000, 0, AT_OUT));
}

static void without_openat2(int reason, WasiErrno wanted) {
    temp_begin();
    host_write("in/file", "x");
    (void)mkdir(host_path("in/dir"), 0755);
    host_write("in/dir/file", "x");
    (void)symlink("file", host_path("in/link"));
    guest_begin();
    (void)fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (!forbid_openat2(reason)) {
            _exit(77);
        }
        expect_no_paths(wanted);
        (void)fflush(stdout);
        _exit(test_bad);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        TEST_SKIP("no seccomp");
    } else {
        EXPECT_EQ(status, 0);
    }
    EXPECT(!host_exists("in/new") && !host_exists("in/x") && host_exists("in/dir/file"));
    guest_end();
    temp_end();
}

TEST(no_openat2) { without_openat2(ENOSYS, WASI_NOTSUP); }
TEST(openat2_forbidden) { without_openat2(EPERM, WASI_PERM); }
TEST(openat2_never_sure) { without_openat2(EAGAIN, WASI_AGAIN); }

// ---- Allocation failures ------------------------------------------------------------------------

// The n-th allocation fails, for every n: an error, nothing left open, and the next try works.
TEST(allocation_failures) {
    temp_begin();
    host_write("in/file", "x");
    const ImagoWasiDir dir = {preopen_dir, "/", false};
    ImagoWasiOptions options = with_strings();
    options.dirs = &dir;
    options.dir_count = 1;
    const u32 before = host_fd_count();
    u64 n = 0;
    do {
        ImagoError error = IMAGO_ERROR_INIT;
        (void)mem_fail_at(++n, false);
        wasi = imago_wasi_new(&options, &error);
        (void)mem_fail_at(0, false);
        if (wasi == NULL) {
            EXPECT_EQ(error.code, IMAGO_ERROR_NO_MEMORY);
            EXPECT_EQ(host_fd_count(), before);
        }
    } while (wasi == NULL && n < 100);
    EXPECT(wasi != NULL && n > 4);
    // Opening until the table has to grow, each time refused once.
    for (u32 i = 0; i < 100; i++) {
        u32 fd;
        const Open o = {.dir = PREOPEN, .path = "file"};
        (void)mem_fail_at(1, false);
        const WasiErrno error = open_with(&o, &fd);
        (void)mem_fail_at(0, false);
        EXPECT(error == WASI_SUCCESS || error == WASI_NOMEM);
        if (error != WASI_SUCCESS) {
            EXPECT_OK(open_with(&o, &fd));
        }
    }
    memset(memory + AT_DATA, 0, 48);
    (void)mem_fail_at(1, false);
    EXPECT_ERRNO(CALL(poll_oneoff, AT_DATA, AT_PATH, 1, AT_OUT), WASI_NOMEM);
    (void)mem_fail_at(0, false);
    guest_end();
    EXPECT_EQ(host_fd_count(), before);
    temp_end();
}

TEST(errnos) {
    EXPECT_ERRNO(wasi_errno_of(0), WASI_SUCCESS);
    EXPECT_EQ(wasi_errno_of(EPERM), 63);
    EXPECT_EQ(wasi_errno_of(ENOENT), 44);
    EXPECT_EQ(wasi_errno_of(EBADF), 8);
    EXPECT_EQ(wasi_errno_of(ENOTEMPTY), 55);
    EXPECT_EQ(wasi_errno_of(EWOULDBLOCK), 6);
    EXPECT_EQ(wasi_errno_of(ENOTSUP), 58);
    EXPECT_EQ(wasi_errno_of(123456), 29);
    EXPECT_EQ(WASI_NOTCAPABLE, 76);
    EXPECT_EQ(WASI_FAULT, 21);
    EXPECT_STR(wasi_errno_name(WASI_2BIG), "2BIG");
}

int main(void) {
    RUN(strings);
    RUN(clocks);
    RUN(process);
    RUN(bad_options);
    RUN(sockets);
    RUN(datagrams);
    RUN(accepting);
    RUN(no_openat2);
    RUN(openat2_forbidden);
    RUN(openat2_never_sure);
    RUN(allocation_failures);
    RUN(errnos);
    return test_end();
}
