// Every kind of trap, with its message and backtrace; what works afterwards.
#include "world.h"

static const char MODULE[] =
    "(module $traps"
    "  (memory (export \"memory\") 1 2)"
    "  (table $t (export \"table\") 4 funcref)"
    "  (elem (i32.const 1) $takes_i64 $id)"
    "  (type $unary (func (param i32) (result i32)))"
    "  (func $id (param i32) (result i32) (local.get 0))"
    "  (func $takes_i64 (param i64) (result i32) (i32.const 0))"
    "  (func $unreachable (export \"unreachable\") (param i32) (result i32) (unreachable))"
    "  (func $load (export \"load\") (param i32) (result i32) (i32.load offset=3 (local.get 0)))"
    "  (func $store (export \"store\") (param i32) (result i32)"
    "    (i64.store (local.get 0) (i64.const -1)) (i32.const 7))"
    "  (func $far (export \"far\") (param i32) (result i32)"
    "    (i32.load offset=0xfffffff0 (local.get 0)))"
    "  (func $div (export \"div\") (param i32) (result i32)"
    "    (i32.div_s (i32.const 0x80000000) (local.get 0)))"
    "  (func $rem (export \"rem\") (param i32) (result i32)"
    "    (i32.rem_u (i32.const 7) (local.get 0)))"
    "  (func $trunc (export \"trunc\") (param i32) (result i32)"
    "    (i32.trunc_f32_s (f32.reinterpret_i32 (local.get 0))))"
    "  (func $indirect (export \"indirect\") (param i32) (result i32)"
    "    (call_indirect $t (type $unary) (i32.const 11) (local.get 0)))"
    "  (func $table_get (export \"table_get\") (param i32) (result i32)"
    "    (ref.is_null (table.get $t (local.get 0))))"
    "  (func $fill (export \"fill\") (param i32) (result i32)"
    "    (memory.fill (local.get 0) (i32.const 1) (i32.const 65536)) (i32.const 1))"
    "  (func $copy (export \"copy\") (param i32) (result i32)"
    "    (memory.copy (i32.const 65000) (i32.const 0) (local.get 0)) (i32.const 1))"
    "  (func $table_copy (export \"table_copy\") (param i32) (result i32)"
    "    (table.copy $t $t (i32.const 0) (i32.const 2) (local.get 0)) (i32.const 1))"
    "  (func $middle (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $load (local.get 0))))"
    "  (func $outer (export \"outer\") (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $middle (local.get 0))))"
    "  (func $recurse (export \"recurse\") (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $recurse (local.get 0))))"
    "  (func $recurse_indirect (export \"recurse_indirect\") (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call_indirect $t (type $unary) (local.get 0) (i32.const 3))))"
    "  (elem (i32.const 3) $recurse_indirect))";

TEST(kinds) {
    World world = world_new(NULL);
    EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
    EXPECT_TRAP(&world, "unreachable", 0, "unreachable");
    EXPECT_CALL(&world, "load", 65529, 0);
    EXPECT_TRAP(&world, "load", 65530, "out of bounds memory access");
    EXPECT_TRAP(&world, "load", -1, "out of bounds memory access");
    EXPECT_TRAP(&world, "store", 65529, "out of bounds memory access");
    EXPECT_CALL(&world, "load", 65529, 0);
    EXPECT_TRAP(&world, "far", 0, "out of bounds memory access");
    EXPECT_TRAP(&world, "far", 16, "out of bounds memory access");
    EXPECT_TRAP(&world, "far", -1, "out of bounds memory access");
    EXPECT_TRAP(&world, "div", 0, "integer divide by zero");
    EXPECT_TRAP(&world, "div", -1, "integer overflow");
    EXPECT_TRAP(&world, "rem", 0, "integer divide by zero");
    EXPECT_TRAP(&world, "trunc", 0x7FC00000, "invalid conversion to integer");
    EXPECT_TRAP(&world, "trunc", 0x4F000000, "integer overflow");
    EXPECT_CALL(&world, "indirect", 2, 11);
    EXPECT_TRAP(&world, "indirect", 0, "uninitialized element");
    EXPECT_TRAP(&world, "indirect", 1, "indirect call type mismatch");
    EXPECT_TRAP(&world, "indirect", 4, "undefined element");
    EXPECT_TRAP(&world, "indirect", -1, "undefined element");
    EXPECT_TRAP(&world, "table_get", 4, "out of bounds table access");
    EXPECT_TRAP(&world, "fill", 1, "out of bounds memory access");
    EXPECT_TRAP(&world, "copy", 537, "out of bounds memory access");
    EXPECT_CALL(&world, "copy", 536, 1);
    EXPECT_TRAP(&world, "table_copy", 3, "out of bounds table access");
    world_delete(&world);
}

