// Modules in text: bytes and errors by table, nesting, growth, and memory that runs out. The
// official scripts are compared with another tool in tests/spec/text_compare.py.
#include "text/wat.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "test.h"

// Bytes as hexadecimal digits, behind the magic number and version.
static void print_hex(const Writer *module, char *out, usize out_bytes) {
    out[0] = 0;
    for (usize i = 8; i < module->count && 2 * (i - 8) + 3 < out_bytes; i++) {
        (void)snprintf(out + 2 * (i - 8), 3, "%02x", module->at[i]);
    }
}

#define TYPE_0 "01040160" "0000" // one type, [] -> []
#define FUNC_0 "03020100"        // one function of type 0

static const struct {
    const char *text, *hex;
} MODULES[] = {
    {"", ""},
    {"(module)", ""},
    {" ;; c\n(module (;;)) ;; d", ""},
    {"(module binary \"\\00asm\\01\\00\\00\\00\" \"\\00\\01\\00\")", "000100"},
    {"(module quote \"(func\" \")\")", TYPE_0 FUNC_0 "0a040102000b"},
    {"(module quote)", ""},
    {"(func)", TYPE_0 FUNC_0 "0a040102000b"},
    {"(func $f) (start $f)", TYPE_0 FUNC_0 "080100" "0a040102000b" "000b046e616d65010401000166"},
    {"(module $\"\\6d\")", "0009046e616d650002016d"},
    // types: explicit ones first, then those of functions and blocks in order of appearance
    {"(func (param i32) (block (param i64)) unreachable) (func (result f32) unreachable)"
     "(type (func (param f64)))",
     "0111" "04" "60017c00" "60017f00" "60017e00" "6000017d" "0303020103"
     "0a0c02" "06000202" "0b000b" "0300000b"},
    {"(type (func)) (type (func)) (func)", "01070260000060" "0000" FUNC_0 "0a040102000b"},
    {"(type $t (func (param i32 i32))) (func (type $t) (local $x i64) local.get $x drop)",
     "010601" "60027f7f00" FUNC_0 "0a09010701017e2002" "1a0b"
     "0013046e616d6502060100010201780404010001" "74"},
    // locals in runs
    {"(func (local i32) (local i32 i64) (local f32) (local f32))",
     TYPE_0 FUNC_0 "0a0a010803027f017e027d0b"},
    // folded and flat are the same
    {"(func (drop (i32.add (i32.const 1) (i32.const -1))))",
     TYPE_0 FUNC_0 "0a0a0108004101417f6a1a0b"},
    {"(func i32.const 1 (i32.const -1) i32.add drop)", TYPE_0 FUNC_0 "0a0a0108004101417f6a1a0b"},
    {"(func (if (i32.const 0) (then nop) (else)))", TYPE_0 FUNC_0 "0a0b010900" "4100044001050b0b"},
    {"(func (i32.const 0) if $a nop else $a end $a)",
     TYPE_0 FUNC_0 "0a0b010900" "4100044001050b0b"},
    // labels: shadowing, and the condition of an if outside of its label
    {"(func block $a block $a br $a br 1 br 2 end br $a end)",
     TYPE_0 FUNC_0 "0a12011000" "02400240" "0c000c010c020b0c000b0b"},
    {"(func (block $a (if $a (br_if $a (i32.const 0)) (then (br $a)))))",
     TYPE_0 FUNC_0 "0a10010e00" "024041000d0004400c000b0b0b"},
    {"(func i32.const 0 br_table 0 0 0)", TYPE_0 FUNC_0 "0a0b010900" "41000e02000000" "0b"},
    // immediates
    {"(memory 1) (func i32.const 0 i32.load offset=16 align=2 drop)",
     TYPE_0 FUNC_0 "0503010001" "0a0a010800" "4100" "280110" "1a0b"},
    {"(func f32.const 1 drop f64.const -0 drop)",
     TYPE_0 FUNC_0 "0a14011200" "430000803f1a" "4400000000000000801a0b"},
    {"(func v128.const i16x8 1 2 3 4 5 6 7 -1 drop)",
     TYPE_0 FUNC_0 "0a17011500fd0c01000200030004000500060007" "00ffff1a0b"},
    {"(func select (result i32) select)", TYPE_0 FUNC_0 "0a0801060" "01c017f1b0b"},
    {"(table 1 funcref) (table 1 externref) (elem func)"
     "(func table.init 0 table.init 1 0 table.copy table.copy 1 0 call_indirect 1 (type 0))",
     TYPE_0 FUNC_0 "040702700001" "6f0001" "09040101" "0000"
     "0a17011500" "fc0c0000" "fc0c0001" "fc0e0000" "fc0e0100" "1100010b"},
    {"(data \"a\") (memory 0) (func data.drop 0)",
     TYPE_0 FUNC_0 "0503010000" "0c0101" "0a070105" "00fc09000b" "0b0401010161"},
    // segments
    {"(memory (data \"ab\" \"\\ff\"))", "0504010101" "01" "0b0901" "0041000b" "036162ff"},
    {"(memory (data))", "050401010000" "0b0601" "0041000b" "00"},
    {"(table funcref (elem))", "040501700100" "00" "0908010200" "41000b" "0000"},
    {"(elem (offset (i32.const 1)) funcref (ref.null func) (item ref.null func))"
     "(elem declare (ref null extern)) (table 0 funcref)",
     "0404017000" "00" "090f02" "0441010b" "02d0700bd0700b" "076f00"},
    // imports and exports
    {"(import \"m\" \"\" (memory 1 2)) (global (export \"g\") (import \"m\" \"x\") (mut i32))",
     "020f02016d0002010102" "016d0178037f01" "070501016703" "00"},
    {"(table $t (export \"a\") (export \"b\") 0 1 externref) (export \"c\" (table $t))",
     "0405016f010001" "070d03016101000162010001630100" "000b046e616d65050401000174"},
};

