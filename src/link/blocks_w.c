#include "link/blocks_w.h"

BlockTable blocks_open(Writer *section, Writer *index, u64 entry_count, u32 entry_bytes) {
    enum { LAST_BYTES = 8 };
    BlockTable table = {.section = section, .index = index};
    if (writer_reserve(section, sizeof(StoredPositions) + entry_count * entry_bytes + LAST_BYTES)) {
        write_zeros(section, sizeof(StoredPositions));
        table.bits.at = section->at + section->count;
    }
    return table;
}

void blocks_close(BlockTable table, u32 entry_count) {
    Writer *section = table.section;
    const StoredPositions head = {entry_count, (u32)(table.index->count / sizeof(StoredBlock))};
    table.bits = bits_align(table.bits);
    section->count = entry_count != 0 ? (usize)(table.bits.at - section->at) : 0;
    memcpy(section->at, &head, sizeof head);
    write_bytes(section, table.index->at, table.index->count);
    section->failed |= table.index->failed;
}
