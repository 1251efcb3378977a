// Images that are mapped already, with nothing of the file but what its segments hold.
#define _GNU_SOURCE
#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "api/world.h"
#include "base/alloc.h"

enum { PAGE = 4096 };

static const char MODULE[] = "(module $m (memory (export \"memory\") 1)"
                             "  (func (export \"get\") (param i32) (result i32)"
                             "    (i32.load8_u (local.get 0)))"
                             "  (data (i32.const 70) \"F\"))";

// What dlopen would have made, with a page behind it that nobody may touch.
typedef struct Mapping {
    uint8_t *at;
    size_t loaded_bytes, bytes; // without and with that page
} Mapping;

static void load_segments(Mapping *mapping, int fd) {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    struct stat st;
    EXPECT(fstat(fd, &st) == 0 && pread(fd, &header, sizeof header, 0) == sizeof header);
    mapping->bytes = (size_t)st.st_size / PAGE * PAGE + (size_t)2 * PAGE;
    mapping->at = mmap(NULL, mapping->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        const off_t place = (off_t)(header.e_phoff + i * sizeof segment);
        EXPECT(pread(fd, &segment, sizeof segment, place) == sizeof segment);
        if (segment.p_type != PT_LOAD) {
            continue;
        }
        const size_t start = segment.p_offset / PAGE * PAGE;
        const size_t end = (segment.p_offset + segment.p_filesz + PAGE - 1) / PAGE * PAGE;
        // All may be executed, as where an object is linked into a program.
        EXPECT(mmap(mapping->at + start, end - start, PROT_READ | PROT_EXEC,
                    MAP_PRIVATE | MAP_FIXED, fd, (off_t)start) != MAP_FAILED);
        mapping->loaded_bytes = end;
    }
}

static Mapping mapping_new_of(int *fd) {
    Mapping mapping = {0};
    ImagoError error = IMAGO_ERROR_INIT;
    EXPECT(imago_compile_fd(MODULE, sizeof MODULE - 1, fd, NULL, NULL, &error));
    load_segments(&mapping, *fd);
    return mapping;
}

static Mapping mapping_new(void) {
    int fd = -1;
    const Mapping mapping = mapping_new_of(&fd);
    close(fd);
    return mapping;
}

static void mapping_delete(Mapping *mapping) { EXPECT(munmap(mapping->at, mapping->bytes) == 0); }

static int get_70(World *world, const ImagoImage *image) {
    ImagoValue value = {.i32 = 70};
    if (world_instantiate(world, image) != IMAGO_OK) {
        return -1;
    }
    const ImagoExtern get = world_export(world, "get");
    return imago_func_call(world->store, get.of.func, &value, &world->error) == IMAGO_OK
               ? value.i32
               : -1;
}

TEST(runs_where_it_is) {
    World world = world_new(NULL);
    Mapping mapping = mapping_new();
    ImagoImage *image = imago_image_open_mapped(world.engine, mapping.at, &world.error);
    EXPECT(image != NULL);
    EXPECT_EQ(get_70(&world, image), 'F');
    size_t bytes = 0;
    const uint8_t *frames = imago_image_eh_frame(image, &bytes);
    EXPECT(frames > mapping.at && bytes != 0 && frames + bytes < mapping.at + mapping.loaded_bytes);
    EXPECT(!imago_image_verify(image, &world.error));
    EXPECT_EQ(world.error.code, IMAGO_ERROR_USAGE);
    imago_linker_delete(world.linker);
    imago_store_delete(world.store);
    imago_image_delete(image);
    EXPECT_EQ(mapping.at[0], 0x7F); // still there, and can be opened again
    image = imago_image_open_mapped(world.engine, mapping.at, &world.error);
    EXPECT(image != NULL);
    imago_image_delete(image);
    imago_engine_delete(world.engine);
    mapping_delete(&mapping);
}

// Rights of the page at `at`, as "r-xp".
static void rights_at(const void *at, char rights[5]) {
    char line[256];
    FILE *maps = fopen("/proc/self/maps", "r");
    memcpy(rights, "none", 5);
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        char found[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, found) == 3 && (uintptr_t)at >= start &&
            (uintptr_t)at < end) {
            memcpy(rights, found, sizeof found);
        }
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
}

