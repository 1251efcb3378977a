// Memories that get the address space of earlier ones: they find it zero, and no larger than
// theirs.
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "world.h"

static const char GUEST[] = "(module (import \"host\" \"memory\" (memory 0))"
                            " (func (export \"load\") (param i32) (result i32)"
                            "  (i32.load8_u (local.get 0))))";
// Large enough for a snapshot, which is mapped from the image.
static const char WITH_DATA[] =
    "(module (memory 2) (data (i32.const 0) \"%s\")"
    " (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0))))";

static ImagoMemory *new_memory(ImagoStore *store, uint32_t pages) {
    ImagoError error = IMAGO_ERROR_INIT;
    const ImagoLimits limits = {.min = pages};
    ImagoMemory *memory = imago_memory_new(store, &limits, &error);
    if (memory == NULL) {
        TEST_FAIL("no memory: %s", error.text);
    }
    return memory;
}

static bool is_zero(const ImagoMemory *memory) {
    const uint8_t *data = imago_memory_data(memory);
    for (uint64_t i = 0; i < imago_memory_bytes(memory); i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

// What the guest sees of a memory of `pages`: its last byte is there, the next one is not.
static void expect_end(World *world, uint32_t pages) {
    ImagoExtern item = {.kind = IMAGO_EXTERN_MEMORY, .of.memory = new_memory(world->store, pages)};
    EXPECT(is_zero(item.of.memory));
    EXPECT(imago_linker_define(world->linker, "host", 4, "memory", 6, item, &world->error));
    ImagoInstance *instance;
    ImagoExtern load;
    EXPECT_EQ(imago_linker_instantiate(world->linker, world->store, world->images[0], &instance,
                                       &world->error),
              IMAGO_OK);
    EXPECT(imago_instance_export(instance, "load", 4, &load));
    ImagoValue value = {.i32 = (int32_t)(pages * 65536 - 1)};
    EXPECT_EQ(imago_func_call(world->store, load.of.func, &value, NULL), IMAGO_OK);
    EXPECT_EQ(value.i32, 0);
    value.i32 = (int32_t)(pages * 65536);
    EXPECT_EQ(imago_func_call(world->store, load.of.func, &value, NULL), IMAGO_TRAP);
}

static void renew_store(World *world) {
    imago_linker_delete(world->linker);
    imago_store_delete(world->store);
    world->store = imago_store_new(world->engine, NULL, &world->error);
    world->linker = imago_linker_new(world->engine, &world->error);
}

// Leaves address space of `pages`, all written to, behind.
static void use_and_end(World *world, uint32_t pages) {
    ImagoMemory *memory = new_memory(world->store, pages - 1);
    EXPECT_EQ(imago_memory_grow(memory, 1), pages - 1);
    memset(imago_memory_data(memory), 0xAA, imago_memory_bytes(memory));
    renew_store(world);
}

TEST(zero_and_no_larger) {
    World world = world_new(NULL);
    if (world_image(&world, GUEST) != NULL) {
        for (uint32_t pages = 1; pages < 12; pages += 3) {
            use_and_end(&world, 6);
            expect_end(&world, pages);
            renew_store(&world);
        }
    }
    world_delete(&world);
}

TEST(no_trace_of_a_snapshot) {
    static char digits[6001], text[sizeof WITH_DATA + sizeof digits];
    memset(digits, 'x', sizeof digits - 1);
    (void)snprintf(text, sizeof text, WITH_DATA, digits);
    World world = world_new(NULL);
    if (world_image(&world, text) != NULL) {
        EXPECT(world_instantiate(&world, world.images[0]) == IMAGO_OK);
        renew_store(&world);
        EXPECT(is_zero(new_memory(world.store, 2)));
    }
    world_delete(&world);
}

static uint8_t first_byte(World *world, ImagoImage *image, bool writes) {
    ImagoExtern item = {.of.memory = NULL};
    EXPECT_EQ(world_instantiate(world, image), IMAGO_OK);
    EXPECT(imago_instance_export(world->instance, "memory", 6, &item));
    uint8_t *data = imago_memory_data(item.of.memory);
    const uint8_t first = data[0];
    if (writes) {
        EXPECT_EQ(imago_memory_grow(item.of.memory, 1), 2);
        memset(data, 0xAA, imago_memory_bytes(item.of.memory));
    }
    EXPECT(writes || imago_memory_bytes(item.of.memory) == 2 * 65536);
    return first;
}

// The next instance of an image gets the memory of the last one as the file has it; that of
// another image, one of its own; and nothing is left when an image has gone.
TEST(snapshots_again) {
    static char text[2][8000];
    World world = world_new(NULL);
    ImagoImage *images[2];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(text[i], sizeof text[i],
                       "(module (memory (export \"memory\") 2) (data (i32.const 0) \"%c%06000d\"))",
                       'A' + i, 0);
        images[i] = world_image(&world, text[i]);
    }
    for (int round = 0; round < 12; round++) {
        const int i = round % 3 == 0;
        EXPECT_EQ(first_byte(&world, images[i], round % 2 == 0), 'A' + i);
        renew_store(&world);
    }
    imago_image_delete(images[0]);
    world.images[0] = world.images[--world.image_count];
    EXPECT_EQ(first_byte(&world, images[1], true), 'B');
    EXPECT(is_zero(new_memory(world.store, 2)));
    renew_store(&world);
    for (int i = 0; i < 10; i++) {
        EXPECT(is_zero(new_memory(world.store, 2)));
    }
    world_delete(&world);
}

static ImagoMemory *with_guest(World *world, ImagoImage *image, bool is_touched) {
    ImagoExtern item = {.kind = IMAGO_EXTERN_MEMORY, .of.memory = new_memory(world->store, 2)};
    if (is_touched) {
        memset(imago_memory_data(item.of.memory), 0xAA, 65536);
    }
    EXPECT(imago_linker_define(world->linker, "host", 4, "memory", 6, item, &world->error));
    EXPECT_EQ(world_instantiate(world, image), IMAGO_OK);
    return item.of.memory;
}

// The host's memory gets the segments; what it had between them, and what a guest before wrote,
// stays.
TEST(imported_memory) {
    static char text[12000];
    (void)snprintf(text, sizeof text,
                   "(module (import \"host\" \"memory\" (memory 2))"
                   " (data (i32.const 10) \"A%05000d\") (data (i32.const 6000) \"B%05000d\"))",
                   0, 0);
    World world = world_new(NULL);
    ImagoImage *image = world_image(&world, text);
    for (int round = 0; round < 6; round++) {
        const bool is_touched = round % 2 != 0;
        ImagoMemory *memory = with_guest(&world, image, is_touched);
        uint8_t *data = imago_memory_data(memory);
        const uint8_t rest = is_touched ? 0xAA : 0;
        EXPECT(data[0] == rest && data[10] == 'A' && data[5010] == '0' && data[5011] == rest);
        EXPECT(data[5999] == rest && data[6000] == 'B' && data[11000] == '0');
        EXPECT(data[11001] == rest && data[65535] == rest && data[65536] == 0);
        data[0] = data[5999] = data[10] = data[11001] = 'x';
        EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
        EXPECT(data[0] == 'x' && data[10] == 'A' && data[5999] == 'x' && data[11001] == 'x');
        renew_store(&world);
        EXPECT(is_zero(new_memory(world.store, 2)));
    }
    world_delete(&world);
}

// What a host's memory holds before anybody sees it is not for the host, another image, or an image
// that wants another size.
TEST(untouched_memory) {
    static char text[2][8000];
    World world = world_new(NULL);
    ImagoImage *images[2];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(text[i], sizeof text[i],
                       "(module (import \"host\" \"memory\" (memory 2))"
                       " (data (i32.const %d) \"%c%06000d\"))",
                       i * 70000, 'A' + i, 0);
        images[i] = world_image(&world, text[i]);
    }
    for (int round = 0; round < 12; round++) {
        const int i = round % 4 / 2;
        const uint8_t *data = imago_memory_data(with_guest(&world, images[i], false));
        EXPECT(data[i * 70000] == 'A' + i && data[!i * 70000] == 0);
        renew_store(&world);
        if (round % 3 == 1) { // unseen, too small for the snapshot, and larger afterwards
            ImagoExtern item = {.kind = IMAGO_EXTERN_MEMORY,
                                .of.memory = new_memory(world.store, 1)};
            EXPECT_EQ(imago_memory_grow(item.of.memory, 1), 1);
            EXPECT(imago_linker_define(world.linker, "host", 4, "memory", 6, item, NULL));
            EXPECT_EQ(world_instantiate(&world, images[1]), IMAGO_OK);
            EXPECT_EQ(imago_memory_data(item.of.memory)[70000], 'B');
            EXPECT_EQ(imago_memory_data(item.of.memory)[0], 0);
        } else if (round % 3 == 2) {
            EXPECT(is_zero(new_memory(world.store, 2)));
            (void)new_memory(world.store, 2); // ends unseen
        }
        renew_store(&world);
    }
    world_delete(&world);
}

