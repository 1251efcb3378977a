// Validator: verdict, message and offset of bodies, one rule a row, and what it says about a body
// as a whole. Locals and loops: wasm_facts.c.
#include "test.h"
#include "types/limits.h"
#include "unit/wasm_build.h"

#define MALFORMED IMAGO_ERROR_MALFORMED
#define INVALID IMAGO_ERROR_INVALID
#define LIMIT IMAGO_ERROR_LIMIT
#define VALID IMAGO_ERROR_NONE

typedef struct Case {
    const char *body; // locals, instructions, end
    ErrorCode code;
    const char *text; // what the message begins with
    u64 offset;       // in the body
} Case;

// A module with something of everything. Types: 0 () -> (), 1 (i32) -> i32, 2 () -> (i32 i64),
// 3 (i32 i64) -> (i32 i64), 4 () -> v128. Functions: 0 imported and 1 exported, of type 0; 2, the
// one with the body, of type 1; 3 of type 0 and declared nowhere; 4 of type 4. Tables: 0 funcref,
// 1 externref, 2 funcref. Globals: 0 i32, 1 mutable i64, 2 v128. Segments: elements 0 funcref, 1
// externref; data 0.
static void build_world(Build *b, const char *body_hex, bool has_data_count) {
    Build body = {.count = 0};
    build_hex(&body, body_hex);
    build_header(b);
    build_section_hex(b, 1, "05 600000 60017f017f 6000027f7e 60027f7e027f7e 6000017b");
    build_section_hex(b, 2, "01 00 00 0000");
    build_section_hex(b, 3, "04 00 01 00 04");
    build_section_hex(b, 4, "03 700001 6f0001 700001");
    build_section_hex(b, 5, "01 0001");
    build_section_hex(b, 6, "03 7f0041000b 7e0142000b 7b00fd0c00000000000000000000000000000000 0b");
    build_section_hex(b, 7, "01 0166 0001");
    build_section_hex(b, 9, "02 01 00 00  05 6f 00");
    if (has_data_count) {
        build_section_hex(b, 12, "01");
    }
    Build code = {.count = 0};
    build_hex(&code, "04 02 000b");
    build_uleb(&code, (u32)body.count);
    build_bytes(&code, &body);
    build_hex(&code, "02 000b  03 00 000b"); // the last one is `unreachable`
    build_section(b, 10, &code);
    build_section_hex(b, 11, "01 01 00");
}

static u32 body_start(const Module *m) { return m->funcs[2].body_offset; }

static void check_module(const Case *c, const Build *b) {
    Loaded loaded;
    loaded_open(&loaded, b);
    const Error *err = &loaded.err;
    const bool is_valid = c->code == VALID;
    const u64 offset = is_valid ? 0 : err->offset - body_start(&loaded.module);
    if (err->code != c->code || strncmp(err->text, c->text, strlen(c->text)) != 0 ||
        (!is_valid && (offset != c->offset || err->func_index != 2))) {
        TEST_FAIL("%s: %s at %llu, function %u: \"%s\"", c->body, error_name(err->code),
                  (unsigned long long)offset, err->func_index, err->text);
    }
    loaded_close(&loaded);
}

// The validator walks faster where there are some bytes behind the body.
static void check(const Case *c, bool has_data_count) {
    static Build b;
    build_world(&b, c->body, has_data_count);
    check_module(c, &b);
    build_section_hex(&b, 0, "01 61 00000000000000000000000000000000");
    check_module(c, &b);
}

static void check_all(const Case *cases, usize count) {
    for (usize i = 0; i < count; i++) {
        check(&cases[i], true);
    }
}

