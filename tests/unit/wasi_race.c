// Another process renames and relinks inside the preopen while the guest opens, creates, renames
// and unlinks: whatever the interleaving, nothing outside is read, changed or removed.
#define _GNU_SOURCE
#include "unit/wasi_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static atomic_bool is_over;
static int root; // host descriptor of temp_dir

static double seconds(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Makes in/a/b alternately a directory and a link to the directory outside, and moves in/m in and
// out of the preopen, so that ".." under it leads elsewhere.
static void *rename_in_a_loop(void *unused) {
    (void)unused;
    while (!atomic_load(&is_over)) {
        (void)renameat2(root, "in/a/b", root, "in/a/link", RENAME_EXCHANGE);
        (void)renameat2(root, "in/file", root, "in/file_link", RENAME_EXCHANGE);
        (void)renameat(root, "in/m", root, "out/m");
        (void)renameat(root, "out/m", root, "in/m");
    }
    return NULL;
}

static void tree_begin(void) {
    temp_begin();
    (void)mkdir(host_path("out"), 0755);
    host_write("out/victim", "secret");
    (void)mkdir(host_path("out/keep"), 0755);
    (void)mkdir(host_path("in/a"), 0755);
    (void)mkdir(host_path("in/a/b"), 0755);
    host_write("in/a/b/victim", "inside");
    (void)symlink("../../out", host_path("in/a/link"));
    host_write("in/file", "inside");
    (void)symlink("../out/victim", host_path("in/file_link"));
    (void)mkdir(host_path("in/m"), 0755);
    (void)mkdir(host_path("in/m/n"), 0755);
    guest_begin();
    root = open(temp_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

// What was opened must hold what lies inside.
static void check_contents(const char *path, u32 lookup) {
    u32 fd;
    const Open o = {.dir = PREOPEN, .path = path, .lookup = lookup,
                    .base = WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE};
    if (open_with(&o, &fd) == WASI_SUCCESS) {
        if (read_some(fd, 6) == WASI_SUCCESS && memcmp(memory + AT_DATA, "secret", 6) == 0) {
            TEST_FAIL("escaped through %s", path);
        }
        EXPECT_OK(CALL(fd_close, fd));
    }
}

static void one_round(void) {
    u32 fd;
    check_contents("a/b/victim", 1);
    check_contents("a/link/victim", 1);
    check_contents("file", 1);
    check_contents("m/n/../../../out/victim", 1);
    check_contents("m/n/../../file", 0);
    const Open create = {.dir = PREOPEN, .path = "a/b/made", .lookup = 1,
                         .oflags = WASI_OFLAG_CREAT, .base = WASI_RIGHT_FD_WRITE};
    if (open_with(&create, &fd) == WASI_SUCCESS) {
        EXPECT_OK(CALL(fd_close, fd));
    }
    const Open truncate = {.dir = PREOPEN, .path = "file", .lookup = 1, .oflags = WASI_OFLAG_TRUNC};
    if (open_with(&truncate, &fd) == WASI_SUCCESS) {
        EXPECT_OK(CALL(fd_close, fd));
    }
    (void)PATH(path_create_directory, PREOPEN, "a/b/dir");
    (void)PATH(path_remove_directory, PREOPEN, "a/b/keep");
    (void)PATH(path_remove_directory, PREOPEN, "a/b/dir");
    (void)PATH(path_unlink_file, PREOPEN, "a/b/victim");
    (void)rename_path(PREOPEN, "a/b/keep", PREOPEN, "a/b/gone");
    (void)rename_path(PREOPEN, "a/b/victim", PREOPEN, "stolen");
    (void)link_path(PREOPEN, "a/b/victim", PREOPEN, "stolen");
    (void)symlink_path("x", PREOPEN, "a/b/symlink");
    (void)symlink_path("../../out/victim", PREOPEN, "m/n/out_of_m");
    (void)CALL(path_filestat_set_times, PREOPEN, 1, AT_PATH, put(AT_PATH, "a/b/victim"), 1, 1,
               WASI_FST_ATIM | WASI_FST_MTIM);
}

TEST(renames) {
    tree_begin();
    pthread_t thread;
    struct stat st;
    const u32 fds = host_fd_count();
    const double end = seconds() + 2.5;
    u32 rounds = 0;
    if (pthread_create(&thread, NULL, rename_in_a_loop, NULL) != 0) {
        TEST_SKIP("no thread");
        return;
    }
    while (seconds() < end && !test_bad) {
        one_round();
        rounds++;
    }
    atomic_store(&is_over, true);
    (void)pthread_join(thread, NULL);
    printf("%u rounds\n", rounds);
    EXPECT_STR(host_read("out/victim"), "secret");
    EXPECT(host_exists("out/keep"));
    EXPECT(!host_exists("out/made") && !host_exists("out/dir") && !host_exists("out/gone") &&
           !host_exists("out/symlink"));
    EXPECT_EQ(stat(host_path("out/victim"), &st), 0);
    EXPECT_EQ(st.st_nlink, 1);
    EXPECT(st.st_mtim.tv_sec != 0);
    EXPECT_EQ(host_fd_count(), fds);
    (void)close(root);
    guest_end();
    temp_end();
}

int main(void) {
    RUN(renames);
    return test_end();
}
