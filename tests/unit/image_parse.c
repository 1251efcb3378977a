// What image_parse refuses, and with which sentence: one edit of a sound image a row.
#include "image_fixture.h"

#include <elf.h>

#include "image/format.h"
#include "image_walk.h"
#include "test.h"

typedef struct Opened {
    Fixture f;
    FixtureFile file;
    Image image;
    u64 header; // file offset
} Opened;

static bool opened_init_with(Opened *opened, LinkLayout layout) {
    Error err = ERROR_INIT;
    fixture_open(&opened->f, (FixtureOptions){.workers = 1, .filler_count = 5,
                                              .large_data_bytes = 9000, .layout = layout});
    if (!fixture_link(&opened->f, &opened->file, &err) ||
        !image_parse(&opened->image, opened->file.bytes, opened->file.count, &err)) {
        TEST_FAIL("cannot link: %s", err.text);
        return false;
    }
    opened->header = fixture_header(&opened->file);
    return true;
}

static bool opened_init(Opened *opened) { return opened_init_with(opened, (LinkLayout){0}); }

static void opened_deinit(Opened *opened) {
    fixture_unlink(&opened->file);
    fixture_close(&opened->f);
}

static void expect_refused(Opened *opened, u64 count, const char *text) {
    Error err = ERROR_INIT;
    Image image;
    if (image_parse(&image, opened->file.bytes, count, &err)) {
        TEST_FAIL("accepted, expected: %s", text);
        return;
    }
    EXPECT_EQ(err.code, ERR_IMAGE);
    EXPECT_STR(err.text, text);
}

// ---- ELF --------------------------------------------------------------------------------------

#define EHDR(field) offsetof(Elf64_Ehdr, field)
#define PHDR(i, field) (sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field))
#define SHDR(i, field)                                                                             \
    (sizeof(Elf64_Ehdr) + 7 * sizeof(Elf64_Phdr) + (i) * sizeof(Elf64_Shdr) +                      \
     offsetof(Elf64_Shdr, field))

static const struct {
    u64 at;
    u32 bytes;
    u64 value;
    const char *text;
} ELF_EDITS[] = {
    {0, 1, 0, "not an Imago image: no ELF header"},
    {EI_CLASS, 1, 1, "not an Imago image: not a 64-bit little-endian ELF file"},
    {EI_DATA, 1, 2, "not an Imago image: not a 64-bit little-endian ELF file"},
    {EHDR(e_type), 2, ET_EXEC, "not an Imago image: ELF type 2, expected 3 (shared object)"},
    {EHDR(e_machine), 2, EM_AARCH64,
     "file is for ELF machine 183, this library runs code for 62 (x86-64)"},
    {EHDR(e_phnum), 2, 0, "damaged image: 0 program headers of 56 bytes"},
    {EHDR(e_phnum), 2, 60000, "damaged image: 60000 program headers of 56 bytes"},
    {EHDR(e_phentsize), 2, 8, "damaged image: 7 program headers of 8 bytes"},
    {EHDR(e_phoff), 8, UINT64_MAX,
     "damaged image: the program headers lie beyond the end of the file"},
    {EHDR(e_shnum), 2, 65535, "damaged image: 65535 section headers of 64 bytes"},
    {EHDR(e_shoff), 8, 1ull << 40,
     "damaged image: the section headers lie beyond the end of the file"},
    {PHDR(0, p_type), 4, PT_INTERP, "damaged image: it names a program interpreter"},
    {PHDR(0, p_type), 4, PT_TLS, "damaged image: segment 0 has type 0x7, which no image has"},
    {PHDR(1, p_flags), 4, PF_R | PF_W | PF_X, "damaged image: segment 1 is writable"},
    {PHDR(1, p_flags), 4, PF_R, "damaged image: 0 executable segments, expected 1"},
    {PHDR(2, p_flags), 4, PF_R | PF_X,
     "damaged image: executable segment 2 shares a page with others"},
    {PHDR(2, p_vaddr), 8, 0, "damaged image: segment 2 is not mapped as it lies in the file"},
    {PHDR(2, p_memsz), 8, 1 << 20, "damaged image: segment 2 is not mapped as it lies in the file"},
    {PHDR(2, p_filesz), 8, UINT64_MAX, "damaged image: segment 2 lies beyond the end of the file"},
    {PHDR(2, p_offset), 8, UINT64_MAX, "damaged image: segment 2 lies beyond the end of the file"},
    {PHDR(4, p_offset), 8, 0, "not an Imago image: an ELF file without an Imago header"},
    {PHDR(6, p_flags), 4, PF_R | PF_W | PF_X, "damaged image: it asks for an executable stack"},
    {SHDR(4, sh_type), 4, SHT_RELA, "damaged image: section 4 holds relocations"},
    {SHDR(5, sh_size), 8, 1ull << 62, "damaged image: section 5 lies beyond the end of the file"},
};

