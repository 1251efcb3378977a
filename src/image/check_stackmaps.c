// Stack maps decoded from end to end (image/stackmaps.c looks things up in them).
#include "image/check.h"
#include "image/stackmaps_int.h"

static const char DAMAGED_INDEX[] = "blocks out of order";
static const char DAMAGED_BLOCK[] = "a block that cannot be decoded";

// Lists share their ends: each slot is looked at once.
static const char *slots_fault(const ImageTable *slots) {
    StoredRefSlot slot;
    for (u32 i = 0; record_load(slots, i, &slot); i++) {
        if (slot.next > i) {
            return "a list that does not end";
        }
        if (slot.offset % 8 != 0) {
            return "a slot that is none";
        }
    }
    return NULL;
}

static bool holds_frame(const Image *image, u64 text_offset) {
    const u32 func =
        text_offset < image->text_bytes ? image_func_at(image, (u32)text_offset) : ID_NONE;
    return func != ID_NONE && !image_func(image, func).has_no_frame;
}

// Decodes a block whose first call is at *text_offset; leaves the last one there.
static const char *block_fault(const Image *image, const StackMaps *maps, BitReader *r,
                               u64 *text_offset, u32 *count) {
    RefLists lists = {0, 0, 0};
    for (*count = 0; *count == 0 || !bits_at_end(r); ++*count) {
        *text_offset += stack_map_read(r, *count == 0, &lists);
        if (!bits_ok(r) || *count == IMAGE_BLOCK_ENTRIES) {
            return DAMAGED_BLOCK;
        }
        if ((lists.homes | lists.operands) == 0 || lists.homes > maps->slots.count ||
            lists.operands > maps->slots.count) {
            return "a list that is none";
        }
        if (!holds_frame(image, *text_offset)) {
            return "a call outside of functions with frames";
        }
    }
    return NULL;
}

const char *check_stackmaps(const Image *image) {
    StackMaps maps;
    if (!stack_maps_open(image, &maps)) {
        return image->stackmap_bytes == 0 ? NULL : DAMAGED_INDEX;
    }
    const char *fault = slots_fault(&maps.slots);
    u64 next_text = 0, call_count = 0; // next_text: behind the last call so far
    for (u32 i = 0; fault == NULL && i < maps.calls.index.count; i++) {
        BitReader r;
        u32 first, count;
        if (!position_block_open(&maps.calls, i, &first, &r) || first < next_text) {
            return DAMAGED_INDEX;
        }
        u64 text_offset = first;
        fault = block_fault(image, &maps, &r, &text_offset, &count);
        next_text = text_offset + 1;
        call_count += count;
    }
    return fault == NULL && call_count != maps.calls.entry_count
               ? "another number of calls than it says"
               : fault;
}
