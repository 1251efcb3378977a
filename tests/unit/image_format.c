// docs/image-format.md against the headers: records with their fields, offsets, sizes and meanings;
// spans, tables and sections; every number on the page that a constant says too. What the page must
// say is made of the constants; white space does not count.
#include <elf.h>
#include <stdarg.h>

#include "image/build_id.h"
#include "image/pe_format.h"
#include "image/positions_int.h"
#include "base/hash.h"
#include "link/link_int.h"
#include "test.h"
#include "types/limits.h"
#include "types/trap.h"
#include "types/valtype.h"
#include "unit/image_fixture.h"

typedef struct Row {
    const char *record, *field;
    u32 offset, bytes;
    const char *meaning;
} Row;

static const Row FIELDS_OF_RECORDS[] = {
#define RECORD(name, bytes)
#define FIELD(name, type, field, text) {#name, #field, offsetof(name, field), sizeof(type), text},
#define FIELDS(name, type, field, count, text)                                                     \
    {#name, #field, offsetof(name, field), sizeof(type) * (count), text},
#define RECORD_END(name)
#include "image/records.def"
#undef RECORD
#undef FIELD
#undef FIELDS
#undef RECORD_END
};

static const Row RECORDS[] = {
#define RECORD(name, bytes) {#name, NULL, 0, bytes, NULL},
#define FIELD(name, type, field, text)
#define FIELDS(name, type, field, count, text)
#define RECORD_END(name)
#include "image/records.def"
#undef RECORD
#undef FIELD
#undef FIELDS
#undef RECORD_END
};

// ---- The page -----------------------------------------------------------------------------------

static char page[1 << 17]; // every run of white space is one space

static bool page_read(void) {
    FILE *file = fopen(SOURCE_DIR "/docs/image-format.md", "r");
    if (file == NULL) {
        TEST_FAIL("cannot open docs/image-format.md");
        return false;
    }
    usize count = 0;
    for (int c = fgetc(file); c != EOF && count + 1 < sizeof page; c = fgetc(file)) {
        const bool is_space = c == ' ' || c == '\n';
        if (!is_space || count == 0 || page[count - 1] != ' ') {
            page[count++] = is_space ? ' ' : (char)c;
        }
    }
    fclose(file);
    return true;
}

__attribute__((format(printf, 1, 2))) static void expect_on_page(const char *format, ...) {
    static char text[8192];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strstr(page, text) == NULL) {
        TEST_FAIL("the page does not say: %s", text);
    }
}

// Text that grows.
typedef struct Text {
    char at[4096];
    usize count;
} Text;

__attribute__((format(printf, 2, 3))) static void text_add(Text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    text->count += (usize)vsnprintf(text->at + text->count, sizeof text->at - text->count, format,
                                    args);
    va_end(args);
}

// ---- Records and tables -------------------------------------------------------------------------

// Each record's heading, and directly behind it its table.
TEST(records_are_on_the_page) {
    for (u32 i = 0; i < COUNT_OF(RECORDS); i++) {
        Text text = {.count = 0};
        text_add(&text, "### `%s`, %u bytes | offset | bytes | field | meaning | "
                 "|---|---|---|---| ", RECORDS[i].record, RECORDS[i].bytes);
        for (u32 k = 0; k < COUNT_OF(FIELDS_OF_RECORDS); k++) {
            const Row *row = &FIELDS_OF_RECORDS[k];
            if (strcmp(row->record, RECORDS[i].record) == 0) {
                text_add(&text, "| %u | %u | `%s` |%s%s | ", row->offset, row->bytes, row->field,
                         row->meaning[0] == 0 ? "" : " ", row->meaning);
            }
        }
        const char *at = strstr(page, text.at);
        expect_on_page("%s", text.at);
        // No further row: it would start with an offset.
        EXPECT(at == NULL || at[text.count] != '|' || at[text.count + 2] < '0' ||
               at[text.count + 2] > '9');
    }
}

// Fields lie without gaps, so that no record has bytes that nobody sets.
TEST(records_have_no_padding) {
    for (u32 i = 0; i < COUNT_OF(RECORDS); i++) {
        u32 end = 0;
        for (u32 k = 0; k < COUNT_OF(FIELDS_OF_RECORDS); k++) {
            if (strcmp(FIELDS_OF_RECORDS[k].record, RECORDS[i].record) == 0) {
                EXPECT_EQ(FIELDS_OF_RECORDS[k].offset, end);
                end = FIELDS_OF_RECORDS[k].offset + FIELDS_OF_RECORDS[k].bytes;
            }
        }
        EXPECT_EQ(end, RECORDS[i].bytes);
    }
}

