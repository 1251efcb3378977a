// Opening images: system calls, errors, and files that change while they run.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "world.h"

static const char MODULE[] =
    "(module $m (memory 1)"
    "  (func (export \"id\") (param i32) (result i32) (local.get 0))"
    "  (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0))))";

static char path[64];

static void write_image(const char *text) {
    ImagoError error = IMAGO_ERROR_INIT;
    if (!imago_compile_file(text, strlen(text), path, NULL, NULL, &error)) {
        TEST_FAIL("%s", error.text);
    }
}

static void expect_error(ImagoEngine *engine, const char *file, ImagoErrorCode code,
                         const char *word) {
    ImagoError error = IMAGO_ERROR_INIT;
    EXPECT(imago_image_open(engine, file, &error) == NULL);
    EXPECT_EQ(error.code, code);
    if (strstr(error.text, word) == NULL) {
        TEST_FAIL("%s: \"%s\" does not say \"%s\"", file, error.text, word);
    }
}

TEST(refused) {
    ImagoEngine *engine = imago_engine_new(NULL);
    expect_error(engine, "/nonexistent/image", IMAGO_ERROR_NO_INPUT, "No such file");
    expect_error(engine, "/", IMAGO_ERROR_NO_INPUT, "directory");
    expect_error(engine, "/dev/null", IMAGO_ERROR_NO_INPUT, "regular");
    (void)unlink(path);
    EXPECT_EQ(mkfifo(path, 0600), 0);
    expect_error(engine, path, IMAGO_ERROR_NO_INPUT, "regular"); // and does not wait for a writer
    (void)unlink(path);
    const int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    expect_error(engine, path, IMAGO_ERROR_IMAGE, "empty");
    EXPECT_EQ(write(fd, "\0asm\1\0\0\0", 8), 8);
    expect_error(engine, path, IMAGO_ERROR_IMAGE, "");
    close(fd);
    expect_error(engine, "/proc/self/exe", IMAGO_ERROR_IMAGE, "");
    ImagoError error = IMAGO_ERROR_INIT;
    EXPECT(imago_image_open_fd(engine, -1, &error) == NULL);
    EXPECT_EQ(error.code, IMAGO_ERROR_NO_INPUT);
    error = ERROR_CLEAR;
    EXPECT(imago_image_open_bytes(engine, "", 0, &error) == NULL);
    EXPECT_EQ(error.code, IMAGO_ERROR_IMAGE);
    EXPECT(!imago_is_image("\0asm\1\0\0\0", 8));
    EXPECT(!imago_is_image("", 0));
    imago_engine_delete(engine);
    (void)unlink(path);
}

TEST(options_are_checked) {
    static const uint32_t ALIGNMENTS[] = {3, 8192};
    for (size_t i = 0; i < sizeof ALIGNMENTS / sizeof *ALIGNMENTS; i++) {
        const ImagoCompileOptions options = {.size = sizeof options, .func_align = ALIGNMENTS[i]};
        ImagoError error = IMAGO_ERROR_INIT;
        EXPECT(!imago_compile_file("(module)", 8, path, &options, NULL, &error));
        EXPECT_EQ(error.code, IMAGO_ERROR_USAGE);
        EXPECT(strstr(error.text, "expected a power of two up to 4096") != NULL);
    }
}

static void expect_runs(World *world, ImagoImage *image) {
    EXPECT(image != NULL);
    if (image == NULL) {
        return;
    }
    world->images[world->image_count++] = image;
    EXPECT_EQ(world_instantiate(world, image), IMAGO_OK);
    EXPECT(imago_instance_image(world->instance) == image);
    EXPECT_CALL(world, "id", 5, 5);
    EXPECT_TRAP(world, "load", -1, "out of bounds memory access");
}

