// Paths of the guest, resolved by the kernel inside a directory.
//
// The kernel does all path walking: openat2 with RESOLVE_BENEATH refuses every step that leaves the
// directory, through "..", an absolute path, a symbolic link or a rename that happens meanwhile. An
// operation that has no openat2 form (unlink, rename, ...) first opens the parent that way and
// then names the last component, without a slash and never following it. There is no resolver of
// our own: where openat2 is missing (Linux before 5.6, some system call filters) every operation
// that would need it answers NOTSUP; what is left is to change names in a directory that is open
// already.
#ifndef WASI_RESOLVE_H
#define WASI_RESOLVE_H

#include "wasi/fd_table.h"

// Copies the path at args[arg], whose length is args[arg + 1], to wasi->path[slot]. FAULT;
// NAMETOOLONG; INVAL for a zero byte in it; ILSEQ if it is not UTF-8; NOENT if it is empty; PERM if
// it is absolute.
bool wasi_path_arg(WasiCall *call, u32 arg, u32 slot);

// The bytes of a path or link target: FAULT, NAMETOOLONG, INVAL, ILSEQ, NOENT as above.
bool wasi_text_arg(WasiCall *call, u32 arg, char *out);

// Opens `path` beneath the host directory `dir`, close-on-exec; *host is owned by the caller.
//   flags, mode  as of openat
// PERM if the path leads outside, AGAIN if renames kept interfering, NOTSUP without openat2, else
// what the host says.
bool wasi_open_beneath(WasiCall *call, int dir, const char *path, int flags, u32 mode, int *host);

// A name in a directory.
typedef struct WasiPlace {
    int parent;          // host directory
    bool is_owned;       // parent is closed by wasi_place_close
    bool has_slash;      // the path ended in a slash: only a directory may be meant
    const char *name;    // last component, no slash in it; may be "." or ".."
} WasiPlace;

// Resolves all but the last component of wasi->path[slot], which is modified and holds the name.
// On true the caller calls wasi_place_close.
bool wasi_place_open(WasiCall *call, const WasiFd *dir, u32 slot, WasiPlace *out);
void wasi_place_close(const WasiPlace *place);

// For a path that ended in a slash, of an operation that cannot be meant for what is there: false
// after `missing` if there is nothing, after `directory` for a directory, after NOTDIR for anything
// else. True if there was no slash.
bool wasi_place_refuse_slash(WasiCall *call, const WasiPlace *place, WasiErrno missing,
                             WasiErrno directory);

// NOTDIR unless the place is a directory (and no link to one).
bool wasi_place_expect_directory(WasiCall *call, const WasiPlace *place);

#endif
