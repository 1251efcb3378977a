// State of one link, shared by the section writers. Each writer fills its own part; the order is in
// link.c.
#ifndef LINK_LINK_INT_H
#define LINK_LINK_INT_H

#include <elf.h>

#include "base/arena.h"
#include "image/format.h"
#include "link/link.h"
#include "link/out.h"

typedef enum SectionId {
#define SECTION(name, text, type, flags, align, entry_bytes) SECTION_##name,
#include "link/sections.def"
#undef SECTION
    SECTION_COUNT
} SectionId;

typedef struct SectionRow {
    const char *name;
    u32 type;
    u64 flags, align, entry_bytes;
} SectionRow;

extern const SectionRow SECTION_ROWS[SECTION_COUNT];

#define SECTION_BIT(name) (1ull << SECTION_##name)

// int3: what stands between functions, and behind the last one to the end of its page.
enum { TEXT_FILL = 0xCC };

// Up to MIN_SNAPSHOT_BYTES copying is cheaper than another mapping. A snapshot may be larger than
// its segments by the factor and the number of bytes.
enum { MIN_SNAPSHOT_BYTES = 4096, MAX_SNAPSHOT_FACTOR = 2, MAX_SNAPSHOT_EXTRA = 65536 };

enum { ELF_SEGMENT_COUNT = 7 };

// Where a string was put; see strings_add.
typedef struct StringSlot {
    u32 offset, bytes;
} StringSlot;

// Text offset of a blob that has not been placed.
#define TEXT_NOWHERE UINT64_MAX

// A part of .text: a blob or an island of veneers.
typedef struct TextPiece {
    u64 at; // text offset
    u32 bytes;
    u32 blob; // ID_NONE: an island
} TextPiece;

// A jump that stands in for the entry of a function, where a call to it does not reach.
typedef struct Veneer {
    u32 at; // text offset
    u32 func;
    u32 next; // the next one for the same function, ID_NONE: none
} Veneer;

typedef struct Linker Linker;

// What stands around the sections that all images have.
typedef struct Container {
    u64 max_bytes;   // of an image
    u64 sections;    // SECTION_BITs of those that there may be
    u64 page_starts; // of those that start at multiples of a page
    // Fills the sections before .text that belong to it, which then do not change their sizes.
    void (*fill)(Linker *linker);
    u64 (*header_bytes)(const Linker *linker);
    // Fills in what depends on the places up to .text.
    void (*finish)(Linker *linker);
    // Fills the sections behind .text, when the code is gone. ERR_INTERNAL.
    bool (*fill_behind_text)(Linker *linker);
    // The file's first bytes, when all sections have places.
    void (*headers_write)(const Linker *linker, Writer *out);
} Container;

extern const Container ELF_CONTAINER, PE_CONTAINER;

struct Linker {
    const LinkInput *input;
    const Container *container;
    const Platform *platform;
    const Module *module;
    Error *err;
    Arena arena; // all arrays below

    // Placement. Offsets into sections.
    u64 *text_at;        // per blob
    u32 *rodata_at;      // per blob, in .rodata
    TextPiece *pieces;   // the text in its order
    u32 piece_count;
    VEC(Veneer) veneers; // ascending
    u32 *first_veneer;   // per function, ID_NONE: none; NULL: there are no islands
    Writer veneer_code;  // of all, one behind the other
    u32 *func_blob;      // per function: its blob, ID_NONE for imports
    u32 *entry_stub_at;  // per type, ID_NONE: none
    u32 *exit_stub_at;   // per type, ID_NONE: none
    u32 start_at;        // of a program, ID_NONE: it is none
    u32 *table_at;       // per table: entries in .rodata, ID_NONE: not frozen
    u32 *first_export;   // per function: an export of it, ID_NONE: none
    u64 text_bytes;

    u32 *name_at; // per function below named_count: its name in the strings, 0: none
    u32 named_count;
    u64 generated_name_bytes; // at the end of .dynstr, for .symtab
    StringSlot *string_slots;
    u32 string_slot_count; // a power of two

    // Memory snapshot; bytes is 0 if there is none.
    u64 snapshot_address, snapshot_bytes;
    u8 *snapshot;
    u64 snapshot_at;     // offset in .rodata.wasm, set by the layout
    u64 plain_data_bytes; // of the segments that are not in it
    u64 *data_at;        // per data segment: offset in .rodata.wasm, or in the snapshot
    bool *data_in_snapshot;

    StoredHeader header;
    Writer sections[SECTION_COUNT]; // contents; not of .text and .rodata.wasm
    u64 section_at[SECTION_COUNT];    // file offset
    u64 section_bytes[SECTION_COUNT];
    u32 section_name[SECTION_COUNT];  // in .shstrtab
    u16 section_index[SECTION_COUNT]; // in the header table; 0: left out
    u16 section_count;                // with the null section
    u64 image_bytes;
};