TEST(bodies) {
    static const Case CASES[] = {
        {"00 2000 0b", VALID, "", 0},
        {"00 41000b", VALID, "", 0},
        {"", MALFORMED, "unexpected end of section or function", 0},
        {"00", MALFORMED, "unexpected end of section or function", 1},
        {"00 2000", MALFORMED, "unexpected end of section or function", 3},
        {"00 2000 0240 0b", MALFORMED, "unexpected end of section or function: 1 blocks", 6},
        {"00 2000 0b 0b", MALFORMED, "section size mismatch: 1 bytes", 4},
        {"00 410b", MALFORMED, "unexpected end of section or function", 3},
        {"00 0b", INVALID, "type mismatch: expected i32, found nothing", 1},
        {"00 42000b", INVALID, "type mismatch: expected i32, found i64", 3},
        {"00 41004100 0b", INVALID, "type mismatch: 1 values remain", 5},
        {"00 ff 0b", MALFORMED, "illegal opcode 0xff", 1},
        {"00 fc12 0b", MALFORMED, "illegal opcode 0xfc (code 0x12)", 1},
        {"00 fd9a01 0b", MALFORMED, "illegal opcode 0xfd (code 0x9a)", 1},
        {"00 fd808080808000 0b", MALFORMED, "integer representation too long", 6},
        {"00 1200 0b", INVALID, "opcode 0x12 needs tail calls", 1},
        {"00 4180808080 8000 0b", MALFORMED, "integer representation too long", 6},
        {"00 4180808080 70 0b", MALFORMED, "integer too large", 6},
        {"00 41ffffffff 0f 0b", MALFORMED, "integer too large", 6},
        {"00 4180808080 78 0b", VALID, "", 0},
        {"00 43000000 0b", MALFORMED, "unexpected end of section or function", 6},
    };
    check_all(CASES, COUNT_OF(CASES));
}

TEST(locals) {
    static const Case CASES[] = {
        {"02 017f 027e 2000 0b", VALID, "", 0},
        {"02 007f 017c 44000000000000000021012000 0b", VALID, "", 0},
        {"01 017f 2002 0b", INVALID, "unknown local 2: the function has 2", 3},
        {"01 c8017f 20c901 0b", INVALID, "unknown local 201: the function has 201", 4},
        {"01 c8017f 20c801 0b", VALID, "", 0},
        {"01 0140 2000 0b", MALFORMED, "malformed value type 0x40", 2},
        {"01 0163 2000 0b", INVALID, "value type 0x63 needs typed function references", 2},
        {"01 cf86037f 2000 0b", VALID, "", 0},                                // 49,999
        {"01 d086037f 2000 0b", LIMIT, "too many locals: 50001", 0},          // and a parameter
        {"02 ffffffff0f7f 017f 2000 0b", MALFORMED, "too many locals", 7},
        {"01 017e 2000 2101 2000 0b", INVALID, "type mismatch: expected i64, found i32", 5},
        {"01 017e 2000 2201 0b", INVALID, "type mismatch: expected i64, found i32", 5},
        {"01 017b 2000 2101 2000 0b", INVALID, "type mismatch: expected v128, found i32", 5},
        {"03 017e 017d 017c 2003 1a 2001 a7 0b", VALID, "", 0},
        {"03 017e 017d 017c 2002 a7 0b", INVALID, "type mismatch: expected i64, found f32", 9},
    };
    check_all(CASES, COUNT_OF(CASES));
}

