// Encodings that WebAssembly 2.0 does not have and later versions do, so that a module that needs
// them is told so. The official scripts know such modules: they are invalid for them, if anything.
#ifndef WASM_LATER_H
#define WASM_LATER_H

#include "base/int.h"

// What an opcode byte, the first byte of a type or a section id belongs to, or NULL.
const char *later_opcode(u8 byte);
const char *later_type(u8 byte);
const char *later_section(u8 id);

#endif
