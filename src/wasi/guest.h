// Guest memory: the only way in and out. Every pointer is an offset in memory 0, checked in 64
// bits against its size; outside it is FAULT.
#ifndef WASI_GUEST_H
#define WASI_GUEST_H

#include "wasi/wasi_int.h"

// The host address of [offset, offset + bytes), valid until the call ends. FAULT.
static inline bool wasi_span(WasiCall *call, u64 offset, u64 bytes, u8 **out) {
    if (!range_fits(offset, bytes, call->memory_bytes)) {
        return wasi_fail(call, WASI_FAULT);
    }
    *out = call->memory + offset;
    return true;
}

// The same for an argument that is a pointer.
static inline bool wasi_pointer(WasiCall *call, u32 arg, u64 bytes, u8 **out) {
    return wasi_span(call, wasi_arg_u32(call, arg), bytes, out);
}

// `count` elements of `item_bytes` each.
static inline bool wasi_array(WasiCall *call, u32 arg, u64 count, u64 item_bytes, u8 **out) {
    u64 bytes;
    if (!mul_u64(count, item_bytes, &bytes)) {
        return wasi_fail(call, WASI_FAULT);
    }
    return wasi_pointer(call, arg, bytes, out);
}

#endif