// The guest stack of a store that ended is clean for the next one, whose size may be another.
TEST(stacks_again) {
    World world = world_new(NULL);
    ImagoImage *image = world_image(
        &world, "(module (func $f (export \"f\") (param i32) (result i32) (local i64 i64 i64 i64)"
                "  (if (result i32) (local.get 0)"
                "   (then (i32.add (call $f (i32.sub (local.get 0) (i32.const 1)))"
                "    (i32.add (i32.const 1) (i32.wrap_i64 (i64.add (local.get 1) (local.get 4))))))"
                "   (else (i32.const 0)))))");
    for (int round = 0; round < 8; round++) {
        EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
        EXPECT_CALL(&world, "f", 1000, 1000);
        EXPECT_TRAP(&world, "f", 100000000, "call stack exhausted");
        imago_linker_delete(world.linker);
        imago_store_delete(world.store);
        const ImagoStoreOptions options = {.size = sizeof options,
                                           .stack_bytes = (size_t)(1 + round % 3) << 20};
        world.store = imago_store_new(world.engine, &options, &world.error);
        world.linker = imago_linker_new(world.engine, &world.error);
    }
    world_delete(&world);
}

// Stands before the C library's. Refuses as Linux 5.7 to 5.12 do, which unmap the target first.
static bool refuses_to_move;
static int moves;

