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

// Instructions with ModRM, packed: opcode | map << 16 | W << 20 | prefix << 24.
typedef enum X64Op {
#define INST(name, prefix, map, opcode, w)                                                         \
    X64_##name = (int)((u32)(opcode) | (u32)(map) << 16 | (u32)(w) << 20 | (u32)(prefix) << 24),
#include "isa/x64/insts.def"
#undef INST
} X64Op;

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

static inline void x64_advance(CodeBuffer *code, const u8 *end) {
    const usize count = (usize)(end - code->out->at);
    assert(count <= code->out->capacity);
    code->out->count = count;
}

// Prefix, REX and opcode. `r` and `x` and `b` are the registers of the fields; is_byte: an 8-bit
// register operand is among them, which needs REX from RSP on.
static inline u8 *x64_head(u8 *p, u32 op, u8 r, u8 x, u8 b, bool is_byte) {
    if (op >> 24 != 0) {
        *p++ = (u8)(op >> 24);
    }
    const u8 rex = (u8)(0x40u | (op >> 20 & 1) << 3 | (r >> 3 & 1u) << 2 | (x >> 3 & 1u) << 1 |
                        (b >> 3 & 1u));
    if (rex != 0x40 || is_byte) {
        *p++ = rex;
    }
    const u32 map = op >> 16 & 15;
    if (map != 0) {
        *p++ = 0x0F;
        if (map > 1) {
            *p++ = map == 2 ? 0x38 : 0x3A;
        }
    }
    *p++ = (u8)op;
    return p;
}

static inline u8 *x64_tail_mem(u8 *p, u8 reg, X64Mem m) {
    const u8 field = (u8)((reg & 7) << 3);
    const bool needs_sib = m.index != X64_NO_REG || (m.base & 7) == RSP;
    u8 mod = 0x80;
    if (m.disp == 0 && (m.base & 7) != RBP) {
        mod = 0;
    } else if (m.disp == (i8)m.disp) {
        mod = 0x40;
    }
    if (needs_sib) {
        const u8 index = m.index == X64_NO_REG ? RSP : m.index;
        assert(m.index != RSP);
        *p++ = mod | field | RSP;
        *p++ = (u8)(m.scale << 6 | (index & 7) << 3 | (m.base & 7));
    } else {
        *p++ = mod | field | (m.base & 7);
    }
    if (mod == 0x40) {
        *p++ = (u8)m.disp;
    } else if (mod == 0x80) {
        store_u32(p, (u32)m.disp);
        p += 4;
    }
    return p;
}

// Registers from RSP on are only bytes if there is a REX prefix.
static inline bool x64_op_is_byte(u32 op, u8 reg, u8 rm) {
    if (op == X64_STORE8) {
        return reg >= RSP || rm >= RSP;
    }
    return (op == X64_MOVZX8 || op == X64_MOVSX8_32 || op == X64_MOVSX8_64) && rm >= RSP;
}

// op reg, rm (both registers). For loads-like operations rm is the source.
static inline u8 *x64_put_rr(u8 *p, u32 op, u8 reg, u8 rm) {
    p = x64_head(p, op, reg, 0, rm, x64_op_is_byte(op, reg, rm));
    *p++ = (u8)(0xC0 | (reg & 7) << 3 | (rm & 7));
    return p;
}
static inline u8 *x64_put_rm(u8 *p, u32 op, u8 reg, X64Mem m) {
    p = x64_head(p, op, reg, m.index == X64_NO_REG ? 0 : m.index, m.base,
                 op == X64_STORE8 && reg >= RSP);
    return x64_tail_mem(p, reg, m);
}

static inline void x64_rr(CodeBuffer *code, X64Op op, u8 reg, u8 rm) {
    x64_advance(code, x64_put_rr(code_at(code), (u32)op, reg, rm));
}
static inline void x64_rm(CodeBuffer *code, X64Op op, u8 reg, X64Mem m) {
    x64_advance(code, x64_put_rm(code_at(code), (u32)op, reg, m));
}
static inline void x64_rri8(CodeBuffer *code, X64Op op, u8 reg, u8 rm, u8 imm) {
    u8 *p = x64_put_rr(code_at(code), (u32)op, reg, rm);
    *p++ = imm;
    x64_advance(code, p);
}
static inline void x64_rmi8(CodeBuffer *code, X64Op op, u8 reg, X64Mem m, u8 imm) {
    u8 *p = x64_put_rm(code_at(code), (u32)op, reg, m);
    *p++ = imm;
    x64_advance(code, p);
}

// reg = rm * imm
static inline void x64_imul_rri(CodeBuffer *code, bool w, u8 reg, u8 rm, i32 imm) {
    const bool is_short = imm == (i8)imm;
    u8 *p = x64_put_rr(code_at(code), (is_short ? 0x6Bu : 0x69u) | (u32)w << 20, reg, rm);
    if (is_short) {
        *p++ = (u8)imm;
    } else {
        store_u32(p, (u32)imm);
        p += 4;
    }
    x64_advance(code, p);
}

