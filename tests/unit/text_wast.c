// Scripts: every command and value by table, positions, matching of results, errors.
#include "text/wast.h"

#include "base/alloc.h"
#include "test.h"

static const char SCRIPT[] =
    "(module $m (func (export \"f\")))\n"
    "  (module $n binary \"\\00asm\" \"\\01\\00\\00\\00\")\r\n"
    "(module quote \"(func\" \"\\29\")\n"
    "(register \"lib\" $m) (register \"last\")\n"
    "(invoke $m \"f\" (i32.const -1) (i64.const 2) (f32.const 1) (f64.const nan:0x1)\n"
    "  (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) (ref.null func)\n"
    "  (ref.null extern) (ref.extern 7))\n"
    "(get \"g\\74\")\n"
    "(assert_return (invoke \"f\") (f32.const nan:canonical) (f64.const nan:arithmetic)\n"
    "  (v128.const f32x4 1 nan:canonical nan:arithmetic 0) (ref.func) (ref.extern) (ref.null)\n"
    "  (ref.null any) (either (i32.const 1) (i32.const 2)) (i64.const 3))\n"
    "(assert_trap (get $m \"g\") \"trap\") (assert_trap (module) \"start\")\n"
    "(assert_exhaustion (invoke \"f\") \"stack\")\n"
    "(assert_invalid (module (func (result i32))) \"type mismatch\")\n"
    "(assert_malformed (module quote \"(func\" \"nop)\") \"unknown operator\")\n"
    "(assert_unlinkable (module\n (fun)) \"unknown import\")\n"
    "(module definition $d) (assert_exception (invoke \"f\")) (frobnicate (x)) ;; end";

static const struct {
    WastKind kind;
    u32 line, column;
    bool has_module; // translated
    const char *text; // name, action's name, message or module's identifier
} COMMANDS[] = {
    {WAST_MODULE, 1, 1, true, "m"},
    {WAST_MODULE, 2, 3, true, "n"},
    {WAST_MODULE, 3, 1, true, ""},
    {WAST_REGISTER, 4, 1, false, "lib"},
    {WAST_REGISTER, 4, 21, false, "last"},
    {WAST_ACTION, 5, 1, false, "f"},
    {WAST_ACTION, 8, 1, false, "gt"},
    {WAST_ASSERT_RETURN, 9, 1, false, "f"},
    {WAST_ASSERT_TRAP, 12, 1, false, "trap"},
    {WAST_ASSERT_UNINSTANTIABLE, 12, 35, true, "start"},
    {WAST_ASSERT_EXHAUSTION, 13, 1, false, "stack"},
    {WAST_ASSERT_INVALID, 14, 1, true, "type mismatch"},
    {WAST_ASSERT_MALFORMED, 15, 1, false, "unknown operator"},
    {WAST_ASSERT_UNLINKABLE, 16, 1, false, "unknown import"},
    {WAST_UNSUPPORTED, 18, 1, false, "module"},
    {WAST_UNSUPPORTED, 18, 24, false, "assert_exception"},
    {WAST_UNSUPPORTED, 18, 56, false, "frobnicate"},
    {WAST_END, 18, 0, false, ""},
};

static Str text_of(const WastCommand *command) {
    if (command->message.at != NULL) {
        return command->message;
    }
    if (command->name.at != NULL) {
        return command->name;
    }
    return command->action.name.at != NULL ? command->action.name : command->module.id;
}

TEST(commands) {
    Error err = ERROR_INIT;
    WastScript *script = wast_open(STR(SCRIPT), &err);
    EXPECT(script != NULL);
    for (usize i = 0; script != NULL && i < COUNT_OF(COMMANDS); i++) {
        WastCommand command;
        if (!wast_next(script, &command, &err)) {
            TEST_FAIL("command %zu: %u:%u: %s", i, err.line, err.column, err.text);
            break;
        }
        const Str text = text_of(&command);
        if (command.kind != COMMANDS[i].kind || command.line != COMMANDS[i].line ||
            (command.column != COMMANDS[i].column && command.kind != WAST_END) ||
            command.module.is_translated != COMMANDS[i].has_module ||
            !str_equal(text, str_of(COMMANDS[i].text))) {
            TEST_FAIL("command %zu: %u:%u: kind %d, text %.*s, %s", i, command.line,
                      command.column, (int)command.kind, (int)text.count, text.at,
                      command.module.error.text);
        }
        if (command.module.is_translated) {
            EXPECT(command.module.byte_count >= 8);
            EXPECT(memcmp(command.module.bytes, "\0asm\1\0\0\0", 8) == 0);
        }
    }
    wast_close(script);
}

