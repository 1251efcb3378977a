#include "wasi/errnos.h"

#include <errno.h>

static const struct {
    const char *name;
    int host;
} ERRNOS[WASI_ERRNO_COUNT] = {
#define ERRNO(name, number, host) [number] = {#name, host},
#include "wasi/errnos.def"
#undef ERRNO
};

_Static_assert(EWOULDBLOCK == EAGAIN && ENOTSUP == EOPNOTSUPP, "no rows of their own");

WasiErrno wasi_errno_of(int host) {
    if (host == 0) {
        return WASI_SUCCESS;
    }
    for (u32 i = 1; i < WASI_ERRNO_COUNT; i++) {
        if (ERRNOS[i].host == host) {
            return (WasiErrno)i;
        }
    }
    return WASI_IO;
}

const char *wasi_errno_name(WasiErrno number) {
    return (u32)number < WASI_ERRNO_COUNT ? ERRNOS[number].name : "?";
}
