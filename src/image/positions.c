// .imago.traps and .imago.addrmap, searched in place: the block by bisection, then its entries one
// by one. Whatever the bytes are, no read leaves the section. Format: link/positions_w.c and
// docs/image-format.md, "Positions".
#include "image/positions_int.h"

// ---- Bits --------------------------------------------------------------------------------------

// At least 57 bits from the next code on.
static u64 bits_peek(const BitReader *r) {
    const u64 offset = r->bit / 8;
    u64 word = 0;
    if (offset < r->bytes) {
        const u64 left = r->bytes - offset;
        memcpy(&word, r->at + offset, left < sizeof word ? left : sizeof word);
    }
    return word >> r->bit % 8;
}

bool bits_ok(const BitReader *r) { return r->bit <= 8 * r->bytes; }

bool bits_at_end(const BitReader *r) {
    return bits_ok(r) && 8 * r->bytes - r->bit < 8 && bits_peek(r) == 0;
}

static u32 read_number(BitReader *r) {
    const u64 word = bits_peek(r);
    const u32 zeros = (u32)__builtin_ctzll(word | 1ull << IMAGE_NUMBER_MAX_ZEROS);
    const u32 lower = (u32)(word >> (zeros + 1)) & ((8u << zeros) - 1);
    r->bit += 2 * zeros + 4;
    return (8u << zeros) + lower - 8;
}

u32 position_read_step(BitReader *r) { return read_number(r) + 1; }

u32 position_read_difference(BitReader *r) {
    const u32 number = read_number(r);
    return number != 0 ? number - 1 : ~read_number(r);
}

u32 position_read_kind(BitReader *r) {
    const u64 word = bits_peek(r);
    const u32 ones = (u32)__builtin_ctzll(~word | 8);
    r->bit += ones == 3 ? 7 : ones + 1;
    switch (ones) {
    case 0: return TRAP_MEMORY_OUT_OF_BOUNDS;
    case 1: return IMAGE_POSITION_CALL;
    case 2: return TRAP_UNREACHABLE;
    default: return (u32)(word >> 3) & 15;
    }
}

// ---- Blocks ------------------------------------------------------------------------------------

bool position_table_open(const u8 *section, u64 bytes, PositionTable *out) {
    StoredPositions head;
    if (bytes < sizeof head) {
        return false;
    }
    memcpy(&head, section, sizeof head);
    const u64 index_bytes = (u64)head.block_count * sizeof(StoredBlock);
    if (index_bytes > bytes - sizeof head) {
        return false;
    }
    *out = (PositionTable){
        .entry_count = head.entry_count,
        .index = {section + bytes - index_bytes, head.block_count, sizeof(StoredBlock)},
        .codes = section + sizeof head,
        .code_bytes = bytes - sizeof head - index_bytes,
    };
    return true;
}

bool position_block_open(const PositionTable *table, u32 i, u32 *first, BitReader *out) {
    StoredBlock block, next;
    TRY(record_load(&table->index, i, &block));
    const u64 end =
        record_load(&table->index, i + 1, &next) ? next.codes_offset : table->code_bytes;
    if (end > table->code_bytes || block.codes_offset > end) {
        return false;
    }
    *first = block.first;
    *out = (BitReader){table->codes + block.codes_offset, end - block.codes_offset, 0};
    return true;
}

// The last block that starts at or before text_offset; else the first one.
static u32 block_at(const PositionTable *table, u32 text_offset) {
    u32 first = 0, end = table->index.count;
    while (end - first > 1) {
        const u32 middle = first + (end - first) / 2;
        StoredBlock block;
        record_load(&table->index, middle, &block);
        *(block.first <= text_offset ? &first : &end) = middle;
    }
    return first;
}

// ---- Positions ---------------------------------------------------------------------------------

// An entry of the trap table; the address map has its own at the same place.
typedef struct Position {
    u32 block, entry; // the entry's number in the block
    u32 kind;         // TrapKind or IMAGE_POSITION_CALL, or anything
} Position;

static bool position_find(const Image *image, u32 text_offset, Position *out) {
    PositionTable table;
    TRY(position_table_open(image->traps, image->trap_bytes, &table));
    const u32 block = block_at(&table, text_offset);
    u32 first;
    BitReader r;
    TRY(position_block_open(&table, block, &first, &r));
    u64 at = first;
    for (u32 i = 0; i < IMAGE_BLOCK_ENTRIES; i++) {
        at += i != 0 ? position_read_step(&r) : 0;
        const u32 kind = position_read_kind(&r);
        if (!bits_ok(&r) || at > text_offset) {
            return false;
        }
        if (at == text_offset) {
            *out = (Position){block, i, kind};
            return true;
        }
    }
    return false;
}

bool image_trap_at(const Image *image, u32 text_offset, TrapKind *kind) {
    Position position;
    TRY(position_find(image, text_offset, &position));
    *kind = (TrapKind)position.kind;
    return position.kind < TRAP_COUNT;
}

bool image_wasm_offset_at(const Image *image, u32 text_offset, u32 *wasm_offset) {
    Position position;
    PositionTable table;
    BitReader r;
    u32 offset;
    TRY(position_table_open(image->addrmap, image->addrmap_bytes, &table) &&
        position_find(image, text_offset, &position) &&
        position_block_open(&table, position.block, &offset, &r));
    for (u32 i = 0; i < position.entry; i++) {
        offset += position_read_difference(&r);
    }
    *wasm_offset = offset;
    return bits_ok(&r);
}
