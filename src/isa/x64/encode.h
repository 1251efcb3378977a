// Encoder of x86-64 instructions (Intel SDM volume 2, chapter 2). Each function appends one
// instruction to the buffer; the caller has made room (code_room). With a constant opcode most of
// it folds at compile time. No checks beyond asserts: what is asked for is what is written.
#ifndef ISA_X64_ENCODE_H
#define ISA_X64_ENCODE_H

#include "isa/code_buffer.h"
#include "isa/x64/targ.h"

typedef enum X64Reg {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
    X64_NO_REG = 0xFF,
} X64Reg;

enum { X64_MAX_INST_BYTES = 16 };

// Instructions with ModRM, packed: up to three opcode bytes, the first one lowest; their number in
// bits 24-25; REX.W in 26; 27: the reg field is an 8-bit register, 28: the r/m field is one; the
// mandatory prefix in 29-30 (none, 66, F3, F2).
#define X64_PACK(prefix, map, opcode, w)                                                           \
    (((map) == 0   ? (u32)(opcode) | 1u << 24                                                      \
      : (map) == 1 ? 0x0Fu | (u32)(opcode) << 8 | 2u << 24                                         \
                   : 0x0Fu | ((map) == 2 ? 0x38u : 0x3Au) << 8 | (u32)(opcode) << 16 | 3u << 24) | \
     (u32)(w) << 26 | ((map) == 0 && (opcode) == 0x88 ? 1u << 27 : 0) |                            \
     ((map) == 1 && ((opcode) == 0xB6 || (opcode) == 0xBE) ? 1u << 28 : 0) |                       \
     ((prefix) == 0x66   ? 1u << 29                                                                \
      : (prefix) == 0xF3 ? 2u << 29                                                                \
      : (prefix) == 0xF2 ? 3u << 29                                                                \
                         : 0))

typedef enum X64Op {
#define INST(name, prefix, map, opcode, w) X64_##name = (int)X64_PACK(prefix, map, opcode, w),
#include "isa/x64/insts.def"
#undef INST
} X64Op;

// The 64-bit form of a 32-bit instruction, if `w`.
static inline X64Op x64_wide_if(X64Op op, bool w) { return (X64Op)((u32)op | (u32)w << 26); }

// Condition codes (SDM volume 1, appendix B); xor 1 inverts.
typedef enum X64Cond {
    CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE,
    CC_LE, CC_G,
} X64Cond;

// Groups that share an opcode, told apart by the reg field (SDM volume 2, appendix A.4).
typedef enum X64Alu {
    ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP,
} X64Alu;
typedef enum X64Shift {
    SHIFT_ROL = 0, SHIFT_ROR = 1, SHIFT_SHL = 4, SHIFT_SHR = 5, SHIFT_SAR = 7,
} X64Shift;
typedef enum X64Unary {
    UNARY_NOT = 2, UNARY_NEG = 3, UNARY_MUL = 4, UNARY_DIV = 6, UNARY_IDIV = 7,
} X64Unary;

// [base + index * 2^scale + disp]. index X64_NO_REG: none (RSP cannot be an index).
typedef struct X64Mem {
    u8 base, index, scale;
    i32 disp;
} X64Mem;

static inline X64Mem x64_mem(u8 base, i32 disp) { return (X64Mem){base, X64_NO_REG, 0, disp}; }
static inline X64Mem x64_mem_index(u8 base, u8 index, u8 scale, i32 disp) {
    return (X64Mem){base, index, scale, disp};
}

// Prefix, REX and opcode. `r`, `x`, `b`: the registers of the fields; is_byte: an 8-bit register
// operand is among them that needs REX (from RSP on). No branches: what is not there is written,
// too, and then overwritten.
static inline u8 *x64_head(u8 *p, u32 op, u8 r, u8 x, u8 b, bool is_byte) {
    const u8 prefix = (u8)(0xF2F36600u >> (op >> 29 & 3) * 8);
    *p = prefix;
    p += prefix != 0;
    const u32 rex = (op >> 26 & 1) << 3 | (r >> 3 & 1u) << 2 | (x >> 3 & 1u) << 1 | (b >> 3 & 1u);
    *p = (u8)(0x40 | rex);
    p += (rex != 0) | is_byte;
    store_u32(p, op);
    return p + (op >> 24 & 3);
}

