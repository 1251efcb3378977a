// Names come from outside, and someone may choose them to collide. So the hash is a polynomial over
// the prime 2^61 - 1 at a point that the input cannot know (taken from where the process lives in
// memory): two given strings of n bytes collide with a probability below n / 2^58. Results do not
// depend on the key.
#include "text/intern.h"

#include "base/alloc.h"

__extension__ typedef unsigned __int128 u128;

#define PRIME ((1ull << 61) - 1)

enum { FIRST_SLOTS = 64 };

static u64 reduce(u128 value) {
    u64 sum = (u64)(value & PRIME) + (u64)(value >> 61);
    return sum >= PRIME ? sum - PRIME : sum;
}

static u64 hash_of(const Intern *set, Str text) {
    const char *at = text.at;
    usize left = text.count;
    u64 hash = text.count + 1;
    for (; left >= 7; left -= 7, at += 7) {
        u64 block = 0;
        memcpy(&block, at, 7);
        hash = reduce((u128)hash * set->key + block);
    }
    u64 block = 0;
    memcpy(&block, at, left);
    hash = reduce((u128)hash * set->key + block);
    return reduce((u128)hash * set->key);
}

static void place(Intern *set, u32 number) {
    u32 slot = (u32)set->entries.at[number].hash & (set->slot_count - 1);
    while (set->slots[slot] != 0) {
        slot = (slot + 1) & (set->slot_count - 1);
    }
    set->slots[slot] = number + 1;
}

// Keeps at least half of the slots free.
static bool make_room(Intern *set) {
    if (set->entries.count < set->slot_count / 2) {
        return true;
    }
    const u32 slot_count = set->slot_count == 0 ? FIRST_SLOTS : set->slot_count * 2;
    u32 *slots = mem_alloc((usize)slot_count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    mem_free(set->slots);
    set->slots = slots;
    set->slot_count = slot_count;
    for (u32 i = 0; i < set->entries.count; i++) {
        place(set, i);
    }
    return true;
}

bool text_intern(Intern *set, Str text, Arena *keep, u32 *out) {
    if (set->key == 0) {
        const u64 address = (u64)(uintptr_t)set ^ (u64)(uintptr_t)&text << 20;
        set->key = address * 0x9E3779B97F4A7C15u % (PRIME - 2) + 2;
    }
    if (!make_room(set)) {
        return false;
    }
    const u64 hash = hash_of(set, text);
    u32 slot = (u32)hash & (set->slot_count - 1);
    for (; set->slots[slot] != 0; slot = (slot + 1) & (set->slot_count - 1)) {
        const u32 number = set->slots[slot] - 1;
        const InternEntry *entry = &set->entries.at[number];
        if (entry->hash == hash && str_equal(entry->text, text)) {
            *out = number;
            return true;
        }
    }
    if (keep != NULL) {
        text.at = arena_copy(keep, text.at, text.count);
        if (text.at == NULL) {
            return false;
        }
    }
    *out = (u32)set->entries.count;
    if (!vec_push(&set->entries, (InternEntry){text, hash})) {
        return false;
    }
    set->slots[slot] = *out + 1;
    return true;
}

void text_intern_free(Intern *set) {
    vec_free(&set->entries);
    mem_free(set->slots);
    *set = (Intern){0};
}
