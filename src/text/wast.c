#include "text/wast.h"

#include "base/alloc.h"
#include "text/escape.h"
#include "text/wat_int.h"

struct WastScript {
    Cursor in;
    Words words;
    Arena arena;          // of the present command
    Writer module;        // its module
    VEC(WastValue) values;
    VEC(WastValue) options;
    usize seen;           // offset of the last position asked for ...
    u32 line, column;     // ... and where it is
    bool is_begun;
};

static bool no_memory(const WastScript *s) {
    return fail(s->in.lex.err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
}

WastScript *wast_open(Str text, Error *err) {
    WastScript *s = mem_alloc(sizeof *s);
    if (s == NULL) {
        (void)fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    text_words_init(&s->words);
    s->line = s->column = 1;
    if (!text_cursor_init(&s->in, text, &s->words, err)) {
        wast_close(s);
        return NULL;
    }
    return s;
}

void wast_close(WastScript *s) {
    if (s != NULL) {
        arena_deinit(&s->arena);
        writer_free(&s->module);
        vec_free(&s->values);
        vec_free(&s->options);
        mem_free(s);
    }
}

static usize offset_of(const WastScript *s, const char *at) {
    return (usize)(at - s->in.lex.text.at);
}

// Position of an offset that is not before the last one: all of them together cost one pass.
static void position_of(WastScript *s, usize offset, u32 *line, u32 *column) {
    const Str rest = {s->in.lex.text.at + s->seen, offset - s->seen};
    u32 lines, columns;
    text_position_of(rest, rest.count, &lines, &columns);
    s->column = lines == 1 ? s->column + columns - 1 : columns;
    s->line += lines - 1;
    s->seen = offset;
    *line = s->line;
    *column = s->column;
}

// The word a list starts with; WORD_NONE if there is no list.
static Word list_word(const Cursor *in) {
    const bool is_list = in->tok.kind == TOK_OPEN && in->next.kind == TOK_WORD;
    return is_list ? (Word)in->next.word : WORD_NONE;
}

// Steps over "(" and the word.
static bool enter(WastScript *s) { return text_advance(&s->in) && text_advance(&s->in); }

static bool take_close(WastScript *s) { return text_take(&s->in, TOK_CLOSE, "')'"); }

static bool decode(WastScript *s, const Token *tok, Str *out) {
    if (!tok->has_escape) {
        *out = tok->text;
        return true;
    }
    u8 *bytes = arena_push(&s->arena, tok->text.count, 1);
    TRY(bytes != NULL || no_memory(s));
    *out = (Str){(const char *)bytes, text_decode(tok->text, bytes)};
    return true;
}

static bool take_string(WastScript *s, Str *out) {
    const Token tok = s->in.tok;
    TRY(text_take(&s->in, TOK_STRING, "a string"));
    return decode(s, &tok, out);
}

static bool take_optional_id(WastScript *s, Str *out) {
    const Token tok = s->in.tok;
    *out = (Str){0};
    return tok.kind != TOK_ID || (decode(s, &tok, out) && text_advance(&s->in));
}

// Translates the script's text from `start` to the present token.
static bool translate_module(WastScript *s, const char *start, WastModule *out) {
    const Str text = {start, (usize)(s->in.tok.start - start)};
    writer_clear(&s->module);
    s->module.failed = false;
    out->error = ERROR_INIT;
    out->is_translated = wat_translate(&s->words, text, &s->module, &out->error);
    if (out->error.code == IMAGO_ERROR_NO_MEMORY) {
        return no_memory(s);
    }
    if (out->error.line != 0) {
        out->error.offset += offset_of(s, start);
        position_of(s, out->error.offset, &out->error.line, &out->error.column);
    }
    out->bytes = s->module.at;
    out->byte_count = s->module.count;
    return true;
}

static bool take_module(WastScript *s, WastModule *out) {
    const char *start = s->in.tok.start;
    TRY(text_take_open(&s->in, WORD_MODULE));
    TRY(take_optional_id(s, &out->id));
    out->is_binary = text_at_word(&s->in, WORD_BINARY);
    out->is_quote = text_at_word(&s->in, WORD_QUOTE);
    TRY(text_skip_list(&s->in));
    return translate_module(s, start, out);
}

// (module definition ...) and (module instance ...) are of version 3.0.
static bool is_later_module(const WastScript *s) {
    Cursor in = s->in;
    return list_word(&in) == WORD_MODULE && text_advance(&in) && text_advance(&in) &&
           (text_at_word(&in, WORD_DEFINITION) || text_at_word(&in, WORD_INSTANCE));
}

static bool take_heap_type(WastScript *s, ValType *out) {
    *out = text_at_word(&s->in, WORD_FUNC)     ? VAL_FUNCREF
           : text_at_word(&s->in, WORD_EXTERN) ? VAL_EXTERNREF
                                               : VAL_NONE;
    const bool is_any = s->in.tok.kind == TOK_CLOSE || text_at_word(&s->in, WORD_ANY);
    if (*out == VAL_NONE && !is_any) {
        return text_unexpected(&s->in, "func or extern");
    }
    return s->in.tok.kind == TOK_CLOSE || text_advance(&s->in);
}

static bool take_number(WastScript *s, ValType type, WastValue *out) {
    out->kind = WAST_NUMBER;
    out->type = type;
    return text_take_pattern(&s->in, type, &out->bits, &out->nan);
}

static bool take_vector(WastScript *s, WastValue *out) {
    out->kind = WAST_VECTOR;
    out->type = VAL_V128;
    return text_take_vector(&s->in, true, &out->vector);
}

static bool take_extern(WastScript *s, WastValue *out) {
    out->kind = WAST_REF_EXTERN;
    out->type = VAL_EXTERNREF;
    out->is_any = s->in.tok.kind == TOK_CLOSE;
    return out->is_any || text_take_nat(&s->in, UINT64_MAX, "i64", &out->bits);
}

static bool take_func(WastScript *s, WastValue *out) {
    out->kind = WAST_REF_FUNC;
    out->type = VAL_FUNCREF;
    return s->in.tok.kind != TOK_NAT || text_advance(&s->in);
}

static bool take_options(WastScript *s, WastValue *out);

// Behind "(" and the word.
static bool take_value_of(WastScript *s, u32 word, WastValue *out) {
    switch (word) {
    case OP_I32_CONST: return take_number(s, VAL_I32, out);
    case OP_I64_CONST: return take_number(s, VAL_I64, out);
    case OP_F32_CONST: return take_number(s, VAL_F32, out);
    case OP_F64_CONST: return take_number(s, VAL_F64, out);
    case OP_V128_CONST: return take_vector(s, out);
    case OP_REF_NULL: out->kind = WAST_REF_NULL; return take_heap_type(s, &out->type);
    case OP_REF_FUNC: return take_func(s, out);
    case WORD_REF_EXTERN: return take_extern(s, out);
    default: return text_unexpected(&s->in, "a constant");
    }
}

static bool take_value(WastScript *s, WastValue *out) {
    const Word word = list_word(&s->in);
    *out = (WastValue){0};
    TRY(text_take(&s->in, TOK_OPEN, "'('"));
    if (word == WORD_NONE) {
        return text_unexpected(&s->in, "a constant");
    }
    TRY(text_advance(&s->in));
    TRY(word == WORD_EITHER ? take_options(s, out) : take_value_of(s, word, out));
    return take_close(s);
}

// A copy in the arena of values[from..], which are dropped.
static bool keep(WastScript *s, const WastValue *values, usize count, const WastValue **out) {
    WastValue *copy = PUSH(&s->arena, WastValue, count);
    TRY(copy != NULL || no_memory(s));
    if (count != 0) {
        memcpy(copy, values, count * sizeof *copy);
    }
    *out = copy;
    return true;
}

// The options of (either ...), which does not nest.
static bool take_options(WastScript *s, WastValue *out) {
    out->kind = WAST_EITHER;
    s->options.count = 0;
    while (s->in.tok.kind == TOK_OPEN) {
        WastValue option;
        if (list_word(&s->in) == WORD_EITHER) {
            return text_unexpected(&s->in, "a constant");
        }
        TRY(take_value(s, &option));
        TRY(vec_push(&s->options, option) || no_memory(s));
    }
    out->option_count = (u32)s->options.count;
    return keep(s, s->options.at, s->options.count, &out->options);
}

// Values up to the end of the list; arguments are values without patterns.
static bool take_values(WastScript *s, bool accepts_patterns, const WastValue **out, u32 *count) {
    s->values.count = 0;
    while (s->in.tok.kind == TOK_OPEN) {
        WastValue value;
        const Cursor start = s->in;
        TRY(take_value(s, &value));
        bool is_pattern = value.kind == WAST_EITHER || value.nan != NAN_NONE || value.is_any ||
                          (value.kind == WAST_REF_NULL && value.type == VAL_NONE);
        for (u32 i = 0; i < COUNT_OF(value.vector.nan); i++) {
            is_pattern = is_pattern || value.vector.nan[i] != NAN_NONE;
        }
        if (is_pattern && !accepts_patterns) {
            return text_unexpected(&start, "a constant");
        }
        TRY(vec_push(&s->values, value) || no_memory(s));
    }
    *count = (u32)s->values.count;
    return keep(s, s->values.at, s->values.count, out);
}

static bool take_action(WastScript *s, WastAction *out) {
    const Word word = list_word(&s->in);
    if (word != WORD_INVOKE && word != WORD_GET) {
        return text_unexpected(&s->in, "(invoke or (get");
    }
    out->is_get = word == WORD_GET;
    TRY(enter(s));
    TRY(take_optional_id(s, &out->module_id));
    TRY(take_string(s, &out->name));
    if (!out->is_get) {
        TRY(take_values(s, false, &out->args, &out->arg_count));
    }
    return take_close(s);
}

static bool take_register(WastScript *s, WastCommand *out) {
    out->kind = WAST_REGISTER;
    TRY(enter(s));
    TRY(take_string(s, &out->name));
    TRY(take_optional_id(s, &out->module_id));
    return take_close(s);
}

static bool take_assert_return(WastScript *s, WastCommand *out) {
    out->kind = WAST_ASSERT_RETURN;
    TRY(enter(s));
    TRY(take_action(s, &out->action));
    TRY(take_values(s, true, &out->results, &out->result_count));
    return take_close(s);
}

static bool take_assert_module(WastScript *s, WastKind kind, WastCommand *out) {
    out->kind = kind;
    TRY(enter(s));
    TRY(take_module(s, &out->module));
    TRY(take_string(s, &out->message));
    return take_close(s);
}

static bool take_assert_action(WastScript *s, WastKind kind, WastCommand *out) {
    out->kind = kind;
    TRY(enter(s));
    if (kind == WAST_ASSERT_TRAP && list_word(&s->in) == WORD_MODULE) {
        out->kind = WAST_ASSERT_UNINSTANTIABLE;
        TRY(take_module(s, &out->module));
    } else {
        TRY(take_action(s, &out->action));
    }
    TRY(take_string(s, &out->message));
    return take_close(s);
}

static bool take_unsupported(WastScript *s, WastCommand *out) {
    out->kind = WAST_UNSUPPORTED;
    TRY(text_take(&s->in, TOK_OPEN, "a command"));
    out->name = s->in.tok.text;
    if (s->in.tok.kind != TOK_WORD && s->in.tok.kind != TOK_RESERVED) {
        return text_unexpected(&s->in, "a command");
    }
    return text_skip_list(&s->in);
}

static bool is_field(Word word) {
    switch ((u32)word) {
#define FIELD(word, name) case WORD_##word:
#include "text/fields.def"
#undef FIELD
        return true;
    default: return false;
    }
}

// A script of fields alone is one module.
static bool take_bare_fields(WastScript *s, WastCommand *out) {
    const char *start = s->in.tok.start;
    out->kind = WAST_MODULE;
    while (s->in.tok.kind == TOK_OPEN) {
        TRY(text_advance(&s->in));
        TRY(text_skip_list(&s->in));
    }
    if (s->in.tok.kind != TOK_END) {
        return text_unexpected(&s->in, "a module field");
    }
    return translate_module(s, start, &out->module);
}

static bool take_command(WastScript *s, bool is_first, WastCommand *out) {
    const Word word = list_word(&s->in);
    if (is_first && is_field(word)) {
        return take_bare_fields(s, out);
    }
    switch ((u32)word) {
    case WORD_MODULE:
        out->kind = WAST_MODULE;
        return is_later_module(s) ? take_unsupported(s, out) : take_module(s, &out->module);
    case WORD_REGISTER: return take_register(s, out);
    case WORD_INVOKE:
    case WORD_GET: out->kind = WAST_ACTION; return take_action(s, &out->action);
    case WORD_ASSERT_RETURN: return take_assert_return(s, out);
    case WORD_ASSERT_TRAP: return take_assert_action(s, WAST_ASSERT_TRAP, out);
    case WORD_ASSERT_EXHAUSTION: return take_assert_action(s, WAST_ASSERT_EXHAUSTION, out);
    case WORD_ASSERT_INVALID: return take_assert_module(s, WAST_ASSERT_INVALID, out);
    case WORD_ASSERT_MALFORMED: return take_assert_module(s, WAST_ASSERT_MALFORMED, out);
    case WORD_ASSERT_UNLINKABLE: return take_assert_module(s, WAST_ASSERT_UNLINKABLE, out);
    default: return take_unsupported(s, out);
    }
}

bool wast_next(WastScript *s, WastCommand *out, Error *err) {
    const bool is_first = !s->is_begun;
    *out = (WastCommand){.kind = WAST_END, .module.error = ERROR_INIT};
    s->is_begun = true;
    s->in.lex.err = err;
    arena_reset(&s->arena);
    position_of(s, offset_of(s, s->in.tok.start), &out->line, &out->column);
    return s->in.tok.kind == TOK_END || take_command(s, is_first, out);
}

// Bits of one float as a NaN: both kinds need the quiet bit, a canonical one nothing else.
static bool is_nan(u64 bits, u32 width, NanKind kind) {
    const u32 fraction_bits = width == 64 ? 52 : 23;
    const u64 quiet = 1ull << (fraction_bits - 1);
    const u64 exponent = ((1ull << (width - 1)) - 1) >> fraction_bits << fraction_bits;
    const u64 magnitude = bits & (exponent | (quiet - 1) | quiet);
    return kind == NAN_CANONICAL ? magnitude == (exponent | quiet)
                                 : (magnitude & (exponent | quiet)) == (exponent | quiet);
}

static u64 lane_of(const VectorLiteral *vector, u32 first_bit, u32 width) {
    const u64 half = first_bit < 64 ? vector->low : vector->high;
    return half >> (first_bit % 64) & (UINT64_MAX >> (64 - width));
}

static bool vector_matches(const VectorLiteral *expected, const VectorLiteral *actual) {
    const u32 lanes = text_shape_lanes(expected->shape);
    const u32 width = 128 / lanes;
    for (u32 i = 0; i < lanes; i++) {
        const u64 bits = lane_of(actual, i * width, width);
        const NanKind nan = lanes <= COUNT_OF(expected->nan) ? expected->nan[i] : NAN_NONE;
        const bool fits = nan == NAN_NONE ? bits == lane_of(expected, i * width, width)
                                          : is_nan(bits, width, nan);
        if (!fits) {
            return false;
        }
    }
    return true;
}

static bool number_matches(const WastValue *expected, const WastValue *actual) {
    if (expected->nan != NAN_NONE) {
        return is_nan(actual->bits, expected->type == VAL_F64 ? 64 : 32, expected->nan);
    }
    return expected->bits == actual->bits;
}

static bool plain_matches(const WastValue *expected, const WastValue *actual) {
    if (expected->kind != actual->kind) {
        return false;
    }
    switch (expected->kind) {
    case WAST_NUMBER: return expected->type == actual->type && number_matches(expected, actual);
    case WAST_VECTOR: return vector_matches(&expected->vector, &actual->vector);
    case WAST_REF_NULL: return expected->type == VAL_NONE || expected->type == actual->type;
    case WAST_REF_FUNC: return true;
    case WAST_REF_EXTERN: return expected->is_any || expected->bits == actual->bits;
    case WAST_EITHER: break;
    }
    return false;
}

bool wast_value_matches(const WastValue *expected, const WastValue *actual) {
    if (expected->kind != WAST_EITHER) {
        return plain_matches(expected, actual);
    }
    for (u32 i = 0; i < expected->option_count; i++) {
        if (plain_matches(&expected->options[i], actual)) {
            return true;
        }
    }
    return false;
}