TEST(only_code_can_be_executed) {
    World world = world_new(NULL);
    Mapping mapping = mapping_new();
    ImagoImage *image = imago_image_open_mapped(world.engine, mapping.at, &world.error);
    char first[5], last[5], behind[5];
    rights_at(mapping.at, first);
    rights_at(mapping.at + mapping.loaded_bytes - 1, last);
    rights_at(mapping.at + mapping.loaded_bytes, behind);
    EXPECT_STR(first, "r--p");
    EXPECT_STR(last, "r--p");
    EXPECT_STR(behind, "---p");
    EXPECT_EQ(get_70(&world, image), 'F');
    imago_linker_delete(world.linker);
    imago_store_delete(world.store);
    imago_image_delete(image);
    imago_engine_delete(world.engine);
    mapping_delete(&mapping);
}

static void expect_refused(ImagoEngine *engine, const void *start, ImagoErrorCode code) {
    ImagoError error = IMAGO_ERROR_INIT;
    EXPECT(imago_image_open_mapped(engine, start, &error) == NULL);
    EXPECT_EQ(error.code, code);
    EXPECT(error.text[0] != 0);
}

// Of the first page, in a copy that nothing follows.
static void expect_damage_found(ImagoEngine *engine, const uint8_t *page, size_t at,
                                uint8_t value) {
    uint8_t *copy = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(copy, page, PAGE);
    copy[at] = value;
    expect_refused(engine, copy, IMAGO_ERROR_IMAGE);
    EXPECT(munmap(copy, PAGE) == 0);
}

TEST(refuses_what_is_none) {
    World world = world_new(NULL);
    Mapping mapping = mapping_new();
    expect_refused(world.engine, mapping.at + 64, IMAGO_ERROR_USAGE);
    expect_refused(world.engine, mapping.at + PAGE, IMAGO_ERROR_IMAGE);
    expect_damage_found(world.engine, mapping.at, 0, 0);
    expect_damage_found(world.engine, mapping.at, offsetof(Elf64_Ehdr, e_phnum), 0);
    expect_damage_found(world.engine, mapping.at, offsetof(Elf64_Ehdr, e_phnum), 0xFF);
    expect_damage_found(world.engine, mapping.at, offsetof(Elf64_Ehdr, e_phoff) + 6, 0xFF);
    expect_damage_found(world.engine, mapping.at, offsetof(Elf64_Ehdr, e_machine), EM_AARCH64);
    imago_linker_delete(world.linker);
    imago_store_delete(world.store);
    imago_engine_delete(world.engine);
    mapping_delete(&mapping);
}

// Tools move them, and they need not be loaded.
TEST(needs_no_sections) {
    World world = world_new(NULL);
    Mapping mapping = mapping_new();
    EXPECT(mprotect(mapping.at, PAGE, PROT_READ | PROT_WRITE) == 0);
    mapping.at[offsetof(Elf64_Ehdr, e_shoff) + 4] = 1;
    ImagoImage *image = imago_image_open_mapped(world.engine, mapping.at, &world.error);
    EXPECT(image != NULL);
    EXPECT_EQ(get_70(&world, image), 'F');
    imago_linker_delete(world.linker);
    imago_store_delete(world.store);
    imago_image_delete(image);
    imago_engine_delete(world.engine);
    mapping_delete(&mapping);
}

// No page is left, or not all of the headers.
TEST(refuses_what_has_been_cut) {
    ImagoEngine *engine = imago_engine_new(NULL);
    for (off_t bytes = 0; bytes < 1000; bytes += 100) {
        int fd = -1;
        Mapping mapping = mapping_new_of(&fd);
        EXPECT_EQ(ftruncate(fd, bytes), 0);
        expect_refused(engine, mapping.at, IMAGO_ERROR_IMAGE);
        close(fd);
        mapping_delete(&mapping);
    }
    imago_engine_delete(engine);
}

TEST(memory_runs_out) {
    World world = world_new(NULL);
    Mapping mapping = mapping_new();
    mem_fail_at(1, false);
    expect_refused(world.engine, mapping.at, IMAGO_ERROR_NO_MEMORY);
    mem_fail_at(0, false);
    imago_linker_delete(world.linker);
    imago_store_delete(world.store);
    imago_engine_delete(world.engine);
    mapping_delete(&mapping);
}

int main(void) {
    RUN(runs_where_it_is);
    RUN(only_code_can_be_executed);
    RUN(refuses_what_is_none);
    RUN(needs_no_sections);
    RUN(refuses_what_has_been_cut);
    RUN(memory_runs_out);
    return test_end();
}
