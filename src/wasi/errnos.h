// Host errno to WASI errno.
#ifndef WASI_ERRNOS_H
#define WASI_ERRNOS_H

#include "wasi/abi.h"

// WASI number for a value of errno; WASI_IO for one that WASI does not know.
WasiErrno wasi_errno_of(int host);

// "BADF", ... for messages and tests.
const char *wasi_errno_name(WasiErrno number);

#endif