TEST(modules) {
    for (usize i = 0; i < COUNT_OF(MODULES); i++) {
        Writer module = {0};
        Error err = ERROR_INIT;
        char hex[512];
        if (!wat_to_wasm(str_of(MODULES[i].text), &module, &err)) {
            TEST_FAIL("%s: %u:%u: %s", MODULES[i].text, err.line, err.column, err.text);
        } else {
            print_hex(&module, hex, sizeof hex);
            EXPECT(memcmp(module.at, "\0asm\1\0\0\0", 8) == 0);
            if (strcmp(hex, MODULES[i].hex) != 0) {
                TEST_FAIL("%s\n  is       %s\n  expected %s", MODULES[i].text, hex,
                          MODULES[i].hex);
            }
        }
        writer_free(&module);
    }
}

static const struct {
    const char *text, *message;
    u32 line, column;
} ERRORS[] = {
    {"(", "unexpected token: end of text, expected a module field", 1, 2},
    {")", "unexpected token )", 1, 1},
    {"(module", "unexpected token: end of text", 1, 8},
    {"(module) (module)", "unexpected token (, expected end of text", 1, 10},
    {"(modul)", "unknown operator modul", 1, 2},
    {"(nop)", "unexpected token nop, expected a module field", 1, 2},
    {"(module quote \"(module quote)\")", "unexpected token quote", 1, 9},
    {"\n (module quote \"(func\"\n \"x)\")", "unknown operator funcx", 2, 10},
    {"(func\n  (i32.cons 1))", "unknown operator i32.cons", 2, 4},
    {"(func $\xC3\xA9)", "empty identifier", 1, 7},
    {"(func $a)\n(func $\"\\61\")", "duplicate function $\\22\\5c61\\22", 2, 7},
    {"(func)\r\n(import \"\" \"\" (func))", "import after function", 2, 16},
    {"(memory 1) (func (import \"\" \"\"))", "import after memory", 1, 18},
    {"(func (type 1) (param i32))", "unknown type 1", 1, 27},
    {"(type (func)) (func (type 0) (param i32))", "inline function type differs from type 0", 1,
     41},
    {"(func (result i32) (param i32))", "unexpected token param", 1, 21},
    {"(func (param $a i32) (local $a i32))", "duplicate local $a", 1, 35},
    {"(func br $a)", "unknown label $a", 1, 10},
    {"(func block $a end br $a)", "unknown label $a", 1, 23},
    {"(func (if $a (br $a) (then)))", "unknown label $a", 1, 18},
    {"(func block $a end $b)", "mismatching label", 1, 20},
    {"(func (local $x i32)) (func local.get $x)", "unknown local $x", 1, 39},
    {"(global i32 (global.get $g))", "unknown global $g", 1, 25},
    {"(func block)", "unexpected token ), expected end", 1, 12},
    {"(func (block end))", "unexpected token end, expected an instruction", 1, 14},
    {"(func end)", "unexpected token end, expected an instruction", 1, 7},
    {"(func else)", "unexpected token else, expected an instruction", 1, 7},
    {"(func (if i32.const 0 (then)))", "unexpected token i32.const, expected '(' or ')'", 1, 11},
    {"(func (if (i32.const 0)))", "unexpected token ), expected (then", 1, 24},
    {"(func (if (then) (then)))", "unexpected token then, expected an instruction", 1, 19},
    {"(func (if (then) (else) (nop)))", "unexpected token nop, expected an instruction", 1, 26},
    {"(func (drop (nop) nop))", "unexpected token nop, expected '(' or ')'", 1, 19},
    {"(func (then))", "unexpected token (, expected ')'", 1, 7},
    {"(func i32.const 4294967296)", "constant out of range: 4294967296", 1, 17},
    {"(func i32.const 1.0)", "unexpected token 1.0, expected an integer", 1, 17},
    {"(func f32.const nan:canonical)", "unexpected token nan:canonical, expected a number", 1, 17},
    {"(memory 4294967296)", "i32 constant out of range: 4294967296", 1, 9},
    {"(func i32.load offset=4294967296)", "i32 constant out of range: offset=4294967296", 1, 16},
    {"(func i32.load align=3)", "alignment must be a power of two: 3", 1, 16},
    {"(func i8x16.extract_lane_s 256)", "i8 constant out of range: 256", 1, 28},
    {"(func i8x16.shuffle 0 1)", "wrong number of lane indices: 2, expected 16", 1, 21},
    {"(func v128.const i32x4 0x1ffffffff)",
     "wrong number of lane literals: 1, expected 4", 1, 24},
    {"(func v128.const i64x2 1 1.5)", "unexpected token 1.5, expected an integer", 1, 26},
    {"(func) (start 0) (start 0)", "multiple start sections", 1, 25},
    {"(elem (table 0) (i32.const 0) 0)", "unexpected token 0, expected an element list", 1, 31},
    {"(import \"\\ff\" \"\" (func))", "malformed UTF-8 encoding", 1, 9},
    {"(data \"\\u{d800}\")", "malformed UTF-8 codepoint", 1, 8},
    {"(table 0 i32)", "unexpected token i32, expected a reference type", 1, 10},
    {"(func (param (ref func)))", "unexpected token func, expected null", 1, 19},
};

