// Decoder: verdict, message and offset for what can be wrong with a module, and the description of
// one that has everything.
#include "test.h"
#include "unit/wasm_build.h"

typedef struct Case {
    const char *hex; // behind the header
    ErrorCode code;
    const char *text; // what the message begins with
    u64 offset;
} Case;

// Type 0 () -> (), function 0 of that type, and its empty body.
#define TYPE0 "0104 01600000 "
#define FUNC0 "0302 0100 "
#define CODE0 "0a04 01 02000b "

#define MALFORMED IMAGO_ERROR_MALFORMED
#define INVALID IMAGO_ERROR_INVALID
#define LIMIT IMAGO_ERROR_LIMIT
#define VALID IMAGO_ERROR_NONE

static void check(const Case *c, const Build *b) {
    Loaded loaded;
    loaded_open(&loaded, b);
    const Error *err = &loaded.err;
    if (err->code != c->code || strncmp(err->text, c->text, strlen(c->text)) != 0 ||
        (c->code != VALID && err->offset != c->offset)) {
        TEST_FAIL("%s: %s at %llu: \"%s\"", c->hex, error_name(err->code),
                  (unsigned long long)err->offset, err->text);
    }
    loaded_close(&loaded);
}

static void check_all(const Case *cases, usize count, bool has_header) {
    for (usize i = 0; i < count; i++) {
        Build b = {.count = 0};
        if (has_header) {
            build_header(&b);
        }
        build_hex(&b, cases[i].hex);
        check(&cases[i], &b);
    }
}

TEST(header) {
    static const Case CASES[] = {
        {"", MALFORMED, "unexpected end", 0},
        {"0061", MALFORMED, "unexpected end", 2},
        {"0061736d 0100", MALFORMED, "unexpected end", 6},
        {"61736d00", MALFORMED, "magic header not detected", 0},
        {"0061736d 02000000", MALFORMED, "unknown binary version 0x2", 4},
        {"0061736d 0d000000", MALFORMED, "unknown binary version 0xd", 4},
        {"0061736d 0d000100", IMAGO_ERROR_UNSUPPORTED, "not supported yet: this is a component", 4},
        {"0061736d 01000000", VALID, "", 0},
    };
    check_all(CASES, COUNT_OF(CASES), false);
    EXPECT(wasm_has_magic("\0asm", 4));
    EXPECT(!wasm_has_magic("\0as", 3));
    EXPECT(!wasm_has_magic("asm\0", 4));
}

TEST(sections) {
    static const Case CASES[] = {
        {"0e00", MALFORMED, "malformed section id 14", 8},
        {"0d0100", INVALID, "section id 13 needs exception handling", 8},
        {"01", MALFORMED, "unexpected end of section or function", 9},
        {"0105 00", MALFORMED, "length out of bounds: 5 bytes", 9},
        {"0102 0000", MALFORMED, "section size mismatch: 1 bytes", 11},
        {"0101 00 0101 00", MALFORMED, "unexpected content after last section", 11},
        {"0301 00 0101 00", MALFORMED, "unexpected content after last section", 11},
        {"0b01 00 0c01 00", MALFORMED, "unexpected content after last section", 11},
        {"0c01 00 0a01 00 0b01 00", VALID, "", 0},
        {"0180808080 8000", MALFORMED, "integer representation too long", 13},
        {"01ffffffff 1f", MALFORMED, "integer too large", 13},
        {"0000", MALFORMED, "unexpected end of section or function", 10},
        {"0002 0161", VALID, "", 0},
        {"0002 01ff", MALFORMED, "malformed UTF-8 encoding", 11},
        {TYPE0 FUNC0, MALFORMED, "function and code section have inconsistent lengths: 1", 18},
        {CODE0, MALFORMED, "function and code section have inconsistent lengths: 0", 14},
        {"0c01 01", MALFORMED, "data count and data section have inconsistent lengths", 11},
        {TYPE0 FUNC0 CODE0, VALID, "", 0},
    };
    check_all(CASES, COUNT_OF(CASES), true);
}

