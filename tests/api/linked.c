// Linkers that stores share: host functions serve any store, what belongs to a store binds, and
// instances keep what they were linked with.
#include "world.h"

#include <pthread.h>

static const char GUEST[] =
    "(module $guest (import \"env\" \"f\" (func $f (param i32) (result i32)))"
    " (table (export \"t\") 2 funcref) (elem (i32.const 0) $f)"
    " (type $i (func (param i32) (result i32)))"
    " (func (export \"direct\") (param i32) (result i32) (call $f (local.get 0)))"
    " (func (export \"through\") (param i32) (result i32)"
    "  (call_indirect (type $i) (local.get 0) (i32.const 0)))"
    " (export \"host\" (func $f)))";

// Adds what the calling store has for it.
static ImagoStatus add_user(void *env, ImagoCaller *caller, ImagoValue *values) {
    const int *step = imago_store_user(imago_caller_store(caller));
    values[0].i32 += *step + *(const int *)env;
    return IMAGO_OK;
}

typedef struct Shared {
    World world; // its store is not used by all
    ImagoImage *image;
    ImagoLinked *linked;
    int offset;
} Shared;

static void shared_open(Shared *shared) {
    shared->world = world_new(NULL);
    shared->offset = 1000;
    world_define(&shared->world, "f", &WORLD_I32_TO_I32, add_user, &shared->offset);
    shared->image = world_image(&shared->world, GUEST);
    shared->linked =
        imago_linker_link(shared->world.linker, shared->image, &shared->world.error);
    EXPECT(shared->linked != NULL);
}

static void shared_close(Shared *shared) {
    imago_linked_delete(shared->linked);
    world_delete(&shared->world);
}

static ImagoStore *store_with(ImagoEngine *engine, int *step) {
    const ImagoStoreOptions options = {
        .size = sizeof options, .user = step, .stack_bytes = 128 << 10};
    return imago_store_new(engine, &options, NULL);
}

// The number of wrong results of one store.
static int use_store(const Shared *shared, int step) {
    ImagoStore *store = store_with(shared->world.engine, &step);
    ImagoInstance *instance = NULL;
    int wrong = imago_linked_instantiate(shared->linked, store, &instance, NULL) != IMAGO_OK;
    static const char *const NAMES[] = {"direct", "through", "host"};
    for (int i = 0; wrong == 0 && i < 3; i++) {
        ImagoExtern func;
        ImagoValue value = {.i32 = 7};
        wrong += !imago_instance_export(instance, NAMES[i], strlen(NAMES[i]), &func) ||
                 imago_func_call(store, func.of.func, &value, NULL) != IMAGO_OK ||
                 value.i32 != 1007 + step;
    }
    imago_store_delete(store);
    return wrong;
}

TEST(one_linker_serves_all_stores) {
    Shared shared;
    shared_open(&shared);
    for (int step = 1; step < 100; step++) {
        EXPECT_EQ(use_store(&shared, step), 0);
    }
    shared_close(&shared);
}

static void *thread_body(void *argument) {
    int wrong = 0;
    for (int step = 1; step < 200; step++) {
        wrong += use_store(argument, step);
    }
    return wrong == 0 ? argument : NULL;
}

TEST(threads_share_what_is_linked) {
    Shared shared;
    pthread_t threads[4];
    shared_open(&shared);
    for (int i = 0; i < 4; i++) {
        EXPECT(pthread_create(&threads[i], NULL, thread_body, &shared) == 0);
    }
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        EXPECT(pthread_join(threads[i], &result) == 0 && result == &shared);
    }
    shared_close(&shared);
}

TEST(functions_live_as_long_as_instances) {
    World world = world_new(NULL);
    int step = 1, offset = 2;
    ImagoStore *store = store_with(world.engine, &step);
    ImagoLinker *linker = imago_linker_new(world.engine, &world.error);
    EXPECT(imago_linker_define_func(linker, "env", "f", &WORLD_I32_TO_I32, add_user, &offset,
                                    &world.error));
    ImagoLinked *linked = imago_linker_link(linker, world_image(&world, GUEST), &world.error);
    imago_linker_delete(linker);
    ImagoInstance *instance = NULL;
    ImagoExtern func;
    EXPECT_EQ(imago_linked_instantiate(linked, store, &instance, &world.error), IMAGO_OK);
    imago_linked_delete(linked);
    EXPECT(imago_instance_export(instance, "through", 7, &func));
    ImagoValue value = {.i32 = 7};
    EXPECT_EQ(imago_func_call(store, func.of.func, &value, &world.error), IMAGO_OK);
    EXPECT_EQ(value.i32, 10);
    imago_store_delete(store);
    world_delete(&world);
}

