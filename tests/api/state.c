// Memories, tables and globals from outside, and their limits.
#include <sys/resource.h>
#include <sys/wait.h>

#include "world.h"

static ImagoLimits limits(uint32_t min, uint32_t max) {
    return (ImagoLimits){min, max, max != UINT32_MAX};
}

TEST(memory) {
    World world = world_new(NULL);
    const ImagoLimits one_to_three = limits(1, 3), wrong = limits(2, 1),
                      huge = limits(65537, UINT32_MAX);
    EXPECT(imago_memory_new(world.store, &wrong, NULL) == NULL);
    EXPECT(imago_memory_new(world.store, &huge, &world.error) == NULL);
    EXPECT_EQ(world.error.code, IMAGO_ERROR_USAGE);
    ImagoMemory *memory = imago_memory_new(world.store, &one_to_three, &world.error);
    uint8_t *base = imago_memory_data(memory);
    EXPECT_EQ(imago_memory_bytes(memory), 65536);
    EXPECT_EQ(base[0] | base[65535], 0);
    base[65535] = 1;
    EXPECT_EQ(imago_memory_grow(memory, 0), 1);
    EXPECT_EQ(imago_memory_grow(memory, 1), 1);
    EXPECT_EQ(imago_memory_grow(memory, 2), -1);
    EXPECT_EQ(imago_memory_grow(memory, UINT32_MAX), -1);
    EXPECT_EQ(imago_memory_grow(memory, 1), 2);
    EXPECT_EQ(imago_memory_grow(memory, 1), -1);
    EXPECT(imago_memory_data(memory) == base);
    EXPECT_EQ(imago_memory_bytes(memory), 3 * 65536);
    EXPECT_EQ(base[65535], 1);
    EXPECT_EQ(base[3 * 65536 - 1], 0);
    EXPECT_EQ(imago_memory_limits(memory).max, 3);
    // Used and grown by a guest.
    EXPECT(imago_linker_define(world.linker, "x", 1, "m", 1,
                               (ImagoExtern){.kind = IMAGO_EXTERN_MEMORY, .of.memory = memory},
                               NULL));
    EXPECT_EQ(
        world_add(&world,
                  "(module (import \"x\" \"m\" (memory 1 3))"
                  "(func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
                  "(func (export \"size\") (param i32) (result i32) (memory.size))"
                  "(func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))"),
        IMAGO_OK);
    EXPECT_CALL(&world, "load", 65535, 1);
    EXPECT_CALL(&world, "size", 0, 3);
    EXPECT_CALL(&world, "grow", 0, 3);
    EXPECT_CALL(&world, "grow", 1, -1);
    EXPECT_CALL(&world, "grow", -1, -1);
    EXPECT_TRAP(&world, "load", 3 * 65536, "out of bounds memory access");
    world_delete(&world);
}

TEST(memory_of_four_gigabytes) {
    World world = world_new(NULL);
    const ImagoStatus status = world_add(
        &world, "(module (memory 65536)"
                "(func (export \"store\") (param i32) (result i32)"
                "  (i32.store8 (local.get 0) (i32.const 7)) (i32.load8_u (local.get 0)))"
                "(func (export \"load64\") (param i32) (result i32)"
                "  (i32.wrap_i64 (i64.load offset=1 (local.get 0))))"
                "(func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
                "(func (export \"fill\") (param i32) (result i32)"
                "  (memory.fill (i32.const -4) (i32.const 9) (local.get 0)) (i32.const 1)))");
    if (status == IMAGO_FAIL && world.error.code == IMAGO_ERROR_NO_MEMORY) {
        TEST_SKIP("the system has no 4 GiB to promise");
    } else {
        EXPECT_EQ(status, IMAGO_OK);
        EXPECT_CALL(&world, "store", -1, 7);
        EXPECT_CALL(&world, "load64", -16, 0);
        EXPECT_TRAP(&world, "load64", -8, "out of bounds memory access");
        EXPECT_CALL(&world, "grow", 0, 65536);
        EXPECT_CALL(&world, "grow", 1, -1);
        EXPECT_CALL(&world, "fill", 4, 1);
        EXPECT_TRAP(&world, "fill", 5, "out of bounds memory access");
    }
    world_delete(&world);
}

