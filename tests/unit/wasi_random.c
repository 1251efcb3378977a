// Random calls of every function, with arguments that are often almost right: nothing outside the
// guest's memory and its folder changes, no descriptor leaks, and every answer is an errno.
#define _GNU_SOURCE
#include "unit/wasi_test.h"

#include <signal.h>
#include <sys/resource.h>

enum { CALLS = 60000, CANARY_BYTES = 8192, BYTES = 32768, MAX_OPEN = 24 };

static const struct {
    const char *name, *signature;
    WasiHandler handler;
} FUNCTIONS[] = {
#define FUNCTION(modules, name, signature, handler) {#handler, signature, wasi_##handler},
#include "wasi/functions.def"
#undef FUNCTION
};

// Its index among them.
enum {
#define FUNCTION(modules, name, signature, handler) INDEX_##handler,
#include "wasi/functions.def"
#undef FUNCTION
    OPEN = INDEX_path_open
};

// Guest memory with a canary behind it.
static u8 space[BYTES + CANARY_BYTES];
static u64 state;

static u64 next(void) { // xorshift64*
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Du;
}

static u64 below(u64 limit) { return next() % limit; }

static const char *const PATHS[] = {
    "file", "dir", "dir/file", ".", "..", "../secret", "dir/..", "dir/../..", "link", "link_out",
    "new", "new/", "dir/new", "/", "/etc/passwd", "", "fifo", "dir/../../secret", "link_out/x",
    "loop", "../in/file", "a/b/c", "file/", "\xff",
};

// Paths lie at multiples of 64 from 0 on, lists of buffers at 4096, of subscriptions at 8192.
static void fill_memory(void) {
    for (u32 i = 0; i < COUNT_OF(PATHS); i++) {
        memcpy(space + i * 64, PATHS[i], strlen(PATHS[i]) + 1);
    }
    for (u32 i = 0; i < 16; i++) {
        store_u32(space + 4096 + i * 8, (u32)below(BYTES + 64));
        store_u32(space + 4096 + i * 8 + 4, (u32)below(200));
        memset(space + 8192 + i * 48, 0, 48);
        space[8192 + i * 48 + 8] = (u8)(i == 0 ? 0 : below(4));
        store_u32(space + 8192 + i * 48 + 16, i == 0 ? 1 : (u32)below(12));
        space[8192 + i * 48 + 24] = i == 0; // the first is a clock that is over at once
        memset(space + 8192 + i * 48 + 25, 0, 7);
    }
}

static u64 random_u32(void) {
    static const u32 EDGES[] = {0, 1, UINT32_MAX, BYTES, BYTES - 1, BYTES - 4, BYTES - 8, 4096,
                                8192, 0x80000000u, 0x7FFFFFFF, 16384};
    switch (below(6)) {
    case 0:
        return EDGES[below(COUNT_OF(EDGES))];
    case 1:
        return (u32)next();
    case 2:
        return below(16);
    case 3:
        return below(COUNT_OF(PATHS)) * 64;
    default:
        return below(BYTES);
    }
}

