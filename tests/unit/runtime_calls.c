#define _GNU_SOURCE
// The runtime with a guest made by hand: calls, traps, backtraces, limits.
#include <pthread.h>
#include <sys/wait.h>

#include "runtime_guest.h"
#include "test.h"

typedef struct World {
    ImagoEngine *engine;
    ImagoImage *image;
    ImagoStore *store;
    ImagoLinker *linker;
    ImagoInstance *instance;
    ImagoError error;
    ImagoStatus (*inner)(struct World *world, ImagoCaller *caller, ImagoValue *values);
} World;

static const uint8_t I32[] = {IMAGO_I32};
static const ImagoFuncType I32_TO_I32 = {I32, I32, 1, 1};

static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    World *world = env;
    if (world->inner != NULL) {
        return world->inner(world, caller, values);
    }
    values[0].i32 *= 2;
    return IMAGO_OK;
}

static bool world_open(World *world, bool with_snapshot) {
    *world = (World){.error = IMAGO_ERROR_INIT};
    const int fd = guest_image(with_snapshot);
    world->engine = imago_engine_new(&world->error);
    world->image = imago_image_open_fd(world->engine, fd, &world->error);
    close(fd);
    if (world->image == NULL) {
        TEST_FAIL("open: %s", world->error.text);
        return false;
    }
    world->store = imago_store_new(world->engine, NULL, &world->error);
    world->linker = imago_linker_new(world->engine, &world->error);
    EXPECT(imago_linker_define_func(world->linker, "env", "f", &I32_TO_I32, host, world,
                                    &world->error));
    const ImagoStatus status = imago_linker_instantiate(
        world->linker, world->store, world->image, &world->instance, &world->error);
    if (status != IMAGO_OK) {
        TEST_FAIL("instantiate: %s", world->error.text);
        return false;
    }
    return true;
}

static void world_close(World *world) {
    imago_linker_delete(world->linker);
    imago_store_delete(world->store);
    imago_image_delete(world->image);
    imago_engine_delete(world->engine);
}

static ImagoStatus call(World *world, const char *name, int32_t argument, int32_t *result) {
    ImagoExtern item;
    if (!imago_instance_export(world->instance, name, strlen(name), &item)) {
        TEST_FAIL("no export %s", name);
        return IMAGO_FAIL;
    }
    ImagoValue value = {.bits = {~0ull, ~0ull}};
    value.i32 = argument;
    const ImagoStatus status = imago_func_call(world->store, item.of.func, &value, &world->error);
    *result = value.i32;
    return status;
}

TEST(calls) {
    World world;
    int32_t result = 0;
    if (world_open(&world, true)) {
        EXPECT_EQ(call(&world, "inc", 41, &result), IMAGO_OK);
        EXPECT_EQ(result, 42);
        EXPECT_EQ(call(&world, "inc", -1, &result), IMAGO_OK);
        EXPECT_EQ(result, 0);
        EXPECT_EQ(call(&world, "call_host", 21, &result), IMAGO_OK);
        EXPECT_EQ(result, 43);
        EXPECT_EQ(call(&world, "f", 21, &result), IMAGO_OK);
        EXPECT_EQ(result, 42);
        EXPECT_EQ(call(&world, "load", 16, &result), IMAGO_OK);
        EXPECT_EQ(result, 0x70616E73);
        EXPECT_EQ(call(&world, "grow", 1, &result), IMAGO_OK);
        EXPECT_EQ(result, 1);
        EXPECT_EQ(call(&world, "grow", 2, &result), IMAGO_OK);
        EXPECT_EQ(result, -1);
        EXPECT_EQ(call(&world, "load", 131068, &result), IMAGO_OK);
        EXPECT_EQ(call(&world, "div", 3, &result), IMAGO_OK);
        EXPECT_EQ(result, 2);
    }
    world_close(&world);
}

static void expect_trap(World *world, const char *func, int32_t argument, const char *message) {
    int32_t result = 0;
    EXPECT_EQ(call(world, func, argument, &result), IMAGO_TRAP);
    const ImagoTrap *trap = imago_store_trap(world->store);
    if (trap != NULL) {
        EXPECT_STR(trap->message, message);
        EXPECT(trap->frame_count >= 1);
        EXPECT_STR(trap->frames[0].module_name, "guest");
        EXPECT(trap->frames[0].instance == world->instance);
    }
    EXPECT_EQ(call(world, "inc", 1, &result), IMAGO_OK);
    EXPECT_EQ(result, 2);
}

TEST(traps) {
    World world;
    if (world_open(&world, false)) {
        expect_trap(&world, "load", 65536, "out of bounds memory access");
        int32_t result;
        (void)call(&world, "load", -4, &result);
        const ImagoTrap *trap = imago_store_trap(world.store);
        EXPECT(trap->has_address);
        EXPECT_EQ(trap->address, 0xFFFFFFFC);
        EXPECT_EQ(trap->memory_bytes, 65536);
        EXPECT_EQ(trap->frame_count, 1);
        EXPECT_EQ(trap->frames[0].func_index, 3);
        EXPECT_EQ(trap->frames[0].module_offset, 1003);
        EXPECT_STR(trap->frames[0].func_name, "load");
        expect_trap(&world, "ud2", 0, "unreachable");
        expect_trap(&world, "div", 0, "integer divide by zero");
        (void)call(&world, "deep", -4, &result);
        trap = imago_store_trap(world.store);
        EXPECT_EQ(trap->frame_count, 2);
        EXPECT_EQ(trap->frames[1].func_index, 8);
        EXPECT_EQ(trap->frames[1].module_offset, 1008);
    }
    world_close(&world);
}