TEST(backtrace) {
    World world = world_new(NULL);
    EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
    EXPECT_TRAP(&world, "outer", -8, "out of bounds memory access");
    const ImagoTrap *trap = imago_store_trap(world.store);
    EXPECT_EQ(trap->frame_count, 3);
    EXPECT(!trap->frames_cut);
    EXPECT_STR(trap->frames[0].func_name, "load");
    EXPECT_STR(trap->frames[1].func_name, "middle");
    EXPECT_STR(trap->frames[2].func_name, "outer");
    EXPECT_EQ(trap->frames[0].func_name_bytes, 4);
    EXPECT_STR(trap->frames[2].module_name, "traps");
    EXPECT(trap->has_address);
    EXPECT_EQ(trap->address, 0xFFFFFFFBll);
    EXPECT_EQ(trap->memory_bytes, 65536);
    for (uint32_t i = 0; i < trap->frame_count; i++) {
        EXPECT(trap->frames[i].instance == world.instance);
        EXPECT(trap->frames[i].module_offset != IMAGO_ERROR_NO_OFFSET);
    }
    // Functions stand in the module in order, so their offsets ascend, too.
    EXPECT(trap->frames[0].module_offset < trap->frames[1].module_offset);
    EXPECT(trap->frames[1].module_offset < trap->frames[2].module_offset);

    EXPECT_TRAP(&world, "fill", 1, "out of bounds memory access"); // raised by a builtin
    trap = imago_store_trap(world.store);
    EXPECT_EQ(trap->frame_count, 1);
    EXPECT_STR(trap->frames[0].func_name, "fill");
    EXPECT(trap->frames[0].module_offset != IMAGO_ERROR_NO_OFFSET);
    EXPECT(!trap->has_address);
    world_delete(&world);
}

TEST(exhaustion) {
    World world = world_new(NULL);
    EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
    for (int i = 0; i < 1000; i++) {
        EXPECT_TRAP(&world, i % 2 == 0 ? "recurse" : "recurse_indirect", i, "call stack exhausted");
        EXPECT_CALL(&world, "indirect", 2, 11);
    }
    EXPECT_TRAP(&world, "recurse", 0, "call stack exhausted");
    const ImagoTrap *trap = imago_store_trap(world.store);
    EXPECT_EQ(trap->frame_count, 64);
    EXPECT(trap->frames_cut);
    EXPECT_STR(trap->frames[0].func_name, "recurse");
    EXPECT_STR(trap->frames[63].func_name, "recurse");
    world_delete(&world);
}

// Frames of every size around a page: the stack ends at another place in the frame each time.
TEST(exhaustion_by_frames) {
    for (uint32_t locals = 0; locals < 1200; locals += 37) {
        char text[8192];
        size_t at = (size_t)snprintf(text, sizeof text,
                                     "(module (func $f (export \"f\") (param i32) (result i32)");
        for (uint32_t i = 0; i < locals; i++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s",
                                   i % 100 == 0 ? "(local i64" : " i64");
            if (i % 100 == 99 || i + 1 == locals) {
                at += (size_t)snprintf(text + at, sizeof text - at, ")");
            }
        }
        (void)snprintf(text + at, sizeof text - at,
                       "(call $f (i32.add (local.get 0) (i32.const 1)))))");
        const ImagoStoreOptions options = {.size = sizeof options, .stack_bytes = 300000};
        World world = world_new(&options);
        EXPECT_EQ(world_add(&world, text), IMAGO_OK);
        EXPECT_TRAP(&world, "f", 0, "call stack exhausted");
        EXPECT_TRAP(&world, "f", 0, "call stack exhausted");
        world_delete(&world);
    }
}

