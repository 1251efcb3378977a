// The tables of positions, decoded from end to end (image/positions.c looks things up in them).
#include "image/check.h"
#include "image/positions_int.h"

static const char DAMAGED_INDEX[] = "blocks out of order";
static const char DAMAGED_BLOCK[] = "a block that cannot be decoded";

static bool is_kind(const Image *image, u32 kind) {
    return kind < TRAP_COUNT || kind == IMAGE_POSITION_CALL ||
           (kind == IMAGE_POSITION_PLAIN && (image->flags & IMAGE_MAPS_ALL) != 0);
}

// Decodes a block of the trap table whose first position is at *text_offset; leaves that of the
// last one there.
static const char *traps_fault(const Image *image, BitReader *r, u64 *text_offset, u32 *count) {
    for (*count = 0; *count == 0 || !bits_at_end(r); ++*count) {
        u32 kind;
        *text_offset += position_read(r, *count == 0, &kind);
        if (!bits_ok(r) || *count == IMAGE_BLOCK_ENTRIES || !is_kind(image, kind)) {
            return DAMAGED_BLOCK;
        }
    }
    return NULL;
}

const char *check_traps(const Image *image) {
    PositionTable table;
    if (!position_table_open(image->traps, image->trap_bytes, &table)) {
        return image->trap_bytes == 0 ? NULL : DAMAGED_INDEX;
    }
    u64 next_text = 0, entry_count = 0; // next_text: behind the last position so far
    for (u32 i = 0; i < table.index.count; i++) {
        BitReader r;
        u32 first, count;
        if (!position_block_open(&table, i, &first, &r) || first < next_text) {
            return DAMAGED_INDEX;
        }
        u64 text_offset = first;
        const char *fault = traps_fault(image, &r, &text_offset, &count);
        if (fault != NULL) {
            return fault;
        }
        next_text = text_offset + 1;
        entry_count += count;
    }
    return entry_count != table.entry_count ? "another number of positions than it says"
           : next_text > image->text_bytes  ? "a position beyond the text"
                                            : NULL;
}

// Decodes a block of the address map; its first entry has no code.
static const char *addresses_fault(BitReader *r, u32 *count) {
    for (*count = 1; !bits_at_end(r); ++*count) {
        (void)position_read_difference(r);
        if (!bits_ok(r) || *count == IMAGE_BLOCK_ENTRIES) {
            return DAMAGED_BLOCK;
        }
    }
    return NULL;
}

const char *check_addresses(const Image *image) {
    PositionTable table, traps;
    if (!position_table_open(image->addrmap, image->addrmap_bytes, &table)) {
        return image->addrmap_bytes == 0 ? NULL : DAMAGED_INDEX;
    }
    if (!position_table_open(image->traps, image->trap_bytes, &traps) ||
        traps.index.count != table.index.count || traps.entry_count != table.entry_count) {
        return "other blocks than the trap table";
    }
    for (u32 i = 0; i < table.index.count; i++) {
        BitReader r, trap_codes;
        u32 first, count, trap_count;
        u64 text_offset = 0;
        if (!position_block_open(&table, i, &first, &r) ||
            !position_block_open(&traps, i, &first, &trap_codes)) {
            return DAMAGED_INDEX;
        }
        const char *fault = addresses_fault(&r, &count);
        if (fault != NULL) {
            return fault;
        }
        if (traps_fault(image, &trap_codes, &text_offset, &trap_count) != NULL ||
            trap_count != count) {
            return "a block that does not match the trap table's";
        }
    }
    return NULL;
}
