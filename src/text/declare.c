// The first pass: what the fields define and how it is called. See wat_int.h.
#include "text/wat_int.h"

// An identifier's turn has come: field word and identifier are read, what follows is skipped.
static bool declare_type(Parser *p) {
    TRY(wat_declare(p, SPACE_TYPE));
    TRY(wat_take_type_definition(p));
    return text_take(&p->in, TOK_CLOSE, "')'");
}

static bool declare_defined(Parser *p, Space space, bool is_import) {
    static const Space FIRST_OTHER = SPACE_TYPE;
    if (!is_import) {
        p->spaces[space].is_defined = true;
        return true;
    }
    for (Space other = 0; other < FIRST_OTHER; other++) {
        if (p->spaces[other].is_defined) {
            return text_fail(&p->in.lex, p->in.tok.start, "import after %s",
                             wat_space_text(other));
        }
    }
    return true;
}

static bool declare_import(Parser *p) {
    static const struct {
        Word word;
        Space space;
    } KINDS[] = {{WORD_FUNC, SPACE_FUNC},
                 {WORD_TABLE, SPACE_TABLE},
                 {WORD_MEMORY, SPACE_MEMORY},
                 {WORD_GLOBAL, SPACE_GLOBAL}};
    TRY(text_take(&p->in, TOK_STRING, "a module name"));
    TRY(text_take(&p->in, TOK_STRING, "a name"));
    TRY(text_take(&p->in, TOK_OPEN, "'('"));
    for (u32 i = 0; i < COUNT_OF(KINDS); i++) {
        if (text_at_word(&p->in, KINDS[i].word)) {
            TRY(declare_defined(p, KINDS[i].space, true));
            TRY(text_advance(&p->in));
            TRY(wat_declare(p, KINDS[i].space));
            return text_skip_list(&p->in) && text_skip_list(&p->in);
        }
    }
    return text_unexpected(&p->in, "what is imported");
}

// Behind field word and identifier of what may be imported and exported inline.
static bool skip_inline_exports(Parser *p) {
    while (text_at_list(&p->in, WORD_EXPORT)) {
        TRY(text_advance(&p->in));
        TRY(text_advance(&p->in));
        TRY(text_skip_list(&p->in));
    }
    return true;
}

static bool declare_common(Parser *p, Space space) {
    TRY(wat_declare(p, space));
    TRY(skip_inline_exports(p));
    return declare_defined(p, space, text_at_list(&p->in, WORD_IMPORT));
}

static bool declare_func(Parser *p) {
    return declare_common(p, SPACE_FUNC) && text_skip_list(&p->in);
}

static bool declare_global(Parser *p) {
    return declare_common(p, SPACE_GLOBAL) && text_skip_list(&p->in);
}

// A table with inline elements is a segment as well, so is a memory with data.
static bool declare_table(Parser *p) {
    TRY(declare_common(p, SPACE_TABLE));
    p->spaces[SPACE_ELEM].count += wat_at_reference_type(p);
    return text_skip_list(&p->in);
}

static bool declare_memory(Parser *p) {
    TRY(declare_common(p, SPACE_MEMORY));
    p->spaces[SPACE_DATA].count += text_at_list(&p->in, WORD_DATA);
    return text_skip_list(&p->in);
}

static bool declare_export(Parser *p) { return text_skip_list(&p->in); }

static bool declare_start(Parser *p) { return text_skip_list(&p->in); }

static bool declare_elem(Parser *p) {
    return wat_declare(p, SPACE_ELEM) && text_skip_list(&p->in);
}

static bool declare_data(Parser *p) {
    return wat_declare(p, SPACE_DATA) && text_skip_list(&p->in);
}

static bool declare_field(Parser *p) {
    TRY(text_take(&p->in, TOK_OPEN, "'('"));
    switch (p->in.tok.kind == TOK_WORD ? (u32)p->in.tok.word : (u32)WORD_NONE) {
#define FIELD(word, name)                                                                          \
    case WORD_##word: return text_advance(&p->in) && declare_##name(p);
#include "text/fields.def"
#undef FIELD
    default: return text_unexpected(&p->in, "a module field");
    }
}

bool wat_declare_fields(Parser *p) {
    while (p->in.tok.kind != TOK_END && p->in.tok.kind != TOK_CLOSE) {
        TRY(declare_field(p));
    }
    return true;
}
