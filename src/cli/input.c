#define _GNU_SOURCE
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/progress.h"
#include "image/image.h"
#include "cli/report.h"
#include "text/wat.h"
#include "wasm/decode.h"

u64 cli_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

// What files that are no modules tend to be. `magic` stands at the start.
static const struct {
    const char *magic;
    const char *what;
} LOOKS_LIKE[] = {
    {"\x1f\x8b", "a gzip archive"},
    {"PK\x03\x04", "a zip archive"},
    {"\x28\xb5\x2f\xfd", "a zstd archive"},
    {"<", "HTML or XML"},
    {"\x7f" "ELF", "an ELF file, but not an image"},
    {"MZ", "a Windows program"},
    {"#!", "a script"},
    {"BC\xc0\xde", "LLVM bitcode"},
    {"!<arch>", "an archive of object files"},
};

static bool check_kind(const FileBytes *bytes, Error *err) {
    if (bytes->count == 0) {
        return fail(err, MALFORMED, ERROR_NO_OFFSET, "the file is empty");
    }
    if (imago_is_image(bytes->at, bytes->count)) {
        return fail(err, MALFORMED, ERROR_NO_OFFSET, "is an image, expected a module");
    }
    for (u32 i = 0; i < COUNT_OF(LOOKS_LIKE); i++) {
        const usize magic_bytes = strlen(LOOKS_LIKE[i].magic);
        if (bytes->count >= magic_bytes &&
            memcmp(bytes->at, LOOKS_LIKE[i].magic, magic_bytes) == 0) {
            return fail(err, MALFORMED, 0, "not a module: looks like %s", LOOKS_LIKE[i].what);
        }
    }
    return true; // the decoder says what else is wrong
}

bool cli_module_read(const char *path, FileBytes *bytes, Error *err) {
    TRY(file_read(bytes, path, err));
    if (!check_kind(bytes, err)) {
        file_release(bytes);
        return false;
    }
    return true;
}

// Text in memory as an anonymous file; -1 and *err.
static int memory_file(const FileBytes *bytes, Error *err) {
    const int fd = memfd_create("imago", MFD_CLOEXEC);
    if (fd < 0) {
        (void)fail(err, OS, ERROR_NO_OFFSET, "cannot make a memory file: %s", strerror(errno));
    } else if (!file_write_at(fd, 0, bytes->at, bytes->count, err)) {
        close(fd);
        return -1;
    }
    return fd;
}

// True with *fd if `path` is a file that starts as an image does; nothing else of it is read.
static bool open_image_file(const char *path, int *fd) {
    struct stat st;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return false; // a pipe must not be opened twice
    }
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) {
        return false;
    }
    u8 head[IMAGE_MAGIC_BYTES];
    const ssize_t count = pread(*fd, head, sizeof head, 0);
    if (count > 0 && imago_is_image(head, (usize)count)) {
        return true;
    }
    close(*fd);
    *fd = -1;
    return false;
}

static bool compile_bytes(const FileBytes *bytes, const ImagoCompileOptions *options, int *fd,
                          Error *err) {
    ImagoCompileOptions with_progress = *options;
    Progress progress;
    progress_start(&progress, &with_progress);
    const bool ok = imago_compile_fd(bytes->at, bytes->count, fd, &with_progress, NULL, err);
    progress_end(&progress);
    return ok;
}

int cli_image_open(const char *path, const ImagoCompileOptions *options, CliImage *image) {
    *image = (CliImage){.fd = -1};
    if (open_image_file(path, &image->fd)) {
        return 0;
    }
    image->is_anonymous = true;
    Error err = ERROR_INIT;
    FileBytes bytes;
    const u64 start_ns = cli_now_ns();
    if (!file_read(&bytes, path, &err)) {
        return cli_report(path, &err, NULL);
    }
    const u64 read_ns = cli_now_ns();
    bool ok;
    if (imago_is_image(bytes.at, bytes.count)) { // from a pipe
        image->fd = memory_file(&bytes, &err);
        ok = image->fd >= 0;
    } else {
        image->module_bytes = bytes.count;
        ok = check_kind(&bytes, &err) && compile_bytes(&bytes, options, &image->fd, &err);
    }
    image->read_ns = read_ns - start_ns;
    image->compile_ns = cli_now_ns() - read_ns;
    const int status = ok ? 0 : cli_report_module(path, &bytes, &err);
    file_release(&bytes);
    return status;
}

// Name of a function of a binary module: of the name section, else of an export.
static void find_func_name(Str wasm, u32 func, char *out, usize out_bytes) {
    Arena arena;
    arena_init(&arena);
    Module module;
    Error ignored = ERROR_INIT;
    out[0] = 0;
    if (wasm_decode(&module, &arena, wasm.at, wasm.count, &ignored) && func < module.func_count) {
        Str name = module_func_name(&module, func);
        for (u32 i = 0; i < module.export_count && name.count == 0; i++) {
            const Export *item = &module.exports[i];
            if (item->kind == EXTERN_FUNC && item->index == func) {
                name = item->name;
            }
        }
        (void)str_printable(name, out, out_bytes);
    }
    arena_deinit(&arena);
}

int cli_report_module(const char *path, const FileBytes *bytes, const Error *err) {
    char name[256] = "";
    if (err->func_index != ID_NONE) {
        const Str input = {(const char *)bytes->at, bytes->count};
        Writer wasm = {0};
        Error ignored = ERROR_INIT;
        if (!wat_looks_like_text(input)) {
            find_func_name(input, err->func_index, name, sizeof name);
        } else if (wat_to_wasm(input, &wasm, &ignored)) {
            find_func_name((Str){(const char *)wasm.at, wasm.count}, err->func_index, name,
                           sizeof name);
        }
        writer_free(&wasm);
    }
    const int status = cli_report(path, err, name);
    // A limit that a module exceeds by what it says is the module's fault, not the machine's.
    return err->code == IMAGO_ERROR_LIMIT ? error_exit_code(IMAGO_ERROR_INVALID) : status;
}
