// A module made by hand, with functions in hand-assembled x86-64 code, for tests of link/ and
// image/.
//
//   0      imported function env.f, type 1
//   1 inc  edi + 1, a leaf                     exported "inc", "increment"
//   2      calls 1 twice                       exported "inc2"
//   3      traps of every kind, tails behind   name "traps"
//   4      reads its read-only data            exported "answer"
//   5      address of frozen table 1           exported "entries"
//   6      address of the text                 exported "text"
//   7...   `filler_count` functions of random size with random sites, calling each other
// and an entry stub for types 0 and 2, an exit stub for type 1.
#ifndef TESTS_IMAGE_FIXTURE_H
#define TESTS_IMAGE_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "image/format.h"
#include "image/image.h"
#include "isa/x64/targ.h"
#include "link/link.h"
#include "link_copy.h"

enum { FIX_WORKERS = 3, FIX_NAMED_FUNCS = 7, FIX_LONG_TEXT = 70000 };

typedef struct FixtureOptions {
    u32 workers; // outputs over which the blobs are spread, 1 to FIX_WORKERS
    u32 filler_count;
    u32 large_data_bytes; // of a data segment at address 70000, for a snapshot
    u32 name_bytes;       // of the module's name; 0: it is "fixture"
    PlatformId platform;
    LinkLayout layout;
    AddressMap address_map; // ALL: with sites of other instructions
    bool has_no_code_or_tables; // an empty module
} FixtureOptions;

typedef struct Fixture {
    FixtureOptions options;
    Arena arena;
    Module module;
    CodeOutput outputs[FIX_WORKERS];
    CodeBlob *blobs;
    u32 blob_count;
    u32 *funcref_slots;
    LinkInput input;
    u64 random;
} Fixture;

static u32 fixture_random(Fixture *f, u32 below) {
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (u32)(f->random >> 33) % below;
}

// ---- Module -----------------------------------------------------------------------------------

static const u8 FIX_CODES_0[] = {VAL_I32, VAL_I32};
static const u8 FIX_CODES_1[] = {VAL_NONE};
static const u8 FIX_CODES_2[] = {VAL_I64, VAL_I64, VAL_I64, VAL_I64, VAL_I64, VAL_I64,
                                 VAL_I64, VAL_F32, VAL_F64, VAL_I64, VAL_V128};
static const ElemItem FIX_ITEMS[] = {
    {.kind = CONST_REF_FUNC, .index = 2},
    {.kind = CONST_REF_NULL},
    {.kind = CONST_REF_FUNC, .index = 3},
};
static const ElemItem FIX_GLOBAL_ITEM[] = {
    {.kind = CONST_GLOBAL, .index = 0},
    {.kind = CONST_REF_NULL},
};

static ConstExpr fixture_i32(u32 value) {
    return (ConstExpr){.kind = CONST_VALUE, .type = VAL_I32, .low = value};
}

static const u32 FIX_CANONICAL_TYPES[] = {0, 1, 2, 0, 2};

static void fixture_types(Fixture *f) {
    static FuncType types[5];
    types[0] = types[3] = (FuncType){FIX_CODES_0, 1, 1};
    types[1] = (FuncType){FIX_CODES_1, 0, 0};
    types[2] = types[4] = (FuncType){FIX_CODES_2, 10, 1};
    f->module.types = types;
    f->module.type_count = 5;
}

static void fixture_externs(Fixture *f) {
    static Import imports[] = {
        {.module = {"env", 3}, .name = {"f", 1}, .kind = EXTERN_FUNC, .index = 0},
        {.module = {"env", 3}, .name = {"t", 1}, .kind = EXTERN_TABLE, .index = 0},
        {.module = {"env", 3}, .name = {"g\0x", 3}, .kind = EXTERN_GLOBAL, .index = 0},
    };
    static Export exports[] = {
        {.name = {"inc", 3}, .kind = EXTERN_FUNC, .index = 1},
        {.name = {"text", 4}, .kind = EXTERN_FUNC, .index = 6},
        {.name = {"entries", 7}, .kind = EXTERN_FUNC, .index = 5},
        {.name = {"memory", 6}, .kind = EXTERN_MEMORY, .index = 0},
        {.name = {"answer", 6}, .kind = EXTERN_FUNC, .index = 4},
        {.name = {"inc2", 4}, .kind = EXTERN_FUNC, .index = 2},
        {.name = {"increment", 9}, .kind = EXTERN_FUNC, .index = 1},
        {.name = {"", 0}, .kind = EXTERN_GLOBAL, .index = 1},
        {.name = {"env.f", 5}, .kind = EXTERN_FUNC, .index = 0},
    };
    f->module.imports = imports;
    f->module.import_count = COUNT_OF(imports);
    f->module.exports = exports;
    f->module.export_count = COUNT_OF(exports);
}

