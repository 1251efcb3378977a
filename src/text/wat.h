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

// True if the text starts as a module in text format does: blanks and comments, then '('.
bool wat_looks_like_text(Str text);

#endif
