// Identifiers, indices and strings.
#include "base/check.h"
#include "text/escape.h"
#include "text/literal.h"
#include "text/wat_int.h"

static const char *const SPACE_TEXT[SPACE_COUNT] = {
#define SPACE(name, text, subsection) [SPACE_##name] = (text),
#include "text/spaces.def"
#undef SPACE
};

const char *wat_space_text(Space space) { return SPACE_TEXT[space]; }

bool wat_no_memory(const Parser *p) {
    return fail(p->in.lex.err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
}

// Number of an identifier, with a row in p->symbols.
static bool symbol_of(Parser *p, const Token *tok, u32 *out) {
    Str text = tok->text;
    Arena *keep = NULL;
    if (tok->has_escape) {
        writer_clear(&p->scratch);
        TRY(writer_reserve(&p->scratch, text.count) || wat_no_memory(p));
        text = (Str){(const char *)p->scratch.at, text_decode(text, p->scratch.at)};
        keep = &p->arena;
    }
    TRY(text_intern(&p->identifiers, text, keep, out) || wat_no_memory(p));
    if (*out == p->symbols.count) {
        TRY(vec_push(&p->symbols, (Symbol){0}) || wat_no_memory(p));
    }
    return true;
}

bool wat_take_symbol(Parser *p, u32 *symbol) {
    *symbol = ID_NONE;
    if (p->in.tok.kind != TOK_ID) {
        return true;
    }
    return symbol_of(p, &p->in.tok, symbol) && text_advance(&p->in);
}

bool wat_skip_symbol(Parser *p) { return p->in.tok.kind != TOK_ID || text_advance(&p->in); }

bool wat_declare(Parser *p, Space space) {
    IndexSpace *s = &p->spaces[space];
    const Token tok = p->in.tok;
    const u32 index = s->count++;
    u32 symbol;
    TRY(wat_take_symbol(p, &symbol));
    if (symbol == ID_NONE) {
        return true;
    }
    u32 *bound = &p->symbols.at[symbol].index[space];
    if (*bound != 0) {
        return text_fail(&p->in.lex, tok.start, "duplicate %s %s", SPACE_TEXT[space],
                         text_printable(&tok).at);
    }
    *bound = index + 1;
    return vec_push(&s->names, (NamedIndex){index, symbol}) || wat_no_memory(p);
}

static bool unknown(const Parser *p, const char *what, const Token *tok) {
    return text_fail(&p->in.lex, tok->start, "unknown %s %s", what, text_printable(tok).at);
}

bool wat_at_index(const Parser *p) {
    return p->in.tok.kind == TOK_NAT || p->in.tok.kind == TOK_ID;
}

bool wat_take_index(Parser *p, Space space, u32 *out) {
    if (p->in.tok.kind == TOK_NAT) {
        return text_take_u32(&p->in, out);
    }
    if (p->in.tok.kind != TOK_ID) {
        return text_unexpected(&p->in, "an index");
    }
    u32 symbol;
    TRY(symbol_of(p, &p->in.tok, &symbol));
    const u32 bound = p->symbols.at[symbol].index[space];
    if (bound == 0) {
        return unknown(p, SPACE_TEXT[space], &p->in.tok);
    }
    *out = bound - 1;
    return text_advance(&p->in);
}

bool wat_take_index_to(Parser *p, Space space, Writer *out) {
    u32 index = 0;
    TRY(wat_take_index(p, space, &index));
    emit_uleb(out, index);
    return true;
}

bool wat_take_optional_index(Parser *p, Space space, u32 *out) {
    *out = 0;
    return !wat_at_index(p) || wat_take_index(p, space, out);
}

void wat_open_scope(Parser *p) {
    p->scope++;
    p->local_count = 0;
    p->runs.count = 0;
    p->local_names.count = 0;
    writer_clear(&p->local_names.bytes);
}

bool wat_bind_local(Parser *p, u32 symbol, u32 local) {
    Symbol *bound = &p->symbols.at[symbol];
    const Str name = p->identifiers.entries.at[symbol].text;
    if (bound->scope == p->scope) {
        char printable[64];
        return text_fail(&p->in.lex, p->in.tok.start, "duplicate local $%s",
                         str_printable(name, printable, sizeof printable));
    }
    bound->scope = p->scope;
    bound->local = local;
    p->local_names.count++;
    emit_uleb(&p->local_names.bytes, local);
    emit_uleb(&p->local_names.bytes, name.count);
    write_bytes(&p->local_names.bytes, name.at, name.count);
    return true;
}

bool wat_take_local(Parser *p, Writer *out) {
    u32 local;
    if (p->in.tok.kind == TOK_ID) {
        u32 symbol;
        TRY(symbol_of(p, &p->in.tok, &symbol));
        if (p->symbols.at[symbol].scope != p->scope) {
            return unknown(p, "local", &p->in.tok);
        }
        local = p->symbols.at[symbol].local;
        TRY(text_advance(&p->in));
    } else {
        TRY(text_take_u32(&p->in, &local));
    }
    emit_uleb(out, local);
    return true;
}

bool wat_push_label(Parser *p, u32 symbol) {
    Label label = {symbol, 0};
    if (symbol != ID_NONE) {
        label.shadowed = p->symbols.at[symbol].label;
        p->symbols.at[symbol].label = (u32)p->labels.count + 1;
    }
    return vec_push(&p->labels, label) || wat_no_memory(p);
}

void wat_pop_label(Parser *p) {
    assert(p->labels.count > 0);
    const Label label = p->labels.at[--p->labels.count];
    if (label.symbol != ID_NONE) {
        p->symbols.at[label.symbol].label = label.shadowed;
    }
}

bool wat_take_label(Parser *p, u32 *depth) {
    if (p->in.tok.kind != TOK_ID) {
        return text_take_u32(&p->in, depth);
    }
    u32 symbol;
    TRY(symbol_of(p, &p->in.tok, &symbol));
    const u32 label = p->symbols.at[symbol].label;
    if (label == 0) {
        return unknown(p, "label", &p->in.tok);
    }
    *depth = (u32)p->labels.count - label;
    return text_advance(&p->in);
}

bool wat_take_name(Parser *p, Writer *out) {
    const Token tok = p->in.tok;
    TRY(text_take(&p->in, TOK_STRING, "a string"));
    if (tok.has_escape && !text_decodes_to_utf8(tok.text)) {
        return text_fail(&p->in.lex, tok.start, "malformed UTF-8 encoding");
    }
    Writer *scratch = &p->scratch;
    writer_clear(scratch);
    TRY(writer_reserve(scratch, tok.text.count) || wat_no_memory(p));
    const usize count = text_decode(tok.text, scratch->at);
    emit_uleb(out, count);
    write_bytes(out, scratch->at, count);
    return true;
}

bool wat_take_strings(Cursor *in, Writer *out) {
    while (in->tok.kind == TOK_STRING) {
        const Str text = in->tok.text;
        if (!in->tok.has_escape) {
            write_bytes(out, text.at, text.count);
        } else if (writer_reserve(out, text.count)) {
            out->count += text_decode(text, out->at + out->count);
        }
        TRY(text_advance(in));
    }
    return true;
}
