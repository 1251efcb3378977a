// One table classes the bytes; a token is a run of identifier characters and strings, or one
// parenthesis. What the run is (number, word, identifier) is decided afterwards from the whole run,
// so tokens that are not separated become one TOK_RESERVED, as the specification wants.
#include "text/lexer.h"

#include <stdarg.h>
#include <stdio.h>

#include "text/escape.h"
#include "text/number.h"

typedef enum ByteClass {
    BYTE_BAD, // control characters
    BYTE_BLANK,
    BYTE_ID, // letters, digits, symbols
    BYTE_OPEN,
    BYTE_CLOSE,
    BYTE_QUOTE,
    BYTE_SEMICOLON,
    BYTE_BRACKET, // , [ ] { }: reserved, a token each
    BYTE_HIGH,    // part of a UTF-8 sequence
} ByteClass;

// One letter a class, sixteen bytes a row.
enum {
    X = BYTE_BAD,
    W = BYTE_BLANK,
    I = BYTE_ID,
    O = BYTE_OPEN,
    C = BYTE_CLOSE,
    Q = BYTE_QUOTE,
    S = BYTE_SEMICOLON,
    B = BYTE_BRACKET,
    H = BYTE_HIGH,
};

static const u8 CLASS[256] = {
    X, X, X, X, X, X, X, X, X, W, W, X, X, W, X, X, // 0x00
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, // 0x10
    W, I, Q, I, I, I, I, I, O, C, I, I, B, I, I, I, // 0x20
    I, I, I, I, I, I, I, I, I, I, I, S, I, I, I, I, // 0x30
    I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, // 0x40
    I, I, I, I, I, I, I, I, I, I, I, B, I, B, I, I, // 0x50
    I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, // 0x60
    I, I, I, I, I, I, I, I, I, I, I, B, I, B, I, X, // 0x70
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0x80
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0x90
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0xA0
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0xB0
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0xC0
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0xD0
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0xE0
    H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, // 0xF0
};

static ByteClass class_of(const char *at) { return (ByteClass)CLASS[(u8)*at]; }

Lexer text_lexer_of(Str text, const Words *words, Error *err) {
    text.at = text.at == NULL ? "" : text.at;
    return (Lexer){text, text.at, text.at + text.count, words, err};
}

void text_position_of(Str text, usize offset, u32 *line, u32 *column) {
    *line = *column = 1;
    for (usize i = 0; i < offset && i < text.count; i++) {
        const char c = text.at[i];
        const bool is_first_of_two = c == '\r' && i + 1 < text.count && text.at[i + 1] == '\n';
        if (c == '\n' || (c == '\r' && !is_first_of_two)) {
            ++*line;
            *column = 1;
        } else if (((u8)c & 0xC0) != 0x80 && !is_first_of_two) {
            ++*column;
        }
    }
}

bool text_fail(const Lexer *lex, const char *at, const char *format, ...) {
    if (lex->err == NULL || lex->err->code != IMAGO_ERROR_NONE) {
        return false;
    }
    char message[sizeof lex->err->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const usize offset = (usize)(at - lex->text.at);
    text_position_of(lex->text, offset, &lex->err->line, &lex->err->column);
    return fail(lex->err, MALFORMED, offset, "%s", message);
}

// Steps over a run of bytes above 0x7F. A well-formed sequence lies in one run as a whole.
static bool skip_high(Lexer *lex) {
    const char *start = lex->at;
    while (lex->at < lex->end && class_of(lex->at) == BYTE_HIGH) {
        lex->at++;
    }
    if (!str_is_utf8((Str){start, (usize)(lex->at - start)})) {
        return text_fail(lex, start, "malformed UTF-8 encoding");
    }
    return true;
}

static bool skip_line_comment(Lexer *lex) {
    while (lex->at < lex->end && *lex->at != '\n' && *lex->at != '\r') {
        if (class_of(lex->at) == BYTE_HIGH) {
            TRY(skip_high(lex));
        } else {
            lex->at++;
        }
    }
    return true;
}

static bool next_is(const Lexer *lex, char c) { return lex->at + 1 < lex->end && lex->at[1] == c; }

static bool skip_block_comment(Lexer *lex) {
    const char *start = lex->at;
    usize depth = 0;
    do {
        if (lex->at == lex->end) {
            return text_fail(lex, start, "unclosed comment");
        }
        if (*lex->at == '(' && next_is(lex, ';')) {
            depth++;
            lex->at += 2;
        } else if (*lex->at == ';' && next_is(lex, ')')) {
            depth--;
            lex->at += 2;
        } else if (class_of(lex->at) == BYTE_HIGH) {
            TRY(skip_high(lex));
        } else {
            lex->at++;
        }
    } while (depth != 0);
    return true;
}

static bool skip_comments(Lexer *lex) {
    for (; lex->at < lex->end; lex->at++) {
        while (class_of(lex->at) != BYTE_BLANK) {
            if (*lex->at == ';' && next_is(lex, ';')) {
                TRY(skip_line_comment(lex));
            } else if (*lex->at == '(' && next_is(lex, ';')) {
                TRY(skip_block_comment(lex));
            } else {
                return true;
            }
            if (lex->at == lex->end) {
                return true;
            }
        }
    }
    return true;
}

// At the brace of "\u{": a hexadecimal number that is a Unicode scalar value, and "}".
static bool skip_unicode_escape(Lexer *lex, const char *start) {
    const char *digits = ++lex->at;
    while (lex->at < lex->end && (text_hex_digit(*lex->at) <= 15 || *lex->at == '_')) {
        lex->at++;
    }
    const Str number = {digits, (usize)(lex->at - digits)};
    u32 point;
    if (lex->at == lex->end || *lex->at != '}' || !text_code_point_of(number, &point)) {
        return text_fail(lex, start, "illegal escape");
    }
    if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
        return text_fail(lex, start, "malformed UTF-8 codepoint");
    }
    lex->at++;
    return true;
}

