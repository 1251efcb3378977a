// Imports and exports: resolution, type checks and their messages, all ways of calling across
// instances and into host functions.
#include "world.h"

static ImagoStatus expect_fail(World *world, const char *text, ImagoErrorCode code) {
    const ImagoStatus status = world_add(world, text);
    EXPECT_EQ(status, IMAGO_FAIL);
    EXPECT_EQ(world->error.code, code);
    EXPECT(world->instance == NULL);
    return status;
}

static void expect_message(World *world, const char *text, const char *start) {
    (void)expect_fail(world, text, IMAGO_ERROR_LINK);
    if (strncmp(world->error.text, start, strlen(start)) != 0) {
        TEST_FAIL("message \"%s\", expected \"%s...\"", world->error.text, start);
    }
}

static ImagoStatus twice(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    values[0].i32 *= 2;
    return IMAGO_OK;
}

static void define_instance(World *world, const char *name) {
    EXPECT(imago_linker_define_instance(world->linker, name, strlen(name), world->instance,
                                        &world->error));
}

static const char LIBRARY[] =
    "(module $lib (func (export \"f\") (param i32) (result i32) (i32.add (local.get 0) (i32.const "
    "1)))"
    "  (func (export \"large\") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)"
    "    (local.get 9))"
    "  (table (export \"t\") 10 20 funcref) (table (export \"t_open\") 10 funcref)"
    "  (memory (export \"m\") 2 4)"
    "  (global (export \"g\") i32 (i32.const 5)) (global (export \"mut\") (mut i64) (i64.const "
    "6)))";

TEST(messages) {
    World world = world_new(NULL);
    world_define(&world, "twice", &WORLD_I32_TO_I32, twice, NULL);
    EXPECT_EQ(world_add(&world, LIBRARY), IMAGO_OK);
    define_instance(&world, "lib");
    expect_message(&world, "(module (import \"env\" \"none\" (func)))",
                   "unknown import: \"env\".\"none\" (function)");
    expect_message(&world, "(module (import \"\" \"a\\00b\\22\" (memory 1)))",
                   "unknown import: \"\".\"a\\00b\\22\" (memory)");
    expect_message(
        &world, "(module (import \"env\" \"twice\" (func)))",
        "incompatible import type: \"env\".\"twice\": expected () -> (), found (i32) -> (i32)");
    expect_message(&world, "(module (import \"env\" \"twice\" (func (param i32) (result i64))))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"env\" \"twice\" (memory 1)))",
                   "incompatible import type: \"env\".\"twice\": expected memory, found function");
    expect_message(&world, "(module (import \"lib\" \"f\" (global i32)))",
                   "incompatible import type: ");
    expect_message(
        &world,
        "(module (import \"lib\" \"large\" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 "
        "i64) (result i32))))",
        "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"t\" (table 11 funcref)))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"t\" (table 10 19 funcref)))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"t\" (table 10 externref)))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"t_open\" (table 10 1000 funcref)))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"m\" (memory 3)))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"m\" (memory 2 3)))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"g\" (global i64)))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"g\" (global (mut i32))))",
                   "incompatible import type: ");
    expect_message(&world, "(module (import \"lib\" \"mut\" (global i64)))",
                   "incompatible import type: ");
    EXPECT_EQ(
        world_add(&world,
                  "(module (import \"lib\" \"t\" (table 5 30 funcref))"
                  "(import \"lib\" \"m\" (memory 0 5)) (import \"lib\" \"mut\" (global (mut i64)))"
                  "(import \"lib\" \"t_open\" (table 10 funcref))"
                  "(import \"lib\" \"f\" (func (param i32) (result i32))))"),
        IMAGO_OK);
    world_delete(&world);
}

// An import matches by the size now, not the declared one.
TEST(grown_exports_match) {
    World world = world_new(NULL);
    EXPECT_EQ(world_add(&world, LIBRARY), IMAGO_OK);
    define_instance(&world, "lib");
    EXPECT_EQ(imago_memory_grow(world_export(&world, "m").of.memory, 1), 2);
    EXPECT_EQ(imago_table_grow(world_export(&world, "t").of.table, 1, (ImagoValue){.func = NULL}),
              10);
    EXPECT_EQ(world_add(&world, "(module (import \"lib\" \"t\" (table 11 20 funcref))"
                                "(import \"lib\" \"m\" (memory 3 4)))"),
              IMAGO_OK);
    world_delete(&world);
}

