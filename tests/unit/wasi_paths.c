// Paths: what stays inside works, what leads out is refused and touches nothing.
#define _GNU_SOURCE
#include "unit/wasi_test.h"

#include <sys/socket.h>
#include <sys/un.h>

// temp/secret, temp/out/ are outside; temp/in/ is the preopen.
static void tree_begin(void) {
    temp_begin();
    host_write("secret", "secret");
    (void)mkdir(host_path("out"), 0755);
    host_write("out/file", "outside");
    host_write("in/file", "inside");
    (void)mkdir(host_path("in/dir"), 0755);
    (void)mkdir(host_path("in/dir/sub"), 0755);
    host_write("in/dir/sub/file", "deep");
    (void)symlink("file", host_path("in/to_file"));
    (void)symlink("dir", host_path("in/to_dir"));
    (void)symlink("../file", host_path("in/dir/up"));
    (void)symlink("../secret", host_path("in/to_secret"));
    (void)symlink("../out", host_path("in/to_out"));
    (void)symlink("../out/", host_path("in/to_out_slash"));
    (void)symlink(host_path("secret"), host_path("in/absolute"));
    (void)symlink("/", host_path("in/to_root"));
    (void)symlink("../created", host_path("in/dangling_out"));
    (void)symlink("not_there", host_path("in/dangling"));
    (void)symlink("loop", host_path("in/loop"));
    (void)symlink("loop_b", host_path("in/loop_a"));
    (void)symlink("loop_a", host_path("in/loop_b"));
    (void)mkfifo(host_path("in/fifo"), 0644);
    guest_begin();
}

static void tree_end(void) {
    guest_end();
    temp_end();
}

TEST(opens_inside) {
    static const struct {
        const char *path;
        u32 lookup;
        WasiErrno error;
    } ROWS[] = {
        {"file", 0, WASI_SUCCESS},
        {"./file", 0, WASI_SUCCESS},
        {"dir/sub/file", 0, WASI_SUCCESS},
        {"dir/../file", 0, WASI_SUCCESS},
        {"dir/.//sub/../../dir/sub/../sub///./file", 0, WASI_SUCCESS},
        {"to_dir/sub/file", 0, WASI_SUCCESS},
        {"to_file", 1, WASI_SUCCESS},
        {"dir/up", 1, WASI_SUCCESS},
        {"to_file", 0, WASI_LOOP},
        {"dangling", 1, WASI_NOENT},
        {"dir", 0, WASI_SUCCESS},
        {"dir/", 0, WASI_SUCCESS},
        {".", 0, WASI_SUCCESS},
        {"dir/..", 0, WASI_SUCCESS},
        {"file/", 0, WASI_NOTDIR},
        {"file///", 0, WASI_NOTDIR},
        {"file/x", 0, WASI_NOTDIR},
        {"none", 0, WASI_NOENT},
        {"none/file", 0, WASI_NOENT},
        {"", 0, WASI_NOENT},
        {"loop", 0, WASI_LOOP},
        {"loop", 1, WASI_LOOP},
        {"loop_a/x", 0, WASI_LOOP},
    };
    tree_begin();
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        const WasiErrno error = try_open(PREOPEN, ROWS[i].lookup, ROWS[i].path);
        if (error != ROWS[i].error) {
            TEST_FAIL("\"%s\" follow=%u: %s, expected %s", ROWS[i].path, ROWS[i].lookup,
                      wasi_errno_name(error), wasi_errno_name(ROWS[i].error));
        }
    }
    tree_end();
}

// Every way out, with every operation that takes a path. None may answer success.
static const char *const WAYS_OUT[] = {
    "../secret",      "..",           "../",            "dir/../../secret", "/",
    "/etc/passwd",    "//etc/passwd", "to_secret/x",    "to_out/file",      "to_out_slash/file",
    "to_root/etc",    "to_root/tmp",  "dir/../../in",   "dir/../..",        "dir/sub/../../../out",
    "to_out/../secret", "to_dir/../../secret",
};