// place.c: pieces and text offset of every blob, indexes of functions and stubs. ERR_LIMIT,
// ERR_INTERNAL.
bool place_blobs(Linker *linker);
// The blobs' read-only data, behind the frozen tables.
void place_rodata(Linker *linker);
// What the text holds beside pieces, once they are placed.
u64 place_padding_bytes(const Linker *linker);
// Patches the code of all outputs, makes that of veneers. After layout. ERR_LIMIT.
bool place_resolve(Linker *linker);
// Where a blob starts that follows what ends at text offset `at`.
u64 place_start(const Linker *linker, const CodeBlob *blob, u64 at);
// Notes that a piece stands at `at`.
void place_piece(Linker *linker, u32 blob, u64 at, u32 bytes);

// islands.c: decides while blobs are placed where islands stand between them.
typedef struct Islands Islands;
Islands *islands_open(Linker *linker);
// Makes an island at `at` if calls before it need one before the end of `blob`, which comes next.
// Returns the island's end, or `at`.
u64 islands_before(Islands *islands, const CodeBlob *blob, u64 at);
// The blob has been placed: notes its calls.
void islands_behind(Islands *islands, u32 blob);
// The last island. Returns its end, or `at`.
u64 islands_finish(Islands *islands, u64 at);

// .text, with what lies between functions.
void place_write(const Linker *linker, OutFile *out);

// strings_w.c: the one string table. Equal strings share a place; "" is at 0.
void strings_begin(Linker *linker);
u32 strings_add(Linker *linker, Str text);
// Not looked up, for names that are new for certain.
u32 strings_append(Linker *linker, Str text);

// tables_w.c: frozen tables, from the start of .rodata. ERR_INTERNAL if one cannot be.
bool tables_write(Linker *linker);

// data_w.c: what of the data segments goes where in .rodata.wasm.
bool data_plan(Linker *linker);
// Size of .rodata.wasm when it starts at file offset `at`; sets snapshot_at.
u64 data_layout(Linker *linker, u64 at);
void data_write(const Linker *linker, OutFile *out);

// positions_w.c: .imago.traps and .imago.addrmap; frees the sites. ERR_INTERNAL.
bool positions_write(Linker *linker);

// stackmaps_w.c: .imago.stackmaps; frees the references. ERR_LIMIT, ERR_INTERNAL.
bool stackmaps_write(Linker *linker);

// module_w.c: .imago.module; fills the header's lists and counts.
void module_write(Linker *linker);

// unwind_w.c: .eh_frame and .eh_frame_hdr, `text_distance` bytes behind the start of the text.
void unwind_write(Linker *linker, u64 text_distance);

// symbols_w.c: .dynsym, whose values are text offsets until symbols_relocate, and .gnu.hash.
void symbols_write(Linker *linker);
void symbols_relocate(Linker *linker);
// .symtab, which is not built in memory, nor are the names at the end of .dynstr that only it uses.
u64 symbols_bytes(const Linker *linker);
void symbols_put(const Linker *linker, OutFile *out);
void symbols_put_names(const Linker *linker, OutFile *out);

// pdata_w.c: .pdata and .xdata, which stand behind .text. ERR_INTERNAL.
bool pdata_write(Linker *linker);

// layout.c. The notes, without their values.
void layout_reserve(Linker *linker);
// Gives the sections their places up to .text, and those behind it. ERR_LIMIT.
bool layout_up_to_text(Linker *linker);
bool layout_behind_text(Linker *linker);
// The header, into its note; when all up to .text have places.
void layout_finish(Linker *linker);
// File offset of the build-id.
u64 layout_build_id_at(const Linker *linker);
// The last section up to `last` that is not left out; at least `first`.
SectionId layout_last(const Linker *linker, SectionId first, SectionId last);

// What calls reach.
static inline const UseKind *call_kind(const Linker *linker) {
    const CodeTarget *target = linker->input->target;
    return &target->fixup_kinds[target->call_kind];
}

// Code and records of a blob; records only if it has any.
static inline CodeOutput *blob_output(const Linker *linker, const CodeBlob *blob) {
    return &linker->input->outputs[blob->worker];
}
static inline u8 *blob_code(const Linker *linker, const CodeBlob *blob) {
    return blob_output(linker, blob)->code.at + blob->code_at;
}
static inline const Fixup *blob_fixups(const Linker *linker, const CodeBlob *blob) {
    return blob->fixup_count == 0 ? NULL : blob_output(linker, blob)->fixups.at + blob->first_fixup;
}
static inline Site *blob_sites(const Linker *linker, const CodeBlob *blob) {
    return blob->site_count == 0 ? NULL : blob_output(linker, blob)->sites.at + blob->first_site;
}
static inline const UnwindRow *blob_unwind(const Linker *linker, const CodeBlob *blob) {
    return blob->unwind_count == 0 ? NULL
                                   : blob_output(linker, blob)->unwind.at + blob->first_unwind;
}

#endif
