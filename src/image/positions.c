// Tables that map text offsets to something, delta-coded in blocks, searched in place. Format:
// docs/image-format.md, "Positions".
#include "base/reader.h"
#include "image/image_int.h"

bool position_block_at(const u8 *section, u64 bytes, u32 text_offset, PositionBlock *out) {
    StoredPositions head;
    if (bytes < sizeof head) {
        return false;
    }
    memcpy(&head, section, sizeof head);
    const u64 index_bytes = (u64)head.block_count * sizeof(StoredBlock);
    if (head.block_count == 0 || !range_fits(sizeof head, index_bytes, bytes)) {
        return false;
    }
    const ImageTable index = {section + sizeof head, head.block_count, sizeof(StoredBlock)};
    StoredBlock block, next;
    u32 first = 0, end = head.block_count;
    while (end - first > 1) {
        const u32 middle = first + (end - first) / 2;
        record_load(&index, middle, &block);
        if (block.text_offset <= text_offset) {
            first = middle;
        } else {
            end = middle;
        }
    }
    record_load(&index, first, &block);
    const u64 data_bytes = bytes - sizeof head - index_bytes;
    const u64 data_end = record_load(&index, first + 1, &next) ? next.data_offset : data_bytes;
    if (block.text_offset > text_offset || block.data_offset > data_end || data_end > data_bytes) {
        return false;
    }
    const u8 *data = index.at + index_bytes;
    *out = (PositionBlock){data + block.data_offset, data + data_end, block.text_offset};
    return true;
}

bool image_trap_at(const Image *image, u32 text_offset, TrapKind *kind) {
    PositionBlock block;
    TRY(position_block_at(image->traps, image->trap_bytes, text_offset, &block));
    Reader r = reader_of(block.at, (usize)(block.end - block.at));
    u64 at = block.text_offset;
    u8 found = TRAP_COUNT;
    for (u32 i = 0; i < IMAGE_BLOCK_ENTRIES && !reader_at_end(&r) && at <= text_offset; i++) {
        const u64 code = read_uleb(&r, 33);
        found = (code & 1) != 0 ? read_u8(&r) : found;
        at += code >> 1;
        if (!reader_ok(&r)) {
            return false;
        }
        if (at == text_offset) {
            *kind = (TrapKind)found;
            return found < TRAP_COUNT;
        }
    }
    return false;
}

bool image_wasm_offset_at(const Image *image, u32 text_offset, u32 *wasm_offset) {
    PositionBlock block;
    TRY(position_block_at(image->addrmap, image->addrmap_bytes, text_offset, &block));
    Reader r = reader_of(block.at, (usize)(block.end - block.at));
    u64 at = block.text_offset;
    u32 wasm = 0;
    for (u32 i = 0; i < IMAGE_BLOCK_ENTRIES && !reader_at_end(&r) && at <= text_offset; i++) {
        const u8 code = read_u8(&r);
        at += code >> 4;
        if (code >> 4 == 15) {
            at += read_uleb(&r, 32);
        }
        wasm += (code & 15) == 15 ? (u32)read_sleb(&r, 33) : code & 15u;
        if (!reader_ok(&r)) {
            return false;
        }
        if (at == text_offset) {
            *wasm_offset = wasm;
            return true;
        }
    }
    return false;
}
