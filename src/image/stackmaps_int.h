// The codes of .imago.stackmaps, inside image/.
#ifndef IMAGE_STACKMAPS_INT_H
#define IMAGE_STACKMAPS_INT_H

#include "image/positions_int.h"

typedef struct StackMaps {
    ImageTable slots; // StoredRefSlot
    PositionTable calls;
} StackMaps;

// Of a call. A list is 0, or one more than the index of its first slot.
typedef struct RefLists {
    u32 homes, operands;
    u32 base; // of operands: words below the frame pointer
} RefLists;

// False: the section is empty, or smaller than its parts.
bool stack_maps_open(const Image *image, StackMaps *out);
// An entry: bytes between the call and the one before, 0 if it is the block's first. *lists is the
// entry before's, then this one's.
u32 stack_map_read(BitReader *r, bool is_first, RefLists *lists);

#endif
