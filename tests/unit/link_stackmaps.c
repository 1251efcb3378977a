// .imago.stackmaps, written and read back: random functions whose calls keep, push and drop slots,
// against a plain model of what each call lists.
#include "image/check.h"
#include "image/sections.h"
#include "image_fixture.h"
#include "test.h"

enum { MAX_CALLS = 1 << 16, MAX_SLOTS = 12, MOST_HOMES = 5, MOST_OPERANDS = MAX_SLOTS - 5 };

// What is expected of a call, as image_refs_next tells it.
typedef struct Call {
    u32 at; // text offset of its last byte
    u32 slot_count;
    i32 slots[MAX_SLOTS];
} Call;

typedef struct Maps {
    Fixture f;
    FixtureFile file;
    Image image;
    Call calls[MAX_CALLS]; // while they are made, `at` counts from the blob
    u32 blobs[MAX_CALLS];
    u32 count, slot_count; // the latter: of all lists together
} Maps;

static Maps maps;

static i32 random_slot(Fixture *f) {
    const u32 words = fixture_random(f, 20) == 0 ? 1 << 20 : 12;
    const i32 word = (i32)fixture_random(f, words) + 2;
    return fixture_random(f, 4) == 0 ? 8 * word : -8 * word;
}

// Some of the other sites become calls, where that keeps them apart.
static void more_calls(CodeOutput *out, const CodeBlob *blob, Fixture *f) {
    for (u32 i = 1; i < blob->site_count; i++) {
        const Site before = out->sites.at[blob->first_site + i - 1];
        Site *site = &out->sites.at[blob->first_site + i];
        const u32 place = (u32)before.offset - (before.kind == SITE_CALL);
        if (site->offset > place + 1 && fixture_random(f, 3) != 0) {
            site->kind = SITE_CALL;
        }
    }
}

static void note_call(u32 blob, u32 at, const i32 *slots, u32 home_count, u32 operand_count) {
    Call *call = &maps.calls[maps.count];
    maps.blobs[maps.count++] = blob;
    *call = (Call){.at = at, .slot_count = home_count + operand_count};
    for (u32 i = 0; i < operand_count; i++) {
        call->slots[i] = slots[MOST_HOMES + operand_count - 1 - i];
    }
    for (u32 i = 0; i < home_count; i++) {
        call->slots[operand_count + i] = slots[home_count - 1 - i];
    }
    maps.slot_count += call->slot_count;
}

static void add_refs(u32 index) {
    Fixture *f = &maps.f;
    CodeBlob *blob = &f->blobs[index];
    CodeOutput *out = &f->outputs[blob->worker];
    more_calls(out, blob, f);
    i32 slots[MAX_SLOTS]; // homes, then operands from MOST_HOMES on
    u32 homes = fixture_random(f, MOST_HOMES + 1), operands = 0, ordinal = 0;
    RefFunc func = {.first_slot = (u32)out->ref_slots.count, .home_count = homes,
                    .first_call = (u32)out->ref_calls.count,
                    .operand_base = 8 * (1 + fixture_random(f, 30))};
    for (u32 i = 0; i < homes; i++) {
        slots[i] = random_slot(f);
        (void)vec_push(&out->ref_slots, slots[i]);
    }
    for (u32 i = 0; i < blob->site_count; i++) {
        const Site site = out->sites.at[blob->first_site + i];
        if (site.kind != SITE_CALL || ordinal++ % 4 == 3) {
            continue;
        }
        RefCall call = {.call = ordinal - 1, .homes = homes -= homes != 0 && ordinal % 3 == 0,
                        .kept = fixture_random(f, operands + 1)};
        call.pushed = fixture_random(f, MOST_OPERANDS - call.kept + 1) * fixture_random(f, 2);
        call.pushed += homes + call.kept + call.pushed == 0; // none lists nothing
        operands = call.kept + call.pushed;
        for (u32 k = call.kept; k < operands; k++) {
            slots[MOST_HOMES + k] = random_slot(f);
            (void)vec_push(&out->ref_slots, slots[MOST_HOMES + k]);
            slots[MOST_HOMES + k] -= (i32)func.operand_base;
        }
        (void)vec_push(&out->ref_calls, call);
        note_call(index, site.offset - 1, slots, homes, operands);
        func.call_count++;
    }
    (void)vec_push(&out->ref_funcs, func);
    blob->refs = (u32)out->ref_funcs.count;
}

