// A synthetic module is linked, and everything that went in is read back from the image: records,
// code positions, resolved references, unwind rows; standard tools accept the file.
#include "image_fixture.h"

#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>

#include "image/build_id.h"
#include "image/format.h"
#include "image/sections.h"
#include "test.h"
#include "types/cpu.h"

typedef struct Linked {
    Fixture f;
    FixtureFile file;
    Image image;
    bool is_open;
} Linked;

static bool linked_open(Linked *linked, FixtureOptions options) {
    Error err = ERROR_INIT;
    *linked = (Linked){0};
    fixture_open(&linked->f, options);
    if (!fixture_link(&linked->f, &linked->file, &err) ||
        !image_parse(&linked->image, linked->file.bytes, linked->file.count, &err)) {
        TEST_FAIL("cannot link: %s", err.text);
        return false;
    }
    return linked->is_open = true;
}

static void linked_close(Linked *linked) {
    if (linked->is_open) {
        fixture_unlink(&linked->file);
    }
    fixture_close(&linked->f);
}

static const FixtureOptions SMALL = {.workers = 1};
static const FixtureOptions LARGE = {.workers = 2, .filler_count = 400, .large_data_bytes = 9000};
// Everything elsewhere, and calls by veneers.
static const FixtureOptions MIXED = {
    .workers = 2, .filler_count = 400,
    .layout = {.func_align = 32, .func_padding = 100, .shuffle_seed = 5, .force_veneers = true}};

static bool is_name(Str name, const char *expected) { return str_equal(name, str_of(expected)); }

TEST(types_are_read_back) {
    Linked linked;
    if (linked_open(&linked, SMALL)) {
        const Image *image = &linked.image;
        EXPECT_EQ(image->types.count, 5);
        for (u32 i = 0; i < 5; i++) {
            const ImageType type = image_type(image, i);
            EXPECT(type_equal(&type.type, &linked.f.module.types[i]));
            EXPECT_EQ(type.sig, type_sig(&linked.f.module.types[i]));
            EXPECT_EQ(type.canonical, i == 3 ? 0 : i == 4 ? 2 : i);
            EXPECT_EQ(type.entry_stub != ID_NONE, i != 1);
            EXPECT_EQ(type.entry_stub, image_type(image, type.canonical).entry_stub);
            EXPECT_EQ(type.exit_stub != ID_NONE, i == 1);
        }
        const ImageType beyond = image_type(image, 5);
        EXPECT_EQ(beyond.type.param_count + beyond.type.result_count, 0);
        const u8 *stub = image->text + image_type(image, 2).entry_stub;
        EXPECT_EQ(stub[0], 0x55);
    }
    linked_close(&linked);
}

TEST(imports_and_exports_are_read_back) {
    Linked linked;
    if (linked_open(&linked, SMALL)) {
        const Image *image = &linked.image;
        const Module *module = &linked.f.module;
        EXPECT_EQ(image->imports.count, module->import_count);
        for (u32 i = 0; i < module->import_count; i++) {
            const ImageImport item = image_import(image, i);
            EXPECT(str_equal(item.module, module->imports[i].module));
            EXPECT(str_equal(item.name, module->imports[i].name));
            EXPECT_EQ(item.type.kind, module->imports[i].kind);
        }
        EXPECT_EQ(image_import(image, 0).type.type, 1);
        EXPECT_EQ(image_import(image, 1).type.table.elem, VAL_EXTERNREF);
        EXPECT_EQ(image_import(image, 2).type.global.type, VAL_EXTERNREF);
        EXPECT_EQ(image->exports.count, module->export_count);
        for (u32 i = 0; i < module->export_count; i++) {
            ImageExport item = {0};
            EXPECT(image_export_find(image, module->exports[i].name, &item));
            EXPECT_EQ(item.kind, module->exports[i].kind);
            EXPECT_EQ(item.index, module->exports[i].index);
        }
        ImageExport item;
        EXPECT(!image_export_find(image, STR("in"), &item));
        EXPECT(!image_export_find(image, STR("zzz"), &item));
        EXPECT(is_name(image_export(image, 0).name, ""));
        EXPECT(is_name(image_export(image, 1).name, "answer"));
    }
    linked_close(&linked);
}

TEST(state_is_read_back) {
    Linked linked;
    if (linked_open(&linked, SMALL)) {
        const Image *image = &linked.image;
        EXPECT(is_name(image_name(image), "fixture"));
        EXPECT_EQ(image->start_func, ID_NONE);
        EXPECT_EQ(image->table_import_count, 1);
        EXPECT_EQ(image->global_import_count, 1);
        EXPECT_EQ(image->memory_import_count, 0);
        EXPECT_EQ(image->shape.funcref_count, FIX_NAMED_FUNCS - 1);
        EXPECT(!image_table(image, 0).is_frozen);
        EXPECT(image_table(image, 1).is_frozen);
        EXPECT_EQ(image_table(image, 1).type.limits.max, 10);
        EXPECT_EQ(image_memory(image, 0).min, 3);
        EXPECT(!image_memory(image, 0).has_max);
        EXPECT_EQ(image_global(image, 1).init.high, 2);
        EXPECT(image_global(image, 1).type.is_mutable);
        EXPECT_EQ(image_global(image, 2).init.kind, CONST_REF_FUNC);
        EXPECT_EQ(image_global(image, 2).init.index, 2);
        EXPECT_EQ(image_global(image, 3).type.type, VAL_NONE);
    }
    linked_close(&linked);
}