TEST(errors) {
    for (usize i = 0; i < COUNT_OF(ERRORS); i++) {
        Writer module = {0};
        Error err = ERROR_INIT;
        const Str text = str_of(ERRORS[i].text);
        const Str message = str_of(ERRORS[i].message);
        if (wat_to_wasm(text, &module, &err)) {
            TEST_FAIL("%s is accepted", ERRORS[i].text);
        } else if (strncmp(err.text, message.at, message.count) != 0 ||
                   err.line != ERRORS[i].line || err.column != ERRORS[i].column) {
            TEST_FAIL("%s\n  is       %u:%u: %s\n  expected %u:%u: %s", ERRORS[i].text, err.line,
                      err.column, err.text, ERRORS[i].line, ERRORS[i].column, ERRORS[i].message);
        }
        EXPECT_EQ(err.code, IMAGO_ERROR_MALFORMED);
        EXPECT(err.offset <= text.count);
        writer_free(&module);
    }
}

// Texts for the tests below: together they pass through every production.
static const char WHOLE[] =
    "(module $m (type $t (func (param $p i32) (result i64)))\n"
    "(import \"a\" \"f\" (func $if (type $t))) (import \"a\" \"g\" (global $ig i32))\n"
    "(import \"a\" \"m\" (memory $im 0 1)) (import \"a\" \"t\" (table $it 0 funcref))\n"
    "(table $tt (export \"x\") externref (elem (ref.null extern)))\n"
    "(global $g (export \"y\") (mut f32) (f32.const 0x1.8p1))\n"
    "(elem $e (table $tt) (offset i32.const 0) externref (item ref.null extern))\n"
    "(elem declare func $f) (elem (i32.const 0) $f $if) (data $d \"\\00\\u{20ac}\")\n"
    "(data (memory 0) (global.get $ig) \"a\" \"b\") (start $s) (func $s)\n"
    "(func $f (export \"f\") (param $a i32) (param f64) (result i64) (local $\"\\62\" v128)\n"
    "  (block $l (result i32) (loop $l2 (param) (br_table $l $l2 2 (i32.const 0))))\n"
    "  if $i (param i32) (result f32 f32) (drop) else $i br $i end $i\n"
    "  (call_indirect $it (type $t) (i32.const 1)) (local.set $b (v128.const f32x4 0 1 nan -inf))\n"
    "  (if (i32.const 0) (then (select (result i32) (nop) (nop))) (else (memory.copy)))\n"
    "  (i32.store8 offset=1 align=1 (i32.const 0) (i32.const -1)) (memory.init $d) (elem.drop $e)\n"
    "  (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) (ref.func $f) (table.fill $tt)\n"
    "  (v128.load8_lane align=1 3) (i64.const 0x7fff_ffff_ffff_ffff) (return)))";

