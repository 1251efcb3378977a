// Number literals of the text format (WebAssembly 2.0, 6.3.1 and 6.3.2): their syntax, and their
// exact values.
#ifndef TEXT_NUMBER_H
#define TEXT_NUMBER_H

#include "base/str.h"

typedef enum NumberKind {
    NUMBER_NONE,  // not a number literal
    NUMBER_NAT,   // without sign
    NUMBER_INT,   // with a sign
    NUMBER_FLOAT, // with fraction or exponent, inf, nan
} NumberKind;

// What `text` is as a whole. O(n).
NumberKind text_number_kind(Str text);

// Value of a NUMBER_NAT; false if it is larger than `max`. O(n).
bool text_nat_of(Str literal, u64 max, u64 *out);

// Value of a NUMBER_NAT or NUMBER_INT as an integer of `bits` bits (up to 64): from -2^(bits-1) to
// 2^bits - 1, in the low bits of *out, the others zero. False if it is out of range. O(n).
bool text_int_of(Str literal, u32 bits, u64 *out);

// Bits of the float nearest to any number literal, ties to even, however long it is; false if that
// is infinite ("constant out of range") or a NaN's payload does not fit. `nan` alone is canonical.
// O(n), no allocation, no use of the C locale.
bool text_f32_of(Str literal, u32 *out);
bool text_f64_of(Str literal, u64 *out);

#endif
