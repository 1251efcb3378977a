// Images with one bit flipped, and cut at every length: real ones, made by the compiler. With the
// contents compared (imago_image_verify) none is ever accepted, so that none can give a wrong
// result. Without, opening, every reader, the checks of `imago verify` and instantiation answer or
// refuse; nothing crashes. (Code that is damaged may do anything when it is called: that is what
// comparing is for.) Run it under AddressSanitizer for its full worth.
// Opening by path believes the section headers about the file's size: where they lie, it must
// neither crash nor take long.
//
// image_flips_slow.c is the same at full length.
#define _GNU_SOURCE
#include <elf.h>
#include <sys/mman.h>

#include "api/world.h"
#include "base/int.h"
#include "image/build_id.h"
#include "image/check.h"
#include "image/format.h"
#include "image/sections.h"
#include "runtime/engine.h"
#include "runtime/image_map.h"
#include "unit/image_walk.h"

// Compiled and read once.
typedef struct Sample {
    const char *text;
    u8 *bytes, *damaged; // on the heap
    usize count;
    u64 header; // offset of the StoredHeader
} Sample;

// Has more than a page of data, so that it gets a memory snapshot.
static char snapshot_text[8192];

static void write_snapshot_text(void) {
    char data[5000];
    for (u32 i = 0; i < sizeof data; i++) {
        data[i] = "0123456789abcdefghijk"[i % 21];
    }
    (void)snprintf(snapshot_text, sizeof snapshot_text,
                   "(module $snapshot (memory (export \"memory\") 2)"
                   "  (data (i32.const 65530) \"0123456789\") (data (i32.const 4000) \"%.*s\")"
                   "  (func (export \"f\") (param i32) (result i32)"
                   "    (i32.load8_u (local.get 0))))",
                   (int)sizeof data, data);
}

// No start functions: instantiating them must not run code.
static Sample SAMPLES[] = {
    {.text = "(module (func (export \"f\") (param i32) (result i32) (local.get 0)))"},
    {.text =
         "(module $state (import \"env\" \"f\" (func $f (param i32) (result i32)))"
         "  (import \"env\" \"g\" (global $g i32)) (memory (export \"memory\") 1 2)"
         "  (table $frozen 4 funcref) (table $t (export \"t\") 4 8 funcref)"
         "  (elem (table $frozen) (i32.const 0) func $h $k) (elem (table $t) (i32.const 2) func $h)"
         "  (elem $passive func $f $k)"
         "  (global (export \"x\") (mut i64) (i64.const 7)) (global funcref (ref.func $h))"
         "  (data (i32.const 16) \"some data\") (data $p \"passive\")"
         "  (func $h (export \"h\") (param i32) (result i32)"
         "    (call $f (i32.load (local.get 0))))"
         "  (func $k (param f64 f64 i64 i64 i32 i32 i32 i32 f32 f32 i32) (result f64 i64)"
         "    (memory.init $p (local.get 4) (i32.const 0) (i32.const 3))"
         "    (table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 1))"
         "    (f64.add (local.get 0) (local.get 1)) (local.get 2))"
         "  (func (export \"i\") (param i32) (result i32)"
         "    (call_indirect $frozen (param i32) (result i32)"
         "      (i32.div_u (local.get 0) (i32.const 3)) (local.get 0))))"},
    {.text =
         "(module $refs (import \"env\" \"f\" (func $f (param i32) (result i32)))"
         "  (table $t 2 externref) (global $g (mut externref) (ref.null extern))"
         "  (func $h (export \"h\") (param externref externref) (result externref)"
         "    (local externref) (local.set 2 (table.get $t (call $f (i32.const 1))))"
         "    (global.get $g) (drop (call $f (i32.const 2)))"
         "    (table.set $t (call $f (i32.const 3)) (local.get 2))"
         "    (call $h (local.get 0) (call $k (local.get 1))) drop)"
         "  (func $k (param externref) (result externref) (drop (call $f (i32.const 1)))"
         "    (call $h (local.get 0) (ref.null extern)) (drop (call $f (i32.const 1)))))"},
    {.text = snapshot_text},
};