TEST(types_and_limits) {
    static const Case CASES[] = {
        {"0104 01610000", MALFORMED, "malformed definition type 0x61", 11},
        {"0105 01e07f0000", MALFORMED, "integer representation too long", 11},
        {"0105 0160017a 00", MALFORMED, "malformed value type 0x7a", 13},
        {"0105 01600164 00", INVALID, "value type 0x64 needs typed function references", 13},
        {"010a 01 60 e907 7f7f7f7f7f 00", MALFORMED, "length out of bounds: 1001", 12},
        {"0503 010200", MALFORMED, "integer too large", 11},
        {"0503 018000", MALFORMED, "integer representation too long", 11},
        {"0505 0100 818004", INVALID, "memory size must be at most 65536 pages", 11},
        {"0504 01010201", INVALID, "size minimum must not be greater than maximum, found 2", 11},
        {"0505 02 0000 0000", INVALID, "multiple memories: 2", 10},
        {"0404 016f0000", VALID, "", 0},
        {"0404 017f0000", MALFORMED, "malformed reference type 0x7f", 11},
        {"0407 017000 81ade204", LIMIT, "table of 10000001 entries", 12},
        {"0407 017000 80ade204", VALID, "", 0},
        {"0604 017f02 0b", MALFORMED, "malformed mutability 0x02", 12},
    };
    check_all(CASES, COUNT_OF(CASES), true);
}

TEST(constant_expressions) {
    static const Case CASES[] = {
        {"0606 017f00 41000b", VALID, "", 0},
        {"0604 017f00 0b", INVALID, "type mismatch: constant expression of 0 values", 13},
        {"0608 017f00 410041000b", INVALID, "type mismatch: constant expression of 2 values", 13},
        {"0606 017f00 42000b", INVALID, "type mismatch: expected i32, found i64", 13},
        {"0607 017f00 0141000b", INVALID, "constant expression required, found nop", 13},
        {"0605 017f00 ff0b", MALFORMED, "illegal opcode 0xff", 13},
        {"0605 017f00 060b", INVALID, "opcode 0x06 needs exception handling", 13},
        {"0606 017f00 23000b", INVALID, "unknown global 0", 14},
        // A global of the module itself, an imported mutable one, an imported constant.
        {"060b 02 7f0041000b 7f0023000b", INVALID, "unknown global 0", 19},
        {"0206 01 0000 03 7f01 0606 017f00 23000b", INVALID, "constant expression required", 21},
        {"0206 01 0000 03 7f00 0606 017f00 23000b", VALID, "", 0},
        {"0206 01 0000 03 7e00 0606 017f00 23000b", INVALID, "type mismatch: expected i32", 21},
        {"0606 017000 d26f0b", INVALID, "unknown function 111", 14},
        {"0606 017000 d0700b", VALID, "", 0},
        {"0606 016f00 d0700b", INVALID, "type mismatch: expected externref, found funcref", 13},
        {"0616 017b00 fd0c 00000000000000000000000000000000 0b", VALID, "", 0},
        {"0614 017b00 fd0c 0000000000000000000000000000 0b", MALFORMED, "unexpected end", 30},
    };
    check_all(CASES, COUNT_OF(CASES), true);
}

TEST(imports_and_exports) {
    static const Case CASES[] = {
        {"0204 01 0000 04", MALFORMED, "malformed import kind 0x04", 13},
        {"0205 01 0000 0000", INVALID, "unknown type 0", 14},
        {"0206 01 01ff 00 0000", MALFORMED, "malformed UTF-8 encoding", 12},
        {"020b 02 0000 020000 0000 020000", INVALID, "multiple memories: 2", 19},
        {"0704 01 00 0000", INVALID, "unknown function 0", 13},
        {"0704 01 00 0500", MALFORMED, "malformed export kind 0x05", 12},
        {"0503 010000 0709 02 0161 0200 0162 0200", VALID, "", 0},
        {"0503 010000 0709 02 0161 0200 0161 0200", INVALID, "duplicate export name \"a\"", 21},
        {TYPE0 FUNC0 "0801 01" CODE0, INVALID, "unknown function 1", 20},
        {"0105 0160017f00" FUNC0 "0801 00" CODE0, INVALID, "start function 0 has 1", 21},
    };
    check_all(CASES, COUNT_OF(CASES), true);
}

