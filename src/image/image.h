// An image as its readers see it: spans into the mapping, found once when it is opened. Nothing is
// copied or decoded. docs/image-format.md describes the bytes.
//
// image_parse checks every span against the file's size in constant time; the accessors are total:
// whatever the bytes are, they stay inside the spans and return something or false.
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/error.h"
#include "types/module.h"
#include "types/platform.h"
#include "types/trap.h"
#include "types/vmctx.h"

// A table of fixed-size records in the mapping.
typedef struct ImageTable {
    const u8 *at;
    u32 count;
    u32 item_bytes;
} ImageTable;

typedef struct Image {
    const u8 *bytes; // the whole file, borrowed
    u64 byte_count;
    PlatformId platform; // that it is for
    // The segment that the loader makes executable: page-aligned range of the file.
    u64 exec_offset, exec_bytes;
    u64 dynamic_offset;      // what debuggers know a loaded object by; 0: none
    u64 frame_header_offset; // of .eh_frame_hdr, 0: none
    const u8 *text; // first byte of .text
    u32 text_bytes;
    VmShape shape;
    u32 flags;                         // IMAGE_... (image/format.h)
    u64 cpu_features;                  // that the code needs: types/cpu.h
    u32 func_import_count, func_count; // all
    u32 table_import_count, memory_import_count, global_import_count;
    u32 start_func; // ID_NONE: none
    // Counts of the tables are public, their bytes private to image/.
    ImageTable name_text, types, type_codes, imports, exports, funcs, funcrefs, tables, memories;
    ImageTable globals, elems, elem_items, datas, func_names;
    ImageTable func_order; // defined functions by place in the text; empty: by index
    const u8 *strings, *traps, *addrmap, *stackmaps, *data;
    u64 string_bytes, trap_bytes, addrmap_bytes, stackmap_bytes, data_bytes;
    u64 rodata_offset, rodata_bytes; // .rodata: constants and frozen tables
    u64 snapshot_offset, snapshot_bytes, snapshot_address;
} Image;

// Finds and checks the parts of an image. `bytes` must stay mapped while *image is used. ERR_IMAGE
// with one sentence (file offset where it helps) for anything that is not an image of this version
// for this kind of machine; whether this machine has image->cpu_features, and is of
// image->platform, is left to the caller.
// Constant time; reads the first page of a file that the linker wrote.
bool image_parse(Image *image, const void *bytes, u64 count, Error *err);

// A mapped file, and a copy of its first bytes (may be none). What is in the copy is not read in
// the mapping: a page that opening does not touch need not be mapped, which costs more than the
// copy does.
typedef struct ImageFile {
    const u8 *bytes, *head;
    u64 count, head_bytes;
    bool is_loaded_part; // nothing is there behind the last segment, where sections may be
} ImageFile;

// The same; the copy may go afterwards.
bool image_parse_file(Image *image, const ImageFile *file, Error *err);

// Where the segments of an image end whose first page is at `start`. 0: it is none.
u64 image_loaded_bytes(const void *start);
// image_parse of an image of which only the segments are there; image->byte_count is their end.
bool image_parse_loaded(Image *image, const void *start, Error *err);

// Size of a file that starts with these bytes, by its section headers, if it is as the linker
// writes it: they stand among these bytes, and names come last, so that the last byte but one is
// not zero. At most IMAGE_MAX_BYTES; else 0. Any bytes will do.
u64 image_declared_bytes(const void *head, u64 head_bytes);

// True if the bytes start as an Imago image (ELF header of a 64-bit shared object, our note not yet
// checked; or PE headers and our note).
bool image_has_magic(const void *bytes, usize count);
enum { IMAGE_MAGIC_BYTES = 1024 }; // of a file are enough for it

// ---- Records; i below the count, else a zero record -------------------------------------------
// Every name that they return is followed by a zero byte (and may contain others).

// Of the module; empty if it has none. Not looked at by image_parse: its end may lie pages away.
Str image_name(const Image *image);

typedef struct ImageType {
    FuncType type;
    u32 sig;                   // type_sig
    u32 entry_stub, exit_stub; // text offsets, ID_NONE if there is none
    u32 canonical;             // first type of the module that is equal
} ImageType;
ImageType image_type(const Image *image, u32 i);
// Its field sig alone; i below the count.
u32 image_type_sig(const Image *image, u32 i);

typedef struct ImageExternType {
    ExternKind kind;
    u32 type; // function: type index
    TableType table;
    Limits memory;
    GlobalType global;
} ImageExternType;

typedef struct ImageImport {
    Str module, name;
    u32 index; // in the index space of its kind
    ImageExternType type;
} ImageImport;
ImageImport image_import(const Image *image, u32 i);

