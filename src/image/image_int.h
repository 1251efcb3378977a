// Access to the records of a mapped image, inside image/.
#ifndef IMAGE_IMAGE_INT_H
#define IMAGE_IMAGE_INT_H

#include "image/format.h"
#include "image/image.h"
#include "image/pe_format.h"

// What the headers of ELF or PE say about a file; ranges lie inside the file.
typedef struct ImageParts {
    u64 exec_offset, exec_bytes; // of the executable segment's contents
    u64 note_offset, note_bytes; // our header
    u64 dynamic_offset;      // of the dynamic section, 0: none
    u64 frame_header_offset; // of .eh_frame_hdr, 0: none
} ImageParts;

// Where to read a range of the file, which lies inside it.
static inline const u8 *file_at(const ImageFile *file, u64 offset, u64 bytes) {
    return (range_fits(offset, bytes, file->head_bytes) ? file->head : file->bytes) + offset;
}

// True if the file starts with the ELF header of a 64-bit shared object.
bool elf_has_magic(const void *bytes, usize count);
// Checks ELF header, program headers, dynamic section and section headers. ERR_IMAGE.
bool elf_check(const ImageFile *file, ImageParts *out, Error *err);

// True if the file starts as the linker starts images for Windows.
bool pe_has_magic(const ImageFile *file);
// Of such a file: the headers, and what elf_check does.
void pe_headers(const ImageFile *file, PeHeaders *out);
bool pe_check(const ImageFile *file, ImageParts *out, Error *err);

// Whichever it is; sets *platform.
bool parts_check(const ImageFile *file, PlatformId *platform, ImageParts *out, Error *err);

// Copies record `i` to *out, which has the table's item_bytes. Beyond the count: zeros, and false.
static inline bool record_load(const ImageTable *table, u32 i, void *out) {
    if (i >= table->count) {
        memset(out, 0, table->item_bytes);
        return false;
    }
    memcpy(out, table->at + (usize)i * table->item_bytes, table->item_bytes);
    return true;
}

// A string of the string table; empty if it does not lie inside, or is not followed by zero.
static inline Str string_at(const Image *image, u32 offset, u32 bytes) {
    if (!range_fits(offset, (u64)bytes + 1, image->string_bytes) ||
        image->strings[(u64)offset + bytes] != 0) {
        return (Str){"", 0};
    }
    return (Str){(const char *)image->strings + offset, bytes};
}

#endif
