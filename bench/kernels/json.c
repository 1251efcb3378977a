// Branches on bytes: a JSON tokenizer with a nesting stack of its own, over a
// document made once. Numbers become values, strings hashes.
#include "kernel.h"

enum { BYTES = 1 << 18, MAX_DEPTH = 64 };
static char text[BYTES + 256];

static char *put_string(char *p, const char *s) {
    while (*s) {
        *p++ = *s++;
    }
    return p;
}

static char *put_number(char *p, u32 n) {
    char digits[12];
    u32 count = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (count > 0) {
        *p++ = digits[--count];
    }
    return p;
}

static void make_text(void) {
    u64 seed = 11;
    char *p = put_string(text, "[");
    while (p < text + BYTES - 256) {
        u64 r = kernel_random(&seed);
        p = put_string(p, "{\"id\": ");
        p = put_number(p, (u32)(r >> 40));
        p = put_string(p, ", \"name\": \"item \\\"");
        p = put_number(p, (u32)(r >> 52));
        p = put_string(p, (r & 1) ? "\\\"\", \"ok\": true, " : "\\u00e9\", \"ok\": false, ");
        p = put_string(p, "\"at\": [-1.5e3, 0.25, null, [");
        p = put_number(p, (u32)(r >> 44));
        p = put_string(p, "]]},\n  ");
    }
    put_string(p, "null]");
}

typedef struct {
    const char *p;
    u64 hash;
    u32 tokens;
    u32 depth;
    char nesting[MAX_DEPTH];
} Lexer;

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void lex_string(Lexer *lex) {
    u32 hash = 5381;
    for (lex->p++; *lex->p != '"'; lex->p++) {
        if (*lex->p == '\\') {
            lex->p++;
        }
        hash = hash * 33 + (u8)*lex->p;
    }
    lex->p++;
    lex->hash = kernel_mix(lex->hash, hash);
}

static void lex_number(Lexer *lex) {
    int is_negative = *lex->p == '-';
    lex->p += is_negative;
    double value = 0;
    for (; is_digit(*lex->p); lex->p++) {
        value = value * 10 + (*lex->p - '0');
    }
    if (*lex->p == '.') {
        double scale = 0.1;
        for (lex->p++; is_digit(*lex->p); lex->p++, scale /= 10) {
            value += (*lex->p - '0') * scale;
        }
    }
    if (*lex->p == 'e') {
        u32 exponent = 0;
        for (lex->p++; is_digit(*lex->p); lex->p++) {
            exponent = exponent * 10 + (u32)(*lex->p - '0');
        }
        for (; exponent > 0; exponent--) {
            value *= 10;
        }
    }
    lex->hash = kernel_mix(lex->hash, kernel_bits(is_negative ? -value : value));
}

static void lex_word(Lexer *lex) {
    while (*lex->p >= 'a' && *lex->p <= 'z') {
        lex->hash = lex->hash * 31 + (u8)*lex->p++;
    }
}

static int lex_close(Lexer *lex, char open) {
    lex->p++;
    return lex->depth > 0 && lex->nesting[--lex->depth] == open;
}

static int lex_open(Lexer *lex) {
    if (lex->depth == MAX_DEPTH) {
        return 0;
    }
    lex->nesting[lex->depth++] = *lex->p++;
    return 1;
}

static NOINLINE int lex_all(Lexer *lex) {
    for (int is_good = 1; is_good; lex->tokens++) {
        while (*lex->p == ' ' || *lex->p == '\n' || *lex->p == ',' || *lex->p == ':') {
            lex->p++;
        }
        switch (*lex->p) {
        case '\0': return lex->depth == 0;
        case '{':
        case '[': is_good = lex_open(lex); break;
        case '}': is_good = lex_close(lex, '{'); break;
        case ']': is_good = lex_close(lex, '['); break;
        case '"': lex_string(lex); break;
        case 't':
        case 'f':
        case 'n': lex_word(lex); break;
        default: lex_number(lex); break;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    u64 sum = 0;
    make_text();
    for (u32 n = kernel_repeats(argc, argv, 250); n > 0; n--) {
        Lexer lex = {.p = text, .hash = n};
        int is_good = lex_all(&lex);
        sum = kernel_mix(sum, lex.hash + lex.tokens + (u64)is_good);
    }
    return kernel_report("json", sum);
}
