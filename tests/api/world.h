// A store with a linker and instances made from text, for tests of the public interface.
#ifndef TESTS_API_WORLD_H
#define TESTS_API_WORLD_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "imago/compile.h"
#include "imago/imago.h"
#include "test.h"

enum { WORLD_MAX_IMAGES = 64 };

typedef struct World {
    ImagoEngine *engine;
    ImagoStore *store;
    ImagoLinker *linker;
    ImagoImage *images[WORLD_MAX_IMAGES];
    uint32_t image_count;
    ImagoInstance *instance; // the newest
    ImagoError error;
} World;

#define ERROR_CLEAR ((ImagoError)IMAGO_ERROR_INIT)

static inline World world_new(const ImagoStoreOptions *options) {
    World world = {.error = IMAGO_ERROR_INIT};
    world.engine = imago_engine_new(&world.error);
    world.store = imago_store_new(world.engine, options, &world.error);
    world.linker = imago_linker_new(world.engine, &world.error);
    if (world.linker == NULL) {
        TEST_FAIL("no world: %s", world.error.text);
    }
    return world;
}

static inline void world_delete(World *world) {
    imago_linker_delete(world->linker);
    imago_store_delete(world->store);
    for (uint32_t i = 0; i < world->image_count; i++) {
        imago_image_delete(world->images[i]);
    }
    imago_engine_delete(world->engine);
}

static inline ImagoImage *world_image(World *world, const char *text) {
    world->error = ERROR_CLEAR;
    int fd = -1;
    ImagoImage *image = NULL;
    if (imago_compile_fd(text, strlen(text), &fd, NULL, NULL, &world->error)) {
        image = imago_image_open_fd(world->engine, fd, &world->error);
        close(fd);
    }
    if (image == NULL || world->image_count == WORLD_MAX_IMAGES) {
        TEST_FAIL("no image: %s", world->error.text);
        return NULL;
    }
    world->images[world->image_count++] = image;
    return image;
}

// world->instance is the result.
static inline ImagoStatus world_instantiate(World *world, const ImagoImage *image) {
    return imago_linker_instantiate(world->linker, world->store, image, &world->instance,
                                    &world->error);
}

// Compiles and instantiates.
static inline ImagoStatus world_add(World *world, const char *text) {
    const ImagoImage *image = world_image(world, text);
    world->instance = NULL;
    world->error = ERROR_CLEAR;
    return image == NULL ? IMAGO_FAIL : world_instantiate(world, image);
}

static inline ImagoExtern world_export(const World *world, const char *name) {
    ImagoExtern item = {.kind = IMAGO_EXTERN_FUNC};
    if (world->instance == NULL ||
        !imago_instance_export(world->instance, name, strlen(name), &item)) {
        TEST_FAIL("no export \"%s\"", name);
        exit(1);
    }
    return item;
}

static inline ImagoStatus world_call(World *world, const char *name, ImagoValue *values) {
    world->error = ERROR_CLEAR;
    return imago_func_call(world->store, world_export(world, name).of.func, values, &world->error);
}

// One i32 in, one out.
static inline ImagoStatus world_call_i32(World *world, const char *name, int32_t argument,
                                         int32_t *result) {
    ImagoValue values[4] = {{.i32 = argument}};
    const ImagoStatus status = world_call(world, name, values);
    *result = values[0].i32;
    return status;
}

#define EXPECT_CALL(world, name, argument, expected)                                               \
    do {                                                                                           \
        int32_t result_ = 0;                                                                       \
        EXPECT_EQ(world_call_i32((world), (name), (argument), &result_), IMAGO_OK);                \
        EXPECT_EQ(result_, (expected));                                                            \
    } while (0)

#define EXPECT_TRAP(world, name, argument, text)                                                   \
    do {                                                                                           \
        int32_t result_ = 0;                                                                       \
        EXPECT_EQ(world_call_i32((world), (name), (argument), &result_), IMAGO_TRAP);              \
        const ImagoTrap *trap_ = imago_store_trap((world)->store);                                 \
        EXPECT_STR(trap_ == NULL ? "no trap" : trap_->message, (text));                            \
    } while (0)

// Sanitizers make system calls of their own and want their flags everywhere.
static inline bool world_is_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
    return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
    return false;
#endif
}

static const uint8_t WORLD_I32[] = {IMAGO_I32, IMAGO_I32, IMAGO_I32, IMAGO_I32};
static const ImagoFuncType WORLD_I32_TO_I32 = {WORLD_I32, WORLD_I32, 1, 1};
static const ImagoFuncType WORLD_TO_NONE = {WORLD_I32, WORLD_I32, 0, 0};

static inline void world_define(World *world, const char *name, const ImagoFuncType *type,
                                ImagoCallback callback, void *env) {
    world->error = ERROR_CLEAR;
    if (!imago_linker_define_func(world->linker, "env", name, type, callback, env, &world->error)) {
        TEST_FAIL("%s", world->error.text);
    }
}

#endif
