// The loaded part of the image is one section, so that all distances in it stay as they are. It is
// a code section, since part of it is code; imago_image_open_mapped takes the right to execute from
// the rest. For unwinders and debuggers the linker is given what it puts together for the program:
// .eh_frame, whose references to code become relocations, and symbols.
//
//     .text.imago      image up to the end of its last segment, at a multiple of 4096
//     .eh_frame        of the image, without its end
//     .rela.eh_frame   where the code of each entry is
//     .symtab          the functions, local; the image's symbol, global
#include "emit/object.h"

#include <elf.h>

#include "base/str.h"
#include "image/format.h"
#include "image/sections.h"

typedef enum ObjectSection {
    NONE,
    TEXT,
    FRAMES,
    RELOCATIONS,
    SYMBOLS,
    STRINGS,
    NAMES,
    STACK,
    SECTION_COUNT
} ObjectSection;

static const struct {
    const char *name;
    u32 type;
    u64 flags;
    u32 link, info;
    u64 align, entry_bytes;
} ROWS[SECTION_COUNT] = {
    [NONE] = {"", SHT_NULL, 0, 0, 0, 0, 0},
    [TEXT] = {".text.imago", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0, 0, IMAGE_PAGE_BYTES, 0},
    [FRAMES] = {".eh_frame", SHT_PROGBITS, SHF_ALLOC, 0, 0, 8, 0},
    [RELOCATIONS] = {".rela.eh_frame", SHT_RELA, SHF_INFO_LINK, SYMBOLS, FRAMES, 8,
                     sizeof(Elf64_Rela)},
    [SYMBOLS] = {".symtab", SHT_SYMTAB, 0, STRINGS, 0, 8, sizeof(Elf64_Sym)},
    [STRINGS] = {".strtab", SHT_STRTAB, 0, 0, 0, 1, 0},
    [NAMES] = {".shstrtab", SHT_STRTAB, 0, 0, 0, 1, 0},
    [STACK] = {".note.GNU-stack", SHT_PROGBITS, 0, 0, 0, 1, 0},
};

enum { TEXT_SYMBOL = 1 }; // of the section; relocations count from it

typedef struct Object {
    const Image *image;
    Writer sections[SECTION_COUNT];
    u32 local_count; // symbols
    u32 name_at[SECTION_COUNT];
} Object;

static void write_text(Object *object) {
    Writer *w = &object->sections[TEXT];
    write_bytes(w, object->image->bytes, image_loaded_bytes(object->image->bytes));
    write_align(w, IMAGE_PAGE_BYTES);
}

// ---- .eh_frame ---------------------------------------------------------------------------------

// Fields of an entry, from its start. Distances in it have 4 bytes, or all 8 (format of the image).
enum { CIE_AT = 4, CODE_AT = 8 };

static void write_relocation(Writer *w, u64 field, u64 code, bool is_far) {
    const u32 type = is_far ? R_X86_64_PC64 : R_X86_64_PC32;
    const Elf64_Rela relocation = {
        .r_offset = field, .r_info = ELF64_R_INFO(TEXT_SYMBOL, type), .r_addend = (i64)code};
    write_bytes(w, &relocation, sizeof relocation);
}

static void write_frames(Object *object) {
    enum { DATAREL_SDATA8 = 0x3C, ENCODING_AT = 3 };
    const Image *image = object->image;
    ImageSection frames, header;
    if (!image_section_find(image, STR(".eh_frame"), &frames) ||
        !image_section_find(image, STR(".eh_frame_hdr"), &header) || header.bytes <= ENCODING_AT) {
        return;
    }
    const bool is_far = image->bytes[header.offset + ENCODING_AT] == DATAREL_SDATA8;
    const u8 *bytes = image->bytes + frames.offset;
    u64 at = 0;
    while (range_fits(at, CODE_AT + 8, frames.bytes)) {
        const u64 entry_bytes = 4 + (u64)load_u32(bytes + at);
        const bool is_cie = load_u32(bytes + at + CIE_AT) == 0;
        if (entry_bytes <= CODE_AT || !range_fits(at, entry_bytes, frames.bytes)) {
            break; // the end
        }
        if (!is_cie) {
            const u8 *field = bytes + at + CODE_AT;
            const u64 distance = is_far ? load_u64(field) : (u64)(i64)(i32)load_u32(field);
            write_relocation(&object->sections[RELOCATIONS], at + CODE_AT,
                             frames.offset + at + CODE_AT + distance, is_far);
        }
        at += entry_bytes;
    }
    write_bytes(&object->sections[FRAMES], bytes, at);
}