static inline u8 *x64_tail_mem(u8 *p, u8 reg, X64Mem m) {
    const bool needs_sib = m.index != X64_NO_REG || (m.base & 7) == RSP;
    const bool is_8 = m.disp == (i8)m.disp;
    const bool is_0 = m.disp == 0 && (m.base & 7) != RBP;
    const u32 mod = 0x80u - 0x40u * is_8 - 0x40u * is_0;
    const u32 reg_field = (u32)(reg & 7) << 3;
    if (needs_sib) {
        const u32 index = m.index == X64_NO_REG ? RSP : m.index;
        assert(m.index != RSP);
        *p++ = (u8)(mod | reg_field | RSP);
        *p++ = (u8)((u32)m.scale << 6 | (index & 7) << 3 | (m.base & 7));
    } else {
        *p++ = (u8)(mod | reg_field | (m.base & 7));
    }
    store_u32(p, (u32)m.disp);
    return p + (4 - 3 * is_8 - is_0);
}

// op reg, rm (both registers). For loads-like operations rm is the source.
static inline u8 *x64_put_rr(u8 *p, u32 op, u8 reg, u8 rm) {
    p = x64_head(p, op, reg, 0, rm,
                 ((op >> 27 & 1) != 0 && (reg >= RSP || rm >= RSP)) ||
                     ((op >> 28 & 1) != 0 && rm >= RSP));
    *p++ = (u8)(0xC0 | (reg & 7) << 3 | (rm & 7));
    return p;
}
static inline u8 *x64_put_rm(u8 *p, u32 op, u8 reg, X64Mem m) {
    p = x64_head(p, op, reg, m.index == X64_NO_REG ? 0 : m.index, m.base,
                 (op >> 27 & 1) & (reg >= RSP));
    return x64_tail_mem(p, reg, m);
}
// An immediate of one byte or four.
static inline u8 *x64_put_imm(u8 *p, i32 imm, bool is_short) {
    store_u32(p, (u32)imm);
    return p + (is_short ? 1 : 4);
}

static inline void x64_rr(CodeBuffer *code, X64Op op, u8 reg, u8 rm) {
    code->at = x64_put_rr(code->at, (u32)op, reg, rm);
}
static inline void x64_rm(CodeBuffer *code, X64Op op, u8 reg, X64Mem m) {
    code->at = x64_put_rm(code->at, (u32)op, reg, m);
}
static inline void x64_rri8(CodeBuffer *code, X64Op op, u8 reg, u8 rm, u8 imm) {
    u8 *p = x64_put_rr(code->at, (u32)op, reg, rm);
    *p++ = imm;
    code->at = p;
}
static inline void x64_rmi8(CodeBuffer *code, X64Op op, u8 reg, X64Mem m, u8 imm) {
    u8 *p = x64_put_rm(code->at, (u32)op, reg, m);
    *p++ = imm;
    code->at = p;
}

// reg = rm * imm
static inline void x64_imul_rri(CodeBuffer *code, bool w, u8 reg, u8 rm, i32 imm) {
    const bool is_short = imm == (i8)imm;
    u8 *p = x64_put_rr(code->at, X64_PACK(0, 0, is_short ? 0x6B : 0x69, w), reg, rm);
    code->at = x64_put_imm(p, imm, is_short);
}

// alu rm, imm
static inline void x64_alu_ri(CodeBuffer *code, bool w, X64Alu alu, u8 rm, i32 imm) {
    const bool is_short = imm == (i8)imm;
    u8 *p = code->at;
    if (!is_short && rm == RAX) {
        p = x64_head(p, X64_PACK(0, 0, (u32)alu << 3 | 5u, w), 0, 0, 0, false);
    } else {
        p = x64_put_rr(p, X64_PACK(0, 0, is_short ? 0x83 : 0x81, w), (u8)alu, rm);
    }
    code->at = x64_put_imm(p, imm, is_short);
}
static inline void x64_alu_mi(CodeBuffer *code, bool w, X64Alu alu, X64Mem m, i32 imm) {
    const bool is_short = imm == (i8)imm;
    u8 *p = x64_put_rm(code->at, X64_PACK(0, 0, is_short ? 0x83 : 0x81, w), (u8)alu, m);
    code->at = x64_put_imm(p, imm, is_short);
}
static inline void x64_test_ri(CodeBuffer *code, bool w, u8 rm, i32 imm) {
    u8 *p = x64_put_rr(code->at, X64_PACK(0, 0, 0xF7, w), 0, rm);
    store_u32(p, (u32)imm);
    code->at = p + 4;
}

