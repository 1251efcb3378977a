// open, fstat, pread, mmap, mprotect, close; one allocation. The headers are read, not looked at
// in the mapping: the fault would cost five times as much as the call (and more with the mapping,
// since the kernel maps the pages around as well and has to unmap them). An image with a memory
// snapshot keeps the file open instead: each instance maps the snapshot copy-on-write, and a
// private mapping can be had from a descriptor only.
#define _GNU_SOURCE
#include "runtime/image_map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os_file.h"
#include "base/os_mem.h"
#include "runtime/arch.h"
#include "runtime/debugger.h"
#include "runtime/engine.h"
#include "types/cpu.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

// All that opening reads of a file as the linker writes it.
enum { HEAD_BYTES = 2560 };
#define PLACE_RANGE_BYTES (64ull << 30)
#define PLACE_DISTANCE_BYTES (1ull << 30) // what a program may put before our code

static bool file_bytes(int fd, u64 *bytes, Error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return fail(err, NO_INPUT, ERROR_NO_OFFSET, "cannot read: %s", strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return fail(err, NO_INPUT, ERROR_NO_OFFSET, "is a directory");
    }
    if (!S_ISREG(st.st_mode)) {
        return fail(err, NO_INPUT, ERROR_NO_OFFSET, "is not a regular file");
    }
    if (st.st_size <= 0) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "the file is empty");
    }
    *bytes = (u64)st.st_size;
    return true;
}

static bool check_cpu(const ImagoImage *image, Error *err) {
    const u64 missing = image->view.cpu_features & ~image->engine->cpu_features;
    if (missing != 0) {
        char names[128];
        return fail(err, OS, ERROR_NO_OFFSET, "the image needs %s, which this processor lacks",
                    cpu_feature_names(missing, names, sizeof names));
    }
    return true;
}

static bool make_executable(const ImagoImage *image, u8 *map, Error *err) {
    const Image *view = &image->view;
    CHECK(range_fits(view->exec_offset, view->exec_bytes,
                     align_up(view->byte_count, 4096)));
    if (view->exec_bytes == 0) {
        return true;
    }
    if (mprotect(map + view->exec_offset, view->exec_bytes, PROT_READ | PROT_EXEC) == 0) {
        return true;
    }
    if (errno == EACCES || errno == EPERM) {
        return fail(err, OS, ERROR_NO_OFFSET,
                    "the system does not let code run from this file (is it on a file system "
                    "mounted noexec?): %s",
                    strerror(errno));
    }
    return fail(err, OS, ERROR_NO_OFFSET, "cannot make code executable: %s", strerror(errno));
}

// Where to ask for the mapping: below our own code, in the same 64 GiB. Calls that cross between
// two such ranges cost 0.8 ns more each way and back (Zen 4), and the system puts files elsewhere
// than a program that our code is part of. NULL: no such place. Only a wish: whatever is there
// already stays, and the system then chooses.
static void *place_for(ImagoEngine *engine, u64 bytes) {
    const u64 code = (u64)(uintptr_t)arch_text_start;
    const u64 low = code & ~(PLACE_RANGE_BYTES - 1);
    if (code - low <= PLACE_DISTANCE_BYTES) {
        return NULL;
    }
    const u64 room = align_up(code - low - PLACE_DISTANCE_BYTES, os_page_bytes());
    const u64 span = align_up(bytes, os_page_bytes());
    const u64 used =
        atomic_fetch_add_explicit(&engine->placed_bytes, span, memory_order_relaxed) % room;
    return span > room - used ? NULL : (void *)(uintptr_t)(low + room - used - span);
}

static bool map_file(ImagoImage *image, int fd, Error *err) {
    u8 head[HEAD_BYTES];
    u64 bytes = 0;
    TRY(file_bytes(fd, &bytes, err));
    const ssize_t got = pread(fd, head, sizeof head, 0); // if it fails, the mapping will do
    errno = ENOMEM;
    u8 *map = mem_request_fails() ? MAP_FAILED
                                  : mmap(place_for(image->engine, bytes), bytes, PROT_READ,
                                         MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        return fail(err, OS, ERROR_NO_OFFSET, "cannot map the file: %s", strerror(errno));
    }
    const ImageFile file = {map, head, bytes, got < 0 ? 0 : (u64)got};
    if (!image_parse_file(&image->view, &file, err) || !check_cpu(image, err) ||
        !make_executable(image, map, err)) {
        const int status = munmap(map, bytes);
        CHECK(status == 0);
        return false;
    }
    return true;
}

