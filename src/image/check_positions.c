// The tables of positions, decoded from end to end (image/positions.c looks things up in them).
#include "base/reader.h"
#include "image/check.h"
#include "image/image_int.h"

typedef struct Position {
    u64 text_offset;
    u8 trap; // TRAP_COUNT: none yet
} Position;

// Reads the code of the next position. False: not one.
typedef bool ReadCode(Reader *r, Position *position);

static bool read_trap(Reader *r, Position *position) {
    const u64 code = read_uleb(r, 33);
    position->trap = (code & 1) != 0 ? read_u8(r) : position->trap;
    position->text_offset += code >> 1;
    return position->trap < TRAP_COUNT;
}

static bool read_address(Reader *r, Position *position) {
    const u8 code = read_u8(r);
    position->text_offset += code >> 4;
    if (code >> 4 == 15) {
        position->text_offset += read_uleb(r, 32);
    }
    if ((code & 15) == 15) {
        (void)read_sleb(r, 33);
    }
    return true;
}

static const char *block_fault(Reader *r, u32 count, Position *position, ReadCode *read) {
    for (u32 i = 0; i < count; i++) {
        const u64 before = position->text_offset;
        if (!read(r, position) || !reader_ok(r)) {
            return "a block that cannot be decoded";
        }
        if (i != 0 && position->text_offset <= before) {
            return "positions out of order";
        }
    }
    return reader_at_end(r) ? NULL : "a block with something behind its positions";
}

static const char *table_fault(const u8 *section, u64 bytes, u32 text_bytes, ReadCode *read) {
    StoredPositions head = {0};
    memcpy(&head, section, bytes < sizeof head ? 0 : sizeof head);
    const u64 index_bytes = (u64)head.block_count * sizeof(StoredBlock);
    if (!range_fits(sizeof head, index_bytes, bytes) ||
        ((u64)head.entry_count + IMAGE_BLOCK_ENTRIES - 1) / IMAGE_BLOCK_ENTRIES !=
            head.block_count) {
        return "another number of blocks than it has";
    }
    const ImageTable index = {section + sizeof head, head.block_count, sizeof(StoredBlock)};
    const u8 *data = index.at + index_bytes;
    const u64 data_bytes = bytes - sizeof head - index_bytes;
    u64 next_text = 0; // behind the last position so far
    for (u32 i = 0; i < head.block_count; i++) {
        StoredBlock block, next;
        record_load(&index, i, &block);
        const u64 end = record_load(&index, i + 1, &next) ? next.data_offset : data_bytes;
        const u32 left = head.entry_count - i * IMAGE_BLOCK_ENTRIES;
        if (block.data_offset > end || end > data_bytes || block.text_offset < next_text) {
            return "blocks out of order";
        }
        Reader r = reader_of(data + block.data_offset, (usize)(end - block.data_offset));
        Position position = {block.text_offset, TRAP_COUNT};
        const char *fault = block_fault(
            &r, left < IMAGE_BLOCK_ENTRIES ? left : IMAGE_BLOCK_ENTRIES, &position, read);
        if (fault != NULL) {
            return fault;
        }
        next_text = position.text_offset + 1;
    }
    return next_text <= text_bytes ? NULL : "a position beyond the text";
}

const char *check_traps(const Image *image) {
    return image->trap_bytes == 0
               ? NULL
               : table_fault(image->traps, image->trap_bytes, image->text_bytes, read_trap);
}

const char *check_addresses(const Image *image) {
    return image->addrmap_bytes == 0
               ? NULL
               : table_fault(image->addrmap, image->addrmap_bytes, image->text_bytes, read_address);
}
