// Multiply-and-fold on 64-bit words, four independent lanes for long input. The constants are the
// first digits of pi in hexadecimal, made odd.
#include "base/hash.h"

static const u64 K[4] = {0x243F6A8885A308D3, 0x13198A2E03707345, 0xA4093822299F31D1,
                         0x082EFA98EC4E6C89};

__extension__ typedef unsigned __int128 u128;

static u64 fold(u64 a, u64 b) {
    const u128 product = (u128)a * b;
    return (u64)product ^ (u64)(product >> 64);
}

u64 hash_bytes(const void *bytes, usize count, u64 seed) {
    const u8 *p = bytes;
    u64 lane[4] = {seed ^ K[0], seed ^ K[1], seed ^ K[2], seed ^ K[3]};
    usize left = count;
    for (; left >= 64; left -= 64, p += 64) {
        for (u32 i = 0; i < 4; i++) {
            lane[i] = fold(load_u64(p + 16 * i) ^ K[i], load_u64(p + 16 * i + 8) ^ lane[i]);
        }
    }
    // The seed again: in a short input nothing has been mixed yet, and it cancels between lanes.
    u64 hash = fold(lane[0] ^ lane[2] ^ seed, lane[1] ^ lane[3] ^ K[1]);
    for (; left >= 8; left -= 8, p += 8) {
        hash = fold(load_u64(p) ^ K[2], hash ^ K[3]);
    }
    u8 tail[8] = {0};
    memcpy(tail, p, left);
    return fold(fold(load_u64(tail) ^ K[0], hash ^ K[1]), count ^ K[2]);
}
