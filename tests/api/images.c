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

// The host reads what is not there any more: an error, and whatever the image is asked.
TEST(truncated_and_read_by_the_host) {
    struct stat st;
    write_image(MODULE);
    EXPECT_EQ(stat(path, &st), 0);
    for (off_t bytes = st.st_size - 2; bytes >= 0; bytes -= bytes > 4096 ? 997 : 131) {
        World world = world_new(NULL);
        write_image(MODULE);
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
    RUN(system_calls_of_opening);
    RUN(opening_costs_the_same_for_all);
    (void)unlink(path);
    return test_end();
}