static void fixture_state(Fixture *f) {
    static TableType tables[] = {{VAL_EXTERNREF, {.min = 1}}, {VAL_FUNCREF, {10, 10, true}}};
    static Limits memories[] = {{.min = 3}};
    static Global globals[] = {
        {.type = {VAL_EXTERNREF, false}},
        {.type = {VAL_V128, true},
         .init = {.kind = CONST_VALUE, .type = VAL_V128, .low = 1, .high = 2}},
        {.type = {VAL_FUNCREF, false},
         .init = {.kind = CONST_REF_FUNC, .type = VAL_FUNCREF, .index = 2}},
    };
    f->module.tables = tables;
    f->module.table_count = COUNT_OF(tables);
    f->module.table_import_count = 1;
    f->module.memories = memories;
    f->module.memory_count = 1;
    f->module.globals = globals;
    f->module.global_count = COUNT_OF(globals);
    f->module.global_import_count = 1;
}

static void fixture_segments(Fixture *f) {
    static ElemSegment elems[3];
    elems[0] = (ElemSegment){SEGMENT_ACTIVE, VAL_FUNCREF, 1, fixture_i32(4), FIX_ITEMS, 3};
    elems[1] = (ElemSegment){SEGMENT_ACTIVE, VAL_FUNCREF, 1, fixture_i32(6), FIX_ITEMS, 1};
    elems[2] = (ElemSegment){.mode = SEGMENT_PASSIVE, .type = VAL_EXTERNREF,
                             .items = FIX_GLOBAL_ITEM, .count = 2};
    f->module.elems = elems;
    f->module.elem_count = 3;
    DataSegment *datas = PUSH(&f->arena, DataSegment, 4);
    char *large = PUSH(&f->arena, char, f->options.large_data_bytes + 1);
    memset(large, 'L', f->options.large_data_bytes);
    datas[0] = (DataSegment){.mode = SEGMENT_ACTIVE, .offset = fixture_i32(70000),
                             .bytes = {large, f->options.large_data_bytes}};
    datas[1] = (DataSegment){.mode = SEGMENT_PASSIVE, .bytes = STR("passive")};
    datas[2] = (DataSegment){.mode = SEGMENT_ACTIVE, .offset = fixture_i32(70010),
                             .bytes = STR("over")};
    datas[3] = (DataSegment){.mode = SEGMENT_ACTIVE, .offset = fixture_i32(196608),
                             .bytes = {"", 0}};
    f->module.datas = datas;
    f->module.data_count = 4;
}

static void fixture_funcs(Fixture *f) {
    const u32 count = FIX_NAMED_FUNCS + f->options.filler_count;
    Func *funcs = PUSH(&f->arena, Func, count);
    Str *names = PUSH(&f->arena, Str, count);
    f->funcref_slots = PUSH(&f->arena, u32, count);
    for (u32 i = 0; i < count; i++) {
        funcs[i] = (Func){.type = i == 3 ? 4 : i == 2 ? 3 : 0};
        f->funcref_slots[i] = ID_NONE;
    }
    funcs[0].type = 1;
    names[3] = STR("traps");
    for (u32 i = FIX_NAMED_FUNCS; i < count; i += 2) {
        char name[32];
        const int bytes = snprintf(name, sizeof name, "filler<%u>", i);
        names[i] = (Str){arena_copy(&f->arena, name, (usize)bytes), (usize)bytes};
    }
    for (u32 i = 1; i < FIX_NAMED_FUNCS; i++) {
        f->funcref_slots[i] = i - 1;
    }
    f->module.funcs = funcs;
    f->module.func_names = names;
    f->module.func_count = count;
    f->module.func_import_count = 1;
    f->module.name = STR("fixture");
    if (f->options.name_bytes != 0) {
        char *name = PUSH(&f->arena, char, f->options.name_bytes);
        memset(name, 'n', f->options.name_bytes);
        f->module.name = (Str){name, f->options.name_bytes};
    }
}

