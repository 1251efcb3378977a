// Value types, limits, function types and uses of types (WebAssembly 2.0, 6.4 and 6.6.3).
#include "base/check.h"
#include "text/literal.h"
#include "text/wat_int.h"

bool wat_take_heap_type(Parser *p, u8 *out) {
    const bool is_func = text_at_word(&p->in, WORD_FUNC);
    if (!is_func && !text_at_word(&p->in, WORD_EXTERN)) {
        return text_unexpected(&p->in, "func or extern");
    }
    *out = val_binary(is_func ? VAL_FUNCREF : VAL_EXTERNREF);
    return text_advance(&p->in);
}

// (ref null heap): the long form of funcref and externref in later versions.
static bool take_long_reference_type(Parser *p, u8 *out) {
    TRY(text_take_open(&p->in, WORD_REF));
    TRY(text_take_word(&p->in, WORD_NULL));
    TRY(wat_take_heap_type(p, out));
    return text_take(&p->in, TOK_CLOSE, "')'");
}

bool wat_take_value_type(Parser *p, u8 *out) {
    const Token *tok = &p->in.tok;
    const ValType type = tok->kind == TOK_WORD ? text_word_type((Word)tok->word) : VAL_NONE;
    if (type != VAL_NONE) {
        *out = val_binary(type);
        return text_advance(&p->in);
    }
    if (text_at_list(&p->in, WORD_REF)) {
        return take_long_reference_type(p, out);
    }
    return text_unexpected(&p->in, "a value type");
}

bool wat_at_reference_type(const Parser *p) {
    const Token *tok = &p->in.tok;
    return text_at_list(&p->in, WORD_REF) ||
           (tok->kind == TOK_WORD && val_is_ref(text_word_type((Word)tok->word)));
}

bool wat_take_limits(Parser *p, Writer *out) {
    u32 min, max = 0;
    TRY(text_take_u32(&p->in, &min));
    const bool has_max = p->in.tok.kind == TOK_NAT;
    if (has_max) {
        TRY(text_take_u32(&p->in, &max));
    }
    emit_u8(out, has_max);
    emit_uleb(out, min);
    if (has_max) {
        emit_uleb(out, max);
    }
    return true;
}

// Behind "(param" or "(result": an identifier and one type, or any number of types.
static bool take_type_list(Parser *p, ParamNames names, u32 *count) {
    Writer *signature = &p->types.signature;
    u32 symbol = ID_NONE;
    if (p->in.tok.kind == TOK_ID && names != NAMES_REFUSED) {
        TRY(wat_take_symbol(p, &symbol));
        u8 type;
        TRY(wat_take_value_type(p, &type));
        emit_u8(signature, type);
        if (names == NAMES_BOUND) {
            TRY(wat_bind_local(p, symbol, *count));
        }
        ++*count;
        return text_take(&p->in, TOK_CLOSE, "')'");
    }
    while (p->in.tok.kind != TOK_CLOSE) {
        u8 type;
        TRY(wat_take_value_type(p, &type));
        emit_u8(signature, type);
        ++*count;
    }
    return text_advance(&p->in);
}

static bool take_type_lists(Parser *p, Word word, ParamNames names, u32 *count) {
    while (text_at_list(&p->in, word)) {
        TRY(text_take_open(&p->in, word));
        TRY(take_type_list(p, names, count));
    }
    return true;
}

static bool take_signature(Parser *p, ParamNames names, TypeUse *out) {
    writer_clear(&p->types.signature);
    TRY(take_type_lists(p, WORD_PARAM, names, &out->param_count));
    TRY(take_type_lists(p, WORD_RESULT, NAMES_REFUSED, &out->result_count));
    if (text_at_list(&p->in, WORD_PARAM) || text_at_list(&p->in, WORD_TYPE)) {
        return text_unexpected_list(&p->in, "type, param and result in this order");
    }
    TRY(!p->types.signature.failed || wat_no_memory(p));
    if (out->result_count != 0) {
        out->first_result = p->types.signature.at[out->param_count];
    }
    return true;
}

