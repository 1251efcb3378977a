// Decoder of the x86-64 instructions that our compilers emit, for the checker of emitted code: a
// whitelist, and independent of the encoder. The instructions are the rows of decode.def.
#ifndef ISA_X64_DECODE_H
#define ISA_X64_DECODE_H

#include "base/int.h"

// What an instruction does to the general registers, as far as the checker cares. "Narrow" is: the
// upper half is zero if the instruction is a 32-bit one, else nothing is known.
typedef enum X64Effect {
    EFFECT_NOTHING,      // writes no general register
    EFFECT_ADD,          // reg += rm
    EFFECT_OR,           // reg = reg or/xor rm
    EFFECT_AND,          // reg &= rm
    EFFECT_ARITH,        // reg = narrow
    EFFECT_ARITH_RM,     // rm = narrow
    EFFECT_ARITH_RAX,    // rax = narrow
    EFFECT_AND_RAX,      // rax &= imm
    EFFECT_AND_IMM,      // rm &= imm
    EFFECT_COMPARE,      // flags of reg - rm
    EFFECT_COMPARE_IMM,  // flags of rm - imm
    EFFECT_COMPARE_RAX,  // flags of rax - imm
    EFFECT_DIVIDE,       // rax, rdx = narrow
    EFFECT_SIGN,         // rdx = narrow
    EFFECT_SHIFT_RIGHT,  // rm >>= imm or cl
    EFFECT_BIT_TEST,     // carry = bit imm of rm
    EFFECT_SCAN,         // reg = narrow, or unchanged
    EFFECT_COUNT,        // reg = at most 64
    EFFECT_SET,          // low byte of rm
    EFFECT_CMOV,         // reg = rm, or unchanged
    EFFECT_MOVE,         // reg = rm
    EFFECT_STORE,        // rm = reg
    EFFECT_STORE_PART,   // low bytes of rm
    EFFECT_MOVE_IMM,     // rm, or the opcode's register, = imm
    EFFECT_EXCHANGE,     // reg and rm
    EFFECT_LEA,          // reg = address
    EFFECT_MOVSXD,       // reg = sign-extended rm
    EFFECT_FROM_VECTOR,  // rm = narrow
    EFFECT_PUSH,
    EFFECT_POP,
    EFFECT_LEAVE,
    EFFECT_RETURN,
    EFFECT_CALL,
    EFFECT_CALL_RM,
    EFFECT_JUMP,
    EFFECT_JUMP_RM,
    EFFECT_BRANCH,
    EFFECT_TRAP,
} X64Effect;

enum { X64_ABSENT = 0xFF, X64_DECODE_MAX = 15 };

typedef struct X64Inst {
    u32 offset;
    u8 bytes;
    u8 effect;   // X64Effect
    u8 opcode;
    bool w;      // REX.W
    u8 reg;      // ModRM.reg, or the opcode's register
    u8 rm;       // register of r/m; X64_ABSENT: memory, or no ModRM
    bool is_memory;
    bool is_address;  // of a memory operand only the address counts
    bool is_rip;      // memory is [rip + disp]
    u8 base, index;   // of memory; X64_ABSENT
    u8 scale;
    u8 access_bytes;  // of memory
    bool is_read, is_written;
    i32 disp;
    u32 field_offset; // of the 4-byte displacement or relative target, for fixups; ID_NONE: neither
    i64 imm;          // sign-extended
    i64 target;       // of a relative jump or call, from the function's start
} X64Inst;

// Decodes the instruction at `offset` of code[0 .. bytes). False: not one of ours, or cut off;
// *inst then has only the offset and the number of bytes looked at. O(1).
bool x64_decode(const u8 *code, u32 bytes, u32 offset, X64Inst *inst);

#endif
