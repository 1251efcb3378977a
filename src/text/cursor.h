// A lexer with the present token and the one behind it: what the parsers of modules and of scripts
// walk along. Every function that returns bool leaves an error in the lexer when it fails.
#ifndef TEXT_CURSOR_H
#define TEXT_CURSOR_H

#include "text/lexer.h"

typedef struct Cursor {
    Lexer lex;
    Token tok, next;
} Cursor;

bool text_cursor_init(Cursor *in, Str text, const Words *words, Error *err);
bool text_advance(Cursor *in);

// Reports the present token as out of place: "unexpected token ...", or "unknown operator ..." for
// one that is no word of the language. Always returns false.
//   wanted   what was expected, or NULL
bool text_unexpected(const Cursor *in, const char *wanted) __attribute__((cold));

// The same for the word behind the present "(".
bool text_unexpected_list(const Cursor *in, const char *wanted) __attribute__((cold));

static inline bool text_at_word(const Cursor *in, Word word) {
    return in->tok.kind == TOK_WORD && in->tok.word == word;
}
// At a list that starts with `word`.
static inline bool text_at_list(const Cursor *in, Word word) {
    return in->tok.kind == TOK_OPEN && in->next.kind == TOK_WORD && in->next.word == word;
}

// Steps over the present token, which must be of this kind or this word.
bool text_take(Cursor *in, TokenKind kind, const char *wanted);
bool text_take_word(Cursor *in, Word word);
// Steps over "(" and `word`.
bool text_take_open(Cursor *in, Word word);
// Steps over the rest of the innermost open list and its parenthesis.
bool text_skip_list(Cursor *in);

// For messages: a token as written, cut and made printable.
typedef struct TokenText {
    char at[64];
} TokenText;
TokenText text_printable(const Token *tok);

#endif