TEST(lists_are_on_the_page) {
    static const char LISTS[] =
#define LIST(name, field, record, text) "| `" #field "` | `" #record "` | " text " | "
#include "image/lists.def"
#undef LIST
        ;
    expect_on_page("| table | record | content | |---|---|---| %sValue types", LISTS);
}

TEST(spans_are_on_the_page) {
    static const char SPANS[] =
#define SPAN(name, section) ", `" section "`"
#include "image/spans.def"
#undef SPAN
        ;
    expect_on_page("in the order %s. `.imago.lines` and `.imago.handlers` do not occur in this "
                   "version.", SPANS + 2);
}

// ---- Sections -----------------------------------------------------------------------------------

static bool is_in(const Container *container, u32 section) {
    return (container->sections >> section & 1) != 0;
}

static const char *flags_text(u64 flags) {
    static char text[8];
    (void)snprintf(text, sizeof text, "%s%s%s%s", (flags & SHF_ALLOC) != 0 ? "A" : "",
                   (flags & SHF_EXECINSTR) != 0 ? "X" : "", (flags & SHF_MERGE) != 0 ? "M" : "",
                   (flags & SHF_STRINGS) != 0 ? "S" : "");
    return text;
}

// Rows in the order of the file, with type and flags.
TEST(sections_are_on_the_page) {
    static const char *const TYPES[] = {
#define SECTION(name, text, type, flags, align, entry_bytes) #type,
#include "link/sections.def"
#undef SECTION
    };
    const char *at = strstr(page, "| section | type, flags | content |");
    for (u32 i = 0; i < SECTION_COUNT && at != NULL; i++) {
        if (is_in(&ELF_CONTAINER, i)) {
            const char *flags = flags_text(SECTION_ROWS[i].flags);
            Text row = {.count = 0};
            text_add(&row, " | | `%s` | %s%s%s | ", SECTION_ROWS[i].name,
                     TYPES[i] + strlen("SHT_"), flags[0] == 0 ? "" : ", ", flags);
            at = strstr(at + 1, i == 0 ? row.at + 3 : row.at);
            if (at == NULL) {
                TEST_FAIL("the page has no row, or not there: %s", row.at);
            }
        }
    }
}

// The sections of a container from one to another.
static Text names_of(const Container *container, u32 first, u32 last) {
    Text text = {.count = 0};
    for (u32 i = first; i <= last; i++) {
        if (is_in(container, i)) {
            text_add(&text, "%s%s", text.count == 0 ? "" : " ", SECTION_ROWS[i].name);
        }
    }
    return text;
}

TEST(layout_is_on_the_page) {
    u32 sections = 1; // that of index 0
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        sections += is_in(&ELF_CONTAINER, i);
    }
    expect_on_page("offset 0 ELF header %zu bytes \\ program headers %u x %zu | "
                   "section headers up to %u x %zu | .note.gnu.build-id a note | PT_LOAD R "
                   ".note.imago the header, in note form | .dynamic | .imago.module tables | "
                   "%s | %s | .rodata.wasm data segments / page .text code PT_LOAD R X, alone in "
                   "its pages page %s unwinding PT_LOAD R %s for tools not loaded",
                   sizeof(Elf64_Ehdr), ELF_SEGMENT_COUNT, sizeof(Elf64_Phdr), sections,
                   sizeof(Elf64_Shdr), names_of(&ELF_CONTAINER, SECTION_RODATA, SECTION_DYNSTR).at,
                   names_of(&ELF_CONTAINER, SECTION_TRAPS, SECTION_STACKMAPS).at,
                   names_of(&ELF_CONTAINER, SECTION_EH_FRAME, SECTION_EH_FRAME_HDR).at,
                   names_of(&ELF_CONTAINER, SECTION_SYMTAB, SECTION_SHSTRTAB).at);
}

