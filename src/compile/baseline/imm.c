#include "compile/baseline/imm.h"

u32 imm_u32(const u8 **p) {
    u32 value = 0;
    for (u32 shift = 0;; shift += 7) {
        const u8 byte = *(*p)++;
        value |= (u32)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
}

i64 next_signed_long(Baseline *b) {
    u64 value = 0;
    for (u32 shift = 7;; shift += 7) {
        const u8 byte = *b->pc++;
        value |= (u64)(byte & 0x7F) << (shift - 7);
        if (byte < 0x80) {
            const u32 unused = shift < 64 ? 64 - shift : 0; // bits above the last group
            return (i64)(value << unused) >> unused;
        }
    }
}

static void skip_immediates(Baseline *b, ImmKind kind) {
    switch (kind) {
    case IMM_NONE: break;
    case IMM_BLOCK: case IMM_LABEL: case IMM_FUNC: case IMM_LOCAL: case IMM_GLOBAL: case IMM_TABLE:
    case IMM_MEMORY: case IMM_I32: case IMM_I64: case IMM_REF_TYPE: case IMM_DATA: case IMM_ELEM:
        skip_leb(b);
        break;
    case IMM_CALL_INDIRECT: case IMM_MEMARG: case IMM_MEMORY_INIT: case IMM_MEMORY_COPY:
    case IMM_TABLE_INIT: case IMM_TABLE_COPY:
        skip_leb(b);
        skip_leb(b);
        break;
    case IMM_BR_TABLE:
        for (u32 left = next_u32(b) + 1; left != 0; left--) {
            skip_leb(b);
        }
        break;
    case IMM_SELECT: skip_bytes(b, next_u32(b)); break;
    case IMM_F32: skip_bytes(b, 4); break;
    case IMM_F64: skip_bytes(b, 8); break;
    case IMM_V128: case IMM_SHUFFLE: skip_bytes(b, 16); break;
    case IMM_LANE: skip_bytes(b, 1); break;
    case IMM_MEMARG_LANE:
        skip_leb(b);
        skip_leb(b);
        skip_bytes(b, 1);
        break;
    }
}

Opcode skip_instruction(Baseline *b) {
    const u8 byte = *b->pc++;
    const Opcode op = byte >= 0xFC ? opcode_of(byte, next_u32(b)) : opcode_of_byte(byte);
    skip_immediates(b, OPCODES[op].imm);
    return op;
}
