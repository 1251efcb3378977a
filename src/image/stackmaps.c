// .imago.stackmaps, searched in place: the block by bisection, then its entries one by one; the
// lists that an entry names are followed. Whatever the bytes are, no read leaves the section, and a
// list ends: each element stands before the one that leads to it. Format: link/stackmaps_w.c and
// docs/image-format.md, "Stack maps".
#include "image/stackmaps_int.h"

bool stack_maps_open(const Image *image, StackMaps *out) {
    StoredStackMaps head;
    if (image->stackmap_bytes < sizeof head) {
        return false;
    }
    memcpy(&head, image->stackmaps, sizeof head);
    const u64 slots_end = sizeof head + (u64)head.slot_count * sizeof(StoredRefSlot);
    out->slots = (ImageTable){image->stackmaps + sizeof head, head.slot_count,
                              sizeof(StoredRefSlot)};
    return slots_end <= image->stackmap_bytes &&
           position_table_open(image->stackmaps + slots_end, image->stackmap_bytes - slots_end,
                               &out->calls);
}

u32 stack_map_read(BitReader *r, bool is_first, RefLists *lists) {
    const u32 step = is_first ? 0 : bits_read_number(r) + 1;
    if (bits_read_one(r)) {
        if (bits_read_one(r)) {
            lists->homes = bits_read_number(r);
            lists->base = bits_read_number(r);
        }
        lists->operands = bits_read_number(r);
    }
    return step;
}

bool image_refs_at(const Image *image, u32 text_offset, ImageRefs *out) {
    StackMaps maps;
    BitReader r;
    u32 first;
    TRY(stack_maps_open(image, &maps) &&
        position_block_open(&maps.calls, position_block_at(&maps.calls, text_offset), &first, &r));
    u64 at = first;
    RefLists lists = {0, 0, 0};
    for (u32 i = 0; i < IMAGE_BLOCK_ENTRIES && at <= text_offset; i++) {
        at += stack_map_read(&r, i == 0, &lists);
        TRY(bits_ok(&r));
        if (at == text_offset) {
            *out = (ImageRefs){maps.slots, lists.operands, lists.homes, lists.base};
            return true;
        }
    }
    return false;
}

bool image_refs_count(const Image *image, u32 *calls, u32 *slots) {
    StackMaps maps;
    TRY(stack_maps_open(image, &maps));
    *calls = maps.calls.entry_count;
    *slots = maps.slots.count;
    return true;
}

bool image_refs_next(ImageRefs *refs, i32 *frame_offset) {
    if (refs->list == 0) {
        refs->list = refs->homes;
        refs->homes = refs->base = 0;
    }
    StoredRefSlot slot;
    const u32 list = refs->list;
    TRY(list != 0 && record_load(&refs->slots, list - 1, &slot));
    refs->list = slot.next < list ? slot.next : 0;
    *frame_offset = (i32)((u32)slot.offset - 8 * refs->base);
    return true;
}