// The command number `index` (from 0) of the script; the script stays open.
static WastScript *open_at(u32 index, WastCommand *out) {
    Error err = ERROR_INIT;
    WastScript *script = wast_open(STR(SCRIPT), &err);
    for (u32 i = 0; i <= index; i++) {
        EXPECT(wast_next(script, out, &err));
    }
    return script;
}

TEST(arguments) {
    WastCommand command;
    WastScript *script = open_at(5, &command);
    const WastValue *args = command.action.args;
    EXPECT(str_equal(command.action.module_id, STR("m")));
    EXPECT_EQ(command.action.arg_count, 8);
    EXPECT(args[0].kind == WAST_NUMBER && args[0].type == VAL_I32 && args[0].bits == UINT32_MAX);
    EXPECT(args[1].type == VAL_I64 && args[1].bits == 2);
    EXPECT(args[2].type == VAL_F32 && args[2].bits == 0x3F800000);
    EXPECT(args[3].type == VAL_F64 && args[3].bits == 0x7FF0000000000001);
    EXPECT(args[4].kind == WAST_VECTOR && args[4].vector.low == 0x0706050403020100 &&
           args[4].vector.high == 0x0F0E0D0C0B0A0908);
    EXPECT(args[5].kind == WAST_REF_NULL && args[5].type == VAL_FUNCREF);
    EXPECT(args[6].kind == WAST_REF_NULL && args[6].type == VAL_EXTERNREF);
    EXPECT(args[7].kind == WAST_REF_EXTERN && args[7].bits == 7 && !args[7].is_any);
    wast_close(script);
}

TEST(results) {
    WastCommand command;
    WastScript *script = open_at(7, &command);
    const WastValue *results = command.results;
    EXPECT_EQ(command.result_count, 9);
    EXPECT(results[0].nan == NAN_CANONICAL && results[1].nan == NAN_ARITHMETIC);
    EXPECT(results[2].vector.nan[1] == NAN_CANONICAL && results[2].vector.nan[2] == NAN_ARITHMETIC);
    EXPECT_EQ(results[2].vector.low, 0x3F800000);
    EXPECT(results[3].kind == WAST_REF_FUNC);
    EXPECT(results[4].kind == WAST_REF_EXTERN && results[4].is_any);
    EXPECT(results[5].kind == WAST_REF_NULL && results[5].type == VAL_NONE);
    EXPECT(results[6].kind == WAST_REF_NULL && results[6].type == VAL_NONE);
    EXPECT(results[7].kind == WAST_EITHER && results[7].option_count == 2 &&
           results[7].options[1].bits == 2);
    EXPECT(results[8].type == VAL_I64 && results[8].bits == 3);
    wast_close(script);
}

TEST(module_errors_are_placed_in_the_script) {
    WastCommand command;
    WastScript *script = open_at(12, &command);
    EXPECT_STR(command.module.error.text, "unknown operator funcnop");
    EXPECT_EQ(command.module.error.line, 15);
    EXPECT_EQ(command.module.error.column, 27);
    Error err = ERROR_INIT;
    EXPECT(wast_next(script, &command, &err));
    EXPECT_STR(command.module.error.text, "unknown operator fun");
    EXPECT_EQ(command.module.error.line, 17);
    EXPECT_EQ(command.module.error.column, 3);
    EXPECT(SCRIPT[command.module.error.offset] == 'f');
    wast_close(script);
}

