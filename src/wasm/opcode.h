// Opcodes of WebAssembly 2.0, SIMD included: the enum, names and static facts of opcodes.def.
#ifndef WASM_OPCODE_H
#define WASM_OPCODE_H

#include "types/valtype.h"

// Kinds of immediate operands, by what follows the opcode in the binary format (5.4).
typedef enum ImmKind {
    IMM_NONE,
    IMM_BLOCK,         // block type
    IMM_LABEL,         // label index
    IMM_BR_TABLE,      // vector of labels and a default
    IMM_FUNC,          // function index
    IMM_CALL_INDIRECT, // type index, table index
    IMM_SELECT,        // vector of value types
    IMM_LOCAL,
    IMM_GLOBAL,
    IMM_TABLE,
    IMM_MEMARG, // alignment, offset
    IMM_MEMORY, // one zero byte
    IMM_I32,
    IMM_I64,
    IMM_F32,
    IMM_F64,
    IMM_REF_TYPE,    // heap type of ref.null
    IMM_DATA,        // data segment index
    IMM_ELEM,        // element segment index
    IMM_MEMORY_INIT, // data segment index, zero byte
    IMM_MEMORY_COPY, // two zero bytes
    IMM_TABLE_INIT,  // element segment index, table index
    IMM_TABLE_COPY,  // destination table, source table
    IMM_V128,        // sixteen bytes
    IMM_LANE,        // lane index
    IMM_SHUFFLE,     // sixteen lane indices
    IMM_MEMARG_LANE, // memarg, lane index
} ImmKind;

typedef enum Feature { FEATURE_CORE, FEATURE_SIMD } Feature;

// Dense ids, one a row of opcodes.def.
typedef enum Opcode {
#define OPCODE(name, prefix, code, text, imm, params, results, width, feature) OP_##name,
#include "wasm/opcodes.def"
#undef OPCODE
    OP_COUNT
} Opcode;

// BYTE_NAME: the byte of each opcode without prefix, for who looks ahead.
enum {
#define BYTE_0(name, code) BYTE_##name = (code),
#define BYTE_0xFC(name, code)
#define BYTE_0xFD(name, code)
#define OPCODE(name, prefix, code, text, imm, params, results, width, feature)                     \
    BYTE_##prefix(name, code)
#include "wasm/opcodes.def"
#undef OPCODE
#undef BYTE_0
#undef BYTE_0xFC
#undef BYTE_0xFD
};

// Static facts of an opcode. `params` and `results` list ValType letters: i I f F v n(funcref)
// x(externref); NULL where the types depend on the immediate or the stack.
typedef struct OpcodeInfo {
    const char *text;
    const char *params, *results;
    u8 prefix; // 0, 0xFC or 0xFD
    u32 code;
    ImmKind imm;
    u8 width; // bytes that a memory access touches (natural alignment); lanes to choose from for
              // IMM_LANE and IMM_SHUFFLE
    Feature feature;
} OpcodeInfo;

extern const OpcodeInfo OPCODES[OP_COUNT];

// Opcode + 1 (0: none) by row of the prefix (0: none, 1: 0xFC, 2: 0xFD) and code.
extern const u16 OPCODE_BY_CODE[3][256];

// The opcode of a byte without prefix, which is one.
static inline Opcode opcode_of_byte(u8 byte) { return (Opcode)(OPCODE_BY_CODE[0][byte] - 1); }

// The opcode of a prefix (0, 0xFC, 0xFD) and code, or OP_COUNT.
Opcode opcode_of(u32 prefix, u32 code);

#endif