TEST(ways_to_open) {
    World world = world_new(NULL);
    write_image(MODULE);
    expect_runs(&world, imago_image_open(world.engine, path, &world.error));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    expect_runs(&world, imago_image_open_fd(world.engine, fd, &world.error));
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC); // still ours
    struct stat st;
    EXPECT_EQ(fstat(fd, &st), 0);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    EXPECT_EQ(read(fd, bytes, (size_t)st.st_size), st.st_size);
    EXPECT(imago_is_image(bytes, (size_t)st.st_size));
    ImagoImage *image =
        imago_image_open_bytes(world.engine, bytes, (size_t)st.st_size, &world.error);
    memset(bytes, 0, (size_t)st.st_size); // it was copied
    free(bytes);
    expect_runs(&world, image);
    // Replaced by rename: the old one goes on.
    write_image("(module (func (export \"id\") (param i32) (result i32) (i32.const 0)))");
    EXPECT_CALL(&world, "id", 6, 6);
    (void)unlink(path);
    EXPECT_CALL(&world, "id", 7, 7);
    close(fd);
    world_delete(&world);
}

// The image of `path`, in memory that starts a page; the caller frees it.
static uint8_t *read_image(size_t *count) {
    struct stat st;
    EXPECT_EQ(stat(path, &st), 0);
    *count = (size_t)st.st_size;
    uint8_t *bytes = aligned_alloc(4096, (*count + 4095) & ~(size_t)4095);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(read(fd, bytes, *count), (ssize_t)*count);
    close(fd);
    return bytes;
}

// Used in place, and given back as it was.
TEST(borrowed_memory) {
    World world = world_new(NULL);
    write_image("(module (memory (export \"m\") 1) (data (i32.const 8) \"abcd\")"
                "  (func (export \"id\") (param i32) (result i32) (local.get 0))"
                "  (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
                "  (func (export \"store\") (param i32) (result i32)"
                "   (i32.store (i32.const 8) (local.get 0)) (i32.const 0)))");
    size_t count = 0;
    uint8_t *bytes = read_image(&count);
    EXPECT(imago_image_open_memory(world.engine, bytes + 8, count - 8, &world.error) == NULL);
    EXPECT_EQ(world.error.code, IMAGO_ERROR_USAGE);
    world.error = ERROR_CLEAR;
    EXPECT(imago_image_open_memory(world.engine, bytes, count / 2, &world.error) == NULL);
    EXPECT_EQ(world.error.code, IMAGO_ERROR_IMAGE);
    ImagoImage *image = imago_image_open_memory(world.engine, bytes, count, &world.error);
    const uint8_t *frames = imago_image_eh_frame(image, NULL);
    EXPECT(frames > bytes && frames < bytes + count); // nothing was copied
    expect_runs(&world, image);
    EXPECT_CALL(&world, "load", 8, 0x64636261);
    EXPECT_CALL(&world, "store", 7, 0);
    EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
    EXPECT_CALL(&world, "load", 8, 0x64636261); // what another instance wrote is its own
    EXPECT(imago_image_verify(image, &world.error));
    world_delete(&world);
    memset(bytes, 0, count);
    free(bytes);
}

// One of two images in the same memory ends: the other's code stays executable.
TEST(borrowed_memory_twice) {
    World world = world_new(NULL);
    size_t count = 0;
    write_image(MODULE);
    uint8_t *bytes = read_image(&count);
    ImagoImage *first = imago_image_open_memory(world.engine, bytes, count, &world.error);
    ImagoImage *second = imago_image_open_memory(world.engine, bytes, count, &world.error);
    EXPECT(first != NULL);
    imago_image_delete(first);
    expect_runs(&world, second);
    first = imago_image_open_memory(world.engine, bytes, count, &world.error);
    imago_image_delete(first);
    EXPECT_CALL(&world, "id", 9, 9);
    world_delete(&world);
    memset(bytes, 0, count);
    free(bytes);
}

