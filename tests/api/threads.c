// Eight threads, each with its own store, over one engine and one image: calls, traps, growth,
// large types, all at once.
#include <pthread.h>

#include "world.h"

enum { THREADS = 8, ROUNDS = 150 };

static const char MODULE[] =
    "(module $m (import \"env\" \"host\" (func $host (param i32) (result i32)))"
    "  (memory 1 4) (data (i32.const 0) \"\\05\\00\\00\\00\") (table $t (export \"t\") 2 funcref)"
    "  (elem (table $t) (i32.const 0) func $large)"
    "  (func $large (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (local.get 9))"
    "  (func $f (export \"f\") (param i32) (result i32)"
    "    (i32.store (i32.const 0) (i32.add (local.get 0) (i32.load (i32.const 0))))"
    "    (drop (memory.grow (i32.const 1)))"
    "    (i32.add (call $host (i32.load (i32.const 0)))"
    "      (call_indirect $t (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)"
    "        (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1)"
    "        (i32.const 1) (i32.const 1) (i32.const 1) (local.get 0) (i32.const 0))))"
    "  (func $load (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    "  (func $deep (export \"deep\") (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $deep (local.get 0)))))";

static ImagoEngine *engine;
static ImagoImage *image;

static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    return values[0].i32 += *(const int *)env, IMAGO_OK;
}

// The harness is not for several threads: each counts its own mistakes.
static int round_of_calls(int id) {
    int bad = 0;
    ImagoError error = IMAGO_ERROR_INIT;
    World world = {.engine = engine};
    const ImagoStoreOptions options = {.size = sizeof options, .stack_bytes = 256 << 10};
    world.store = imago_store_new(engine, &options, &error);
    world.linker = imago_linker_new(world.engine, &error);
    bad += !imago_linker_define_func(world.linker, "env", "host", &WORLD_I32_TO_I32, host, &id,
                                     &error);
    bad += world_instantiate(&world, image) != IMAGO_OK;
    int32_t result = 0;
    bad += bad == 0 && world_call_i32(&world, "f", 1, &result) != IMAGO_OK;
    bad += result != 6 + id + 1;
    for (int i = 0; i < 3 && bad == 0; i++) {
        bad += world_call_i32(&world, i == 2 ? "deep" : "load", -4, &result) != IMAGO_TRAP;
        const ImagoTrap *trap = imago_store_trap(world.store);
        bad += trap == NULL || trap->frame_count == 0 || trap->frames[0].instance != world.instance;
    }
    imago_linker_delete(world.linker);
    imago_store_delete(world.store);
    return bad;
}

static void *thread_body(void *argument) {
    int *bad = argument;
    const int id = *bad;
    *bad = 0;
    for (int i = 0; i < ROUNDS; i++) {
        *bad += round_of_calls(id);
    }
    return NULL;
}

TEST(own_stores) {
    ImagoError error = IMAGO_ERROR_INIT;
    engine = imago_engine_new(&error);
    int fd = -1;
    EXPECT(imago_compile_fd(MODULE, strlen(MODULE), &fd, NULL, NULL, &error));
    image = imago_image_open_fd(engine, fd, &error);
    close(fd);
    pthread_t threads[THREADS];
    int bad[THREADS];
    for (int i = 0; i < THREADS; i++) {
        bad[i] = i;
        EXPECT_EQ(pthread_create(&threads[i], NULL, thread_body, &bad[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_EQ(bad[i], 0);
    }
    imago_image_delete(image);
    imago_engine_delete(engine);
}

// A store may move from thread to thread between calls.
static void *call_once(void *argument) {
    World *world = argument;
    EXPECT_CALL(world, "f", 1, 7);
    EXPECT_TRAP(world, "deep", 0, "call stack exhausted");
    return NULL;
}

TEST(store_moves) {
    const int zero = 0;
    World world = world_new(NULL);
    world_define(&world, "host", &WORLD_I32_TO_I32, host, (void *)(uintptr_t)&zero);
    for (int i = 0; i < 20; i++) {
        EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
        pthread_t thread;
        EXPECT_EQ(pthread_create(&thread, NULL, call_once, &world), 0);
        pthread_join(thread, NULL);
    }
    EXPECT_TRAP(&world, "deep", 0, "call stack exhausted");
    world_delete(&world);
}

static void *make_engines(void *argument) {
    for (int i = 0; i < ROUNDS; i++) {
        ImagoEngine *own = imago_engine_new(NULL);
        *(int *)argument += own == NULL;
        imago_engine_delete(own);
    }
    return NULL;
}

TEST(engines) {
    pthread_t threads[THREADS];
    int bad[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, make_engines, &bad[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_EQ(bad[i], 0);
    }
}

int main(void) {
    RUN(own_stores);
    RUN(store_moves);
    RUN(engines);
    return test_end();
}