TEST(latest_definition_wins) {
    World world = world_new(NULL);
    world_define(&world, "f", &WORLD_I32_TO_I32, twice, NULL);
    EXPECT_EQ(world_add(&world, LIBRARY), IMAGO_OK);
    define_instance(&world, "env");
    EXPECT_EQ(world_add(&world,
                        "(module (import \"env\" \"f\" (func $f (param i32) (result i32)))"
                        "(export \"f\" (func $f))"
                        "(func (export \"g\") (param i32) (result i32) (call $f (local.get 0))))"),
              IMAGO_OK);
    EXPECT_CALL(&world, "f", 10, 11);
    EXPECT_CALL(&world, "g", 10, 11);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%d", i);
        world_define(&world, name, &WORLD_I32_TO_I32, twice, NULL);
    }
    EXPECT_EQ(world_add(&world,
                        "(module (import \"env\" \"f777\" (func $f (param i32) (result i32)))"
                        "(func (export \"g\") (param i32) (result i32) (call $f (local.get 0))))"),
              IMAGO_OK);
    EXPECT_CALL(&world, "g", 10, 20);
    world_delete(&world);
}

// ---- Host functions of any type -----------------------------------------------------------------

// (i32 i64 f32 f64 i32x8 f64x8 v128? ...) -> many results, some in memory.
static const uint8_t MANY_PARAMS[] = {IMAGO_I32, IMAGO_F32, IMAGO_I64, IMAGO_F64, IMAGO_I32,
                                      IMAGO_I64, IMAGO_I32, IMAGO_I64, IMAGO_I32, IMAGO_F32,
                                      IMAGO_F64, IMAGO_F32, IMAGO_F64, IMAGO_F32, IMAGO_F64,
                                      IMAGO_F32, IMAGO_F64};
static const uint8_t MANY_RESULTS[] = {IMAGO_F64, IMAGO_I32, IMAGO_I64, IMAGO_F32,
                                       IMAGO_I32, IMAGO_I64, IMAGO_I32, IMAGO_F64,
                                       IMAGO_F32, IMAGO_I64, IMAGO_F32, IMAGO_F64};
static const ImagoFuncType MANY = {MANY_PARAMS, MANY_RESULTS, sizeof MANY_PARAMS,
                                   sizeof MANY_RESULTS};

static double number_of(ImagoType type, const ImagoValue *value) {
    switch (type) {
    case IMAGO_I32: return value->i32;
    case IMAGO_I64: return (double)value->i64;
    case IMAGO_F32: return (double)value->f32;
    case IMAGO_F64: return value->f64;
    case IMAGO_V128:
    case IMAGO_FUNCREF:
    case IMAGO_EXTERNREF:
    default: return -1;
    }
}

static ImagoValue value_of(ImagoType type, double number) {
    ImagoValue value = {.bits = {~0ull, ~0ull}};
    switch (type) {
    case IMAGO_I32: value.i32 = (int32_t)number; break;
    case IMAGO_I64: value.i64 = (int64_t)number; break;
    case IMAGO_F32: value.f32 = (float)number; break;
    case IMAGO_F64: value.f64 = number; break;
    case IMAGO_V128:
    case IMAGO_FUNCREF:
    case IMAGO_EXTERNREF:
    default: break;
    }
    return value;
}

static int many_calls;

// Parameter i must be i + 1; result i becomes -(i + 1).
static ImagoStatus many(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    many_calls++;
    for (uint32_t i = 0; i < MANY.param_count; i++) {
        EXPECT_EQ(number_of((ImagoType)MANY_PARAMS[i], &values[i]), i + 1);
        if (MANY_PARAMS[i] == IMAGO_I32 || MANY_PARAMS[i] == IMAGO_F32) {
            EXPECT_EQ(values[i].bits[0] >> 32, 0);
        }
    }
    for (uint32_t i = 0; i < MANY.result_count; i++) {
        values[i] = value_of((ImagoType)MANY_RESULTS[i], -(double)(i + 1));
    }
    return IMAGO_OK;
}

#define MANY_TYPE                                                                                  \
    "(param i32 f32 i64 f64 i32 i64 i32 i64 i32 f32 f64 f32 f64 f32 f64 f32 f64)"                  \
    "(result f64 i32 i64 f32 i32 i64 i32 f64 f32 i64 f32 f64)"
#define MANY_GETS                                                                                  \
    "(local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) "         \
    "(local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10) (local.get 11) "       \
    "(local.get 12) (local.get 13) (local.get 14) (local.get 15) (local.get 16)"

