// Tokens, errors with their places, escapes, the set of words and the set of identifiers.
#include "text/lexer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "test.h"
#include "text/escape.h"
#include "text/intern.h"

static Words words;

// One letter a token: ( ) s(tring) i(d) n(at) z(signed) f(loat) w(ord) o(ffset) a(lign) r(eserved).
static const char LETTERS[] = {
    [TOK_END] = '$',  [TOK_OPEN] = '(',  [TOK_CLOSE] = ')',  [TOK_STRING] = 's',
    [TOK_ID] = 'i',   [TOK_NAT] = 'n',   [TOK_INT] = 'z',    [TOK_FLOAT] = 'f',
    [TOK_WORD] = 'w', [TOK_OFFSET] = 'o', [TOK_ALIGN] = 'a', [TOK_RESERVED] = 'r',
};

static bool lex_all(Str text, char *out, usize out_bytes, Error *err) {
    Lexer lex = text_lexer_of(text, &words, err);
    usize count = 0;
    for (;;) {
        Token tok;
        if (!text_lex(&lex, &tok)) {
            out[count] = 0;
            return false;
        }
        if (tok.kind == TOK_END || count + 1 == out_bytes) {
            out[count] = 0;
            return true;
        }
        out[count++] = LETTERS[tok.kind];
    }
}

static const struct {
    const char *text, *tokens;
} TOKENS[] = {
    {"", ""},
    {" \t\r\n", ""},
    {"(module $m)", "(wi)"},
    {"(func(nop))", "(w(w))"},
    {"br 0(nop)", "wn(w)"},
    {"i32.const0 0drop 0$l $l$l", "rrri"},
    {"\"a\"\"b\" \"a\"b a\"b\" $l\"a\" $\"l\"0 0$\"l\" $\"a b\"", "rrrrrri"},
    {"\"a\"(\"b\")", "s(s)"},
    {"get_local .5 @x _1 '", "rrrrr"},
    {"1 +1 1. nan inf -nan:0x1 nan:canonical", "nzffffw"},
    {"offset=1 align=0x8 offset= align=-1 offset=1x offset", "oarrrw"},
    {"nop;;bla\nnop", "ww"},
    {"nop;; bla\rnop", "ww"},
    {"nop;;", "w"},
    {"(;a(;b;)c;)nop(;;)nop", "ww"},
    {"(;;)((;c;)", "("},
    {", ; [ ] { }", "rrrrrr"},
    {"(@a x (y \")\" ;; )\n) (; ) ;) , ; ]})nop", "w"},
    {"(@a)(@\"b\")((@c)func(@d))", "(w)"},
    {"(@a @ (@) (@(@ x)))", ""},
    {"( @a)", "(r)"},
    {"\"\\t\\n\\r\\\"\\'\\\\\\00\\u{1_0ffff}\"", "s"},
    {"\"\xC3\xA9\" ;; \xE2\x82\xAC\n(; \xF0\x9F\x98\x80 ;)", "s"},
    {"\\ ~ |", "rrr"},
};

TEST(tokens) {
    for (usize i = 0; i < COUNT_OF(TOKENS); i++) {
        char found[64];
        Error err = ERROR_INIT;
        if (!lex_all(str_of(TOKENS[i].text), found, sizeof found, &err)) {
            TEST_FAIL("%s: %s", TOKENS[i].text, err.text);
        } else if (strcmp(found, TOKENS[i].tokens) != 0) {
            TEST_FAIL("%s is %s, expected %s", TOKENS[i].text, found, TOKENS[i].tokens);
        }
    }
}

