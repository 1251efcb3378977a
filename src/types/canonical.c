#include "types/canonical.h"

#include "base/alloc.h"
#include "base/hash.h"

static u64 type_hash(const FuncType *type) {
    return hash_bytes(type->types, type->param_count + type->result_count, type->param_count);
}

bool types_canonical(const FuncType *types, u32 count, u32 *canonical) {
    u32 slot_count = 16;
    while (slot_count < 2 * count) {
        slot_count *= 2;
    }
    u32 *slots = mem_alloc(4ull * slot_count); // index + 1, open addressing
    if (slots == NULL) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        u32 slot = (u32)type_hash(&types[i]) & (slot_count - 1);
        while (slots[slot] != 0 && !type_equal(&types[slots[slot] - 1], &types[i])) {
            slot = (slot + 1) & (slot_count - 1);
        }
        if (slots[slot] == 0) {
            slots[slot] = i + 1;
        }
        canonical[i] = slots[slot] - 1;
    }
    mem_free(slots);
    return true;
}
