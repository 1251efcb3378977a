// Decoder of binary modules (WebAssembly 2.0, chapter 5): everything but the meaning of function
// bodies, which wasm/validate.h checks one at a time.
#ifndef WASM_DECODE_H
#define WASM_DECODE_H

#include "base/arena.h"
#include "base/error.h"
#include "types/module.h"

// True if the bytes start as a binary module does ("\0asm").
bool wasm_has_magic(const void *bytes, usize count);

// Decodes and validates all but function bodies into *module, whose arrays live in `arena` and
// whose strings are borrowed from `bytes`; both must outlive it. Indices, limits, constant
// expressions, names (UTF-8), export uniqueness, section order and sizes are checked.
//   bytes   the input, read once
//   err     ERR_MALFORMED, ERR_INVALID, ERR_LIMIT (a limit of types/limits.h), ERR_NO_MEMORY,
//           ERR_UNSUPPORTED (component binary); offset counts from `bytes`
// O(count) time and memory; allocates nothing in proportion to a claimed count. A damaged name
// section is ignored, other custom sections are only listed.
bool wasm_decode(Module *module, Arena *arena, const void *bytes, usize count, Error *err);

#endif