static void expect_many(World *world, const char *name) {
    ImagoValue values[sizeof MANY_PARAMS];
    for (uint32_t i = 0; i < MANY.param_count; i++) {
        values[i] = value_of((ImagoType)MANY_PARAMS[i], (double)(i + 1));
    }
    const int before = many_calls;
    EXPECT_EQ(world_call(world, name, values), IMAGO_OK);
    EXPECT_EQ(many_calls, before + 1);
    for (uint32_t i = 0; i < MANY.result_count; i++) {
        EXPECT_EQ(number_of((ImagoType)MANY_RESULTS[i], &values[i]), -(double)(i + 1));
        if (MANY_RESULTS[i] == IMAGO_I32 || MANY_RESULTS[i] == IMAGO_F32) {
            EXPECT_EQ(values[i].bits[0] >> 32, 0);
        }
    }
}

// By an exit stub of the image, by the runtime's generic stub through a table, and directly.
TEST(host_function_of_a_large_type) {
    World world = world_new(NULL);
    world_define(&world, "many", &MANY, many, NULL);
    EXPECT_EQ(world_add(&world,
                        "(module (import \"env\" \"many\" (func $many " MANY_TYPE "))"
                        "(export \"again\" (func $many))"
                        "(func (export \"call\") " MANY_TYPE " (call $many " MANY_GETS ")))"),
              IMAGO_OK);
    expect_many(&world, "call");
    expect_many(&world, "again");
    const ImagoExtern again = world_export(&world, "again");
    const ImagoFuncType type = imago_func_type(world.store, again.of.func);
    EXPECT_EQ(type.param_count, MANY.param_count);
    EXPECT_EQ(type.result_count, MANY.result_count);
    EXPECT_EQ(memcmp(type.results, MANY_RESULTS, sizeof MANY_RESULTS), 0);

    EXPECT_EQ(
        world_add(&world,
                  "(module (table $t (export \"t\") 2 funcref) (type $many (func " MANY_TYPE
                  ")) (func (export \"call\") " MANY_TYPE
                  " (call_indirect $t (type $many) " MANY_GETS " (i32.const 1)))"
                  "(func (export \"wrong\") (param i32) (result i32)"
                  "  (call_indirect $t (param i32) (result i32) (local.get 0) (i32.const 1))))"),
        IMAGO_OK);
    EXPECT(imago_table_set(world_export(&world, "t").of.table, 1,
                           (ImagoValue){.func = again.of.func}));
    for (int i = 0; i < 100; i++) {
        expect_many(&world, "call");
    }
    EXPECT_TRAP(&world, "wrong", 0, "indirect call type mismatch");
    world_delete(&world);
}

static ImagoStatus fails_sometimes(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    EXPECT(imago_caller_instance(caller) != NULL);
    uint64_t bytes = 0;
    EXPECT(imago_caller_memory(caller, &bytes) != NULL);
    EXPECT_EQ(bytes, 65536);
    return values[0].i32 < 0 ? imago_caller_trap(caller, "negative") : IMAGO_OK;
}

TEST(generic_stub_raises) {
    World world = world_new(NULL);
    ImagoFunc *func =
        imago_func_new(world.store, &WORLD_I32_TO_I32, fails_sometimes, NULL, &world.error);
    EXPECT_EQ(world_add(&world,
                        "(module $m (table $t (export \"t\") 2 funcref) (memory 1)"
                        "(func $call (export \"call\") (param i32) (result i32)"
                        "  (call_indirect $t (param i32) (result i32) (local.get 0) (i32.const 0)))"
                        "(func $deep (export \"deep\") (param i32) (result i32)"
                        "  (drop (call $call (i32.const 1)))"
                        "  (i32.add (i32.const 1) (call $deep (local.get 0)))))"),
              IMAGO_OK);
    EXPECT(imago_table_set(world_export(&world, "t").of.table, 0, (ImagoValue){.func = func}));
    EXPECT_CALL(&world, "call", 5, 5);
    EXPECT_TRAP(&world, "call", -5, "negative");
    const ImagoTrap *trap = imago_store_trap(world.store);
    EXPECT_EQ(trap->frame_count, 1);
    EXPECT_STR(trap->frames[0].func_name, "call");
    EXPECT_TRAP(&world, "deep", 0, "call stack exhausted");
    EXPECT_CALL(&world, "call", 6, 6);
    world_delete(&world);
}

// ---- Across instances ---------------------------------------------------------------------------

