// The ELF view of an image. What we accept is narrower than ELF: one file that is mapped as it
// lies, so that offsets are addresses, nothing is writable, and nobody has to relocate or run
// anything before it is used. What a tool may have done to an image since (strip, objcopy) stays
// acceptable.
#include <elf.h>

#include "image/image_int.h"

#ifndef SHT_RELR // musl 1.2.3 does not name them yet
#define SHT_RELR 19
#define DT_RELR 36
#endif

typedef struct ElfCheck {
    const ImageFile *file;
    Elf64_Ehdr header;
    u64 loaded_end; // of the last PT_LOAD, in pages for the executable one
    u32 load_count, exec_count;
    bool has_note;
    ImageParts *parts;
    Error *err;
} ElfCheck;

bool elf_has_magic(const void *bytes, usize count) {
    const u8 *p = bytes;
    return count >= sizeof(Elf64_Ehdr) && memcmp(p, ELFMAG, SELFMAG) == 0 &&
           p[EI_CLASS] == ELFCLASS64 && load_u16(p + offsetof(Elf64_Ehdr, e_type)) == ET_DYN;
}

#define DAMAGED(check, where, ...) fail((check)->err, IMAGE, (where), "damaged image: " __VA_ARGS__)

static bool check_header(ElfCheck *check) {
    Elf64_Ehdr *header = &check->header;
    if (check->file->count < SELFMAG ||
        memcmp(file_at(check->file, 0, SELFMAG), ELFMAG, SELFMAG) != 0) {
        return fail(check->err, IMAGE, 0, "not an Imago image: no ELF header");
    }
    if (check->file->count < sizeof *header) {
        return DAMAGED(check, check->file->count, "the file ends inside the ELF header");
    }
    memcpy(header, file_at(check->file, 0, sizeof *header), sizeof *header);
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT) {
        return fail(check->err, IMAGE, EI_CLASS,
                    "not an Imago image: not a 64-bit little-endian ELF file");
    }
    if (header->e_type != ET_DYN) {
        return fail(check->err, IMAGE, offsetof(Elf64_Ehdr, e_type),
                    "not an Imago image: ELF type %u, expected %u (shared object)", header->e_type,
                    ET_DYN);
    }
    if (header->e_machine != EM_X86_64) {
        return fail(check->err, IMAGE, offsetof(Elf64_Ehdr, e_machine),
                    "file is for ELF machine %u, this library runs code for %u (x86-64)",
                    header->e_machine, EM_X86_64);
    }
    return true;
}

// A program of the form that emit/standalone.c draws: behind the program headers, which start a
// page, come words up to an empty one, and at the next page an image.
static bool is_standalone(const ElfCheck *check) {
    const ImageFile *file = check->file;
    const Elf64_Ehdr *header = &check->header;
    if (header->e_phoff == 0 || header->e_phoff % IMAGE_PAGE_BYTES != 0) {
        return false;
    }
    u64 at = header->e_phoff + (u64)header->e_phnum * sizeof(Elf64_Phdr);
    while (at < file->count && file->bytes[at] != 0) {
        at += strnlen((const char *)file->bytes + at, (usize)(file->count - at)) + 1;
    }
    at = align_up(at + 1, IMAGE_PAGE_BYTES);
    return at < file->count && elf_has_magic(file->bytes + at, (usize)(file->count - at));
}

static bool check_load(ElfCheck *check, u32 i, u64 where, const Elf64_Phdr *segment) {
    if ((segment->p_flags & PF_W) != 0) {
        return DAMAGED(check, where, "segment %u is writable", i);
    }
    if (segment->p_vaddr != segment->p_offset || segment->p_memsz != segment->p_filesz) {
        return DAMAGED(check, where, "segment %u is not mapped as it lies in the file", i);
    }
    if (segment->p_offset < check->loaded_end) {
        return DAMAGED(check, where, "segment %u overlaps the one before", i);
    }
    check->loaded_end = segment->p_offset + segment->p_filesz;
    check->load_count++;
    if ((segment->p_flags & PF_X) == 0) {
        return true;
    }
    check->exec_count++;
    check->loaded_end = align_up(check->loaded_end, IMAGE_PAGE_BYTES);
    if (segment->p_offset % IMAGE_PAGE_BYTES != 0 || check->loaded_end > check->file->count) {
        return DAMAGED(check, where, "executable segment %u shares a page with others", i);
    }
    check->parts->exec_offset = segment->p_offset;
    check->parts->exec_bytes = segment->p_filesz;
    return true;
}