TEST(store_limits) {
    int user = 0;
    const ImagoStoreOptions options = {.size = sizeof options,
                                       .max_memory_bytes = 5 * 65536 + 100,
                                       .max_table_entries = 100,
                                       .user = &user};
    World world = world_new(&options);
    EXPECT(imago_store_user(world.store) == &user);
    EXPECT_EQ(world_add(&world, "(module (memory 6))"), IMAGO_FAIL);
    EXPECT_EQ(world.error.code, IMAGO_ERROR_LIMIT);
    EXPECT_EQ(world_add(&world, "(module (table 101 funcref) (export \"t\" (table 0)))"),
              IMAGO_FAIL);
    EXPECT_EQ(world.error.code, IMAGO_ERROR_LIMIT);
    EXPECT_EQ(
        world_add(&world,
                  "(module (memory 1) (table $t (export \"t\") 1 externref)"
                  "(func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
                  "(func (export \"grow_table\") (param i32) (result i32)"
                  "  (table.grow $t (ref.null extern) (local.get 0)))"
                  "(func (export \"size\") (param i32) (result i32) (table.size $t)))"),
        IMAGO_OK);
    EXPECT_CALL(&world, "grow", 4, 1);
    EXPECT_CALL(&world, "grow", 1, -1);
    EXPECT_CALL(&world, "grow_table", 99, 1);
    EXPECT_CALL(&world, "grow_table", 1, -1);
    EXPECT_CALL(&world, "grow_table", -1, -1);
    EXPECT_CALL(&world, "size", 0, 100);
    world_delete(&world);
}

// Options of an older header are shorter; what they lack is default.
TEST(options_grow) {
    struct {
        size_t size, stack_bytes;
    } old = {sizeof old, 100000};
    World world = world_new((const ImagoStoreOptions *)(const void *)&old);
    EXPECT_EQ(world_add(&world,
                        "(module (memory 100) (func $f (export \"f\") (param i32) (result i32)"
                        "(i32.add (i32.const 1) (call $f (local.get 0)))))"),
              IMAGO_OK);
    EXPECT_TRAP(&world, "f", 0, "call stack exhausted");
    world_delete(&world);
}

TEST(table) {
    World world = world_new(NULL);
    int things[3];
    const ImagoLimits two_to_four = limits(2, 4);
    const ImagoValue first = {.externref = &things[0]}, second = {.externref = &things[1]};
    ImagoValue value;
    EXPECT(imago_table_new(world.store, IMAGO_I32, &two_to_four, first, NULL) == NULL);
    ImagoTable *table = imago_table_new(world.store, IMAGO_EXTERNREF, &two_to_four, first, NULL);
    EXPECT_EQ(imago_table_type(table), IMAGO_EXTERNREF);
    EXPECT_EQ(imago_table_size(table), 2);
    EXPECT(imago_table_get(table, 1, &value) && value.externref == &things[0]);
    EXPECT(!imago_table_get(table, 2, &value));
    EXPECT(!imago_table_set(table, 2, first));
    EXPECT_EQ(imago_table_grow(table, 3, second), -1);
    EXPECT_EQ(imago_table_grow(table, 2, second), 2);
    EXPECT(imago_table_get(table, 3, &value) && value.externref == &things[1]);
    EXPECT(imago_table_get(table, 0, &value) && value.externref == &things[0]);
    EXPECT_EQ(imago_table_limits(table).min, 2);
    EXPECT(imago_linker_define(world.linker, "x", 1, "t", 1,
                               (ImagoExtern){.kind = IMAGO_EXTERN_TABLE, .of.table = table}, NULL));
    EXPECT_EQ(
        world_add(
            &world,
            "(module (import \"x\" \"t\" (table $t 2 4 externref))"
            "(table $u (export \"u\") 3 externref)"
            "(func (export \"get\") (param i32) (result externref) (table.get $t (local.get 0)))"
            "(func (export \"set\") (param i32 externref) (table.set $t (local.get 0) (local.get "
            "1)))"
            "(func (export \"copy\") (param i32) (result i32)"
            "  (table.copy $u $t (i32.const 0) (i32.const 1) (local.get 0)) (i32.const 1)))"),
        IMAGO_OK);
    ImagoValue values[2] = {{.i32 = 3}};
    EXPECT_EQ(world_call(&world, "get", values), IMAGO_OK);
    EXPECT(values[0].externref == &things[1]);
    values[0].i32 = 3;
    values[1].externref = &things[2];
    EXPECT_EQ(world_call(&world, "set", values), IMAGO_OK);
    EXPECT(imago_table_get(table, 3, &value) && value.externref == &things[2]);
    EXPECT_CALL(&world, "copy", 3, 1);
    EXPECT(imago_table_get(world_export(&world, "u").of.table, 2, &value) &&
           value.externref == &things[2]);
    world_delete(&world);
}