// ---- Symbols -----------------------------------------------------------------------------------

static void write_symbol(Object *object, u32 name, u8 info, u64 value, u64 bytes) {
    const Elf64_Sym symbol = {
        .st_name = name, .st_info = info, .st_shndx = TEXT, .st_value = value, .st_size = bytes};
    write_bytes(&object->sections[SYMBOLS], &symbol, sizeof symbol);
}

// The image's, with their names.
static void copy_symbols(Object *object) {
    const Image *image = object->image;
    ImageSection table;
    if (!image_section_find(image, STR(".symtab"), &table)) {
        write_u8(&object->sections[STRINGS], 0);
        return;
    }
    const ImageSection names = image_section(image, table.link);
    write_bytes(&object->sections[STRINGS], image->bytes + names.offset, names.bytes);
    for (u64 at = sizeof(Elf64_Sym); at + sizeof(Elf64_Sym) <= table.bytes;
         at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        memcpy(&symbol, image->bytes + table.offset + at, sizeof symbol);
        write_symbol(object, symbol.st_name, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), symbol.st_value,
                     symbol.st_size);
    }
}

static void write_symbols(Object *object, const char *symbol) {
    Writer *strings = &object->sections[STRINGS];
    write_zeros(&object->sections[SYMBOLS], sizeof(Elf64_Sym));
    write_symbol(object, 0, ELF64_ST_INFO(STB_LOCAL, STT_SECTION), 0, 0);
    copy_symbols(object);
    object->local_count = (u32)(object->sections[SYMBOLS].count / sizeof(Elf64_Sym));
    const u32 name = (u32)strings->count;
    write_bytes(strings, symbol, strlen(symbol) + 1);
    write_symbol(object, name, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0,
                 object->sections[TEXT].count);
}

// ---- The file ----------------------------------------------------------------------------------

static void write_names(Object *object) {
    Writer *w = &object->sections[NAMES];
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        object->name_at[i] = (u32)w->count;
        write_bytes(w, ROWS[i].name, strlen(ROWS[i].name) + 1);
    }
}

static void write_header(u64 sections_at, Writer *out) {
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_REL,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_shoff = sections_at,
        .e_ehsize = sizeof header,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SECTION_COUNT,
        .e_shstrndx = NAMES,
    };
    write_bytes(out, &header, sizeof header);
}

static void write_file(const Object *object, Writer *out) {
    u64 places[SECTION_COUNT] = {0};
    u64 at = sizeof(Elf64_Ehdr);
    for (u32 i = NONE + 1; i < SECTION_COUNT; i++) {
        places[i] = align_up(at, ROWS[i].align);
        at = places[i] + object->sections[i].count;
    }
    write_header(align_up(at, 8), out);
    for (u32 i = NONE + 1; i < SECTION_COUNT; i++) {
        write_align(out, ROWS[i].align);
        write_bytes(out, object->sections[i].at, object->sections[i].count);
    }
    write_align(out, 8);
    for (u32 i = NONE; i < SECTION_COUNT; i++) {
        const Elf64_Shdr header = {
            .sh_name = object->name_at[i],
            .sh_type = ROWS[i].type,
            .sh_flags = ROWS[i].flags,
            .sh_offset = places[i],
            .sh_size = object->sections[i].count,
            .sh_link = ROWS[i].link,
            .sh_info = i == SYMBOLS ? object->local_count : ROWS[i].info,
            .sh_addralign = ROWS[i].align,
            .sh_entsize = ROWS[i].entry_bytes,
        };
        write_bytes(out, &header, sizeof header);
    }
}

void emit_object(const Image *image, const char *symbol, Writer *out) {
    Object object = {.image = image};
    write_text(&object);
    write_frames(&object);
    write_symbols(&object, symbol);
    write_names(&object);
    write_file(&object, out);
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        out->failed |= object.sections[i].failed;
        writer_free(&object.sections[i]);
    }
}