TEST(functions_are_read_back) {
    Linked linked;
    if (linked_open(&linked, LARGE)) {
        const Image *image = &linked.image;
        const Module *module = &linked.f.module;
        EXPECT_EQ(image->func_count, module->func_count);
        EXPECT_EQ(image_func(image, 0).text_offset, ID_NONE);
        for (u32 i = 1; i < module->func_count; i++) {
            const ImageFunc func = image_func(image, i);
            EXPECT_EQ(func.type, module->funcs[i].type);
            EXPECT_EQ(func.text_bytes, linked.f.blobs[i - 1].code_bytes);
            EXPECT_EQ(func.text_offset % 16, 0);
            EXPECT_EQ(func.funcref, linked.f.funcref_slots[i]);
            EXPECT_EQ(func.has_no_frame, i == 1);
            if (func.funcref != ID_NONE) {
                EXPECT_EQ(image_funcref(image, func.funcref), i);
            }
        }
        EXPECT(is_name(image_func_name(image, 0), "env.f"));
        EXPECT(is_name(image_func_name(image, 1), "inc"));
        EXPECT(is_name(image_func_name(image, 3), "traps"));
        EXPECT(is_name(image_func_name(image, 7), "filler<7>"));
        EXPECT(is_name(image_func_name(image, 8), ""));
        EXPECT_EQ(image_funcref(image, FIX_NAMED_FUNCS), ID_NONE);
        EXPECT_EQ(image_func(image, module->func_count).text_offset, ID_NONE);
    }
    linked_close(&linked);
}

TEST(segments_are_read_back) {
    Linked linked;
    if (linked_open(&linked, SMALL)) {
        const Image *image = &linked.image;
        const ImageElem frozen = image_elem(image, 0), passive = image_elem(image, 2);
        EXPECT(frozen.is_in_frozen_table && !passive.is_in_frozen_table);
        EXPECT_EQ(frozen.offset.low, 4);
        EXPECT_EQ(frozen.count, 3);
        EXPECT_EQ(image_elem_item(image, frozen.first_item).index, 2);
        EXPECT_EQ(image_elem_item(image, frozen.first_item + 1).kind, CONST_REF_NULL);
        EXPECT_EQ(passive.mode, SEGMENT_PASSIVE);
        EXPECT_EQ(image_elem_item(image, passive.first_item).kind, CONST_GLOBAL);
        EXPECT_EQ(image_elem_item(image, passive.first_item).type, VAL_EXTERNREF);
        EXPECT_EQ(image_elem_item(image, passive.first_item + 1).type, VAL_EXTERNREF);
        ImageSnapshot snapshot;
        EXPECT(!image_snapshot(image, &snapshot)); // too little data
        EXPECT_EQ(image_data(image, 1).mode, SEGMENT_PASSIVE);
        EXPECT(is_name(image_data(image, 1).bytes, "passive"));
        EXPECT(is_name(image_data(image, 2).bytes, "over"));
        EXPECT_EQ(image_data(image, 2).offset.low, 70010);
        EXPECT(!image_data(image, 2).is_in_snapshot);
        EXPECT_EQ(image_data(image, 4).bytes.count, 0);
    }
    linked_close(&linked);
}

TEST(snapshot_is_the_memory) {
    Linked linked;
    if (linked_open(&linked, LARGE)) {
        const Image *image = &linked.image;
        ImageSnapshot snapshot = {0};
        EXPECT(image_snapshot(image, &snapshot));
        EXPECT_EQ(snapshot.address, 69632); // page of 70000
        EXPECT_EQ(snapshot.bytes, 12288);
        EXPECT_EQ(snapshot.file_offset % 4096, 0);
        const u8 *memory = image->bytes + snapshot.file_offset;
        EXPECT_EQ(memory[70000 - 69632 - 1], 0);
        EXPECT_EQ(memory[70000 - 69632], 'L');
        EXPECT(memcmp(memory + 70010 - 69632, "overL", 5) == 0);
        EXPECT_EQ(memory[70000 - 69632 + 8999], 'L');
        EXPECT_EQ(memory[70000 - 69632 + 9000], 0);
        EXPECT(image_data(image, 0).is_in_snapshot && image_data(image, 3).is_in_snapshot);
        EXPECT(!image_data(image, 1).is_in_snapshot);
        EXPECT(is_name(image_data(image, 1).bytes, "passive"));
        EXPECT(is_name(image_data(image, 2).bytes, "over"));
    }
    linked_close(&linked);
}

// Changes one thing about the segments; none of these may have a snapshot.
static void expect_no_snapshot(void (*change)(Module *module)) {
    Fixture f;
    fixture_open(&f, LARGE);
    const ConstExpr offset = f.module.datas[2].offset;
    change(&f.module);
    FixtureFile file;
    Error err = ERROR_INIT;
    Image image;
    ImageSnapshot snapshot;
    if (!fixture_link(&f, &file, &err) || !image_parse(&image, file.bytes, file.count, &err)) {
        TEST_FAIL("cannot link: %s", err.text);
    } else {
        EXPECT(!image_snapshot(&image, &snapshot));
        EXPECT(!image_data(&image, 0).is_in_snapshot);
        EXPECT_EQ(image_data(&image, 0).bytes.count, 9000);
        fixture_unlink(&file);
    }
    f.module.datas[2].offset = offset;
    f.module.memories[0].min = 3;
    fixture_close(&f);
}

