// The n-th request for memory fails, for every n, in opening, instantiating and calling: a clean
// error each time, and the same store works afterwards. Leaks show under the address sanitizer.
#include "base/alloc.h"
#include "world.h"

static const char LIBRARY[] =
    "(module $lib (memory (export \"m\") 1 9) (table (export \"t\") 2 funcref)"
    "  (global (export \"g\") (mut i32) (i32.const 1)))";

static const char MODULE[] =
    "(module $m (import \"lib\" \"t\" (table $t 2 funcref)) (import \"lib\" \"m\" (memory 1))"
    "  (import \"env\" \"host\" (func $host (param i32) (result i32)))"
    "  (import \"env\" \"large\" (func $large (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"
    "  (table $u (export \"u\") 3 externref) (table $v (export \"v\") 3 funcref)"
    "  (elem (table $v) (i32.const 0) func $f $large)"
    "  (func $f (export \"f\") (param i32) (result i32)"
    "    (local $ok i32)"
    "    (local.set $ok (i32.add (i32.ne (memory.grow (i32.const 1)) (i32.const -1))"
    "                            (i32.ne (table.grow $u (ref.null extern) (i32.const 10)) "
    "(i32.const -1))))"
    "    (i32.add (local.get $ok) (call $host (local.get 0))))"
    "  (func $start (drop (call $host (i32.const 1)))) (start $start))";

static const uint8_t TEN_I32[10] = {IMAGO_I32, IMAGO_I32, IMAGO_I32, IMAGO_I32, IMAGO_I32,
                                    IMAGO_I32, IMAGO_I32, IMAGO_I32, IMAGO_I32, IMAGO_I32};
static const ImagoFuncType LARGE = {TEN_I32, TEN_I32, 10, 0};

static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    values[0].i32 += 100;
    return IMAGO_OK;
}

static int library_fd, module_fd;

static bool is_refusal(const ImagoError *error) {
    return (error->code == IMAGO_ERROR_NO_MEMORY || error->code == IMAGO_ERROR_OS) &&
           error->text[0] != 0;
}

typedef struct Run {
    World world;
    ImagoImage *library, *module;
    ImagoInstance *instance;
} Run;

// One step of the whole; false if it was refused.
typedef bool Step(Run *run, ImagoError *error);

static bool open_engine(Run *run, ImagoError *error) {
    return run->world.engine != NULL || (run->world.engine = imago_engine_new(error)) != NULL;
}
static bool open_library(Run *run, ImagoError *error) {
    return (run->library = imago_image_open_fd(run->world.engine, library_fd, error)) != NULL;
}
static bool open_module(Run *run, ImagoError *error) {
    return (run->module = imago_image_open_fd(run->world.engine, module_fd, error)) != NULL;
}
static bool open_store(Run *run, ImagoError *error) {
    return (run->world.store = imago_store_new(run->world.engine, NULL, error)) != NULL;
}
static bool open_linker(Run *run, ImagoError *error) {
    return (run->world.linker = imago_linker_new(run->world.engine, error)) != NULL;
}
static bool define_host(Run *run, ImagoError *error) {
    return imago_linker_define_func(run->world.linker, "env", "host", &WORLD_I32_TO_I32, host, NULL,
                                    error);
}
static bool define_large(Run *run, ImagoError *error) {
    return imago_linker_define_func(run->world.linker, "env", "large", &LARGE, host, NULL, error);
}
static bool add_library(Run *run, ImagoError *error) {
    return imago_linker_instantiate(run->world.linker, run->world.store, run->library,
                                    &run->instance, error) ==
           IMAGO_OK;
}
static bool define_library(Run *run, ImagoError *error) {
    return imago_linker_define_instance(run->world.linker, "lib", 3, run->instance, error);
}
static bool add_module(Run *run, ImagoError *error) {
    return imago_linker_instantiate(run->world.linker, run->world.store, run->module,
                                    &run->world.instance, error) ==
           IMAGO_OK;
}
static bool make_items(Run *run, ImagoError *error) {
    const ImagoLimits limits = {1, 2, true};
    const ImagoValue null = {.func = NULL};
    return imago_memory_new(run->world.store, &limits, error) != NULL &&
           imago_table_new(run->world.store, IMAGO_FUNCREF, &limits, null, error) != NULL &&
           imago_global_new(run->world.store, IMAGO_FUNCREF, true, null, error) != NULL;
}
static bool call_it(Run *run, ImagoError *error) {
    ImagoValue value = {.i32 = 1};
    const ImagoStatus status =
        imago_func_call(run->world.store, world_export(&run->world, "f").of.func, &value, error);
    if (status == IMAGO_OK) {
        EXPECT(value.i32 >= 101 && value.i32 <= 103); // growing may have been refused
    }
    return status == IMAGO_OK;
}