static void maps_make(FixtureOptions options) {
    maps.count = maps.slot_count = 0;
    fixture_open(&maps.f, options);
    for (u32 i = 0; i < maps.f.blob_count; i++) {
        const CodeBlob *blob = &maps.f.blobs[i];
        if (blob->kind == BLOB_FUNC && blob->index >= FIX_NAMED_FUNCS && i % 5 != 0) {
            add_refs(i);
        }
    }
}

static bool maps_open(FixtureOptions options) {
    Error err = ERROR_INIT;
    maps_make(options);
    if (!fixture_link(&maps.f, &maps.file, &err) ||
        !image_parse(&maps.image, maps.file.bytes, maps.file.count, &err) ||
        !image_check(&maps.image, &err)) {
        TEST_FAIL("%s", err.text);
        return false;
    }
    for (u32 i = 0; i < maps.count; i++) {
        const u32 func = maps.f.blobs[maps.blobs[i]].index;
        maps.calls[i].at += image_func(&maps.image, func).text_offset;
    }
    return true;
}

static void maps_close(void) {
    fixture_unlink(&maps.file);
    fixture_close(&maps.f);
}

static void expect_call(const Call *call) {
    ImageRefs refs;
    i32 slot = 0;
    if (!image_refs_at(&maps.image, call->at, &refs)) {
        TEST_FAIL("nothing at 0x%x", call->at);
        return;
    }
    for (u32 i = 0; i < call->slot_count; i++) {
        EXPECT(image_refs_next(&refs, &slot));
        EXPECT_EQ(slot, call->slots[i]);
    }
    EXPECT(!image_refs_next(&refs, &slot));
}

static const FixtureOptions OPTIONS[] = {
    {.workers = 1, .filler_count = 3},
    {.workers = 3, .filler_count = 1500},
    {.workers = 2, .filler_count = 400, .address_map = ADDRESS_MAP_NONE},
    {.workers = 2, .filler_count = 400, .address_map = ADDRESS_MAP_ALL},
    {.workers = 2, .filler_count = 300,
     .layout = {.func_align = 64, .func_padding = 1000, .shuffle_seed = 7, .force_veneers = true}},
    {.workers = 1, .filler_count = 12, .layout = {.func_padding = 40 << 20}}, // beyond a number
};

TEST(calls_are_read_back) {
    for (u32 i = 0; i < COUNT_OF(OPTIONS); i++) {
        if (maps_open(OPTIONS[i])) {
            u32 calls = 0, slots = 0;
            EXPECT(image_refs_count(&maps.image, &calls, &slots));
            EXPECT_EQ(calls, maps.count);
            EXPECT(slots <= maps.slot_count && slots != 0);
            for (u32 k = 0; k < maps.count; k++) {
                expect_call(&maps.calls[k]);
            }
        }
        maps_close();
    }
}

// And nothing elsewhere.
TEST(other_places) {
    if (maps_open(OPTIONS[2])) {
        u32 found = 0;
        for (u64 at = 0; at < maps.image.text_bytes + 100ull; at++) {
            ImageRefs refs;
            found += image_refs_at(&maps.image, (u32)at, &refs);
        }
        ImageRefs refs;
        found += image_refs_at(&maps.image, UINT32_MAX, &refs);
        EXPECT_EQ(found, maps.count);
    }
    maps_close();
}