TEST(fields_alone_are_a_module) {
    Error err = ERROR_INIT;
    WastScript *script = wast_open(STR("(func) (memory 0) (func (export \"f\"))"), &err);
    WastCommand command;
    EXPECT(wast_next(script, &command, &err));
    EXPECT(command.kind == WAST_MODULE && command.module.is_translated);
    EXPECT(wast_next(script, &command, &err) && command.kind == WAST_END);
    EXPECT(wast_next(script, &command, &err) && command.kind == WAST_END);
    wast_close(script);
}

static const struct {
    const char *text, *message;
    u32 line, column;
} ERRORS[] = {
    {"\"", "unclosed string", 1, 1},
    {"(module) (", "unexpected token: end of text", 1, 11},
    {"\n)", "unexpected token )", 2, 1},
    {"(module (func)\n", "unexpected token: end of text", 2, 1},
    {"(invoke f)", "unknown operator f", 1, 9},
    {"(invoke \"f\" (i32.const 1.5))", "unexpected token 1.5", 1, 24},
    {"(invoke \"f\" (i32.const nan:canonical))", "unexpected token nan:canonical", 1, 24},
    {"(invoke \"f\" (f32.const nan:canonical))", "unexpected token (", 1, 13},
    {"(invoke \"f\" (ref.null))", "unexpected token (", 1, 13},
    {"(invoke \"f\" (ref.extern))", "unexpected token (", 1, 13},
    {"(invoke \"f\" (either (i32.const 1)))", "unexpected token (", 1, 13},
    {"(invoke \"f\" (v128.const f64x2 0 nan:arithmetic))", "unexpected token (", 1, 13},
    {"(assert_return (invoke \"f\") (either (either)))", "unexpected token (", 1, 37},
    {"(assert_return (module))", "unexpected token (", 1, 16},
    {"(assert_invalid (module) message)", "unknown operator message", 1, 26},
    {"(func) (module)", "unexpected token", 1, 9},
};

TEST(errors) {
    for (usize i = 0; i < COUNT_OF(ERRORS); i++) {
        Error err = ERROR_INIT;
        WastScript *script = wast_open(str_of(ERRORS[i].text), &err);
        WastCommand command = {.kind = WAST_MODULE};
        while (script != NULL && command.kind != WAST_END && wast_next(script, &command, &err)) {
            if (command.kind == WAST_MODULE && !command.module.is_translated) {
                err = command.module.error;
            }
        }
        if (strncmp(err.text, ERRORS[i].message, strlen(ERRORS[i].message)) != 0 ||
            err.line != ERRORS[i].line || err.column != ERRORS[i].column) {
            TEST_FAIL("%s\n  is       %u:%u: %s\n  expected %u:%u: %s", ERRORS[i].text, err.line,
                      err.column, err.text, ERRORS[i].line, ERRORS[i].column, ERRORS[i].message);
        }
        wast_close(script);
    }
}

static bool number_matches(ValType type, NanKind nan, u64 expected, u64 actual) {
    const WastValue wanted = {.kind = WAST_NUMBER, .type = type, .nan = nan, .bits = expected};
    const WastValue got = {.kind = WAST_NUMBER, .type = type, .bits = actual};
    return wast_value_matches(&wanted, &got);
}

TEST(matches_numbers) {
    EXPECT(number_matches(VAL_I32, NAN_NONE, 1, 1));
    EXPECT(!number_matches(VAL_I32, NAN_NONE, 1, 2));
    EXPECT(!number_matches(VAL_F32, NAN_NONE, 0, 0x80000000));
    EXPECT(number_matches(VAL_F32, NAN_CANONICAL, 0, 0x7FC00000));
    EXPECT(number_matches(VAL_F32, NAN_CANONICAL, 0, 0xFFC00000));
    EXPECT(!number_matches(VAL_F32, NAN_CANONICAL, 0, 0x7FC00001));
    EXPECT(!number_matches(VAL_F32, NAN_CANONICAL, 0, 0x7F800000));
    EXPECT(number_matches(VAL_F32, NAN_ARITHMETIC, 0, 0xFFC00001));
    EXPECT(!number_matches(VAL_F32, NAN_ARITHMETIC, 0, 0x7F800001));
    EXPECT(number_matches(VAL_F64, NAN_CANONICAL, 0, 0xFFF8000000000000));
    EXPECT(!number_matches(VAL_F64, NAN_CANONICAL, 0, 0x7FF8000000000001));
    EXPECT(number_matches(VAL_F64, NAN_ARITHMETIC, 0, 0x7FF8000000000001));
    EXPECT(!number_matches(VAL_F64, NAN_ARITHMETIC, 0, 0x7FF0000000000001));
    EXPECT(!number_matches(VAL_F64, NAN_ARITHMETIC, 0, 0x3FF8000000000001));
}