static const struct {
    Str text;
    const char *message;
    u32 line, column;
} ERRORS[] = {
    {{"a \x01", 3}, "illegal character", 1, 3},
    {{"\0", 1}, "illegal character", 1, 1},
    {{"\n\x7F", 2}, "illegal character", 2, 1},
    {{"\r\n  \xC3\xA9", 6}, "illegal character", 2, 3},
    {{"x\xFF", 2}, "malformed UTF-8 encoding", 1, 2},
    {{";; \xC3\xA9\xE2\x82", 7}, "malformed UTF-8 encoding", 1, 4},
    {{"(; \x80 ;)", 7}, "malformed UTF-8 encoding", 1, 4},
    {{"\"\xED\xA0\x80\"", 5}, "malformed UTF-8 encoding", 1, 2},
    {{"\n (; a (; b ;)", 14}, "unclosed comment", 2, 2},
    {{"(;", 2}, "unclosed comment", 1, 1},
    {{"(;)", 3}, "unclosed comment", 1, 1},
    {{"\"abc", 4}, "unclosed string", 1, 1},
    {{"\"ab\nc\"", 6}, "unclosed string", 1, 1},
    {{"\"ab\tc\"", 6}, "illegal character in string", 1, 4},
    {{"\"\\q\"", 4}, "illegal escape", 1, 2},
    {{"\"\\", 2}, "illegal escape", 1, 2},
    {{"\"\\0\"", 4}, "illegal escape", 1, 2},
    {{"\"\\\0\"", 4}, "illegal escape", 1, 2},
    {{"\"\\u{}\"", 6}, "illegal escape", 1, 2},
    {{"\"\\u{1\"", 6}, "illegal escape", 1, 2},
    {{"\"\\u{1__0}\"", 10}, "illegal escape", 1, 2},
    {{"\"\\u{1_}\"", 8}, "illegal escape", 1, 2},
    {{"\"\\u{d800}\"", 10}, "malformed UTF-8 codepoint", 1, 2},
    {{"\"\\u{110000}\"", 12}, "malformed UTF-8 codepoint", 1, 2},
    {{"\"\\u{fffffffff1}\"", 16}, "malformed UTF-8 codepoint", 1, 2},
    {{"$", 1}, "empty identifier", 1, 1},
    {{"$\"\"", 3}, "empty identifier", 1, 1},
    {{"$\"a\nb\"", 6}, "empty identifier", 1, 2},
    {{"$\"\\ef\"", 6}, "malformed UTF-8 encoding", 1, 1},
    {{"(@)", 3}, "empty annotation id", 1, 1},
    {{"(@\"\")", 5}, "empty annotation id", 1, 1},
    {{"(@\"\\ef\")", 8}, "malformed UTF-8 encoding", 1, 1},
    {{"(@x (y)", 7}, "unclosed annotation", 1, 1},
    {{"(@x \")", 6}, "unclosed string", 1, 5},
    {{"(@x \xC3\xA9)", 7}, "illegal character", 1, 5},
};

TEST(errors) {
    for (usize i = 0; i < COUNT_OF(ERRORS); i++) {
        char found[64];
        Error err = ERROR_INIT;
        if (lex_all(ERRORS[i].text, found, sizeof found, &err)) {
            TEST_FAIL("%.*s is %s, not an error", (int)ERRORS[i].text.count, ERRORS[i].text.at,
                      found);
        } else if (strcmp(err.text, ERRORS[i].message) != 0 || err.line != ERRORS[i].line ||
                   err.column != ERRORS[i].column || err.code != IMAGO_ERROR_MALFORMED) {
            TEST_FAIL("case %zu: %u:%u: %s, expected %s", i, err.line, err.column, err.text,
                      ERRORS[i].message);
        }
    }
}

// Every prefix of every text, in memory of just its size: sanitizers see a read beyond the end.
TEST(cut_texts) {
    for (usize i = 0; i < COUNT_OF(TOKENS); i++) {
        for (usize count = 0; count <= strlen(TOKENS[i].text); count++) {
            char found[64];
            char *exact = mem_alloc(count);
            memcpy(exact, TOKENS[i].text, count);
            (void)lex_all((Str){exact, count}, found, sizeof found, NULL);
            mem_free(exact);
        }
    }
}

TEST(deep_comments_and_annotations) {
    enum { DEPTH = 1000000 };
    static const char *const SHAPES[][2] = {{"(;", ";)"}, {"(@a ", ")"}, {"(@a (", "))"}};
    for (usize shape = 0; shape < COUNT_OF(SHAPES); shape++) {
        const usize open = strlen(SHAPES[shape][0]), close = strlen(SHAPES[shape][1]);
        char *text = mem_alloc(DEPTH * (open + close));
        for (usize i = 0; i < DEPTH; i++) {
            memcpy(text + i * open, SHAPES[shape][0], open);
            memcpy(text + DEPTH * open + i * close, SHAPES[shape][1], close);
        }
        char found[64];
        EXPECT(lex_all((Str){text, DEPTH * (open + close)}, found, sizeof found, NULL));
        EXPECT_STR(found, "");
        EXPECT(!lex_all((Str){text, DEPTH * (open + close) - 1}, found, sizeof found, NULL));
        mem_free(text);
    }
}

TEST(skips_lists) {
    const Str text = STR("(a (b \")\" (;)))\n;) ) (@x ) c) 1");
    Lexer lex = text_lexer_of(text, &words, NULL);
    Token tok;
    EXPECT(text_lex(&lex, &tok) && tok.kind == TOK_OPEN);
    EXPECT(text_lex_skip_lists(&lex, 1));
    EXPECT(text_lex(&lex, &tok) && tok.kind == TOK_NAT);
    Error err = ERROR_INIT;
    lex = text_lexer_of(text, &words, &err);
    EXPECT(!text_lex_skip_lists(&lex, 1));
    EXPECT_STR(err.text, "unexpected token: end of text, expected ')'");
}

