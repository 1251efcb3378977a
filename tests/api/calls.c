// Prepared calls (imago_func_prepare, imago_call), and calls that do not start from an idle store:
// inside of others, on other threads, in a store that another thread is in a call of.
#include <pthread.h>

#include "world.h"

static const char MODULE[] =
    "(module"
    "  (import \"env\" \"host\" (func $host (param i32) (result i32)))"
    "  (func (export \"add\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
    "  (func (export \"trap\") (param i32) (result i32) (unreachable))"
    "  (func (export \"call\") (param i32) (result i32)"
    "    (i32.add (call $host (local.get 0)) (i32.const 100)))"
    "  (func (export \"many\") (param i32 i64 f32 f64 i32 i32 i32 i32 i32)"
    "    (result i64 f64 i32 i32 i32 i32 i32)"
    "    (local.get 1) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)"
    "    (local.get 8))"
    "  (func (export \"null\") (param funcref) (result i32) (ref.is_null (local.get 0))))";

typedef struct Nested {
    World *world;
    ImagoCall add, trap, call;
    int depth;
    ImagoStatus inner; // how the innermost call ended
} Nested;

// Calls back with a smaller argument, at last a function that traps.
static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    Nested *nested = env;
    (void)caller;
    nested->depth++;
    if (values[0].i32 != 0) {
        values[0].i32--;
        return imago_call(&nested->call, values, NULL);
    }
    nested->inner = imago_call(&nested->trap, values, NULL);
    values[0].i32 = 10;
    return imago_call(&nested->add, values, NULL);
}

static void world_prepare(World *world, const char *name, ImagoCall *call) {
    EXPECT(imago_func_prepare(world->store, world_export(world, name).of.func, &WORLD_I32_TO_I32,
                              call, &world->error));
}

static World world_with(Nested *nested) {
    World world = world_new(NULL);
    world_define(&world, "host", &WORLD_I32_TO_I32, host, nested);
    EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
    world_prepare(&world, "add", &nested->add);
    world_prepare(&world, "trap", &nested->trap);
    world_prepare(&world, "call", &nested->call);
    return world;
}

static void expect_call(const ImagoCall *call, int32_t argument, int32_t result) {
    ImagoValue value = {.i32 = argument};
    EXPECT_EQ(imago_call(call, &value, NULL), IMAGO_OK);
    EXPECT_EQ(value.i32, result);
}

TEST(prepared) {
    Nested nested = {.depth = 0};
    World world = world_with(&nested);
    for (int i = 0; i < 100; i++) {
        expect_call(&nested.add, i, i + 1);
    }
    ImagoValue value = {.i32 = 0};
    EXPECT_EQ(imago_call(&nested.trap, &value, NULL), IMAGO_TRAP);
    EXPECT_STR(imago_store_trap(world.store)->message, "unreachable");
    expect_call(&nested.add, 1, 2);
    EXPECT(imago_store_trap(world.store) == NULL);
    ImagoCall many;
    EXPECT(imago_func_prepare(world.store, world_export(&world, "many").of.func, NULL, &many,
                              &world.error));
    ImagoValue values[9] = {{.i32 = 1}, {.i64 = -2}, {.f32 = 3}, {.f64 = 4.5}, {.i32 = 5},
                            {.i32 = 6}, {.i32 = 7}, {.i32 = 8}, {.i32 = 9}};
    EXPECT_EQ(imago_call(&many, values, NULL), IMAGO_OK);
    EXPECT_EQ(values[0].i64, -2);
    EXPECT_EQ(values[1].f64, 4.5);
    EXPECT_EQ(values[2].i32, 5);
    EXPECT_EQ(values[6].i32, 9);
    world_delete(&world);
}

TEST(refused) {
    Nested nested = {.depth = 0};
    World world = world_with(&nested), other = world_new(NULL);
    ImagoFunc *add = world_export(&world, "add").of.func;
    ImagoCall call;
    EXPECT(!imago_func_prepare(world.store, add, &WORLD_TO_NONE, &call, &world.error));
    EXPECT_EQ(world.error.code, IMAGO_ERROR_USAGE);
    EXPECT_STR(world.error.text, "the function has another type: (i32) -> (i32)");
    world.error = ERROR_CLEAR;
    EXPECT(!imago_func_prepare(other.store, add, NULL, &call, &world.error));
    EXPECT_EQ(world.error.code, IMAGO_ERROR_USAGE);
    EXPECT(!imago_func_prepare(world.store, NULL, NULL, &call, NULL));
    world_delete(&other);
    world_delete(&world);
}

TEST(host_function) {
    Nested nested = {.depth = 0};
    World world = world_with(&nested);
    ImagoFunc *func = imago_func_new(world.store, &WORLD_I32_TO_I32, host, &nested, NULL);
    ImagoCall call;
    EXPECT(imago_func_prepare(world.store, func, &WORLD_I32_TO_I32, &call, &world.error));
    expect_call(&call, 0, 11);
    EXPECT_EQ(nested.inner, IMAGO_TRAP);
    world_delete(&world);
}