// Each instance of the image has a memory that says who it is; functions call each other through a
// shared table.
TEST(instances_of_one_image) {
    World world = world_new(NULL);
    EXPECT_EQ(world_add(&world, "(module (table (export \"t\") 4 funcref))"), IMAGO_OK);
    define_instance(&world, "shared");
    const ImagoImage *image = world_image(
        &world,
        "(module $one (import \"shared\" \"t\" (table $t 4 funcref)) (memory (export \"m\") 1)"
        "(func $me (export \"me\") (param i32) (result i32) (i32.load (i32.const 0)))"
        "(func $fails (export \"fails\") (param i32) (result i32) (i32.load (i32.const -1)))"
        "(func $other (export \"other\") (param i32) (result i32)"
        "  (i32.add (i32.mul (i32.const 100) (call_indirect $t (param i32) (result i32)"
        "    (local.get 0) (local.get 0))) (call $me (local.get 0)))))");
    ImagoInstance *instances[3];
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_EQ(imago_linker_instantiate(world.linker, world.store, image, &instances[i],
                                           &world.error),
                  IMAGO_OK);
        ImagoExtern memory;
        EXPECT(imago_instance_export(instances[i], "m", 1, &memory));
        imago_memory_data(memory.of.memory)[0] = (uint8_t)(i + 1);
    }
    ImagoExtern me, fails;
    EXPECT(imago_instance_export(instances[0], "me", 2, &me));
    EXPECT(imago_instance_export(instances[2], "fails", 5, &fails));
    ImagoExtern table;
    EXPECT(imago_linker_define_instance(world.linker, "x", 1, instances[0], &world.error));
    EXPECT_EQ(world_add(&world, "(module (import \"shared\" \"t\" (table 4 funcref))"
                                "(export \"t\" (table 0)))"),
              IMAGO_OK);
    table = world_export(&world, "t");
    EXPECT(imago_table_set(table.of.table, 0, (ImagoValue){.func = me.of.func}));
    EXPECT(imago_table_set(table.of.table, 1, (ImagoValue){.func = fails.of.func}));
    world.instance = instances[1];
    EXPECT_CALL(&world, "other", 0, 102);
    EXPECT_TRAP(&world, "other", 1, "out of bounds memory access");
    const ImagoTrap *trap = imago_store_trap(world.store);
    EXPECT_EQ(trap->frame_count, 2);
    EXPECT(trap->frames[0].instance == instances[2]);
    EXPECT(trap->frames[1].instance == instances[1]);
    world_delete(&world);
}

TEST(other_store_is_refused) {
    World a = world_new(NULL), b = world_new(NULL);
    EXPECT_EQ(world_add(&a, LIBRARY), IMAGO_OK);
    EXPECT_EQ(
        world_add(&b, "(module (func (export \"take\") (param funcref) (result i32) (i32.const 1))"
                      "(table (export \"t\") 1 funcref) (global (export \"g\") (mut funcref) "
                      "(ref.null func)))"),
        IMAGO_OK);
    const ImagoExtern foreign = world_export(&a, "f");
    ImagoValue value = {.func = foreign.of.func};
    EXPECT_EQ(world_call(&b, "take", &value), IMAGO_FAIL);
    EXPECT_EQ(b.error.code, IMAGO_ERROR_USAGE);
    EXPECT(!imago_table_set(world_export(&b, "t").of.table, 0, value));
    EXPECT_EQ(imago_table_grow(world_export(&b, "t").of.table, 1, value), -1);
    EXPECT(!imago_global_set(world_export(&b, "g").of.global, value));
    EXPECT(imago_global_new(b.store, IMAGO_FUNCREF, true, value, NULL) == NULL);
    EXPECT(!imago_linker_define(b.linker, "m", 1, "n", 1, foreign, NULL));
    EXPECT(!imago_linker_define_instance(b.linker, "m", 1, a.instance, NULL));
    b.error = ERROR_CLEAR;
    EXPECT_EQ(imago_func_call(b.store, foreign.of.func, &value, &b.error), IMAGO_FAIL);
    EXPECT_EQ(b.error.code, IMAGO_ERROR_USAGE);
    value.func = world_export(&b, "take").of.func;
    EXPECT_EQ(world_call(&b, "take", &value), IMAGO_OK);
    EXPECT_EQ(value.i32, 1);
    world_delete(&a);
    world_delete(&b);
}

// ---- Instantiation ------------------------------------------------------------------------------

