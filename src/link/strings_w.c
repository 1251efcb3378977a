// One string table serves the module's tables, the symbols and the dynamic linker. A name that is
// at once import, export and function name is stored once. Every string ends in a zero byte.
#include "base/hash.h"
#include "link/link_int.h"

// A module can choose names whose hashes collide: the search gives up after this many slots and
// stores the string again.
enum { MAX_PROBES = 16 };

static u64 string_count(const Module *module) {
    u64 count = 2 * (u64)module->import_count + module->export_count + 8;
    for (u32 i = 0; i < module->func_count; i++) {
        count += module_func_name(module, i).count != 0;
    }
    return count;
}

void strings_begin(Linker *linker) {
    linker->string_slot_count = 64;
    while (linker->string_slot_count < 2 * string_count(linker->module)) {
        linker->string_slot_count *= 2;
    }
    linker->string_slots = PUSH(&linker->arena, StringSlot, linker->string_slot_count);
    write_u8(&linker->sections[SECTION_DYNSTR], 0);
}

u32 strings_append(Linker *linker, Str text) {
    Writer *table = &linker->sections[SECTION_DYNSTR];
    const u32 offset = (u32)table->count;
    write_bytes(table, text.at, text.count);
    write_u8(table, 0);
    return offset;
}

u32 strings_add(Linker *linker, Str text) {
    if (text.count == 0) {
        return 0;
    }
    const Writer *table = &linker->sections[SECTION_DYNSTR];
    const u32 mask = linker->string_slot_count - 1;
    const u32 first = (u32)hash_bytes(text.at, text.count, 0);
    for (u32 probe = 0; probe < MAX_PROBES; probe++) {
        StringSlot *slot = &linker->string_slots[(first + probe) & mask];
        if (slot->bytes == 0) {
            slot->offset = strings_append(linker, text);
            slot->bytes = table->failed ? 0 : (u32)text.count;
            return slot->offset;
        }
        if (slot->bytes == text.count &&
            memcmp(table->at + slot->offset, text.at, text.count) == 0) {
            return slot->offset;
        }
    }
    return strings_append(linker, text);
}
