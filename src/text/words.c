// Open addressing with linear probing. The hash mixes length, first and last eight bytes: words
// that agree in these are told apart by the comparison.
#include "text/words.h"

#include "base/check.h"

typedef struct WordText {
    const char *at;
    u32 count;
    u32 type; // ValType, VAL_NONE if it is none
} WordText;

static const WordText WORDS[WORD_COUNT] = {
#define OPCODE(name, prefix, code, text, imm, params, results, width, feature)                     \
    [OP_##name] = {text, sizeof(text) - 1, VAL_NONE},
#include "wasm/opcodes.def"
#undef OPCODE
#define VALTYPE(name, code, binary, text, bytes, is_float)                                         \
    [WORD_VAL_##name] = {text, sizeof(text) - 1, VAL_##name},
#include "types/valtypes.def"
#undef VALTYPE
#define WORD(name, text) [WORD_##name] = {text, sizeof(text) - 1, VAL_NONE},
#include "text/words.def"
#undef WORD
};

_Static_assert(WORD_COUNT * 3 <= WORD_SLOTS, "a sparse table: short probes");

static u32 hash_of(Str text) {
    u64 first = 0, last = 0;
    if (text.count >= 8) {
        first = load_u64(text.at);
        last = load_u64(text.at + text.count - 8);
    } else {
        memcpy(&first, text.at, text.count);
    }
    const u64 mixed = (first ^ (last << 3 | last >> 61) ^ text.count) * 0x9E3779B97F4A7C15u;
    return (u32)(mixed >> 32) & (WORD_SLOTS - 1);
}

void text_words_init(Words *words) {
    memset(words, 0, sizeof *words);
    for (u32 i = 0; i < WORD_COUNT; i++) {
        u32 slot = hash_of((Str){WORDS[i].at, WORDS[i].count});
        while (words->slots[slot] != 0) {
            slot = (slot + 1) & (WORD_SLOTS - 1);
        }
        words->slots[slot] = (u16)(i + 1);
    }
}

Word text_word_of(const Words *words, Str text) {
    u32 slot = hash_of(text);
    for (; words->slots[slot] != 0; slot = (slot + 1) & (WORD_SLOTS - 1)) {
        const u32 word = words->slots[slot] - 1u;
        if (WORDS[word].count == text.count && memcmp(WORDS[word].at, text.at, text.count) == 0) {
            return (Word)word;
        }
    }
    return WORD_NONE;
}

ValType text_word_type(Word word) {
    return (u32)word < WORD_COUNT ? (ValType)WORDS[word].type : VAL_NONE;
}

const char *text_word_text(Word word) {
    assert((u32)word < WORD_COUNT);
    return WORDS[word].at;
}