#ifndef FLIP_COUNT // of each image
enum { FLIP_COUNT = 1500, CUT_STEP = 7 };
#endif
enum { MAX_SECONDS = 20 }; // for one image: thousands of times what it takes
static u64 random_state = 1, sum;

static u32 random_below(u64 below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (u32)((random_state >> 33) % below);
}

static void sample_init(Sample *sample) {
    Error err = ERROR_INIT;
    int fd = -1;
    Image image;
    if (!imago_compile_fd(sample->text, strlen(sample->text), &fd, NULL, NULL, &err)) {
        TEST_FAIL("cannot compile: %s", err.text);
        exit(1);
    }
    sample->count = (usize)lseek(fd, 0, SEEK_END);
    sample->bytes = malloc(sample->count);
    sample->damaged = malloc(sample->count);
    EXPECT_EQ(pread(fd, sample->bytes, sample->count, 0), sample->count);
    close(fd);
    EXPECT(image_parse(&image, sample->bytes, sample->count, &err));
    EXPECT_EQ(image.snapshot_bytes != 0, sample->text == snapshot_text);
    ImageSection note;
    EXPECT(image_section_find(&image, STR(".note.imago"), &note));
    sample->header = note.offset + note.bytes - sizeof(StoredHeader);
}

// A copy with one random bit flipped.
static u8 *flip(Sample *sample, u64 first, u64 count) {
    memcpy(sample->damaged, sample->bytes, sample->count);
    sample->damaged[first + random_below(count)] ^= (u8)(1u << random_below(8));
    return sample->damaged;
}

// ---- With the contents compared ----------------------------------------------------------------

static bool is_verified(ImagoImage *image, ImagoError *error) {
    const bool ok = image != NULL && imago_image_verify(image, error);
    imago_image_delete(image);
    if (!ok && error->code != IMAGO_ERROR_IMAGE) {
        TEST_FAIL("%d: %s", (int)error->code, error->text);
    }
    return ok;
}

static bool is_accepted(ImagoEngine *engine, const u8 *bytes, usize count) {
    ImagoError error = IMAGO_ERROR_INIT;
    return is_verified(imago_image_open_bytes(engine, bytes, count, &error), &error);
}

// The same by path: of a memory file, which is written again each time.
static int path_fd = -1;
static char path[64];

static bool is_accepted_by_path(ImagoEngine *engine, const u8 *bytes, usize count) {
    ImagoError error = IMAGO_ERROR_INIT;
    EXPECT_EQ(ftruncate(path_fd, (off_t)count), 0);
    EXPECT_EQ(pwrite(path_fd, bytes, count, 0), count);
    alarm(MAX_SECONDS);
    const bool ok = is_verified(imago_image_open(engine, path, &error), &error);
    alarm(0);
    return ok;
}

TEST(flips_are_found) {
    ImagoEngine *engine = imago_engine_new(NULL);
    u32 accepted = 0;
    for (u32 i = 0; i < COUNT_OF(SAMPLES); i++) {
        Sample *sample = &SAMPLES[i];
        EXPECT(is_accepted(engine, sample->bytes, sample->count));
        for (u32 k = 0; k < FLIP_COUNT; k++) {
            const u8 *flipped = flip(sample, 0, sample->count);
            accepted += is_accepted(engine, flipped, sample->count);
            accepted += is_accepted_by_path(engine, flipped, sample->count);
        }
    }
    EXPECT_EQ(accepted, 0);
    imago_engine_delete(engine);
}

TEST(cuts_are_found) {
    ImagoEngine *engine = imago_engine_new(NULL);
    u32 accepted = 0;
    for (u32 i = 0; i < COUNT_OF(SAMPLES); i++) {
        for (usize count = 0; count < SAMPLES[i].count; count += CUT_STEP) {
            accepted += is_accepted(engine, SAMPLES[i].bytes, count);
            // Where only the last byte is missing, a zero, the mapping is that of the whole file.
            accepted += count + 1 != SAMPLES[i].count &&
                        is_accepted_by_path(engine, SAMPLES[i].bytes, count);
        }
    }
    EXPECT_EQ(accepted, 0);
    imago_engine_delete(engine);
}