TEST(positions) {
    static const struct {
        usize offset;
        u32 line, column;
    } PLACES[] = {{0, 1, 1}, {1, 1, 2}, {2, 2, 1}, {3, 2, 2}, {5, 3, 1},
                  {6, 4, 1}, {8, 4, 2}, {9, 4, 3}, {99, 4, 3}};
    const Str text = STR("a\nb\r\n\r\xC3\xA9" "c"); // a LF b CR LF CR e' c
    for (usize i = 0; i < COUNT_OF(PLACES); i++) {
        u32 line, column;
        text_position_of(text, PLACES[i].offset, &line, &column);
        EXPECT_EQ(line, PLACES[i].line);
        EXPECT_EQ(column, PLACES[i].column);
    }
}

TEST(decodes) {
    u8 out[64];
    const Str text = STR("a\\t\\n\\r\\\"\\'\\\\\\41\\fF\\u{e9}\\u{20ac}\\u{10_ffff}\\u{7f}");
    const usize count = text_decode(text, out);
    const char expected[] = "a\t\n\r\"'\\A\xFF\xC3\xA9\xE2\x82\xAC\xF4\x8F\xBF\xBF\x7F";
    EXPECT_EQ(count, sizeof expected - 1);
    EXPECT(memcmp(out, expected, count) == 0);
    EXPECT(!text_decodes_to_utf8(text));
    EXPECT(text_decodes_to_utf8(STR("\\c3\\a9\xC3\xA9\\f0\\9f\\98\\80")));
    EXPECT(!text_decodes_to_utf8(STR("\\c3")));
    EXPECT(!text_decodes_to_utf8(STR("\\ed\\a0\\80")));
    EXPECT(!text_decodes_to_utf8(STR("\\e0\\80\\80")));
    EXPECT(!text_decodes_to_utf8(STR("\\f4\\90\\80\\80")));
    EXPECT(!text_decodes_to_utf8(STR("\\c0\\80")));
    EXPECT(!text_decodes_to_utf8(STR("\\80")));
}

TEST(every_word_is_found) {
    for (u32 i = 0; i < WORD_COUNT; i++) {
        const Word found = text_word_of(&words, str_of(text_word_text((Word)i)));
        // "select" has two rows.
        EXPECT_STR(text_word_text(found), text_word_text((Word)i));
        EXPECT(found == (Word)i || i == OP_SELECT_T);
    }
    EXPECT_EQ(text_word_of(&words, STR("")), WORD_NONE);
    EXPECT_EQ(text_word_of(&words, STR("i32.ad")), WORD_NONE);
    EXPECT_EQ(text_word_of(&words, STR("i32.addd")), WORD_NONE);
    EXPECT_EQ(text_word_type(WORD_VAL_EXTERNREF), VAL_EXTERNREF);
    EXPECT_EQ(text_word_type((Word)OP_NOP), VAL_NONE);
}

TEST(interns) {
    enum { COUNT = 50000 };
    static char names[COUNT][8];
    Intern set = {0};
    for (u32 round = 0; round < 2; round++) {
        for (u32 i = 0; i < COUNT; i++) {
            (void)snprintf(names[i], sizeof names[i], "%u", i);
            u32 number = ID_NONE;
            EXPECT(text_intern(&set, str_of(names[i]), NULL, &number));
            EXPECT_EQ(number, i);
        }
    }
    EXPECT_EQ(set.entries.count, COUNT);
    Arena arena = {0};
    char text[] = "gone";
    u32 first, second, empty;
    EXPECT(text_intern(&set, str_of(text), &arena, &first));
    text[0] = 'b';
    EXPECT(text_intern(&set, STR("gone"), NULL, &second));
    EXPECT_EQ(first, second);
    EXPECT(text_intern(&set, STR(""), NULL, &empty));
    EXPECT_EQ(empty, COUNT + 1);
    arena_deinit(&arena);
    text_intern_free(&set);
}

int main(void) {
    text_words_init(&words);
    RUN(tokens);
    RUN(errors);
    RUN(cut_texts);
    RUN(deep_comments_and_annotations);
    RUN(skips_lists);
    RUN(positions);
    RUN(decodes);
    RUN(every_word_is_found);
    RUN(interns);
    return test_end();
}
