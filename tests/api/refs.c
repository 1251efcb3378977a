// imago_store_visit_refs shows every place that holds an externref, and nothing else: scenarios
// with the exact tokens that are shown. The guest calls "see" with a number; the host visits and
// compares with what the test expects of that number. (refs_random.c: what a collector relies on.)
#include "api/world.h"

enum { MAX_SEEN = 64, MAX_EXPECTED = 16 };

// Tokens are small numbers, so that an unlisted slot does not look like one.
static void *token(uintptr_t number) { return (void *)(number * 0x10001); }

typedef struct Seen {
    uintptr_t numbers[MAX_SEEN];
    uint32_t count;
} Seen;

static void note(void *env, void *externref) {
    Seen *seen = env;
    if (seen->count < MAX_SEEN) {
        seen->numbers[seen->count++] = (uintptr_t)externref / 0x10001;
    }
}

// "1 2 2": the tokens in ascending order.
static const char *seen_text(Seen *seen) {
    static char text[MAX_SEEN * 20 + 1];
    size_t used = 0;
    for (uint32_t i = 1; i < seen->count; i++) {
        for (uint32_t k = i; k != 0 && seen->numbers[k - 1] > seen->numbers[k]; k--) {
            const uintptr_t number = seen->numbers[k];
            seen->numbers[k] = seen->numbers[k - 1];
            seen->numbers[k - 1] = number;
        }
    }
    text[0] = 0;
    for (uint32_t i = 0; i < seen->count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%llu", i == 0 ? "" : " ",
                                 (unsigned long long)seen->numbers[i]);
    }
    return text;
}

typedef struct Test {
    World world;
    const char *expected[MAX_EXPECTED]; // by number
    uint32_t seen;                      // bits of numbers
    ImagoInstance *other;               // what "back" calls into
} Test;

static ImagoStatus see(void *env, ImagoCaller *caller, ImagoValue *values) {
    Test *test = env;
    Seen seen = {.count = 0};
    const uint32_t number = (uint32_t)values[0].i32;
    EXPECT(imago_store_visit_refs(imago_caller_store(caller), note, &seen, NULL));
    EXPECT(number < MAX_EXPECTED && test->expected[number] != NULL);
    test->seen |= 1u << number;
    if (strcmp(seen_text(&seen), test->expected[number]) != 0) {
        TEST_FAIL("at %u: expected %s, found %s", number, test->expected[number],
                  seen_text(&seen));
    }
    return IMAGO_OK;
}

static ImagoStatus new_token(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    values[0].externref = token((uint32_t)values[0].i32);
    return IMAGO_OK;
}

static ImagoStatus use(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller, (void)values;
    return IMAGO_OK;
}

// Calls "inner" of the other instance with a token.
static ImagoStatus back(void *env, ImagoCaller *caller, ImagoValue *values) {
    Test *test = env;
    ImagoExtern inner;
    EXPECT(imago_instance_export(test->other, "inner", 5, &inner));
    ImagoValue inner_values[1] = {{.externref = token((uint32_t)values[0].i32)}};
    EXPECT_EQ(imago_func_call(imago_caller_store(caller), inner.of.func, inner_values, NULL),
              IMAGO_OK);
    return IMAGO_OK;
}

static const uint8_t REF[] = {IMAGO_EXTERNREF};
static const uint8_t INT_REF[] = {IMAGO_I32, IMAGO_EXTERNREF};

#define IMPORTS                                                                                    \
    "(module (import \"env\" \"see\" (func $see (param i32)))"                                     \
    "(import \"env\" \"new\" (func $new (param i32) (result externref)))"                          \
    "(import \"env\" \"use\" (func $use (param externref)))"                                       \
    "(import \"env\" \"back\" (func $back (param i32)))"

