// image_check: nothing to say about what the linker writes, and one sentence about each edit of it.
#include "image/check.h"

#include <elf.h>

#include "image/build_id.h"
#include "image/sections.h"
#include "image_fixture.h"
#include "test.h"

typedef struct Opened {
    Fixture f;
    FixtureFile file;
    Image image;
} Opened;

static bool opened_init(Opened *opened, FixtureOptions options) {
    Error err = ERROR_INIT;
    fixture_open(&opened->f, options);
    if (!fixture_link(&opened->f, &opened->file, &err) ||
        !image_parse(&opened->image, opened->file.bytes, opened->file.count, &err)) {
        TEST_FAIL("cannot link: %s", err.text);
        return false;
    }
    return true;
}

static void opened_deinit(Opened *opened) {
    fixture_unlink(&opened->file);
    fixture_close(&opened->f);
}

static const FixtureOptions OPTIONS[] = {
    {.workers = 1},
    {.workers = 3, .filler_count = 1000, .large_data_bytes = 9000},
    {.workers = 1, .filler_count = 300, .address_map = ADDRESS_MAP_NONE},
    {.workers = 1, .filler_count = 300, .address_map = ADDRESS_MAP_ALL},
    {.workers = 1, .has_no_code_or_tables = true},
};

TEST(what_the_linker_writes) {
    for (u32 i = 0; i < COUNT_OF(OPTIONS); i++) {
        Opened opened;
        Error err = ERROR_INIT;
        if (opened_init(&opened, OPTIONS[i]) && !image_check(&opened.image, &err)) {
            TEST_FAIL("options %u: %s", i, err.text);
        }
        opened_deinit(&opened);
    }
}

// 4-byte distances become 8-byte ones, first in the entries, then in the table.
TEST(frames_of_long_texts) {
    static const struct {
        u32 padding;
        u8 entries, rows;
    } ROWS[] = {{1 << 20, 0x1B, 0x3B}, {150 << 20, 0x1C, 0x3B}, {200 << 20, 0x1C, 0x3C}};
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        const LinkLayout layout = {.func_padding = ROWS[i].padding};
        Opened opened;
        if (opened_init(&opened, (FixtureOptions){.workers = 1, .layout = layout})) {
            ImageSection frames, header;
            EXPECT(image_section_find(&opened.image, STR(".eh_frame"), &frames));
            EXPECT(image_section_find(&opened.image, STR(".eh_frame_hdr"), &header));
            EXPECT_EQ(opened.file.bytes[frames.offset + 16], ROWS[i].entries);
            EXPECT_EQ(opened.file.bytes[header.offset + 3], ROWS[i].rows);
            EXPECT(check_frames(&opened.image) == NULL);
        }
        opened_deinit(&opened);
    }
}

#define IN(table, record, i, field)                                                                \
    offsetof(Image, table), (i) * sizeof(record) + offsetof(record, field),                        \
        sizeof(((record *)0)->field)

