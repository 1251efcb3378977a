// Whole files: read at once, written by rename.
#ifndef BASE_OS_FILE_H
#define BASE_OS_FILE_H

#include "base/error.h"

// Contents of a file or of standard input.
typedef struct FileBytes {
    const u8 *at;
    usize count; // on the heap
} FileBytes;

// Reads `path` ("-": standard input) to its end, so that later changes of the file do not matter.
// ERR_NO_INPUT names the reason (a directory is said to be one), ERR_NO_MEMORY.
bool file_read(FileBytes *out, const char *path, Error *err);
void file_release(FileBytes *file);

// A file that appears under its name only when complete. It has no name before, so that nothing is
// left of it if the process dies (where the file system cannot do that: a random name in the same
// folder). file_out_commit names it, replacing an older file; file_out_discard drops it.
typedef struct FileOut {
    int fd;
    char temp_path[4096];
    char path[4096];
} FileOut;

// mode: permission bits before umask. ERR_NO_OUTPUT.
bool file_out_open(FileOut *out, const char *path, u32 mode, Error *err);
// Writes all bytes at `offset` of an open file, retrying short writes and EINTR. ERR_IO.
bool file_write_at(int fd, u64 offset, const void *bytes, usize count, Error *err);
// On failure the temporary file is gone and an old file of that name is untouched.
bool file_out_commit(FileOut *out, Error *err);
void file_out_discard(FileOut *out);

#endif
