// What debuggers see of mapped images. gdb finds the loaded objects of a process, running or
// dumped, in lists that start at the dynamic linker's r_debug; images have a list of their own
// behind those. Costs tens of nanoseconds and no system call for an image opened by its path, 4 us
// by a descriptor. Valgrind, when the process runs on it, is shown the mappings in the way it
// expects.
#ifndef RUNTIME_DEBUGGER_H
#define RUNTIME_DEBUGGER_H

#include "imago/imago.h"
#include "base/int.h"

enum { DEBUGGER_MAX_PATH = 1024, DEBUGGER_FD_PATH = 48 };

// The working directory, in DEBUGGER_MAX_PATH bytes; empty if it is not known, or no debugger would
// see images. One system call, which opening an image does not make: an engine asks once.
void runtime_debugger_directory(char *out);

// The absolute form of a path, by which a debugger opens the file.
//   directory  from runtime_debugger_directory
//   path       may be NULL
//   out        DEBUGGER_MAX_PATH bytes; empty if there is no path, or too long a one
// Returns the bytes written, with the zero.
usize runtime_debugger_path(const char *directory, const char *path, char *out);

// A path that leads to the file of a descriptor, as long as nobody moves it. False: there is none,
// or none that short.
bool runtime_debugger_path_of(int fd, char out[DEBUGGER_MAX_PATH]);

// Makes Valgrind read the symbols of a file that has just been mapped; elsewhere nothing.
void runtime_debugger_show_mapping(const ImagoImage *image, int fd);

// False where the dynamic linker has no such lists (glibc before 2.35, musl, static programs at a
// fixed address), or if a tool has removed from the image what debuggers know it by. Thread-safe.
bool runtime_debugger_can_list(const ImagoImage *image);
// Lists an image that is mapped, by its path or else by the descriptor that it keeps (the path of
// that goes to image->path, with room for DEBUGGER_FD_PATH bytes), until it is removed. Does
// nothing if it has neither, or cannot be listed. Thread-safe.
void runtime_debugger_add(ImagoImage *image);
void runtime_debugger_remove(ImagoImage *image);

// Around a fork.
void runtime_debugger_lock(void);
void runtime_debugger_unlock(void);

#endif
