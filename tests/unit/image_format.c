// docs/image-format.md against the headers: record sizes, fields with their offsets and sizes, the
// orders of spans and tables, constants.
#include <stdio.h>
#include <stdlib.h>

#include "image/format.h"
#include "test.h"
#include "types/trap.h"
#include "types/valtype.h"

typedef struct Row {
    const char *record, *field;
    u32 offset, bytes;
} Row;

static const Row FIELDS_OF_RECORDS[] = {
#define RECORD(name, bytes)
#define FIELD(name, type, field, text) {#name, #field, offsetof(name, field), sizeof(type)},
#define FIELDS(name, type, field, count, text)                                                     \
    {#name, #field, offsetof(name, field), sizeof(type) * (count)},
#define RECORD_END(name)
#include "image/records.def"
#undef RECORD
#undef FIELD
#undef FIELDS
#undef RECORD_END
};

static const Row RECORDS[] = {
#define RECORD(name, bytes) {#name, NULL, 0, bytes},
#define FIELD(name, type, field, text)
#define FIELDS(name, type, field, count, text)
#define RECORD_END(name)
#include "image/records.def"
#undef RECORD
#undef FIELD
#undef FIELDS
#undef RECORD_END
};

static char page[1 << 17];

static bool page_read(void) {
    FILE *file = fopen(SOURCE_DIR "/docs/image-format.md", "r");
    if (file == NULL) {
        TEST_FAIL("cannot open docs/image-format.md");
        return false;
    }
    page[fread(page, 1, sizeof page - 1, file)] = 0;
    fclose(file);
    return true;
}

// The part of the page from a record's heading to the end of its table.
static bool record_section(const Row *record, char *out, usize out_bytes) {
    char heading[96];
    (void)snprintf(heading, sizeof heading, "\n### `%s`, %u bytes\n", record->record,
                   record->bytes);
    const char *start = strstr(page, heading);
    if (start == NULL) {
        TEST_FAIL("the page has no heading: %s", heading + 1);
        return false;
    }
    const char *end = strstr(start, "|\n\n");
    const usize count = end == NULL ? strlen(start) : (usize)(end - start) + 2;
    EXPECT(count < out_bytes);
    memcpy(out, start, count < out_bytes ? count : 0);
    out[count] = 0;
    return true;
}

static u32 count_of(const char *text, const char *word) {
    u32 count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

TEST(records_are_on_the_page) {
    static char section[1 << 14];
    if (!page_read()) {
        return;
    }
    for (u32 i = 0; i < COUNT_OF(RECORDS); i++) {
        if (!record_section(&RECORDS[i], section, sizeof section)) {
            continue;
        }
        u32 field_count = 0;
        for (u32 k = 0; k < COUNT_OF(FIELDS_OF_RECORDS); k++) {
            const Row *field = &FIELDS_OF_RECORDS[k];
            if (strcmp(field->record, RECORDS[i].record) == 0) {
                char row[96];
                (void)snprintf(row, sizeof row, "\n| %u | %u | `%s` | ", field->offset,
                               field->bytes, field->field);
                if (strstr(section, row) == NULL) {
                    TEST_FAIL("%s: the page has no row: %s", field->record, row + 1);
                }
                field_count++;
            }
        }
        EXPECT_EQ(count_of(section, "\n| "), field_count + 1); // and the table's head
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

TEST(lists_are_in_order) {
    static const char *const ROWS[] = {
#define LIST(name, field, record, text) "\n| `" #field "` | `" #record "` | ",
#include "image/lists.def"
#undef LIST
    };
    const char *at = page;
    for (u32 i = 0; i < COUNT_OF(ROWS) && at != NULL; i++) {
        at = strstr(at, ROWS[i]);
        if (at == NULL) {
            TEST_FAIL("the page has no row, or not there: %s", ROWS[i] + 1);
        }
    }
}

TEST(spans_are_in_order) {
    static const char *const NAMES[] = {
#define SPAN(name, section) "`" section "`",
#include "image/spans.def"
#undef SPAN
    };
    const char *at = strstr(page, "\nin the order `.text`");
    for (u32 i = 0; i < COUNT_OF(NAMES) && at != NULL; i++) {
        at = strstr(at, NAMES[i]);
    }
    EXPECT(at != NULL && at < strstr(page, "`lists` is an array of"));
}

TEST(constants_are_on_the_page) {
    char text[96];
    (void)snprintf(text, sizeof text, "# Image format, version %d\n", IMAGE_FORMAT);
    EXPECT(strncmp(page, text, strlen(text)) == 0);
    (void)snprintf(text, sizeof text, "Blocks hold up to %d positions", IMAGE_BLOCK_ENTRIES);
    EXPECT(strstr(page, text) != NULL);
    (void)snprintf(text, sizeof text, "z is at most %d, so\nthat a number is less than %d:",
                   IMAGE_NUMBER_MAX_ZEROS, IMAGE_NUMBER_END);
    EXPECT(strstr(page, text) != NULL);
    (void)snprintf(text, sizeof text, "traps.def`; %d: plain; %d: a call |",
                   IMAGE_POSITION_PLAIN, IMAGE_POSITION_CALL);
    EXPECT(strstr(page, text) != NULL);
    (void)snprintf(text, sizeof text, "| %d | every instruction of the functions has a position",
                   IMAGE_MAPS_ALL);
    EXPECT(strstr(page, text) != NULL);
    (void)snprintf(text, sizeof text, "A page is %d bytes", IMAGE_PAGE_BYTES);
    EXPECT(strstr(page, text) != NULL);
    (void)snprintf(text, sizeof text, "chunks of %d bytes", IMAGE_CHUNK_BYTES);
    EXPECT(strstr(page, text) != NULL);
    (void)snprintf(text, sizeof text, "at most 0x%llX bytes", IMAGE_MAX_BYTES);
    EXPECT(strstr(page, text) != NULL);
    (void)snprintf(text, sizeof text,
                   "At most %d program headers, %d section headers and %d dynamic",
                   IMAGE_MAX_SEGMENTS, IMAGE_MAX_SECTIONS, IMAGE_MAX_DYNAMIC);
    EXPECT(strstr(page, text) != NULL);
}

// Codes that the format shares with types/: a change is a new version of the format.
TEST(shared_codes) {
    EXPECT_EQ(VAL_I32, 1);
    EXPECT_EQ(VAL_EXTERNREF, 7);
    EXPECT_EQ(VAL_COUNT, 8);
    EXPECT_EQ(TRAP_UNREACHABLE, 0);
    EXPECT_EQ(TRAP_INTEGER_DIVIDE_BY_ZERO, 6);
    EXPECT_EQ(TRAP_STACK_EXHAUSTED, 9);
}

int main(void) {
    RUN(records_are_on_the_page);
    RUN(records_have_no_padding);
    RUN(lists_are_in_order);
    RUN(spans_are_in_order);
    RUN(constants_are_on_the_page);
    RUN(shared_codes);
    return test_end();
}
