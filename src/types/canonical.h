// Numbers for equal types.
#ifndef TYPES_CANONICAL_H
#define TYPES_CANONICAL_H

#include "types/valtype.h"

// canonical[i] = index of the first type equal to types[i]. O(count) on average.
// False: out of memory.
bool types_canonical(const FuncType *types, u32 count, u32 *canonical);

#endif