static void test_open(Test *test) {
    static const ImagoFuncType SEE = {INT_REF, INT_REF, 1, 0}, NEW = {INT_REF, INT_REF + 1, 1, 1};
    static const ImagoFuncType USE = {REF, REF, 1, 0};
    *test = (Test){.world = world_new(NULL)};
    world_define(&test->world, "see", &SEE, see, test);
    world_define(&test->world, "new", &NEW, new_token, test);
    world_define(&test->world, "use", &USE, use, test);
    world_define(&test->world, "back", &SEE, back, test);
}

// All that was expected has been seen, and nothing is left when no call runs but `left`.
static void test_close(Test *test, const char *left) {
    Seen seen = {.count = 0};
    EXPECT(imago_store_visit_refs(test->world.store, note, &seen, NULL));
    EXPECT_STR(seen_text(&seen), left);
    for (uint32_t i = 0; i < MAX_EXPECTED; i++) {
        if (test->expected[i] != NULL && (test->seen >> i & 1) == 0) {
            TEST_FAIL("%u was not reached", i);
        }
    }
    world_delete(&test->world);
}

// One function f with two references.
static const struct {
    const char *name, *body;
    const char *expected[MAX_EXPECTED];
    const char *left;
} ROWS[] = {
    {"parameters", "(param $a externref) (param $b externref)"
                   "(call $see (i32.const 0)) (call $use (local.get $a))"
                   "(call $see (i32.const 1)) (call $use (local.get $b)) (call $see (i32.const 2))",
     {"1 2", "2", ""}, ""},
    {"an argument is the callee's", "(param $a externref) (param $b externref)"
                                    "(call $keep (local.get $a) (i32.const 0))"
                                    "(call $use (local.get $b))",
     {"1 2"}, ""},
    {"parameters that nobody reads", "(param $a externref) (param $b externref)"
                                     "(call $see (i32.const 0))",
     {""}, ""},
    {"locals", "(param $a externref) (param $b externref) (local $c externref)"
               "(local $d externref) (call $see (i32.const 0))"
               "(local.set $c (local.get $b)) (call $see (i32.const 1))"
               "(local.set $d (call $new (i32.const 3))) (local.set $c (ref.null extern))"
               "(call $see (i32.const 2))"
               "(call $use (local.get $a)) (call $use (local.get $c)) (call $use (local.get $d))"
               "(call $see (i32.const 3))",
     {"1 2", "1 2", "1 3", ""}, ""},
    {"operands", "(param $a externref) (param $b externref)"
                 "(call $new (i32.const 3)) (i32.const 5) (local.get $a) (f64.const 1)"
                 "(call $new (i32.const 4)) (call $see (i32.const 0))"
                 "(call $use) drop (call $see (i32.const 1)) (call $use)"
                 "(call $see (i32.const 2)) drop (call $use) (call $see (i32.const 3))",
     {"1 3 4", "1 3", "3", ""}, ""},
    {"an operand that was a local", "(param $a externref) (param $b externref)"
                                    "(local.get $a) (local.set $a (local.get $b))"
                                    "(call $see (i32.const 0)) (call $use)"
                                    "(call $see (i32.const 1)) (call $use (local.get $a))",
     {"1 2", "2"}, ""},
    {"branches", "(param $a externref) (param $b externref)"
                 "(if (ref.is_null (local.get $a)) (then (call $see (i32.const 0)))"
                 "  (else (local.set $a (local.get $b)) (call $see (i32.const 1))"
                 "    (call $use (local.get $b)) (call $see (i32.const 2))))"
                 "(call $see (i32.const 3)) (call $use (local.get $a))",
     {NULL, "2 2", "2", "2"}, ""},
    {"a block's result", "(param $a externref) (param $b externref)"
                         "(block (result externref) (local.get $b)"
                         "  (br_if 0 (i32.eqz (ref.is_null (local.get $a))))"
                         "  drop (call $see (i32.const 0)) (ref.null extern))"
                         "(call $see (i32.const 1)) (call $use)",
     {NULL, "2"}, ""},
    {"a loop's parameter", "(param $a externref) (param $b externref) (local $n i32)"
                           "(ref.null extern) (loop (param externref)"
                           "  (call $see (local.get $n)) drop"
                           "  (local.set $n (i32.add (local.get $n) (i32.const 1)))"
                           "  (call $new (i32.add (local.get $n) (i32.const 5)))"
                           "  (br_if 0 (i32.lt_u (local.get $n) (i32.const 3))) drop)",
     {"", "6", "7"}, ""},
    // The second time round it still holds the first time's: what is shown again must not have been
    // left out in between.
    {"a local that a loop assigns first", "(param $a externref) (param $b externref)"
                                          "(local $n i32) (local $c externref)"
                                          "(loop (call $see (local.get $n))"
                                          "  (local.set $c (local.get $b))"
                                          "  (call $use (local.get $c)) (call $see (i32.const 2))"
                                          "  (local.set $n (i32.add (local.get $n) (i32.const 1)))"
                                          "  (br_if 0 (i32.lt_u (local.get $n) (i32.const 2))))"
                                          "(call $see (i32.const 3)) (call $use (local.get $a))",
     {"1 2", "1 2 2", "1 2 2", "1"}, ""},
    {"a loop with locals in registers", "(param $a externref) (param $b externref) (local $n i32)"
                                        "(loop (local.set $a (local.get $b)) (local.set $b"
                                        "  (call $new (i32.add (local.get $n) (i32.const 5))))"
                                        "  (call $use (local.get $a)) (call $use (local.get $b))"
                                        "  (call $see (local.get $n))"
                                        "  (local.set $n (i32.add (local.get $n) (i32.const 1)))"
                                        "  (br_if 0 (i32.lt_u (local.get $n) (i32.const 3))))",
     {"2 5", "5 6", "6 7"}, ""},
    {"recursion", "(param $a externref) (param $b externref)"
                  "(if (ref.is_null (local.get $b)) (then (call $see (i32.const 0)))"
                  "  (else (call $f (call $new (i32.const 3)) (ref.null extern))"
                  "    (call $see (i32.const 1))))"
                  "(call $use (local.get $a))",
     {"1 3", "1"}, ""},
    {"call_indirect", "(param $a externref) (param $b externref)"
                      "(call_indirect $frozen (type $keep) (local.get $b) (i32.const 0)"
                      "  (i32.const 1))"
                      "(call_indirect $open (type $keep) (local.get $b) (i32.const 1)"
                      "  (i32.const 0))"
                      "(call $use (local.get $a))",
     {"1 2 2", "1 2"}, ""},
    {"parameters on the stack", "(param $a externref) (param $b externref)"
                                "(call $many (i32.const 0) (local.get $a) (call $new (i32.const 3))"
                                "  (call $new (i32.const 4)) (call $new (i32.const 5))"
                                "  (call $new (i32.const 6)) (call $new (i32.const 7))"
                                "  (i32.const 1) (call $new (i32.const 8)))"
                                "(call $see (i32.const 2)) (call $use (local.get $b))",
     {"1 2 3 4 5 6 7 8", "2 7 8", "2"}, ""},
    {"results in memory", "(param $a externref) (param $b externref)"
                          "(call $results (local.get $a)) (call $see (i32.const 0))"
                          "call $use call $use (call $see (i32.const 1))"
                          "call $use drop call $use call $use (call $see (i32.const 2))",
     {"1 1 1 1 3", "1 1 1", ""}, ""},
    {"runtime functions", "(param $a externref) (param $b externref)"
                          "(drop (table.grow $refs (local.get $b) (i32.const 2)))"
                          "(call $see (i32.const 0))"
                          "(table.fill $refs (i32.const 0) (ref.null extern) (i32.const 3))"
                          "(drop (memory.grow (i32.const 1))) (call $see (i32.const 1))"
                          "(table.set $refs (i32.const 0) (local.get $a))"
                          "(call $see (i32.const 2))",
     {"1 2 2", "1", "1"}, "1"},
    {"globals", "(param $a externref) (param $b externref)"
                "(global.set $g (local.get $b)) (call $see (i32.const 0))"
                "(global.set $g (local.get $a)) (call $see (i32.const 1))",
     {"1 2", "1"}, "1"},
    {"a trap ends frames", "(param $a externref) (param $b externref)"
                           "(call $see (i32.const 0)) (call $use (local.get $a)) unreachable",
     {"1"}, ""},
};