static void poke(u8 *at, u32 bytes, u64 value) { memcpy(at, &value, bytes); }

TEST(elf_edits_are_refused) {
    Opened opened;
    if (!opened_init(&opened)) {
        return;
    }
    for (u32 i = 0; i < COUNT_OF(ELF_EDITS); i++) {
        u8 *at = opened.file.bytes + ELF_EDITS[i].at;
        u64 saved = 0;
        memcpy(&saved, at, ELF_EDITS[i].bytes);
        poke(at, ELF_EDITS[i].bytes, ELF_EDITS[i].value);
        expect_refused(&opened, opened.file.count, ELF_EDITS[i].text);
        poke(at, ELF_EDITS[i].bytes, saved);
    }
    opened_deinit(&opened);
}

TEST(overlapping_segments_are_refused) {
    Opened opened;
    if (!opened_init(&opened)) {
        return;
    }
    u8 *last = opened.file.bytes + PHDR(2, p_offset);
    poke(last, 8, opened.image.exec_offset);
    poke(last + 8, 8, opened.image.exec_offset);
    expect_refused(&opened, opened.file.count,
                   "damaged image: segment 2 overlaps the one before");
    opened_deinit(&opened);
}

TEST(dynamic_tags_are_refused) {
    static const struct {
        u64 tag;
        const char *text;
    } ROWS[] = {
        {DT_RELA, "damaged image: it asks for relocation"},
        {DT_REL, "damaged image: it asks for relocation"},
        {DT_JMPREL, "damaged image: it asks for relocation"},
        {DT_TEXTREL, "damaged image: it asks for relocation"},
        {DT_INIT, "damaged image: dynamic tag 0xc, which no image has"},
        {DT_NEEDED, "damaged image: dynamic tag 0x1, which no image has"},
    };
    Opened opened;
    if (!opened_init(&opened)) {
        return;
    }
    u8 *dynamic = opened.file.bytes + load_u64(opened.file.bytes + PHDR(3, p_offset));
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        poke(dynamic + 16, 8, ROWS[i].tag);
        expect_refused(&opened, opened.file.count, ROWS[i].text);
    }
    opened_deinit(&opened);
}

TEST(other_files_are_refused) {
    static const char WASM[] = "\0asm\1\0\0";
    Error err = ERROR_INIT;
    Image image;
    EXPECT(!image_has_magic(WASM, sizeof WASM));
    EXPECT(!image_parse(&image, WASM, sizeof WASM, &err));
    EXPECT_STR(err.text, "not an Imago image: no ELF header");
    err = ERROR_INIT;
    EXPECT(!image_parse(&image, "", 0, &err));
    EXPECT_STR(err.text, "not an Imago image: no ELF header");
    Opened opened;
    if (opened_init(&opened)) {
        EXPECT(image_has_magic(opened.file.bytes, opened.file.count));
        expect_refused(&opened, 20, "damaged image: the file ends inside the ELF header");
        expect_refused(&opened, opened.image.exec_offset,
                       "damaged image: segment 1 lies beyond the end of the file");
        opened_deinit(&opened);
    }
}

// A shared library that somebody else made.
TEST(foreign_library_is_refused) {
    const int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        TEST_SKIP("no libc.so.6");
        return;
    }
    void *bytes = mmap(NULL, (usize)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    Error err = ERROR_INIT;
    Image image;
    EXPECT(!image_parse(&image, bytes, (u64)st.st_size, &err));
    EXPECT_EQ(err.code, ERR_IMAGE);
    munmap(bytes, (usize)st.st_size);
    close(fd);
}

// ---- Our header -------------------------------------------------------------------------------

#define HEAD(field) offsetof(StoredHeader, field)
#define SPAN_AT(name) (HEAD(spans) + IMAGE_SPAN_##name * sizeof(StoredSpan))
#define LIST_AT(name) (HEAD(lists) + IMAGE_LIST_##name * sizeof(StoredList))