TEST(refuses_ways_out) {
    tree_begin();
    const u32 before = host_fd_count();
    for (u32 i = 0; i < COUNT_OF(WAYS_OUT); i++) {
        const char *path = WAYS_OUT[i];
        u32 fd;
        const Open create = {.dir = PREOPEN, .path = path, .lookup = 1, .oflags = WASI_OFLAG_CREAT,
                             .base = FILE_RIGHTS};
        const WasiErrno errors[] = {
            try_open(PREOPEN, 0, path),
            try_open(PREOPEN, 1, path),
            open_with(&create, &fd),
            stat_path(PREOPEN, 0, path),
            stat_path(PREOPEN, 1, path),
            PATH(path_create_directory, PREOPEN, path),
            PATH(path_remove_directory, PREOPEN, path),
            PATH(path_unlink_file, PREOPEN, path),
            rename_path(PREOPEN, path, PREOPEN, "stolen"),
            rename_path(PREOPEN, "file", PREOPEN, path),
            link_path(PREOPEN, path, PREOPEN, "stolen"),
            link_path(PREOPEN, "file", PREOPEN, path),
            symlink_path("file", PREOPEN, path),
            readlink_path(PREOPEN, path, 100),
            CALL(path_filestat_set_times, PREOPEN, 1, AT_PATH, put(AT_PATH, path), 0, 0,
                 WASI_FST_ATIM | WASI_FST_MTIM),
        };
        for (u32 k = 0; k < COUNT_OF(errors); k++) {
            if (errors[k] != WASI_PERM) {
                TEST_FAIL("operation %u on \"%s\": %s", k, path, wasi_errno_name(errors[k]));
            }
        }
    }
    EXPECT_STR(host_read("secret"), "secret");
    EXPECT_STR(host_read("out/file"), "outside");
    EXPECT_STR(host_read("in/file"), "inside");
    EXPECT(!host_exists("in/stolen"));
    EXPECT_EQ(host_fd_count(), before);
    tree_end();
}

// Links out of the preopen as the last component: followed they are refused, by themselves they are
// ordinary names.
TEST(links_out) {
    static const char *const LINKS[] = {"to_secret", "to_out", "absolute", "to_root",
                                        "dangling_out", "to_out_slash"};
    tree_begin();
    for (u32 i = 0; i < COUNT_OF(LINKS); i++) {
        const char *link = LINKS[i];
        u32 fd;
        EXPECT_ERRNO(try_open(PREOPEN, 1, link), WASI_PERM);
        EXPECT_ERRNO(try_open(PREOPEN, 0, link), WASI_LOOP);
        EXPECT_ERRNO(stat_path(PREOPEN, 1, link), WASI_PERM);
        EXPECT_OK(stat_path(PREOPEN, 0, link));
        EXPECT_EQ(memory[AT_OUT + 16], WASI_FILETYPE_SYMBOLIC_LINK);
        const Open create = {.dir = PREOPEN, .path = link, .lookup = 1,
                             .oflags = WASI_OFLAG_CREAT | WASI_OFLAG_TRUNC, .base = FILE_RIGHTS};
        EXPECT_ERRNO(open_with(&create, &fd), WASI_PERM);
        Open no_follow = create;
        no_follow.lookup = 0;
        EXPECT_ERRNO(open_with(&no_follow, &fd), WASI_LOOP);
        no_follow.oflags = WASI_OFLAG_CREAT | WASI_OFLAG_EXCL;
        EXPECT_ERRNO(open_with(&no_follow, &fd), WASI_EXIST);
        EXPECT_ERRNO(PATH(path_remove_directory, PREOPEN, link), WASI_NOTDIR);
        EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, link), WASI_EXIST);
        EXPECT_OK(CALL(path_filestat_set_times, PREOPEN, 0, AT_PATH, put(AT_PATH, link), 1000, 2000,
                       WASI_FST_MTIM));
        EXPECT_ERRNO(CALL(path_filestat_set_times, PREOPEN, 1, AT_PATH, put(AT_PATH, link), 1000,
                          2000, WASI_FST_MTIM), WASI_PERM);
        EXPECT_OK(readlink_path(PREOPEN, link, 100));
        EXPECT_OK(rename_path(PREOPEN, link, PREOPEN, "renamed"));
        EXPECT_OK(link_path(PREOPEN, "renamed", PREOPEN, "linked"));
        EXPECT_OK(PATH(path_unlink_file, PREOPEN, "renamed"));
        EXPECT_OK(PATH(path_unlink_file, PREOPEN, "linked"));
    }
    EXPECT_ERRNO(try_open(PREOPEN, 0, "to_out_slash/"), WASI_NOENT); // unlinked above
    (void)symlink("../out", host_path("in/to_out"));
    EXPECT_ERRNO(try_open(PREOPEN, 0, "to_out/"), WASI_PERM);
    EXPECT_ERRNO(stat_path(PREOPEN, 0, "to_out/"), WASI_PERM);
    EXPECT(!host_exists("created"));
    EXPECT_STR(host_read("secret"), "secret");
    EXPECT_STR(host_read("out/file"), "outside");
    tree_end();
}

