//! dir: /box
//! file: /box/file inside\n
//! file: /box/sub/file deep\n
//! link: /box/to_secret ../secret
//! link: /box/to_host {host}
//! link: /box/to_root /
//! link: /box/loop loop
//! fifo: /box/fifo
//! outside: secret secret\n
//! seconds: 10
// A program that tries to leave its folder by every call that takes a path. What it gets is an
// error; the runner checks that nothing outside was touched.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// wasi-libc resolves names against the preopened folders itself: calls relative to the folder's own
// descriptor, which is 3, reach the engine as they are.
enum { BOX = 3 };

static int failures;

static void expect_refused(const char *what, const char *path, int result) {
    if (result >= 0 || (errno != EPERM && errno != ENOTCAPABLE)) {
        printf("%s \"%s\": %d, %s\n", what, path, result, result < 0 ? strerror(errno) : "done");
        failures++;
    }
}

static const char *const PATHS[] = {
    "../secret",     "..",          "../",       "sub/../../secret", "/etc/passwd", "/",
    "to_secret/x",   "to_root/etc", "to_host/x", "sub/../..",        "./../secret", "to_host/in",
};

static void try_path(const char *path) {
    struct stat st;
    char target[64];
    expect_refused("open", path, openat(BOX, path, O_RDONLY));
    expect_refused("create", path, openat(BOX, path, O_WRONLY | O_CREAT | O_TRUNC, 0666));
    expect_refused("stat", path, fstatat(BOX, path, &st, 0));
    expect_refused("lstat", path, fstatat(BOX, path, &st, AT_SYMLINK_NOFOLLOW));
    expect_refused("mkdir", path, mkdirat(BOX, path, 0777));
    expect_refused("unlink", path, unlinkat(BOX, path, 0));
    expect_refused("rmdir", path, unlinkat(BOX, path, AT_REMOVEDIR));
    expect_refused("rename from", path, renameat(BOX, path, BOX, "stolen"));
    expect_refused("rename to", path, renameat(BOX, "file", BOX, path));
    expect_refused("link from", path, linkat(BOX, path, BOX, "stolen", 0));
    expect_refused("link to", path, linkat(BOX, "file", BOX, path, 0));
    expect_refused("symlink", path, symlinkat("file", BOX, path));
    expect_refused("readlink", path, (int)readlinkat(BOX, path, target, sizeof target));
}

static const char *const LINKS[] = {"to_secret", "to_root", "to_host"};
static const char *const TARGETS[] = {"/", "/etc/passwd", "..", "../", "../secret", "sub/../../x"};

int main(void) {
    for (unsigned i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
        try_path(PATHS[i]);
    }
    for (unsigned i = 0; i < sizeof LINKS / sizeof *LINKS; i++) {
        expect_refused("open", LINKS[i], openat(BOX, LINKS[i], O_RDONLY));
        expect_refused("create", LINKS[i], openat(BOX, LINKS[i], O_WRONLY | O_CREAT, 0666));
    }
    for (unsigned i = 0; i < sizeof TARGETS / sizeof *TARGETS; i++) {
        expect_refused("symlink to", TARGETS[i], symlinkat(TARGETS[i], BOX, "made"));
    }
    if (openat(BOX, "loop", O_RDONLY) >= 0 || errno != ELOOP) {
        printf("loop: %s\n", strerror(errno));
        failures++;
    }
    if (openat(BOX, "fifo", O_RDONLY) < 0) { // must not wait for a writer
        printf("fifo: %s\n", strerror(errno));
        failures++;
    }
    return failures != 0;
}
