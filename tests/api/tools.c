// The library as tools see it: gdb walks from C through the guest to C, and a program links against
// the runtime alone.
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>

#include "world.h"

static char path[64]; // of an image

static const char MODULE[] =
    "(module $tools (import \"env\" \"host\" (func $host (param i32) (result i32)))"
    "  (memory 1)"
    "  (func $guest_inner (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $host (local.get 0))))"
    "  (func $guest_outer (export \"f\") (param i32) (result i32)"
    "    (i32.add (memory.grow (i32.const 1)) (call $guest_inner (local.get 0)))))";

static char *output_of(const char *command) {
    static char output[1 << 16];
    FILE *pipe = popen(command, "r");
    const size_t count = pipe == NULL ? 0 : fread(output, 1, sizeof output - 1, pipe);
    output[count] = 0;
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
    return output;
}

// Positions of the words in the text ascend.
static void expect_order(const char *text, const char *const *words, int count) {
    const char *at = text;
    for (int i = 0; i < count; i++) {
        const char *found = strstr(at, words[i]);
        if (found == NULL) {
            TEST_FAIL("no \"%s\" in its place in:\n%s", words[i], text);
            return;
        }
        at = found + strlen(words[i]);
    }
}

// ---- gdb ----------------------------------------------------------------------------------------

// Where gdb stops.
__attribute__((noinline)) static void tools_stop(void) { __asm__ volatile("" ::: "memory"); }

static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    values[0].i32 += 1;
    tools_stop();
    return IMAGO_OK;
}

static int run_for_gdb(const char *file) {
    World world = world_new(NULL);
    world_define(&world, "host", &WORLD_I32_TO_I32, host, NULL);
    ImagoImage *image = imago_image_open(world.engine, file, &world.error);
    world.images[world.image_count++] = image;
    if (world_instantiate(&world, image) != IMAGO_OK) {
        return 1;
    }
    int32_t result = 0;
    (void)world_call_i32(&world, "f", 1, &result);
    world_delete(&world);
    return result == 4 ? 0 : 1;
}

// On a thread whose stack lies below every other, the guest's included.
static void *run_on_thread(void *file) {
    return (void *)(intptr_t)run_for_gdb(file); // NOLINT
}