TEST(control) {
    static const Case CASES[] = {
        {"00 0240 0b 2000 0b", VALID, "", 0},
        {"00 027f 2000 0b 0b", VALID, "", 0},
        {"00 027f 0b 0b", INVALID, "type mismatch: expected i32, found nothing", 3},
        {"00 0279 0b 0b", MALFORMED, "malformed block type 0x79", 2},
        {"00 0264 0b 0b", INVALID, "block type 0x64 needs typed function references", 2},
        {"00 02ff7f 0b 0b", MALFORMED, "integer representation too long", 2},
        {"00 0205 0b 0b", INVALID, "unknown type 5", 2},
        {"00 0202 41004200 0b 1a 0b", VALID, "", 0},
        {"00 41004200 0303 0b 1a 0b", VALID, "", 0},
        {"00 4100 0303 0b 1a 0b", INVALID, "type mismatch: expected i64, found i32", 3},
        {"00 05 0b", MALFORMED, "unexpected else", 1},
        {"00 2000 0440 05 05 0b 2000 0b", MALFORMED, "unexpected else", 6},
        {"00 2000 047f 4100 05 4101 0b 0b", VALID, "", 0},
        {"00 2000 047f 4100 0b 0b", INVALID, "type mismatch: if without else", 7},
        {"00 2000 2000 0401 0b 0b", VALID, "", 0},
        {"00 0440 0b 2000 0b", INVALID, "type mismatch: expected i32, found nothing", 1},
        {"00 0c02 0b", INVALID, "unknown label 2: there are 1", 2},
        {"00 2000 0c00 0b", VALID, "", 0},
        {"00 0c00 0b", INVALID, "type mismatch: expected i32, found nothing", 1},
        {"00 2000 2000 0d00 0b", VALID, "", 0},
        {"00 2000 0d00 0b", INVALID, "type mismatch: expected i32, found nothing", 3},
        {"00 0340 2000 0d00 0b 2000 0b", VALID, "", 0},
        {"00 0f 0b", INVALID, "type mismatch: expected i32, found nothing", 1},
        {"00 2000 0f 0b", VALID, "", 0},
        {"00 0240 2000 0e010000 0b 2000 0b", VALID, "", 0},
        {"00 0240 2000 0e010001 0b 2000 0b", INVALID, "type mismatch: labels of 0 and 1", 8},
        {"00 0240 2000 0e010002 0b 2000 0b", INVALID, "unknown label 2", 8},
        {"00 2000 0e7f 0b", MALFORMED, "unexpected end of section or function", 6},
        {"00 2000 1001 0b", VALID, "", 0},
        {"00 1005 0b", INVALID, "unknown function 5", 2},
        {"00 1002 0b", INVALID, "type mismatch: expected i32, found nothing", 1},
        {"00 2000 2000 110100 0b", VALID, "", 0},
        {"00 2000 2000 110101 0b", INVALID, "type mismatch: expected a table of funcref", 5},
        {"00 2000 110600 0b", INVALID, "unknown type 6", 4},
        {"00 2000 110103 0b", INVALID, "unknown table 3", 5},
    };
    check_all(CASES, COUNT_OF(CASES));
}

// Behind an unconditional branch operands of any type and number are there, but not less typed
// than they are pushed.
TEST(dead_code) {
    static const Case CASES[] = {
        {"00 00 0b", VALID, "", 0},
        {"00 00 6a 0b", VALID, "", 0},
        {"00 00 4200 6a 0b", INVALID, "type mismatch: expected i32, found i64", 4},
        {"00 00 a0 0b", INVALID, "type mismatch: expected i32, found f64", 3},
        {"00 00 1b 0b", VALID, "", 0},
        {"00 00 1b 6a 0b", VALID, "", 0},
        {"00 00 1b a0 a7 0b", INVALID, "type mismatch: expected i64, found f64", 4},
        {"00 00 4100 1b 7c 0b", INVALID, "type mismatch", 6},
        {"00 00 42004100 1b 0b", INVALID, "type mismatch: expected i32, found i64", 7},
        {"00 00 d1 0b", VALID, "", 0},
        {"00 00 41004100 0b", INVALID, "type mismatch: 1 values remain", 6},
        {"00 00 0240 0b 0b", VALID, "", 0},
        {"00 00 0240 6a 0b 0b", INVALID, "type mismatch: expected i32, found nothing", 4},
        {"00 0240 00 0b 0b", INVALID, "type mismatch: expected i32, found nothing", 5},
        {"00 2000 0440 00 05 0b 2000 0b", VALID, "", 0},
        {"00 00 44000000000000000021000b", INVALID, "type mismatch: expected i32, found f64", 11},
        {"00 027f 00 0e010001 0b 0b", VALID, "", 0},
        {"00 027e 00 0e010001 0b a7 0b", VALID, "", 0},
        {"00 027e 00 1b 0e010001 0b a7 0b", VALID, "", 0},
        {"00 0240 00 0e010001 0b 2000 0b", INVALID, "type mismatch: labels of 0 and 1", 7},
        // br_if gives the unknown operand the label's type; br takes one of the wrong type.
        {"00 00 0d00 a7 0b", INVALID, "type mismatch: expected i64, found i32", 4},
        {"00 2000 0c00 4200 0c00 0b", INVALID, "type mismatch: expected i32, found i64", 7},
    };
    check_all(CASES, COUNT_OF(CASES));
}

