#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"

bool cli_same_file(const char *a, const char *b) {
    struct stat st_a, st_b;
    return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
           st_a.st_ino == st_b.st_ino && S_ISREG(st_a.st_mode);
}

bool cli_output_is_stream(const char *path) {
    struct stat st;
    return strcmp(path, "-") == 0 ||
           (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

static bool write_all(int fd, const u8 *bytes, usize count, Error *err) {
    while (count != 0) {
        const ssize_t done = write(fd, bytes, count);
        if (done < 0 && errno != EINTR) {
            return fail(err, IO, ERROR_NO_OFFSET, "cannot write: %s", strerror(errno));
        }
        if (done > 0) {
            bytes += done;
            count -= (usize)done;
        }
    }
    return true;
}

static bool write_stream(const char *path, const void *bytes, usize count, Error *err) {
    if (strcmp(path, "-") == 0) {
        return write_all(STDOUT_FILENO, bytes, count, err);
    }
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(err, NO_OUTPUT, ERROR_NO_OFFSET, "cannot create: %s", strerror(errno));
    }
    bool ok = write_all(fd, bytes, count, err);
    if (close(fd) != 0 && ok) {
        ok = fail(err, IO, ERROR_NO_OFFSET, "cannot write: %s", strerror(errno));
    }
    return ok;
}

static bool write_file(const char *path, u32 mode, const void *bytes, usize count, Error *err) {
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return fail(err, NO_OUTPUT, ERROR_NO_OFFSET, "cannot create: is a directory");
    }
    FileOut *out = mem_alloc(sizeof *out); // two paths: too much for a stack frame
    if (out == NULL) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    bool ok = file_out_open(out, path, mode, err);
    if (ok && !file_write_at(out->fd, 0, bytes, count, err)) {
        file_out_discard(out);
        ok = false;
    }
    ok = ok && file_out_commit(out, err);
    mem_free(out);
    return ok;
}

bool cli_output_write(const char *path, const void *bytes, usize count, Error *err) {
    return cli_output_is_stream(path) ? write_stream(path, bytes, count, err)
                                      : write_file(path, 0666, bytes, count, err);
}

bool cli_output_write_program(const char *path, const void *bytes, usize count, Error *err) {
    return cli_output_is_stream(path) ? write_stream(path, bytes, count, err)
                                      : write_file(path, 0777, bytes, count, err);
}

bool cli_output_copy(const char *path, int from_fd, Error *err) {
    FileBytes bytes;
    char name[40];
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", from_fd);
    TRY(file_read(&bytes, name, err));
    const bool ok = cli_output_write(path, bytes.at, bytes.count, err);
    file_release(&bytes);
    return ok;
}

const char *cli_blame(const Error *err, const char *input, const char *output) {
    const bool is_output = err->code == IMAGO_ERROR_NO_OUTPUT || err->code == IMAGO_ERROR_IO;
    return is_output ? output : input;
}
