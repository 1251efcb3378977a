// One hostile or unlucky thing a guest can do, named by its first argument. The exit status is the
// errno it got, 0 for none.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

static char piece[4096];

static int write_once(void) { return write(1, "x\n", 2) == 2 ? 0 : errno; }

static int write_for_ever(void) {
    for (;;) {
        if (write(1, piece, sizeof piece) < 0) {
            return errno;
        }
    }
}

static int read_once(void) { return read(0, piece, sizeof piece) >= 0 ? 0 : errno; }

static int read_without_waiting(void) {
    return fcntl(0, F_SETFL, O_NONBLOCK) != 0 ? 100 : read_once();
}

// Within the memory that is asked for first, so that only the number is wrong.
static int poll_a_million(void) {
    size_t events;
    const size_t pages = __builtin_wasm_memory_grow(0, 1300);
    if (pages == (size_t)-1) {
        return 101;
    }
    char *list = (char *)(pages * 65536);
    return __wasi_poll_oneoff((const __wasi_subscription_t *)list,
                              (__wasi_event_t *)(list + 48000000), 1000000, &events);
}

static int random_of_4_gb(void) { return __wasi_random_get((uint8_t *)4096, 0xFFFFFFFF); }

static int iovecs_of_4_gb(void) {
    __wasi_size_t done;
    return __wasi_fd_write(1, (const __wasi_ciovec_t *)4096, 0xFFFFFFFF, &done);
}

static int pointer_at_the_end(void) {
    __wasi_size_t done;
    return __wasi_fd_write(1, (const __wasi_ciovec_t *)0xFFFFFFF8, 1, &done);
}

// The number it got to goes to standard output.
static int open_without_end(void) {
    int count = 0;
    while (open("/d/file", O_RDONLY) >= 0) {
        count++;
    }
    const int reason = errno;
    printf("%d\n", count);
    return reason;
}

static const struct {
    const char *name;
    int (*run)(void);
} PROBES[] = {
    {"write", write_once},       {"flood", write_for_ever},     {"read", read_once},
    {"nonblock", read_without_waiting}, {"poll", poll_a_million}, {"random", random_of_4_gb},
    {"iovecs", iovecs_of_4_gb},  {"pointer", pointer_at_the_end}, {"open", open_without_end},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof PROBES / sizeof *PROBES; i++) {
        if (strcmp(argv[1], PROBES[i].name) == 0) {
            return PROBES[i].run();
        }
    }
    return 127;
}