// alu rm, imm
static inline void x64_alu_ri(CodeBuffer *code, bool w, X64Alu alu, u8 rm, i32 imm) {
    const bool is_short = imm == (i8)imm;
    u8 *p = code_at(code);
    if (!is_short && rm == RAX) {
        p = x64_head(p, (u32)alu << 3 | 5u | (u32)w << 20, 0, 0, 0, false);
    } else {
        p = x64_put_rr(p, (is_short ? 0x83u : 0x81u) | (u32)w << 20, (u8)alu, rm);
    }
    if (is_short) {
        *p++ = (u8)imm;
    } else {
        store_u32(p, (u32)imm);
        p += 4;
    }
    x64_advance(code, p);
}
static inline void x64_alu_mi(CodeBuffer *code, bool w, X64Alu alu, X64Mem m, i32 imm) {
    const bool is_short = imm == (i8)imm;
    u8 *p = x64_put_rm(code_at(code), (is_short ? 0x83u : 0x81u) | (u32)w << 20, (u8)alu, m);
    if (is_short) {
        *p++ = (u8)imm;
    } else {
        store_u32(p, (u32)imm);
        p += 4;
    }
    x64_advance(code, p);
}
static inline void x64_test_ri(CodeBuffer *code, bool w, u8 rm, i32 imm) {
    u8 *p = x64_put_rr(code_at(code), 0xF7u | (u32)w << 20, 0, rm);
    store_u32(p, (u32)imm);
    x64_advance(code, p + 4);
}

static inline void x64_unary(CodeBuffer *code, bool w, X64Unary op, u8 rm) {
    x64_advance(code, x64_put_rr(code_at(code), 0xF7u | (u32)w << 20, (u8)op, rm));
}
static inline void x64_shift_ri(CodeBuffer *code, bool w, X64Shift op, u8 rm, u8 count) {
    u8 *p = x64_put_rr(code_at(code), (count == 1 ? 0xD1u : 0xC1u) | (u32)w << 20, (u8)op, rm);
    if (count != 1) {
        *p++ = count;
    }
    x64_advance(code, p);
}
// By cl.
static inline void x64_shift_rc(CodeBuffer *code, bool w, X64Shift op, u8 rm) {
    x64_advance(code, x64_put_rr(code_at(code), 0xD3u | (u32)w << 20, (u8)op, rm));
}
// Carry = bit `bit` of rm.
static inline void x64_bt_ri(CodeBuffer *code, u8 rm, u8 bit) {
    u8 *p = x64_put_rr(code_at(code), 0xBAu | 1u << 16 | 1u << 20, 4, rm);
    *p++ = bit;
    x64_advance(code, p);
}
// cdq, cqo: sign of rax into rdx.
static inline void x64_sign_to_rdx(CodeBuffer *code, bool w) {
    u8 *p = code_at(code);
    if (w) {
        *p++ = 0x48;
    }
    *p++ = 0x99;
    x64_advance(code, p);
}

// reg = imm by the shortest form that leaves the flags alone.
static inline void x64_mov_ri(CodeBuffer *code, u8 reg, u64 imm) {
    u8 *p = code_at(code);
    if (imm <= UINT32_MAX) {
        if (reg >= R8) {
            *p++ = 0x41;
        }
        *p++ = (u8)(0xB8 | (reg & 7));
        store_u32(p, (u32)imm);
        p += 4;
    } else if ((i64)imm == (i32)imm) {
        p = x64_put_rr(p, 0xC7u | 1u << 20, 0, reg);
        store_u32(p, (u32)imm);
        p += 4;
    } else {
        *p++ = reg >= R8 ? 0x49 : 0x48;
        *p++ = (u8)(0xB8 | (reg & 7));
        store_u64(p, imm);
        p += 8;
    }
    x64_advance(code, p);
}
// [m] = imm, `bytes` 1, 2, 4 or 8 (sign-extended from 32 bits).
static inline void x64_mov_mi(CodeBuffer *code, u32 bytes, X64Mem m, i32 imm) {
    const u32 op = (bytes == 1 ? 0xC6u : 0xC7u) | (bytes == 8 ? 1u << 20 : 0) |
                   (bytes == 2 ? 0x66u << 24 : 0);
    u8 *p = x64_put_rm(code_at(code), op, 0, m);
    if (bytes == 1) {
        *p++ = (u8)imm;
    } else if (bytes == 2) {
        store_u16(p, (u16)imm);
        p += 2;
    } else {
        store_u32(p, (u32)imm);
        p += 4;
    }
    x64_advance(code, p);
}

