// Frames at every instruction of functions and stubs of all shapes (stepper.h).
#define _GNU_SOURCE
#include "unwind/stepper.h"

void __register_frame(const void *);
void __deregister_frame(const void *);

static Stepper stepper;

// ---- Host functions -----------------------------------------------------------------------------

static World world;

static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    values[0].i32 += 1;
    return IMAGO_OK;
}

static ImagoStatus nothing(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    (void)values;
    return IMAGO_OK;
}

static ImagoStatus refuse(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)values;
    return imago_caller_trap(caller, "refused");
}

// Calls the guest back; with -1 the call traps, and the trap passes on.
static ImagoStatus again(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    ImagoExtern func;
    const char *name = values[0].i32 == -1 ? "stop" : "frame";
    if (!imago_instance_export(imago_caller_instance(caller), name, strlen(name), &func)) {
        return imago_caller_trap(caller, "no such export");
    }
    return imago_func_call(imago_caller_store(caller), func.of.func, values, NULL);
}

static const uint8_t WIDE[] = {
    IMAGO_I32, IMAGO_I64, IMAGO_F32, IMAGO_F64, IMAGO_I32, IMAGO_I32, IMAGO_I32, IMAGO_I32,
    IMAGO_I32, IMAGO_F64, // parameters
    IMAGO_I32, IMAGO_I64, IMAGO_F32, IMAGO_F64, IMAGO_I32, IMAGO_I32, IMAGO_I32, IMAGO_F64,
    IMAGO_F64, IMAGO_F64, IMAGO_F64};
static const ImagoFuncType WIDE_TYPE = {WIDE, WIDE + 10, 10, 11};

static const char *shapes(void) {
    static char text[1 << 16];
    FILE *file = fopen(SOURCE_DIR "/tests/unwind/shapes.wat", "r");
    text[file == NULL ? 0 : fread(text, 1, sizeof text - 1, file)] = 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return text;
}

// Compiles, maps, and gives the unwinder what it needs.
static ImagoImage *add_image(const char *text) {
    ImagoImage *image = world_image(&world, text);
    if (image != NULL) {
        __register_frame(imago_image_eh_frame(image, NULL));
    }
    return image;
}

static void world_end(void) {
    for (uint32_t i = 0; i < world.image_count; i++) {
        __deregister_frame(imago_image_eh_frame(world.images[i], NULL));
    }
    world_delete(&world);
}

static void report_steps(void) {
    EXPECT(stepper.checked != 0);
    EXPECT_EQ(stepper.bad, 0);
}

// ---- Tests --------------------------------------------------------------------------------------

__attribute__((noinline)) static ImagoStatus stepped_start(const ImagoImage *image) {
    step_begin(&stepper);
    const ImagoStatus status = world_instantiate(&world, image);
    step_end(&stepper);
    return status;
}

__attribute__((noinline)) static ImagoStatus stepped_call(ImagoFunc *func, ImagoValue *values) {
    step_begin(&stepper);
    const ImagoStatus status = imago_func_call(world.store, func, values, &world.error);
    step_end(&stepper);
    return status;
}

static void begin(void) {
    stepper = (Stepper){.world = &world};
    world.error = ERROR_CLEAR;
}

static ImagoStatus call(const char *name, int32_t argument, int32_t *result) {
    begin();
    ImagoValue values[16] = {{.i32 = argument}};
    const ImagoStatus status = stepped_call(world_export(&world, name).of.func, values);
    *result = values[0].i32;
    report_steps();
    return status;
}

static void expect_result(const char *name, int32_t argument, int32_t expected) {
    int32_t result = 0;
    EXPECT_EQ(call(name, argument, &result), IMAGO_OK);
    EXPECT_EQ(result, expected);
}

static void expect_trap(const char *name, const char *message) {
    int32_t result = 0;
    EXPECT_EQ(call(name, 0, &result), IMAGO_TRAP);
    const ImagoTrap *trap = imago_store_trap(world.store);
    EXPECT_STR(trap == NULL ? "no trap" : trap->message, message);
    EXPECT(stepper.own_walks != 0);
}

TEST(start) {
    world_define(&world, "host", &WORLD_I32_TO_I32, host, NULL);
    world_define(&world, "nothing", &WORLD_TO_NONE, nothing, NULL);
    world_define(&world, "wide", &WIDE_TYPE, nothing, NULL);
    world_define(&world, "again", &WORLD_I32_TO_I32, again, NULL);
    world_define(&world, "refuse", &WORLD_I32_TO_I32, refuse, NULL);
    const ImagoImage *image = add_image(shapes());
    begin();
    if (image == NULL || stepped_start(image) != IMAGO_OK) {
        TEST_FAIL("%s", world.error.text);
        exit(1);
    }
    EXPECT_EQ(imago_global_get(world_export(&world, "count").of.global).i32, 3);
    report_steps();
}

TEST(no_frame) {
    expect_result("leaf", 6, 7);
    expect_result("loops", 4, 0);
    expect_result("choose", 1, 20);
}

TEST(frames) {
    expect_result("frame", 1, 2);
    expect_result("kept", 2, 35);
    expect_result("deep", 30, 31);
}