static int run_on_low_stack(char *file) {
    enum { BYTES = 1 << 20 };
    void *const low = (void *)(uintptr_t)0x10000000; // NOLINT: below what the system gives out
    void *stack = mmap(low, BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    pthread_attr_t attr;
    pthread_t thread;
    void *result = NULL;
    if (stack != low || pthread_attr_init(&attr) != 0 ||
        pthread_attr_setstack(&attr, stack, BYTES) != 0 ||
        pthread_create(&thread, &attr, run_on_thread, file) != 0) {
        return 1;
    }
    return pthread_join(thread, &result) == 0 && result == NULL ? 0 : 1;
}

static const char *self;

// gdb finds the image by itself, and walks from C through the guest to C.
static void expect_gdb_walks(const char *mode, const char *outermost) {
    if (system("gdb --version >/dev/null 2>&1") != 0) {
        TEST_SKIP("no gdb");
        return;
    }
    char command[1024];
    (void)snprintf(command, sizeof command,
                   "ASAN_OPTIONS=detect_leaks=0 gdb -nx -batch -ex 'break tools_stop' -ex run "
                   "-ex bt --args %s %s %s 2>&1",
                   self, mode, path);
    const char *output = output_of(command);
    if (strstr(output, "Breakpoint 1, ") == NULL && strstr(output, "hit Breakpoint 1") == NULL) {
        TEST_SKIP("gdb cannot run programs here");
        return;
    }
    // What lies between is inlined or not. Where the stack changes, gdb speaks of signal handlers.
    const char *const words[] = {"#0",          "tools_stop",  "host", "<signal", "guest_inner",
                                 "guest_outer", "entry_stub0", "<signal", outermost};
    expect_order(output, words, (int)(sizeof words / sizeof *words));
}

TEST(gdb_walks_through) { expect_gdb_walks("--gdb", "main"); }

TEST(gdb_walks_from_a_low_stack) { expect_gdb_walks("--gdb-low", "run_on_thread"); }

// ---- The runtime alone --------------------------------------------------------------------------

static const char PROGRAM[] =
    "#include <imago/imago.h>\n"
    "#include <stdio.h>\n"
    "static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {\n"
    "    (void)env; (void)caller; values[0].i32 += 40; return IMAGO_OK;\n"
    "}\n"
    "int main(int argc, char **argv) {\n"
    "    const uint8_t i32[] = {IMAGO_I32};\n"
    "    const ImagoFuncType type = {i32, i32, 1, 1};\n"
    "    ImagoError error = IMAGO_ERROR_INIT;\n"
    "    ImagoEngine *engine = imago_engine_new(&error);\n"
    "    ImagoImage *image = imago_image_open(engine, argv[argc - 1], &error);\n"
    "    ImagoStore *store = imago_store_new(engine, NULL, &error);\n"
    "    ImagoLinker *linker = imago_linker_new(engine, &error);\n"
    "    ImagoInstance *instance;\n"
    "    ImagoExtern f;\n"
    "    ImagoValue value = {.i32 = 0};\n"
    "    imago_linker_define_func(linker, \"env\", \"host\", &type, host, 0, &error);\n"
    "    if (imago_linker_instantiate(linker, store, image, &instance, &error) != IMAGO_OK ||\n"
    "        !imago_instance_export(instance, \"f\", 1, &f) ||\n"
    "        imago_func_call(store, f.of.func, &value, &error) != IMAGO_OK) {\n"
    "        printf(\"%s\\n\", error.text);\n"
    "        return 1;\n"
    "    }\n"
    "    printf(\"the answer is %d\\n\", value.i32);\n"
    "    imago_linker_delete(linker);\n"
    "    imago_store_delete(store);\n"
    "    imago_image_delete(image);\n"
    "    imago_engine_delete(engine);\n"
    "    return 0;\n"
    "}\n";

TEST(runtime_alone) {
    if (world_is_sanitized()) {
        TEST_SKIP("the library needs the sanitizer's flags");
        return;
    }
    if (access(BINARY_DIR "/libimago.a", R_OK) != 0 ||
        system("cc --version >/dev/null 2>&1") != 0) {
        TEST_SKIP("no " BINARY_DIR "/libimago.a, or no cc");
        return;
    }
    char source[128], command[1024];
    (void)snprintf(source, sizeof source, "%s.c", path);
    FILE *file = fopen(source, "w");
    EXPECT(file != NULL && fputs(PROGRAM, file) >= 0 && fclose(file) == 0);
    (void)snprintf(command, sizeof command,
                   "cc -std=c99 -Wall -Wextra -Werror -I" SOURCE_DIR
                   "/include %s -o %s.exe " BINARY_DIR
                   "/libimago.a -lpthread 2>&1 && %s.exe %s 2>&1",
                   source, path, path, path);
    EXPECT_STR(output_of(command), "the answer is 42\n");
    (void)snprintf(command, sizeof command,
                   "nm %s.exe 2>/dev/null | grep -c -E 'imago_(compile|validate|wat_to_wasm)'",
                   path);
    EXPECT_STR(output_of(command), "0\n");
    (void)snprintf(command, sizeof command, "%s.exe", path);
    (void)unlink(command);
    (void)unlink(source);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--gdb") == 0) {
        return run_for_gdb(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "--gdb-low") == 0) {
        return run_on_low_stack(argv[2]);
    }
    self = argv[0];
    (void)snprintf(path, sizeof path, "/tmp/imago-tools-%d", (int)getpid());
    ImagoError error = IMAGO_ERROR_INIT;
    if (!imago_compile_file(MODULE, strlen(MODULE), path, NULL, NULL, &error)) {
        printf("%s\n", error.text);
        return 1;
    }
    RUN(gdb_walks_through);
    RUN(gdb_walks_from_a_low_stack);
    RUN(runtime_alone);
    (void)unlink(path);
    return test_end();
}