TEST(segments_and_start) {
    World world = world_new(NULL);
    EXPECT_EQ(
        world_add(&world, "(module (memory (export \"m\") 1) (table (export \"t\") 4 funcref))"),
        IMAGO_OK);
    const ImagoExtern memory = world_export(&world, "m"), table = world_export(&world, "t");
    define_instance(&world, "x");
    // The second data segment traps: the first stays; no later one, no start.
    EXPECT_EQ(world_add(&world,
                        "(module (import \"x\" \"m\" (memory 1))"
                        "(data (i32.const 10) \"ab\") (data (i32.const 65535) \"cd\")"
                        "(data (i32.const 20) \"ef\")"
                        "(func $start (i32.store (i32.const 30) (i32.const 1))) (start $start))"),
              IMAGO_TRAP);
    EXPECT_STR(imago_store_trap(world.store)->message, "out of bounds memory access");
    EXPECT(world.instance != NULL);
    const uint8_t *bytes = imago_memory_data(memory.of.memory);
    EXPECT_EQ(bytes[10], 'a');
    EXPECT_EQ(bytes[65535], 0);
    EXPECT_EQ(bytes[20], 0);
    EXPECT_EQ(bytes[30], 0);
    // Elements come before data; functions of the failed instance stay callable through the table.
    EXPECT_EQ(world_add(&world, "(module (import \"x\" \"m\" (memory 1))"
                                "(import \"x\" \"t\" (table 4 funcref))"
                                "(func $f (param i32) (result i32) (i32.const 99))"
                                "(elem (i32.const 3) $f) (elem (i32.const 4) $f)"
                                "(data (i32.const 40) \"g\"))"),
              IMAGO_TRAP);
    EXPECT_STR(imago_store_trap(world.store)->message, "out of bounds table access");
    EXPECT_EQ(bytes[40], 0);
    ImagoValue value;
    EXPECT(imago_table_get(table.of.table, 3, &value) && value.func != NULL);
    ImagoFunc *func = value.func;
    value.i32 = 0;
    EXPECT_EQ(imago_func_call(world.store, func, &value, NULL), IMAGO_OK);
    EXPECT_EQ(value.i32, 99);
    // A start function that traps.
    EXPECT_EQ(world_add(&world,
                        "(module $s (import \"x\" \"m\" (memory 1))"
                        "(func $start (i32.store (i32.const 50) (i32.const 1)) (unreachable))"
                        "(start $start))"),
              IMAGO_TRAP);
    EXPECT_STR(imago_store_trap(world.store)->message, "unreachable");
    EXPECT_EQ(imago_store_trap(world.store)->frame_count, 1);
    EXPECT_EQ(bytes[50], 1);
    world_delete(&world);
}

TEST(introspection) {
    World world = world_new(NULL);
    const ImagoImage *image = world_image(
        &world, "(module (import \"a\" \"f\" (func (param i32 f64) (result i64)))"
                "(import \"a\" \"t\" (table 1 2 externref)) (import \"\" \"g\" (global (mut f32)))"
                "(memory (export \"m\") 3 9) (func (export \"z\") (result f64) (unreachable))"
                "(global (export \"g\") i32 (i32.const 1)))");
    EXPECT_EQ(imago_image_import_count(image), 3);
    const ImagoImport func = imago_image_import(image, 0), table = imago_image_import(image, 1),
                      global = imago_image_import(image, 2);
    EXPECT_STR(func.module, "a");
    EXPECT_STR(func.name, "f");
    EXPECT_EQ(func.type.kind, IMAGO_EXTERN_FUNC);
    EXPECT_EQ(func.type.func.param_count, 2);
    EXPECT_EQ(func.type.func.params[1], IMAGO_F64);
    EXPECT_EQ(func.type.func.results[0], IMAGO_I64);
    EXPECT_EQ(table.type.kind, IMAGO_EXTERN_TABLE);
    EXPECT_EQ(table.type.value, IMAGO_EXTERNREF);
    EXPECT(table.type.limits.has_max && table.type.limits.max == 2 && table.type.limits.min == 1);
    EXPECT_EQ(global.module_bytes, 0);
    EXPECT_EQ(global.type.value, IMAGO_F32);
    EXPECT(global.type.is_mutable);
    EXPECT_EQ(imago_image_export_count(image), 3);
    const ImagoExport g = imago_image_export(image, 0), m = imago_image_export(image, 1);
    EXPECT_STR(g.name, "g");
    EXPECT_EQ(g.type.kind, IMAGO_EXTERN_GLOBAL);
    EXPECT(!g.type.is_mutable);
    EXPECT_STR(m.name, "m");
    EXPECT_EQ(m.type.limits.max, 9);
    world_delete(&world);
}

int main(void) {
    RUN(messages);
    RUN(grown_exports_match);
    RUN(latest_definition_wins);
    RUN(host_function_of_a_large_type);
    RUN(generic_stub_raises);
    RUN(instances_of_one_image);
    RUN(other_store_is_refused);
    RUN(segments_and_start);
    RUN(introspection);
    return test_end();
}
