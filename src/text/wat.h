// Text format (WebAssembly 2.0, chapter 6): text to binary.
#ifndef TEXT_WAT_H
#define TEXT_WAT_H

#include "base/error.h"
#include "base/str.h"
#include "base/writer.h"

// Translates one module in text format to the binary format, identifiers into a name section.
// Like the official scripts' "malformed text", syntax, identifier and range errors are found here
// (ERR_MALFORMED with line and column, offset in the text); the rest is the validator's.
//   out   appended to; unchanged content on failure is not promised
// O(n) time and memory (n log n for identifiers), no recursion on nesting.
bool wat_to_wasm(Str text, Writer *out, Error *err);

// A place in a text: bytes from its start, line and column from 1.
typedef struct WatPlace {
    u64 offset;
    u32 line, column;
} WatPlace;

// Where in `text` the instruction stands that is at `wasm_offset` of the module that wat_to_wasm
// makes of it: for errors that are found later. False if that is not inside a function, or the text
// does not translate. Costs a translation.
bool wat_locate(Str text, u64 wasm_offset, WatPlace *place);

// True if the text starts as a module in text format does: blanks and comments, then '('.
bool wat_looks_like_text(Str text);

#endif