TEST(stack_arguments_and_results) {
    expect_result("passes", 1, 27);
    expect_result("gets", 1, 33);
    expect_result("gives", 5, 5);
}

TEST(calls) {
    expect_result("indirect", 0, 10);
    expect_result("indirect", 1, 0);
    expect_result("hosts", 3, 5);
}

TEST(builtins) {
    expect_result("builtins", 3, 8);
}

// Functions that do not come from an image's imports have the runtime's own exit stub.
TEST(runtime_stub) {
    static const struct {
        const ImagoFuncType *type;
        ImagoCallback callback;
    } ROWS[] = {{&WIDE_TYPE, nothing}, {&WORLD_I32_TO_I32, host}, {&WORLD_I32_TO_I32, again}};
    ImagoTable *table = world_export(&world, "table").of.table;
    for (uint32_t i = 0; i < 3; i++) {
        ImagoFunc *func =
            imago_func_new(world.store, ROWS[i].type, ROWS[i].callback, NULL, &world.error);
        EXPECT(func != NULL && imago_table_set(table, 5 + i, (ImagoValue){.func = func}));
    }
    expect_result("by_runtime_stub", 1, 1);
    expect_result("by_runtime_stub_unary", 2, 6);
}

TEST(traps) {
    expect_trap("stop", "unreachable");
    expect_trap("divide", "integer divide by zero");
    expect_trap("beyond", "out of bounds memory access");
    expect_trap("fill_beyond", "out of bounds memory access");
    expect_trap("refused", "refused");
    expect_trap("again_stops", "unreachable");
    int32_t result = 0;
    EXPECT_EQ(call("indirect", 9, &result), IMAGO_TRAP);
}

// Calls from one instance into another, with everything that a convention has.
TEST(other_instances) {
    static const char CALLER[] =
        "(module $caller"
        "  (import \"shapes\" \"passes\" (func $passes (param i32) (result i32)))"
        "  (import \"shapes\" \"stop\" (func $stop (param i32) (result i32)))"
        "  (import \"shapes\" \"gives\" (func $gives (param i32)"
        "    (result i32 i32 i32 i32 i32 i32 f64 f64 f64 f64 f64)))"
        "  (func (export \"over\") (param i32) (result i32)"
        "    (call $gives (call $passes (local.get 0)))"
        "    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop))"
        "  (func (export \"over_stop\") (param i32) (result i32)"
        "    (i32.add (call $passes (local.get 0)) (call $stop (local.get 0)))))";
    EXPECT(imago_linker_define_instance(world.linker, "shapes", 6, world.instance, &world.error));
    ImagoImage *image = add_image(CALLER);
    EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
    expect_result("over", 1, 27);
    expect_trap("over_stop", "unreachable");
}

// A function with a loop that calls itself, and `count` values of 8 bytes in its frame meanwhile.
static char *big_module(u32 count) {
    static char text[1 << 19];
    usize at = (usize)snprintf(text, sizeof text,
                               "(module $big (memory 1) (func $big (export \"big\") (param i32)"
                               " (result i32) (local $n i32) (local $k i32)"
                               " (local.set $n (i32.const 1))"
                               " (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))"
                               " (loop $again ");
    for (u32 i = 0; i < count; i++) {
        at += (usize)snprintf(text + at, sizeof text - at, "(i32.load (i32.const %u))\n", i);
    }
    at += (usize)snprintf(text + at, sizeof text - at,
                          "(call $big (i32.sub (local.get 0) (i32.const 1)))");
    for (u32 i = 0; i < count; i++) {
        at += (usize)snprintf(text + at, sizeof text - at, "(i32.add)");
    }
    (void)snprintf(text + at, sizeof text - at,
                   "(local.set $k (i32.add (local.get $k)))"
                   " (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
                   " (i32.add (local.get $k) (i32.const 1))))");
    return text;
}

// Frames that meet the guard below the stack, and frames that ask before they are made.
TEST(big_frames) {
    static const u32 COUNTS[] = {3000, 6000};
    for (u32 i = 0; i < 2; i++) {
        World small = world_new(&(ImagoStoreOptions){.size = sizeof(ImagoStoreOptions),
                                                     .stack_bytes = 100 << 10});
        const World outer = world;
        world = small;
        const ImagoImage *image = add_image(big_module(COUNTS[i]));
        EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
        expect_result("big", 1, 1);
        int32_t result = 0;
        EXPECT_EQ(call("big", 5, &result), IMAGO_TRAP);
        const ImagoTrap *trap = imago_store_trap(world.store);
        EXPECT_STR(trap == NULL ? "no trap" : trap->message, "call stack exhausted");
        EXPECT_EQ(trap == NULL ? 0 : trap->frame_count, i == 0 ? 5 : 3);
        world_end();
        world = outer;
    }
}

int main(void) {
    step_install();
    world = world_new(NULL);
    RUN(start);
    RUN(no_frame);
    RUN(frames);
    RUN(stack_arguments_and_results);
    RUN(calls);
    RUN(runtime_stub);
    RUN(builtins);
    RUN(traps);
    RUN(other_instances);
    RUN(big_frames);
    world_end();
    return test_end();
}
