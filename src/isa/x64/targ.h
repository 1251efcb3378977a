// Facts of x86-64 for the code buffer (isa/code_buffer.h).
#ifndef ISA_X64_TARG_H
#define ISA_X64_TARG_H

#include "isa/code_buffer.h"

// Kinds of uses. A field holds the distance from its end, so it must be the last part of its
// instruction: jmp, jcc, call, lea and loads, but nothing with an immediate behind it.
enum {
    X64_REL32, // 4 bytes, reaches 2 GiB either way; no veneer is ever needed
    X64_USE_COUNT
};

extern const CodeTarget X64_TARGET;

#endif