static void run_row(uint32_t i) {
    static const char TAIL[] =
        "(type $keep (func (param externref i32)))"
        "(func $keep (param $x externref) (param $n i32)"
        "  (call $see (local.get $n)) (call $use (local.get $x)))"
        "(func $many (param $n i32) (param $p externref) (param $q externref) (param $r externref)"
        "  (param $s externref) (param $t externref) (param $u externref) (param $m i32)"
        "  (param $v externref) (call $see (local.get $n)) (call $use (local.get $p))"
        "  (call $use (local.get $q)) (call $use (local.get $r)) (call $use (local.get $s))"
        "  (call $use (local.get $t)) (call $see (local.get $m)) (call $use (local.get $u))"
        "  (call $use (local.get $v)))"
        "(func $results (param $x externref)"
        "  (result externref externref i32 externref externref externref)"
        "  (local.get $x) (local.get $x) (i32.const 1) (local.get $x) (local.get $x)"
        "  (call $new (i32.const 3)))"
        "(memory 1) (table $refs 1 externref) (global $g (mut externref) (ref.null extern))"
        "(table $frozen 2 funcref) (elem (table $frozen) (i32.const 1) func $keep)"
        "(table $open (export \"open\") 1 funcref) (elem (table $open) (i32.const 0) func $keep))";
    static char text[1 << 14];
    Test test;
    test_open(&test);
    memcpy(test.expected, ROWS[i].expected, sizeof test.expected);
    (void)snprintf(text, sizeof text, IMPORTS "(func $f (export \"f\") %s) %s", ROWS[i].body, TAIL);
    EXPECT_EQ(world_add(&test.world, text), IMAGO_OK);
    ImagoValue values[2] = {{.externref = token(1)}, {.externref = token(2)}};
    const bool traps = strstr(ROWS[i].body, "unreachable") != NULL;
    EXPECT_EQ(world_call(&test.world, "f", values), traps ? IMAGO_TRAP : IMAGO_OK);
    test_close(&test, ROWS[i].left);
}