// Each bit of the headers that say how long the file is.
TEST(sizes_that_lie_are_found) {
    ImagoEngine *engine = imago_engine_new(NULL);
    u32 accepted = 0;
    for (u32 i = 0; i < COUNT_OF(SAMPLES); i++) {
        const Sample *sample = &SAMPLES[i];
        EXPECT(is_accepted_by_path(engine, sample->bytes, sample->count));
        Elf64_Ehdr header;
        memcpy(&header, sample->bytes, sizeof header);
        memcpy(sample->damaged, sample->bytes, sample->count);
        for (u64 bit = 0; bit < 8ull * header.e_shnum * sizeof(Elf64_Shdr); bit++) {
            u8 *at = sample->damaged + header.e_shoff + bit / 8;
            *at ^= (u8)(1u << bit % 8);
            accepted += is_accepted_by_path(engine, sample->damaged, sample->count);
            *at ^= (u8)(1u << bit % 8);
        }
    }
    EXPECT_EQ(accepted, 0);
    imago_engine_delete(engine);
}

// ---- Without -----------------------------------------------------------------------------------

static ImagoStatus host_func(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    (void)values;
    TEST_FAIL("code of a damaged image was run");
    return IMAGO_OK;
}

static void define_imports(World *world) {
    static const u8 TYPES[] = {IMAGO_I32, IMAGO_I32};
    const ImagoFuncType type = {TYPES, TYPES + 1, 1, 1};
    const ImagoValue value = {.i32 = 4};
    const ImagoExtern global = {
        .kind = IMAGO_EXTERN_GLOBAL,
        .of.global = imago_global_new(world->store, IMAGO_I32, false, value, NULL)};
    EXPECT(imago_linker_define_func(world->linker, "env", "f", &type, host_func, NULL, NULL));
    EXPECT(imago_linker_define(world->linker, "env", 3, "g", 1, global, NULL));
}

// All that a host asks an image before it runs code. True if it could be instantiated.
static bool use(ImagoImage *image) {
    const ImagoStoreOptions options = {.size = sizeof options, .max_memory_bytes = 1 << 24,
                                       .max_table_entries = 10000, .stack_bytes = 65536};
    World world = {.engine = image->engine, .error = IMAGO_ERROR_INIT};
    world.store = imago_store_new(world.engine, &options, &world.error);
    world.linker = imago_linker_new(world.engine, &world.error);
    define_imports(&world);
    for (u32 i = 0; i < imago_image_import_count(image); i++) {
        sum += imago_image_import(image, i).module_bytes;
    }
    for (u32 i = 0; i < imago_image_export_count(image); i++) {
        sum += imago_image_export(image, i).name_bytes;
    }
    const ImagoStatus status =
        imago_linker_instantiate(world.linker, world.store, image, &world.instance, &world.error);
    if (status != IMAGO_FAIL) {
        ImagoExtern item;
        sum += imago_instance_export(world.instance, "memory", 6, &item);
    }
    imago_linker_delete(world.linker);
    imago_store_delete(world.store);
    return status == IMAGO_OK;
}

// True if it could be opened.
static bool open_and_use(ImagoEngine *engine, const u8 *bytes, usize count, u32 *used) {
    Error err = ERROR_INIT;
    ImagoImage *image = imago_image_open_bytes(engine, bytes, count, &err);
    if (image == NULL) {
        EXPECT(err.code == IMAGO_ERROR_IMAGE || err.code == IMAGO_ERROR_OS);
        return false;
    }
    sum += image_walk(&image->view) + image_check(&image->view, &err);
    for (u32 i = 0; i < image_section_count(&image->view); i++) {
        sum += image_section(&image->view, i).name.count;
    }
    sum += image_producer(&image->view).count;
    // Names a start function: that would be run.
    *used += image->view.start_func == ID_NONE && use(image);
    imago_image_delete(image);
    return true;
}