static const struct {
    usize table; // offset of the ImageTable in Image
    u64 at;
    usize bytes;
    u64 value;
    const char *text;
} EDITS[] = {
    {IN(types, StoredType, 0, codes), 1 << 20, "type 0: value types that are none"},
    {IN(types, StoredType, 2, params), 1, "type 2: a signature that is not the type's"},
    {IN(types, StoredType, 3, canonical), 1, "type 3: another first type that is equal"},
    {IN(types, StoredType, 1, canonical), 3, "type 1: another first type that is equal"},
    {IN(types, StoredType, 0, entry_stub), 1 << 30, "type 0: a stub beyond the text"},
    {IN(types, StoredType, 3, entry_stub), ID_NONE, "type 3: other stubs than an equal type"},
    {IN(imports, StoredImport, 1, index), 1, "import 1: no import of that kind"},
    {IN(imports, StoredImport, 1, kind), 9, "import 1: no import of that kind"},
    {IN(imports, StoredImport, 2, name_offset), 1 << 20, "import 2: a name beyond the strings"},
    {IN(imports, StoredImport, 0, module_bytes), 2, "import 0: a name beyond the strings"},
    {IN(exports, StoredExport, 0, name_bytes), 1 << 20, "export 0: a name beyond the strings"},
    {IN(exports, StoredExport, 1, index), 1 << 20,
     "export 1: not found by its name, or it exports what is not there"},
    {IN(exports, StoredExport, 2, name_bytes), 0,
     "export 0: not found by its name, or it exports what is not there"},
    {IN(funcs, StoredFunc, 1, type_flags), 5, "function 1: an unknown type"},
    {IN(funcs, StoredFunc, 1, funcref), 1, "function 1: another function's reference slot"},
    {IN(funcs, StoredFunc, 1, type_flags), 1, "function 1: a reference, but no entry stub"},
    {IN(funcs, StoredFunc, 0, text_bytes), 1, "function 0: an import with code"},
    {IN(funcs, StoredFunc, 0, type_flags), 0, "function 0: an import without an exit stub"},
    {IN(funcs, StoredFunc, 2, text_bytes), 1 << 30, "function 2: code beyond the text"},
    {IN(funcs, StoredFunc, 2, text_offset), 0, "function 1: not found by the place of its code"},
    {IN(func_names, StoredName, 3, bytes), 4, "name of function 3: a name beyond the strings"},
    {offsetof(Image, funcrefs), 0, 4, 1 << 20,
     "function 1: another function's reference slot"},
    {IN(funcs, StoredFunc, 6, funcref), ID_NONE,
     "function reference 5: a function that has another slot"},
    {IN(tables, StoredTable, 0, elem), VAL_I32, "table 0: elements that are no references"},
    {IN(tables, StoredTable, 1, max), 9, "table 1: limits that contradict each other"},
    {IN(tables, StoredTable, 1, entries), 1 << 20, "table 1: entries beyond .rodata"},
    {IN(tables, StoredTable, 1, min), 3, NULL},
    {IN(memories, StoredMemory, 0, min), 65537, "memory 0: limits that contradict each other"},
    {IN(globals, StoredGlobal, 0, type), 200, "global 0: an unknown type"},
    {IN(globals, StoredGlobal, 1, init.kind), CONST_REF_FUNC,
     "global 1: an initial value that is none"},
    {IN(globals, StoredGlobal, 2, init.index), 1 << 20,
     "global 2: an initial value that is none"},
    {IN(datas, StoredData, 1, mode), 2, "data segment 1: an unknown mode"},
    {IN(datas, StoredData, 1, offset), 1 << 20, "data segment 1: bytes beyond the data"},
    {IN(datas, StoredData, 2, memory), 1, "data segment 2: a place that is none"},
    {IN(datas, StoredData, 2, at.type), VAL_I64, "data segment 2: a place that is none"},
    {IN(elems, StoredElem, 0, mode), 3, "element segment 0: an unknown mode"},
    {IN(elems, StoredElem, 0, type), 99, "element segment 0: elements that are no references"},
    {IN(elems, StoredElem, 1, count), 1000, "element segment 1: items beyond the table"},
    {IN(elems, StoredElem, 1, table), 2, "element segment 1: a place that is none"},
    {IN(elems, StoredElem, 2, type), VAL_FUNCREF, "element segment 2: an item of another type"},
};

static void store_bytes(u8 *at, usize bytes, u64 value) {
    u8 all[8];
    store_u64(all, value);
    memcpy(at, all, bytes);
}

// An edit of some bytes, what is then said, and the edit taken back.
static void expect_fault(Opened *opened, u64 offset, usize bytes, u64 value, const char *text) {
    u8 *at = opened->file.bytes + offset;
    u8 before[8];
    Error err = ERROR_INIT;
    memcpy(before, at, bytes);
    store_bytes(at, bytes, value);
    const bool ok = image_check(&opened->image, &err);
    if (ok != (text == NULL)) {
        TEST_FAIL("%s, expected: %s", ok ? "accepted" : err.text, text != NULL ? text : "nothing");
    } else if (!ok) {
        char whole[200];
        (void)snprintf(whole, sizeof whole, "damaged image: %s", text);
        EXPECT_STR(err.text, whole);
        EXPECT_EQ(err.code, ERR_IMAGE);
    }
    memcpy(at, before, bytes);
}

TEST(edits_of_tables) {
    Opened opened;
    if (opened_init(&opened, OPTIONS[1])) {
        for (u32 i = 0; i < COUNT_OF(EDITS); i++) {
            ImageTable table;
            memcpy(&table, (const char *)&opened.image + EDITS[i].table, sizeof table);
            expect_fault(&opened, (u64)(table.at - opened.image.bytes) + EDITS[i].at,
                         EDITS[i].bytes, EDITS[i].value, EDITS[i].text);
        }
        opened.image.start_func = 1;
        expect_fault(&opened, 0, 0, 0, "start function: it takes or returns values");
    }
    opened_deinit(&opened);
}

TEST(edits_of_frozen_tables) {
    Opened opened;
    if (opened_init(&opened, OPTIONS[1])) {
        const u64 entry = image_table(&opened.image, 1).entries_offset + 4 * 8;
        const char *text = "table 1: an entry that is no function's";
        expect_fault(&opened, entry, 4, 5, text);
        expect_fault(&opened, entry + 4, 4, 1, text);
        expect_fault(&opened, entry + 4, 4, 1 << 30, text);
        expect_fault(&opened, entry, 4, TABLE_ENTRY_NULL, NULL);
    }
    opened_deinit(&opened);
}