TEST(frames) {
    for (uint32_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const bool was_bad = test_bad;
        test_bad = false;
        run_row(i);
        if (test_bad) {
            printf("    in the row \"%s\"\n", ROWS[i].name);
        }
        test_bad |= was_bad;
    }
}

// Host, guest, host, another instance of the same image, host.
TEST(calls_across) {
    static const char TEXT[] = IMPORTS
        "(func (export \"outer\") (param $a externref) (local $b externref)"
        "  (local.set $b (call $new (i32.const 2))) (call $back (i32.const 3))"
        "  (call $see (i32.const 1)) (call $use (local.get $a)) (call $use (local.get $b)))"
        "(func (export \"inner\") (param $a externref) (call $new (i32.const 4))"
        "  (call $see (i32.const 0)) (call $use (local.get $a)) (call $use)))";
    Test test;
    test_open(&test);
    test.expected[0] = "1 2 3 4";
    test.expected[1] = "1 2";
    const ImagoImage *image = world_image(&test.world, TEXT);
    EXPECT_EQ(world_instantiate(&test.world, image), IMAGO_OK);
    test.other = test.world.instance;
    EXPECT_EQ(world_instantiate(&test.world, image), IMAGO_OK);
    ImagoValue values[1] = {{.externref = token(1)}};
    EXPECT_EQ(world_call(&test.world, "outer", values), IMAGO_OK);
    test_close(&test, "");
}