TEST(global) {
    World world = world_new(NULL);
    ImagoValue value = {.bits = {~0ull, ~0ull}};
    value.i32 = 5;
    ImagoGlobal *global = imago_global_new(world.store, IMAGO_I32, true, value, NULL);
    ImagoGlobal *constant =
        imago_global_new(world.store, IMAGO_F64, false, (ImagoValue){.f64 = 2.5}, NULL);
    EXPECT(imago_global_new(world.store, (ImagoType)0, true, value, NULL) == NULL);
    EXPECT_EQ(imago_global_get(global).bits[0], 5);
    EXPECT_EQ(imago_global_get(global).bits[1], 0);
    bool is_mutable = false;
    EXPECT_EQ(imago_global_type(global, &is_mutable), IMAGO_I32);
    EXPECT(is_mutable);
    EXPECT(!imago_global_set(constant, value));
    const ImagoExtern item = {.kind = IMAGO_EXTERN_GLOBAL, .of.global = global};
    const ImagoExtern constant_item = {.kind = IMAGO_EXTERN_GLOBAL, .of.global = constant};
    EXPECT(imago_linker_define(world.linker, "x", 1, "g", 1, item, NULL));
    EXPECT(imago_linker_define(world.linker, "x", 1, "c", 1, constant_item, NULL));
    EXPECT_EQ(
        world_add(&world,
                  "(module (import \"x\" \"g\" (global $g (mut i32)))"
                  "(import \"x\" \"c\" (global $c f64))"
                  "(global (export \"again\") f64 (global.get $c)) (export \"g\" (global $g))"
                  "(global $f (export \"f\") funcref (ref.func $add))"
                  "(func $add (export \"add\") (param i32) (result i32)"
                  "  (global.set $g (i32.add (global.get $g) (local.get 0))) (global.get $g)))"),
        IMAGO_OK);
    EXPECT_CALL(&world, "add", 10, 15);
    EXPECT_EQ(imago_global_get(global).i32, 15);
    EXPECT(imago_global_set(global, (ImagoValue){.i32 = 100}));
    EXPECT_CALL(&world, "add", 1, 101);
    EXPECT_EQ(imago_global_get(world_export(&world, "g").of.global).i32, 101);
    EXPECT(imago_global_get(world_export(&world, "again").of.global).f64 == 2.5);
    EXPECT(imago_global_get(world_export(&world, "f").of.global).func ==
           world_export(&world, "add").of.func);
    world_delete(&world);
}

// Every instance starts from the same initial contents, which are mapped from the file.
TEST(snapshots_are_private) {
    World world = world_new(NULL);
    const ImagoImage *image =
        world_image(&world, "(module (memory (export \"m\") 3)"
                            "(data (i32.const 5) \"hello\") (data (i32.const 70000) \"world\"))");
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
        uint8_t *base = imago_memory_data(world_export(&world, "m").of.memory);
        EXPECT_EQ(memcmp(base, "\0\0\0\0\0hello", 11), 0);
        EXPECT_EQ(memcmp(base + 70000, "world", 6), 0);
        EXPECT_EQ(base[4095] | base[65535] | base[69999] | base[3 * 65536 - 1], 0);
        memset(base, 'x', 3 * 65536);
    }
    world_delete(&world);
}

