#include "wasi/clock.h"

#include <time.h>

#include "wasi/guest.h"
#include "wasi/stat.h"

static bool clock_of(WasiCall *call, u32 id, clockid_t *out) {
    static const clockid_t CLOCKS[] = {
        [WASI_CLOCK_REALTIME] = CLOCK_REALTIME,
        [WASI_CLOCK_MONOTONIC] = CLOCK_MONOTONIC,
        [WASI_CLOCK_PROCESS_CPU] = CLOCK_PROCESS_CPUTIME_ID,
        [WASI_CLOCK_THREAD_CPU] = CLOCK_THREAD_CPUTIME_ID,
    };
    if (id >= COUNT_OF(CLOCKS)) {
        return wasi_fail(call, WASI_INVAL);
    }
    *out = CLOCKS[id];
    return true;
}

bool wasi_clock_now(WasiCall *call, u32 id, u64 *ns) {
    clockid_t clock;
    TRY(clock_of(call, id, &clock));
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) {
        return wasi_fail_host(call);
    }
    return wasi_time_of(&time, ns) || wasi_fail(call, WASI_OVERFLOW);
}

bool wasi_clock_res_get(WasiCall *call) {
    clockid_t clock;
    u8 *out;
    u64 ns;
    TRY(clock_of(call, wasi_arg_u32(call, 0), &clock));
    TRY(wasi_pointer(call, 1, 8, &out));
    struct timespec time;
    if (clock_getres(clock, &time) != 0) {
        return wasi_fail_host(call);
    }
    if (!wasi_time_of(&time, &ns)) {
        return wasi_fail(call, WASI_OVERFLOW);
    }
    store_u64(out, ns);
    return true;
}

// The precision asked for (args[1]) is always met.
bool wasi_clock_time_get(WasiCall *call) {
    u64 ns;
    u8 *out;
    TRY(wasi_pointer(call, 2, 8, &out));
    TRY(wasi_clock_now(call, wasi_arg_u32(call, 0), &ns));
    store_u64(out, ns);
    return true;
}