TEST(whole_text_is_accepted) {
    Writer module = {0};
    Error err = ERROR_INIT;
    EXPECT(wat_to_wasm(STR(WHOLE), &module, &err));
    EXPECT_STR(err.text, "");
    writer_free(&module);
}

TEST(every_cut_is_an_error) {
    for (usize count = 1; count < sizeof WHOLE - 1; count++) {
        char *text = mem_alloc(count);
        memcpy(text, WHOLE, count);
        Writer module = {0};
        Error err = ERROR_INIT;
        EXPECT(!wat_to_wasm((Str){text, count}, &module, &err));
        EXPECT(err.line >= 1 && err.column >= 1 && err.offset <= count);
        writer_free(&module);
        mem_free(text);
    }
}

// Another byte at every place: accepted or refused, never anything else.
TEST(every_byte_changed) {
    static const char BYTES[] = "\0 ()\"$\\;@0x=a\xFF\n";
    char text[sizeof WHOLE];
    memcpy(text, WHOLE, sizeof text);
    for (usize i = 0; i < sizeof WHOLE - 1; i++) {
        for (usize j = 0; j < sizeof BYTES - 1; j++) {
            Writer module = {0};
            Error err = ERROR_INIT;
            text[i] = BYTES[j];
            const bool ok = wat_to_wasm((Str){text, sizeof WHOLE - 1}, &module, &err);
            EXPECT(ok == (err.code == IMAGO_ERROR_NONE));
            writer_free(&module);
        }
        text[i] = WHOLE[i];
    }
}

TEST(every_allocation_fails) {
    static const char QUOTE[] =
        "(module $\"\\6d\" quote \"(func $\\\"\\\\61\\\" (param $x i32))\")";
    const Str texts[] = {STR(WHOLE), STR(QUOTE)};
    for (usize t = 0; t < COUNT_OF(texts); t++) {
        bool ok = false;
        u64 n = 0;
        while (!ok) {
            Writer module = {0};
            Error err = ERROR_INIT;
            (void)mem_fail_at(++n, false);
            ok = wat_to_wasm(texts[t], &module, &err);
            (void)mem_fail_at(0, false);
            EXPECT(ok || err.code == IMAGO_ERROR_NO_MEMORY);
            writer_free(&module);
        }
        EXPECT(n > 10);
    }
}

// `count` copies of `open`, `middle`, `count` copies of `close`, in a function.
static Str nested(const char *open, const char *middle, const char *close, usize count) {
    static const char HEAD[] = "(func ";
    const usize bytes = sizeof HEAD + count * (strlen(open) + strlen(close)) + strlen(middle) + 2;
    char *text = mem_alloc(bytes);
    char *at = text + snprintf(text, bytes, "%s", HEAD);
    for (usize i = 0; i < count; i++) {
        at = (char *)memcpy(at, open, strlen(open)) + strlen(open);
    }
    at = (char *)memcpy(at, middle, strlen(middle)) + strlen(middle);
    for (usize i = 0; i < count; i++) {
        at = (char *)memcpy(at, close, strlen(close)) + strlen(close);
    }
    *at++ = ')';
    return (Str){text, (usize)(at - text)};
}