TEST(segments) {
    static const Case CASES[] = {
        {"0901 00", VALID, "", 0},
        {"0906 01 00 41000b 00", INVALID, "unknown table 0", 11},
        {"0904 01 08 0000", MALFORMED, "malformed elements segment kind 8", 11},
        {"0904 01 01 0100", MALFORMED, "malformed element kind 0x01", 12},
        {"0905 01 01 000100", INVALID, "unknown function 0", 14},
        {"0404 016f0000 0906 01 00 41000b 00", INVALID, "type mismatch: funcref elements", 17},
        {"0404 01700000 0906 01 00 42000b 00", INVALID, "type mismatch: expected i32", 18},
        {"0404 016f0000 090b 01 06 00 41000b 6f 01 d06f0b", VALID, "", 0},
        {"0b06 01 00 41000b 00", INVALID, "unknown memory 0", 11},
        {"0b03 01 01 00", VALID, "", 0},
        {"0b03 01 03 00", MALFORMED, "malformed data segment kind 3", 11},
        {"0503 010000 0b07 01 02 01 41000b 00", INVALID, "unknown memory 1", 17},
        {"0b05 01 01 04 6161", MALFORMED, "length out of bounds", 12},
        {"0b05 01 01 03 6161", MALFORMED, "unexpected end of section or function", 15},
        {"0b05 01 01 01 6161", MALFORMED, "section size mismatch", 14},
    };
    check_all(CASES, COUNT_OF(CASES), true);
}

// Every kind of declaration once: an import of each kind, and definitions behind them.
static void build_everything(Build *b) {
    build_header(b);
    build_section_hex(b, 1, "02 600000 60027f7e017d");
    build_section_hex(b, 2, "04 016d0166 0001  016d0174 0170010102"
                            "   016d0167 037f00  016d0168 037e01");
    build_section_hex(b, 3, "02 00 00");
    build_section_hex(b, 4, "01 6f0005");
    build_section_hex(b, 5, "01 010103");
    build_section_hex(b, 6, "03 7f01 417f0b  7000 d2010b  7f00 23000b");
    build_section_hex(b, 7, "02 0161 0000  0162 0200");
    build_section_hex(b, 8, "02");
    build_section_hex(b, 9, "03 00 41000b 01 00  01 00 01 01  07 6f 01 d06f0b");
    build_section_hex(b, 12, "02");
    build_section_hex(b, 10, "02 02000b 03010b0b");
    build_section_hex(b, 11, "02 00 41030b 03616263  01 0178");
    build_section_hex(b, 0, "046e616d65 00 03 026d79 01 0a 03 00 0166 01 0167 02 0168");
}

TEST(description) {
    static Build b;
    build_everything(&b);
    b.at[b.count - 1] = 'H';
    Arena arena;
    arena_init(&arena);
    Module m;
    Error err = ERROR_INIT;
    EXPECT(wasm_decode(&m, &arena, b.at, b.count, &err));
    EXPECT_STR(err.text, "");
    EXPECT_EQ(m.type_count, 2);
    EXPECT_EQ(m.types[1].param_count, 2);
    EXPECT_EQ(type_params(&m.types[1])[1], VAL_I64);
    EXPECT_EQ(type_results(&m.types[1])[0], VAL_F32);
    EXPECT_EQ(m.import_count, 4);
    EXPECT(str_equal(m.imports[3].name, STR("h")));
    EXPECT_EQ(m.imports[3].kind, EXTERN_GLOBAL);
    EXPECT_EQ(m.imports[3].index, 1);
    EXPECT_EQ(m.func_count, 3);
    EXPECT_EQ(m.func_import_count, 1);
    EXPECT_EQ(m.table_count, 2);
    EXPECT(m.tables[0].limits.has_max);
    EXPECT_EQ(m.tables[0].limits.max, 2);
    EXPECT_EQ(m.tables[1].elem, VAL_EXTERNREF);
    EXPECT_EQ(m.tables[1].limits.min, 5);
    EXPECT_EQ(m.memories[0].max, 3);
    EXPECT_EQ(m.global_count, 5);
    EXPECT(m.globals[1].type.is_mutable);
    EXPECT_EQ(m.globals[2].init.low, 0xFFFFFFFF);
    EXPECT_EQ(m.globals[3].init.kind, CONST_REF_FUNC);
    EXPECT_EQ(m.globals[4].init.kind, CONST_GLOBAL);
    EXPECT(m.has_start);
    EXPECT_EQ(m.start_func, 2);
    // 0 is exported, 1 in a global and a segment, 2 only the start function.
    EXPECT(m.funcs[0].is_escaping);
    EXPECT(m.funcs[1].is_escaping);
    EXPECT(!m.funcs[2].is_escaping);
    EXPECT_EQ(m.elem_count, 3);
    EXPECT_EQ(m.elems[0].mode, SEGMENT_ACTIVE);
    EXPECT_EQ(m.elems[1].mode, SEGMENT_PASSIVE);
    EXPECT_EQ(m.elems[2].mode, SEGMENT_DECLARATIVE);
    EXPECT_EQ(m.elems[2].items[0].kind, CONST_REF_NULL);
    EXPECT(m.has_data_count);
    EXPECT_EQ(m.data_count, 2);
    EXPECT(str_equal(m.datas[0].bytes, STR("abc")));
    EXPECT_EQ(m.datas[0].offset.low, 3);
    EXPECT(memcmp(b.at + m.datas[1].file_offset, "x", 1) == 0);
    EXPECT_EQ(m.custom_count, 1);
    EXPECT(str_equal(m.customs[0].name, STR("name")));
    EXPECT(str_equal(m.name, STR("my")));
    EXPECT(str_equal(module_func_name(&m, 0), STR("f")));
    EXPECT(str_equal(module_func_name(&m, 2), STR("H")));
    EXPECT_EQ(m.funcs[1].body_bytes, 2);
    EXPECT_EQ(m.funcs[1].body_offset, m.code_offset + 1);
    EXPECT_EQ(m.funcs[2].body_offset + m.funcs[2].body_bytes, m.code_offset + m.code_bytes);
    arena_deinit(&arena);
}

