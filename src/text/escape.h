// Escapes in strings (WebAssembly 2.0, 6.3.3): from checked text to bytes.
#ifndef TEXT_ESCAPE_H
#define TEXT_ESCAPE_H

#include "base/str.h"

// Decodes a string literal's inside, whose escapes the lexer has checked, into `out`, which has
// room for text.count bytes. Returns the number of bytes written, at most text.count. O(n).
usize text_decode(Str text, u8 *out);

// True if the decoded bytes are well-formed UTF-8. O(n), no allocation.
bool text_decodes_to_utf8(Str text);

// Value of a hexadecimal digit, or 99.
u32 text_hex_digit(char c);

// Value of the inside of \u{...}: hexadecimal digits, single underscores between them. False if it
// is no such number. Values beyond Unicode are cut to 0x110000.
bool text_code_point_of(Str digits, u32 *out);

#endif