static const struct {
    const char *open, *middle, *close;
} SHAPES[] = {
    {"(block ", "", ")"},
    {"block ", "", " end"},
    {"(block $a ", "(br $a)", " (br $a))"},
    {"(loop $a (param i32) ", "nop", ")"},
    {"(if (i32.const 0) (then ", "nop", "))"},
    {"(if (then) (else ", "nop", "))"},
    {"(i32.eqz ", "(i32.const 1)", ")"},
    {"i32.const 0 if ", "nop", " else end"},
    {"(if ", "(i32.const 0)", " (then))"},
    {"(local i32) ", "", "nop "},
    {"", "", "(call 0) "},
    {"(@a ", "", ")"},
    {"block (i32.const 1) (if (then block ", "", " end)) end"},
};

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// Seconds for one translation; the best of three.
static double time_of(Str text) {
    double best = 1e9;
    for (u32 i = 0; i < 3; i++) {
        Writer module = {0};
        Error err = ERROR_INIT;
        const double start = seconds();
        EXPECT(wat_to_wasm(text, &module, &err));
        EXPECT_STR(err.text, "");
        const double used = seconds() - start;
        best = used < best ? used : best;
        writer_free(&module);
    }
    return best;
}

// Sixteen times the text takes sixteen times as long: a quadratic step would take 256 times.
TEST(nesting_is_deep_and_linear) {
    for (usize i = 0; i < COUNT_OF(SHAPES); i++) {
        const Str small =
            nested(SHAPES[i].open, SHAPES[i].middle, SHAPES[i].close, 100000 / 16);
        const Str large = nested(SHAPES[i].open, SHAPES[i].middle, SHAPES[i].close, 100000);
        const double first = time_of(small), second = time_of(large);
        if (second > 80 * first + 0.01) {
            TEST_FAIL("%s...: %.1f ms, sixteen times as much %.1f ms", SHAPES[i].open,
                      first * 1e3, second * 1e3);
        }
        mem_free((void *)(uintptr_t)small.at);
        mem_free((void *)(uintptr_t)large.at);
    }
}

// Many identifiers, each defined behind its use.
static Str many_functions(usize count) {
    char *text = mem_alloc(count * 64);
    char *at = text;
    for (usize i = 0; i < count; i++) {
        at += snprintf(at, 64, "(func $f%zu (param $p%zu i32) call $f%zu)", i, i, count - 1 - i);
    }
    return (Str){text, (usize)(at - text)};
}

TEST(identifiers_are_linear) {
    const Str small = many_functions(10000), large = many_functions(160000);
    const double first = time_of(small), second = time_of(large);
    if (second > 80 * first + 0.01) {
        TEST_FAIL("%.1f ms, sixteen times as many %.1f ms", first * 1e3, second * 1e3);
    }
    mem_free((void *)(uintptr_t)small.at);
    mem_free((void *)(uintptr_t)large.at);
}

TEST(recognises_text) {
    EXPECT(wat_looks_like_text(STR("(module)")));
    EXPECT(wat_looks_like_text(STR(" ;; (\n(; ;) (")));
    EXPECT(!wat_looks_like_text(STR("")));
    EXPECT(!wat_looks_like_text(STR("\0asm\1\0\0\0")));
    EXPECT(!wat_looks_like_text(STR("module (")));
    EXPECT(!wat_looks_like_text(STR("(;")));
    EXPECT(!wat_looks_like_text(STR("\x7F" "ELF")));
}

TEST(appends) {
    Writer out = {0};
    write_u8(&out, 42);
    EXPECT(wat_to_wasm(STR("(module)"), &out, NULL));
    EXPECT_EQ(out.count, 9);
    EXPECT_EQ(out.at[0], 42);
    EXPECT(!wat_to_wasm(STR("(modul)"), &out, NULL)); // no place for the error
    writer_free(&out);
}

int main(void) {
    RUN(modules);
    RUN(errors);
    RUN(whole_text_is_accepted);
    RUN(every_cut_is_an_error);
    RUN(every_byte_changed);
    RUN(every_allocation_fails);
    RUN(nesting_is_deep_and_linear);
    RUN(identifiers_are_linear);
    RUN(recognises_text);
    RUN(appends);
    return test_end();
}
