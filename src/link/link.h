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
    const CodeBlob *blobs;    // functions by index, then entry stubs, then exit stubs, by type
    u32 blob_count;
    CodeOutput *outputs; // by CodeBlob.worker; code bytes are patched in place
    u32 output_count;
    bool omit_address_map;
    u32 func_padding; // tests: bytes between functions, 0: none
} LinkInput;

typedef struct LinkStats {
    u64 text_bytes, image_bytes;
} LinkStats;

// Writes the image to `fd` from offset 0, truncating nothing. The same bytes for the same input,
// however blobs are spread over outputs.
// ERR_LIMIT (text or image beyond 2 GiB: "function F: call to G out of range"), ERR_IO, ERR_NO_MEMORY.
bool link_image(const LinkInput *input, int fd, LinkStats *stats, Error *err);

#endif
