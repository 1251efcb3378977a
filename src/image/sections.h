// Section headers and build-id: what tools show of an image, and what nothing needs to run it.
#ifndef IMAGE_SECTIONS_H
#define IMAGE_SECTIONS_H

#include "image/format.h"
#include "image/image.h"

typedef struct ImageSection {
    Str name; // borrowed; empty if it has none
    u32 type; // SHT_... of <elf.h>
    u32 link; // section of a symbol table's names
    u64 flags, offset, bytes;
} ImageSection;

// With the null section at 0; 0: the file has no section headers.
u32 image_section_count(const Image *image);
// i below the count, else a zero record. The contents lie inside the file.
ImageSection image_section(const Image *image, u32 i);
// The first of that name. False: none. O(sections).
bool image_section_find(const Image *image, Str name, ImageSection *out);

// False: there is none before the header.
bool image_build_id(const Image *image, u8 out[IMAGE_BUILD_ID_BYTES]);
// How much of the text no symbol of .symtab covers: padding between functions. False: there are no
// symbols, or wrong ones. O(symbols).
bool image_text_padding(const Image *image, u64 *bytes);
// What made the image, as .comment says it; empty if that is not recorded.
Str image_producer(const Image *image);

#endif