TEST(windows_layout_is_on_the_page) {
    const usize note = sizeof(Elf64_Nhdr) + sizeof "GNU" + IMAGE_BUILD_ID_BYTES;
    const usize header = sizeof(Elf64_Nhdr) + align_up(sizeof IMAGE_NOTE_NAME, 4);
    const usize build_id_at = PE_AT + sizeof(PeHeaders);
    expect_on_page("offset 0 DOS header %d bytes, e_lfanew is %d \\ PE signature, file header 4 + "
                   "%zu | headers optional header %zu | section headers room for %d, of %zu | "
                   "%zu build-id, a note | %zu .note.imago the header is at %zu / page .rdata %s "
                   "page .text page .pdata RUNTIME_FUNCTION records; absent if there is no code "
                   "page .xdata UNWIND_INFO",
                   PE_AT, PE_AT, sizeof(PeFileHeader), sizeof(PeOptionalHeader), PE_MAX_SECTIONS,
                   sizeof(PeSection), build_id_at, build_id_at + note, build_id_at + note + header,
                   names_of(&PE_CONTAINER, SECTION_MODULE, SECTION_DATA).at);
    expect_on_page("Sections start at multiples of %d in the file and in memory", IMAGE_PAGE_BYTES);
    expect_on_page("The file has at most %llu GiB.", (PE_MAX_BYTES + IMAGE_PAGE_BYTES) >> 30);
    expect_on_page("its size and its address are multiples of %u, since Windows",
                   PLATFORMS[PLATFORM_X86_64_WINDOWS].map_bytes);
}

// ---- Constants ----------------------------------------------------------------------------------

TEST(constants_are_on_the_page) {
    Text title = {.count = 0};
    text_add(&title, "# Image format, version %d An image is", IMAGE_FORMAT);
    EXPECT(strncmp(page, title.at, title.count) == 0);
    expect_on_page("\"None\" for a 32-bit index or offset is 0x%X.", ID_NONE);
    expect_on_page("A page is %d bytes. What a reader needs to open an image ends before offset %d "
                   "in every file", IMAGE_PAGE_BYTES, IMAGE_PAGE_BYTES);
    expect_on_page("The whole file is at most 0x%llX bytes", IMAGE_MAX_BYTES);
    expect_on_page("At most %d program headers, %d section headers and %d dynamic entries are "
                   "accepted.", IMAGE_MAX_SEGMENTS, IMAGE_MAX_SECTIONS, IMAGE_MAX_DYNAMIC);
    expect_on_page("have the form of a note: u32 %zu, u32 size of the header, u32 %d, `%s` and "
                   "three zero bytes, then the header.", sizeof IMAGE_NOTE_NAME, IMAGE_NOTE_TYPE,
                   IMAGE_NOTE_NAME);
    EXPECT_EQ(align_up(sizeof IMAGE_NOTE_NAME, 4) - strlen(IMAGE_NOTE_NAME), 3);
    expect_on_page("| flag | meaning | |---|---| | %d | the image was made without an address map "
                   "| | %d | instantiation has no data to copy: every active segment is part of "
                   "the snapshot, if that is applied | | %d | and no elements: every active "
                   "segment is part of a frozen table | | %d | the functions do not stand in the "
                   "order of their index: see `funcs` | | %d | every instruction of the functions "
                   "has a position: see \"Positions\" | `spans`", IMAGE_HAS_NO_ADDRMAP,
                   IMAGE_COPIES_NO_DATA, IMAGE_COPIES_NO_ELEMS, IMAGE_HAS_FUNC_ORDER,
                   IMAGE_MAPS_ALL);
    EXPECT_EQ(IMAGE_KNOWN_FLAGS, IMAGE_HAS_NO_ADDRMAP | IMAGE_COPIES_NO_DATA |
                                     IMAGE_COPIES_NO_ELEMS | IMAGE_HAS_FUNC_ORDER |
                                     IMAGE_MAPS_ALL);
    expect_on_page("in the order of their index. With flag %d they do not", IMAGE_HAS_FUNC_ORDER);
    expect_on_page("with flag %d, all of these in any order.", IMAGE_HAS_FUNC_ORDER);
    expect_on_page("An item of an element segment is a u32: a function index; 0x%X + a global "
                   "index; 0x%X, the null funcref; 0x%X, the null externref.", ITEM_GLOBAL,
                   ITEM_NULL_FUNC, ITEM_NULL_EXTERN);
    expect_on_page("they have more than %d bytes together, and the snapshot is not larger than "
                   "twice that and %d bytes.", MIN_SNAPSHOT_BYTES, MAX_SNAPSHOT_EXTRA);
    EXPECT_EQ(MAX_SNAPSHOT_FACTOR, 2);
    expect_on_page("the snapshot follows at the next multiple of %u,",
                   PLATFORMS[PLATFORM_X86_64_LINUX].map_bytes);
}