// Only what names symbols: anything else would want to be done at load.
static bool check_dynamic(ElfCheck *check, u64 offset, u64 bytes) {
    const u64 count = bytes / sizeof(Elf64_Dyn);
    if (count > IMAGE_MAX_DYNAMIC) {
        return DAMAGED(check, offset, "dynamic section of %llu entries", (unsigned long long)count);
    }
    for (u64 i = 0; i < count; i++) {
        const u64 where = offset + i * sizeof(Elf64_Dyn);
        const u64 tag = load_u64(file_at(check->file, where, 8));
        switch (tag) {
        case DT_NULL: return true;
        case DT_SONAME:
        case DT_SYMTAB:
        case DT_STRTAB:
        case DT_STRSZ:
        case DT_SYMENT:
        case DT_HASH:
        case DT_GNU_HASH: break;
        case DT_REL:
        case DT_RELA:
        case DT_JMPREL:
        case DT_TEXTREL:
        case DT_RELR: return DAMAGED(check, where, "it asks for relocation");
        default:
            return DAMAGED(check, where, "dynamic tag 0x%llx, which no image has",
                           (unsigned long long)tag);
        }
    }
    return true;
}

// Our header has the form of a note and stands behind the notes. It is not one of them, since
// eu-elflint takes a note of an owner that it does not know for an error.
static bool check_note(ElfCheck *check, u64 offset) {
    Elf64_Nhdr note;
    const u64 name = offset + sizeof note;
    const u64 contents = name + align_up(sizeof IMAGE_NOTE_NAME, 4);
    if (!range_fits(offset, contents - offset, check->file->count)) {
        return true;
    }
    memcpy(&note, file_at(check->file, offset, sizeof note), sizeof note);
    if (note.n_namesz != sizeof IMAGE_NOTE_NAME || note.n_type != IMAGE_NOTE_TYPE ||
        memcmp(file_at(check->file, name, sizeof IMAGE_NOTE_NAME), IMAGE_NOTE_NAME,
               sizeof IMAGE_NOTE_NAME) != 0) {
        return true;
    }
    if (!range_fits(contents, note.n_descsz, check->file->count)) {
        return DAMAGED(check, offset, "the header lies beyond the end of the file");
    }
    if (check->has_note) {
        return DAMAGED(check, offset, "a second header");
    }
    check->has_note = true;
    check->parts->note_offset = contents;
    check->parts->note_bytes = note.n_descsz;
    return true;
}

static bool check_segment(ElfCheck *check, u32 i) {
    Elf64_Phdr segment;
    const u64 where = check->header.e_phoff + i * sizeof segment;
    memcpy(&segment, file_at(check->file, where, sizeof segment), sizeof segment);
    if (!range_fits(segment.p_offset, segment.p_filesz, check->file->count)) {
        return DAMAGED(check, where, "segment %u lies beyond the end of the file", i);
    }
    switch (segment.p_type) {
    case PT_LOAD: return check_load(check, i, where, &segment);
    case PT_DYNAMIC:
        check->parts->dynamic_offset = segment.p_offset;
        return check_dynamic(check, segment.p_offset, segment.p_filesz);
    case PT_NOTE: return check_note(check, align_up(segment.p_offset + segment.p_filesz, 4));
    case PT_GNU_EH_FRAME: check->parts->frame_header_offset = segment.p_offset; return true;
    case PT_NULL:
    case PT_PHDR:
    case PT_GNU_PROPERTY: return true;
    case PT_GNU_STACK:
        return (segment.p_flags & PF_X) == 0 ||
               DAMAGED(check, where, "it asks for an executable stack");
    case PT_INTERP: return DAMAGED(check, where, "it names a program interpreter");
    default:
        return DAMAGED(check, where, "segment %u has type 0x%x, which no image has", i,
                       segment.p_type);
    }
}

