// open, pread, mmap, mprotect, close; one allocation. The headers are read, not looked at in the
// mapping: the fault would cost five times as much as the call (and more with the mapping, since
// the kernel maps the pages around as well and has to unmap them). They also say how long the file
// is; that it is so shows at the first use of the image, which looks at its end.
//
// An image with a memory snapshot keeps the file open instead, if there are not many of them: each
// instance maps the snapshot copy-on-write, and a new private mapping can be had from a descriptor
// only.
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
#include "image/format.h"
#include "runtime/arch.h"
#include "runtime/debugger.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
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

static bool check_machine(const ImagoImage *image, Error *err) {
    if (image->view.platform != PLATFORM_HERE) {
        return fail(err, UNSUPPORTED, ERROR_NO_OFFSET,
                    "the image is for %s, this library runs those for %s",
                    PLATFORMS[image->view.platform].name, PLATFORMS[PLATFORM_HERE].name);
    }
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

// Takes the place of an error that is set already: zeros that were read may be all there is to it.
static bool fail_cut(Error *err, const char *text) {
    if (err != NULL) {
        *err = ERROR_INIT;
    }
    return fail(err, IMAGE, ERROR_NO_OFFSET, "%s", text);
}

// The file at `map`, of which `head` is known already.
static bool use_mapping(ImagoImage *image, u8 *map, const ImageFile *file, Error *err) {
    HostRead read;
    runtime_read_begin(&read, map, file->count);
    const bool is_good = image_parse_file(&image->view, file, err) && check_machine(image, err);
    const bool is_there = runtime_read_end(&read) || fail_cut(err, "the file has been cut");
    return is_good && is_there && make_executable(image, map, err);
}

// trusts_headers: a file that is shorter than it should be is found out when it is first read.
static bool map_file(ImagoImage *image, int fd, bool trusts_headers, Error *err) {
    u8 head[HEAD_BYTES];
    const ssize_t got = pread(fd, head, sizeof head, 0); // if it fails, the mapping will do
    u64 bytes = trusts_headers && got == HEAD_BYTES ? image_declared_bytes(head, HEAD_BYTES) : 0;
    if (bytes == 0) {
        TRY(file_bytes(fd, &bytes, err));
        image->is_whole = true;
    }
    errno = ENOMEM;
    u8 *map = mem_request_fails() ? MAP_FAILED
                                  : mmap(place_for(image->engine, bytes), bytes, PROT_READ,
                                         MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        return fail(err, OS, ERROR_NO_OFFSET, "cannot map the file: %s", strerror(errno));
    }
    const ImageFile file = {map, head, bytes, got < 0 || (u64)got > bytes ? 0 : (u64)got, false};
    if (!use_mapping(image, map, &file, err)) {
        const int status = munmap(map, bytes);
        CHECK(status == 0);
        return false;
    }
    return true;
}

// ---- Reading ------------------------------------------------------------------------------------

void runtime_image_read_begin(const ImagoImage *image, HostRead *read) {
    runtime_read_begin(read, image->view.bytes, image->view.byte_count);
}

// Its last byte but one is not zero in the file: image_declared_bytes.
static bool has_end(const ImagoImage *image) {
    return image->is_whole || image->view.bytes[image->view.byte_count - 2] != 0;
}

bool runtime_image_read_end(const ImagoImage *image, const HostRead *read, Error *err) {
    ImagoImage *noted = (ImagoImage *)(uintptr_t)image;
    noted->is_whole = has_end(image);
    if (!runtime_read_end(read) || !image->is_whole) {
        noted->is_cut = true;
    }
    return !image->is_cut || fail_cut(err, "the image's file has been cut or could not be read");
}

// ---- Opening ------------------------------------------------------------------------------------

// For instances, or as the only way that a debugger has to the file.
static bool wants_file(const ImagoImage *image) {
    return image->view.snapshot_bytes != 0 ||
           (image->path[0] == 0 && runtime_debugger_can_list(image));
}

static bool may_keep_file(const ImagoImage *image) {
    if (!wants_file(image)) {
        return false;
    }
    if (atomic_fetch_add(&image->engine->file_count, 1) < ENGINE_MAX_FILES) {
        return true;
    }
    atomic_fetch_sub(&image->engine->file_count, 1);
    return false;
}

static void release_file(ImagoImage *image) {
    if (image->fd >= 0) {
        close(image->fd);
        atomic_fetch_sub(&image->engine->file_count, 1);
    }
}

// *takes: fd may be kept itself, and false if it was. Nothing is lost but time if none can be kept.
static void keep_file(ImagoImage *image, int fd, bool *takes) {
    image->fd = *takes ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    *takes = false;
    if (image->fd < 0) {
        atomic_fetch_sub(&image->engine->file_count, 1);
    }
}

// With the path, if it is known, or room for one by descriptor.
static ImagoImage *image_new(ImagoEngine *engine, const char *path, Error *err) {
    char name[DEBUGGER_MAX_PATH];
    const usize name_bytes = runtime_debugger_path(engine->directory, path, name);
    const usize room = name_bytes > DEBUGGER_FD_PATH ? name_bytes : DEBUGGER_FD_PATH;
    ImagoImage *image = mem_alloc(sizeof *image + room);
    if (image == NULL) {
        error_set(err, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    image->engine = engine;
    image->serial = atomic_fetch_add(&engine->image_count, 1) + 1;
    image->fd = -1;
    memcpy(image->path, name, name_bytes);
    return image;
}

// Does not take fd, unless it is to be kept and `takes`: then *takes becomes false.
//   path            NULL if it is not known
//   trusts_headers  as map_file has it
static ImagoImage *open_file(ImagoEngine *engine, int fd, const char *path, bool trusts_headers,
                             bool *takes, Error *err) {
    ImagoImage *image = image_new(engine, path, err);
    if (image == NULL) {
        return NULL;
    }
    if (!map_file(image, fd, trusts_headers, err)) {
        mem_free(image);
        return NULL;
    }
    runtime_debugger_show_mapping(image, fd);
    if (may_keep_file(image)) {
        keep_file(image, fd, takes);
    }
    runtime_debugger_add(image);
    return image;
}

// Maps fd, and either closes it or keeps it. path: NULL if there is none.
static ImagoImage *open_fd_take(ImagoEngine *engine, int fd, const char *path, Error *err) {
    bool takes = true;
    ImagoImage *image = open_file(engine, fd, path, path != NULL && *path != 0, &takes, err);
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
    char path[DEBUGGER_MAX_PATH];
    const bool has_path = runtime_debugger_path_of(fd, path);
    return open_file(engine, fd, has_path ? path : NULL, false, &takes, error);
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

// Where an image is part of a program's code, its tables and data are executable too.
static bool leave_only_code_executable(const Image *view, Error *err) {
    u8 *map = (u8 *)(uintptr_t)view->bytes;
    const u64 code_end = view->exec_offset + view->exec_bytes;
    const u64 rest = align_up(view->byte_count, IMAGE_PAGE_BYTES) - code_end;
    return (mprotect(map, view->exec_offset, PROT_READ) == 0 &&
            mprotect(map + code_end, rest, PROT_READ) == 0) ||
           fail(err, OS, ERROR_NO_OFFSET, "cannot protect the image: %s", strerror(errno));
}

// How far the segments reach shows only when they are read.
static bool use_segments(ImagoImage *image, const void *start, Error *err) {
    HostRead read;
    runtime_read_begin(&read, start, IMAGE_MAX_BYTES);
    const bool is_good = image_parse_loaded(&image->view, start, err) && check_machine(image, err);
    const bool is_there =
        runtime_read_end(&read) || fail(err, IMAGE, ERROR_NO_OFFSET, "the file has been cut");
    return is_good && is_there && leave_only_code_executable(&image->view, err);
}

ImagoImage *imago_image_open_mapped(ImagoEngine *engine, const void *start, ImagoError *error) {
    if ((uintptr_t)start % IMAGE_PAGE_BYTES != 0) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "the image is not page-aligned");
        return NULL;
    }
    ImagoImage *image = image_new(engine, NULL, error);
    if (image == NULL) {
        return NULL;
    }
    image->is_borrowed = true;
    image->is_whole = true;
    if (!use_segments(image, start, error)) {
        mem_free(image);
        return NULL;
    }
    return image;
}

// Another image may use the same memory, which must stay executable then.
static void keep_buffer(ImagoImage *image) {
    pthread_mutex_lock(&image->engine->lock);
    image->next_buffer = image->engine->buffers;
    image->engine->buffers = image;
    pthread_mutex_unlock(&image->engine->lock);
}

static void release_buffer(ImagoImage *image) {
    const Image *view = &image->view;
    bool is_last = true;
    pthread_mutex_lock(&image->engine->lock);
    for (ImagoImage **link = &image->engine->buffers; *link != NULL;) {
        if (*link == image) {
            *link = image->next_buffer;
        } else {
            is_last = is_last && (*link)->view.bytes != view->bytes;
            link = &(*link)->next_buffer;
        }
    }
    if (is_last) {
        (void)mprotect((u8 *)(uintptr_t)view->bytes + view->exec_offset, view->exec_bytes,
                       PROT_READ | PROT_WRITE);
    }
    pthread_mutex_unlock(&image->engine->lock);
}

ImagoImage *imago_image_open_memory(ImagoEngine *engine, void *memory, size_t count,
                                    ImagoError *error) {
    if ((uintptr_t)memory % os_page_bytes() != 0 || memory == NULL) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "memory that does not start a page");
        return NULL;
    }
    ImagoImage *image = image_new(engine, "", error);
    if (image == NULL) {
        return NULL;
    }
    image->is_buffer = true;
    image->is_whole = true;
    if (!use_mapping(image, memory, &(ImageFile){.bytes = memory, .count = count}, error)) {
        mem_free(image);
        return NULL;
    }
    keep_buffer(image);
    return image;
}

void imago_image_delete(ImagoImage *image) {
    if (image == NULL) {
        return;
    }
    runtime_debugger_remove(image);
    runtime_memory_forget(image);
    if (image->is_buffer) {
        release_buffer(image);
    } else if (!image->is_borrowed) {
        const int status = munmap((u8 *)(uintptr_t)image->view.bytes, image->view.byte_count);
        CHECK(status == 0);
    }
    release_file(image);
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