TEST(code_is_on_the_page) {
    const UseKind *call = &X64_TARGET.fixup_kinds[X64_TARGET.call_kind];
    expect_on_page("`.text` starts at a multiple of %d and", IMAGE_PAGE_BYTES);
    expect_on_page("asked for, %u by default.", X64_TARGET.func_align);
    expect_on_page("to the end of its page, stand bytes 0x%X; padding", TEXT_FILL);
    expect_on_page("No image has one whose text is shorter than a call reaches (%llu GiB on "
                   "x86-64)", (call->forward + 1ull) >> 30);
    expect_on_page("For a large type, `sig` is 0x%X | `canonical` of the type.", SIG_LARGE);
}

TEST(build_id_is_on_the_page) {
    expect_on_page("A note of owner `GNU`, type %d, with %d bytes, of which the last lies before "
                   "offset %d.", NT_GNU_BUILD_ID, IMAGE_BUILD_ID_BYTES, IMAGE_PAGE_BYTES);
    expect_on_page("cut into chunks of %d bytes, the last one shorter; the %d bytes count as zero.",
                   IMAGE_CHUNK_BYTES, IMAGE_BUILD_ID_BYTES);
    expect_on_page("With H the concatenation of all `hash(chunk, 0)`, 8 bytes each, the build-id "
                   "is `hash(H, 1)`, `hash(H, 2)`, and the lower 4 bytes of `hash(H, 3)`.");
    const u64 hashes[] = {5, 6};
    u8 id[IMAGE_BUILD_ID_BYTES];
    build_id_of(hashes, COUNT_OF(hashes), id);
    EXPECT(load_u64(id) == hash_bytes(hashes, sizeof hashes, 1));
    EXPECT(load_u64(id + 8) == hash_bytes(hashes, sizeof hashes, 2));
    EXPECT(load_u32(id + 16) == (u32)hash_bytes(hashes, sizeof hashes, 3));
}

// Codes that the format shares with types/: a change is a new version of the format.
TEST(shared_codes) {
    Text types = {.count = 0};
    for (u32 i = VAL_NONE + 1; i < VAL_COUNT; i++) {
        text_add(&types, "%s%u %s", i == 1 ? "" : ", ", i, val_name((ValType)i));
    }
    expect_on_page("Value types are the codes of `src/types/valtypes.def`: %s. Index", types.at);
    EXPECT_EQ(VAL_I32, 1);
    EXPECT_EQ(VAL_EXTERNREF, 7);
    EXPECT_EQ(VAL_COUNT, 8);
    EXPECT_EQ(TRAP_UNREACHABLE, 0);
    EXPECT_EQ(TRAP_INTEGER_DIVIDE_BY_ZERO, 6);
    EXPECT_EQ(TRAP_STACK_EXHAUSTED, 9);
}

TEST(small_signatures) {
    u8 types[10];
    memset(types, VAL_EXTERNREF, sizeof types);
    EXPECT(type_sig(&(FuncType){types, 9, 0}) < 1u << 30);
    EXPECT_EQ(type_sig(&(FuncType){types, 10, 0}), SIG_LARGE);
    expect_on_page("Signature ids: up to nine parameters and results pack into 30 bits, three bits "
                   "each, as `src/types/valtype.h` says; a larger type has 0x%X.", SIG_LARGE);
}

// ---- Meanings that name constants ---------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static void
expect_meaning(const char *record, const char *field, const char *format, ...) {
    const char *meaning = "";
    for (u32 i = 0; i < COUNT_OF(FIELDS_OF_RECORDS); i++) {
        const Row *row = &FIELDS_OF_RECORDS[i];
        if (strcmp(row->record, record) == 0 && strcmp(row->field, field) == 0) {
            meaning = row->meaning;
        }
    }
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    EXPECT_STR(meaning, text);
}