// ---- Traps through host functions ---------------------------------------------------------------

static const char NESTING[] =
    "(module $nesting"
    "  (import \"env\" \"host\" (func $host (param i32) (result i32)))"
    "  (import \"env\" \"void\" (func $void))"
    "  (import \"env\" \"one\" (func $one (result i32)))"
    "  (func $leaf (export \"leaf\") (param i32) (result i32) (unreachable))"
    "  (func $id (export \"id\") (param i32) (result i32) (local.get 0))"
    "  (func $caller (export \"caller\") (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $host (local.get 0))))"
    "  (func $deep (export \"deep\") (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $caller (local.get 0))))"
    "  (func $call_void (export \"call_void\") (param i32) (result i32)"
    "    (call $void) (i32.const 3))"
    "  (func $forever (export \"forever\") (param i32) (result i32)"
    "    (i32.add (call $one) (call $forever (local.get 0)))))";

typedef ImagoStatus Behaviour(World *world, ImagoCaller *caller, ImagoValue *values);

typedef struct Host {
    World *world;
    Behaviour *behaviour;
    int calls;
} Host;

static ImagoStatus host_call(void *env, ImagoCaller *caller, ImagoValue *values) {
    Host *host = env;
    host->calls++;
    return host->behaviour(host->world, caller, values);
}

static ImagoStatus one(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    values[0].bits[0] = ~0ull;
    values[0].bits[1] = ~0ull;
    values[0].i32 = 1;
    return IMAGO_OK;
}

static ImagoStatus raise_message(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)world;
    (void)values;
    char message[400];
    memset(message, 'x', sizeof message);
    memcpy(message, "no: ", 4);
    message[399] = 0;
    const ImagoStatus status = imago_caller_trap(caller, message);
    memset(message, 'y', sizeof message - 1); // it was copied
    return status;
}

static ImagoStatus end_guest(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)world;
    return imago_caller_exit(caller, values[0].i32);
}

static ImagoStatus nest(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    const int32_t depth = values[0].i32;
    return world_call_i32(world, depth == 0 ? "leaf" : "caller", depth - 1, &values[0].i32);
}

static ImagoStatus nest_exit(World *world, ImagoCaller *caller, ImagoValue *values) {
    const int32_t depth = values[0].i32;
    return depth == 0 ? imago_caller_exit(caller, 33)
                      : world_call_i32(world, "caller", depth - 1, &values[0].i32);
}

static ImagoStatus recover(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    int32_t result = 0;
    EXPECT_EQ(world_call_i32(world, "leaf", 0, &result), IMAGO_TRAP);
    return world_call_i32(world, "id", values[0].i32, &values[0].i32);
}

static ImagoStatus forgetful(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)world;
    (void)caller;
    (void)values;
    return IMAGO_TRAP;
}

static ImagoStatus endless(World *world, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    return world_call_i32(world, "caller", 0, &values[0].i32);
}

static World nesting_world(Host *host) {
    World world = world_new(NULL);
    world_define(&world, "host", &WORLD_I32_TO_I32, host_call, host);
    world_define(&world, "void", &WORLD_TO_NONE, host_call, host);
    const ImagoFuncType to_i32 = {WORLD_I32, WORLD_I32, 0, 1};
    world_define(&world, "one", &to_i32, one, NULL);
    EXPECT_EQ(world_add(&world, NESTING), IMAGO_OK);
    return world;
}