static int open_fds(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

TEST(descriptors_are_closed) {
    const int before = open_fds();
    World world = world_new(NULL);
    write_image(MODULE);
    EXPECT(imago_image_open(world.engine, "/dev/null", NULL) == NULL);
    expect_runs(&world, imago_image_open(world.engine, path, &world.error));
    EXPECT_EQ(open_fds(), before);
    write_image("(module (memory 1) (data (i32.const 0) \"x\"))");
    ImagoImage *with_snapshot = imago_image_open(world.engine, path, &world.error);
    EXPECT(open_fds() <= before + 1);
    imago_image_delete(with_snapshot);
    EXPECT_EQ(open_fds(), before);
    world_delete(&world);
    EXPECT_EQ(open_fds(), before);
}

// A file that is cut while it is mapped: code that is not there any more ends the call, not the
// process.
TEST(truncated_while_mapped) {
    World world = world_new(NULL);
    write_image(MODULE);
    ImagoImage *image = imago_image_open(world.engine, path, &world.error);
    expect_runs(&world, image);
    ImagoFunc *id = world_export(&world, "id").of.func; // its name will be gone
    EXPECT_EQ(truncate(path, 100), 0);
    ImagoValue value = {.i32 = 5};
    EXPECT_EQ(imago_func_call(world.store, id, &value, &world.error), IMAGO_TRAP);
    EXPECT_STR(imago_store_trap(world.store)->message, "image changed or could not be read");
    EXPECT_EQ(imago_store_trap(world.store)->frame_count, 0);
    // Others live on.
    EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
    EXPECT_CALL(&world, "id", 8, 8);
    world_delete(&world);
}

// The trap table or the names are gone, the code is still there.
TEST(truncated_behind_the_code) {
    World world = world_new(NULL);
    write_image(
        "(module (memory 1) (data $d \"abcdefgh\")"
        "(func (export \"init\") (param i32) (result i32)"
        "  (memory.init $d (i32.const 0) (i32.const 0) (local.get 0)) (i32.load (i32.const 0))))");
    ImagoImage *image = imago_image_open(world.engine, path, &world.error);
    EXPECT(image != NULL);
    world.images[world.image_count++] = image;
    EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
    EXPECT_CALL(&world, "init", 4, 0x64636261);
    ImagoFunc *init = world_export(&world, "init").of.func;
    struct stat st;
    EXPECT_EQ(stat(path, &st), 0);
    int traps = 0;
    for (off_t bytes = st.st_size & ~4095; bytes >= 0; bytes -= 4096) {
        EXPECT_EQ(truncate(path, bytes), 0);
        ImagoValue value = {.i32 = 4};
        if (imago_func_call(world.store, init, &value, NULL) == IMAGO_OK) {
            EXPECT_EQ(value.i32, 0x64636261);
        } else {
            EXPECT_STR(imago_store_trap(world.store)->message,
                       "image changed or could not be read");
            traps++;
        }
    }
    EXPECT(traps > 0);
    world_delete(&world);
}

// The host reads what is not there any more: an error, and whatever the image is asked. That an
// import has no name is none of it.
TEST(truncated_and_read_by_the_host) {
    static const char IMPORTS[] =
        "(module (import \"env\" \"host\" (func (param i32) (result i32)))"
        " (memory 1) (func (export \"id\") (param i32)))";
    struct stat st;
    write_image(IMPORTS);
    EXPECT_EQ(stat(path, &st), 0);
    for (off_t bytes = st.st_size - 2; bytes >= 0; bytes -= bytes > 4096 ? 997 : 131) {
        World world = world_new(NULL);
        world_define(&world, "host", &WORLD_I32_TO_I32, NULL, NULL);
        write_image(IMPORTS);
        ImagoImage *image = imago_image_open(world.engine, path, &world.error);
        EXPECT(image != NULL);
        EXPECT_EQ(truncate(path, bytes), 0);
        for (uint32_t i = 0; i <= imago_image_export_count(image); i++) {
            (void)imago_image_export(image, i);
            (void)imago_image_import(image, i);
        }
        EXPECT_EQ(world_instantiate(&world, image), IMAGO_FAIL);
        EXPECT_EQ(world.error.code, IMAGO_ERROR_IMAGE);
        EXPECT(!imago_image_verify(image, NULL));
        imago_image_delete(image);
        world_delete(&world);
    }
}

// Cut before it is opened: by descriptor it is refused at once, by path when it is first used.
TEST(truncated_before) {
    struct stat st;
    write_image(MODULE);
    EXPECT_EQ(stat(path, &st), 0);
    for (off_t bytes = st.st_size - 2; bytes > 0; bytes -= 509) {
        World world = world_new(NULL);
        write_image(MODULE);
        EXPECT_EQ(truncate(path, bytes), 0);
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        EXPECT(imago_image_open_fd(world.engine, fd, &world.error) == NULL);
        EXPECT_EQ(world.error.code, IMAGO_ERROR_IMAGE);
        close(fd);
        world.error = ERROR_CLEAR;
        ImagoImage *image = imago_image_open(world.engine, path, &world.error);
        if (image != NULL) {
            EXPECT_EQ(world_instantiate(&world, image), IMAGO_FAIL);
        }
        EXPECT_EQ(world.error.code, IMAGO_ERROR_IMAGE);
        imago_image_delete(image);
        world_delete(&world);
    }
}

// An instance exists; a function of it is called for the first time.
TEST(truncated_before_the_first_call) {
    World world = world_new(NULL);
    write_image(MODULE);
    ImagoImage *image = imago_image_open(world.engine, path, &world.error);
    EXPECT(image != NULL);
    world.images[world.image_count++] = image;
    EXPECT_EQ(world_instantiate(&world, image), IMAGO_OK);
    ImagoFunc *id = world_export(&world, "id").of.func;
    EXPECT_EQ(truncate(path, 100), 0);
    ImagoValue value = {.i32 = 5};
    const ImagoStatus status = imago_func_call(world.store, id, &value, &world.error);
    EXPECT(status == IMAGO_FAIL || status == IMAGO_TRAP);
    ImagoExtern item;
    (void)imago_instance_export(world.instance, "load", 4, &item);
    world_delete(&world);
}

// ---- Memory of a cut file, used by the host -----------------------------------------------------

// The image that is cut: more than eight pages of data.
static const char *module_with_data(void) {
    static char text[40960];
    char *at = text + snprintf(text, sizeof text, "(module (memory (export \"memory\") 1)"
                                                  "(data (i32.const 0) \"");
    memset(at, 'a', 36000);
    memcpy(at + 36000, "\"))", 4);
    return text;
}

// The code that uses the memory is of another image, and stays.
static const char USER[] =
    "(module (import \"env\" \"host\" (func $host)) (import \"data\" \"memory\" (memory 1))"
    "  (func (export \"id\") (param i32) (result i32) (local.get 0))"
    "  (func (export \"call\") (param i32) (result i32) (call $host) (local.get 0)))";

enum { LOST_AT = 34000 };

typedef struct Cut {
    World world;
    uint8_t *memory;
    bool writes, nests, cuts, wants_exit;
    ImagoStatus inner; // of the nested call
} Cut;

static void touch(Cut *cut) {
    EXPECT_EQ(truncate(path, 16384), 0);
    if (cut->writes) {
        cut->memory[LOST_AT] = 7;
    } else {
        EXPECT_EQ(cut->memory[LOST_AT], 0);
    }
}

// Meets the missing page itself, or in a call that it makes.
static ImagoStatus host_of_cut(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)values;
    Cut *cut = env;
    if (cut->nests) {
        int32_t result;
        cut->nests = false;
        cut->inner = world_call_i32(&cut->world, "call", 1, &result);
    } else if (cut->cuts) {
        cut->cuts = false;
        touch(cut);
    }
    return cut->wants_exit ? imago_caller_exit(caller, 3) : IMAGO_OK;
}

