// The trap table and the address map: nothing but a trap or a tool touches them, and backtraces
// have the offsets that the image was asked to have.
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "world.h"

enum { PAGE = 4096, LOADS = 400000, FIRST_LOAD_AT = 47 };

static char path[64];

// ---- An image with large tables ----------------------------------------------------------------

// (func (export "f") (param i32) (result i32)) reads memory at its argument LOADS times.
static uint8_t *make_module(size_t *count) {
    static const uint8_t HEAD[] = {0,    'a',  's',  'm',  1,   0, 0, 0,       // version 1
                                   1,    6,    1,    0x60, 1,   0x7F, 1, 0x7F, // types
                                   3,    2,    1,    0,                        // functions
                                   5,    3,    1,    0,    1,                  // memories
                                   7,    5,    1,    1,    'f', 0, 0,          // exports
                                   10};                                        // code
    static const uint8_t LOAD[] = {0x20, 0, 0x28, 2, 0, 0x1A};
    static const uint8_t END[] = {0x20, 0, 0x0B};
    const uint32_t body_bytes = 1 + LOADS * sizeof LOAD + sizeof END;
    uint8_t *bytes = malloc(sizeof HEAD + 16 + body_bytes), *p = bytes;
    memcpy(p, HEAD, sizeof HEAD);
    p += sizeof HEAD;
    const uint32_t sizes[] = {1 + 5 + body_bytes, body_bytes}; // of the section, of the body
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t k = 0; k < 5; k++) {
            *p++ = (uint8_t)((sizes[i] >> 7 * k & 0x7F) | (k < 4 ? 0x80 : 0));
        }
        if (i == 0) {
            *p++ = 1; // one body
        }
    }
    *p++ = 0; // no locals
    for (uint32_t i = 0; i < LOADS; i++, p += sizeof LOAD) {
        memcpy(p, LOAD, sizeof LOAD);
    }
    memcpy(p, END, sizeof END);
    *count = (size_t)(p + sizeof END - bytes);
    return bytes;
}

static bool write_large_image(void) {
    size_t count;
    uint8_t *module = make_module(&count);
    ImagoError error = IMAGO_ERROR_INIT;
    const bool ok = imago_compile_file(module, count, path, NULL, NULL, &error);
    free(module);
    if (!ok) {
        TEST_FAIL("%s", error.text);
    }
    return ok;
}

// ---- Where the tables are ----------------------------------------------------------------------

// Whole pages inside a section of the mapped image.
typedef struct Pages {
    uint8_t *at;
    size_t count;
} Pages;

typedef struct Tables {
    uint8_t *mapping; // of the whole image
    size_t bytes;
    Pages traps, map;
} Tables;

// The image's file, of which nothing is read ahead.
static int open_random(void) {
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    return fd;
}

static bool read_at(int fd, void *out, size_t bytes, uint64_t offset) {
    return pread(fd, out, bytes, (off_t)offset) == (ssize_t)bytes;
}

static Elf64_Shdr find_section(int fd, const char *name) {
    Elf64_Ehdr elf;
    Elf64_Shdr names, section = {0};
    if (!read_at(fd, &elf, sizeof elf, 0) ||
        !read_at(fd, &names, sizeof names, elf.e_shoff + elf.e_shstrndx * sizeof names)) {
        return section;
    }
    for (uint32_t i = 1; i < elf.e_shnum; i++) {
        char found[32] = "";
        if (read_at(fd, &section, sizeof section, elf.e_shoff + i * sizeof section) &&
            pread(fd, found, sizeof found - 1, (off_t)(names.sh_offset + section.sh_name)) > 0 &&
            strcmp(found, name) == 0) {
            return section;
        }
    }
    return (Elf64_Shdr){0};
}

static Pages pages_of(int fd, uint8_t *mapping, const char *name) {
    const Elf64_Shdr section = find_section(fd, name);
    const uint64_t first = (section.sh_offset + PAGE - 1) / PAGE;
    const uint64_t end = (section.sh_offset + section.sh_size) / PAGE;
    EXPECT(end > first + 10);
    return (Pages){mapping + first * PAGE, end > first ? end - first : 0};
}

// Where the file is mapped, without looking at it there.
static uint8_t *find_mapping(void) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    uint64_t first = 0;
    while (first == 0 && fgets(line, sizeof line, maps) != NULL) {
        first = strstr(line, path) != NULL ? strtoull(line, NULL, 16) : 0;
    }
    (void)fclose(maps);
    EXPECT(first != 0);
    return (uint8_t *)(uintptr_t)first;
}

static Tables find_tables(void) {
    const int fd = open_random();
    uint8_t *mapping = find_mapping();
    const Tables tables = {mapping, (size_t)lseek(fd, 0, SEEK_END),
                           pages_of(fd, mapping, ".imago.traps"),
                           pages_of(fd, mapping, ".imago.addrmap")};
    close(fd);
    return tables;
}

static void protect(const Tables *tables, int protection) {
    EXPECT_EQ(mprotect(tables->traps.at, tables->traps.count * PAGE, protection), 0);
    EXPECT_EQ(mprotect(tables->map.at, tables->map.count * PAGE, protection), 0);
}

static size_t resident_count(Pages pages) {
    unsigned char *is_resident = calloc(pages.count, 1);
    size_t count = 0;
    EXPECT_EQ(mincore(pages.at, pages.count * PAGE, is_resident), 0);
    for (size_t i = 0; i < pages.count; i++) {
        count += is_resident[i] & 1;
    }
    free(is_resident);
    return count;
}

// ---- Tests -------------------------------------------------------------------------------------

