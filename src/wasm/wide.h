// Sizes and offsets that have 32 bits in WebAssembly 2.0 and 64 since 3.0.
#ifndef WASM_WIDE_H
#define WASM_WIDE_H

#include "base/reader.h"

// Reads such an integer by the rules of 2.0. A longer one with bits that 64 do not hold is said to
// be too large and not too long: the official scripts follow the wider grammar.
static inline u32 read_narrow_u32(Reader *r) {
    Reader wide = *r;
    (void)read_uleb(&wide, 64);
    if (reader_ok(r) && wide.bad == READ_LEB_TOO_LARGE) {
        return (u32)reader_fail(r, wide.bad_at, READ_LEB_TOO_LARGE);
    }
    return (u32)read_uleb(r, 32);
}

#endif