static inline void x64_unary(CodeBuffer *code, bool w, X64Unary op, u8 rm) {
    code->at = x64_put_rr(code->at, X64_PACK(0, 0, 0xF7, w), (u8)op, rm);
}
static inline void x64_shift_ri(CodeBuffer *code, bool w, X64Shift op, u8 rm, u8 count) {
    u8 *p = x64_put_rr(code->at, X64_PACK(0, 0, count == 1 ? 0xD1 : 0xC1, w), (u8)op, rm);
    if (count != 1) {
        *p++ = count;
    }
    code->at = p;
}
// By cl.
static inline void x64_shift_rc(CodeBuffer *code, bool w, X64Shift op, u8 rm) {
    code->at = x64_put_rr(code->at, X64_PACK(0, 0, 0xD3, w), (u8)op, rm);
}
// Carry = bit `bit` of rm.
static inline void x64_bt_ri(CodeBuffer *code, u8 rm, u8 bit) {
    u8 *p = x64_put_rr(code->at, X64_PACK(0, 1, 0xBA, 1), 4, rm);
    *p++ = bit;
    code->at = p;
}
// cdq, cqo: sign of rax into rdx.
static inline void x64_sign_to_rdx(CodeBuffer *code, bool w) {
    u8 *p = code->at;
    if (w) {
        *p++ = 0x48;
    }
    *p++ = 0x99;
    code->at = p;
}

// reg = imm by the shortest form that leaves the flags alone.
static inline void x64_mov_ri(CodeBuffer *code, u8 reg, u64 imm) {
    u8 *p = code->at;
    if (imm <= UINT32_MAX) {
        if (reg >= R8) {
            *p++ = 0x41;
        }
        *p++ = (u8)(0xB8 | (reg & 7));
        store_u32(p, (u32)imm);
        p += 4;
    } else if ((i64)imm == (i32)imm) {
        p = x64_put_rr(p, X64_PACK(0, 0, 0xC7, 1), 0, reg);
        store_u32(p, (u32)imm);
        p += 4;
    } else {
        *p++ = reg >= R8 ? 0x49 : 0x48;
        *p++ = (u8)(0xB8 | (reg & 7));
        store_u64(p, imm);
        p += 8;
    }
    code->at = p;
}
// [m] = imm, `bytes` 1, 2, 4 or 8 (sign-extended from 32 bits).
static inline void x64_mov_mi(CodeBuffer *code, u32 bytes, X64Mem m, i32 imm) {
    const u32 op = X64_PACK(bytes == 2 ? 0x66 : 0, 0, bytes == 1 ? 0xC6 : 0xC7, bytes == 8);
    u8 *p = x64_put_rm(code->at, op, 0, m);
    store_u32(p, (u32)imm);
    code->at = p + (bytes < 4 ? bytes : 4);
}

static inline void x64_setcc(CodeBuffer *code, X64Cond cc, u8 reg) {
    u8 *p = x64_head(code->at, X64_PACK(0, 1, 0x90u | (u32)cc, 0), 0, 0, reg, reg >= RSP);
    *p++ = 0xC0 | (reg & 7);
    code->at = p;
}
static inline void x64_cmov_rr(CodeBuffer *code, bool w, X64Cond cc, u8 reg, u8 rm) {
    code->at = x64_put_rr(code->at, X64_PACK(0, 1, 0x40u | (u32)cc, w), reg, rm);
}
static inline void x64_cmov_rm(CodeBuffer *code, bool w, X64Cond cc, u8 reg, X64Mem m) {
    code->at = x64_put_rm(code->at, X64_PACK(0, 1, 0x40u | (u32)cc, w), reg, m);
}