// Instances of the file's image and of USER. Returns the memory.
static uint8_t *add_user(World *world, const ImagoImage *image, Cut *cut) {
    world_define(world, "host", &WORLD_TO_NONE, host_of_cut, cut);
    EXPECT_EQ(world_instantiate(world, image), IMAGO_OK);
    uint8_t *memory = imago_memory_data(world_export(world, "memory").of.memory);
    EXPECT(imago_linker_define_instance(world->linker, "data", 4, world->instance, NULL));
    EXPECT_EQ(world_add(world, USER), IMAGO_OK);
    return memory;
}

static void cut_open(Cut *cut) {
    write_image(module_with_data());
    cut->world = world_new(NULL);
    World *world = &cut->world;
    ImagoImage *image = imago_image_open(world->engine, path, &world->error);
    EXPECT(image != NULL);
    world->images[world->image_count++] = image;
    cut->memory = add_user(world, image, cut);
}

// No guest code of the store runs any more, but that of others.
static void expect_lost(Cut *cut) {
    World *world = &cut->world;
    EXPECT_TRAP(world, "id", 1, "image changed or could not be read");
    EXPECT_TRAP(world, "call", 1, "image changed or could not be read");
    cut->memory[LOST_AT] = 8; // the host has a page there
    EXPECT_EQ(cut->memory[LOST_AT], 8);
    World other = world_new(NULL);
    const uint8_t *memory = add_user(&other, world_image(&other, module_with_data()), cut);
    EXPECT_CALL(&other, "call", 2, 2);
    EXPECT_EQ(memory[LOST_AT], 'a');
    world_delete(&other);
}