// A name section may be damaged in any way: the names before the damage stay.
TEST(damaged_names) {
    static const struct {
        const char *hex;
        const char *module, *func;
    } CASES[] = {
        {"00 03 026d79 01 04 01 00 0166", "my", "f"},
        {"00 03 026d79 01 05 01 00 0166", "my", ""},   // longer than the section
        {"00 03 026d79 01 04 01 07 0166", "my", ""},   // no such function
        {"00 03 0261ff 01 04 01 00 0166", "", ""},     // not UTF-8
        {"00 03 096d79 01 04 01 00 0166", "", ""},     // longer than the subsection
        {"63 01 00 01 04 ff 00 0166", "", ""},         // count not there
        {"01 04 02 00 0166", "", "f"},                 // second one not there
        {"", "", ""},
    };
    for (usize i = 0; i < COUNT_OF(CASES); i++) {
        Build b;
        build_header(&b);
        build_section_hex(&b, 1, "01 600000");
        build_section_hex(&b, 3, "01 00");
        build_section_hex(&b, 10, "01 02000b");
        Build contents = {.count = 0};
        build_hex(&contents, "046e616d65");
        build_hex(&contents, CASES[i].hex);
        build_section(&b, 0, &contents);
        Loaded loaded;
        loaded_open(&loaded, &b);
        EXPECT(loaded.ok);
        EXPECT(str_equal(loaded.module.name, str_of(CASES[i].module)));
        EXPECT(str_equal(module_func_name(&loaded.module, 0), str_of(CASES[i].func)));
        loaded_close(&loaded);
    }
}

// Many names with equal beginnings; the last one twice.
TEST(many_exports) {
    for (u32 twice = 0; twice < 2; twice++) {
        static Build b;
        static Build exports;
        build_header(&b);
        build_section_hex(&b, 5, "01 0000");
        exports.count = 0;
        build_uleb(&exports, 1000);
        for (u32 i = 0; i < 1000; i++) {
            char name[16];
            const u32 number = i == 999 && twice ? 500 : i;
            const int count = snprintf(name, sizeof name, "name%u", number);
            build_uleb(&exports, (u32)count);
            for (int k = 0; k < count; k++) {
                build_byte(&exports, (u8)name[k]);
            }
            build_hex(&exports, "0200");
        }
        build_section(&b, 7, &exports);
        Loaded loaded;
        loaded_open(&loaded, &b);
        EXPECT(loaded.ok == (twice == 0));
        EXPECT_STR(loaded.err.text, twice ? "duplicate export name \"name500\"" : "");
        loaded_close(&loaded);
    }
}

TEST(limits) {
    for (u32 params = 1000; params <= 1001; params++) {
        static Build b;
        static Build types;
        types.count = 0;
        build_hex(&types, "01 60");
        build_uleb(&types, params);
        for (u32 i = 0; i < params; i++) {
            build_byte(&types, 0x7F);
        }
        build_byte(&types, 0);
        build_header(&b);
        build_section(&b, 1, &types);
        Loaded loaded;
        loaded_open(&loaded, &b);
        EXPECT_EQ(loaded.err.code, params == 1000 ? VALID : LIMIT);
        EXPECT_STR(loaded.err.text, params == 1000 ? "" : "1001 parameters, the limit is 1000");
        loaded_close(&loaded);
    }
}

int main(void) {
    RUN(header);
    RUN(sections);
    RUN(types_and_limits);
    RUN(constant_expressions);
    RUN(imports_and_exports);
    RUN(segments);
    RUN(description);
    RUN(damaged_names);
    RUN(many_exports);
    RUN(limits);
    return test_end();
}