static const struct {
    u64 at;
    u32 bytes;
    u64 value;
    const char *text;
} HEADER_EDITS[] = {
    {HEAD(isa), 4, EM_AARCH64,
     "image is for ELF machine 183, this library runs code for 62 (x86-64)"},
    {HEAD(flags), 4, 0x80, "image has unknown flags 0x80"},
    {HEAD(cpu_features), 8, 1ull << 63,
     "image needs CPU features that this library does not know (0x8000000000000000)"},
    {HEAD(memory_reserve_bytes), 8, 1ull << 40,
     "image relies on 1099511627776 bytes of address space for a memory, this library reserves "
     "4328521728"},
    {HEAD(stack_guard_bytes), 4, 1 << 20,
     "image relies on a stack guard of 1048576 bytes, this library's is 262144"},
    {HEAD(func_imports), 4, 13, "damaged image: 13 imported functions, expected at most 12"},
    {HEAD(ctx_funcrefs), 4, 7, "damaged image: 7 references of the context, expected at most 6"},
    {HEAD(ctx_types), 4, UINT32_MAX,
     "damaged image: 4294967295 types of the context, expected at most 5"},
    {HEAD(start_func), 4, 12, "damaged image: start function 12 of 12"},
    {HEAD(snapshot_offset), 8, 4097,
     "damaged image: the memory snapshot does not fit the file or the memory"},
    {HEAD(snapshot_bytes), 8, 1ull << 40,
     "damaged image: the memory snapshot does not fit the file or the memory"},
    {HEAD(snapshot_address), 8, 0x30000,
     "damaged image: the memory snapshot does not fit the file or the memory"},
    {SPAN_AT(TEXT), 8, 8192, "damaged image: .text is not the executable segment"},
    {SPAN_AT(TEXT) + 8, 8, 0, "damaged image: .text is not the executable segment"},
    {SPAN_AT(TRAPS), 8, UINT64_MAX, "damaged image: .imago.traps lies beyond the end of the file"},
    {SPAN_AT(STRINGS) + 8, 8, 1 << 30, "damaged image: .dynstr lies beyond the end of the file"},
    {LIST_AT(FUNCS) + 4, 4, 1 << 20,
     "damaged image: table 12 lies beyond the end of .imago.module"},
    {LIST_AT(EXPORTS), 4, UINT32_MAX,
     "damaged image: table 5 lies beyond the end of .imago.module"},
};

TEST(header_edits_are_refused) {
    Opened opened;
    if (!opened_init(&opened)) {
        return;
    }
    u8 *header = opened.file.bytes + opened.header;
    StoredHeader saved;
    memcpy(&saved, header, sizeof saved);
    for (u32 i = 0; i < COUNT_OF(HEADER_EDITS); i++) {
        poke(header + HEADER_EDITS[i].at, HEADER_EDITS[i].bytes, HEADER_EDITS[i].value);
        expect_refused(&opened, opened.file.count,
                       "damaged image: wrong check sum of the header");
        poke(header + offsetof(StoredHeader, check), 8, image_header_check(header));
        expect_refused(&opened, opened.file.count, HEADER_EDITS[i].text);
        memcpy(header, &saved, sizeof saved);
    }
    opened_deinit(&opened);
}

TEST(other_versions_say_so) {
    Opened opened;
    if (!opened_init(&opened)) {
        return;
    }
    u8 *header = opened.file.bytes + opened.header;
    poke(header, 4, 4);
    expect_refused(&opened, opened.file.count,
                   "image is of format version 4, this library reads 3");
    poke(header, 4, IMAGE_FORMAT);
    poke(header + offsetof(StoredHeader, abi_hash), 4, image_abi_hash() + 1);
    poke(header + offsetof(StoredHeader, check), 8, image_header_check(header));
    char text[200];
    (void)snprintf(text, sizeof text,
                   "image was made for another version of the runtime (ABI %08x, this library's is "
                   "%08x)",
                   image_abi_hash() + 1, image_abi_hash());
    expect_refused(&opened, opened.file.count, text);
    opened_deinit(&opened);
}

// ---- Records that make no sense ---------------------------------------------------------------