TEST(nested) {
    Nested nested = {.depth = 0};
    World world = world_with(&nested);
    expect_call(&nested.call, 20, 11 + 21 * 100);
    EXPECT_EQ(nested.depth, 21);
    EXPECT_EQ(nested.inner, IMAGO_TRAP);
    expect_call(&nested.add, 1, 2);
    world_delete(&world);
}

static void *call_on_thread(void *env) {
    Nested *nested = env;
    for (int i = 0; i < 3; i++) {
        expect_call(&nested->add, i, i + 1);
        expect_call(&nested->call, 1, 211);
    }
    return NULL;
}

static void run_on_thread(void *(*run)(void *), void *env) {
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, run, env), 0);
    EXPECT_EQ(pthread_join(thread, NULL), 0);
}

TEST(other_thread) {
    Nested nested = {.depth = 0};
    World world = world_with(&nested);
    run_on_thread(call_on_thread, &nested);
    expect_call(&nested.add, 1, 2);
    world_delete(&world);
}

// A host function that waits for another thread, which calls into the same store meanwhile: the
// outer call's frames stay.
static ImagoStatus lend(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    (void)values;
    run_on_thread(call_on_thread, env);
    return IMAGO_OK;
}

TEST(lent_to_another_thread) {
    Nested nested = {.depth = 0};
    World world = world_with(&nested);
    ImagoCall outer;
    world_define(&world, "lend", &WORLD_I32_TO_I32, lend, &nested);
    EXPECT_EQ(world_add(&world,
                        "(module (import \"env\" \"lend\" (func $f (param i32) (result i32)))"
                        " (func (export \"f\") (param i32) (result i32)"
                        "  (i32.add (local.get 0) (call $f (i32.const 1000)))))"),
              IMAGO_OK);
    world_prepare(&world, "f", &outer);
    expect_call(&outer, 23, 1023);
    expect_call(&outer, 24, 1024);
    world_delete(&world);
}

// Checked in imago_func_call each time; a prepared call trusts the host.
TEST(references) {
    Nested nested = {.depth = 0};
    World world = world_with(&nested), other = world_with(&nested);
    ImagoFunc *null = world_export(&world, "null").of.func;
    ImagoCall call;
    EXPECT(imago_func_prepare(world.store, null, NULL, &call, &world.error));
    ImagoValue value = {.func = null};
    EXPECT_EQ(imago_call(&call, &value, NULL), IMAGO_OK);
    EXPECT_EQ(value.i32, 0);
    value = (ImagoValue){.func = NULL};
    EXPECT_EQ(imago_call(&call, &value, NULL), IMAGO_OK);
    EXPECT_EQ(value.i32, 1);
    for (int i = 0; i < 2; i++) {
        value = (ImagoValue){.func = world_export(&other, "add").of.func};
        EXPECT_EQ(imago_func_call(world.store, null, &value, &world.error), IMAGO_FAIL);
        value = (ImagoValue){.func = null};
        EXPECT_EQ(imago_func_call(world.store, null, &value, &world.error), IMAGO_OK);
    }
    world_delete(&other);
    world_delete(&world);
}

static ImagoStatus do_nothing(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    (void)values;
    return IMAGO_OK;
}

// Every call has the whole guest stack, however deep the one before it called the host.
TEST(after_a_deep_call) {
    const ImagoStoreOptions options = {.size = sizeof options, .stack_bytes = 256 << 10};
    World world = world_new(&options);
    world_define(&world, "nothing", &WORLD_I32_TO_I32, do_nothing, NULL);
    EXPECT_EQ(world_add(&world,
                        "(module (import \"env\" \"nothing\" (func $f (param i32) (result i32)))"
                        " (func $deep (export \"deep\") (param i32) (result i32)"
                        "  (if (result i32) (local.get 0)"
                        "   (then (i32.add (i32.const 1)"
                        "    (call $deep (i32.sub (local.get 0) (i32.const 1)))))"
                        "   (else (call $f (i32.const 0)))))"
                        " (func (export \"first\") (param i32) (result i32)"
                        "  (call $deep (local.get 0)))"
                        " (func (export \"second\") (param i32) (result i32)"
                        "  (call $deep (local.get 0))))"),
              IMAGO_OK);
    int32_t depth = 64, result = 0;
    while (world_call_i32(&world, "deep", depth, &result) == IMAGO_OK) {
        depth *= 2;
    }
    do { // fits once, but not twice
        depth -= depth / 8;
    } while (world_call_i32(&world, "deep", depth, &result) != IMAGO_OK);
    EXPECT_CALL(&world, "deep", depth, depth);
    EXPECT_CALL(&world, "first", depth, depth);
    EXPECT_CALL(&world, "deep", depth, depth);
    EXPECT_CALL(&world, "second", depth, depth);
    world_delete(&world);
}

int main(void) {
    RUN(prepared);
    RUN(refused);
    RUN(host_function);
    RUN(nested);
    RUN(other_thread);
    RUN(lent_to_another_thread);
    RUN(references);
    RUN(after_a_deep_call);
    return test_end();
}
