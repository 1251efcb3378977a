// Set of strings that gives each one a dense number, in order of first appearance.
#ifndef TEXT_INTERN_H
#define TEXT_INTERN_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"

typedef struct InternEntry {
    Str text;
    u64 hash;
} InternEntry;

// `{0}` is empty.
typedef struct Intern {
    VEC(InternEntry) entries; // by number
    u32 *slots;               // number + 1, 0: free
    u32 slot_count;           // a power of two
    u64 key;                  // of the hash, chosen at the first insertion
} Intern;

void text_intern_free(Intern *set);

// Number of `text`; a new one, equal to the entry count before, if it was not there.
//   keep   where a new text is copied to; NULL if `text` outlives the set
// False: out of memory, the set is unchanged. O(length) expected, whatever the input: the hash is
// keyed.
bool text_intern(Intern *set, Str text, Arena *keep, u32 *out);

#endif
