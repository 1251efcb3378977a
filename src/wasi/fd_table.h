// The guest's descriptors: numbers, rights, quota.
//
// A descriptor has base rights (what may be done with it) and inheriting rights (the most that
// descriptors opened below it can have). Rights only shrink: a new descriptor gets what was asked
// for, cut to what its directory passes on and to what its kind of file knows.
//
// Below a read-only preopen nothing has a right to write. The C library asks for no more rights
// than fdstat shows as inheriting, and would take a file it opened for writing without the right to
// write for good; so directories there show the rights that decide about writing to files
// (`shown`), and opening with one of them is refused.
#ifndef WASI_FD_TABLE_H
#define WASI_FD_TABLE_H

#include <sys/stat.h>

#include "wasi/wasi_int.h"

// The rights that mean something for a kind (WASI_ON_*), and those that only read.
u64 wasi_rights_of_kind(u8 kind);
u64 wasi_rights_read_only(void);

// The rights that decide about writing to an open file.
enum {
    WASI_RIGHTS_TO_WRITE =
        WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE
};

// Fills filetype and kind from fstat's answer; `host` tells terminals and kinds of sockets apart.
void wasi_fd_classify(WasiFd *entry, const struct stat *st, int host);

// The open descriptor with number args[arg], which must have all of `rights`. BADF; without the
// rights NOTCAPABLE, or what says better why its kind cannot have them: ISDIR, NOTDIR, NOTSOCK,
// SPIPE, INVAL. The pointer is valid until a descriptor is opened.
bool wasi_fd_arg(WasiCall *call, u32 arg, u64 rights, WasiFd **out);

// The same of a descriptor number that does not come from an argument.
bool wasi_fd_number(WasiCall *call, u32 number, u64 rights, WasiFd **out);

// Like wasi_fd_arg with any one of `rights`.
bool wasi_fd_arg_any(WasiCall *call, u32 arg, u64 rights, WasiFd **out);

// Makes sure that one more descriptor can be inserted, and says under which number: the lowest
// free one from WASI_FIRST_PREOPEN on, so that a closed standard stream is never replaced by
// accident. MFILE beyond the quota, NOMEM. Invalidates pointers to descriptors.
bool wasi_fd_reserve(WasiCall *call, u32 *number);
// Cannot fail for a reserved number.
void wasi_fd_insert(ImagoWasi *wasi, u32 number, const WasiFd *entry);

// Frees the number. Returns the errno of closing, 0 if all went well; it is free either way.
int wasi_fd_close_number(ImagoWasi *wasi, u32 number);

// Gives descriptor `from` the number of descriptor `to`, which is closed first; `from` is free
// afterwards. Both are open and differ.
void wasi_fd_move(ImagoWasi *wasi, u32 from, u32 to);

#endif
