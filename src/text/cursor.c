#include "text/cursor.h"

bool text_cursor_init(Cursor *in, Str text, const Words *words, Error *err) {
    in->lex = text_lexer_of(text, words, err);
    TRY(text_lex(&in->lex, &in->tok));
    return text_lex(&in->lex, &in->next);
}

bool text_advance(Cursor *in) {
    in->tok = in->next;
    return text_lex(&in->lex, &in->next);
}

TokenText text_printable(const Token *tok) {
    TokenText out;
    const bool is_quoted =
        tok->kind == TOK_STRING || (tok->kind == TOK_ID && tok->start[1] == '"');
    const char *end = tok->text.at + tok->text.count + is_quoted;
    (void)str_printable((Str){tok->start, (usize)(end - tok->start)}, out.at, sizeof out.at);
    return out;
}

static bool unexpected(const Cursor *in, const Token *tok, const char *wanted) {
    const char *comma = wanted == NULL ? "" : ", expected ";
    wanted = wanted == NULL ? "" : wanted;
    if (tok->kind == TOK_RESERVED) {
        return text_fail(&in->lex, tok->start, "unknown operator %s", text_printable(tok).at);
    }
    if (tok->kind == TOK_END) {
        return text_fail(&in->lex, tok->start, "unexpected token: end of text%s%s", comma, wanted);
    }
    return text_fail(&in->lex, tok->start, "unexpected token %s%s%s", text_printable(tok).at, comma,
                     wanted);
}

bool text_unexpected(const Cursor *in, const char *wanted) {
    const bool is_unknown_list = in->tok.kind == TOK_OPEN && in->next.kind == TOK_RESERVED;
    return unexpected(in, is_unknown_list ? &in->next : &in->tok, wanted);
}

bool text_unexpected_list(const Cursor *in, const char *wanted) {
    return unexpected(in, &in->next, wanted);
}

bool text_take(Cursor *in, TokenKind kind, const char *wanted) {
    return in->tok.kind == kind ? text_advance(in) : text_unexpected(in, wanted);
}

bool text_take_word(Cursor *in, Word word) {
    return text_at_word(in, word) ? text_advance(in) : text_unexpected(in, text_word_text(word));
}

bool text_take_open(Cursor *in, Word word) {
    TRY(text_take(in, TOK_OPEN, "'('"));
    return text_take_word(in, word);
}

// Lists that are open behind a token, if `depth` are before it.
static usize depth_after(const Token *tok, usize depth) {
    return depth + (tok->kind == TOK_OPEN) - (tok->kind == TOK_CLOSE);
}

bool text_skip_list(Cursor *in) {
    const usize depth = depth_after(&in->tok, 1);
    if (depth == 0) {
        return text_advance(in);
    }
    if (depth_after(&in->next, depth) == 0) {
        return text_advance(in) && text_advance(in);
    }
    TRY(text_lex_skip_lists(&in->lex, depth_after(&in->next, depth)));
    TRY(text_lex(&in->lex, &in->tok));
    return text_lex(&in->lex, &in->next);
}