// Of an image that does not say that it has them.
TEST(positions_of_all_instructions) {
    Opened opened;
    if (opened_init(&opened, OPTIONS[3])) {
        expect_fault(&opened, 0, 0, 0, NULL);
        opened.image.flags &= ~(u32)IMAGE_MAPS_ALL;
        expect_fault(&opened, 0, 0, 0, "trap table: a block that cannot be decoded");
    }
    opened_deinit(&opened);
}

TEST(edits_of_what_tools_read) {
    static const struct {
        const char *section;
        i64 at; // negative: from the end
        u64 value;
        const char *text;
    } ROWS[] = {
        {".imago.traps", 0, 1000, "trap table: another number of positions than it says"},
        {".imago.traps", 4, 1 << 30, "trap table: blocks out of order"},
        {".imago.traps", 8, 0x77, "trap table: a block that cannot be decoded"},
        {".imago.traps", -8, 1 << 30, "trap table: a position beyond the text"},
        {".imago.traps", -8, 0, "trap table: blocks out of order"},
        {".imago.traps", -4, 1 << 30, "trap table: blocks out of order"},
        {".imago.addrmap", 0, 1, "address map: other blocks than the trap table"},
        {".imago.addrmap", 4, 1, "address map: other blocks than the trap table"},
        {".imago.addrmap", 8, 0, "address map: a block that does not match the trap table's"},
        {".imago.addrmap", -4, 1 << 30, "address map: blocks out of order"},
        {".imago.addrmap", -4, 8, "address map: blocks out of order"},
        {".eh_frame_hdr", 0, 2, "unwind table: not of the form that images have"},
        {".eh_frame_hdr", 4, 0,
         "unwind table: more rows than it has room for, or another .eh_frame"},
        {".eh_frame_hdr", 8, 1 << 30,
         "unwind table: more rows than it has room for, or another .eh_frame"},
        {".eh_frame_hdr", 8, 1, "unwind table: a function without an entry"},
        {".eh_frame_hdr", 12 + 8, 0, "unwind table: a row and an entry of different code"},
        {".eh_frame_hdr", 12 + 4, 1 << 20, "unwind table: a row that leads beyond .eh_frame"},
        {".eh_frame", 24, 1 << 30, "unwind table: an entry that is none"},
        {".eh_frame", 24 + 4, 0, "unwind table: an entry that is none"},
        {".eh_frame", 24 + 12, 1 << 30, "unwind table: code beyond the text, or out of order"},
        {".eh_frame", 24 + 12, 3, "unwind table: a function without an entry"},
        {".symtab", sizeof(Elf64_Sym), 1 << 30, "symbols: a name beyond the names"},
        {".symtab", sizeof(Elf64_Sym) + 8, 0, "symbols: code beyond the text"},
        {".dynsym", sizeof(Elf64_Sym) + 16, 1 << 30, "symbols: code beyond the text"},
    };
    Opened opened;
    if (opened_init(&opened, OPTIONS[1])) {
        for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
            ImageSection section;
            EXPECT(image_section_find(&opened.image, str_of(ROWS[i].section), &section));
            const u64 start = section.offset + (ROWS[i].at < 0 ? section.bytes : 0);
            expect_fault(&opened, start + (u64)ROWS[i].at, 4, ROWS[i].value, ROWS[i].text);
        }
    }
    opened_deinit(&opened);
}

TEST(sections) {
    Opened opened;
    if (opened_init(&opened, OPTIONS[1])) {
        const Image *image = &opened.image;
        const u32 count = image_section_count(image);
        EXPECT(count > 10);
        EXPECT_EQ(image_section(image, 0).bytes, 0);
        EXPECT_EQ(image_section(image, count).name.count, 0);
        ImageSection text;
        EXPECT(image_section_find(image, STR(".text"), &text));
        EXPECT_EQ(text.bytes, image->text_bytes);
        EXPECT(image->bytes + text.offset == image->text);
        EXPECT(!image_section_find(image, STR(".nosuch"), &text));
        EXPECT_EQ(image_producer(image).count, 0);
        u8 id[IMAGE_BUILD_ID_BYTES];
        EXPECT(image_build_id(image, id));
        store_u64(opened.file.bytes + offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX);
        EXPECT_EQ(image_section_count(image), 0);
    }
    opened_deinit(&opened);
}

int main(void) {
    RUN(what_the_linker_writes);
    RUN(frames_of_long_texts);
    RUN(edits_of_tables);
    RUN(edits_of_frozen_tables);
    RUN(positions_of_all_instructions);
    RUN(edits_of_what_tools_read);
    RUN(sections);
    return test_end();
}