static void set_global_offset(Module *module) {
    module->datas[2].offset = (ConstExpr){.kind = CONST_GLOBAL, .type = VAL_I32, .index = 0};
}
static void set_offset_beyond(Module *module) { module->datas[2].offset.low = 3 * 65536 - 3; }
static void set_distant_offset(Module *module) {
    module->memories[0].min = 1000;
    module->datas[2].offset.low = 1000 * 65536 - 4;
}

TEST(no_snapshot_where_it_would_not_hold) {
    expect_no_snapshot(set_global_offset);
    expect_no_snapshot(set_offset_beyond);
    expect_no_snapshot(set_distant_offset);
}

// ---- Positions --------------------------------------------------------------------------------

typedef struct Expected {
    u8 trap; // TRAP_COUNT: none
    bool has_wasm, is_plain;
    u32 wasm, func;
    u32 instruction; // wasm offset of the function's last position up to here; ID_NONE: none
} Expected;

// All places of a function's code belong to the position before them.
static void expect_instructions(Expected *code, u32 bytes, bool maps_all) {
    u32 instruction = ID_NONE;
    for (u32 i = 0; i < bytes; i++) {
        instruction = maps_all && code[i].has_wasm ? code[i].wasm : instruction;
        code[i].instruction = instruction;
    }
}

static Expected *expected_positions(const Linked *linked) {
    const Image *image = &linked->image;
    Expected *out = calloc(image->text_bytes + 1, sizeof *out);
    for (u32 i = 0; i <= image->text_bytes; i++) {
        out[i] = (Expected){.trap = TRAP_COUNT, .func = ID_NONE, .instruction = ID_NONE};
    }
    for (u32 b = 0; b < linked->f.blob_count; b++) {
        const CodeBlob *blob = &linked->f.blobs[b];
        const ImageType type = image_type(image, blob->index);
        const u32 at = blob->kind == BLOB_FUNC         ? image_func(image, blob->index).text_offset
                       : blob->kind == BLOB_ENTRY_STUB ? type.entry_stub
                                                       : type.exit_stub;
        for (u32 i = 0; blob->kind == BLOB_FUNC && i < blob->code_bytes; i++) {
            out[at + i].func = blob->index;
        }
        const Site *sites = linked->f.outputs[blob->worker].sites.at + blob->first_site;
        for (u32 i = 0; i < blob->site_count; i++) {
            Expected *place = &out[at + sites[i].offset - (sites[i].kind == SITE_CALL)];
            place->has_wasm = true;
            place->wasm = sites[i].wasm_offset;
            place->is_plain = sites[i].kind == SITE_PLAIN;
            if (sites[i].kind < TRAP_COUNT) {
                place->trap = sites[i].kind;
            }
        }
        if (blob->kind == BLOB_FUNC) {
            expect_instructions(&out[at], blob->code_bytes, (image->flags & IMAGE_MAPS_ALL) != 0);
        }
    }
    return out;
}

static bool is_expected(const Image *image, u32 at, const Expected *expected) {
    TrapKind kind = TRAP_COUNT;
    u32 wasm = 0, instruction = ID_NONE;
    const bool traps = image_trap_at(image, at, &kind);
    const bool has_wasm = image_wasm_offset_at(image, at, &wasm);
    const bool has_instruction = image_instruction_at(image, at, &instruction);
    return traps == (expected->trap != TRAP_COUNT) &&
           (!traps || kind == (TrapKind)expected->trap) && has_wasm == expected->has_wasm &&
           (!has_wasm || wasm == expected->wasm) &&
           has_instruction == (expected->instruction != ID_NONE) &&
           instruction == expected->instruction &&
           image_instruction_starts(image, at) == expected->is_plain &&
           image_func_at(image, at) == expected->func;
}

static void expect_positions(FixtureOptions options) {
    Linked linked;
    if (linked_open(&linked, options)) {
        const Image *image = &linked.image;
        Expected *expected = expected_positions(&linked);
        u32 wrong = 0;
        for (u32 i = 0; i <= image->text_bytes; i++) {
            wrong += !is_expected(image, i, &expected[i]);
        }
        EXPECT_EQ(wrong, 0);
        EXPECT(image->text_bytes > 10000);
        EXPECT_EQ(image_func_at(image, UINT32_MAX), ID_NONE);
        free(expected);
    }
    linked_close(&linked);
}

TEST(positions_at_every_offset) {
    expect_positions(LARGE);
    expect_positions(MIXED);
    FixtureOptions all = MIXED;
    all.address_map = ADDRESS_MAP_ALL;
    expect_positions(all);
}

TEST(positions_are_small) {
    Linked linked;
    if (linked_open(&linked, LARGE)) {
        const u32 traps = load_u32(linked.image.traps), all = load_u32(linked.image.addrmap);
        EXPECT(traps > 1000);
        EXPECT_EQ(traps, all); // one entry for one
        EXPECT(linked.image.trap_bytes * 10 < traps * 14); // kinds change at random here
        EXPECT(linked.image.addrmap_bytes * 10 < all * 9);
    }
    linked_close(&linked);
}

