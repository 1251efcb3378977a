// The frame of a text: module or bare fields, (module binary ...), (module quote ...).
#include "text/wat.h"

#include "base/alloc.h"
#include "text/escape.h"
#include "text/wat_int.h"

static Parser *parser_new(void) { return mem_alloc(sizeof(Parser)); }

static void parser_delete(Parser *p) {
    Writer *const writers[] = {&p->scratch, &p->held, &p->list,
                               &p->body,    &p->pending,
                               &p->types.signature, &p->local_names.bytes,
                               &p->name_maps.bytes};
    for (u32 i = 0; i < COUNT_OF(writers); i++) {
        writer_free(writers[i]);
    }
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        writer_free(&p->sections[i].bytes);
    }
    for (u32 i = 0; i < SPACE_COUNT; i++) {
        vec_free(&p->spaces[i].names);
    }
    vec_free(&p->types.list);
    vec_free(&p->types.first);
    text_intern_free(&p->types.set);
    text_intern_free(&p->identifiers);
    vec_free(&p->symbols);
    vec_free(&p->runs);
    vec_free(&p->frames);
    vec_free(&p->labels);
    vec_free(&p->positions);
    arena_deinit(&p->arena);
    mem_free(p);
}

static bool take_fields(Parser *p, Writer *out) {
    const Cursor start = p->in;
    TRY(wat_declare_fields(p));
    p->in = start;
    TRY(wat_translate_fields(p));
    return wat_write_module(p, out);
}

static bool take_binary(Parser *p, Writer *out) {
    TRY(text_advance(&p->in));
    TRY(wat_take_strings(&p->in, out));
    return !out->failed || wat_no_memory(p);
}

static bool translate(const Words *words, Str text, bool accepts_quote, Writer *out, Error *err);

// Text in strings. What is wrong in it is reported where the quotation starts; it does not quote
// in turn.
static bool take_quote(Parser *p, Writer *out) {
    const Token tok = p->in.tok;
    Error inner = ERROR_INIT;
    TRY(text_advance(&p->in));
    TRY(wat_take_strings(&p->in, &p->scratch));
    TRY(!p->scratch.failed || wat_no_memory(p));
    const Str text = {(const char *)p->scratch.at, p->scratch.count};
    if (translate(p->in.lex.words, text, false, out, &inner)) {
        return true;
    }
    if (inner.code == IMAGO_ERROR_MALFORMED) {
        return text_fail(&p->in.lex, tok.start, "%s", inner.text);
    }
    return error_set(p->in.lex.err, inner.code, inner.offset, "%s", inner.text);
}

static bool take_module(Parser *p, bool accepts_quote, Writer *out) {
    TRY(text_take_open(&p->in, WORD_MODULE));
    u32 symbol;
    TRY(wat_take_symbol(p, &symbol));
    if (symbol != ID_NONE) {
        p->module_name = p->identifiers.entries.at[symbol].text;
    }
    if (text_at_word(&p->in, WORD_BINARY)) {
        TRY(take_binary(p, out));
    } else if (accepts_quote && text_at_word(&p->in, WORD_QUOTE)) {
        TRY(take_quote(p, out));
    } else {
        TRY(take_fields(p, out));
    }
    return text_take(&p->in, TOK_CLOSE, "')'");
}

static bool take_text(Parser *p, bool accepts_quote, Writer *out) {
    if (text_at_list(&p->in, WORD_MODULE)) {
        TRY(take_module(p, accepts_quote, out));
    } else {
        TRY(take_fields(p, out));
    }
    return p->in.tok.kind == TOK_END || text_unexpected(&p->in, "end of text");
}

static bool translate(const Words *words, Str text, bool accepts_quote, Writer *out, Error *err) {
    if (text.count > UINT32_MAX) { // offsets and counts below are 32 bits wide
        return fail(err, LIMIT, ERROR_NO_OFFSET, "text of more than 4 GiB");
    }
    Parser *p = parser_new();
    if (p == NULL) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    const bool ok =
        text_cursor_init(&p->in, text, words, err) && take_text(p, accepts_quote, out);
    parser_delete(p);
    return ok;
}

bool wat_translate(const Words *words, Str text, Writer *out, Error *err) {
    return translate(words, text, true, out, err);
}

bool wat_to_wasm(Str text, Writer *out, Error *err) {
    Words *words = mem_alloc(sizeof *words);
    if (words == NULL) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    text_words_init(words);
    const bool ok = wat_translate(words, text, out, err);
    mem_free(words);
    return ok;
}

void wat_note_position(Parser *p, const Writer *out, u32 text_off) {
    if (p->keeps_positions && out == &p->body) {
        const CodePosition position = {(u32)out->count, text_off};
        p->keeps_positions = vec_push(&p->positions, position);
    }
}

// The text offset of the last position that is not behind `wasm_offset`.
static bool find_position(const Parser *p, u64 wasm_offset, u32 *text_off) {
    bool found = false;
    if (wasm_offset >= p->code_base + p->sections[SECTION_CODE].bytes.count) {
        return false;
    }
    for (usize i = 0; i < p->positions.count; i++) {
        const CodePosition *position = &p->positions.at[i];
        if (p->code_base + position->code_off > wasm_offset) {
            break;
        }
        *text_off = position->text_off;
        found = true;
    }
    return found;
}

bool wat_locate(Str text, u64 wasm_offset, WatPlace *place) {
    Words *words = mem_alloc(sizeof *words);
    Parser *p = parser_new();
    Writer out = {0};
    u32 text_off = 0;
    bool found = false;
    if (words != NULL && p != NULL && text.count <= UINT32_MAX) {
        text_words_init(words);
        p->keeps_positions = true;
        found = text_cursor_init(&p->in, text, words, NULL) && take_text(p, false, &out) &&
                p->keeps_positions && find_position(p, wasm_offset, &text_off);
    }
    if (found) {
        place->offset = text_off;
        text_position_of(text, text_off, &place->line, &place->column);
    }
    writer_free(&out);
    if (p != NULL) {
        parser_delete(p);
    }
    mem_free(words);
    return found;
}

bool wat_looks_like_text(Str text) {
    Lexer lex = text_lexer_of(text, NULL, NULL);
    return text_lex_finds_open(&lex);
}