TEST(symlink_targets) {
    static const struct {
        const char *target, *name;
        WasiErrno error;
    } ROWS[] = {
        {"file", "n", WASI_SUCCESS},
        {"dir/../file", "n", WASI_SUCCESS},
        {"not/there", "n", WASI_SUCCESS},
        {"..a/...", "n", WASI_SUCCESS},
        {"../file", "dir/n", WASI_SUCCESS},
        {"../../file", "dir/sub/n", WASI_SUCCESS},
        {"../..", "dir/sub/n", WASI_SUCCESS},
        {"../../", "dir/sub/n", WASI_SUCCESS},
        {"/", "n", WASI_PERM},
        {"/etc/passwd", "n", WASI_PERM},
        {"..", "n", WASI_PERM},
        {"../", "n", WASI_PERM},
        {"..//", "n", WASI_PERM},
        {"./../secret", "n", WASI_PERM},
        {"a/../..", "n", WASI_PERM},
        {"../in/file", "n", WASI_PERM},
        {"../../secret", "dir/n", WASI_PERM},
        {"../../../secret", "dir/sub/n", WASI_PERM},
        {"../../../", "dir/sub/n", WASI_PERM},
        {"../../../secret", "to_dir/sub/n", WASI_PERM},
        {"../../file", "to_dir/sub/n", WASI_SUCCESS},
        {"", "n", WASI_NOENT},
        {"file", "n/", WASI_NOENT},
        {"file", "dir/", WASI_EXIST},
        {"file", "file/", WASI_NOTDIR},
        {"file", "file", WASI_EXIST},
        {"file", "none/n", WASI_NOENT},
    };
    tree_begin();
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        const WasiErrno error = symlink_path(ROWS[i].target, PREOPEN, ROWS[i].name);
        if (error != ROWS[i].error) {
            TEST_FAIL("\"%s\" at \"%s\": %s, expected %s", ROWS[i].target, ROWS[i].name,
                      wasi_errno_name(error), wasi_errno_name(ROWS[i].error));
        }
        if (error == WASI_SUCCESS) {
            EXPECT_OK(PATH(path_unlink_file, PREOPEN, ROWS[i].name));
        }
    }
    // From a directory opened below, the depth counts from the preopen.
    const u32 sub = open_dir("dir/sub");
    EXPECT_OK(symlink_path("../../file", sub, "n"));
    EXPECT_ERRNO(symlink_path("../../../secret", sub, "m"), WASI_PERM);
    EXPECT_OK(CALL(fd_renumber, sub, PREOPEN)); // the preopen itself is closed
    EXPECT_OK(symlink_path("../../file", PREOPEN, "m"));
    EXPECT_ERRNO(symlink_path("../../../secret", PREOPEN, "o"), WASI_PERM);
    // Moved out of the preopen by the host: no target above itself any more.
    (void)rename(host_path("in/dir"), host_path("out/dir"));
    EXPECT_ERRNO(symlink_path("../x", PREOPEN, "o"), WASI_PERM);
    EXPECT_OK(symlink_path("x", PREOPEN, "o"));
    tree_end();
}