// Sites of function 3, in code that is as long as they need: where steps and differences of wasm
// offsets take another form of code, or none.
static const struct {
    u32 step;
    i32 difference;
} FAR_SITES[] = {
    {1, 0},
    {1, -1},
    {8, 254},
    {9, 255},
    {24, 256},
    {255, -255},
    {256, -256},
    {257, IMAGE_NUMBER_END - 2},
    {258, 2 - IMAGE_NUMBER_END},
    {1, IMAGE_NUMBER_END},
    {1, -IMAGE_NUMBER_END},
    {IMAGE_NUMBER_END - 1, 1},
    {IMAGE_NUMBER_END, 1},
    {IMAGE_NUMBER_END + 1, 1},
    {3, 100},
};

static u32 far_site_kind(u32 i) { return i % 4 == 3 ? SITE_CALL : i % TRAP_COUNT; }

static void add_far_sites(Fixture *f) {
    CodeBlob *blob = &f->blobs[2];
    CodeOutput *out = &f->outputs[0];
    u32 at = 0, wasm = 1 << 30;
    blob->code_at = (u32)out->code.count;
    blob->first_site = (u32)out->sites.count;
    blob->site_count = COUNT_OF(FAR_SITES);
    for (u32 i = 0; i < COUNT_OF(FAR_SITES); i++) {
        const u32 kind = far_site_kind(i);
        at += FAR_SITES[i].step;
        wasm += (u32)FAR_SITES[i].difference;
        EXPECT(vec_push(&out->sites, site_of(at + (kind == SITE_CALL), wasm, kind)));
    }
    blob->code_bytes = at + 2;
    write_zeros(&out->code, blob->code_bytes);
}

static void expect_far_sites(const Image *image) {
    u32 at = image_func(image, 3).text_offset, wasm = 1 << 30;
    for (u32 i = 0; i < COUNT_OF(FAR_SITES); i++) {
        TrapKind kind = TRAP_COUNT;
        u32 found = 0;
        at += FAR_SITES[i].step;
        wasm += (u32)FAR_SITES[i].difference;
        EXPECT_EQ(image_trap_at(image, at, &kind), far_site_kind(i) != SITE_CALL);
        EXPECT(far_site_kind(i) == SITE_CALL || kind == (TrapKind)far_site_kind(i));
        EXPECT(image_wasm_offset_at(image, at, &found));
        EXPECT_EQ(found, wasm);
        if (i + 1 < COUNT_OF(FAR_SITES) && FAR_SITES[i + 1].step > 1) {
            EXPECT(!image_wasm_offset_at(image, at + 1, &found));
        }
    }
}

TEST(positions_far_apart) {
    Fixture f;
    FixtureFile file;
    Error err = ERROR_INIT;
    Image image;
    fixture_open(&f, SMALL);
    add_far_sites(&f);
    if (!fixture_link(&f, &file, &err)) {
        TEST_FAIL("cannot link: %s", err.text);
    } else {
        EXPECT(image_parse(&image, file.bytes, file.count, &err));
        expect_far_sites(&image);
        fixture_unlink(&file);
    }
    fixture_close(&f);
}

// What instantiation leaves out because a flag is not set is really part of the image.
TEST(flags_say_what_is_copied) {
    for (u32 large = 0; large < 2; large++) {
        Linked linked;
        const FixtureOptions options = {.workers = 1, .large_data_bytes = large * 9000};
        if (linked_open(&linked, options)) {
            u32 wanted = IMAGE_COPIES_NO_DATA | IMAGE_COPIES_NO_ELEMS;
            for (u32 i = 0; i < linked.image.datas.count; i++) {
                const ImageData data = image_data(&linked.image, i);
                const bool is_copied = data.mode == SEGMENT_ACTIVE && !data.is_in_snapshot;
                wanted &= ~(is_copied ? IMAGE_COPIES_NO_DATA : 0u);
            }
            for (u32 i = 0; i < linked.image.elems.count; i++) {
                const ImageElem elem = image_elem(&linked.image, i);
                const bool is_copied = elem.mode == SEGMENT_ACTIVE && !elem.is_in_frozen_table;
                wanted &= ~(is_copied ? IMAGE_COPIES_NO_ELEMS : 0u);
            }
            EXPECT_EQ(linked.image.flags, wanted);
            EXPECT_EQ((wanted & IMAGE_COPIES_NO_DATA) != 0, large != 0);
        }
        linked_close(&linked);
    }
}

TEST(address_map_can_be_omitted) {
    Linked linked;
    const FixtureOptions options = {.workers = 1, .address_map = ADDRESS_MAP_NONE};
    if (linked_open(&linked, options)) {
        u32 wasm;
        TrapKind kind;
        const u32 traps = image_func(&linked.image, 3).text_offset;
        EXPECT_EQ(linked.image.addrmap_bytes, 0);
        EXPECT_EQ(linked.image.flags & IMAGE_HAS_NO_ADDRMAP, IMAGE_HAS_NO_ADDRMAP);
        EXPECT(!image_wasm_offset_at(&linked.image, traps, &wasm));
        EXPECT(image_trap_at(&linked.image, traps, &kind));
    }
    linked_close(&linked);
}

// ---- The bytes --------------------------------------------------------------------------------

static i32 field_at(const Image *image, u32 func, u32 offset) {
    return (i32)load_u32(image->text + image_func(image, func).text_offset + offset);
}

