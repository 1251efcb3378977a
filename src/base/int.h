// Short integer names and the machine-word helpers that everything else uses.
#ifndef BASE_INT_H
#define BASE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef double f64;
typedef size_t usize;

_Static_assert(sizeof(usize) == 8, "a 64-bit host");

// The invalid id, in every id space.
#define ID_NONE UINT32_MAX

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

// Checked arithmetic: every sum or product of a size or offset that comes from outside.
// Returns false on overflow; *out is then unspecified.
static inline bool add_u64(u64 a, u64 b, u64 *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool add_u32(u32 a, u32 b, u32 *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool mul_u64(u64 a, u64 b, u64 *out) { return !__builtin_mul_overflow(a, b, out); }

// True if [offset, offset + bytes) lies inside [0, limit).
static inline bool range_fits(u64 offset, u64 bytes, u64 limit) {
    return offset <= limit && bytes <= limit - offset;
}

// Rounds up to a power of two `align`. The caller has checked that no overflow is possible.
static inline u64 align_up(u64 value, u64 align) { return (value + align - 1) & ~(align - 1); }

// Unaligned little-endian loads and stores: the only way stored bytes become integers.
static inline u16 load_u16(const void *p) { u16 v; memcpy(&v, p, sizeof v); return v; }
static inline u32 load_u32(const void *p) { u32 v; memcpy(&v, p, sizeof v); return v; }
static inline u64 load_u64(const void *p) { u64 v; memcpy(&v, p, sizeof v); return v; }
static inline void store_u16(void *p, u16 v) { memcpy(p, &v, sizeof v); }
static inline void store_u32(void *p, u32 v) { memcpy(p, &v, sizeof v); }
static inline void store_u64(void *p, u64 v) { memcpy(p, &v, sizeof v); }
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a little-endian host");

#endif
