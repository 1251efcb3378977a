// The clocks of WASI.
#ifndef WASI_CLOCK_H
#define WASI_CLOCK_H

#include "wasi/wasi_int.h"

// Now on clock `id` (WASI_CLOCK_*), in nanoseconds. INVAL: no such clock; OVERFLOW.
bool wasi_clock_now(WasiCall *call, u32 id, u64 *ns);

#endif