TEST(operands) {
    static const Case CASES[] = {
        {"00 2000 2000 6a 0b", VALID, "", 0},
        {"00 2000 6a 0b", INVALID, "type mismatch: expected i32, found nothing", 3},
        {"00 2000 4200 6a 0b", INVALID, "type mismatch: expected i32, found i64", 5},
        {"00 4200 2000 6a 0b", INVALID, "type mismatch: expected i32, found i64", 5},
        {"00 1a 0b", INVALID, "type mismatch: expected an operand, found nothing", 1},
        {"00 4100 4200 4100 1b 0b", INVALID, "type mismatch: select between i32 and i64", 7},
        {"00 d070 d070 4100 1b 0b", INVALID, "type mismatch: select without a type", 7},
        {"00 d070 d070 4100 1c0170 d1 0b", VALID, "", 0},
        {"00 4100 4100 4100 1c00 0b", INVALID, "invalid result arity 0", 8},
        {"00 4100 4100 4100 1c027f7f 0b", INVALID, "invalid result arity 2", 8},
        {"00 2000 d1 0b", INVALID, "type mismatch: expected a reference, found i32", 3},
        {"00 d07f 0b", MALFORMED, "malformed reference type 0x7f", 2},
        {"00 d201 d1 0b", VALID, "", 0},
        {"00 d203 d1 0b", INVALID, "undeclared function reference: 3", 1},
        {"00 d205 d1 0b", INVALID, "unknown function 5", 2},
        {"00 2300 0b", VALID, "", 0},
        {"00 2303 0b", INVALID, "unknown global 3", 2},
        {"00 2000 2400 2000 0b", INVALID, "global is immutable", 3},
        {"00 4200 2401 2000 0b", VALID, "", 0},
        {"00 2000 2401 2000 0b", INVALID, "type mismatch: expected i64, found i32", 3},
    };
    check_all(CASES, COUNT_OF(CASES));
}

TEST(memory) {
    static const Case CASES[] = {
        {"00 2000 280200 0b", VALID, "", 0},
        {"00 2000 2802ffffffff0f 0b", VALID, "", 0},
        {"00 2000 2802ffffffff1f 0b", MALFORMED, "integer too large", 9},
        {"00 2000 2802808080808000 0b", MALFORMED, "integer representation too long", 9},
        {"00 2000 280300 0b", INVALID, "alignment must not be larger than natural", 4},
        {"00 2000 282000 0b", MALFORMED, "malformed memop flags 0x20", 4},
        {"00 2000 2d0100 0b", INVALID, "alignment must not be larger than natural", 4},
        {"00 4200 280200 0b", INVALID, "type mismatch: expected i32, found i64", 3},
        {"00 2000 4200 370300 2000 0b", VALID, "", 0},
        {"00 2000 2000 370300 2000 0b", INVALID, "type mismatch: expected i64, found i32", 5},
        {"00 3f00 0b", VALID, "", 0},
        {"00 3f01 0b", MALFORMED, "zero byte expected", 2},
        {"00 2000 408000 0b", MALFORMED, "zero byte expected", 4},
        {"00 410041004100 fc080000 2000 0b", VALID, "", 0},
        {"00 410041004100 fc080100 2000 0b", INVALID, "unknown data segment 1", 9},
        {"00 fc0900 2000 0b", VALID, "", 0},
        {"00 410041004100 fc0a0000 2000 0b", VALID, "", 0},
        {"00 410041004100 fc0b00 2000 0b", VALID, "", 0},
        {"00 41004100 fc0b00 2000 0b", INVALID, "type mismatch: expected i32, found nothing", 5},
    };
    check_all(CASES, COUNT_OF(CASES));
    static const Case NO_COUNT[] = {
        {"00 410041004100 fc080000 2000 0b", MALFORMED, "data count section required", 7},
        {"00 fc0900 2000 0b", MALFORMED, "data count section required", 1},
    };
    for (usize i = 0; i < COUNT_OF(NO_COUNT); i++) {
        check(&NO_COUNT[i], false);
    }
}