// What stores hold outside of frames: theirs and nobody else's, each place once.
TEST(globals_and_tables) {
    static const char TEXT[] =
        "(module (import \"env\" \"g\" (global $in (mut externref)))"
        "(import \"env\" \"h\" (global $const externref))"
        "(global (export \"own\") (mut externref) (global.get $const)) (global i64 (i64.const -1))"
        "(table (export \"t\") 4 externref) (elem (table 0) (i32.const 1) externref"
        "  (global.get $const) (ref.null extern)) (table 1 funcref)"
        "(elem (table 1) (i32.const 0) func $f)"
        "(elem $passive externref (global.get $const)) (func $f))";
    static const ImagoLimits TWO = {2, 0, false};
    Test test;
    test_open(&test);
    ImagoStore *store = test.world.store;
    ImagoExtern items[2] = {{.kind = IMAGO_EXTERN_GLOBAL}, {.kind = IMAGO_EXTERN_GLOBAL}};
    const ImagoValue values[2] = {{.externref = token(1)}, {.externref = token(2)}};
    items[0].of.global = imago_global_new(store, IMAGO_EXTERNREF, true, values[0], NULL);
    items[1].of.global = imago_global_new(store, IMAGO_EXTERNREF, false, values[1], NULL);
    EXPECT(imago_linker_define(test.world.linker, "env", 3, "g", 1, items[0], NULL));
    EXPECT(imago_linker_define(test.world.linker, "env", 3, "h", 1, items[1], NULL));
    EXPECT_EQ(world_add(&test.world, TEXT), IMAGO_OK);
    EXPECT_EQ(world_add(&test.world, TEXT), IMAGO_OK);
    const ImagoValue three = {.externref = token(3)};
    EXPECT(imago_table_new(store, IMAGO_EXTERNREF, &TWO, three, NULL) != NULL);
    EXPECT(imago_table_set(world_export(&test.world, "t").of.table, 3, three));
    ImagoStore *other = imago_store_new(test.world.engine, NULL, NULL);
    EXPECT(imago_global_new(other, IMAGO_EXTERNREF, true, three, NULL) != NULL);
    Seen seen = {.count = 0};
    EXPECT(imago_store_visit_refs(other, note, &seen, NULL));
    EXPECT_STR(seen_text(&seen), "3");
    imago_store_delete(other);
    test_close(&test, "1 2 2 2 2 2 3 3 3");
}

// Far more calls and slots than a block has, at offsets of all sizes.
TEST(a_large_frame) {
    enum { LOCALS = 3000, TEXT_BYTES = 1 << 19 };
    char *text = malloc(TEXT_BYTES);
    size_t used =
        (size_t)snprintf(text, TEXT_BYTES, IMPORTS "(func (export \"f\") (param externref)");
    for (uint32_t i = 0; i < LOCALS; i++) {
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "(local externref)");
    }
    for (uint32_t i = 1; i <= LOCALS; i++) {
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "(local.set %u (local.get 0))", i);
    }
    for (uint32_t i = 1; i <= LOCALS; i++) {
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "(call $use (local.get %u))", i);
        if (i == LOCALS - 3 || i == LOCALS) {
            used += (size_t)snprintf(text + used, TEXT_BYTES - used, "(call $see (i32.const %u))",
                                     i == LOCALS);
        }
    }
    (void)snprintf(text + used, TEXT_BYTES - used, "))");
    Test test;
    test_open(&test);
    test.expected[0] = "1 1 1";
    test.expected[1] = "";
    EXPECT_EQ(world_add(&test.world, text), IMAGO_OK);
    ImagoValue values[1] = {{.externref = token(1)}};
    EXPECT_EQ(world_call(&test.world, "f", values), IMAGO_OK);
    test_close(&test, "");
    free(text);
}

int main(void) {
    RUN(frames);
    RUN(calls_across);
    RUN(globals_and_tables);
    RUN(a_large_frame);
    return test_end();
}