TEST(lost_in_a_host_function) {
    for (int way = 0; way < 8; way++) {
        Cut cut = {.writes = way & 1, .nests = way & 2, .wants_exit = way & 4, .cuts = true};
        cut_open(&cut);
        EXPECT_TRAP(&cut.world, "call", 1, "image changed or could not be read");
        if (way & 2) {
            EXPECT_EQ(cut.inner, IMAGO_TRAP);
        }
        cut.wants_exit = false;
        expect_lost(&cut);
        world_delete(&cut.world);
    }
}

// Before the store has a guest stack, and after its first call.
TEST(lost_outside_of_calls) {
    for (int way = 0; way < 4; way++) {
        Cut cut = {.writes = way & 1};
        cut_open(&cut);
        if (way & 2) {
            EXPECT_CALL(&cut.world, "id", 1, 1);
        }
        touch(&cut);
        expect_lost(&cut);
        world_delete(&cut.world);
    }
}

// The host function of one store's guest meets it in another's memory: its caller goes on.
TEST(lost_in_another_store) {
    Cut cut = {.cuts = true};
    cut_open(&cut);
    World other = world_new(NULL);
    (void)add_user(&other, world_image(&other, module_with_data()), &cut);
    EXPECT_CALL(&other, "call", 4, 4);
    expect_lost(&cut);
    world_delete(&other);
    world_delete(&cut.world);
}

// What a store that ends leaves for the next one does not hold zeros in the place of data.
TEST(lost_memory_is_not_used_again) {
    Cut cut = {0};
    cut_open(&cut);
    touch(&cut);
    World *world = &cut.world;
    imago_linker_delete(world->linker); // it is bound to the store
    imago_store_delete(world->store);
    world->store = imago_store_new(world->engine, NULL, &world->error);
    world->linker = imago_linker_new(world->engine, &world->error);
    cut.memory = add_user(world, world->images[0], &cut);
    EXPECT_CALL(world, "id", 1, 1); // nothing has been missed yet
    touch(&cut);
    expect_lost(&cut);
    world_delete(world);
}

// ---- System calls -------------------------------------------------------------------------------

// ---- What opening costs -------------------------------------------------------------------------

// Whatever is opened, it is no more than for the smallest image.
typedef struct Shape {
    const char *name;
    unsigned func_count, name_bytes, data_bytes;
    bool is_relative, keeps_file;
} Shape;

static const Shape SHAPES[] = {
    {.name = "small"},
    {.name = "by relative path", .is_relative = true},
    {.name = "large", .func_count = 20000},
    {.name = "with a long name", .name_bytes = 3000},
    {.name = "with a snapshot", .data_bytes = 9000, .keeps_file = true},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

// To `path`.
static void write_shape(const Shape *shape) {
    static char text[1 << 21];
    int at = snprintf(text, sizeof text, "(module $n%0*d (memory 1) (data (i32.const 0) \"%0*d\")",
                      (int)shape->name_bytes, 0, (int)shape->data_bytes, 0);
    for (unsigned i = 0; i < shape->func_count; i++) {
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "(func (param i32) (result i32) (i32.load (local.get 0)))");
    }
    (void)snprintf(text + at, sizeof text - (size_t)at, ")");
    write_image(text);
}

