// The linker: places blobs, resolves their fixups, writes every section of the image.
// docs/image-format.md is drawn from here.
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include "base/error.h"
#include "link/blob.h"
#include "types/module.h"
#include "types/vmctx.h"

typedef struct LinkInput {
    const Module *module;
    VmShape shape;
    const u32 *funcref_slots; // per function (index space with imports): slot or ID_NONE
    u64 frozen_tables;        // bit per table below 64
    const CodeBlob *blobs;    // defined functions by index, all; then entry stubs, then exit stubs,
                              // those that are needed, by type; equal types share those of the
                              // first of them
    u32 blob_count;
    CodeOutput *outputs; // by CodeBlob.worker; code is patched and sites are sorted in place
    u32 output_count;
    bool omit_address_map;
    u64 cpu_features; // that the code needs: types/cpu.h
    const char *producer;  // program and compiler, for .comment; NULL: none
    u32 func_padding; // tests: bytes between functions, not written (a hole), 0: none
} LinkInput;

typedef struct LinkStats {
    u64 text_bytes, image_bytes;
} LinkStats;

// Writes the image to `fd` from offset 0, truncating nothing: an empty file. The same bytes for the
// same input, however blobs are spread over outputs. Time and memory O(input); the text is not
// copied. ERR_LIMIT (text or image beyond 2 GiB: "function F: call to G out of range"), ERR_IO,
// ERR_NO_MEMORY; ERR_INTERNAL if the input contradicts itself.
bool link_image(const LinkInput *input, int fd, LinkStats *stats, Error *err);

#endif