// In a child: little address space, then no descriptors. Clear errors, and what needs neither
// works.
static int under_limits(void) {
    World world = world_new(NULL);
    const ImagoImage *plain = world_image(
        &world, "(module (func (export \"f\") (param i32) (result i32) (local.get 0)))");
    const ImagoImage *with_memory =
        world_image(&world, "(module (memory 1) (data (i32.const 0) \"x\"))");
    const struct rlimit space = {1 << 30, 1 << 30}, files = {3, 3};
    EXPECT_EQ(setrlimit(RLIMIT_AS, &space), 0);
    EXPECT_EQ(world_instantiate(&world, with_memory), IMAGO_FAIL);
    EXPECT_EQ(world.error.code, IMAGO_ERROR_NO_MEMORY);
    EXPECT(strstr(world.error.text, "cannot reserve") != NULL);
    EXPECT_EQ(world_instantiate(&world, plain), IMAGO_OK);
    EXPECT_CALL(&world, "f", 3, 3);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    world.error = ERROR_CLEAR;
    EXPECT(imago_image_open(world.engine, "/proc/self/exe", &world.error) == NULL);
    EXPECT(strstr(world.error.text, "open files") != NULL);
    world.error = ERROR_CLEAR;
    EXPECT(imago_image_open_bytes(world.engine, "x", 1, &world.error) == NULL);
    EXPECT_EQ(world.error.code, IMAGO_ERROR_OS);
    EXPECT(imago_memory_new(world.store, &(ImagoLimits){1, 1, true}, NULL) == NULL);
    world_delete(&world);
    return test_bad ? 1 : 0;
}

TEST(limits_of_the_system) {
    if (world_is_sanitized()) {
        TEST_SKIP("a sanitizer needs all address space");
        return;
    }
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        const int status = under_limits();
        fflush(stdout);
        _exit(status);
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// Entries of a table that the host sees before the guest has used them.
TEST(references_are_made_when_seen) {
    World world = world_new(NULL);
    EXPECT_EQ(world_add(&world,
                        "(module (table (export \"t\") 5 funcref)"
                        " (elem (i32.const 1) funcref (ref.func $a) (ref.null func) (ref.func $b))"
                        " (func $a (export \"a\") (result i32) (i32.const 10))"
                        " (func $b (result i32) (i32.const 20)))"),
              IMAGO_OK);
    ImagoTable *table = world_export(&world, "t").of.table;
    ImagoValue entries[5], again;
    for (uint32_t i = 0; i < 5; i++) {
        EXPECT(imago_table_get(table, i, &entries[i]));
        EXPECT((entries[i].func != NULL) == (i == 1 || i == 3));
        EXPECT(imago_table_get(table, i, &again) && again.func == entries[i].func);
    }
    EXPECT(world_export(&world, "a").of.func == entries[1].func);
    for (uint32_t i = 1; i < 4; i += 2) {
        ImagoValue value = {.i32 = 0};
        EXPECT_EQ(imago_func_call(world.store, entries[i].func, &value, NULL), IMAGO_OK);
        EXPECT_EQ(value.i32, i == 1 ? 10 : 20);
    }
    EXPECT(imago_table_set(table, 1, (ImagoValue){.func = NULL}));
    EXPECT(imago_table_get(table, 1, &again) && again.func == NULL);
    EXPECT_EQ(imago_table_grow(table, 2, entries[3]), 5);
    EXPECT(imago_table_get(table, 6, &again) && again.func == entries[3].func);
    world_delete(&world);
}

int main(void) {
    RUN(memory);
    RUN(memory_of_four_gigabytes);
    RUN(store_limits);
    RUN(options_grow);
    RUN(table);
    RUN(global);
    RUN(snapshots_are_private);
    RUN(limits_of_the_system);
    RUN(references_are_made_when_seen);
    return test_end();
}