// The functions' order lies behind their records: there must be room for it.
TEST(order_beyond_the_end_is_refused) {
    Opened opened;
    if (!opened_init_with(&opened, (LinkLayout){.shuffle_seed = 1})) {
        return;
    }
    EXPECT_EQ(opened.image.flags & IMAGE_HAS_FUNC_ORDER, IMAGE_HAS_FUNC_ORDER);
    EXPECT_EQ(opened.image.func_order.count, opened.image.func_count - 1);
    u8 *header = opened.file.bytes + opened.header;
    const u64 module_bytes = load_u64(header + SPAN_AT(MODULE) + 8);
    const u64 func_bytes = load_u32(header + LIST_AT(FUNCS) + 4) * sizeof(StoredFunc);
    poke(header + LIST_AT(FUNCS), 4, module_bytes - func_bytes);
    poke(header + offsetof(StoredHeader, check), 8, image_header_check(header));
    expect_refused(&opened, opened.file.count,
                   "damaged image: the order of functions lies beyond the end of .imago.module");
    opened_deinit(&opened);
}

// Every byte of the module's tables, and of the position tables, gets every value in turn that
// tends to hurt; the readers must stay inside.
static void expect_total(LinkLayout layout) {
    Opened opened;
    if (!opened_init_with(&opened, layout)) {
        return;
    }
    static const u8 VALUES[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
    StoredHeader header;
    memcpy(&header, opened.file.bytes + opened.header, sizeof header);
    static const u8 SPANS[] = {IMAGE_SPAN_MODULE, IMAGE_SPAN_TRAPS, IMAGE_SPAN_ADDRMAP};
    u64 sum = 0;
    for (u32 s = 0; s < COUNT_OF(SPANS); s++) {
        const StoredSpan *span = &header.spans[SPANS[s]];
        for (u64 i = 0; i < span->bytes; i += s == 0 ? 1 : 3) {
            u8 *at = opened.file.bytes + span->offset + i;
            const u8 saved = *at;
            *at = VALUES[i % COUNT_OF(VALUES)];
            Image image;
            if (image_parse(&image, opened.file.bytes, opened.file.count, NULL)) {
                sum += image_walk(&image);
            }
            *at = saved;
        }
    }
    EXPECT(sum != 0);
    opened_deinit(&opened);
}

TEST(readers_are_total) {
    expect_total((LinkLayout){0});
    expect_total((LinkLayout){.shuffle_seed = 1});
}

static u32 next_random(u64 *random) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (u32)(*random >> 33);
}

// A table of positions out of any bytes. With `has_head`, its head says that there are `blocks`, of
// which the last starts with the codes.
static u8 *random_positions(u64 *random, bool has_head, u32 blocks, u32 *bytes) {
    *bytes = 1 + next_random(random) % 300;
    u8 *out = malloc(*bytes); // of its size, so that a sanitizer sees a step over its end
    for (u32 i = 0; i < *bytes; i++) {
        out[i] = (u8)(next_random(random) & next_random(random)); // zeros are more frequent
    }
    if (has_head && *bytes >= 64) {
        store_u32(out + offsetof(StoredPositions, block_count), blocks);
        store_u64(out + *bytes - blocks * sizeof(StoredBlock), 0);
    }
    return out;
}

TEST(positions_of_any_bytes) {
    enum { ROUNDS = 4000 };
    u64 random = 1, found = 0;
    for (u32 round = 0; round < ROUNDS; round++) {
        u32 trap_bytes, map_bytes;
        u8 *traps = random_positions(&random, round % 2 == 0, 1 + round % 4, &trap_bytes);
        u8 *map = random_positions(&random, round % 2 == 0, 1 + round % 4, &map_bytes);
        const Image image = {.traps = traps, .trap_bytes = trap_bytes,
                             .addrmap = map, .addrmap_bytes = map_bytes};
        for (u32 at = 0; at < 200; at++) {
            TrapKind kind;
            u32 wasm;
            found += image_trap_at(&image, at, &kind) && kind < TRAP_COUNT;
            found += image_wasm_offset_at(&image, at, &wasm);
            found += image_instruction_starts(&image, at);
        }
        free(traps);
        free(map);
    }
    EXPECT(found > ROUNDS);
}

int main(void) {
    RUN(elf_edits_are_refused);
    RUN(overlapping_segments_are_refused);
    RUN(dynamic_tags_are_refused);
    RUN(other_files_are_refused);
    RUN(foreign_library_is_refused);
    RUN(header_edits_are_refused);
    RUN(other_versions_say_so);
    RUN(order_beyond_the_end_is_refused);
    RUN(readers_are_total);
    RUN(positions_of_any_bytes);
    return test_end();
}