TEST(kinds_are_those_of_the_headers) {
    expect_meaning("StoredHeader", "isa", "machine, as in the ELF header: %d, x86-64", EM_X86_64);
    expect_meaning("StoredImport", "kind", "%d function, %d table, %d memory, %d global",
                   EXTERN_FUNC, EXTERN_TABLE, EXTERN_MEMORY, EXTERN_GLOBAL);
    expect_meaning("StoredConst", "kind", "%d value, %d global, %d ref.null, %d ref.func",
                   CONST_VALUE, CONST_GLOBAL, CONST_REF_NULL, CONST_REF_FUNC);
    expect_meaning("StoredData", "mode", "%d active, %d passive", SEGMENT_ACTIVE, SEGMENT_PASSIVE);
    expect_meaning("StoredElem", "mode", "%d active, %d passive, %d declarative", SEGMENT_ACTIVE,
                   SEGMENT_PASSIVE, SEGMENT_DECLARATIVE);
    expect_meaning("StoredMemory", "min", "pages of %d KiB", WASM_PAGE_BYTES / 1024);
}

TEST(flags_are_those_of_the_headers) {
    expect_meaning("StoredMemory", "flags", "%d: has a maximum", STORED_HAS_MAX);
    expect_meaning("StoredTable", "flags", "%d: has a maximum; %d: frozen", STORED_HAS_MAX,
                   STORED_IS_FROZEN);
    expect_meaning("StoredGlobal", "flags", "%d: mutable", STORED_IS_MUTABLE);
    expect_meaning("StoredData", "flags", "%d: active, and part of the snapshot",
                   STORED_IS_APPLIED);
    expect_meaning("StoredElem", "flags",
                   "%d: active, and part of a frozen table; %d: active and lazy", STORED_IS_APPLIED,
                   STORED_IS_LAZY);
    expect_meaning("StoredFunc", "type_flags",
                   "bits 0-%d: type; bit %d: never pushes the frame pointer",
                   __builtin_ctz(~(u32)STORED_FUNC_TYPE_MASK) - 1,
                   __builtin_ctz(STORED_FUNC_NO_FRAME));
}

TEST(nothing_is_none) {
    expect_meaning("StoredHeader", "start_func", "start function, 0x%X: none", ID_NONE);
    expect_meaning("StoredType", "sig", "signature id; 0x%X for a large type", SIG_LARGE);
    expect_meaning("StoredType", "entry_stub", "text offset, 0x%X: none", ID_NONE);
    expect_meaning("StoredType", "exit_stub", "text offset, 0x%X: none", ID_NONE);
    expect_meaning("StoredTable", "entries",
                   "of a frozen table: offset in `.rodata`, else 0x%X", ID_NONE);
    expect_meaning("StoredFunc", "text_offset", "of its code; 0x%X for imports", ID_NONE);
    expect_meaning("StoredFunc", "funcref", "slot in the context, 0x%X: none", ID_NONE);
    expect_meaning("ImageTableEntry", "sig", "signature id; 0x%X: null", TABLE_ENTRY_NULL);
}

// ---- Positions ----------------------------------------------------------------------------------

// A number's code as the page says: with v = n + 8 of z + 4 digits, z zeros, a one, and the lower
// digits of v, the lowest first.
static Text number_text(u32 number) {
    Text text = {.count = 0};
    const u32 v = number + 8, zeros = 28 - (u32)__builtin_clz(v);
    for (u32 i = 0; i < zeros; i++) {
        text_add(&text, "0");
    }
    text_add(&text, "1 ");
    for (u32 i = 0; i < zeros + 3; i++) {
        text_add(&text, "%u", v >> i & 1);
    }
    return text;
}

// The entry of a trap table in these two texts, as the reader takes it.
static void expect_entry(const char *number, const char *kind, u32 step, u32 expected) {
    u8 bytes[16] = {0};
    BitReader r = {bytes, sizeof bytes, 0};
    u32 bit = 0, found = ~0u;
    for (const char *const *part = (const char *const[]){number, kind, NULL}; *part != NULL;
         part++) {
        for (const char *at = *part; *at != 0; at++) {
            if (*at != ' ') {
                bytes[bit / 8] |= (u8)((*at == '1') << bit % 8);
                bit++;
            }
        }
    }
    EXPECT_EQ(position_read(&r, false, &found), step);
    EXPECT_EQ(found, expected);
    EXPECT_EQ(r.bit, bit);
}