TEST(tables) {
    static const Case CASES[] = {
        {"00 2000 2500 d1 0b", VALID, "", 0},
        {"00 2000 2503 d1 0b", INVALID, "unknown table 3", 4},
        {"00 2000 d06f 2601 2000 0b", VALID, "", 0},
        {"00 2000 d070 2601 2000 0b", INVALID, "type mismatch: expected externref", 5},
        {"00 d070 2000 fc0f00 0b", VALID, "", 0},
        {"00 fc1001 0b", VALID, "", 0},
        {"00 2000 d070 2000 fc1100 2000 0b", VALID, "", 0},
        {"00 410041004100 fc0c0000 2000 0b", VALID, "", 0},
        {"00 410041004100 fc0c0100 2000 0b", INVALID, "type mismatch: externref elements", 7},
        {"00 410041004100 fc0c0200 2000 0b", INVALID, "unknown elem segment 2", 9},
        {"00 410041004100 fc0e0002 2000 0b", VALID, "", 0},
        {"00 410041004100 fc0e0001 2000 0b", INVALID, "type mismatch: externref elements", 7},
        {"00 fc0d01 2000 0b", VALID, "", 0},
        {"00 fc0d02 2000 0b", INVALID, "unknown elem segment 2", 3},
    };
    check_all(CASES, COUNT_OF(CASES));
}

TEST(vectors) {
    static const Case CASES[] = {
        {"00 2000 fd11 fd1b03 0b", VALID, "", 0},
        {"00 2000 fd11 fd1b04 0b", INVALID, "invalid lane index 4, expected less than 4", 7},
        {"00 2000 fd000400 fd53 0b", VALID, "", 0},
        {"00 2000 fd000500 fd53 0b", INVALID, "alignment must not be larger than natural", 5},
        {"00 2000 2000 fd0f fd55010007 fd53 0b", VALID, "", 0},
        {"00 2000 2000 fd0f fd55010008 fd53 0b", INVALID, "invalid lane index 8", 11},
        {"00 2000 fd0f 2000 fd0f fd0d 000102030405060708090a0b0c0d0e1f fd53 0b", VALID, "", 0},
        {"00 2000 fd0f 2000 fd0f fd0d 000102030405060708090a0b0c0d0e20 fd53 0b", INVALID,
         "invalid lane index 32", 26},
        {"00 2000 fd0f fd4d fd53 0b", VALID, "", 0},
        {"00 2000 fd4d fd53 0b", INVALID, "type mismatch: expected v128, found i32", 3},
        {"00 2000 fd0f fd52 fd53 0b", INVALID, "type mismatch: expected v128, found nothing", 5},
        {"00 2302 fd53 0b", VALID, "", 0},
    };
    check_all(CASES, COUNT_OF(CASES));
}

static FuncFacts facts_of(Loaded *loaded, const char *body) {
    static Build b;
    build_world(&b, body, true);
    loaded_open(loaded, &b);
    FuncFacts facts = {.stamp = 0};
    if (!loaded->ok || !validate_func(loaded->validator, 2, &facts, &loaded->err)) {
        TEST_FAIL("%s: %s", body, loaded->err.text);
    }
    return facts;
}

