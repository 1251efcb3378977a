#include "image/sections.h"

#include <elf.h>

#include "image/build_id.h"
#include "image/image_int.h"

static ImageTable elf_section_headers(const Image *image) {
    Elf64_Ehdr header;
    memcpy(&header, image->bytes, sizeof header);
    const ImageTable none = {image->bytes, 0, sizeof(Elf64_Shdr)};
    const u64 bytes = (u64)header.e_shnum * sizeof(Elf64_Shdr);
    if (header.e_shoff == 0 || !range_fits(header.e_shoff, bytes, image->byte_count)) {
        return none;
    }
    return (ImageTable){image->bytes + header.e_shoff, header.e_shnum, sizeof(Elf64_Shdr)};
}

static bool has_contents(const Image *image, const Elf64_Shdr *header) {
    return header->sh_type != SHT_NULL && header->sh_type != SHT_NOBITS &&
           range_fits(header->sh_offset, header->sh_size, image->byte_count);
}

static PeHeaders headers_of_pe(const Image *image) {
    PeHeaders headers;
    pe_headers(&(ImageFile){.bytes = image->bytes, .count = image->byte_count}, &headers);
    return headers;
}

// Counts from 1, as ELF does.
static ImageSection pe_section(const Image *image, u32 i) {
    const PeHeaders headers = headers_of_pe(image);
    if (i == 0 || i > headers.file.section_count) {
        return (ImageSection){.name = {"", 0}};
    }
    const u64 at = PE_AT + offsetof(PeHeaders, sections) + (i - 1) * sizeof(PeSection);
    const char *name = (const char *)image->bytes + at;
    const PeSection *section = &headers.sections[i - 1];
    return (ImageSection){
        .name = {name, strnlen(name, sizeof section->name)},
        .type = SHT_PROGBITS,
        .flags = SHF_ALLOC | ((section->flags & PE_SECTION_EXECUTE) != 0 ? SHF_EXECINSTR : 0),
        .offset = section->file_at,
        .bytes = section->memory_bytes,
    };
}

u32 image_section_count(const Image *image) {
    return image->platform == PLATFORM_X86_64_WINDOWS ? headers_of_pe(image).file.section_count + 1u
                                                      : elf_section_headers(image).count;
}

static Str section_name(const Image *image, const ImageTable *headers, u32 offset) {
    Elf64_Shdr names;
    const u32 index = load_u16(image->bytes + offsetof(Elf64_Ehdr, e_shstrndx));
    if (!record_load(headers, index, &names) || !has_contents(image, &names) ||
        offset >= names.sh_size) {
        return (Str){"", 0};
    }
    const char *at = (const char *)image->bytes + names.sh_offset + offset;
    return (Str){at, strnlen(at, (usize)(names.sh_size - offset))};
}

ImageSection image_section(const Image *image, u32 i) {
    if (image->platform == PLATFORM_X86_64_WINDOWS) {
        return pe_section(image, i);
    }
    const ImageTable headers = elf_section_headers(image);
    Elf64_Shdr header;
    if (!record_load(&headers, i, &header)) {
        return (ImageSection){.name = {"", 0}};
    }
    const bool is_there = has_contents(image, &header);
    return (ImageSection){
        .name = section_name(image, &headers, header.sh_name),
        .type = header.sh_type,
        .link = header.sh_link,
        .flags = header.sh_flags,
        .offset = is_there ? header.sh_offset : 0,
        .bytes = is_there ? header.sh_size : 0,
    };
}

bool image_section_find(const Image *image, Str name, ImageSection *out) {
    const u32 count = image_section_count(image);
    for (u32 i = 1; i < count; i++) {
        *out = image_section(image, i);
        if (str_equal(out->name, name)) {
            return true;
        }
    }
    return false;
}

bool image_build_id(const Image *image, u8 out[IMAGE_BUILD_ID_BYTES]) {
    u64 offset;
    TRY(build_id_find(image->bytes, image->byte_count, &offset, NULL));
    memcpy(out, image->bytes + offset, IMAGE_BUILD_ID_BYTES);
    return true;
}

bool image_text_padding(const Image *image, u64 *bytes) {
    ImageSection section;
    TRY(image_section_find(image, STR(".symtab"), &section) && section.type == SHT_SYMTAB);
    *bytes = image->text_bytes;
    for (u64 at = 0; at + sizeof(Elf64_Sym) <= section.bytes; at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        memcpy(&symbol, image->bytes + section.offset + at, sizeof symbol);
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) {
            TRY(symbol.st_size <= *bytes);
            *bytes -= symbol.st_size;
        }
    }
    return true;
}

Str image_producer(const Image *image) {
    ImageSection comment;
    if (!image_section_find(image, STR(".comment"), &comment)) {
        return (Str){"", 0};
    }
    const char *at = (const char *)image->bytes + comment.offset;
    return (Str){at, strnlen(at, comment.bytes)};
}