static Step *const STEPS[] = {open_engine,    open_library, open_module,  open_store,
                              open_linker,    define_host,  define_large, add_library,
                              define_library, add_module,   make_items,   call_it};

static void close_run(Run *run) {
    imago_linker_delete(run->world.linker);
    imago_store_delete(run->world.store);
    imago_image_delete(run->library);
    imago_image_delete(run->module);
    imago_engine_delete(run->world.engine);
}

// True if the whole went through without a refusal.
static bool run_all(uint64_t n, bool forever, bool with_retry) {
    Run run = {0};
    bool was_refused = false;
    mem_fail_at(n, forever);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        ImagoError error = IMAGO_ERROR_INIT;
        if (STEPS[i](&run, &error)) {
            continue;
        }
        was_refused = true;
        if (!is_refusal(&error)) {
            TEST_FAIL("n = %d, step %zu: code %d \"%s\"", (int)n, i, (int)error.code, error.text);
        }
        if (!with_retry) {
            break;
        }
        mem_fail_at(0, false);
        error = ERROR_CLEAR;
        if (!STEPS[i](&run, &error)) {
            TEST_FAIL("n = %d, step %zu again: \"%s\"", (int)n, i, error.text);
            break;
        }
    }
    mem_fail_at(0, false);
    close_run(&run);
    return !was_refused;
}

static void for_every_n(bool forever, bool with_retry) {
    EXPECT(run_all(0, false, false));
    mem_fail_at(0, false);
    Run run = {0};
    uint64_t requests = 0;
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        EXPECT(STEPS[i](&run, NULL));
    }
    requests = mem_fail_at(0, false);
    close_run(&run);
    EXPECT(requests > 20);
    int refused = 0;
    for (uint64_t n = 1; n <= requests; n++) {
        refused += !run_all(n, forever, with_retry);
    }
    // All but the optional ones: growing in the guest, and mapping a snapshot.
    EXPECT(refused >= (int)requests - 6);
}

TEST(each_request) { for_every_n(false, false); }
TEST(each_request_and_all_after) { for_every_n(true, false); }
TEST(retry) { for_every_n(false, true); }

// A refused instantiation leaves nothing in the store.
TEST(store_is_unchanged) {
    World world = world_new(NULL);
    const ImagoImage *image = world_image(
        &world,
        "(module (memory 1) (table (export \"a\") 3 funcref) (table (export \"b\") 3 externref)"
        "(func (export \"f\") (param i32) (result i32) (local.get 0))"
        "(global (export \"g\") (mut i32) (i32.const 0)) (func $start) (start $start))");
    for (uint64_t n = 1; n < 100; n++) {
        world.instance = NULL;
        mem_fail_at(n, false);
        const ImagoStatus status =
            imago_linker_instantiate(world.linker, world.store, image, &world.instance, NULL);
        const uint64_t made = mem_fail_at(0, false);
        EXPECT_EQ(status, made < n ? IMAGO_OK : IMAGO_FAIL);
        EXPECT((status == IMAGO_OK) == (world.instance != NULL));
        if (status == IMAGO_OK) {
            EXPECT_CALL(&world, "f", 3, 3);
            break;
        }
    }
    world_delete(&world);
}

static int compile(const char *text) {
    int fd = -1;
    ImagoError error = IMAGO_ERROR_INIT;
    if (!imago_compile_fd(text, strlen(text), &fd, NULL, NULL, &error)) {
        printf("%s\n", error.text);
        exit(1);
    }
    return fd;
}

int main(void) {
    library_fd = compile(LIBRARY);
    module_fd = compile(MODULE);
    RUN(each_request);
    RUN(each_request_and_all_after);
    RUN(retry);
    RUN(store_is_unchanged);
    close(library_fd);
    close(module_fd);
    return test_end();
}