static inline void x64_push(CodeBuffer *code, u8 reg) {
    u8 *p = code->at;
    if (reg >= R8) {
        *p++ = 0x41;
    }
    *p++ = (u8)(0x50 | (reg & 7));
    code->at = p;
}
static inline void x64_pop(CodeBuffer *code, u8 reg) {
    u8 *p = code->at;
    if (reg >= R8) {
        *p++ = 0x41;
    }
    *p++ = (u8)(0x58 | (reg & 7));
    code->at = p;
}
static inline void x64_byte(CodeBuffer *code, u8 byte) {
    u8 *p = code->at;
    *p++ = byte;
    code->at = p;
}
static inline void x64_leave(CodeBuffer *code) { x64_byte(code, 0xC9); }
// Returns and pops `bytes` of stack arguments.
static inline void x64_ret(CodeBuffer *code, u32 bytes) {
    u8 *p = code->at;
    if (bytes == 0) {
        *p++ = 0xC3;
    } else {
        *p++ = 0xC2;
        store_u16(p, (u16)bytes);
        p += 2;
    }
    code->at = p;
}

// call rel32 with an open field; returns the field's offset in the function.
static inline u32 x64_call(CodeBuffer *code) {
    u8 *p = code->at;
    *p++ = 0xE8;
    store_u32(p, 0);
    code->at = p + 4;
    return code_offset(code) - 4;
}
static inline void x64_call_m(CodeBuffer *code, X64Mem m) {
    code->at = x64_put_rm(code->at, X64_PACK(0, 0, 0xFF, 0), 2, m);
}
static inline void x64_call_r(CodeBuffer *code, u8 reg) {
    code->at = x64_put_rr(code->at, X64_PACK(0, 0, 0xFF, 0), 2, reg);
}
static inline void x64_jmp_r(CodeBuffer *code, u8 reg) {
    code->at = x64_put_rr(code->at, X64_PACK(0, 0, 0xFF, 0), 4, reg);
}
// lea reg, [rip + open field]; returns the field's offset.
static inline u32 x64_lea_rip(CodeBuffer *code, u8 reg) {
    u8 *p = x64_head(code->at, X64_LEA64, reg, 0, 0, false);
    *p++ = (u8)((reg & 7) << 3 | 5);
    store_u32(p, 0);
    code->at = p + 4;
    return code_offset(code) - 4;
}

// The short form of a branch to a label that is bound near enough. False: there is none yet.
static inline bool x64_back_short(CodeBuffer *code, u8 opcode, Label label) {
    if (!code_is_bound(code, label)) {
        return false;
    }
    const i64 distance = (i64)code_label_offset(code, label) - (code_offset(code) + 2);
    if (distance < INT8_MIN) {
        return false;
    }
    code->at[0] = opcode;
    code->at += 2;
    code_use(code, code_offset(code) - 1, label, X64_REL8);
    return true;
}

// Jumps back as short as they can be; those forward become short as the code is settled.
static inline void x64_jcc(CodeBuffer *code, X64Cond cc, Label label) {
    if (x64_back_short(code, (u8)(0x70 | cc), label)) {
        return;
    }
    u8 *p = code->at;
    p[0] = 0x0F;
    p[1] = (u8)(0x80 | cc);
    code->at = p + 6;
    code_use(code, code_offset(code) - 4, label, X64_JCC);
}
static inline void x64_jmp(CodeBuffer *code, Label label) {
    if (!x64_back_short(code, 0xEB, label)) {
        code_jump(code, label);
    }
}
// Short conditional jump over the next few instructions; x64_land at their end.
static inline u32 x64_jcc_short(CodeBuffer *code, X64Cond cc) {
    u8 *p = code->at;
    p[0] = (u8)(0x70 | cc);
    p[1] = 0;
    code->at = p + 2;
    return code_offset(code);
}
static inline u32 x64_jmp_short(CodeBuffer *code) {
    u8 *p = code->at;
    p[0] = 0xEB;
    p[1] = 0;
    code->at = p + 2;
    return code_offset(code);
}
// Branches in between stay as long as they are, so that the distance does.
static inline void x64_land(CodeBuffer *code, u32 from) {
    const u32 distance = code_offset(code) - from;
    assert(distance < 128);
    *code_byte(code, from - 1) = (u8)distance;
    code->last_jump_end = ID_NONE; // something may arrive here
    for (usize i = code->late.count; i > 0 && code->late.at[i - 1].field > from; i--) {
        LateUse *use = &code->late.at[i - 1];
        use->kind = use->kind == X64_REL8 ? X64_REL8 : X64_REL32;
    }
}

#endif
