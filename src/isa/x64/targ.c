// See targ.h. Encodings: Intel SDM volume 2, JMP (E9 cd) and UD2 (0F 0B).
#include "isa/x64/targ.h"

enum { REL32_BYTES = 4, JUMP_BYTES = 5, TRAP_BYTES = 2 };

static void patch_rel32(u8 *field, u32 field_offset, u32 target_offset) {
    store_u32(field, target_offset - (field_offset + REL32_BYTES));
}

static u32 jump(u8 *at) {
    at[0] = 0xE9;
    store_u32(at + 1, 0);
    return 1;
}

static void trap(u8 *at) {
    at[0] = 0x0F;
    at[1] = 0x0B;
}

// Reach counts from the field, the distance from its end.
static const UseKind KINDS[X64_USE_COUNT] = {
    [X64_REL32] = {.name = "rel32",
                   .forward = (u32)INT32_MAX + REL32_BYTES,
                   .backward = (u32)INT32_MAX + 1 - REL32_BYTES,
                   .patch = patch_rel32},
};

const CodeTarget X64_TARGET = {
    .name = "x64",
    .kinds = KINDS,
    .kind_count = X64_USE_COUNT,
    .jump_kind = X64_REL32,
    .jump_bytes = JUMP_BYTES,
    .jump = jump,
    .trap_bytes = TRAP_BYTES,
    .trap = trap,
};