TEST(what_was_linked_stays) {
    Shared shared;
    shared_open(&shared);
    int other = 5000;
    world_define(&shared.world, "f", &WORLD_I32_TO_I32, add_user, &other);
    EXPECT_EQ(use_store(&shared, 3), 0);
    shared_close(&shared);
}

static const char WITH_MEMORY[] =
    "(module (import \"env\" \"f\" (func $f (param i32) (result i32)))"
    " (import \"env\" \"m\" (memory 1))"
    " (func (export \"load\") (param i32) (result i32)"
    "  (call $f (i32.load8_u (local.get 0)))))";

static ImagoExtern memory_of(ImagoStore *store, uint8_t first) {
    const ImagoLimits limits = {1, 1, true};
    const ImagoExtern item = {.kind = IMAGO_EXTERN_MEMORY,
                              .of.memory = imago_memory_new(store, &limits, NULL)};
    imago_memory_data(item.of.memory)[0] = first;
    return item;
}

TEST(extensions_add_what_a_store_has) {
    World world = world_new(NULL);
    int steps[2] = {1, 2}, offset = 100;
    world_define(&world, "f", &WORLD_I32_TO_I32, add_user, &offset);
    const ImagoImage *image = world_image(&world, WITH_MEMORY);
    for (int i = 0; i < 2; i++) {
        ImagoStore *store = store_with(world.engine, &steps[i]);
        ImagoLinker *linker = imago_linker_extend(world.linker, &world.error);
        EXPECT(imago_linker_define(linker, "env", 3, "m", 1, memory_of(store, (uint8_t)(10 * i)),
                                   &world.error));
        ImagoInstance *instance = NULL;
        ImagoExtern load;
        EXPECT(imago_linker_extend(linker, &world.error) == NULL);
        EXPECT_EQ(world.error.code, IMAGO_ERROR_USAGE);
        EXPECT_EQ(imago_linker_instantiate(linker, store, image, &instance, &world.error),
                  IMAGO_OK);
        imago_linker_delete(linker);
        EXPECT(imago_instance_export(instance, "load", 4, &load));
        ImagoValue value = {.i32 = 0};
        EXPECT_EQ(imago_func_call(store, load.of.func, &value, NULL), IMAGO_OK);
        EXPECT_EQ(value.i32, 10 * i + 100 + steps[i]);
        imago_store_delete(store);
    }
    world.error = ERROR_CLEAR;
    EXPECT(imago_linker_link(world.linker, image, &world.error) == NULL); // not defined in the base
    EXPECT_EQ(world.error.code, IMAGO_ERROR_LINK);
    world_delete(&world);
}

// Nothing else would keep it alive there.
TEST(functions_do_not_get_into_other_stores) {
    Shared shared;
    shared_open(&shared);
    World *world = &shared.world;
    int step = 1;
    ImagoStore *other = store_with(world->engine, &step);
    EXPECT_EQ(imago_linked_instantiate(shared.linked, world->store, &world->instance, NULL),
              IMAGO_OK);
    ImagoValue value = {.func = world_export(world, "host").of.func};
    EXPECT(imago_global_new(world->store, IMAGO_FUNCREF, true, value, NULL) != NULL);
    EXPECT(imago_global_new(other, IMAGO_FUNCREF, true, value, NULL) == NULL);
    EXPECT_EQ(imago_func_call(other, value.func, &value, &world->error), IMAGO_FAIL);
    EXPECT_EQ(world->error.code, IMAGO_ERROR_USAGE);
    ImagoInstance *instance;
    EXPECT_EQ(imago_linked_instantiate(shared.linked, other, &instance, NULL), IMAGO_OK);
    EXPECT(imago_global_new(other, IMAGO_FUNCREF, true, value, NULL) != NULL);
    imago_store_delete(other);
    shared_close(&shared);
}