// Number of the signature at hand, in types.set. The key is the parameters, a zero byte, the
// results.
static bool intern_signature(Parser *p, u32 param_count, u32 *out) {
    TypeTable *types = &p->types;
    writer_clear(&p->scratch);
    write_bytes(&p->scratch, types->signature.at, param_count);
    write_u8(&p->scratch, 0);
    if (types->signature.count > param_count) {
        write_bytes(&p->scratch, types->signature.at + param_count,
                    types->signature.count - param_count);
    }
    TRY(!p->scratch.failed || wat_no_memory(p));
    const Str key = {(const char *)p->scratch.at, p->scratch.count};
    TRY(text_intern(&types->set, key, &p->arena, out) || wat_no_memory(p));
    if (*out == types->first.count) {
        TRY(vec_push(&types->first, ID_NONE) || wat_no_memory(p));
    }
    return true;
}

static bool add_type(Parser *p, u32 number, u32 param_count) {
    TypeTable *types = &p->types;
    const Str key = types->set.entries.at[number].text;
    if (types->first.at[number] == ID_NONE) {
        types->first.at[number] = (u32)types->list.count;
    }
    return vec_push(&types->list, (TypeText){key, param_count}) || wat_no_memory(p);
}

bool wat_take_type_definition(Parser *p) {
    TypeUse use = {0};
    u32 number;
    TRY(text_take_open(&p->in, WORD_FUNC));
    TRY(take_signature(p, NAMES_IGNORED, &use));
    TRY(intern_signature(p, use.param_count, &number));
    TRY(add_type(p, number, use.param_count));
    return text_take(&p->in, TOK_CLOSE, "')'");
}

bool wat_take_type_use(Parser *p, ParamNames names, TypeUse *out) {
    *out = (TypeUse){.has_index = text_at_list(&p->in, WORD_TYPE)};
    if (out->has_index) {
        TRY(text_take_open(&p->in, WORD_TYPE));
        TRY(wat_take_index(p, SPACE_TYPE, &out->index));
        TRY(text_take(&p->in, TOK_CLOSE, "')'"));
    }
    return take_signature(p, names, out);
}

// An index beside inline parameters or results must mean the same type.
static bool check_inline_type(Parser *p, const TypeUse *use, u32 number, const char *where) {
    if (use->index >= p->types.list.count) {
        return text_fail(&p->in.lex, where, "unknown type %u", use->index);
    }
    const TypeText *type = &p->types.list.at[use->index];
    if (type->types.at != p->types.set.entries.at[number].text.at) {
        return text_fail(&p->in.lex, where, "inline function type differs from type %u",
                         use->index);
    }
    return true;
}

bool wat_resolve_type_use(Parser *p, const TypeUse *use, u32 *out) {
    const bool is_inline = use->param_count + use->result_count != 0;
    *out = use->index;
    if (use->has_index && !is_inline) {
        return true;
    }
    u32 number;
    TRY(intern_signature(p, use->param_count, &number));
    if (use->has_index) {
        return check_inline_type(p, use, number, p->in.tok.start);
    }
    if (p->types.first.at[number] == ID_NONE) {
        TRY(add_type(p, number, use->param_count));
    }
    *out = p->types.first.at[number];
    return true;
}

bool wat_take_function_type(Parser *p, ParamNames names, Writer *out) {
    TypeUse use;
    u32 index;
    wat_open_scope(p);
    TRY(wat_take_type_use(p, names, &use));
    TRY(wat_resolve_type_use(p, &use, &index));
    // An unknown index alone is for the validator to refuse.
    p->local_count = index < p->types.list.count ? p->types.list.at[index].param_count : 0;
    emit_uleb(out, index);
    return true;
}

bool wat_take_block_type(Parser *p, Writer *out) {
    TypeUse use;
    u32 index;
    TRY(wat_take_type_use(p, NAMES_REFUSED, &use));
    if (!use.has_index && use.param_count == 0 && use.result_count <= 1) {
        emit_u8(out, use.result_count == 0 ? 0x40 : use.first_result);
        return true;
    }
    TRY(wat_resolve_type_use(p, &use, &index));
    write_sleb(out, index);
    return true;
}
