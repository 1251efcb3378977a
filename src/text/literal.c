#include "text/literal.h"

#include "base/check.h"
#include "text/number.h"

enum { MAX_LANES = 16 };

typedef struct ShapeInfo {
    u8 lanes, bits;
    bool is_float;
} ShapeInfo;

static const ShapeInfo SHAPES[] = {
    [SHAPE_I8X16] = {16, 8, false}, [SHAPE_I16X8] = {8, 16, false}, [SHAPE_I32X4] = {4, 32, false},
    [SHAPE_I64X2] = {2, 64, false}, [SHAPE_F32X4] = {4, 32, true},  [SHAPE_F64X2] = {2, 64, true},
};

_Static_assert((int)WORD_F64X2 - (int)WORD_I8X16 == (int)SHAPE_F64X2, "one order in both tables");

u32 text_shape_lanes(Shape shape) { return SHAPES[shape].lanes; }

static bool is_integer(const Token *tok) { return tok->kind == TOK_NAT || tok->kind == TOK_INT; }
static bool is_number(const Token *tok) { return is_integer(tok) || tok->kind == TOK_FLOAT; }

static NanKind nan_kind(const Token *tok) {
    if (tok->kind != TOK_WORD) {
        return NAN_NONE;
    }
    return tok->word == WORD_NAN_CANONICAL    ? NAN_CANONICAL
           : tok->word == WORD_NAN_ARITHMETIC ? NAN_ARITHMETIC
                                              : NAN_NONE;
}

bool text_take_nat(Cursor *in, u64 max, const char *type, u64 *out) {
    if (in->tok.kind != TOK_NAT) {
        return text_unexpected(in, "a natural number");
    }
    if (!text_nat_of(in->tok.text, max, out)) {
        return text_fail(&in->lex, in->tok.start, "%s constant out of range: %s", type,
                         text_printable(&in->tok).at);
    }
    return text_advance(in);
}

bool text_take_u32(Cursor *in, u32 *out) {
    u64 value = 0;
    TRY(text_take_nat(in, UINT32_MAX, "i32", &value));
    *out = (u32)value;
    return true;
}

// Bits of a number token; false if out of range.
static bool number_bits(const Token *tok, bool is_float, u32 bits, u64 *out) {
    if (!is_float) {
        return text_int_of(tok->text, bits, out);
    }
    if (bits == 64) {
        return text_f64_of(tok->text, out);
    }
    u32 low;
    TRY(text_f32_of(tok->text, &low));
    *out = low;
    return true;
}

static bool out_of_range(const Cursor *in, const Token *tok) {
    return text_fail(&in->lex, tok->start, "constant out of range: %s", text_printable(tok).at);
}

bool text_take_number(Cursor *in, ValType type, u64 *out) {
    assert(val_is_num(type));
    const bool is_float = val_is_float(type);
    if (!is_number(&in->tok) || (!is_float && !is_integer(&in->tok))) {
        return text_unexpected(in, is_float ? "a number" : "an integer");
    }
    const u32 bits = type == VAL_I64 || type == VAL_F64 ? 64 : 32;
    if (!number_bits(&in->tok, is_float, bits, out)) {
        return out_of_range(in, &in->tok);
    }
    return text_advance(in);
}

bool text_take_pattern(Cursor *in, ValType type, u64 *out, NanKind *nan) {
    *nan = val_is_float(type) ? nan_kind(&in->tok) : NAN_NONE;
    if (*nan == NAN_NONE) {
        return text_take_number(in, type, out);
    }
    *out = 0;
    return text_advance(in);
}

// Collects the lanes first: their number is complained about before their values.
static bool take_lanes(Cursor *in, const ShapeInfo *info, bool accepts_nan, Token *lanes) {
    u32 count = 0;
    const Token first = in->tok;
    while (is_number(&in->tok) || (accepts_nan && nan_kind(&in->tok) != NAN_NONE)) {
        if (!info->is_float && !is_integer(&in->tok)) {
            return text_unexpected(in, "an integer");
        }
        if (count < info->lanes) {
            lanes[count] = in->tok;
        }
        count++;
        TRY(text_advance(in));
    }
    if (in->tok.kind == TOK_RESERVED) {
        return text_unexpected(in, NULL);
    }
    if (count != info->lanes) {
        return text_fail(&in->lex, first.start,
                         "wrong number of lane literals: %u, expected %u", count, info->lanes);
    }
    return true;
}

static void set_lane(VectorLiteral *vector, u32 first_bit, u64 value) {
    u64 *half = first_bit < 64 ? &vector->low : &vector->high;
    *half |= value << (first_bit % 64);
}

bool text_take_vector(Cursor *in, bool accepts_nan, VectorLiteral *out) {
    Token lanes[MAX_LANES] = {0};
    *out = (VectorLiteral){0};
    const Word word = in->tok.kind == TOK_WORD ? (Word)in->tok.word : WORD_NONE;
    if (word < WORD_I8X16 || word > WORD_F64X2) {
        return text_unexpected(in, "a lane shape");
    }
    out->shape = (Shape)(word - WORD_I8X16);
    const ShapeInfo *info = &SHAPES[out->shape];
    TRY(text_advance(in));
    TRY(take_lanes(in, info, accepts_nan, lanes));
    for (u32 i = 0; i < info->lanes; i++) {
        const NanKind nan = nan_kind(&lanes[i]);
        u64 value = 0;
        if (nan != NAN_NONE) {
            out->nan[i] = (u8)nan; // only float shapes, of at most four lanes
        } else if (!number_bits(&lanes[i], info->is_float, info->bits, &value)) {
            return out_of_range(in, &lanes[i]);
        }
        set_lane(out, i * info->bits, value);
    }
    return true;
}