static bool check_segments(ElfCheck *check) {
    const Elf64_Ehdr *header = &check->header;
    const u64 where = offsetof(Elf64_Ehdr, e_phoff);
    if (is_standalone(check)) {
        return fail(check->err, IMAGE, ERROR_NO_OFFSET,
                    "a stand-alone program, not an image: it runs by itself, and has only what "
                    "that takes of the image it was made of");
    }
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
        header->e_phnum > IMAGE_MAX_SEGMENTS) {
        return DAMAGED(check, where, "%u program headers of %u bytes", header->e_phnum,
                       header->e_phentsize);
    }
    if (!range_fits(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), check->file->count)) {
        return DAMAGED(check, where, "the program headers lie beyond the end of the file");
    }
    for (u32 i = 0; i < header->e_phnum; i++) {
        TRY(check_segment(check, i));
    }
    if (!check->has_note) {
        return fail(check->err, IMAGE, ERROR_NO_OFFSET,
                    "not an Imago image: an ELF file without an Imago header");
    }
    if (check->exec_count != 1) {
        return DAMAGED(check, ERROR_NO_OFFSET, "%u executable segments, expected 1",
                       check->exec_count);
    }
    return true;
}

static bool check_section(ElfCheck *check, u32 i) {
    Elf64_Shdr section;
    const u64 where = check->header.e_shoff + i * sizeof section;
    memcpy(&section, file_at(check->file, where, sizeof section), sizeof section);
    if (section.sh_type == SHT_REL || section.sh_type == SHT_RELA || section.sh_type == SHT_RELR) {
        return DAMAGED(check, where, "section %u holds relocations", i);
    }
    if (section.sh_type != SHT_NULL && section.sh_type != SHT_NOBITS &&
        !range_fits(section.sh_offset, section.sh_size, check->file->count)) {
        return DAMAGED(check, where, "section %u lies beyond the end of the file", i);
    }
    return true;
}

// Section headers are for tools; a file without them is fine.
static bool check_sections(ElfCheck *check) {
    const Elf64_Ehdr *header = &check->header;
    const u64 where = offsetof(Elf64_Ehdr, e_shoff);
    if (header->e_shoff == 0 || check->file->is_loaded_part) {
        return true;
    }
    if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shnum == 0 ||
        header->e_shnum > IMAGE_MAX_SECTIONS) {
        return DAMAGED(check, where, "%u section headers of %u bytes", header->e_shnum,
                       header->e_shentsize);
    }
    if (!range_fits(header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr), check->file->count)) {
        return DAMAGED(check, where, "the section headers lie beyond the end of the file");
    }
    for (u32 i = 0; i < header->e_shnum; i++) {
        TRY(check_section(check, i));
    }
    return true;
}

bool elf_check(const ImageFile *file, ImageParts *out, Error *err) {
    *out = (ImageParts){0};
    ElfCheck check = {.file = file, .parts = out, .err = err};
    TRY(check_header(&check));
    TRY(check_segments(&check));
    return check_sections(&check);
}

u64 image_declared_bytes(const void *head, u64 head_bytes) {
    Elf64_Ehdr header;
    if (!elf_has_magic(head, head_bytes)) {
        return 0;
    }
    memcpy(&header, head, sizeof header);
    const u64 sections_bytes = (u64)header.e_shnum * sizeof(Elf64_Shdr);
    if (header.e_shentsize != sizeof(Elf64_Shdr) ||
        !range_fits(header.e_shoff, sections_bytes, head_bytes)) {
        return 0;
    }
    u64 file_end = 0;
    u32 last_type = SHT_NULL;
    for (u32 i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;
        u64 end = 0;
        memcpy(&section, (const u8 *)head + header.e_shoff + i * sizeof section, sizeof section);
        if (section.sh_type != SHT_NOBITS && add_u64(section.sh_offset, section.sh_size, &end) &&
            end > file_end) {
            file_end = end;
            last_type = section.sh_type;
        }
    }
    return last_type == SHT_STRTAB && file_end <= IMAGE_MAX_BYTES ? file_end : 0;
}
