// The PE view of an image, which is the form for Windows. What we accept is narrower than PE: the
// headers stand where the linker puts them, and a section's address is its offset in the file.
#include "image/image_int.h"
#include "image/pe_format.h"

#define DAMAGED(err, where, ...) fail(err, IMAGE, (where), "damaged image: " __VA_ARGS__)

// Of our header, in note form, behind the build-id's note.
enum {
    NOTE_AT = PE_AT + sizeof(PeHeaders) + 16 + IMAGE_BUILD_ID_BYTES,
    HEADER_AT = NOTE_AT + 12 + 8,
};

static bool has_note(const u8 *note) {
    return load_u32(note) == sizeof IMAGE_NOTE_NAME && load_u32(note + 8) == IMAGE_NOTE_TYPE &&
           memcmp(note + 12, IMAGE_NOTE_NAME, sizeof IMAGE_NOTE_NAME) == 0;
}

bool pe_has_magic(const ImageFile *file) {
    return file->count >= HEADER_AT + sizeof(StoredHeader) &&
           memcmp(file_at(file, 0, 2), PE_DOS_MAGIC, 2) == 0 &&
           load_u32(file_at(file, PE_AT_FIELD, 4)) == PE_AT &&
           memcmp(file_at(file, PE_AT, 4), PE_SIGNATURE, 4) == 0 &&
           has_note(file_at(file, NOTE_AT, HEADER_AT - NOTE_AT));
}

void pe_headers(const ImageFile *file, PeHeaders *out) {
    memcpy(out, file_at(file, PE_AT, sizeof *out), sizeof *out);
}

static bool check_section(const PeHeaders *headers, u32 i, const ImageFile *file, ImageParts *out,
                          Error *err) {
    const PeSection *section = &headers->sections[i];
    const u64 where = PE_AT + offsetof(PeHeaders, sections) + i * sizeof *section;
    if ((section->flags & PE_SECTION_WRITE) != 0) {
        return DAMAGED(err, where, "section %u is writable", i);
    }
    if (section->address != section->file_at || section->memory_bytes > section->file_bytes) {
        return DAMAGED(err, where, "section %u is not mapped as it lies in the file", i);
    }
    if (!range_fits(section->file_at, section->file_bytes, file->count)) {
        return DAMAGED(err, where, "section %u lies beyond the end of the file", i);
    }
    if ((section->flags & PE_SECTION_EXECUTE) == 0) {
        return true;
    }
    if (out->exec_bytes != 0) {
        return DAMAGED(err, where, "a second executable section");
    }
    out->exec_offset = section->file_at;
    out->exec_bytes = section->memory_bytes;
    return true;
}

bool pe_check(const ImageFile *file, ImageParts *out, Error *err) {
    PeHeaders headers;
    pe_headers(file, &headers);
    *out = (ImageParts){
        .note_offset = HEADER_AT,
        .note_bytes = load_u32(file_at(file, NOTE_AT + 4, 4)),
    };
    if (headers.file.machine != PE_MACHINE_X86_64) {
        return fail(err, IMAGE, PE_AT + offsetof(PeHeaders, file),
                    "file is for PE machine 0x%x, this library knows 0x%x (x86-64)",
                    headers.file.machine, PE_MACHINE_X86_64);
    }
    if (headers.file.section_count > PE_MAX_SECTIONS ||
        !range_fits(HEADER_AT, out->note_bytes, file->count)) {
        return DAMAGED(err, PE_AT, "headers that no image has");
    }
    for (u32 i = 0; i < headers.file.section_count; i++) {
        TRY(check_section(&headers, i, file, out, err));
    }
    return true;
}
