// Borrowed bytes with a length; not zero-terminated.
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/int.h"

typedef struct Str {
    const char *at;
    usize count; // bytes
} Str;

#define STR(literal) ((Str){(literal), sizeof(literal) - 1})

static inline Str str_of(const char *text) { return (Str){text, strlen(text)}; }
static inline bool str_equal(Str a, Str b) {
    return a.count == b.count && (a.count == 0 || memcmp(a.at, b.at, a.count) == 0);
}

// Well-formed UTF-8 (Unicode 15, table 3-7: no surrogates, no overlong forms). O(n).
bool str_is_utf8(Str text);

// For messages: `text` with control, quote and non-ASCII bytes escaped as \xx, cut to fit and
// zero-terminated. Returns `out`.
const char *str_printable(Str text, char *out, usize out_bytes);

// Number of single-byte edits between two short words, at most `limit` + 1. For suggestions.
u32 str_distance(const char *a, const char *b, u32 limit);

#endif
