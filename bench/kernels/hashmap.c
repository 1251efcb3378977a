// Integer and unpredictable branches: an open-addressing hash map with
// random keys, insertion, look-up and deletion by back-shifting.
#include "kernel.h"

enum { SLOT_BITS = 15, SLOTS = 1 << SLOT_BITS, KEYS = 20000 };

typedef struct {
    u64 key; // 0 = free
    u64 value;
} Slot;

static Slot slots[SLOTS];

static u32 home_of(u64 key) {
    return (u32)((key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SLOT_BITS));
}

static NOINLINE Slot *find(u64 key) {
    u32 i = home_of(key);
    while (slots[i].key != 0 && slots[i].key != key) {
        i = (i + 1) % SLOTS;
    }
    return &slots[i];
}

static NOINLINE void remove_at(u32 hole) {
    u32 i = hole;
    for (;;) {
        i = (i + 1) % SLOTS;
        if (slots[i].key == 0) {
            break;
        }
        // A key may move into the hole unless its home lies behind it.
        if (((i - home_of(slots[i].key)) % SLOTS) >= ((i - hole) % SLOTS)) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole].key = 0;
}

static NOINLINE u64 round_of(u64 seed) {
    u64 sum = 0;
    u64 state = seed;
    for (u32 i = 0; i < KEYS; i++) {
        u64 key = kernel_random(&state) | 1;
        Slot *slot = find(key);
        slot->key = key;
        slot->value += i;
    }
    state = seed;
    for (u32 i = 0; i < KEYS; i++) {
        u64 key = kernel_random(&state) | 1;
        Slot *slot = find(key);
        sum += slot->value;
        if (i % 3 == 0) {
            remove_at((u32)(slot - slots));
        }
    }
    for (u32 i = 0; i < SLOTS; i++) {
        sum = sum * 3 + slots[i].value * (slots[i].key != 0);
    }
    memset(slots, 0, sizeof slots);
    return sum;
}

int main(int argc, char **argv) {
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 120); n > 0; n--) {
        sum = kernel_mix(sum, round_of(n * 77 + 5));
    }
    return kernel_report("hashmap", sum);
}
