// Damaged images: cut at every length, and with random bits flipped. Opening them and calling every
// reader either fails with one sentence or answers; it never leaves the file's bytes. Run it under
// AddressSanitizer for its full worth: each image lies in a heap block of its exact size.
#include "unit/image_fixture.h"

#include "image/build_id.h"
#include "image/check.h"
#include "image/format.h"
#include "image/sections.h"
#include "test.h"
#include "unit/image_walk.h"

typedef struct Sample {
    u8 *bytes; // on the heap
    u64 count;
    u64 header; // file offset
} Sample;

static bool sample_init(Sample *sample, FixtureOptions options) {
    Fixture f;
    FixtureFile file;
    Error err = ERROR_INIT;
    fixture_open(&f, options);
    const bool ok = fixture_link(&f, &file, &err);
    if (ok) {
        sample->count = file.count;
        sample->bytes = malloc(file.count);
        memcpy(sample->bytes, file.bytes, file.count);
        sample->header = fixture_header(&file);
        fixture_unlink(&file);
    } else {
        TEST_FAIL("cannot link: %s", err.text);
    }
    fixture_close(&f);
    return ok;
}

// In both forms.
static const FixtureOptions OPTIONS[] = {
    {.workers = 1, .filler_count = 4, .large_data_bytes = 5000},
    {.workers = 1, .filler_count = 4, .platform = PLATFORM_X86_64_WINDOWS},
};

static u64 sum;

// True if it was accepted.
static bool open_and_walk(const u8 *bytes, u64 count) {
    Error err = ERROR_INIT;
    Image image;
    if (!image_parse(&image, bytes, count, &err)) {
        EXPECT_EQ(err.code, ERR_IMAGE);
        EXPECT(err.text[0] != 0 && strlen(err.text) < sizeof err.text - 1);
        return false;
    }
    sum += image_walk(&image) + image_check(&image, &err);
    for (u32 i = 0; i < image_section_count(&image); i++) {
        sum += image_section(&image, i).name.count;
    }
    sum += image_producer(&image).count;
    return true;
}

static void cut_everywhere(FixtureOptions options) {
    Sample sample;
    if (!sample_init(&sample, options)) {
        return;
    }
    u32 accepted = 0;
    for (u64 count = 0; count < sample.count; count++) {
        u8 *cut = malloc(count != 0 ? count : 1);
        memcpy(cut, sample.bytes, count);
        accepted += open_and_walk(cut, count);
        free(cut);
    }
    EXPECT_EQ(accepted, 0); // the last section is the section names, which reach the file's end
    free(sample.bytes);
}

TEST(every_truncation_is_refused) {
    for (u32 i = 0; i < COUNT_OF(OPTIONS); i++) {
        cut_everywhere(OPTIONS[i]);
    }
}

// Flips up to `most` bits; with `is_sealed` the header's check sum is made right again, as somebody
// would who means harm.
static void flip_sample(FixtureOptions options, u32 rounds, u32 most, u64 range, bool is_sealed) {
    Sample sample;
    if (!sample_init(&sample, options)) {
        return;
    }
    Fixture random = {.random = most + range};
    range = range != 0 ? range : sample.count;
    u8 *bytes = malloc(sample.count);
    u32 accepted = 0, undetected = 0;
    for (u32 i = 0; i < rounds; i++) {
        memcpy(bytes, sample.bytes, sample.count);
        const u32 flips = 1 + fixture_random(&random, most);
        for (u32 k = 0; k < flips; k++) {
            bytes[fixture_random(&random, (u32)range)] ^= (u8)(1u << fixture_random(&random, 8));
        }
        if (is_sealed) {
            u8 *header = bytes + sample.header;
            store_u64(header + offsetof(StoredHeader, check), image_header_check(header));
        }
        if (open_and_walk(bytes, sample.count)) {
            accepted++;
            undetected += memcmp(bytes, sample.bytes, sample.count) != 0 &&
                          image_verify(bytes, sample.count, NULL);
        }
    }
    EXPECT(accepted > 0 && accepted < rounds);
    EXPECT_EQ(undetected, 0);
    free(bytes);
    free(sample.bytes);
}

// Windows images have the same tables: less of them will do.
static void flip_many(u32 rounds, u32 most, u64 range, bool is_sealed) {
    flip_sample(OPTIONS[0], rounds, most, range, is_sealed);
    flip_sample(OPTIONS[1], rounds / 5, most, range, is_sealed);
}

TEST(single_flips) { flip_many(20000, 1, 0, false); }
TEST(flips_in_the_first_page) { flip_many(10000, 1, 4096, true); }
TEST(several_flips) { flip_many(10000, 8, 8192, true); }

TEST(random_pages) {
    Fixture random = {.random = 7};
    for (u32 i = 0; i < 2000; i++) {
        u8 *bytes = malloc(4096);
        for (u32 k = 0; k < 4096; k++) {
            bytes[k] = (u8)fixture_random(&random, 256);
        }
        memcpy(bytes, "\177ELF\2\1\1", 7);
        EXPECT(!open_and_walk(bytes, 4096));
        free(bytes);
    }
}

int main(void) {
    RUN(every_truncation_is_refused);
    RUN(single_flips);
    RUN(flips_in_the_first_page);
    RUN(several_flips);
    RUN(random_pages);
    return test_end();
}