TEST(trailing_slashes) {
    tree_begin();
    EXPECT_OK(PATH(path_create_directory, PREOPEN, "new/"));
    EXPECT_ERRNO(PATH(path_unlink_file, PREOPEN, "new/"), WASI_ISDIR);
    EXPECT_ERRNO(PATH(path_unlink_file, PREOPEN, "new"), WASI_ISDIR);
    EXPECT_OK(rename_path(PREOPEN, "new/", PREOPEN, "moved/"));
    EXPECT_OK(rename_path(PREOPEN, "moved", PREOPEN, "new//"));
    EXPECT_OK(PATH(path_remove_directory, PREOPEN, "new///"));
    EXPECT_ERRNO(PATH(path_unlink_file, PREOPEN, "file/"), WASI_NOTDIR);
    EXPECT_ERRNO(PATH(path_unlink_file, PREOPEN, "none/"), WASI_NOENT);
    EXPECT_ERRNO(PATH(path_remove_directory, PREOPEN, "file/"), WASI_NOTDIR);
    EXPECT_ERRNO(PATH(path_remove_directory, PREOPEN, "to_dir/"), WASI_NOTDIR);
    EXPECT_ERRNO(rename_path(PREOPEN, "file/", PREOPEN, "x"), WASI_NOTDIR);
    EXPECT_ERRNO(rename_path(PREOPEN, "file", PREOPEN, "x/"), WASI_NOTDIR);
    EXPECT_ERRNO(rename_path(PREOPEN, "to_dir/", PREOPEN, "x"), WASI_NOTDIR);
    EXPECT_ERRNO(link_path(PREOPEN, "file", PREOPEN, "x/"), WASI_NOENT);
    EXPECT_ERRNO(link_path(PREOPEN, "file", PREOPEN, "dir/"), WASI_EXIST);
    EXPECT_ERRNO(link_path(PREOPEN, "file/", PREOPEN, "x"), WASI_NOTDIR);
    EXPECT_ERRNO(readlink_path(PREOPEN, "to_dir/", 10), WASI_INVAL);
    EXPECT_ERRNO(readlink_path(PREOPEN, "to_file/", 10), WASI_NOTDIR);
    EXPECT_OK(stat_path(PREOPEN, 0, "to_dir/"));
    EXPECT_EQ(memory[AT_OUT + 16], WASI_FILETYPE_DIRECTORY);
    EXPECT_STR(host_read("in/file"), "inside");
    tree_end();
}

// Last components that no operation may change.
TEST(dots) {
    tree_begin();
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, "."), WASI_EXIST);
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, "dir/.."), WASI_EXIST);
    EXPECT_ERRNO(PATH(path_remove_directory, PREOPEN, "."), WASI_INVAL);
    EXPECT_ERRNO(PATH(path_remove_directory, PREOPEN, "dir/."), WASI_INVAL);
    EXPECT_ERRNO(PATH(path_remove_directory, PREOPEN, "dir/sub/.."), WASI_NOTEMPTY);
    EXPECT_ERRNO(PATH(path_unlink_file, PREOPEN, "dir/.."), WASI_ISDIR);
    EXPECT_ERRNO(rename_path(PREOPEN, "dir/..", PREOPEN, "x"), WASI_BUSY);
    EXPECT_ERRNO(rename_path(PREOPEN, "dir", PREOPEN, "dir/sub/.."), WASI_BUSY);
    EXPECT_ERRNO(rename_path(PREOPEN, "dir", PREOPEN, "dir/sub/x"), WASI_INVAL);
    EXPECT_ERRNO(link_path(PREOPEN, "dir", PREOPEN, "x"), WASI_PERM);
    EXPECT_ERRNO(symlink_path("x", PREOPEN, "dir/.."), WASI_EXIST);
    tree_end();
}

TEST(bad_text) {
    static char long_path[5000];
    tree_begin();
    memset(long_path, 'a', sizeof long_path - 1);
    for (u32 i = 100; i < sizeof long_path - 1; i += 100) {
        long_path[i] = '/';
    }
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, long_path), WASI_NAMETOOLONG);
    long_path[4096] = 0;
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, long_path), WASI_NAMETOOLONG);
    long_path[4095] = 0;
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, long_path), WASI_NOENT);
    memset(long_path, 'a', 300);
    long_path[256] = 0;
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, long_path), WASI_NAMETOOLONG);
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, "\xff\xfe"), WASI_ILSEQ);
    EXPECT_ERRNO(PATH(path_create_directory, PREOPEN, "\xc0\xae\xc0\xae/secret"), WASI_ILSEQ);
    EXPECT_OK(PATH(path_create_directory, PREOPEN, "\xc3\xa4\xf0\x9f\x98\x80"));
    memcpy(memory + AT_PATH, "file\0", 5);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, AT_PATH, 5), WASI_INVAL);
    memcpy(memory + AT_PATH, "fi\0le", 5);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, AT_PATH, 5), WASI_INVAL);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, MEMORY_BYTES - 3, 4), WASI_FAULT);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, UINT32_MAX, UINT32_MAX), WASI_FAULT);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, AT_PATH, UINT32_MAX), WASI_FAULT);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, AT_PATH, 100000), WASI_NAMETOOLONG);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, MEMORY_BYTES, 0), WASI_NOENT);
    EXPECT_ERRNO(CALL(path_unlink_file, PREOPEN, MEMORY_BYTES + 1, 0), WASI_FAULT);
    EXPECT_STR(host_read("in/file"), "inside");
    tree_end();
}

