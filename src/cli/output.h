// Where a command's result goes: a file that appears only when complete, standard output, or a
// device or pipe that is written to as it is.
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "base/error.h"

// True if both names are one existing file: the input must not be replaced by the output.
bool cli_same_file(const char *a, const char *b);

// True if `path` must be written in place: "-", or something there that is not a regular file.
bool cli_output_is_stream(const char *path);

// Writes `bytes` to `path`. ERR_NO_OUTPUT, ERR_IO.
bool cli_output_write(const char *path, const void *bytes, usize count, Error *err);
// The same; a file may be executed.
bool cli_output_write_program(const char *path, const void *bytes, usize count, Error *err);
// The same with the contents of an open file.
bool cli_output_copy(const char *path, int from_fd, Error *err);

// Which of both an error is about, by its code.
const char *cli_blame(const Error *err, const char *input, const char *output);

#endif
