// Scatter and gather lists of the guest, and waiting as the descriptor's flags ask.
#ifndef WASI_IO_H
#define WASI_IO_H

#include <sys/uio.h>

#include "wasi/fd_table.h"

typedef struct WasiIovecs {
    struct iovec *at; // in wasi->scratch
    u32 count;
} WasiIovecs;

// The list at args[arg] with args[arg + 1] elements; every buffer lies in guest memory. INVAL: more
// than WASI_MAX_IOVECS; FAULT.
bool wasi_iovecs_arg(WasiCall *call, u32 arg, WasiIovecs *out);

// A borrowed descriptor shares its flags with the host program, so non-blocking mode is kept on our
// side: AGAIN if the guest set it and the descriptor is not ready for `events` (POLLIN, POLLOUT).
bool wasi_fd_check_ready(WasiCall *call, const WasiFd *entry, short events);

// After a system call that failed: true if it is to be made again. That is after EINTR, and after
// EAGAIN in blocking mode (a borrowed descriptor may be non-blocking on the host's side) once the
// descriptor is ready for `events`.
bool wasi_fd_tries_again(const WasiFd *entry, short events);

#endif
