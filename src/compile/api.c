// include/imago/compile.h over the driver.
#define _GNU_SOURCE // sched_getaffinity, memfd_create

#include "imago/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "base/writer.h"
#include "compile/driver.h"
#include "text/wat.h"
#include "wasm/decode.h"

static u32 available_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    const int count = CPU_COUNT(&set);
    return count > 0 ? (u32)count : 1;
}

_Static_assert((int)ADDRESS_MAP_SITES == (int)IMAGO_ADDRESS_MAP_SITES &&
                   (int)ADDRESS_MAP_NONE == (int)IMAGO_ADDRESS_MAP_NONE &&
                   (int)ADDRESS_MAP_ALL == (int)IMAGO_ADDRESS_MAP_ALL, "numbered alike");

static bool driver_options(const ImagoCompileOptions *options, DriverOptions *out, Error *err) {
    const ImagoCompileOptions defaults = {.size = sizeof defaults};
    options = options != NULL ? options : &defaults;
    if (options->size != sizeof *options) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "options of another version of the library");
    }
    *out = (DriverOptions){
        .compiler = compiler_find(options->compiler),
        .platform = platform_find(options->target),
        .threads = options->threads != 0 ? options->threads : available_cores(),
        .address_map = (AddressMap)options->address_map,
        .progress = options->progress,
        .progress_env = options->progress_env,
        .layout = {.func_align = options->func_align,
                   .func_padding = options->func_padding,
                   .shuffle_seed = options->func_shuffle,
                   .force_veneers = options->force_veneers},
        .program_options = options->program_options,
    };
    if (out->compiler == NULL) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "unknown compiler \"%s\"; there are: %s",
                    options->compiler, compiler_names());
    }
    if (out->platform == PLATFORM_COUNT) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "unknown target \"%s\"; there are: %s",
                    options->target, platform_names());
    }
    if (options->program_options != NULL && out->platform != PLATFORM_HERE) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "programs are made for %s only",
                    PLATFORMS[PLATFORM_HERE].name);
    }
    if (out->address_map > ADDRESS_MAP_ALL) {
        return fail(err, USAGE, ERROR_NO_OFFSET, "unknown kind of address map");
    }
    const u32 align = options->func_align;
    if ((align & (align - 1)) != 0 || align > LINK_MAX_FUNC_ALIGN) {
        return fail(err, USAGE, ERROR_NO_OFFSET,
                    "alignment of %u, expected a power of two up to %u", align,
                    LINK_MAX_FUNC_ALIGN);
    }
    return true;
}

bool imago_is_text(const void *bytes, size_t count) {
    return !wasm_has_magic(bytes, count) && wat_looks_like_text((Str){bytes, count});
}

// The input is a text: an error found in the binary made of it gets its place in the text.
static void place_in_text(Str text, Error *err) {
    WatPlace place;
    if (err == NULL || err->line != 0 || err->offset == ERROR_NO_OFFSET) {
        return;
    }
    if (wat_locate(text, err->offset, &place)) {
        err->offset = place.offset;
        err->line = place.line;
        err->column = place.column;
    } else {
        err->offset = ERROR_NO_OFFSET;
    }
}

// Compiles binary or text to an open file.
static bool compile_to(const void *bytes, usize count, int fd, const ImagoCompileOptions *options,
                       ImagoCompileStats *stats, Error *err) {
    DriverOptions driver;
    DriverStats done = {0};
    Writer wasm = {0};
    TRY(driver_options(options, &driver, err));
    bool is_ok = true;
    const Str input = {bytes, count};
    const bool is_text = imago_is_text(bytes, count);
    if (is_text) {
        is_ok = wat_to_wasm(input, &wasm, err);
        bytes = wasm.at;
        count = wasm.count;
    }
    is_ok = is_ok && drive(bytes, count, fd, &driver, &done, err);
    writer_free(&wasm);
    if (!is_ok && is_text) {
        place_in_text(input, err);
    }
    if (is_ok && stats != NULL) {
        *stats = (ImagoCompileStats){
            .wasm_bytes = count,
            .code_bytes = done.code_bytes,
            .text_bytes = done.text_bytes,
            .padding_bytes = done.padding_bytes,
            .image_bytes = done.image_bytes,
            .func_count = done.func_count,
            .decode_ns = done.decode_ns,
            .compile_ns = done.compile_ns,
            .link_ns = done.link_ns,
        };
    }
    return is_ok;
}

bool imago_compile_file(const void *bytes, size_t count, const char *out_path,
                        const ImagoCompileOptions *options, ImagoCompileStats *stats,
                        ImagoError *error) {
    FileOut *out = mem_alloc(sizeof *out); // two paths: too large for the stack
    if (out == NULL) {
        return fail(error, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    const bool is_program = options != NULL && options->program_options != NULL;
    bool is_ok = file_out_open(out, out_path, is_program ? 0777 : 0666, error);
    if (is_ok && !compile_to(bytes, count, out->fd, options, stats, error)) {
        file_out_discard(out);
        is_ok = false;
    }
    is_ok = is_ok && file_out_commit(out, error);
    mem_free(out);
    return is_ok;
}

bool imago_compile_fd(const void *bytes, size_t count, int *fd, const ImagoCompileOptions *options,
                      ImagoCompileStats *stats, ImagoError *error) {
    const int file = memfd_create("imago", MFD_CLOEXEC);
    if (file < 0) {
        return fail(error, OS, ERROR_NO_OFFSET, "cannot make an anonymous file: %s",
                    strerror(errno));
    }
    if (!compile_to(bytes, count, file, options, stats, error)) {
        close(file);
        return false;
    }
    *fd = file;
    return true;
}

bool imago_validate(const void *bytes, size_t count, ImagoError *error) {
    if (!imago_is_text(bytes, count)) {
        return drive_validate(bytes, count, error);
    }
    Writer wasm = {0};
    const Str text = {bytes, count};
    const bool is_ok =
        wat_to_wasm(text, &wasm, error) && drive_validate(wasm.at, wasm.count, error);
    writer_free(&wasm);
    if (!is_ok) {
        place_in_text(text, error);
    }
    return is_ok;
}

bool imago_wat_to_wasm(const char *text, size_t count, uint8_t **wasm, size_t *wasm_count,
                       ImagoError *error) {
    Writer out = {0};
    if (!wat_to_wasm((Str){text, count}, &out, error)) {
        writer_free(&out);
        return false;
    }
    *wasm = out.at;
    *wasm_count = out.count;
    return true;
}

void imago_bytes_free(uint8_t *bytes) { mem_free(bytes); }
