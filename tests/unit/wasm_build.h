// Small binary modules for tests, from hexadecimal text. Blanks in it are ignored.
#ifndef TESTS_UNIT_WASM_BUILD_H
#define TESTS_UNIT_WASM_BUILD_H

#include <stdio.h>

#include "base/arena.h"
#include "wasm/decode.h"
#include "wasm/validate.h"

typedef struct Build {
    u8 at[1 << 14];
    usize count;
} Build;

static inline u32 hex_digit(char c) {
    return (u32)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static inline void build_byte(Build *b, u32 byte) {
    if (b->count < sizeof b->at) {
        b->at[b->count++] = (u8)byte;
    }
}

static inline void build_hex(Build *b, const char *hex) {
    for (const char *p = hex; *p != 0;) {
        if (*p == ' ' || *p == '\n') {
            p++;
        } else {
            build_byte(b, hex_digit(p[0]) << 4 | hex_digit(p[1]));
            p += 2;
        }
    }
}

static inline void build_uleb(Build *b, u32 value) {
    for (; value >= 0x80; value >>= 7) {
        build_byte(b, (value & 0x7F) | 0x80);
    }
    build_byte(b, value);
}

static inline void build_bytes(Build *b, const Build *part) {
    for (usize i = 0; i < part->count; i++) {
        build_byte(b, part->at[i]);
    }
}

static inline void build_section(Build *b, u32 id, const Build *contents) {
    build_byte(b, id);
    build_uleb(b, (u32)contents->count);
    build_bytes(b, contents);
}

static inline void build_section_hex(Build *b, u32 id, const char *hex) {
    Build contents = {.count = 0};
    build_hex(&contents, hex);
    build_section(b, id, &contents);
}

static inline void build_header(Build *b) {
    b->count = 0;
    build_hex(b, "0061736d 01000000");
}

// A decoded module and what became of it.
typedef struct Loaded {
    Arena arena;
    Module module;
    Validator *validator;
    Error err;
    bool ok;
} Loaded;

static inline void loaded_close(Loaded *loaded) {
    validator_delete(loaded->validator);
    arena_deinit(&loaded->arena);
}

// Decodes, and validates all bodies.
static inline void loaded_open(Loaded *loaded, const Build *b) {
    arena_init(&loaded->arena);
    loaded->validator = NULL;
    loaded->err = ERROR_INIT;
    loaded->ok = wasm_decode(&loaded->module, &loaded->arena, b->at, b->count, &loaded->err);
    if (!loaded->ok) {
        return;
    }
    const Module *m = &loaded->module;
    loaded->validator = validator_new(m);
    for (u32 i = m->func_import_count; loaded->ok && i < m->func_count; i++) {
        loaded->ok = validate_func(loaded->validator, i, NULL, &loaded->err);
    }
}

#endif
