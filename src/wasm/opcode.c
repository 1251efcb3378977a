// Table of opcodes, and the way from the binary format's numbers to its rows.
#include "wasm/opcode.h"

const OpcodeInfo OPCODES[OP_COUNT] = {
#define OPCODE(name, prefix, code, text, imm, params, results, width, feature)                     \
    {text, params, results, prefix, code, imm, width, FEATURE_##feature},
#include "wasm/opcodes.def"
#undef OPCODE
};

#define ROW_OF(prefix) ((prefix) == 0 ? 0 : (prefix)-0xFB)

// Opcode + 1, or 0 where there is none.
const u16 OPCODE_BY_CODE[3][256] = {
#define OPCODE(name, prefix, code, text, imm, params, results, width, feature)                     \
    [ROW_OF(prefix)][code] = OP_##name + 1,
#include "wasm/opcodes.def"
#undef OPCODE
};

Opcode opcode_of(u32 prefix, u32 code) {
    if (code >= 256 || (prefix != 0 && prefix != 0xFC && prefix != 0xFD)) {
        return OP_COUNT;
    }
    const u16 found = OPCODE_BY_CODE[ROW_OF(prefix)][code];
    return found == 0 ? OP_COUNT : (Opcode)(found - 1);
}