static const char *traced;

// Counts lines of strace between two marks.
static void expect_calls(const Shape *shape, FILE *trace) {
    static const char *const CALLS[] = {"open", "pread", "mmap", "mprotect", "close"};
    const size_t expected = shape->keeps_file ? 4 : 5;
    char line[8192];
    int marks = 0;
    size_t calls = 0;
    while (trace != NULL && fgets(line, sizeof line, trace) != NULL) {
        const bool is_mark = strstr(line, "/imago-mark") != NULL;
        marks += is_mark;
        if (marks == 1 && !is_mark) {
            const char *call = strncmp(line, "openat", 6) == 0 ? "open" : line;
            if (calls >= expected || strncmp(call, CALLS[calls], strlen(CALLS[calls])) != 0) {
                TEST_FAIL("%s: system call %zu is %s", shape->name, calls, line);
            }
            calls++;
        }
    }
    EXPECT_EQ(marks, 2);
    EXPECT_EQ(calls, expected);
}

TEST(system_calls_of_opening) {
    if (world_is_sanitized() || system("strace -o /dev/null true 2>/dev/null") != 0) {
        TEST_SKIP("no strace, it may not trace here, or a sanitizer makes calls of its own");
        return;
    }
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        char command[512], out[80];
        write_shape(&SHAPES[i]);
        (void)snprintf(out, sizeof out, "%s.trace", path);
        (void)snprintf(command, sizeof command, "p=$(realpath %s) && cd /tmp && strace -o %s $p "
                       "--open %s", traced, out, path + (SHAPES[i].is_relative ? 5 : 0));
        EXPECT_EQ(system(command), 0);
        FILE *trace = fopen(out, "r");
        expect_calls(&SHAPES[i], trace);
        if (trace != NULL) {
            fclose(trace);
        }
        (void)unlink(out);
    }
}

static long faults(void) {
    struct rusage usage;
    EXPECT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt + usage.ru_majflt;
}

// No page of the file is touched, nothing is allocated but the image: a bound on time that does not
// depend on how busy the machine is.
TEST(opening_costs_the_same_for_all) {
    enum { ROUNDS = 20 };
    ImagoEngine *engine = imago_engine_new(NULL);
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        long least = 1000;
        write_shape(&SHAPES[i]);
        for (int round = 0; round < ROUNDS; round++) {
            (void)mem_fail_at(0, false);
            const long before = faults();
            ImagoImage *image = imago_image_open(engine, path, NULL);
            const long count = faults() - before;
            EXPECT(image != NULL);
            EXPECT_EQ(mem_fail_at(0, false), 2); // the image, and its mapping
            imago_image_delete(image);
            least = count < least ? count : least;
        }
        if (!world_is_sanitized() && least != 0) {
            TEST_FAIL("%s: %ld page faults", SHAPES[i].name, least);
        }
    }
    imago_engine_delete(engine);
}

static int open_for_trace(const char *file) {
    ImagoEngine *engine = imago_engine_new(NULL);
    (void)access("/imago-mark", F_OK);
    ImagoImage *image = imago_image_open(engine, file, NULL);
    (void)access("/imago-mark", F_OK);
    return image == NULL;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--open") == 0) {
        return open_for_trace(argv[2]);
    }
    traced = argv[0];
    (void)snprintf(path, sizeof path, "/tmp/imago-images-%d", (int)getpid());
    RUN(refused);
    RUN(options_are_checked);
    RUN(ways_to_open);
    RUN(borrowed_memory);
    RUN(borrowed_memory_twice);
    RUN(descriptors_are_closed);
    RUN(truncated_while_mapped);
    RUN(truncated_behind_the_code);
    RUN(truncated_and_read_by_the_host);
    RUN(truncated_before);
    RUN(truncated_before_the_first_call);
    RUN(lost_in_a_host_function);
    RUN(lost_outside_of_calls);
    RUN(lost_in_another_store);
    RUN(lost_memory_is_not_used_again);
    RUN(system_calls_of_opening);
    RUN(opening_costs_the_same_for_all);
    (void)unlink(path);
    return test_end();
}