TEST(fixups_are_resolved) {
    Linked linked;
    if (linked_open(&linked, SMALL)) {
        const Image *image = &linked.image;
        const i64 inc = image_func(image, 1).text_offset, inc2 = image_func(image, 2).text_offset;
        EXPECT_EQ(field_at(image, 2, 5), inc - (inc2 + 9));
        EXPECT_EQ(field_at(image, 2, 12), inc - (inc2 + 16));
        EXPECT_EQ(field_at(image, 6, 3), -(i64)image_func(image, 6).text_offset - 7);
        const u8 *data =
            image->text + image_func(image, 4).text_offset + 6 + field_at(image, 4, 2);
        EXPECT_EQ(load_u32(data), 42);
        EXPECT_EQ((data - 4 - image->bytes) % 16, 0);
    }
    linked_close(&linked);
}

TEST(frozen_table_is_filled) {
    Linked linked;
    if (linked_open(&linked, SMALL)) {
        const Image *image = &linked.image;
        const u8 *entries = image->bytes + image_table(image, 1).entries_offset;
        const u8 *func = image->text + image_func(image, 5).text_offset;
        EXPECT(entries == func + 7 + field_at(image, 5, 3));
        for (u32 i = 0; i < 10; i++) {
            ImageTableEntry entry;
            memcpy(&entry, entries + i * sizeof entry, sizeof entry);
            const bool is_null = i < 4 || i == 5 || i > 6;
            EXPECT_EQ(entry.sig, is_null ? TABLE_ENTRY_NULL : image_type(image, 3).sig);
            EXPECT_EQ(entry.text_offset, is_null ? 0 : image_func(image, 2).text_offset);
        }
    }
    linked_close(&linked);
}

// The last element segment replaced the large type's function; without it, its entry is there.
TEST(frozen_table_of_large_type) {
    Fixture f;
    FixtureFile file;
    Image image;
    Error err = ERROR_INIT;
    fixture_open(&f, SMALL);
    f.module.elem_count = 1;
    if (fixture_link(&f, &file, &err) && image_parse(&image, file.bytes, file.count, &err)) {
        const u8 *entries = image.bytes + image_table(&image, 1).entries_offset;
        EXPECT_EQ(load_u32(entries + 6 * 8), SIG_LARGE | 2);
        fixture_unlink(&file);
    } else {
        TEST_FAIL("cannot link: %s", err.text);
    }
    fixture_close(&f);
}

static bool bytes_of(const FixtureOptions *options, u8 **bytes, u64 *count) {
    Linked linked;
    const bool ok = linked_open(&linked, *options);
    if (ok) {
        *count = linked.file.count;
        *bytes = malloc(linked.file.count);
        memcpy(*bytes, linked.file.bytes, linked.file.count);
    }
    linked_close(&linked);
    return ok;
}

TEST(same_bytes_for_any_workers) {
    FixtureOptions options = LARGE;
    u8 *bytes[FIX_WORKERS] = {0};
    u64 count[FIX_WORKERS] = {0};
    for (u32 i = 0; i < FIX_WORKERS; i++) {
        options.workers = i + 1;
        if (!bytes_of(&options, &bytes[i], &count[i])) {
            return;
        }
    }
    for (u32 i = 1; i < FIX_WORKERS; i++) {
        EXPECT_EQ(count[i], count[0]);
        EXPECT(count[i] == count[0] && memcmp(bytes[i], bytes[0], count[0]) == 0);
    }
    for (u32 i = 0; i < FIX_WORKERS; i++) {
        free(bytes[i]);
    }
}

TEST(linking_twice_gives_the_same) {
    Linked linked;
    if (linked_open(&linked, LARGE)) {
        FixtureFile again;
        Error err = ERROR_INIT;
        EXPECT(fixture_link(&linked.f, &again, &err));
        EXPECT(again.count == linked.file.count &&
               memcmp(again.bytes, linked.file.bytes, again.count) == 0);
        fixture_unlink(&again);
    }
    linked_close(&linked);
}

// A small image has a single chunk: its three hashes differ by their seeds alone.
TEST(build_id_uses_all_bytes) {
    u8 id[IMAGE_BUILD_ID_BYTES], other[IMAGE_BUILD_ID_BYTES];
    build_id_of((const u64[]){1}, 1, id);
    build_id_of((const u64[]){2}, 1, other);
    EXPECT(memcmp(id, id + 8, 8) != 0 && memcmp(id, id + 16, 4) != 0);
    EXPECT(memcmp(id, other, 8) != 0 && memcmp(id + 8, other + 8, 8) != 0);
}

TEST(build_id_verifies) {
    Linked linked;
    if (linked_open(&linked, LARGE)) {
        Error err = ERROR_INIT;
        EXPECT(image_verify(linked.file.bytes, linked.file.count, &err));
        for (u64 at = 300; at < linked.file.count; at += linked.file.count / 50) {
            linked.file.bytes[at] ^= 0x10;
            err = ERROR_INIT;
            EXPECT(!image_verify(linked.file.bytes, linked.file.count, &err));
            EXPECT_EQ(err.code, ERR_IMAGE);
            linked.file.bytes[at] ^= 0x10;
        }
    }
    linked_close(&linked);
}

TEST(empty_module) {
    Linked linked;
    if (linked_open(&linked, (FixtureOptions){.workers = 1, .has_no_code_or_tables = true})) {
        TrapKind kind;
        EXPECT_EQ(linked.image.func_count, 0);
        EXPECT_EQ(image_func_at(&linked.image, 0), ID_NONE);
        EXPECT(!image_trap_at(&linked.image, 0, &kind));
        EXPECT(linked.file.count < 12288);
    }
    linked_close(&linked);
}

