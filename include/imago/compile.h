/* Imago's compilers: WebAssembly to images. In libimago-compile; running needs libimago only. */
#ifndef IMAGO_COMPILE_H
#define IMAGO_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imago/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which addresses in the code have WebAssembly offsets, for backtraces and tools. */
typedef enum ImagoAddressMap {
    IMAGO_ADDRESS_MAP_SITES, /* those of calls and of what may trap: what backtraces need */
    IMAGO_ADDRESS_MAP_NONE,
    IMAGO_ADDRESS_MAP_ALL,   /* all: larger files, for profilers and debuggers */
} ImagoAddressMap;

typedef struct ImagoCompileOptions {
    size_t size;             /* sizeof(ImagoCompileOptions) */
    const char *compiler;    /* NULL: "baseline" */
    uint32_t threads;        /* 0: as many as the process may use; the image is the same for any */
    ImagoAddressMap address_map;
    /* Called from a compiling thread now and then with the bytes of code done and in all. */
    void (*progress)(void *env, uint64_t done, uint64_t total);
    void *progress_env;
    /* Where functions stand in the code. Zeros are for programs, other values for tests. */
    uint32_t func_align;     /* multiple at which they start, a power of two up to 4096;
                                0: the platform's, 16 on x86-64 */
    uint32_t func_padding;   /* bytes between them, a hole in the file */
    uint64_t func_shuffle;   /* another order for each value; 0: by index */
    bool force_veneers;      /* every call between them takes the detour for those that are far */
    /* The image is a program too: where the system starts it, it becomes `imago run` with these
     * options, the image and its arguments (docs/programs.md). NULL-terminated; NULL: it is not. */
    const char *const *program_options;
    const char *target;      /* system the image is for: "x86_64-linux" (NULL), "x86_64-windows",
                                which no runtime of this version loads */
} ImagoCompileOptions;

/* What was done; filled on success if asked for. */
typedef struct ImagoCompileStats {
    uint64_t wasm_bytes, code_bytes; /* of the module, of its code section */
    uint64_t text_bytes, padding_bytes, image_bytes; /* padding: of the text, between functions */
    uint32_t func_count;
    uint64_t decode_ns, compile_ns, link_ns, write_ns; /* wall clock */
} ImagoCompileStats;

/* Compiles a module in binary or text format. Validation is part of it.
 * All are thread-safe. Fail with ERROR_MALFORMED, ERROR_INVALID (offset, func_index; line and
 * column for text), ERROR_UNSUPPORTED, ERROR_LIMIT, ERROR_NO_MEMORY, ERROR_USAGE (options).
 * options and stats may be NULL. */

/* To a file, which appears under its name only when complete. ERROR_NO_OUTPUT, ERROR_IO. */
IMAGO_API bool imago_compile_file(const void *bytes, size_t count, const char *out_path,
                                  const ImagoCompileOptions *options, ImagoCompileStats *stats,
                                  ImagoError *error);
/* To an anonymous file (memfd), for imago_image_open_fd. *fd is the caller's to close. */
IMAGO_API bool imago_compile_fd(const void *bytes, size_t count, int *fd,
                                const ImagoCompileOptions *options, ImagoCompileStats *stats,
                                ImagoError *error);

/* Decodes and validates, all functions. */
IMAGO_API bool imago_validate(const void *bytes, size_t count, ImagoError *error);

/* Text to binary format. *wasm is freed with imago_bytes_free. Does not validate. */
IMAGO_API bool imago_wat_to_wasm(const char *text, size_t count, uint8_t **wasm, size_t *wasm_count,
                                 ImagoError *error);
IMAGO_API void imago_bytes_free(uint8_t *bytes);

/* True if the bytes look like a module in text format. */
IMAGO_API bool imago_is_text(const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
