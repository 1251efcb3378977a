// See targ.h. Encodings: Intel SDM volume 2, Jcc (70 cb, 0F 80 cd), JMP (EB cb, E9 cd), UD2
// (0F 0B), and those at `far_jump`.
#include "isa/x64/targ.h"

enum { REL8_BYTES = 1, REL32_BYTES = 4, JUMP_BYTES = 5, TRAP_BYTES = 2, FAR_JUMP_BYTES = 24 };

static void patch_rel32(u8 *field, u32 field_offset, u32 target_offset) {
    store_u32(field, target_offset - (field_offset + REL32_BYTES));
}

static void patch_rel64(u8 *field, u32 field_offset, u32 target_offset) {
    store_u64(field, (u64)target_offset - field_offset);
}

static void patch_rel8(u8 *field, u32 field_offset, u32 target_offset) {
    *field = (u8)(target_offset - (field_offset + REL8_BYTES));
}

// 0F 80+cc, field to 70+cc, distance, which ends where the field was.
static void shorten_jcc(u8 *field, u32 field_offset, u32 target_offset) {
    field[-2] = (u8)(field[-1] - 0x10);
    field[-1] = (u8)(target_offset - field_offset);
}

// E9, field to EB, distance.
static void shorten_jmp(u8 *field, u32 field_offset, u32 target_offset) {
    field[-1] = 0xEB;
    patch_rel8(field, field_offset, target_offset);
}

static u32 jump(u8 *at) {
    at[0] = 0xE9;
    store_u32(at + 1, 0);
    return 1;
}

// A jump to any distance. r10 and r11 are nobody's between a call and its callee (docs/abi.md).
static u32 far_jump(u8 *at) {
    static const u8 CODE[FAR_JUMP_BYTES] = {
        0x49, 0xBB, 0, 0, 0, 0, 0, 0, 0, 0,       // mov r11, distance from the field
        0x4C, 0x8D, 0x15, 0xF1, 0xFF, 0xFF, 0xFF, // lea r10, [rip - 15]: the field
        0x4D, 0x01, 0xD3,                         // add r11, r10
        0x41, 0xFF, 0xE3,                         // jmp r11
        0xCC,
    };
    memcpy(at, CODE, sizeof CODE);
    return 2;
}

static void trap(u8 *at) {
    at[0] = 0x0F;
    at[1] = 0x0B;
}

// Reach counts from the field, the distance from its end.
#define REL32_KIND(name_)                                                                          \
    .name = name_, .forward = (u32)INT32_MAX + REL32_BYTES,                                        \
    .backward = (u32)INT32_MAX + 1 - REL32_BYTES, .patch = patch_rel32

#define SHORT_FORM(saves_, shorten_)                                                               \
    .field_bytes = REL32_BYTES, .short_saves = saves_, .short_forward = INT8_MAX + REL32_BYTES,    \
    .shorten = shorten_

static const UseKind KINDS[X64_USE_COUNT] = {
    [X64_REL32] = {REL32_KIND("rel32"), .is_late = true},
    [X64_JCC] = {REL32_KIND("jcc"), .is_late = true, SHORT_FORM(4, shorten_jcc)},
    [X64_JMP] = {REL32_KIND("jmp"), .is_late = true, SHORT_FORM(3, shorten_jmp)},
    [X64_REL8] = {.name = "rel8",
                  .backward = INT8_MAX + 1 - REL8_BYTES,
                  .patch = patch_rel8,
                  .is_late = true},
};

static const UseKind FIXUP_KINDS[X64_FIX_COUNT] = {
    [X64_FIX_CALL] = {REL32_KIND("call"),
                      .veneer_bytes = FAR_JUMP_BYTES,
                      .veneer_kind = X64_FIX_FAR,
                      .veneer = far_jump},
    [X64_FIX_DATA] = {REL32_KIND("data")},
    [X64_FIX_FAR] = {.name = "far",
                     .forward = UINT32_MAX,
                     .backward = UINT32_MAX,
                     .patch = patch_rel64},
};

const CodeTarget X64_TARGET = {
    .name = "x64",
    .kinds = KINDS,
    .kind_count = X64_USE_COUNT,
    .jump_kind = X64_JMP,
    .jump_bytes = JUMP_BYTES,
    .jump = jump,
    .trap_bytes = TRAP_BYTES,
    .trap = trap,
    .fixup_kinds = FIXUP_KINDS,
    .fixup_kind_count = X64_FIX_COUNT,
    .call_kind = X64_FIX_CALL,
    .func_align = 16,
};
