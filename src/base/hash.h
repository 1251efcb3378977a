// Hashes that are not cryptographic.
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/int.h"

// 64-bit hash of bytes, the same on every machine. Several GB/s.
u64 hash_bytes(const void *bytes, usize count, u64 seed);

#endif
