// .imago.traps and .imago.addrmap, searched in place: the block by bisection, then its entries one
// by one. Whatever the bytes are, no read leaves the section. Format: link/positions_w.c and
// docs/image-format.md, "Positions".
#include "image/positions_int.h"

// ---- Bits --------------------------------------------------------------------------------------

// At least 57 bits from the next code on: more than the longest entry has.
static u64 bits_peek(const BitReader *r) {
    const u64 offset = r->bit / 8;
    if (LIKELY(offset + sizeof(u64) <= r->bytes)) {
        return load_u64(r->at + offset) >> r->bit % 8;
    }
    u64 word = 0;
    if (offset < r->bytes) {
        memcpy(&word, r->at + offset, (usize)(r->bytes - offset));
    }
    return word >> r->bit % 8;
}

bool bits_ok(const BitReader *r) { return r->bit <= 8 * r->bytes; }

bool bits_at_end(const BitReader *r) {
    return bits_ok(r) && 8 * r->bytes - r->bit < 8 && bits_peek(r) == 0;
}

// The number in the lowest bits of `word`; its code's length is 2 * *zeros + 4.
static u32 number_in(u64 word, u32 *zeros) {
    *zeros = (u32)__builtin_ctzll(word | 1ull << IMAGE_NUMBER_MAX_ZEROS);
    const u32 higher = 8u << *zeros;
    return higher + ((u32)(word >> (*zeros + 1)) & (higher - 1)) - 8;
}

u32 bits_read_number(BitReader *r) {
    u32 zeros;
    const u32 number = number_in(bits_peek(r), &zeros);
    r->bit += 2 * zeros + 4;
    return number;
}

bool bits_read_one(BitReader *r) {
    const bool bit = (bits_peek(r) & 1) != 0;
    r->bit++;
    return bit;
}

u32 position_read_difference(BitReader *r) {
    const u32 number = bits_read_number(r);
    return number != 0 ? number - 1 : ~bits_read_number(r);
}

u32 position_read(BitReader *r, bool is_first, u32 *kind) {
    u64 word = bits_peek(r);
    u32 step = 0, zeros;
    if (!is_first) {
        step = number_in(word, &zeros) + 1;
        word >>= 2 * zeros + 4;
        r->bit += 2 * zeros + 4;
    }
    static const u8 KINDS[] = {TRAP_MEMORY_OUT_OF_BOUNDS, IMAGE_POSITION_CALL, TRAP_UNREACHABLE};
    const u32 ones = (u32)__builtin_ctzll(~word | 8);
    *kind = ones < COUNT_OF(KINDS) ? KINDS[ones] : (u32)(word >> 3) & 15;
    r->bit += ones < COUNT_OF(KINDS) ? ones + 1 : 7;
    return step;
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

u32 position_block_at(const PositionTable *table, u32 text_offset) {
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
    u32 kind;         // TrapKind or IMAGE_POSITION_..., or anything
    u64 at;           // text offset
} Position;

// The last position at or before text_offset.
static bool position_before(const Image *image, u32 text_offset, Position *out) {
    PositionTable table;
    TRY(position_table_open(image->traps, image->trap_bytes, &table));
    const u32 block = position_block_at(&table, text_offset);
    u32 first, kind;
    BitReader r;
    TRY(position_block_open(&table, block, &first, &r));
    u64 at = first;
    u32 count = 0;
    for (; count < IMAGE_BLOCK_ENTRIES; count++) {
        at += position_read(&r, count == 0, &kind);
        if (!bits_ok(&r) || at > text_offset) {
            break;
        }
        *out = (Position){block, count, kind, at};
    }
    return count != 0;
}

static bool position_at(const Image *image, u32 text_offset, Position *out) {
    return position_before(image, text_offset, out) && out->at == text_offset;
}

static bool wasm_offset_of(const Image *image, const Position *position, u32 *wasm_offset) {
    PositionTable table;
    BitReader r;
    u32 offset;
    TRY(position_table_open(image->addrmap, image->addrmap_bytes, &table) &&
        position_block_open(&table, position->block, &offset, &r));
    for (u32 i = 0; i < position->entry; i++) {
        offset += position_read_difference(&r);
    }
    *wasm_offset = offset;
    return bits_ok(&r);
}

bool image_trap_at(const Image *image, u32 text_offset, TrapKind *kind) {
    Position position;
    TRY(position_at(image, text_offset, &position));
    *kind = (TrapKind)position.kind;
    return position.kind < TRAP_COUNT;
}

bool image_wasm_offset_at(const Image *image, u32 text_offset, u32 *wasm_offset) {
    Position position;
    return position_at(image, text_offset, &position) &&
           wasm_offset_of(image, &position, wasm_offset);
}

bool image_instruction_starts(const Image *image, u32 text_offset) {
    Position position;
    return position_at(image, text_offset, &position) && position.kind == IMAGE_POSITION_PLAIN;
}

bool image_instruction_at(const Image *image, u32 text_offset, u32 *wasm_offset) {
    Position position;
    const u32 func = image_func_at(image, text_offset);
    return (image->flags & IMAGE_MAPS_ALL) != 0 && func != ID_NONE &&
           position_before(image, text_offset, &position) &&
           position.at >= image_func(image, func).text_offset &&
           wasm_offset_of(image, &position, wasm_offset);
}