// At a backslash.
static bool skip_escape(Lexer *lex) {
    const char *start = lex->at++;
    const usize left = (usize)(lex->end - lex->at);
    if (left >= 2 && text_hex_digit(lex->at[0]) <= 15 && text_hex_digit(lex->at[1]) <= 15) {
        lex->at += 2;
        return true;
    }
    if (left >= 2 && lex->at[0] == 'u' && lex->at[1] == '{') {
        lex->at++;
        return skip_unicode_escape(lex, start);
    }
    if (left >= 1 && *lex->at != 0 && strchr("tnr\"'\\", *lex->at) != NULL) {
        lex->at++;
        return true;
    }
    return text_fail(lex, start, "illegal escape");
}

// At the opening quote. `complaint`, if not NULL, is the message for a string that is none.
static bool skip_string(Lexer *lex, bool *has_escape, const char *complaint) {
    const char *start = lex->at++;
    for (;;) {
        if (lex->at == lex->end || *lex->at == '\n' || *lex->at == '\r') {
            return text_fail(lex, start, "%s", complaint ? complaint : "unclosed string");
        }
        const u8 c = (u8)*lex->at;
        if (c == '"') {
            lex->at++;
            return true;
        }
        if (c == '\\') {
            *has_escape = true;
            TRY(skip_escape(lex));
        } else if (c >= 0x80) {
            TRY(skip_high(lex));
        } else if (c < 0x20 || c == 0x7F) {
            return text_fail(lex, lex->at, "%s",
                             complaint ? complaint : "illegal character in string");
        } else {
            lex->at++;
        }
    }
}

// The name of an annotation, or of a quoted identifier: not empty, and UTF-8 once decoded.
static bool check_quoted_name(const Lexer *lex, const char *start, Str text,
                              const char *complaint) {
    if (text.count == 0) {
        return text_fail(lex, start, "%s", complaint);
    }
    if (!text_decodes_to_utf8(text)) {
        return text_fail(lex, start, "malformed UTF-8 encoding");
    }
    return true;
}

static bool illegal_character(Lexer *lex) {
    const char *start = lex->at;
    if (class_of(start) == BYTE_HIGH) {
        TRY(skip_high(lex));
    }
    return text_fail(lex, start, "illegal character");
}

static bool skip_annotation_name(Lexer *lex, const char *start) {
    static const char COMPLAINT[] = "empty annotation id";
    if (lex->at < lex->end && class_of(lex->at) == BYTE_QUOTE) {
        const char *name = lex->at + 1;
        bool has_escape = false;
        TRY(skip_string(lex, &has_escape, COMPLAINT));
        const Str text = {name, (usize)(lex->at - name) - 1};
        return check_quoted_name(lex, start, text, COMPLAINT);
    }
    if (lex->at == lex->end || class_of(lex->at) != BYTE_ID) {
        return text_fail(lex, start, "%s", COMPLAINT);
    }
    return true;
}

// A string, or one byte of another token; keeps account of the open parentheses.
static bool skip_part(Lexer *lex, usize *depth) {
    const ByteClass class = class_of(lex->at);
    if (class == BYTE_QUOTE) {
        bool has_escape;
        return skip_string(lex, &has_escape, NULL);
    }
    if (class == BYTE_HIGH || class == BYTE_BAD) {
        return illegal_character(lex);
    }
    *depth += class == BYTE_OPEN;
    *depth -= class == BYTE_CLOSE;
    lex->at++;
    return true;
}

// At "(@". What is inside is any tokens with balanced parentheses.
static bool skip_annotation(Lexer *lex) {
    const char *start = lex->at;
    lex->at += 2;
    TRY(skip_annotation_name(lex, start));
    for (usize depth = 1; depth != 0;) {
        TRY(skip_comments(lex));
        if (lex->at == lex->end) {
            return text_fail(lex, start, "unclosed annotation");
        }
        TRY(skip_part(lex, &depth));
    }
    return true;
}

static bool skip_blanks(Lexer *lex) {
    TRY(skip_comments(lex));
    while (lex->at < lex->end && *lex->at == '(' && next_is(lex, '@')) {
        TRY(skip_annotation(lex));
        TRY(skip_comments(lex));
    }
    return true;
}