// Opening must not wait, and a magic link must not lead anywhere.
TEST(special_files) {
    tree_begin();
    u32 fd;
    const Open reader = {.dir = PREOPEN, .path = "fifo", .base = WASI_RIGHT_FD_READ};
    const Open writer = {.dir = PREOPEN, .path = "fifo", .base = WASI_RIGHT_FD_WRITE};
    EXPECT_ERRNO(open_with(&writer, &fd), WASI_NXIO);
    EXPECT_OK(open_with(&reader, &fd));
    EXPECT_EQ(fcntl(wasi->fds.at[fd].host, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_OK(CALL(fd_fdstat_get, fd, AT_OUT));
    EXPECT_EQ(memory[AT_OUT], WASI_FILETYPE_UNKNOWN);
    EXPECT_OK(read_some(fd, 10)); // no writer: end of file
    EXPECT_EQ(out_u32(0), 0);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/in/socket", temp_dir);
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) == 0) {
        EXPECT_ERRNO(try_open(PREOPEN, 0, "socket"), WASI_NXIO);
        EXPECT_OK(stat_path(PREOPEN, 0, "socket"));
        EXPECT_EQ(memory[AT_OUT + 16], WASI_FILETYPE_SOCKET_STREAM);
    }
    (void)close(listener);
    tree_end();
}

TEST(magic_links) {
    const ImagoWasiDir dir = {"/proc", "/proc", false};
    const ImagoWasiOptions options = {.size = sizeof options, .dirs = &dir, .dir_count = 1};
    if (access("/proc/self/fd/0", F_OK) != 0) {
        TEST_SKIP("no /proc, or standard input is closed");
        return;
    }
    wasi = imago_wasi_new(&options, NULL);
    EXPECT(wasi != NULL);
    EXPECT_ERRNO(try_open(PREOPEN, 1, "self/fd/0"), WASI_LOOP);
    EXPECT_ERRNO(try_open(PREOPEN, 1, "self/root/etc/passwd"), WASI_LOOP);
    EXPECT_ERRNO(try_open(PREOPEN, 1, "self/cwd/x"), WASI_LOOP);
    EXPECT_OK(try_open(PREOPEN, 1, "self/status"));
    guest_end();
}

TEST(devices) {
    const ImagoWasiDir dir = {"/dev", "/dev", true};
    const ImagoWasiOptions options = {.size = sizeof options, .dirs = &dir, .dir_count = 1};
    wasi = imago_wasi_new(&options, NULL);
    EXPECT(wasi != NULL);
    EXPECT_OK(stat_path(PREOPEN, 0, "null"));
    EXPECT_EQ(memory[AT_OUT + 16], WASI_FILETYPE_CHARACTER_DEVICE);
    const u32 zero = open_file("zero", 0, WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK);
    EXPECT_OK(read_some(zero, 100));
    EXPECT_EQ(out_u32(0), 100);
    EXPECT_EQ(memory[AT_DATA + 99], 0);
    EXPECT_ERRNO(write_text(zero, "x"), WASI_NOTCAPABLE);
    EXPECT_ERRNO(CALL(fd_allocate, zero, 0, 1), WASI_SPIPE);
    guest_end();
}