// ---- Code -------------------------------------------------------------------------------------

static CodeBlob *fixture_blob(Fixture *f, BlobKind kind, u32 index) {
    CodeBlob *blob = &f->blobs[f->blob_count];
    const u32 worker = f->blob_count++ % f->options.workers;
    const CodeOutput *out = &f->outputs[worker];
    *blob = (CodeBlob){.kind = kind, .index = index, .worker = (u8)worker,
                       .code_at = (u32)out->code.count, .rodata_at = (u32)out->rodata.count,
                       .first_fixup = (u32)out->fixups.count, .first_site = (u32)out->sites.count,
                       .first_unwind = (u32)out->unwind.count};
    return blob;
}

static void fixture_code(Fixture *f, CodeBlob *blob, const void *bytes, u32 count) {
    write_bytes(&f->outputs[blob->worker].code, bytes, count);
    blob->code_bytes += count;
}

static void fixture_fixup(Fixture *f, CodeBlob *blob, u32 offset, FixupTarget target, u32 index) {
    (void)vec_push(&f->outputs[blob->worker].fixups,
                   fixup_of(offset, target, index,
                            target == FIXUP_FUNC ? X64_FIX_CALL : X64_FIX_DATA));
    blob->fixup_count++;
}

static void fixture_site(Fixture *f, CodeBlob *blob, u32 offset, u32 wasm, u32 kind) {
    (void)vec_push(&f->outputs[blob->worker].sites,
                   site_of(offset, wasm, kind));
    blob->site_count++;
}

static void fixture_unwind(Fixture *f, CodeBlob *blob, u32 offset, UnwindOp op, u8 reg, u32 value) {
    (void)vec_push(&f->outputs[blob->worker].unwind,
                   (UnwindRow){.offset = offset, .op = (u8)op, .reg = reg, .value = (u16)value});
    blob->unwind_count++;
}

// Rows of `push rbp; mov rbp, rsp` at the start and `leave` at `leave`.
static void fixture_frame(Fixture *f, CodeBlob *blob, u32 leave) {
    fixture_unwind(f, blob, 1, UNWIND_CFA_OFFSET, 0, 16);
    fixture_unwind(f, blob, 1, UNWIND_SAVE, 6, 16);
    fixture_unwind(f, blob, 4, UNWIND_CFA_REG, 6, 16);
    fixture_unwind(f, blob, leave, UNWIND_REMEMBER, 0, 0);
    fixture_unwind(f, blob, leave + 1, UNWIND_CFA_REG, 7, 8);
    fixture_unwind(f, blob, leave + 1, UNWIND_RESTORE, 6, 0);
}

