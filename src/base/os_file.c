#define _GNU_SOURCE // O_TMPFILE
#include "base/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

// Reads to the end of `fd`, where `expected` bytes are, as far as is known.
static bool read_stream(FileBytes *out, int fd, const char *path, usize expected, Error *err) {
    u8 *bytes = NULL;
    usize count = 0, capacity = 0;
    for (;;) {
        if (count == capacity) {
            const usize grown_capacity = capacity ? capacity * 2 : expected + 1;
            u8 *grown = mem_grow(bytes, grown_capacity, grown_capacity);
            if (grown == NULL) {
                mem_free(bytes);
                return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory reading %s", path);
            }
            if (capacity == 0) {
                mem_will_fill(grown, expected);
            }
            bytes = grown;
            capacity = grown_capacity;
        }
        const ssize_t got = read(fd, bytes + count, capacity - count);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            const int reason = errno;
            mem_free(bytes);
            return fail(err, NO_INPUT, ERROR_NO_OFFSET, "cannot read: %s", strerror(reason));
        }
        count += got > 0 ? (usize)got : 0;
    }
    *out = (FileBytes){bytes, count};
    return true;
}

static bool read_open(FileBytes *out, int fd, const char *path, Error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return fail(err, NO_INPUT, ERROR_NO_OFFSET, "cannot read: %s", strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return fail(err, NO_INPUT, ERROR_NO_OFFSET, "is a directory");
    }
    // Not mapped: a file that shrinks while it is compiled must not end in SIGBUS.
    const bool has_size = S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < INT64_C(1) << 40;
    return read_stream(out, fd, path, has_size ? (usize)st.st_size : 65536, err);
}

bool file_read(FileBytes *out, const char *path, Error *err) {
    if (strcmp(path, "-") == 0) {
        return read_stream(out, STDIN_FILENO, path, 65536, err);
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(err, NO_INPUT, ERROR_NO_OFFSET, "cannot open: %s", strerror(errno));
    }
    const bool ok = read_open(out, fd, path, err);
    close(fd);
    return ok;
}

void file_release(FileBytes *file) {
    mem_free((void *)(uintptr_t)file->at);
    *file = (FileBytes){0};
}

// A random name in the folder of out->path, into out->temp_path.
static void make_temp_path(FileOut *out) {
    u64 random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random) {
        random = (u64)getpid() * 0x9E3779B97F4A7C15u + (u64)(uintptr_t)out;
    }
    const char *slash = strrchr(out->path, '/');
    const int folder_bytes = slash != NULL ? (int)(slash - out->path) + 1 : 0;
    (void)snprintf(out->temp_path, sizeof out->temp_path, "%.*s.imago-%016llx.tmp", folder_bytes,
                   out->path, (unsigned long long)random);
}

// A file without a name, which is gone if this process dies. -1: this file system has none.
static int open_unnamed(FileOut *out, u32 mode) {
    const char *slash = strrchr(out->path, '/');
    const int bytes = slash != NULL ? (int)(slash - out->path) + 1 : 0;
    char *folder = out->temp_path; // not in use yet
    (void)snprintf(folder, sizeof out->temp_path, "%.*s.", bytes, out->path);
    // It gets its name by way of /proc.
    const bool can_link = access("/proc/self/fd", X_OK) == 0;
    const int fd = can_link ? open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, mode) : -1;
    out->temp_path[0] = 0;
    return fd;
}

bool file_out_open(FileOut *out, const char *path, u32 mode, Error *err) {
    out->fd = -1;
    out->temp_path[0] = 0;
    out->path[0] = 0;
    if (strlen(path) + 40 > sizeof out->path) {
        return fail(err, NO_OUTPUT, ERROR_NO_OFFSET, "cannot create: path too long");
    }
    memcpy(out->path, path, strlen(path) + 1);
    out->fd = open_unnamed(out, mode);
    for (u32 attempt = 0; attempt < 16 && out->fd < 0; attempt++) {
        make_temp_path(out);
        out->fd = open(out->temp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (out->fd < 0 && errno != EEXIST) {
            break;
        }
    }
    if (out->fd < 0) {
        out->temp_path[0] = 0;
        return fail(err, NO_OUTPUT, ERROR_NO_OFFSET, "cannot create: %s", strerror(errno));
    }
    return true;
}

bool file_write_at(int fd, u64 offset, const void *bytes, usize count, Error *err) {
    const u8 *p = bytes;
    while (count != 0) {
        const ssize_t done = pwrite(fd, p, count, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return fail(err, IO, ERROR_NO_OFFSET, "cannot write: %s",
                        strerror(done == 0 ? ENOSPC : errno));
        }
        p += done;
        offset += (u64)done;
        count -= (usize)done;
    }
    return true;
}

// Gives an unnamed file its temporary name.
static bool link_unnamed(FileOut *out) {
    char descriptor[40];
    (void)snprintf(descriptor, sizeof descriptor, "/proc/self/fd/%d", out->fd);
    for (u32 attempt = 0; attempt < 16; attempt++) {
        make_temp_path(out);
        if (linkat(AT_FDCWD, descriptor, AT_FDCWD, out->temp_path, AT_SYMLINK_FOLLOW) == 0) {
            return true;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    out->temp_path[0] = 0;
    return false;
}

bool file_out_commit(FileOut *out, Error *err) {
    bool ok = out->temp_path[0] != 0 || link_unnamed(out);
    if (ok) {
        ok = close(out->fd) == 0;
        out->fd = -1;
    }
    if (!ok || rename(out->temp_path, out->path) != 0) {
        const int reason = errno;
        file_out_discard(out);
        return fail(err, NO_OUTPUT, ERROR_NO_OFFSET, "cannot create: %s", strerror(reason));
    }
    out->temp_path[0] = 0;
    return true;
}

void file_out_discard(FileOut *out) {
    if (out->fd >= 0) {
        close(out->fd);
        out->fd = -1;
    }
    if (out->temp_path[0] != 0) {
        (void)unlink(out->temp_path);
        out->temp_path[0] = 0;
    }
}