TEST(open_flags) {
    tree_begin();
    u32 fd;
    const Open plain = {.dir = PREOPEN, .path = "dir", .oflags = WASI_OFLAG_DIRECTORY};
    EXPECT_OK(open_with(&plain, &fd));
    Open o = plain;
    o.base = WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE;
    EXPECT_ERRNO(open_with(&o, &fd), WASI_ISDIR);
    o = plain;
    o.path = "file";
    EXPECT_ERRNO(open_with(&o, &fd), WASI_NOTDIR);
    o.path = "to_dir";
    EXPECT_ERRNO(open_with(&o, &fd), WASI_NOTDIR);
    o.lookup = 1;
    EXPECT_OK(open_with(&o, &fd));
    o.oflags |= WASI_OFLAG_CREAT;
    EXPECT_ERRNO(open_with(&o, &fd), WASI_INVAL);
    o.oflags = 16;
    EXPECT_ERRNO(open_with(&o, &fd), WASI_INVAL);
    o = plain;
    o.lookup = 2;
    EXPECT_ERRNO(open_with(&o, &fd), WASI_INVAL);
    o = plain;
    o.fdflags = 32;
    EXPECT_ERRNO(open_with(&o, &fd), WASI_INVAL);
    // Truncation without any other right, and creation under a name that exists.
    const Open truncate = {.dir = PREOPEN, .path = "file", .oflags = WASI_OFLAG_TRUNC};
    EXPECT_OK(open_with(&truncate, &fd));
    EXPECT_STR(host_read("in/file"), "");
    EXPECT_ERRNO(read_some(fd, 1), WASI_NOTCAPABLE);
    const Open exclusive = {.dir = PREOPEN, .path = "file",
                            .oflags = WASI_OFLAG_CREAT | WASI_OFLAG_EXCL};
    EXPECT_ERRNO(open_with(&exclusive, &fd), WASI_EXIST);
    const Open create = {.dir = PREOPEN, .path = "dir", .oflags = WASI_OFLAG_CREAT};
    EXPECT_ERRNO(open_with(&create, &fd), WASI_ISDIR);
    // A dangling link is created through when followed, inside.
    const Open through = {.dir = PREOPEN, .path = "dangling", .lookup = 1,
                          .oflags = WASI_OFLAG_CREAT, .base = FILE_RIGHTS};
    EXPECT_OK(open_with(&through, &fd));
    EXPECT(host_exists("in/not_there"));
    // Flags of the new descriptor are what was asked for.
    const Open flags = {.dir = PREOPEN, .path = "file", .base = FILE_RIGHTS,
                        .fdflags = WASI_FDFLAG_APPEND | WASI_FDFLAG_SYNC | WASI_FDFLAG_NONBLOCK};
    EXPECT_OK(open_with(&flags, &fd));
    EXPECT_OK(CALL(fd_fdstat_get, fd, AT_OUT));
    EXPECT_EQ(load_u16(memory + AT_OUT + 2), flags.fdflags);
    const int host_flags = fcntl(wasi->fds.at[fd].host, F_GETFL);
    EXPECT_EQ(host_flags & (O_APPEND | O_SYNC | O_NONBLOCK), O_APPEND | O_SYNC | O_NONBLOCK);
    EXPECT_EQ(fcntl(wasi->fds.at[fd].host, F_GETFD), FD_CLOEXEC);
    tree_end();
}

// A refused open has no effect: bad result pointer, bad descriptor, full table.
TEST(refused_open_has_no_effect) {
    tree_begin();
    const u32 before = host_fd_count();
    const u32 bytes = put(AT_PATH, "new");
    EXPECT_ERRNO(CALL(path_open, PREOPEN, 0, AT_PATH, bytes, WASI_OFLAG_CREAT, 0, 0, 0,
                      MEMORY_BYTES - 3), WASI_FAULT);
    EXPECT_ERRNO(CALL(path_open, 77, 0, AT_PATH, bytes, WASI_OFLAG_CREAT, 0, 0, 0, AT_OUT),
                 WASI_BADF);
    wasi->max_fds = 1;
    EXPECT_ERRNO(CALL(path_open, PREOPEN, 0, AT_PATH, bytes, WASI_OFLAG_CREAT, 0, 0, 0, AT_OUT),
                 WASI_MFILE);
    EXPECT(!host_exists("in/new"));
    EXPECT_EQ(host_fd_count(), before);
    tree_end();
}

