// Islands between functions, on a toy target whose calls reach a few bytes: every call must arrive,
// directly or through one veneer, and islands must be no more than needed.
//
// The toy target: a field is the distance from itself, a veneer a mark and a field without limits.
#define _GNU_SOURCE // memfd_create

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "image/image.h"
#include "link/link.h"
#include "link_copy.h"
#include "test.h"

enum { CALL, FAR, KIND_COUNT };
enum { VENEER_MARK = 0x5EE4E4E5, VENEER_BYTES = 8, MAX_FUNCS = 2000, MAX_CALLS = 10000 };

static void toy_patch(u8 *field, u32 field_offset, u32 target_offset) {
    store_u32(field, target_offset - field_offset);
}

static u32 toy_veneer(u8 *at) {
    store_u32(at, VENEER_MARK);
    return 4;
}

#define TOY_TARGET(reach)                                                                          \
    {                                                                                              \
        .name = "toy",                                                                             \
        .fixup_kinds =                                                                             \
            (const UseKind[KIND_COUNT]){                                                           \
                [CALL] = {.name = "call", .forward = (reach), .backward = (reach),                 \
                          .veneer_bytes = VENEER_BYTES, .veneer_kind = FAR, .patch = toy_patch,    \
                          .veneer = toy_veneer},                                                   \
                [FAR] = {.name = "far", .forward = UINT32_MAX, .backward = UINT32_MAX,             \
                         .patch = toy_patch},                                                      \
            },                                                                                     \
        .fixup_kind_count = KIND_COUNT, .call_kind = CALL, .func_align = 4,                        \
    }

static const CodeTarget REACH_128 = TOY_TARGET(128);
static const CodeTarget REACH_1000 = TOY_TARGET(1000);
static const CodeTarget REACH_64K = TOY_TARGET(65536);

typedef struct Call {
    u32 from, field, to; // field: offset in the function
} Call;

// Functions and the calls between them; then their image.
typedef struct World {
    Func funcs[MAX_FUNCS];
    u32 slots[MAX_FUNCS];
    CodeBlob blobs[MAX_FUNCS];
    u32 func_count;
    Call calls[MAX_CALLS];
    u32 call_count;
    CodeOutput out;
    LinkLayout layout;
    u8 *bytes;
    u64 byte_count;
    Image image;
    u32 direct_count, detour_count; // calls that go directly, and through veneers
} World;

static World world;

static World *world_open(void) {
    World *w = &world;
    memset(w, 0, sizeof *w);
    return w;
}

static void world_unmap(World *w) {
    if (w->bytes != NULL) {
        munmap(w->bytes, w->byte_count);
        w->bytes = NULL;
    }
}

static void world_close(World *w) {
    world_unmap(w);
    writer_free(&w->out.code);
    vec_free(&w->out.fixups);
}

// Appends a function.
static u32 add_func(World *w, u32 bytes) {
    const u32 func = w->func_count++;
    w->slots[func] = ID_NONE;
    w->blobs[func] = (CodeBlob){.kind = BLOB_FUNC, .index = func, .code_bytes = bytes,
                                .code_at = (u32)w->out.code.count,
                                .first_fixup = (u32)w->out.fixups.count};
    write_zeros(&w->out.code, bytes);
    return func;
}

// A call in the newest function, behind its others.
static void add_call(World *w, u32 field, u32 to) {
    const u32 from = w->func_count - 1;
    w->calls[w->call_count++] = (Call){from, field, to};
    (void)vec_push(&w->out.fixups, fixup_of(field, FIXUP_FUNC, to, CALL));
    w->blobs[from].fixup_count++;
}