// A run of identifier characters and strings. *strings counts the strings in it.
static bool skip_run(Lexer *lex, Token *out, u32 *strings, const char *complaint) {
    while (lex->at < lex->end) {
        const ByteClass class = class_of(lex->at);
        if (class == BYTE_QUOTE) {
            ++*strings;
            TRY(skip_string(lex, &out->has_escape, *strings == 1 ? complaint : NULL));
        } else if (class == BYTE_ID) {
            lex->at++;
        } else {
            break;
        }
    }
    out->text = (Str){out->start, (usize)(lex->at - out->start)};
    return true;
}

static bool starts_with(Str text, Str prefix) {
    return text.count >= prefix.count && memcmp(text.at, prefix.at, prefix.count) == 0;
}

// offset=NAT and align=NAT are one token each.
static bool lex_memory_argument(Token *out, Str prefix, TokenKind kind) {
    if (!starts_with(out->text, prefix)) {
        return false;
    }
    const Str number = {out->text.at + prefix.count, out->text.count - prefix.count};
    if (text_number_kind(number) != NUMBER_NAT) {
        return false;
    }
    out->kind = kind;
    out->text = number;
    return true;
}

static void classify(const Lexer *lex, Token *out) {
    static const TokenKind KINDS[] = {
        [NUMBER_NONE] = TOK_RESERVED,
        [NUMBER_NAT] = TOK_NAT,
        [NUMBER_INT] = TOK_INT,
        [NUMBER_FLOAT] = TOK_FLOAT,
    };
    const char first = out->text.at[0];
    if (first >= 'a' && first <= 'z') {
        const Word word = text_word_of(lex->words, out->text);
        if (word != WORD_NONE) {
            out->kind = TOK_WORD;
            out->word = (u16)word;
            return;
        }
        if (lex_memory_argument(out, STR("offset="), TOK_OFFSET) ||
            lex_memory_argument(out, STR("align="), TOK_ALIGN)) {
            return;
        }
    }
    out->kind = KINDS[text_number_kind(out->text)];
}

// At "$".
static bool lex_id(Lexer *lex, Token *out) {
    static const char COMPLAINT[] = "empty identifier";
    u32 strings = 0;
    lex->at++;
    const bool is_quoted = lex->at < lex->end && class_of(lex->at) == BYTE_QUOTE;
    TRY(skip_run(lex, out, &strings, is_quoted ? COMPLAINT : NULL));
    if (out->text.count == 1) {
        return text_fail(lex, out->start, "%s", COMPLAINT);
    }
    out->kind = TOK_ID;
    if (!is_quoted) {
        out->text = (Str){out->start + 1, out->text.count - 1};
        out->kind = strings == 0 ? TOK_ID : TOK_RESERVED;
        return true;
    }
    const bool is_alone = strings == 1 && lex->at[-1] == '"';
    if (!is_alone) {
        out->kind = TOK_RESERVED;
        return true;
    }
    out->text = (Str){out->start + 2, out->text.count - 3};
    return check_quoted_name(lex, out->start, out->text, COMPLAINT);
}

static bool lex_run(Lexer *lex, Token *out) {
    u32 strings = 0;
    if (*lex->at == '$') {
        return lex_id(lex, out);
    }
    TRY(skip_run(lex, out, &strings, NULL));
    if (strings == 0) {
        classify(lex, out);
        return true;
    }
    const bool is_alone = strings == 1 && *out->start == '"' && lex->at[-1] == '"';
    out->kind = is_alone ? TOK_STRING : TOK_RESERVED;
    if (is_alone) {
        out->text = (Str){out->start + 1, out->text.count - 2};
    }
    return true;
}

bool text_lex(Lexer *lex, Token *out) {
    TRY(skip_blanks(lex));
    *out = (Token){.start = lex->at, .text = {lex->at, 1}, .kind = TOK_END, .word = WORD_NONE};
    if (lex->at == lex->end) {
        out->text.count = 0;
        return true;
    }
    switch (class_of(lex->at)) {
    case BYTE_ID:
    case BYTE_QUOTE: return lex_run(lex, out);
    case BYTE_OPEN: out->kind = TOK_OPEN; break;
    case BYTE_CLOSE: out->kind = TOK_CLOSE; break;
    case BYTE_SEMICOLON:
    case BYTE_BRACKET: out->kind = TOK_RESERVED; break;
    case BYTE_BLANK:
    case BYTE_BAD:
    case BYTE_HIGH: return illegal_character(lex);
    }
    lex->at++;
    return true;
}

bool text_lex_finds_open(Lexer *lex) {
    return skip_blanks(lex) && lex->at < lex->end && *lex->at == '(';
}

bool text_lex_skip_lists(Lexer *lex, usize depth) {
    while (depth != 0) {
        TRY(skip_blanks(lex));
        if (lex->at == lex->end) {
            return text_fail(lex, lex->at, "unexpected token: end of text, expected ')'");
        }
        TRY(skip_part(lex, &depth));
    }
    return true;
}