// seals: the header's check sum is made right again.
static void flip_and_use(u32 rounds, bool seals) {
    ImagoEngine *engine = imago_engine_new(NULL);
    u32 opened = 0, used = 0;
    for (u32 i = 0; i < COUNT_OF(SAMPLES); i++) {
        Sample *sample = &SAMPLES[i];
        for (u32 k = 0; k < rounds; k++) {
            u8 *bytes = seals ? flip(sample, sample->header, sizeof(StoredHeader))
                              : flip(sample, 0, sample->count);
            u8 *header = bytes + sample->header;
            if (seals) {
                store_u64(header + offsetof(StoredHeader, check), image_header_check(header));
            }
            opened += open_and_use(engine, bytes, sample->count, &used);
        }
    }
    EXPECT(opened > 0 && used > 0 && opened < rounds * COUNT_OF(SAMPLES));
    imago_engine_delete(engine);
}

TEST(flips_do_no_harm) { flip_and_use(FLIP_COUNT, false); }
TEST(flips_of_the_header_do_no_harm) { flip_and_use(FLIP_COUNT / 4, true); }

// Counts of imports that each fit their tables, but not the list of imports.
TEST(counts_of_imports_that_lie) {
    Sample *sample = &SAMPLES[1];
    ImagoEngine *engine = imago_engine_new(NULL);
    for (u32 funcs = 0; funcs < 4; funcs++) {
        for (u32 globals = 0; globals < 4; globals++) {
            u32 used = 0;
            u8 *header = sample->damaged + sample->header;
            memcpy(sample->damaged, sample->bytes, sample->count);
            store_u32(header + offsetof(StoredHeader, func_imports), funcs);
            store_u32(header + offsetof(StoredHeader, ctx_func_imports), funcs);
            store_u32(header + offsetof(StoredHeader, global_imports), globals);
            store_u64(header + offsetof(StoredHeader, check), image_header_check(header));
            EXPECT(open_and_use(engine, sample->damaged, sample->count, &used));
            EXPECT_EQ(used, funcs == 1 && globals == 1);
        }
    }
    imago_engine_delete(engine);
}

// ---- Another processor -------------------------------------------------------------------------

TEST(names_what_the_processor_lacks) {
    Sample *sample = &SAMPLES[0];
    ImagoEngine *engine = imago_engine_new(NULL);
    ImagoError error = IMAGO_ERROR_INIT;
    engine->cpu_features = 0;
    EXPECT(imago_image_open_bytes(engine, sample->bytes, sample->count, &error) == NULL);
    EXPECT_EQ(error.code, IMAGO_ERROR_OS);
    EXPECT_STR(error.text, "the image needs sse4.1 popcnt, which this processor lacks");
    u8 *header = sample->damaged + sample->header;
    memcpy(sample->damaged, sample->bytes, sample->count);
    store_u64(header + offsetof(StoredHeader, cpu_features), 1ull << 40);
    store_u64(header + offsetof(StoredHeader, check), image_header_check(header));
    error = ERROR_CLEAR;
    EXPECT(imago_image_open_bytes(engine, sample->damaged, sample->count, &error) == NULL);
    EXPECT_EQ(error.code, IMAGO_ERROR_IMAGE);
    EXPECT_STR(error.text, "image needs CPU features that this library does not know "
                           "(0x10000000000)");
    imago_engine_delete(engine);
}

int main(void) {
    write_snapshot_text();
    for (u32 i = 0; i < COUNT_OF(SAMPLES); i++) {
        sample_init(&SAMPLES[i]);
    }
    path_fd = memfd_create("imago-flips", MFD_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", path_fd);
    RUN(flips_are_found);
    RUN(cuts_are_found);
    RUN(sizes_that_lie_are_found);
    RUN(flips_do_no_harm);
    RUN(flips_of_the_header_do_no_harm);
    RUN(counts_of_imports_that_lie);
    RUN(names_what_the_processor_lacks);
    return test_end();
}