TEST(whole_body) {
    static const struct {
        const char *body;
        u32 max_stack, max_control;
        bool has_call, has_foreign_call, has_builtin;
    } CASES[] = {
        {"00 2000 0b", 1, 1, false, false, false},
        {"00 2000 2000 2000 6a 6a 0b", 3, 1, false, false, false},
        {"00 0240 0240 0b 0b 2000 0b", 1, 3, false, false, false},
        {"00 1001 2000 0b", 1, 1, true, false, false},
        {"00 1000 2000 0b", 1, 1, true, true, false},
        {"00 2000 2000 110100 0b", 2, 1, true, true, false},
        {"00 2000 4000 0b", 1, 1, false, false, true},
        {"00 3f00 0b", 1, 1, false, false, false},
        {"00 fc0900 2000 0b", 1, 1, false, false, true},
        {"00 fc0d00 2000 0b", 1, 1, false, false, true},
        {"00 d070 2000 fc0f00 0b", 2, 1, false, false, true},
        {"00 fc1000 0b", 1, 1, false, false, false},
        {"00 2000 d070 2000 fc1100 2000 0b", 3, 1, false, false, true},
        {"00 2000 2500 d1 0b", 1, 1, false, false, true}, // the runtime may have to make it
        {"00 2000 2501 d1 0b", 1, 1, false, false, false},
        {"00 41004200 0303 0b 1a 0b", 2, 2, false, false, false},
        // In dead code: pushed by br_if, an unknown operand between known ones.
        {"00 00 1b 4100 4100 1a 1a 1a 0b", 3, 1, false, false, false},
    };
    for (usize i = 0; i < COUNT_OF(CASES); i++) {
        Loaded loaded;
        const FuncFacts facts = facts_of(&loaded, CASES[i].body);
        EXPECT_EQ(facts.max_stack, CASES[i].max_stack);
        EXPECT_EQ(facts.max_control, CASES[i].max_control);
        EXPECT_EQ(facts.has_call, CASES[i].has_call);
        EXPECT_EQ(facts.has_foreign_call, CASES[i].has_foreign_call);
        EXPECT_EQ(facts.has_builtin, CASES[i].has_builtin);
        EXPECT(!facts.has_simd);
        EXPECT_EQ(facts.local_count, 1);
        loaded_close(&loaded);
    }
}

TEST(simd_is_seen) {
    static const struct {
        const char *body;
        u32 offset; // in the body
    } CASES[] = {
        {"00 2000 fd11 fd1b03 0b", 3},
        {"01 017b 2000 0b", 0},
        {"00 2302 1a 2000 0b", 1},
        {"00 027b 2302 0b 1a 2000 0b", 1},
        {"00 0204 2302 0b 1a 2000 0b", 1},
        {"00 2000 1004 1a 0b", 3},
    };
    for (usize i = 0; i < COUNT_OF(CASES); i++) {
        Loaded loaded;
        const FuncFacts facts = facts_of(&loaded, CASES[i].body);
        EXPECT(facts.has_simd);
        EXPECT_EQ(facts.simd_offset - body_start(&loaded.module), CASES[i].offset);
        loaded_close(&loaded);
    }
}

TEST(used_tables) {
    static const struct {
        const char *body;
        u64 tables;
    } CASES[] = {
        {"00 2000 2000 110100 0b", 0},
        {"00 fc1000 0b", 0},
        {"00 2000 2500 d1 0b", 1},
        {"00 2000 d06f 2601 2000 0b", 2},
        {"00 d070 2000 fc0f02 0b", 4},
        {"00 2000 d070 2000 fc1100 2000 0b", 1},
        {"00 410041004100 fc0c0002 2000 0b", 4},
        {"00 410041004100 fc0e0002 2000 0b", 5},
    };
    for (usize i = 0; i < COUNT_OF(CASES); i++) {
        Loaded loaded;
        (void)facts_of(&loaded, CASES[i].body);
        EXPECT_EQ(validator_tables_used(loaded.validator), CASES[i].tables);
        loaded_close(&loaded);
    }
}