static bool keep_file(ImagoImage *image, int fd, Error *err) {
    image->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return image->fd >= 0 || fail(err, OS, ERROR_NO_OFFSET, "cannot keep the file open: %s",
                                  strerror(errno));
}

// With the path, if it is known.
static ImagoImage *image_new(ImagoEngine *engine, const char *path, Error *err) {
    char name[DEBUGGER_MAX_PATH];
    const usize name_bytes = runtime_debugger_path(path, name);
    ImagoImage *image = mem_alloc(sizeof *image + name_bytes);
    if (image == NULL) {
        error_set(err, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    image->engine = engine;
    image->fd = -1;
    memcpy(image->path, name, name_bytes);
    return image;
}

// Does not take fd, unless it is to be kept and `takes`: then *takes becomes false. path: NULL if
// it is not known.
static ImagoImage *open_file(ImagoEngine *engine, int fd, const char *path, bool *takes,
                             Error *err) {
    ImagoImage *image = image_new(engine, path, err);
    if (image == NULL) {
        return NULL;
    }
    if (!map_file(image, fd, err)) {
        mem_free(image);
        return NULL;
    }
    runtime_debugger_show_mapping(image, fd);
    runtime_debugger_add(image);
    if (image->view.snapshot_bytes == 0) {
        return image;
    }
    if (*takes) {
        image->fd = fd;
        *takes = false;
    } else if (!keep_file(image, fd, err)) {
        imago_image_delete(image);
        return NULL;
    }
    return image;
}

// Maps fd, and either closes it or keeps it.
static ImagoImage *open_fd_take(ImagoEngine *engine, int fd, const char *path, Error *err) {
    bool takes = true;
    ImagoImage *image = open_file(engine, fd, path, &takes, err);
    if (takes) {
        close(fd);
    }
    return image;
}

ImagoImage *imago_image_open(ImagoEngine *engine, const char *path, ImagoError *error) {
    // Not blocking: a FIFO without a writer is reported, not waited for.
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        error_set(error, IMAGO_ERROR_NO_INPUT, ERROR_NO_OFFSET, "cannot open: %s",
                  strerror(errno));
        return NULL;
    }
    return open_fd_take(engine, fd, path, error);
}

ImagoImage *imago_image_open_fd(ImagoEngine *engine, int fd, ImagoError *error) {
    bool takes = false;
    return open_file(engine, fd, NULL, &takes, error);
}

// Where the system forbids executable memfds, one that can never be execve'd is still allowed;
// older kernels do not know the flag.
static int make_memfd(void) {
    int fd = memfd_create("imago-image", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create("imago-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    return fd;
}

ImagoImage *imago_image_open_bytes(ImagoEngine *engine, const void *bytes, size_t count,
                                   ImagoError *error) {
    const int fd = make_memfd();
    if (fd < 0) {
        error_set(error, IMAGO_ERROR_OS, ERROR_NO_OFFSET, "cannot make an anonymous file: %s",
                  strerror(errno));
        return NULL;
    }
    if (!file_write_at(fd, 0, bytes, count, error) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        error_set(error, IMAGO_ERROR_OS, ERROR_NO_OFFSET, "cannot seal the anonymous file: %s",
                  strerror(errno));
        close(fd);
        return NULL;
    }
    return open_fd_take(engine, fd, NULL, error);
}

void imago_image_delete(ImagoImage *image) {
    if (image == NULL) {
        return;
    }
    runtime_debugger_remove(image);
    const int status = munmap((void *)(uintptr_t)image->view.bytes, image->view.byte_count);
    CHECK(status == 0);
    if (image->fd >= 0) {
        close(image->fd);
    }
    mem_free(image);
}

bool imago_is_image(const void *bytes, size_t count) { return image_has_magic(bytes, count); }

const void *imago_image_eh_frame(const ImagoImage *image, size_t *bytes) {
    u64 count = 0;
    const void *section = image_eh_frame(&image->view, &count);
    if (bytes != NULL) {
        *bytes = count;
    }
    return section;
}