TEST(matches_vectors) {
    WastCommand command;
    WastScript *script = open_at(7, &command);
    WastValue got = {.kind = WAST_VECTOR, .type = VAL_V128};
    got.vector = (VectorLiteral){.low = 0x7FC000003F800000, .high = 0xFFC01234};
    EXPECT(wast_value_matches(&command.results[2], &got));
    got.vector.low = 0x7FC000013F800000;
    EXPECT(!wast_value_matches(&command.results[2], &got));
    got.vector = (VectorLiteral){.low = 0x7FC000003F800000, .high = 0x1FFC01234};
    EXPECT(!wast_value_matches(&command.results[2], &got));
    wast_close(script);
}

TEST(matches_references) {
    const WastValue null_func = {.kind = WAST_REF_NULL, .type = VAL_FUNCREF};
    const WastValue null_any = {.kind = WAST_REF_NULL};
    const WastValue func = {.kind = WAST_REF_FUNC};
    const WastValue extern_7 = {.kind = WAST_REF_EXTERN, .bits = 7};
    const WastValue extern_any = {.kind = WAST_REF_EXTERN, .is_any = true};
    const WastValue extern_8 = {.kind = WAST_REF_EXTERN, .bits = 8};
    EXPECT(wast_value_matches(&null_any, &null_func));
    EXPECT(!wast_value_matches(&null_func, &func));
    EXPECT(!wast_value_matches(&func, &null_func));
    EXPECT(wast_value_matches(&func, &func));
    EXPECT(!wast_value_matches(&extern_7, &extern_8));
    EXPECT(wast_value_matches(&extern_any, &extern_8));
    const WastValue options[] = {null_func, extern_7};
    const WastValue either = {.kind = WAST_EITHER, .options = options, .option_count = 2};
    EXPECT(wast_value_matches(&either, &extern_7));
    EXPECT(!wast_value_matches(&either, &extern_8));
}

// Reads a script to its end; returns whether nothing was wrong with it.
static bool read_all(Str text, Error *err) {
    WastScript *script = wast_open(text, err);
    WastCommand command = {.kind = WAST_MODULE};
    bool ok = script != NULL;
    while (ok && command.kind != WAST_END) {
        ok = wast_next(script, &command, err);
    }
    wast_close(script);
    return ok;
}

TEST(every_allocation_fails) {
    bool ok = false;
    for (u64 n = 1; !ok; n++) {
        Error err = ERROR_INIT;
        (void)mem_fail_at(n, false);
        ok = read_all(STR(SCRIPT), &err);
        (void)mem_fail_at(0, false);
        EXPECT(ok || err.code == IMAGO_ERROR_NO_MEMORY);
    }
}

TEST(every_cut_is_survived) {
    for (usize count = 0; count < sizeof SCRIPT - 1; count++) {
        char *text = mem_alloc(count);
        memcpy(text, SCRIPT, count);
        Error err = ERROR_INIT;
        EXPECT(read_all((Str){text, count}, &err) == (err.code == IMAGO_ERROR_NONE));
        mem_free(text);
    }
}

int main(void) {
    RUN(commands);
    RUN(arguments);
    RUN(results);
    RUN(module_errors_are_placed_in_the_script);
    RUN(fields_alone_are_a_module);
    RUN(errors);
    RUN(matches_numbers);
    RUN(matches_vectors);
    RUN(matches_references);
    RUN(every_allocation_fails);
    RUN(every_cut_is_survived);
    return test_end();
}
