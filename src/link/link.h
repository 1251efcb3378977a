// The linker: places blobs, resolves their fixups, writes every section of the image.
// docs/image-format.md is drawn from here.
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include "base/error.h"
#include "isa/code_target.h"
#include "link/blob.h"
#include "types/module.h"
#include "types/platform.h"
#include "types/vmctx.h"

enum { LINK_MAX_FUNC_ALIGN = 4096 }; // what mapping an image keeps

// Where functions stand. All zero: one behind the other by index, as close as alignment allows.
typedef struct LinkLayout {
    u32 func_align;     // of those whose compiler has no wish: a power of two up to
                        // LINK_MAX_FUNC_ALIGN; 0: the target's default
    u32 func_padding;   // bytes between functions, not written: a hole in the file
    u64 shuffle_seed;   // another order for each seed; 0: by index
    bool force_veneers; // every call between functions goes through a veneer
} LinkLayout;

// Whose WebAssembly offsets the image has. ALL: the compiler has made a site of every instruction.
typedef enum AddressMap { ADDRESS_MAP_SITES, ADDRESS_MAP_NONE, ADDRESS_MAP_ALL } AddressMap;

typedef struct LinkInput {
    const Module *module;
    VmShape shape;
    const u32 *funcref_slots; // per function (index space with imports): slot or ID_NONE
    const u32 *canonical_types; // per type: the first one that is equal
    u64 frozen_tables;        // bit per table below 64
    u32 lazy_elems;           // bit per element segment below 32: STORED_IS_LAZY
    const CodeTarget *target; // that the code is for
    PlatformId platform;
    const CodeBlob *blobs;    // defined functions by index, all; then entry stubs, then exit stubs,
                              // those that are needed, by type; equal types share those of the
                              // first of them; then BLOB_START, if there is one
    u32 blob_count;
    CodeOutput *outputs; // by CodeBlob.worker; emptied as they are written
    u32 output_count;
    AddressMap address_map;
    u64 cpu_features; // that the code needs: types/cpu.h
    const char *producer;  // program and compiler, for .comment; NULL: none
    LinkLayout layout;
} LinkInput;

typedef struct LinkStats {
    u64 text_bytes, padding_bytes, image_bytes; // padding is part of the text
} LinkStats;

// Writes the image to `fd` from offset 0, truncating nothing: an empty file. The same bytes for the
// same input, however blobs are spread over outputs. Time and memory O(input); the text is not
// copied. Calls that do not reach go through veneers, in islands between functions. ERR_LIMIT
// (image beyond 4 GiB, for Windows 2; "function F: reference to data out of range", and calls out
// of functions that are larger than calls reach), ERR_IO, ERR_NO_MEMORY; ERR_INTERNAL if the input
// contradicts itself.
bool link_image(const LinkInput *input, int fd, LinkStats *stats, Error *err);

#endif
