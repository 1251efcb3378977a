#include "wasm/later.h"

typedef enum Kind { LATER_OPCODE, LATER_TYPE, LATER_SECTION } Kind;

static const struct {
    Kind kind;
    u8 first, last;
    const char *what;
} RANGES[] = {
#define LATER(kind, first, last, what) {LATER_##kind, first, last, what},
#include "wasm/later.def"
#undef LATER
};

static const char *find(Kind kind, u8 byte) {
    for (usize i = 0; i < COUNT_OF(RANGES); i++) {
        if (RANGES[i].kind == kind && byte >= RANGES[i].first && byte <= RANGES[i].last) {
            return RANGES[i].what;
        }
    }
    return NULL;
}

const char *later_opcode(u8 byte) { return find(LATER_OPCODE, byte); }

const char *later_type(u8 byte) { return find(LATER_TYPE, byte); }

const char *later_section(u8 id) { return find(LATER_SECTION, id); }
