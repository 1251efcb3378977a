// Machine code as text, by Capstone where the program is linked with it.
#ifndef CLI_DISASM_H
#define CLI_DISASM_H

#include "base/int.h"

typedef struct Disasm Disasm;

typedef struct DisasmLine {
    u32 bytes;         // length of the instruction
    char mnemonic[32]; // empty if the bytes are no instruction
    char operands[160];
    bool has_target; // a direct jump or call:
    u64 target;      // its address
    bool is_call;
} DisasmLine;

// Replaces this process by imago-objdump, the same program with a disassembler, if this one has
// none and that one is found beside it or where it is installed. Returns if not.
//   args   command line behind `imago objdump`, NULL-terminated
void disasm_hand_over(char **args);

// NULL if there is no disassembler. Closed by disasm_close.
Disasm *disasm_open(void);
void disasm_close(Disasm *disasm);

// The instruction at code[0], which stands at `address`. Always takes at least one byte.
void disasm_at(Disasm *disasm, const u8 *code, usize count, u64 address, DisasmLine *line);

#endif
