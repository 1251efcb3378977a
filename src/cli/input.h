// The files a command is given, recognised by content.
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "base/os_file.h"
#include "imago/compile.h"
#include "imago/imago.h"

// Reads a module in binary or text format ("-": standard input). ERR_NO_INPUT; ERR_MALFORMED with
// what the contents look like instead, for contents of other kinds; *bytes is to be released.
bool cli_module_read(const char *path, FileBytes *bytes, Error *err);

// A file that is an image already, or else a module compiled to an anonymous file.
typedef struct CliImage {
    int fd;            // of the image; the caller's to close
    bool is_anonymous; // fd is not of the file itself
    u64 module_bytes;  // 0: was an image
    u64 read_ns, compile_ns;
} CliImage;

// Opens `path` as an image, compiling it if need be. Reports errors itself.
// Returns the exit status: 0 on success.
int cli_image_open(const char *path, const ImagoCompileOptions *options, CliImage *image);

// Reports an error about a module, with the name of the function it is in.
int cli_report_module(const char *path, const FileBytes *bytes, const Error *err);

// Nanoseconds of a clock that only goes forward.
u64 cli_now_ns(void);

#endif
