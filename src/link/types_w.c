// Equal types of a module get one number: the index of the first of them.
#include "base/hash.h"
#include "link/link_int.h"

static u64 type_hash(const FuncType *type) {
    return hash_bytes(type->types, type->param_count + type->result_count, type->param_count);
}

void types_number(Linker *linker) {
    const Module *module = linker->module;
    u32 slot_count = 16;
    while (slot_count < 2 * module->type_count) {
        slot_count *= 2;
    }
    u32 *slots = PUSH(&linker->arena, u32, slot_count); // type index + 1
    for (u32 i = 0; i < module->type_count; i++) {
        u32 slot = (u32)type_hash(&module->types[i]) & (slot_count - 1);
        while (slots[slot] != 0 &&
               !type_equal(&module->types[slots[slot] - 1], &module->types[i])) {
            slot = (slot + 1) & (slot_count - 1);
        }
        if (slots[slot] == 0) {
            slots[slot] = i + 1;
        }
        linker->canonical_type[i] = slots[slot] - 1;
    }
}
