// From module bytes to an image: decode, validate and compile in N threads, link.
#ifndef COMPILE_DRIVER_H
#define COMPILE_DRIVER_H

#include "base/error.h"
#include "compile/compiler.h"
#include "link/link.h"

typedef struct DriverOptions {
    const Compiler *compiler;
    PlatformId platform;
    u32 threads; // at least 1
    AddressMap address_map;
    LinkLayout layout;
    const char *const *program_options; // NULL: no program
    void (*progress)(void *env, u64 done, u64 total); // may be NULL
    void *progress_env;
} DriverOptions;

typedef struct DriverStats {
    u64 code_bytes, text_bytes, padding_bytes, image_bytes;
    u32 func_count;
    u64 decode_ns, compile_ns, link_ns;
} DriverStats;

// Compiles a binary module to an image in `fd`. The first error by function index is the one
// reported, whatever the number of threads; SIMD is "not supported yet" only for a module that
// validates.
bool drive(const void *bytes, usize count, int fd, const DriverOptions *options, DriverStats *stats,
           Error *err);

// Validates all functions of a binary module, in one thread.
bool drive_validate(const void *bytes, usize count, Error *err);

#endif