static void expect_usage(ImagoError *error, bool is_ok) {
    EXPECT(!is_ok);
    EXPECT_EQ(error->code, IMAGO_ERROR_USAGE);
    *error = ERROR_CLEAR;
}

TEST(items_bind_to_their_store) {
    World a = world_new(NULL);
    int step = 1;
    ImagoStore *other = store_with(a.engine, &step);
    const ImagoImage *image = world_image(&a, WITH_MEMORY);
    world_define(&a, "f", &WORLD_I32_TO_I32, add_user, &step);
    EXPECT(imago_linker_define(a.linker, "env", 3, "m", 1, memory_of(a.store, 0), &a.error));
    expect_usage(&a.error, imago_linker_define(a.linker, "env", 3, "m", 1, memory_of(other, 0),
                                               &a.error));
    expect_usage(&a.error, imago_linker_extend(a.linker, &a.error) != NULL);
    ImagoInstance *instance;
    expect_usage(&a.error, imago_linker_instantiate(a.linker, other, image, &instance, &a.error) !=
                               IMAGO_FAIL);
    imago_store_delete(other);
    world_delete(&a);
}

TEST(engines_are_kept_apart) {
    World a = world_new(NULL), b = world_new(NULL);
    int step = 1;
    world_define(&a, "f", &WORLD_I32_TO_I32, add_user, &step);
    const ImagoImage *image = world_image(&a, GUEST);
    ImagoLinked *linked = imago_linker_link(a.linker, image, &a.error);
    ImagoInstance *instance;
    expect_usage(&b.error, imago_linker_link(b.linker, image, &b.error) != NULL);
    expect_usage(&b.error,
                 imago_linked_instantiate(linked, b.store, &instance, &b.error) != IMAGO_FAIL);
    EXPECT_EQ(imago_linked_instantiate(linked, a.store, &a.instance, &a.error), IMAGO_OK);
    ImagoValue value = {.func = world_export(&a, "host").of.func};
    expect_usage(&b.error, imago_func_call(b.store, value.func, &value, &b.error) != IMAGO_FAIL);
    EXPECT(imago_global_new(b.store, IMAGO_FUNCREF, true, value, NULL) == NULL);
    EXPECT(imago_global_new(a.store, IMAGO_FUNCREF, true, value, NULL) != NULL);
    imago_linked_delete(linked);
    world_delete(&a);
    world_delete(&b);
}

// A function of one linker, met as an export, under another name in another linker.
TEST(functions_of_other_linkers) {
    World world = world_new(NULL);
    int step = 20, offset = 300;
    ImagoStore *store = store_with(world.engine, &step);
    ImagoLinker *first = imago_linker_new(world.engine, &world.error);
    EXPECT(imago_linker_define_func(first, "env", "f", &WORLD_I32_TO_I32, add_user, &offset, NULL));
    const ImagoImage *image = world_image(&world, GUEST);
    ImagoInstance *instance = NULL;
    ImagoExtern func;
    EXPECT_EQ(imago_linker_instantiate(first, store, image, &instance, &world.error), IMAGO_OK);
    EXPECT(imago_instance_export(instance, "host", 4, &func));
    EXPECT(imago_linker_define(world.linker, "env", 3, "f", 1, func, &world.error));
    imago_store_delete(store);
    imago_linker_delete(first);
    Shared shared = {.world = world, .image = world.images[0]};
    shared.linked = imago_linker_link(world.linker, image, &world.error);
    offset = 1000;
    EXPECT_EQ(use_store(&shared, 6), 0);
    shared_close(&shared);
}

int main(void) {
    RUN(one_linker_serves_all_stores);
    RUN(threads_share_what_is_linked);
    RUN(functions_live_as_long_as_instances);
    RUN(what_was_linked_stays);
    RUN(extensions_add_what_a_store_has);
    RUN(functions_do_not_get_into_other_stores);
    RUN(items_bind_to_their_store);
    RUN(engines_are_kept_apart);
    RUN(functions_of_other_linkers);
    return test_end();
}