TEST(numbers_are_on_the_page) {
    static const u32 NUMBERS[] = {0, 1, 7, 8, 23, 24};
    Text rows = {.count = 0};
    for (u32 i = 0; i < COUNT_OF(NUMBERS); i++) {
        const Text code = number_text(NUMBERS[i]);
        expect_entry(code.at, "0", NUMBERS[i] + 1, TRAP_MEMORY_OUT_OF_BOUNDS);
        text_add(&rows, "| %u | %s | ", NUMBERS[i], code.at);
    }
    expect_on_page("| number | code, first bit first | |---|---| %sAn entry", rows.at);
    expect_on_page("exponential Golomb code of order 3: with v = n + 8, which has z + 4 binary "
                   "digits, z zeros, a one, and the lower z + 3 digits of v, the lowest first. z "
                   "is at most %d, so that a number is less than %d:", IMAGE_NUMBER_MAX_ZEROS,
                   IMAGE_NUMBER_END);
    expect_on_page("Blocks hold up to %d positions", IMAGE_BLOCK_ENTRIES);
    expect_on_page("with blocks of up to %d calls;", IMAGE_BLOCK_ENTRIES);
}

TEST(kinds_of_positions_are_on_the_page) {
    const Text zero = number_text(0);
    expect_entry(zero.at, "0", 1, TRAP_MEMORY_OUT_OF_BOUNDS);
    expect_entry(zero.at, "10", 1, IMAGE_POSITION_CALL);
    expect_entry(zero.at, "110", 1, TRAP_UNREACHABLE);
    expect_entry(zero.at, "111 0110", 1, 6);
    expect_entry(zero.at, "111 1111", 1, IMAGE_POSITION_CALL);
    expect_on_page("| code, first bit first | kind | |---|---| | 0 | %s | | 10 | a call, no trap | "
                   "| 110 | %s | | 111 and four bits, the lowest first | an index into "
                   "`src/types/traps.def`; %d: plain; %d: a call | An entry",
                   trap_name(TRAP_MEMORY_OUT_OF_BOUNDS), trap_name(TRAP_UNREACHABLE),
                   IMAGE_POSITION_PLAIN, IMAGE_POSITION_CALL);
    expect_on_page("the number d + 1, or, if d is negative, the number 0 and the number -1 - d.");
}

// ---- A file -------------------------------------------------------------------------------------

static const char *dynamic_text(u64 tag) {
    switch (tag) {
    case DT_SONAME: return "DT_SONAME (`imago:` and the module's name)";
    case DT_GNU_HASH: return "DT_GNU_HASH";
    case DT_STRTAB: return "DT_STRTAB";
    case DT_SYMTAB: return "DT_SYMTAB";
    case DT_STRSZ: return "DT_STRSZ";
    case DT_SYMENT: return "DT_SYMENT";
    default: return "another";
    }
}

TEST(an_image_is_as_the_page_says) {
    Fixture f;
    FixtureFile file;
    Image image;
    Error err = ERROR_INIT;
    fixture_open(&f, (FixtureOptions){.workers = 1});
    if (!fixture_link(&f, &file, &err) || !image_parse(&image, file.bytes, file.count, &err)) {
        TEST_FAIL("cannot link: %s", err.text);
        fixture_close(&f);
        return;
    }
    Text tags = {.count = 0};
    for (u64 at = image.dynamic_offset; load_u64(file.bytes + at) != DT_NULL; at += 16) {
        text_add(&tags, "%s%s", tags.count == 0 ? "" : ", ",
                 dynamic_text(load_u64(file.bytes + at)));
    }
    expect_on_page("| `.dynamic` | DYNAMIC, A | %s; nothing else |", tags.at);
    fixture_unlink(&file);
    fixture_close(&f);
}

int main(void) {
    if (!page_read()) {
        return 1;
    }
    RUN(records_are_on_the_page);
    RUN(records_have_no_padding);
    RUN(lists_are_on_the_page);
    RUN(spans_are_on_the_page);
    RUN(sections_are_on_the_page);
    RUN(layout_is_on_the_page);
    RUN(windows_layout_is_on_the_page);
    RUN(constants_are_on_the_page);
    RUN(code_is_on_the_page);
    RUN(build_id_is_on_the_page);
    RUN(shared_codes);
    RUN(small_signatures);
    RUN(kinds_are_those_of_the_headers);
    RUN(flags_are_those_of_the_headers);
    RUN(nothing_is_none);
    RUN(numbers_are_on_the_page);
    RUN(kinds_of_positions_are_on_the_page);
    RUN(an_image_is_as_the_page_says);
    return test_end();
}
