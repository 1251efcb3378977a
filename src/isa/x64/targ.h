// Facts of x86-64 for the code buffer and the linker (isa/code_target.h).
#ifndef ISA_X64_TARG_H
#define ISA_X64_TARG_H

#include "isa/code_target.h"

// Kinds of uses. A field holds the distance from its end, so it must be the last part of its
// instruction: jmp, jcc, call, lea and loads, but nothing with an immediate behind it.
// No veneer is ever needed inside a function.
enum {
    X64_REL32, // 4 bytes, reaches 2 GiB either way
    X64_JCC,   // the same in a jcc of 6 bytes, which has a form of 2
    X64_JMP,   // in a jmp of 5 bytes, which has a form of 2
    X64_REL8,  // 1 byte, of a branch that has been found to reach back
    X64_USE_COUNT
};

// Kinds of fixups. Their fields, too, are the last parts of their instructions.
enum {
    X64_FIX_CALL, // 4 bytes, of a call; the veneer uses r10 and r11
    X64_FIX_DATA, // 4 bytes, of an address
    X64_FIX_FAR,  // 8 bytes: the distance from the field itself; in veneers
    X64_FIX_COUNT
};

extern const CodeTarget X64_TARGET;

#endif