#define FIX_CODE(f, blob, ...)                                                                     \
    fixture_code((f), (blob), (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static void fixture_code_1_2(Fixture *f) {
    CodeBlob *blob = fixture_blob(f, BLOB_FUNC, 1);
    blob->flags = BLOB_HAS_NO_FRAME;
    FIX_CODE(f, blob, 0x8D, 0x47, 0x01, 0xC3); // lea eax, [rdi + 1]; ret
    blob = fixture_blob(f, BLOB_FUNC, 2);
    FIX_CODE(f, blob, 0x55, 0x48, 0x89, 0xE5,       // push rbp; mov rbp, rsp
             0xE8, 0, 0, 0, 0, 0x89, 0xC7,          // call 1; mov edi, eax
             0xE8, 0, 0, 0, 0, 0xC9, 0xC3);         // call 1; leave; ret
    fixture_fixup(f, blob, 5, FIXUP_FUNC, 1);
    fixture_fixup(f, blob, 12, FIXUP_FUNC, 1);
    fixture_site(f, blob, 9, 0x100, SITE_CALL);
    fixture_site(f, blob, 16, 0x105, SITE_CALL);
    fixture_frame(f, blob, 16);
}

// Offset 2i in the body, tails at 64 + 2i behind it. The call's return address is the next trap's
// place; a tail's wasm offset lies before those of the sites around it.
static void fixture_code_3(Fixture *f) {
    CodeBlob *blob = fixture_blob(f, BLOB_FUNC, 3);
    for (u32 i = 0; i < 48; i++) {
        FIX_CODE(f, blob, 0x0F, 0x0B); // ud2
    }
    for (u32 i = 0; i < 16; i++) {
        fixture_site(f, blob, 2 * i, 0x200 + 3 * i, TRAP_MEMORY_OUT_OF_BOUNDS);
    }
    fixture_site(f, blob, 40, 0x300, SITE_CALL);
    fixture_site(f, blob, 40, 0x123456, TRAP_UNREACHABLE);
    for (u32 i = 0; i < 16; i++) {
        fixture_site(f, blob, 64 + 2 * i, 0x201 + 3 * i, i % TRAP_COUNT);
    }
}

static void fixture_code_4_6(Fixture *f) {
    CodeBlob *blob = fixture_blob(f, BLOB_FUNC, 4);
    FIX_CODE(f, blob, 0x8B, 0x05, 0, 0, 0, 0, 0xC3); // mov eax, [rip + data]; ret
    write_align(&f->outputs[blob->worker].rodata, 4);
    blob->rodata_at = (u32)f->outputs[blob->worker].rodata.count;
    blob->rodata_bytes = 8;
    write_u32(&f->outputs[blob->worker].rodata, 7);
    write_u32(&f->outputs[blob->worker].rodata, 42);
    fixture_fixup(f, blob, 2, FIXUP_RODATA, 4);
    blob = fixture_blob(f, BLOB_FUNC, 5);
    FIX_CODE(f, blob, 0x48, 0x8D, 0x05, 0, 0, 0, 0, 0xC3); // lea rax, [rip + table]; ret
    fixture_fixup(f, blob, 3, FIXUP_TABLE, 1);
    blob = fixture_blob(f, BLOB_FUNC, 6);
    FIX_CODE(f, blob, 0x48, 0x8D, 0x05, 0, 0, 0, 0, 0xC3); // lea rax, [rip + text]; ret
    fixture_fixup(f, blob, 3, FIXUP_TEXT, 0);
}

static void fixture_filler(Fixture *f, u32 index) {
    CodeBlob *blob = fixture_blob(f, BLOB_FUNC, index);
    const u32 bytes = 16 + fixture_random(f, index % 50 == 0 ? FIX_LONG_TEXT : 200);
    u32 wasm = 1000 * index;
    FIX_CODE(f, blob, 0x55, 0x48, 0x89, 0xE5, 0xE8, 0, 0, 0, 0);
    fixture_fixup(f, blob, 5, FIXUP_FUNC, 1 + fixture_random(f, f->module.func_count - 1));
    const bool maps_all = f->options.address_map == ADDRESS_MAP_ALL;
    if (maps_all) {
        fixture_site(f, blob, 0, wasm, SITE_PLAIN);
        fixture_site(f, blob, 4, wasm + 2, SITE_PLAIN);
    }
    fixture_site(f, blob, 9, wasm, SITE_CALL);
    for (u32 i = 9; i < bytes; i++) {
        FIX_CODE(f, blob, 0x90);
        if (fixture_random(f, 10) == 0) {
            wasm += fixture_random(f, 20);
            const bool is_plain = maps_all && fixture_random(f, 3) != 0;
            fixture_site(f, blob, i, wasm, is_plain ? SITE_PLAIN : fixture_random(f, 3));
        }
    }
    FIX_CODE(f, blob, 0xC9, 0xC3);
    fixture_frame(f, blob, bytes);
}

static void fixture_stub(Fixture *f, BlobKind kind, u32 type) {
    CodeBlob *blob = fixture_blob(f, kind, type);
    FIX_CODE(f, blob, 0x55, 0x48, 0x89, 0xE5, 0xFF, 0xD6, 0xC9, 0xC3); // call rsi, in a frame
    fixture_site(f, blob, 6, 0, SITE_CALL);
    fixture_frame(f, blob, 6);
}

static void fixture_all_code(Fixture *f) {
    f->blobs = PUSH(&f->arena, CodeBlob, f->module.func_count + 3);
    fixture_code_1_2(f);
    fixture_code_3(f);
    fixture_code_4_6(f);
    for (u32 i = FIX_NAMED_FUNCS; i < f->module.func_count; i++) {
        fixture_filler(f, i);
    }
    fixture_stub(f, BLOB_ENTRY_STUB, 0);
    fixture_stub(f, BLOB_ENTRY_STUB, 2);
    fixture_stub(f, BLOB_EXIT_STUB, 1);
}

static void fixture_open(Fixture *f, FixtureOptions options) {
    *f = (Fixture){.options = options, .random = 1};
    arena_init(&f->arena);
    if (!options.has_no_code_or_tables) {
        fixture_types(f);
        fixture_externs(f);
        fixture_state(f);
        fixture_segments(f);
        fixture_funcs(f);
        fixture_all_code(f);
    }
    f->input = (LinkInput){
        .module = &f->module,
        .shape = {f->module.func_import_count, f->module.table_count, f->module.global_count,
                  f->module.type_count, options.has_no_code_or_tables ? 0 : FIX_NAMED_FUNCS - 1},
        .funcref_slots = f->funcref_slots,
        .canonical_types = FIX_CANONICAL_TYPES,
        .frozen_tables = 2,
        .target = &X64_TARGET,
        .platform = options.platform,
        .blobs = f->blobs,
        .blob_count = f->blob_count,
        .outputs = f->outputs,
        .output_count = options.workers,
        .address_map = options.address_map,
        .layout = options.layout,
    };
}

static void fixture_free_outputs(CodeOutput *outputs) {
    for (u32 i = 0; i < FIX_WORKERS; i++) {
        link_copy_free(&outputs[i]);
    }
}

static void fixture_close(Fixture *f) {
    fixture_free_outputs(f->outputs);
    arena_deinit(&f->arena);
}

// ---- Files ------------------------------------------------------------------------------------

typedef struct FixtureFile {
    char path[64];
    u8 *bytes; // mapped
    u64 count;
} FixtureFile;

static bool fixture_link_fd(const Fixture *f, int fd, LinkStats *stats, Error *err) {
    CodeOutput outputs[FIX_WORKERS];
    for (u32 i = 0; i < FIX_WORKERS; i++) {
        outputs[i] = link_copy(&f->outputs[i]);
    }
    LinkInput input = f->input;
    input.outputs = outputs;
    const bool ok = link_image(&input, fd, stats, err);
    fixture_free_outputs(outputs);
    return ok;
}

// Links to a temporary file and maps it. False with *err set.
static bool fixture_link(const Fixture *f, FixtureFile *file, Error *err) {
    *file = (FixtureFile){.path = "/tmp/imago-fixture-XXXXXX"};
    const int fd = mkstemp(file->path);
    LinkStats stats;
    if (fd < 0 || !fixture_link_fd(f, fd, &stats, err)) {
        if (fd >= 0) {
            close(fd);
            unlink(file->path);
        }
        return false;
    }
    struct stat st;
    fstat(fd, &st);
    file->count = (u64)st.st_size;
    file->bytes = mmap(NULL, file->count, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    return file->bytes != MAP_FAILED && stats.image_bytes == file->count;
}

// File offset of our header, behind the name in note form.
static inline u64 fixture_header(const FixtureFile *file) {
    u64 at = 0;
    while (at < 4096 && memcmp(file->bytes + at, IMAGE_NOTE_NAME, sizeof IMAGE_NOTE_NAME) != 0) {
        at++;
    }
    return at + 8;
}

static void fixture_unlink(FixtureFile *file) {
    munmap(file->bytes, file->count);
    unlink(file->path);
}

#endif