TEST(small_images_are_small) {
    Linked linked;
    if (linked_open(&linked, (FixtureOptions){.workers = 1, .filler_count = 20})) {
        EXPECT(linked.image.text_bytes > 2000);
        EXPECT(linked.file.count < 24 << 10);
    }
    linked_close(&linked);
}

// Everything that image_parse reads stands in the first page of what we write.
static void expect_headers_in_first_page(FixtureOptions options) {
    Linked linked;
    if (linked_open(&linked, options)) {
        Elf64_Ehdr header;
        memcpy(&header, linked.file.bytes, sizeof header);
        EXPECT(header.e_shoff + header.e_shnum * sizeof(Elf64_Shdr) + 1024 < 4096);
        u8 *guarded = mmap(NULL, linked.file.count, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT_EQ(mprotect(guarded, 4096, PROT_READ | PROT_WRITE), 0);
        memcpy(guarded, linked.file.bytes, 4096);
        // The memory's record, which the snapshot is compared with, must be there too: it is one of
        // the first tables.
        Image image;
        Error err = ERROR_INIT;
        EXPECT(image_parse(&image, guarded, linked.file.count, &err));
        // With a copy of it, nothing of the mapping is read.
        EXPECT_EQ(mprotect(guarded, 4096, PROT_NONE), 0);
        const ImageFile file = {guarded, linked.file.bytes, linked.file.count, 2560, false};
        EXPECT(image_parse_file(&image, &file, &err));
        munmap(guarded, linked.file.count);
    }
    linked_close(&linked);
}

TEST(headers_in_first_page) {
    FixtureOptions options = LARGE;
    expect_headers_in_first_page(options);
    options.name_bytes = 3000; // the name's end is elsewhere
    expect_headers_in_first_page(options);
}

// Directly behind the text, whatever else is in the file.
static void expect_unwinding_behind_text(FixtureOptions options) {
    static const char *const NAMES[] = {".text", ".eh_frame", ".eh_frame_hdr"};
    Linked linked;
    if (linked_open(&linked, options)) {
        const Image *image = &linked.image;
        u32 text = 1;
        while (!is_name(image_section(image, text).name, NAMES[0])) {
            text++;
        }
        for (u32 i = 1; i < COUNT_OF(NAMES); i++) {
            const ImageSection before = image_section(image, text + i - 1);
            const ImageSection section = image_section(image, text + i);
            EXPECT(is_name(section.name, NAMES[i]));
            EXPECT_EQ(section.offset, align_up(before.offset + before.bytes,
                                               i == 1 ? IMAGE_PAGE_BYTES : 4));
        }
    }
    linked_close(&linked);
}

TEST(unwinding_follows_the_text) {
    expect_unwinding_behind_text(SMALL);
    expect_unwinding_behind_text(LARGE);
    expect_unwinding_behind_text(MIXED);
}

// ---- Errors -----------------------------------------------------------------------------------

static void expect_link_error(Fixture *f, ErrorCode code, const char *text) {
    FixtureFile file;
    Error err = ERROR_INIT;
    if (fixture_link(f, &file, &err)) {
        TEST_FAIL("linked, expected: %s", text);
        fixture_unlink(&file);
        return;
    }
    EXPECT_EQ(err.code, code);
    EXPECT_STR(err.text, text);
}

TEST(text_beyond_the_limits) {
    Fixture f;
    const LinkLayout layout = {.func_padding = 0x60000000};
    fixture_open(&f, (FixtureOptions){.workers = 1, .filler_count = 1, .layout = layout});
    expect_link_error(&f, (ErrorCode)ERR_LIMIT,
                      "code of 14495515064 bytes, an image has at most 4294963200");
    fixture_close(&f);
    const LinkLayout smaller = {.func_padding = 0x1C000000};
    fixture_open(&f, (FixtureOptions){.workers = 1, .layout = smaller});
    expect_link_error(&f, (ErrorCode)ERR_LIMIT,
                      "function 6: reference to data out of range");
    fixture_close(&f);
}

TEST(padding_is_a_hole) {
    Linked linked;
    if (linked_open(&linked, (FixtureOptions){.workers = 1, .layout.func_padding = 64 << 20})) {
        struct stat st;
        EXPECT_EQ(stat(linked.file.path, &st), 0);
        EXPECT(linked.file.count > 512ull << 20);
        EXPECT(st.st_blocks * 512 < 4 << 20);
        const i64 inc = image_func(&linked.image, 1).text_offset;
        const i64 inc2 = image_func(&linked.image, 2).text_offset;
        EXPECT_EQ(field_at(&linked.image, 2, 5), inc - (inc2 + 9));
        Error err = ERROR_INIT;
        EXPECT(image_verify(linked.file.bytes, linked.file.count, &err));
    }
    linked_close(&linked);
}

TEST(contradictions_are_internal_errors) {
    Fixture f;
    const ErrorCode internal = (ErrorCode)ERR_INTERNAL;
    fixture_open(&f, SMALL);
    f.outputs[0].fixups.at[0].index = 0;
    expect_link_error(&f, internal, "code blob 1: bad fixup at 5 (target 0, index 0)");
    f.outputs[0].fixups.at[0] = fixup_of(15, FIXUP_FUNC, 1, X64_FIX_CALL);
    expect_link_error(&f, internal, "code blob 1: bad fixup at 15 (target 0, index 1)");
    f.outputs[0].fixups.at[0] = fixup_of(5, FIXUP_TABLE, 0, X64_FIX_DATA);
    expect_link_error(&f, internal, "code blob 1: bad fixup at 5 (target 2, index 0)");
    f.outputs[0].sites.at[1].offset = 9;
    expect_link_error(&f, internal, "sites of code are not in ascending order");
    f.blobs[1].code_bytes = 1 << 20;
    expect_link_error(&f, internal, "code blob 1 does not fit its output");
    f.blobs[1].code_bytes = 18;
    f.blobs[1].index = 1;
    expect_link_error(&f, internal, "code blob 1 is out of order");
    f.input.blob_count = 1;
    expect_link_error(&f, internal, "function 2 has no code");
    fixture_close(&f);
    fixture_open(&f, SMALL);
    f.input.frozen_tables = 3;
    f.module.elems[1].table = 0;
    expect_link_error(&f, internal, "table 0 cannot be frozen: element segment 1");
    fixture_close(&f);
}

TEST(unwritable_file) {
    Fixture f;
    fixture_open(&f, SMALL);
    Error err = ERROR_INIT;
    const int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        TEST_SKIP("no /dev/full");
    } else {
        EXPECT(!link_image(&f.input, fd, NULL, &err));
        EXPECT_EQ(err.code, ERR_IO);
        close(fd);
    }
    fixture_close(&f);
}