TEST(host_traps) {
    Host host = {.behaviour = raise_message};
    World world = nesting_world(&host);
    host.world = &world;
    int32_t result = 0;
    EXPECT_EQ(world_call_i32(&world, "deep", 0, &result), IMAGO_TRAP);
    const ImagoTrap *trap = imago_store_trap(world.store);
    EXPECT(strncmp(trap->message, "no: xxx", 7) == 0);
    EXPECT(strchr(trap->message, 'y') == NULL);
    EXPECT_EQ(trap->frame_count, 2);
    EXPECT_STR(trap->frames[0].func_name, "caller");
    EXPECT_STR(trap->frames[1].func_name, "deep");
    EXPECT(trap->frames[0].module_offset != IMAGO_ERROR_NO_OFFSET);
    EXPECT_EQ(world_call_i32(&world, "call_void", 0, &result), IMAGO_TRAP);
    host.behaviour = forgetful;
    EXPECT_CALL(&world, "id", 1, 1);
    EXPECT_TRAP(&world, "call_void", 0, "trap raised by a host function");
    host.behaviour = recover;
    EXPECT_CALL(&world, "deep", 40, 42);
    EXPECT(imago_store_trap(world.store) == NULL);
    world_delete(&world);
}

TEST(host_exit) {
    Host host = {.behaviour = end_guest};
    World world = nesting_world(&host);
    host.world = &world;
    int32_t result = 0;
    EXPECT_EQ(world_call_i32(&world, "deep", -5, &result), IMAGO_EXIT);
    EXPECT_EQ(imago_store_exit_code(world.store), -5);
    EXPECT(imago_store_trap(world.store) == NULL);
    host.behaviour = nest_exit;
    EXPECT_EQ(world_call_i32(&world, "deep", 9, &result), IMAGO_EXIT);
    EXPECT_EQ(imago_store_exit_code(world.store), 33);
    EXPECT_CALL(&world, "id", 5, 5);
    world_delete(&world);
}

TEST(nested_traps) {
    Host host = {.behaviour = nest};
    World world = nesting_world(&host);
    host.world = &world;
    EXPECT_TRAP(&world, "deep", 10, "unreachable");
    const ImagoTrap *trap = imago_store_trap(world.store);
    EXPECT_EQ(trap->frame_count, 1 + 10 + 1 + 1);
    EXPECT_STR(trap->frames[0].func_name, "leaf");
    EXPECT_STR(trap->frames[5].func_name, "caller");
    EXPECT_STR(trap->frames[12].func_name, "deep");
    EXPECT_EQ(host.calls, 11);
    EXPECT_CALL(&world, "id", 5, 5);
    world_delete(&world);
}

TEST(endless_nesting) {
    Host host = {.behaviour = endless};
    World world = nesting_world(&host);
    host.world = &world;
    EXPECT_TRAP(&world, "caller", 0, "call stack exhausted");
    EXPECT(host.calls > 100);
    EXPECT_TRAP(&world, "caller", 0, "call stack exhausted");
    EXPECT_CALL(&world, "id", 5, 5);
    world_delete(&world);
}

// A host function that writes more than it reads, called from every depth down to the last bytes of
// the stack: the room for its results must be there before C code writes it.
TEST(exhaustion_in_exit_stub) {
    Host host = {.behaviour = forgetful};
    for (size_t i = 0; i < 64; i++) {
        const ImagoStoreOptions options = {.size = sizeof options, .stack_bytes = 65536 + 4096 * i};
        World world = world_new(&options);
        host.world = &world;
        world_define(&world, "host", &WORLD_I32_TO_I32, host_call, &host);
        world_define(&world, "void", &WORLD_TO_NONE, host_call, &host);
        const ImagoFuncType to_i32 = {WORLD_I32, WORLD_I32, 0, 1};
        world_define(&world, "one", &to_i32, one, NULL);
        EXPECT_EQ(world_add(&world, NESTING), IMAGO_OK);
        EXPECT_TRAP(&world, "forever", 0, "call stack exhausted");
        world_delete(&world);
    }
}

int main(void) {
    RUN(kinds);
    RUN(backtrace);
    RUN(exhaustion);
    RUN(exhaustion_by_frames);
    RUN(host_traps);
    RUN(host_exit);
    RUN(nested_traps);
    RUN(endless_nesting);
    RUN(exhaustion_in_exit_stub);
    return test_end();
}