static void instantiate(World *world, ImagoImage *image) {
    EXPECT(image != NULL);
    world->images[world->image_count++] = image;
    EXPECT_EQ(world_instantiate(world, image), IMAGO_OK);
}

static uint64_t trap_offset(World *world) {
    EXPECT_TRAP(world, "f", -1, "out of bounds memory access");
    const ImagoTrap *trap = imago_store_trap(world->store);
    EXPECT_EQ(trap->frame_count, 1);
    return trap->frames[0].module_offset;
}

// Whoever touches the tables while they cannot be read dies.
TEST(only_traps_touch_the_tables) {
    if (!write_large_image()) {
        return;
    }
    World world = world_new(NULL);
    ImagoImage *image = imago_image_open(world.engine, path, &world.error);
    const Tables tables = find_tables();
    protect(&tables, PROT_NONE);
    instantiate(&world, image);
    EXPECT_CALL(&world, "f", 12, 12);
    protect(&tables, PROT_READ);
    EXPECT_EQ(trap_offset(&world), FIRST_LOAD_AT);
    world_delete(&world);
}

// False if the tables are in memory although they were thrown out.
static bool make_cold(int fd) {
    const size_t bytes = (size_t)lseek(fd, 0, SEEK_END);
    EXPECT_EQ(fsync(fd), 0);
    EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    uint8_t *mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    EXPECT(mapping != MAP_FAILED);
    const size_t resident = resident_count(pages_of(fd, mapping, ".imago.traps")) +
                            resident_count(pages_of(fd, mapping, ".imago.addrmap"));
    EXPECT_EQ(munmap(mapping, bytes), 0);
    return resident == 0;
}

static void expect_on_disk(const Tables *tables) {
    EXPECT_EQ(resident_count(tables->traps), 0);
    EXPECT_EQ(resident_count(tables->map), 0);
}

// Neither opening nor instantiating nor calls bring the tables into memory, but a trap does.
TEST(tables_stay_on_disk) {
    if (!write_large_image()) {
        return;
    }
    World world = world_new(NULL);
    const int fd = open_random();
    if (make_cold(fd)) {
        ImagoImage *image = imago_image_open_fd(world.engine, fd, &world.error);
        const Tables tables = find_tables();
        EXPECT_EQ(madvise(tables.mapping, tables.bytes, MADV_RANDOM), 0);
        expect_on_disk(&tables);
        instantiate(&world, image);
        expect_on_disk(&tables);
        EXPECT_CALL(&world, "f", 12, 12);
        expect_on_disk(&tables);
        EXPECT_EQ(trap_offset(&world), FIRST_LOAD_AT);
        EXPECT(resident_count(tables.traps) != 0); // its index was searched
    } else {
        TEST_SKIP("this file system keeps files in memory");
    }
    close(fd);
    world_delete(&world);
}

// Where the innermost frame of a call that traps is, in the module.
static uint64_t innermost_offset(World *world, const char *name, const char *message) {
    EXPECT_TRAP(world, name, -1, message);
    return imago_store_trap(world->store)->frames[0].module_offset;
}

// The guard below the stack faults where code pushes: a place that only the map of all has.
TEST(what_each_map_knows) {
    static const char MODULE[] =
        "(module (memory 1) (func (export \"f\") (param i32) (result i32)"
        "  (i32.load (local.get 0)))"
        " (func $deep (export \"deep\") (param i32) (result i32)"
        "  (i32.add (i32.const 1) (call $deep (local.get 0)))))";
    static const struct {
        ImagoAddressMap map;
        bool has_sites, has_all;
    } ROWS[] = {{IMAGO_ADDRESS_MAP_SITES, true, false},
                {IMAGO_ADDRESS_MAP_NONE, false, false},
                {IMAGO_ADDRESS_MAP_ALL, true, true}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        World world = world_new(NULL);
        const ImagoCompileOptions options = {.size = sizeof options, .address_map = ROWS[i].map};
        EXPECT(imago_compile_file(MODULE, strlen(MODULE), path, &options, NULL, &world.error));
        instantiate(&world, imago_image_open(world.engine, path, &world.error));
        EXPECT_CALL(&world, "f", 12, 0);
        const uint64_t load = innermost_offset(&world, "f", "out of bounds memory access");
        const uint64_t push = innermost_offset(&world, "deep", "call stack exhausted");
        const uint64_t call = imago_store_trap(world.store)->frames[1].module_offset;
        EXPECT_EQ(load != IMAGO_ERROR_NO_OFFSET, ROWS[i].has_sites);
        EXPECT_EQ(push != IMAGO_ERROR_NO_OFFSET, ROWS[i].has_all);
        EXPECT(!ROWS[i].has_all || (push > load && push <= call));
        world_delete(&world);
    }
}

TEST(other_maps_are_refused) {
    ImagoError error = IMAGO_ERROR_INIT;
    const ImagoCompileOptions options = {.size = sizeof options,
                                         .address_map = (ImagoAddressMap)3};
    EXPECT(!imago_compile_file("(module)", 8, path, &options, NULL, &error));
    EXPECT_EQ(error.code, IMAGO_ERROR_USAGE);
    EXPECT_STR(error.text, "unknown kind of address map");
}

int main(void) {
    (void)snprintf(path, sizeof path, "/tmp/imago-maps-%d", (int)getpid());
    RUN(only_traps_touch_the_tables);
    RUN(tables_stay_on_disk);
    RUN(what_each_map_knows);
    RUN(other_maps_are_refused);
    (void)unlink(path);
    return test_end();
}