static u64 random_u64(void) {
    switch (below(4)) {
    case 0:
        return next();
    case 1:
        return below(2) != 0 ? UINT64_MAX : (u64)INT64_MAX;
    case 2:
        return WASI_RIGHTS_ALL & ~((u64)1 << below(40));
    default:
        return below(100000);
    }
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

// Arguments a real guest could pass, at the places where that makes the call come far.
static void make_likely(const char *name, u64 *args) {
    const bool has_dir_first = starts_with(name, "path_") && !starts_with(name, "path_symlink");
    if (starts_with(name, "fd_") || has_dir_first) {
        args[0] = 3 + below(wasi->open_count + 1);
    }
    if (has_dir_first) {
        const u32 at = starts_with(name, "path_open") || starts_with(name, "path_filestat") ||
                               starts_with(name, "path_link")
                           ? 2
                           : 1;
        const u64 path = below(COUNT_OF(PATHS));
        args[at - 1] = at == 2 ? below(2) : args[at - 1];
        args[at] = path * 64;
        args[at + 1] = strlen(PATHS[path]);
    }
    if (starts_with(name, "path_open")) {
        args[4] = below(2) != 0 ? below(2) : below(16);
        args[7] = below(32);
        args[8] = 16384;
    } else if (starts_with(name, "path_symlink") || starts_with(name, "path_rename") ||
               starts_with(name, "path_link")) {
        const u32 at = starts_with(name, "path_symlink") ? 3
                       : starts_with(name, "path_link")  ? 5
                                                         : 4;
        const u64 path = below(COUNT_OF(PATHS));
        args[at - 1] = 3;
        args[at] = path * 64;
        args[at + 1] = strlen(PATHS[path]);
    }
    if (starts_with(name, "fd_read") || starts_with(name, "fd_write") ||
        starts_with(name, "fd_p")) {
        args[1] = 4096;
        args[2] = below(17);
    }
}

// The rest of what a call may do for long or without end is cut off: waiting, and large files.
static void make_bounded(const char *name, u64 *args) {
    if (starts_with(name, "poll_oneoff")) {
        args[0] = 8192;
        args[2] = below(16) + 1;
    }
}

static void one_call(void) {
    const u32 f = below(6) == 0 ? OPEN : (u32)below(COUNT_OF(FUNCTIONS));
    const char *name = FUNCTIONS[f].name;
    if (strcmp(name, "fd_close") == 0 && below(4) != 0) {
        return; // some descriptors should stay
    }
    WasiCall call = {.wasi = wasi, .memory = space, .memory_bytes = BYTES};
    for (u32 i = 0; FUNCTIONS[f].signature[i] != 0; i++) {
        call.args[i] = FUNCTIONS[f].signature[i] == 'i' ? random_u32() : random_u64();
    }
    if (below(3) != 0) {
        make_likely(name, call.args);
    }
    make_bounded(name, call.args);
    if (call.args[0] == 3 && strcmp(name, "fd_close") == 0) {
        return;
    }
    if ((strcmp(name, "fd_renumber") == 0 && (call.args[0] == 3 || call.args[1] == 3)) ||
        (strcmp(name, "fd_fdstat_set_rights") == 0 && call.args[0] == 3)) {
        return; // the preopen stays as it is
    }
    const bool is_done = FUNCTIONS[f].handler(&call);
    if (is_done != (call.error == WASI_SUCCESS) || (u32)call.error >= WASI_ERRNO_COUNT) {
        TEST_FAIL("%s: result and errno %u do not agree", name, (u32)call.error);
    }
}

static bool canary_lives(void) {
    for (u32 i = BYTES; i < BYTES + CANARY_BYTES; i++) {
        if (space[i] != 0xC5) {
            return false;
        }
    }
    return true;
}

static void tree_begin(void) {
    temp_begin();
    host_write("secret", "secret");
    host_write("in/file", "0123456789");
    (void)mkdir(host_path("in/dir"), 0755);
    host_write("in/dir/file", "deep");
    (void)symlink("file", host_path("in/link"));
    (void)symlink("../secret", host_path("in/link_out"));
    (void)symlink("loop", host_path("in/loop"));
    guest_begin_with(false, MAX_OPEN);
}

// Puts back what random calls removed, so that they keep finding something.
static void refresh(void) {
    host_write("in/refreshed", "x");
    (void)rename(host_path("in/refreshed"), host_path("in/file"));
    (void)mkdir(host_path("in/dir"), 0755);
    (void)symlink("../secret", host_path("in/link_out"));
    (void)symlink("file", host_path("in/link"));
}

TEST(random_calls) {
    // Files stay small; the signal for a larger one is an errno instead.
    const struct rlimit small = {1 << 20, 1 << 20};
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &small);
    tree_begin();
    const char *seed = getenv("SEED");
    state = seed != NULL ? strtoull(seed, NULL, 10) : 20240229;
    memset(space, 0xC5, sizeof space);
    u32 most_open = 0;
    for (u32 i = 0; i < CALLS && !test_bad; i++) {
        if (i % 16 == 0) {
            fill_memory();
            refresh();
        }
        one_call();
        most_open = wasi->open_count > most_open ? wasi->open_count : most_open;
        if (!canary_lives()) {
            TEST_FAIL("call %u wrote behind guest memory", i);
        }
    }
    EXPECT(most_open > 5 && most_open <= MAX_OPEN);
    EXPECT_STR(host_read("secret"), "secret");
    (void)unlink(host_path("secret"));
    const u32 open_now = host_fd_count(), open_of_guest = wasi->open_count;
    guest_end();
    EXPECT_EQ(host_fd_count(), open_now - open_of_guest);
    (void)nftw(preopen_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    EXPECT_EQ(rmdir(temp_dir), 0); // nothing else was made beside the folder
    temp_end();
}

int main(void) {
    RUN(random_calls);
    return test_end();
}
