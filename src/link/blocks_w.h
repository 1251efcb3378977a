// What the writers of .imago.traps, .imago.addrmap and .imago.stackmaps share: codes of bits, and
// blocks of them with an index behind. docs/image-format.md, "Positions".
#ifndef LINK_BLOCKS_W_H
#define LINK_BLOCKS_W_H

#include "link/link_int.h"

// ---- Bits --------------------------------------------------------------------------------------

typedef struct Code {
    u64 bits;
    u32 count; // up to 56
} Code;

typedef struct BitWriter {
    u8 *at;      // where `pending` goes: room for 8 bytes more than what is written
    u64 pending; // the newest bits
    u32 count;   // of them; below 8 after bits_flush
} BitWriter;

// Up to 56 bits between two flushes.
static inline BitWriter bits_add(BitWriter w, Code code) {
    return (BitWriter){w.at, w.pending | code.bits << w.count, w.count + code.count};
}

static inline BitWriter bits_flush(BitWriter w) {
    store_u64(w.at, w.pending);
    return (BitWriter){w.at + w.count / 8, w.pending >> (w.count & ~7u), w.count % 8};
}

// Up to the next byte.
static inline BitWriter bits_align(BitWriter w) {
    return bits_flush((BitWriter){w.at, w.pending, (u32)align_up(w.count, 8)});
}

// Of a value below IMAGE_NUMBER_END.
static inline Code number_code(u32 value) {
    const u32 biased = value + 8;
    const u32 zeros = 28 - (u32)__builtin_clz(biased);
    const u32 count = 2 * zeros + 4;
    // The one behind the zeros stands for the highest bit.
    return (Code){((u64)biased << (zeros + 1)) ^ 1ull << count ^ 1ull << zeros, count};
}

// ---- Blocks ------------------------------------------------------------------------------------

typedef struct BlockTable {
    Writer *section; // codes start behind the head
    Writer *index;
    BitWriter bits; // flushed whenever an entry is complete
} BlockTable;

// Room for every entry that there can be; what is not written costs nothing. section->failed says
// whether there is none.
//   entry_bytes  of the longest one, together with the start of a block
BlockTable blocks_open(Writer *section, Writer *index, u64 entry_count, u32 entry_bytes);
// The next entry is the first of a block.
static inline BlockTable blocks_start(BlockTable table, u32 first) {
    table.bits = bits_align(table.bits);
    const u8 *codes = table.section->at + table.section->count;
    const StoredBlock block = {first, (u32)(table.bits.at - codes)};
    write_bytes(table.index, &block, sizeof block);
    return table;
}
// Head and index. Without entries there is no section.
void blocks_close(BlockTable table, u32 entry_count);

#endif