static bool world_link(World *w, const CodeTarget *target, Error *err) {
    static const u8 NO_CODES[1];
    FuncType type = {NO_CODES, 0, 0};
    const Module module = {.types = &type, .type_count = 1, .funcs = w->funcs,
                           .func_count = w->func_count, .name = STR("")};
    static const u32 CANONICAL_TYPES[1];
    CodeOutput copy = link_copy(&w->out);
    const LinkInput input = {
        .module = &module, .shape = {.type_count = 1}, .funcref_slots = w->slots,
        .canonical_types = CANONICAL_TYPES,
        .target = target, .blobs = w->blobs, .blob_count = w->func_count,
        .outputs = &copy, .output_count = 1, .layout = w->layout,
    };
    world_unmap(w);
    w->direct_count = w->detour_count = 0;
    const int fd = memfd_create("islands", MFD_CLOEXEC);
    struct stat st;
    const bool ok = link_image(&input, fd, NULL, err) && fstat(fd, &st) == 0;
    link_copy_free(&copy);
    if (ok) {
        w->byte_count = (u64)st.st_size;
        w->bytes = mmap(NULL, w->byte_count, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    return ok && image_parse(&w->image, w->bytes, w->byte_count, err);
}

static i64 distance_at(const World *w, i64 text_offset) {
    return (i32)load_u32(w->image.text + text_offset);
}

// Follows all calls. Returns how many do not arrive.
static u32 lost_calls(World *w, u32 reach) {
    u32 lost = 0;
    for (u32 i = 0; i < w->call_count; i++) {
        const Call call = w->calls[i];
        const i64 field = (i64)image_func(&w->image, call.from).text_offset + call.field;
        const i64 entry = image_func(&w->image, call.to).text_offset;
        const i64 first = field + distance_at(w, field);
        i64 at = first;
        if (at != entry && load_u32(w->image.text + at) == VENEER_MARK) {
            at += 4;
            at += distance_at(w, at);
            w->detour_count++;
        } else {
            w->direct_count++;
        }
        lost += at != entry || first - field > reach || field - first > reach;
    }
    return lost;
}

// Bytes of the text that belong to no function, without what aligns them.
static u32 veneer_count(const World *w) {
    u32 count = 0;
    for (u32 at = 0; at + 4 <= w->image.text_bytes; at += 4) {
        count += image_func_at(&w->image, at) == ID_NONE &&
                 load_u32(w->image.text + at) == VENEER_MARK;
    }
    return count;
}

static void expect_linked(World *w, const CodeTarget *target) {
    Error err = ERROR_INIT;
    if (!world_link(w, target, &err)) {
        TEST_FAIL("cannot link: %s", err.text);
        abort();
    }
    EXPECT_EQ(lost_calls(w, target->fixup_kinds[CALL].forward), 0);
}

// ---- Edges -------------------------------------------------------------------------------------

TEST(forward_calls_at_the_edge) {
    for (u32 beyond = 0; beyond < 2; beyond++) {
        World *w = world_open();
        add_func(w, 16);
        add_call(w, 4, 2);
        add_func(w, 4 + 128 - 16 + 4 * beyond);
        add_func(w, 200);
        expect_linked(w, &REACH_128);
        EXPECT_EQ(w->detour_count, beyond);
        EXPECT_EQ(veneer_count(w), beyond);
        world_close(w);
    }
}

TEST(backward_calls_at_the_edge) {
    for (u32 beyond = 0; beyond < 2; beyond++) {
        World *w = world_open();
        add_func(w, 16);
        add_func(w, 200);
        add_func(w, 100);
        add_func(w, 40);
        add_call(w, 28 + 4 * beyond, 2);
        expect_linked(w, &REACH_128);
        EXPECT_EQ(w->detour_count, beyond);
        EXPECT_EQ(veneer_count(w), beyond);
        world_close(w);
    }
}

// The last place for an island is where the callee would be, too.
TEST(veneers_at_the_edge) {
    for (u32 beyond = 0; beyond < 2; beyond++) {
        World *w = world_open();
        Error err = ERROR_INIT;
        add_func(w, 16 + 128 + 4 * beyond);
        add_call(w, 16, 2);
        add_func(w, 400);
        add_func(w, 16);
        EXPECT_EQ(world_link(w, &REACH_128, &err), beyond == 0);
        if (beyond != 0) {
            EXPECT_EQ(err.code, ERR_LIMIT);
            EXPECT_EQ(err.func_index, 0);
            EXPECT_STR(err.text, "function 0: call to function 2 out of range");
        }
        world_close(w);
    }
}

TEST(a_function_larger_than_the_range) {
    World *w = world_open();
    Error err = ERROR_INIT;
    add_func(w, 16);
    add_func(w, 4000);
    add_call(w, 100, 0); // reaches back
    expect_linked(w, &REACH_128);
    add_call(w, 2000, 1); // does not even reach its own entry
    EXPECT(!world_link(w, &REACH_128, &err));
    EXPECT_STR(err.text, "function 1: call to function 1 out of range");
    world_close(w);
}

// ---- Sharing -----------------------------------------------------------------------------------

TEST(an_island_has_one_veneer_for_each_callee) {
    World *w = world_open();
    add_func(w, 40);
    for (u32 i = 0; i < 10; i++) {
        add_call(w, 4 * i, 3 + i % 2);
    }
    add_func(w, 40);
    add_call(w, 0, 3);
    add_func(w, 500);
    add_func(w, 16);
    add_func(w, 16);
    expect_linked(w, &REACH_128);
    EXPECT_EQ(w->detour_count, 11);
    EXPECT_EQ(veneer_count(w), 2);
    world_close(w);
}

// Callers behind an island use its veneers as well, those far behind have their own.
TEST(veneers_are_used_from_both_sides) {
    World *w = world_open();
    add_func(w, 400);
    add_func(w, 40);
    add_call(w, 0, 0);
    add_func(w, 40);
    add_call(w, 36, 0);
    expect_linked(w, &REACH_128);
    EXPECT_EQ(veneer_count(w), 1);
    for (u32 i = 0; i < 10; i++) {
        add_func(w, 100);
    }
    add_call(w, 0, 0);
    expect_linked(w, &REACH_128);
    EXPECT_EQ(veneer_count(w), 2);
    EXPECT_EQ(w->detour_count, 3);
    world_close(w);
}

TEST(no_islands_where_all_is_near) {
    World *w = world_open();
    for (u32 i = 0; i < 20; i++) {
        add_func(w, 100);
        add_call(w, 0, i == 0 ? 0 : i - 1);
    }
    expect_linked(w, &REACH_128); // long, but its calls are not
    EXPECT_EQ(w->detour_count, 0);
    EXPECT_EQ(w->image.text_bytes, 2000);
    world_close(w);
}

TEST(forced_veneers_serve_all_calls) {
    World *w = world_open();
    for (u32 i = 0; i < 50; i++) {
        add_func(w, 100);
        add_call(w, 0, i);
        add_call(w, 50, i * 7 % 50);
    }
    w->layout.force_veneers = true;
    expect_linked(w, &REACH_64K);
    EXPECT_EQ(w->direct_count, 0);
    EXPECT_EQ(veneer_count(w), 50);
    expect_linked(w, &REACH_1000);
    EXPECT_EQ(w->direct_count, 0);
    EXPECT(veneer_count(w) > 50);
    world_close(w);
}

// ---- At random ---------------------------------------------------------------------------------

static u32 random_below(u64 *state, u32 limit) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (u32)(*state >> 33) % limit;
}

// Functions of up to `size` bytes that call neighbours and anybody.
static void make_random(World *w, u64 *state, u32 count, u32 size) {
    for (u32 i = 0; i < count; i++) {
        const u32 bytes = 4 + 4 * random_below(state, size / 4);
        add_func(w, bytes);
        for (u32 field = 0; field + 4 <= bytes && w->call_count < MAX_CALLS; field += 4) {
            if (random_below(state, 8) == 0) {
                const u32 near = (i + random_below(state, 9)) % count;
                add_call(w, field, random_below(state, 2) == 0 ? near : random_below(state, count));
            }
        }
    }
}

static LinkLayout random_layout(u64 *state) {
    return (LinkLayout){
        .func_align = random_below(state, 2) == 0 ? 0 : 1u << (2 + random_below(state, 6)),
        .func_padding = random_below(state, 3) == 0 ? random_below(state, 3000) : 0,
        .shuffle_seed = random_below(state, 2) == 0 ? 0 : 1 + random_below(state, 1000),
        .force_veneers = random_below(state, 3) == 0,
    };
}

TEST(random_programs_arrive) {
    u64 state = 1;
    for (u32 i = 0; i < 300; i++) {
        World *w = world_open();
        const bool is_tiny = i % 2 == 0;
        make_random(w, &state, 1 + random_below(&state, is_tiny ? 40 : 400), is_tiny ? 40 : 400);
        w->layout = random_layout(&state);
        expect_linked(w, is_tiny ? &REACH_1000 : &REACH_64K);
        for (u32 func = 0; func < w->func_count; func++) {
            const ImageFunc found = image_func(&w->image, func);
            EXPECT_EQ(image_func_at(&w->image, found.text_offset), func);
            EXPECT_EQ(image_func_at(&w->image, found.text_offset + found.text_bytes - 1), func);
        }
        world_close(w);
    }
}

// Twice the functions have no more than twice the veneers, whoever they call.
TEST(islands_grow_with_the_calls) {
    u32 before = 0;
    for (u32 count = 250; count <= MAX_FUNCS; count *= 2) {
        u64 state = 7;
        World *w = world_open();
        for (u32 i = 0; i < count; i++) {
            add_func(w, 64);
            for (u32 k = 0; k < 4; k++) {
                add_call(w, 16 * k, random_below(&state, count));
            }
        }
        expect_linked(w, &REACH_1000);
        const u32 veneers = veneer_count(w);
        EXPECT(veneers <= w->call_count);
        EXPECT(before == 0 || veneers < 3 * before);
        before = veneers;
        world_close(w);
    }
}

TEST(every_allocation_may_fail) {
    World *w = world_open();
    u64 state = 3;
    make_random(w, &state, 200, 100);
    w->layout = (LinkLayout){.shuffle_seed = 1, .force_veneers = true};
    for (u64 n = 1; n < 1000; n++) {
        Error err = ERROR_INIT;
        mem_fail_at(n, true);
        const bool ok = world_link(w, &REACH_1000, &err);
        mem_fail_at(0, false);
        EXPECT_EQ(err.code, ok ? IMAGO_ERROR_NONE : IMAGO_ERROR_NO_MEMORY);
        if (ok) {
            EXPECT(n > 10);
            break;
        }
    }
    world_close(w);
}

int main(void) {
    RUN(forward_calls_at_the_edge);
    RUN(backward_calls_at_the_edge);
    RUN(veneers_at_the_edge);
    RUN(a_function_larger_than_the_range);
    RUN(an_island_has_one_veneer_for_each_callee);
    RUN(veneers_are_used_from_both_sides);
    RUN(no_islands_where_all_is_near);
    RUN(forced_veneers_serve_all_calls);
    RUN(random_programs_arrive);
    RUN(islands_grow_with_the_calls);
    RUN(every_allocation_may_fail);
    return test_end();
}