TEST(every_allocation_may_fail) {
    Fixture f;
    fixture_open(&f, LARGE);
    FixtureFile file;
    u32 failures = 0;
    for (u64 n = 1; n < 10000; n++) {
        Error err = ERROR_INIT;
        mem_fail_at(n, n % 2 == 0);
        const bool ok = fixture_link(&f, &file, &err);
        mem_fail_at(0, false);
        if (ok) {
            fixture_unlink(&file);
            break;
        }
        failures++;
        EXPECT_EQ(err.code, ERR_NO_MEMORY);
    }
    EXPECT(failures > 20);
    fixture_close(&f);
}

// ---- Other people's tools ---------------------------------------------------------------------

static bool has_tool(const char *name) {
    char command[128];
    (void)snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

// Output of a command, cut to fit.
static const char *output_of(const char *before, const char *path, const char *after, char *out,
                             usize out_bytes) {
    static char rest[4096];
    char command[256];
    (void)snprintf(command, sizeof command, "%s %s %s", before, path, after);
    FILE *pipe = popen(command, "r");
    const usize count = fread(out, 1, out_bytes - 1, pipe);
    out[count] = 0;
    while (fread(rest, 1, sizeof rest, pipe) != 0) {
    }
    pclose(pipe);
    return out;
}

static char text[1 << 20];

TEST(readelf_accepts) {
    Linked linked;
    if (!has_tool("readelf")) {
        TEST_SKIP("no readelf");
        return;
    }
    if (linked_open(&linked, LARGE)) {
        output_of("readelf -aW", linked.file.path, "2>&1 >/dev/null", text, sizeof text);
        EXPECT_STR(text, "");
        output_of("readelf -aW", linked.file.path,
                  "2>&1 | grep -iE 'warning|error|corrupt|unrecognized'", text, sizeof text);
        EXPECT_STR(text, "");
        output_of("readelf -rW", linked.file.path, "2>&1", text, sizeof text);
        EXPECT_STR(text, "\nThere are no relocations in this file.\n");
        output_of("readelf -lW", linked.file.path, "", text, sizeof text);
        EXPECT(strstr(text, "INTERP") == NULL && strstr(text, " RW ") == strstr(text, " RW  0x10"));
        output_of("readelf --debug-dump=frames", linked.file.path, "2>&1", text, sizeof text);
        EXPECT(strstr(text, "DW_CFA_def_cfa_register") == NULL); // rows are def_cfa
        EXPECT(strstr(text, "DW_CFA_def_cfa: r6 (rbp) ofs 16") != NULL);
        EXPECT(strstr(text, "ZERO terminator") != NULL);
        EXPECT(strstr(text, "arning") == NULL);
        output_of("readelf -sW", linked.file.path,
                  "| grep -E ' (inc2|traps|func8|entry_stub2|exit_stub1)$' | wc -l", text,
                  sizeof text);
        EXPECT_STR(text, "6\n"); // inc2 also in .dynsym
    }
    linked_close(&linked);
}

TEST(elflint_accepts) {
    Linked linked;
    if (!has_tool("eu-elflint")) {
        TEST_SKIP("no eu-elflint");
        return;
    }
    const FixtureOptions options[] = {
        SMALL, LARGE, MIXED, {.workers = 1, .has_no_code_or_tables = true}};
    for (u32 i = 0; i < COUNT_OF(options); i++) {
        if (linked_open(&linked, options[i])) {
            output_of("eu-elflint --gnu-ld", linked.file.path, "2>&1", text, sizeof text);
            EXPECT_STR(text, "No errors\n");
        }
        linked_close(&linked);
    }
}

TEST(objdump_names_calls) {
    Linked linked;
    if (!has_tool("objdump")) {
        TEST_SKIP("no objdump");
        return;
    }
    if (linked_open(&linked, SMALL)) {
        output_of("objdump -d --no-show-raw-insn", linked.file.path, "2>&1", text, sizeof text);
        EXPECT(strstr(text, "<inc>") != NULL && strstr(text, "<inc2>:") != NULL);
        EXPECT(strstr(text, "(bad)") == NULL);
    }
    linked_close(&linked);
}

TEST(strip_keeps_it_an_image) {
    Linked linked;
    if (!has_tool("strip")) {
        TEST_SKIP("no strip");
        return;
    }
    if (linked_open(&linked, LARGE)) {
        char command[128];
        (void)snprintf(command, sizeof command, "strip %s", linked.file.path);
        EXPECT_EQ(system(command), 0);
        const int fd = open(linked.file.path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        fstat(fd, &st);
        EXPECT((u64)st.st_size < linked.file.count);
        u8 *bytes = mmap(NULL, (usize)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        Image image;
        Error err = ERROR_INIT;
        EXPECT(image_parse(&image, bytes, (u64)st.st_size, &err));
        EXPECT_STR(err.text, "");
        EXPECT(memcmp(image.text, linked.image.text, image.text_bytes) == 0);
        munmap(bytes, (usize)st.st_size);
        close(fd);
    }
    linked_close(&linked);
}

static void expect_dlopen(FixtureOptions options) {
    Linked linked;
    if (linked_open(&linked, options)) {
        void *library = dlopen(linked.file.path, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            TEST_FAIL("%s", dlerror());
        } else {
            int (*inc2)(int), (*answer)(void);
            *(void **)&inc2 = dlsym(library, "inc2");
            *(void **)&answer = dlsym(library, "answer");
            EXPECT(inc2 != NULL && inc2(40) == 42);
            EXPECT(answer != NULL && answer() == 42);
            EXPECT(dlsym(library, "increment") == dlsym(library, "inc"));
            EXPECT(dlsym(library, "traps") == NULL);
            EXPECT(dlsym(library, "memory") == NULL);
            dlclose(library);
        }
    }
    linked_close(&linked);
}

TEST(dlopen_accepts) {
    expect_dlopen(LARGE);
    expect_dlopen(MIXED);
}

static void *frames[64];
static int frame_count;

static void note_frames(void) { frame_count = backtrace(frames, COUNT_OF(frames)); }

// The C library's unwinder finds .eh_frame_hdr and .eh_frame, and walks through our frame into the
// caller's.
static void expect_walk(FixtureOptions options) {
    Linked linked;
    if (linked_open(&linked, options)) {
        void *library = dlopen(linked.file.path, RTLD_NOW | RTLD_LOCAL);
        const u8 *inc = library == NULL ? NULL : dlsym(library, "inc");
        if (inc == NULL) {
            TEST_FAIL("%s", dlerror());
        } else {
            const u8 *text_start = inc - image_func(&linked.image, 1).text_offset;
            const u8 *stub = text_start + image_type(&linked.image, 2).entry_stub;
            void (*enter)(void *context, void (*code)(void));
            memcpy(&enter, &stub, sizeof enter);
            enter(NULL, note_frames);
            int at = 0;
            while (at < frame_count && frames[at] != stub + 6) {
                at++;
            }
            EXPECT(at < frame_count);
            EXPECT(frame_count - at > 3); // this test, test_run, main
            dlclose(library);
        }
    }
    linked_close(&linked);
}

TEST(unwinder_walks_through) {
    expect_walk(LARGE);
    expect_walk(MIXED);
}

// As the runtime does it: one read-only mapping, one mprotect.
static void expect_mapped_code(FixtureOptions options) {
    Linked linked;
    if (linked_open(&linked, options)) {
        u8 *exec = linked.file.bytes + linked.image.exec_offset;
        EXPECT_EQ(mprotect(exec, linked.image.exec_bytes, PROT_READ | PROT_EXEC), 0);
        int (*inc2)(int);
        const u8 *code = linked.image.text + image_func(&linked.image, 2).text_offset;
        memcpy(&inc2, &code, sizeof inc2);
        EXPECT_EQ(inc2(-1), 1);
    }
    linked_close(&linked);
}

TEST(mapped_code_runs) {
    expect_mapped_code(LARGE);
    expect_mapped_code(MIXED);
}

int main(void) {
    RUN(types_are_read_back);
    RUN(imports_and_exports_are_read_back);
    RUN(state_is_read_back);
    RUN(functions_are_read_back);
    RUN(segments_are_read_back);
    RUN(snapshot_is_the_memory);
    RUN(no_snapshot_where_it_would_not_hold);
    RUN(positions_at_every_offset);
    RUN(positions_are_small);
    RUN(positions_far_apart);
    RUN(flags_say_what_is_copied);
    RUN(address_map_can_be_omitted);
    RUN(fixups_are_resolved);
    RUN(frozen_table_is_filled);
    RUN(frozen_table_of_large_type);
    RUN(same_bytes_for_any_workers);
    RUN(linking_twice_gives_the_same);
    RUN(build_id_uses_all_bytes);
    RUN(build_id_verifies);
    RUN(empty_module);
    RUN(small_images_are_small);
    RUN(headers_in_first_page);
    RUN(unwinding_follows_the_text);
    RUN(text_beyond_the_limits);
    RUN(padding_is_a_hole);
    RUN(contradictions_are_internal_errors);
    RUN(unwritable_file);
    RUN(every_allocation_may_fail);
    RUN(readelf_accepts);
    RUN(elflint_accepts);
    RUN(objdump_names_calls);
    RUN(strip_keeps_it_an_image);
    RUN(dlopen_accepts);
    RUN(unwinder_walks_through);
    RUN(mapped_code_runs);
    return test_end();
}