// Exports are sorted by name.
typedef struct ImageExport {
    Str name;
    ExternKind kind;
    u32 index;
} ImageExport;
ImageExport image_export(const Image *image, u32 i);
// O(log exports).
bool image_export_find(const Image *image, Str name, ImageExport *out);
// The type of anything in an index space, imports included.
ImageExternType image_extern_type(const Image *image, ExternKind kind, u32 index);

typedef struct ImageFunc {
    u32 type;
    u32 text_offset, text_bytes; // ID_NONE and 0 for imports
    u32 funcref;                 // slot in the context, ID_NONE if it cannot escape or is imported
    bool has_no_frame;           // never pushes the frame pointer: rbp is the caller's throughout
} ImageFunc;
// By function index, imports included. Beyond the count, or when the code would not lie in the
// text: no code, like an import.
ImageFunc image_func(const Image *image, u32 func);
// The function of a funcref slot; ID_NONE beyond the count.
u32 image_funcref(const Image *image, u32 slot);
// From the name section, else of its first export, else empty.
Str image_func_name(const Image *image, u32 func);

typedef struct ImageTableInfo {
    TableType type;
    bool is_frozen;
    u64 entries_offset; // of a frozen table: its ImageTableEntry records, in the file; else 0
} ImageTableInfo;
// Index spaces with imports.
ImageTableInfo image_table(const Image *image, u32 i);
// Zero for limits that Limits cannot hold (memory64).
Limits image_memory(const Image *image, u32 i);

typedef struct ImageGlobal {
    GlobalType type;
    ConstExpr init; // not for imports
} ImageGlobal;
ImageGlobal image_global(const Image *image, u32 i);

typedef struct ImageElem {
    SegmentMode mode;
    ValType type;
    u32 table;
    bool is_in_frozen_table; // active, and already part of the image's table: nothing to do
    bool is_lazy;            // active; items are functions or null, which are made when used
    ConstExpr offset;
    u32 first_item, count;
} ImageElem;
ImageElem image_elem(const Image *image, u32 i);
ConstExpr image_elem_item(const Image *image, u32 item);

typedef struct ImageData {
    SegmentMode mode;
    u32 memory;
    ConstExpr offset;
    Str bytes;            // in the mapping
    bool is_in_snapshot; // active, and already part of the memory snapshot: nothing to copy; where
                         // segments overlap, `bytes` shows the last one's
} ImageData;
ImageData image_data(const Image *image, u32 i);

// Initial contents of memory 0 that can be mapped copy-on-write: `bytes` bytes of the file at
// `file_offset` (both multiples of 4096) belong at memory address `address` (a multiple of 4096),
// if the memory holds zeros; it may be imported. Exists only when every active segment has a
// constant offset inside the initial size. False: none.
typedef struct ImageSnapshot {
    u64 file_offset, bytes, address;
} ImageSnapshot;
bool image_snapshot(const Image *image, ImageSnapshot *out);

// .eh_frame, as .eh_frame_hdr says; NULL without a header that says it.
const u8 *image_eh_frame(const Image *image, u64 *bytes);

// ---- Code positions ---------------------------------------------------------------------------

// Function (index space with imports) that contains a text offset; ID_NONE for stubs and padding.
// O(log n), no allocation, safe in a signal handler; so are those below.
u32 image_func_at(const Image *image, u32 text_offset);
// Trap of the instruction that starts exactly at text_offset.
bool image_trap_at(const Image *image, u32 text_offset, TrapKind *kind);
// WebAssembly offset (in the module) recorded for a trapping instruction or a call. A call is found
// by its return address minus 1, its last byte: the return address itself may be the place of
// another instruction that traps. For the same reason image_func_at wants that offset.
bool image_wasm_offset_at(const Image *image, u32 text_offset, u32 *wasm_offset);
// Whether a position that is neither trap nor call is there: in an image that has one for every
// WebAssembly instruction, the start of one's code.
bool image_instruction_starts(const Image *image, u32 text_offset);
// WebAssembly offset of the instruction whose code has the byte at text_offset (of a function's
// beginning: of its body). Only of images that have a position for every instruction.
bool image_instruction_at(const Image *image, u32 text_offset, u32 *wasm_offset);

// ---- Stack maps -------------------------------------------------------------------------------

// Slots of a frame that hold externrefs.
typedef struct ImageRefs {
    ImageTable slots; // private to image/, as what follows
    u32 list, homes, base;
} ImageRefs;
// Those of a frame whose function calls: text_offset is the return address minus 1. False: none.
// O(log n), no allocation, safe in a signal handler.
bool image_refs_at(const Image *image, u32 text_offset, ImageRefs *out);
// The next slot, as bytes from the frame pointer. False: there is none left. Operands come first,
// the newest one first, then locals.
bool image_refs_next(ImageRefs *refs, i32 *frame_offset);
// How many such calls the image says it has, and elements of lists of slots, which they share.
// False: none.
bool image_refs_count(const Image *image, u32 *calls, u32 *slots);

#endif