TEST(stack_exhaustion) {
    World world;
    if (world_open(&world, false)) {
        for (u32 i = 0; i < 1000; i++) {
            expect_trap(&world, "recurse", 0, "call stack exhausted");
        }
        int32_t result;
        (void)call(&world, "recurse", 0, &result);
        const ImagoTrap *trap = imago_store_trap(world.store);
        EXPECT_EQ(trap->frame_count, 64);
        EXPECT(trap->frames_cut);
        EXPECT_EQ(trap->frames[63].func_index, 4);
    }
    world_close(&world);
}

// ---- Host functions -----------------------------------------------------------------------------

static ImagoStatus inner_trap(World *world, ImagoCaller *caller, ImagoValue *values) {
    EXPECT(imago_caller_store(caller) == world->store);
    // The argument says whether guest code called, or the test.
    EXPECT(imago_caller_instance(caller) == (values[0].i32 == 1 ? world->instance : NULL));
    return imago_caller_trap(caller, "no such luck");
}

static ImagoStatus inner_exit(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)world;
    return imago_caller_exit(caller, values[0].i32);
}

static ImagoStatus inner_pass_on(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    int32_t result;
    return call(world, values[0].i32 == 1 ? "deep" : "ud2", -4, &result);
}

static ImagoStatus inner_swallow(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    int32_t result = 0;
    EXPECT_EQ(call(world, "ud2", 0, &result), IMAGO_TRAP);
    EXPECT_EQ(call(world, "inc", values[0].i32, &result), IMAGO_OK);
    values[0].i32 = result;
    return IMAGO_OK;
}

static ImagoStatus inner_recurse(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    return call(world, "call_host", 0, &values[0].i32);
}

static ImagoStatus inner_fork(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    (void)world;
    values[0].i32 = (int32_t)fork();
    return IMAGO_OK;
}

TEST(host_functions) {
    World world;
    int32_t result = 0;
    if (world_open(&world, false)) {
        world.inner = inner_trap;
        expect_trap(&world, "call_host", 1, "no such luck");
        EXPECT_EQ(call(&world, "f", 2, &result), IMAGO_TRAP);
        EXPECT_STR(imago_store_trap(world.store)->message, "no such luck");
        EXPECT_EQ(imago_store_trap(world.store)->frame_count, 0);
        world.inner = inner_exit;
        EXPECT_EQ(call(&world, "call_host", 7, &result), IMAGO_EXIT);
        EXPECT_EQ(imago_store_exit_code(world.store), 7);
        EXPECT(imago_store_trap(world.store) == NULL);
        world.inner = inner_pass_on;
        EXPECT_EQ(call(&world, "call_host", 1, &result), IMAGO_TRAP);
        const ImagoTrap *trap = imago_store_trap(world.store);
        EXPECT_STR(trap->message, "out of bounds memory access");
        EXPECT_EQ(trap->frame_count, 3);
        EXPECT_EQ(trap->frames[0].func_index, 3);
        EXPECT_EQ(trap->frames[1].func_index, 8);
        EXPECT_EQ(trap->frames[2].func_index, 2);
        EXPECT_EQ(trap->frames[2].module_offset, 1002);
        world.inner = inner_swallow;
        EXPECT_EQ(call(&world, "call_host", 40, &result), IMAGO_OK);
        EXPECT_EQ(result, 42);
        world.inner = inner_recurse;
        expect_trap(&world, "call_host", 0, "call stack exhausted");
        world.inner = inner_fork;
        EXPECT_EQ(call(&world, "call_host", 0, &result), IMAGO_OK);
        if (result == 1) {
            _exit(call(&world, "ud2", 0, &result) == IMAGO_TRAP ? 17 : 1);
        }
        int status = 0;
        EXPECT_EQ(waitpid(result - 1, &status, 0), result - 1);
        EXPECT_EQ(WEXITSTATUS(status), 17);
    }
    world_close(&world);
}

static void *on_small_stack(void *env) {
    World *world = env;
    int32_t result = 0;
    EXPECT_EQ(call(world, "call_host", 1, &result), IMAGO_OK);
    EXPECT_EQ(result, 3);
    EXPECT_EQ(call(world, "recurse", 1, &result), IMAGO_TRAP);
    return NULL;
}

TEST(small_thread) {
    World world;
    if (world_open(&world, false)) {
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 16384);
        pthread_t thread;
        if (pthread_create(&thread, &attr, on_small_stack, &world) == 0) {
            pthread_join(thread, NULL);
        } else {
            TEST_SKIP("no thread with a stack of 16 KiB here");
        }
        pthread_attr_destroy(&attr);
    }
    world_close(&world);
}

int main(void) {
    RUN(calls);
    RUN(traps);
    RUN(stack_exhaustion);
    RUN(host_functions);
    RUN(small_thread);
    return test_end();
}
