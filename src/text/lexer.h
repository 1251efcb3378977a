// Tokens of the text format (WebAssembly 2.0, 6.3), with the quoted identifiers and annotations of
// later versions; annotations are skipped like blanks.
//
// The lexer has no state but its position: a token is found by reading on from `at`. It allocates
// nothing and does not recurse; lines are counted only when an error is reported.
#ifndef TEXT_LEXER_H
#define TEXT_LEXER_H

#include "base/error.h"
#include "base/str.h"
#include "text/words.h"

typedef enum TokenKind {
    TOK_END,
    TOK_OPEN,     // (
    TOK_CLOSE,    // )
    TOK_STRING,   // text: without the quotes, not decoded
    TOK_ID,       // text: without $ and quotes, not decoded
    TOK_NAT,      // number literal without sign
    TOK_INT,      // with sign
    TOK_FLOAT,    // with fraction or exponent, inf, nan
    TOK_WORD,     // a word of words.h
    TOK_OFFSET,   // offset=NAT; text: NAT
    TOK_ALIGN,    // align=NAT; text: NAT
    TOK_RESERVED, // anything else that is made of the same characters: always an error
} TokenKind;

typedef struct Token {
    const char *start; // where it begins
    Str text;          // as written, but see TokenKind
    TokenKind kind;
    u16 word;        // enum Word, for TOK_WORD
    bool has_escape; // text has a backslash that stands for something else
} Token;

typedef struct Lexer {
    Str text; // the whole source
    const char *at, *end;
    const Words *words;
    Error *err;
} Lexer;

Lexer text_lexer_of(Str text, const Words *words, Error *err);

// Reads the next token; TOK_END at the end, again and again.
// Returns false with ERR_MALFORMED for what is no token: control characters, unclosed strings and
// comments, bad escapes, malformed UTF-8. O(length of the token and the blanks before it).
bool text_lex(Lexer *lex, Token *out);

// Reads on behind the parenthesis that closes `depth` open lists. Only strings, comments and
// parentheses are looked at. False with an error if there is no such place.
bool text_lex_skip_lists(Lexer *lex, usize depth);

// True if blanks and comments are followed by an opening parenthesis. Needs no words and no error.
bool text_lex_finds_open(Lexer *lex);

// Sets the lexer's error at a place in its text with line and column, unless one is set already.
// Always returns false.
bool text_fail(const Lexer *lex, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

// Line and column, from 1, of a byte offset. A column is a character; a line ends with LF, CR or
// CRLF. O(offset).
void text_position_of(Str text, usize offset, u32 *line, u32 *column);

#endif
