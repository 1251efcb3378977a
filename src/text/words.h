// Words of the text format: one dense id for each opcode, value type and row of words.def.
#ifndef TEXT_WORDS_H
#define TEXT_WORDS_H

#include "base/str.h"
#include "wasm/opcode.h"

// The first OP_COUNT ids are those of enum Opcode.
typedef enum Word {
    WORD_OPCODES_END = OP_COUNT - 1,
#define VALTYPE(name, code, binary, text, bytes, is_float) WORD_VAL_##name,
#include "types/valtypes.def"
#undef VALTYPE
#define WORD(name, text) WORD_##name,
#include "text/words.def"
#undef WORD
    WORD_COUNT,
    WORD_NONE
} Word;

enum { WORD_SLOTS = 2048 }; // a power of two, several times WORD_COUNT

// A hash table over the words, made once a parse or script; 4 KB.
typedef struct Words {
    u16 slots[WORD_SLOTS]; // word + 1, 0: free
} Words;

void text_words_init(Words *words);

// The word written as `text`, or WORD_NONE. Where two opcodes are written alike ("select"), the
// first row of the table. O(1).
Word text_word_of(const Words *words, Str text);

static inline bool text_word_is_opcode(Word word) { return (u32)word < OP_COUNT; }

// The value type a word names, or VAL_NONE.
ValType text_word_type(Word word);

const char *text_word_text(Word word);

#endif