TEST(readlink_cuts) {
    tree_begin();
    memset(memory + AT_DATA, 0, 16);
    EXPECT_OK(readlink_path(PREOPEN, "to_file", 16));
    EXPECT_EQ(out_u32(0), 4);
    EXPECT(memcmp(memory + AT_DATA, "file\0\0", 6) == 0);
    memset(memory + AT_DATA, 0, 16);
    EXPECT_OK(readlink_path(PREOPEN, "to_file", 2));
    EXPECT_EQ(out_u32(0), 2);
    EXPECT(memcmp(memory + AT_DATA, "fi\0", 3) == 0);
    EXPECT_OK(readlink_path(PREOPEN, "to_file", 0));
    EXPECT_ERRNO(readlink_path(PREOPEN, "file", 10), WASI_INVAL);
    EXPECT_ERRNO(readlink_path(PREOPEN, "dir", 10), WASI_INVAL);
    EXPECT_ERRNO(readlink_path(PREOPEN, "none", 10), WASI_NOENT);
    EXPECT_ERRNO(CALL(path_link, PREOPEN, 1, AT_PATH, put(AT_PATH, "to_file"), PREOPEN, AT_PATH2,
                      put(AT_PATH2, "x")), WASI_INVAL);
    tree_end();
}

TEST(stat_fields) {
    tree_begin();
    struct stat st;
    (void)link(host_path("in/file"), host_path("in/file2"));
    (void)lstat(host_path("in/file"), &st);
    EXPECT_OK(stat_path(PREOPEN, 1, "to_file"));
    EXPECT_EQ(out_u64(0), st.st_dev);
    EXPECT_EQ(out_u64(8), st.st_ino);
    EXPECT_EQ(out_u64(16), WASI_FILETYPE_REGULAR_FILE);
    EXPECT_EQ(out_u64(24), 2);
    EXPECT_EQ(out_u64(32), 6);
    EXPECT_EQ(out_u64(48), (u64)st.st_mtim.tv_sec * 1000000000 + (u64)st.st_mtim.tv_nsec);
    EXPECT_OK(CALL(path_filestat_get_unstable, PREOPEN, 1, AT_PATH, put(AT_PATH, "file"), AT_OUT));
    EXPECT_EQ(out_u32(16), WASI_FILETYPE_REGULAR_FILE);
    EXPECT_EQ(out_u32(20), 2);
    EXPECT_EQ(out_u64(24), 6);
    EXPECT_EQ(out_u64(40), (u64)st.st_mtim.tv_sec * 1000000000 + (u64)st.st_mtim.tv_nsec);
    // Times: given, now, kept, contradicting.
    EXPECT_OK(CALL(path_filestat_set_times, PREOPEN, 0, AT_PATH, put(AT_PATH, "file"),
                   1500000000123456789, 7, WASI_FST_ATIM));
    EXPECT_OK(stat_path(PREOPEN, 0, "file"));
    EXPECT_EQ(out_u64(40), 1500000000123456789);
    EXPECT_EQ(out_u64(48), (u64)st.st_mtim.tv_sec * 1000000000 + (u64)st.st_mtim.tv_nsec);
    EXPECT_ERRNO(CALL(path_filestat_set_times, PREOPEN, 0, AT_PATH, 4, 0, 0, 3), WASI_INVAL);
    EXPECT_ERRNO(CALL(path_filestat_set_times, PREOPEN, 0, AT_PATH, 4, 0, 0, 12), WASI_INVAL);
    EXPECT_ERRNO(CALL(path_filestat_set_times, PREOPEN, 0, AT_PATH, 4, 0, 0, 16), WASI_INVAL);
    EXPECT_ERRNO(CALL(path_filestat_get, PREOPEN, 2, AT_PATH, 4, AT_OUT), WASI_INVAL);
    EXPECT_ERRNO(CALL(path_filestat_get, PREOPEN, 0, AT_PATH, 4, MEMORY_BYTES - 63), WASI_FAULT);
    tree_end();
}

int main(void) {
    RUN(opens_inside);
    RUN(refuses_ways_out);
    RUN(links_out);
    RUN(symlink_targets);
    RUN(trailing_slashes);
    RUN(dots);
    RUN(bad_text);
    RUN(special_files);
    RUN(magic_links);
    RUN(devices);
    RUN(open_flags);
    RUN(refused_open_has_no_effect);
    RUN(readlink_cuts);
    RUN(stat_fields);
    return test_end();
}