void *mremap(void *from, size_t bytes, size_t new_bytes, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    void *to = va_arg(arguments, void *);
    va_end(arguments);
    moves++;
    if (refuses_to_move) {
        (void)munmap(to, new_bytes);
        errno = EINVAL;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mremap, from, bytes, new_bytes, flags, to);
}

// Images beyond those that keep a descriptor move their own pages, or copy them.
TEST(no_descriptor_left) {
    enum { KEPT = 256 };
    static char text[8000];
    static ImagoImage *kept[KEPT];
    (void)snprintf(text, sizeof text,
                   "(module (memory (export \"memory\") 2) (data (i32.const 0) \"A%06000d\"))", 0);
    World world = world_new(NULL);
    int fd = -1;
    EXPECT(imago_compile_fd(text, strlen(text), &fd, NULL, NULL, &world.error));
    for (int i = 0; i < KEPT; i++) {
        kept[i] = imago_image_open_fd(world.engine, fd, &world.error);
    }
    ImagoImage *image = world_image(&world, text);
    for (int round = 0; round < 6; round++) {
        refuses_to_move = round < 3;
        EXPECT_EQ(first_byte(&world, image, true), 'A');
        EXPECT_EQ(first_byte(&world, image, false), 'A');
        EXPECT(is_zero(new_memory(world.store, 2)));
        renew_store(&world);
    }
    EXPECT(moves >= 7);
    for (int i = 0; i < KEPT; i++) {
        imago_image_delete(kept[i]);
    }
    close(fd);
    world_delete(&world);
}

// More than an engine keeps, at once and again.
TEST(many) {
    World world = world_new(NULL);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 80; i++) {
            ImagoMemory *memory = new_memory(world.store, 1 + i % 3);
            EXPECT(is_zero(memory));
            memset(imago_memory_data(memory), 1, imago_memory_bytes(memory));
        }
        renew_store(&world);
    }
    world_delete(&world);
}

int main(void) {
    RUN(zero_and_no_larger);
    RUN(no_trace_of_a_snapshot);
    RUN(snapshots_again);
    RUN(imported_memory);
    RUN(untouched_memory);
    RUN(stacks_again);
    RUN(no_descriptor_left);
    RUN(many);
    return test_end();
}
