// proc_*, sched_yield, random_get.
#include <errno.h>
#include <sched.h>
#include <sys/random.h>

#include "wasi/guest.h"

// Of one getrandom call: a signal interrupts it in between.
enum { RANDOM_CHUNK_BYTES = 1 << 20 };

bool wasi_proc_exit(WasiCall *call) {
    call->is_exit = true;
    call->exit_code = wasi_arg_u32(call, 0);
    return true;
}

// A guest cannot signal the host's process, and there is none of its own.
bool wasi_proc_raise(WasiCall *call) { return wasi_fail(call, WASI_NOTSUP); }

bool wasi_sched_yield(WasiCall *call) { return sched_yield() == 0 || wasi_fail_host(call); }

bool wasi_random_get(WasiCall *call) {
    usize left = wasi_arg_u32(call, 1);
    u8 *at;
    TRY(wasi_pointer(call, 0, left, &at));
    while (left != 0) {
        const usize chunk = left < RANDOM_CHUNK_BYTES ? left : RANDOM_CHUNK_BYTES;
        const ssize_t got = getrandom(at, chunk, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return wasi_fail_host(call);
        }
        at += got;
        left -= (usize)got;
    }
    return true;
}