// One byte of a body may push a thousand operands: bounded, however long the body.
TEST(operand_limit) {
    static Build b;
    static Build body;
    Build types = {.count = 0};
    build_hex(&types, "02 600000 6000 e807");
    for (u32 i = 0; i < 1000; i++) {
        build_byte(&types, 0x7F);
    }
    body.count = 0;
    build_byte(&body, 0);
    for (u32 i = 0; i < 7655; i++) {
        build_hex(&body, "1000");
    }
    build_hex(&body, "000b");
    build_header(&b);
    build_section(&b, 1, &types);
    build_section_hex(&b, 2, "01 00 00 0001");
    build_section_hex(&b, 3, "01 00");
    static Build code;
    code.count = 0;
    build_byte(&code, 1);
    build_uleb(&code, (u32)body.count);
    build_bytes(&code, &body);
    // The body and the sections around it are more than a Build holds.
    static u8 bytes[1 << 15];
    usize count = b.count;
    memcpy(bytes, b.at, count);
    Build head = {.count = 0};
    build_byte(&head, 10);
    build_uleb(&head, (u32)code.count);
    memcpy(bytes + count, head.at, head.count);
    count += head.count;
    memcpy(bytes + count, code.at, code.count);
    count += code.count;
    Arena arena;
    arena_init(&arena);
    Module m;
    Error err = ERROR_INIT;
    EXPECT(wasm_decode(&m, &arena, bytes, count, &err));
    Validator *v = validator_new(&m);
    EXPECT(!validate_func(v, 1, NULL, &err));
    EXPECT_EQ(err.code, LIMIT);
    char text[64];
    snprintf(text, sizeof text, "more than %u operands on the stack",
             m.funcs[1].body_bytes + MAX_EXTRA_OPERANDS);
    EXPECT_STR(err.text, text);
    validator_delete(v);
    arena_deinit(&arena);
}

// A call of a function of `count` parameters, i32 and i64 in turn, and one result. Of its operands
// number `wrong` has the other type; `missing` of the first ones are not there.
static ErrorCode verdict_of_call(u32 count, u32 wrong, u32 missing) {
    static Build b, type, body, code;
    b.count = type.count = body.count = code.count = 0;
    build_hex(&type, "02 60");
    build_uleb(&type, count);
    build_hex(&body, "00");
    for (u32 i = 0; i < count; i++) {
        build_byte(&type, i % 2 == 0 ? 0x7F : 0x7E);
        if (i >= missing) {
            build_hex(&body, (i + (i == wrong)) % 2 == 0 ? "4100" : "4200");
        }
    }
    build_hex(&type, "01 7f  60 00 00");
    build_hex(&body, "1000 1a 0b");
    build_uleb(&code, 1);
    build_uleb(&code, (u32)body.count);
    build_bytes(&code, &body);
    build_header(&b);
    build_section(&b, 1, &type);
    build_section_hex(&b, 2, "01 00 00 0000");
    build_section_hex(&b, 3, "01 01");
    build_section(&b, 10, &code);
    build_section_hex(&b, 0, "01 61 00000000000000000000000000000000");
    Loaded loaded;
    loaded_open(&loaded, &b);
    const ErrorCode verdict = loaded.err.code;
    loaded_close(&loaded);
    return verdict;
}

TEST(calls) {
    enum { MOST = 10, NONE = MOST };
    for (u32 count = 0; count <= MOST; count++) {
        EXPECT_EQ(verdict_of_call(count, NONE, 0), VALID);
        for (u32 i = 0; i < count; i++) {
            EXPECT_EQ(verdict_of_call(count, i, 0), INVALID);
            EXPECT_EQ(verdict_of_call(count, NONE, i + 1), INVALID);
        }
    }
}

int main(void) {
    RUN(bodies);
    RUN(locals);
    RUN(control);
    RUN(calls);
    RUN(dead_code);
    RUN(operands);
    RUN(memory);
    RUN(tables);
    RUN(vectors);
    RUN(whole_body);
    RUN(simd_is_seen);
    RUN(used_tables);
    RUN(operand_limit);
    return test_end();
}
