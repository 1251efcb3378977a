// The codes of .imago.traps and .imago.addrmap, inside image/. Those of .imago.stackmaps build on
// them.
#ifndef IMAGE_POSITIONS_INT_H
#define IMAGE_POSITIONS_INT_H

#include "image/image_int.h"

typedef struct PositionTable {
    u32 entry_count; // as the section says
    ImageTable index; // StoredBlock
    const u8 *codes;
    u64 code_bytes;
} PositionTable;

// Codes of a block. Behind the last bit there are zeros; bits_ok says whether any were read.
typedef struct BitReader {
    const u8 *at;
    u64 bytes;
    u64 bit; // of the next code
} BitReader;

// False: the section is empty, or smaller than its index.
bool position_table_open(const u8 *section, u64 bytes, PositionTable *out);
// False: there is no such block, or it lies outside the section.
bool position_block_open(const PositionTable *table, u32 i, u32 *first, BitReader *out);

// The last block that starts at or before text_offset; else the first one.
u32 position_block_at(const PositionTable *table, u32 text_offset);

bool bits_ok(const BitReader *r);
// True if nothing but the zeros that fill the last byte is left.
bool bits_at_end(const BitReader *r);
bool bits_read_one(BitReader *r);
u32 bits_read_number(BitReader *r);
// An entry of the trap table: bytes between the position and the one before, 0 if it is the block's
// first. kind: a TrapKind, IMAGE_POSITION_..., or anything below 16.
u32 position_read(BitReader *r, bool is_first, u32 *kind);
// An entry of the address map but a block's first: to be added to the WebAssembly offset.
u32 position_read_difference(BitReader *r);

#endif