static inline void x64_setcc(CodeBuffer *code, X64Cond cc, u8 reg) {
    u8 *p = x64_head(code_at(code), 0x90u | (u32)cc | 1u << 16, 0, 0, reg, reg >= RSP);
    *p++ = 0xC0 | (reg & 7);
    x64_advance(code, p);
}
static inline void x64_cmov_rr(CodeBuffer *code, bool w, X64Cond cc, u8 reg, u8 rm) {
    x64_advance(code,
                x64_put_rr(code_at(code), 0x40u | (u32)cc | 1u << 16 | (u32)w << 20, reg, rm));
}
static inline void x64_cmov_rm(CodeBuffer *code, bool w, X64Cond cc, u8 reg, X64Mem m) {
    x64_advance(code,
                x64_put_rm(code_at(code), 0x40u | (u32)cc | 1u << 16 | (u32)w << 20, reg, m));
}

static inline void x64_push(CodeBuffer *code, u8 reg) {
    u8 *p = code_at(code);
    if (reg >= R8) {
        *p++ = 0x41;
    }
    *p++ = (u8)(0x50 | (reg & 7));
    x64_advance(code, p);
}
static inline void x64_pop(CodeBuffer *code, u8 reg) {
    u8 *p = code_at(code);
    if (reg >= R8) {
        *p++ = 0x41;
    }
    *p++ = (u8)(0x58 | (reg & 7));
    x64_advance(code, p);
}
static inline void x64_byte(CodeBuffer *code, u8 byte) {
    u8 *p = code_at(code);
    *p++ = byte;
    x64_advance(code, p);
}
static inline void x64_leave(CodeBuffer *code) { x64_byte(code, 0xC9); }
// Returns and pops `bytes` of stack arguments.
static inline void x64_ret(CodeBuffer *code, u32 bytes) {
    u8 *p = code_at(code);
    if (bytes == 0) {
        *p++ = 0xC3;
    } else {
        *p++ = 0xC2;
        store_u16(p, (u16)bytes);
        p += 2;
    }
    x64_advance(code, p);
}

// call rel32 with an open field; returns the field's offset in the function.
static inline u32 x64_call(CodeBuffer *code) {
    u8 *p = code_at(code);
    *p++ = 0xE8;
    store_u32(p, 0);
    x64_advance(code, p + 4);
    return code_offset(code) - 4;
}
static inline void x64_call_m(CodeBuffer *code, X64Mem m) {
    x64_advance(code, x64_put_rm(code_at(code), 0xFF, 2, m));
}
static inline void x64_call_r(CodeBuffer *code, u8 reg) {
    x64_advance(code, x64_put_rr(code_at(code), 0xFF, 2, reg));
}
static inline void x64_jmp_r(CodeBuffer *code, u8 reg) {
    x64_advance(code, x64_put_rr(code_at(code), 0xFF, 4, reg));
}
// lea reg, [rip + open field]; returns the field's offset.
static inline u32 x64_lea_rip(CodeBuffer *code, u8 reg) {
    u8 *p = x64_head(code_at(code), X64_LEA64, reg, 0, 0, false);
    *p++ = (u8)((reg & 7) << 3 | 5);
    store_u32(p, 0);
    x64_advance(code, p + 4);
    return code_offset(code) - 4;
}

// Conditional jump: two bytes for a near backward target, else six.
static inline void x64_jcc(CodeBuffer *code, X64Cond cc, Label label) {
    u8 *p = code_at(code);
    if (code_is_bound(code, label)) {
        const i64 distance = (i64)code_label_offset(code, label) - (code_offset(code) + 2);
        if (distance >= -128) {
            p[0] = (u8)(0x70 | cc);
            p[1] = (u8)distance;
            x64_advance(code, p + 2);
            return;
        }
    }
    p[0] = 0x0F;
    p[1] = (u8)(0x80 | cc);
    store_u32(p + 2, 0);
    x64_advance(code, p + 6);
    code_use(code, code_offset(code) - 4, label, X64_REL32);
}
static inline void x64_jmp(CodeBuffer *code, Label label) {
    u8 *p = code_at(code);
    if (code_is_bound(code, label)) {
        const i64 distance = (i64)code_label_offset(code, label) - (code_offset(code) + 2);
        if (distance >= -128) {
            p[0] = 0xEB;
            p[1] = (u8)distance;
            x64_advance(code, p + 2);
            return;
        }
    }
    code_jump(code, label);
}
// Short conditional jump over the next few instructions; x64_land at their end.
static inline u32 x64_jcc_short(CodeBuffer *code, X64Cond cc) {
    u8 *p = code_at(code);
    p[0] = (u8)(0x70 | cc);
    p[1] = 0;
    x64_advance(code, p + 2);
    return code_offset(code);
}
static inline u32 x64_jmp_short(CodeBuffer *code) {
    u8 *p = code_at(code);
    p[0] = 0xEB;
    p[1] = 0;
    x64_advance(code, p + 2);
    return code_offset(code);
}
static inline void x64_land(CodeBuffer *code, u32 from) {
    const u32 distance = code_offset(code) - from;
    assert(distance < 128);
    code->out->at[code->start + from - 1] = (u8)distance;
    code->last_jump_end = ID_NONE; // something may arrive here
}

#endif