TEST(no_section_without_references) {
    maps_make((FixtureOptions){.workers = 1});
    Error err = ERROR_INIT;
    ImageSection section;
    ImageRefs refs;
    EXPECT(fixture_link(&maps.f, &maps.file, &err));
    EXPECT(image_parse(&maps.image, maps.file.bytes, maps.file.count, &err));
    EXPECT_EQ(maps.count, 0);
    EXPECT(!image_section_find(&maps.image, STR(".imago.stackmaps"), &section));
    EXPECT(!image_refs_at(&maps.image, 0, &refs));
    maps_close();
}

// Many calls with the same few lists, as real code has.
TEST(small) {
    if (maps_open(OPTIONS[1])) {
        ImageSection section;
        EXPECT(image_section_find(&maps.image, STR(".imago.stackmaps"), &section));
        u32 calls = 0, slots = 0;
        EXPECT(image_refs_count(&maps.image, &calls, &slots));
        EXPECT(section.bytes - 8ull * slots < 6ull * calls);
    }
    maps_close();
}

TEST(damage_is_found) {
    static const struct {
        i64 at; // from the start of a part, or from the section's end
        u32 part; // 0 head, 1 slots, 2 calls, 3 from the end
        u32 value;
        const char *text;
    } ROWS[] = {
        {0, 0, 1 << 30, "blocks out of order"},
        {0, 1, 13, "a slot that is none"},
        {4, 1, 1, "a list that does not end"},
        {8 + 4, 1, 2, "a list that does not end"},
        {0, 2, 1, "another number of calls than it says"},
        {4, 2, 1 << 30, "blocks out of order"},
        {8, 2, 0, "a list that is none"},
        {8, 2, 0xFFFFFFFF, "a call outside of functions with frames"},
        {-8, 3, 0, "blocks out of order"},
        {-8, 3, 0xF0000000, "a call outside of functions with frames"},
        {-4, 3, 1 << 30, "blocks out of order"},
    };
    if (!maps_open(OPTIONS[1])) {
        return;
    }
    ImageSection section;
    EXPECT(image_section_find(&maps.image, STR(".imago.stackmaps"), &section));
    u32 calls = 0, slots = 0;
    EXPECT(image_refs_count(&maps.image, &calls, &slots));
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        const u64 parts[] = {0, 8, 8 + 8ull * slots, section.bytes};
        u8 *at = maps.file.bytes + section.offset + parts[ROWS[i].part] + (u64)ROWS[i].at;
        const u32 before = load_u32(at);
        store_u32(at, ROWS[i].value);
        const char *fault = check_stackmaps(&maps.image);
        EXPECT_STR(fault == NULL ? "accepted" : fault, ROWS[i].text);
        store_u32(at, before);
    }
    EXPECT(check_stackmaps(&maps.image) == NULL);
    maps_close();
}

TEST(a_call_that_is_none) {
    maps_make(OPTIONS[0]);
    Error err = ERROR_INIT;
    maps.f.outputs[0].ref_calls.at[0].call = 1000;
    EXPECT(!fixture_link(&maps.f, &maps.file, &err));
    EXPECT_EQ(err.code, ERR_INTERNAL);
    EXPECT_STR(err.text, "references at a call that is none");
    fixture_close(&maps.f);
}

TEST(every_allocation_may_fail) {
    maps_make(OPTIONS[0]);
    bool is_linked = false;
    for (u64 n = 1; n < 1000 && !is_linked; n++) {
        Error err = ERROR_INIT;
        mem_fail_at(n, n % 2 == 0);
        is_linked = fixture_link(&maps.f, &maps.file, &err);
        mem_fail_at(0, false);
        EXPECT(is_linked || err.code == IMAGO_ERROR_NO_MEMORY);
    }
    EXPECT(is_linked);
    maps_close();
}

int main(void) {
    RUN(calls_are_read_back);
    RUN(other_places);
    RUN(no_section_without_references);
    RUN(small);
    RUN(damage_is_found);
    RUN(a_call_that_is_none);
    RUN(every_allocation_may_fail);
    return test_end();
}
