// The form for Linux: an ELF file. .dynamic and the headers.
//
//     R    ELF header, program headers, section headers, notes, .dynamic, tables, data
//     R X  .text                        page-aligned, alone in its pages
//     R    .eh_frame, .eh_frame_hdr     directly behind
//          .symtab, .comment, .shstrtab  not loaded
//
// What a loader reads stands in the first page: the section headers are there too, since it looks
// for relocations in them.
#include "link/link_int.h"

static const u32 DYNAMIC_TAGS[] = {DT_SONAME, DT_GNU_HASH, DT_STRTAB, DT_SYMTAB,
                                   DT_STRSZ,  DT_SYMENT,   DT_NULL};

// A prefix keeps the name apart from those of real libraries in the process.
static u32 soname(Linker *linker) {
    const u32 offset = (u32)linker->sections[SECTION_DYNSTR].count;
    const Str name = linker->module->name;
    write_bytes(&linker->sections[SECTION_DYNSTR], "imago:", 6);
    strings_append(linker, name);
    return offset;
}

static void write_section_names(Linker *linker) {
    Writer *w = &linker->sections[SECTION_SHSTRTAB];
    write_u8(w, 0);
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        if (SECTION_ROWS[i].type != SHT_NULL) {
            linker->section_name[i] = (u32)w->count;
            write_bytes(w, SECTION_ROWS[i].name, strlen(SECTION_ROWS[i].name) + 1);
        }
    }
}

static void fill(Linker *linker) {
    symbols_write(linker);
    Writer *dynamic = &linker->sections[SECTION_DYNAMIC];
    for (u32 i = 0; i < COUNT_OF(DYNAMIC_TAGS); i++) {
        write_u64(dynamic, DYNAMIC_TAGS[i]);
        write_u64(dynamic, DYNAMIC_TAGS[i] == DT_SONAME ? soname(linker) : 0);
    }
    const char *producer = linker->input->producer;
    if (producer != NULL) {
        write_bytes(&linker->sections[SECTION_COMMENT], producer, strlen(producer) + 1);
    }
    write_section_names(linker);
}

static bool fill_behind_text(Linker *linker) {
    unwind_write(linker, align_up(linker->text_bytes, IMAGE_PAGE_BYTES));
    return true;
}

static u64 header_bytes(const Linker *linker) {
    return sizeof(Elf64_Ehdr) + ELF_SEGMENT_COUNT * sizeof(Elf64_Phdr) +
           linker->section_count * sizeof(Elf64_Shdr);
}

static u64 dynamic_value(const Linker *linker, u32 tag) {
    switch (tag) {
    case DT_GNU_HASH: return linker->section_at[SECTION_GNU_HASH];
    case DT_STRTAB: return linker->section_at[SECTION_DYNSTR];
    case DT_SYMTAB: return linker->section_at[SECTION_DYNSYM];
    case DT_STRSZ: return linker->section_bytes[SECTION_DYNSTR];
    case DT_SYMENT: return sizeof(Elf64_Sym);
    default: return 0;
    }
}

static void finish(Linker *linker) {
    u8 *dynamic = linker->sections[SECTION_DYNAMIC].at;
    for (u32 i = 0; i < COUNT_OF(DYNAMIC_TAGS); i++) {
        if (DYNAMIC_TAGS[i] != DT_SONAME) {
            store_u64(dynamic + i * sizeof(Elf64_Dyn) + 8, dynamic_value(linker, DYNAMIC_TAGS[i]));
        }
    }
    symbols_relocate(linker);
}

// From the start of one section to the end of another.
static Elf64_Phdr segment_of(const Linker *linker, u32 type, u32 flags, SectionId first,
                             SectionId last, u64 align) {
    const u64 start = linker->section_at[first];
    const u64 bytes = linker->section_at[last] + linker->section_bytes[last] - start;
    return (Elf64_Phdr){
        .p_type = type,
        .p_flags = flags,
        .p_offset = start,
        .p_vaddr = start,
        .p_paddr = start,
        .p_filesz = bytes,
        .p_memsz = bytes,
        .p_align = align,
    };
}

static void write_segments(const Linker *linker, Writer *out) {
    const SectionId last = layout_last(linker, SECTION_BUILD_ID, SECTION_DATA); // before .text
    Elf64_Phdr first = segment_of(linker, PT_LOAD, PF_R, SECTION_BUILD_ID, last, IMAGE_PAGE_BYTES);
    first.p_filesz += first.p_offset;
    first.p_memsz = first.p_filesz;
    first.p_offset = first.p_vaddr = first.p_paddr = 0;
    const Elf64_Phdr segments[ELF_SEGMENT_COUNT] = {
        first,
        segment_of(linker, PT_LOAD, PF_R | PF_X, SECTION_TEXT, SECTION_TEXT, IMAGE_PAGE_BYTES),
        segment_of(linker, PT_LOAD, PF_R, SECTION_EH_FRAME, SECTION_EH_FRAME_HDR,
                   IMAGE_PAGE_BYTES),
        segment_of(linker, PT_DYNAMIC, PF_R, SECTION_DYNAMIC, SECTION_DYNAMIC, 8),
        segment_of(linker, PT_NOTE, PF_R, SECTION_BUILD_ID, SECTION_BUILD_ID, 4),
        segment_of(linker, PT_GNU_EH_FRAME, PF_R, SECTION_EH_FRAME_HDR, SECTION_EH_FRAME_HDR, 4),
        {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16},
    };
    write_bytes(out, segments, sizeof segments);
}

static void write_section_header(const Linker *linker, u32 i, Writer *out) {
    const u16 *index = linker->section_index;
    const bool uses_strings = i == SECTION_DYNAMIC || i == SECTION_DYNSYM;
    const u64 symbol_count = linker->section_bytes[i] / sizeof(Elf64_Sym);
    const Elf64_Shdr header = {
        .sh_name = linker->section_name[i],
        .sh_type = SECTION_ROWS[i].type,
        .sh_flags = SECTION_ROWS[i].flags,
        .sh_addr = (SECTION_ROWS[i].flags & SHF_ALLOC) != 0 ? linker->section_at[i] : 0,
        .sh_offset = linker->section_at[i],
        .sh_size = linker->section_bytes[i],
        .sh_link = uses_strings             ? index[SECTION_DYNSTR]
                   : i == SECTION_SYMTAB   ? index[SECTION_STRTAB]
                   : i == SECTION_GNU_HASH ? index[SECTION_DYNSYM]
                                           : 0,
        // First symbol that is not local.
        .sh_info = i == SECTION_DYNSYM ? 1 : i == SECTION_SYMTAB ? (u32)symbol_count : 0,
        .sh_addralign = SECTION_ROWS[i].align,
        .sh_entsize = SECTION_ROWS[i].entry_bytes,
    };
    write_bytes(out, &header, sizeof header);
}

static void headers_write(const Linker *linker, Writer *out) {
    const u64 segments_end = sizeof(Elf64_Ehdr) + ELF_SEGMENT_COUNT * sizeof(Elf64_Phdr);
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = linker->start_at == ID_NONE
                       ? 0
                       : linker->section_at[SECTION_TEXT] + linker->start_at,
        .e_phoff = sizeof header,
        .e_shoff = segments_end,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = ELF_SEGMENT_COUNT,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = linker->section_count,
        .e_shstrndx = linker->section_index[SECTION_SHSTRTAB],
    };
    write_bytes(out, &header, sizeof header);
    write_segments(linker, out);
    write_zeros(out, sizeof(Elf64_Shdr));
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        if (linker->section_index[i] != 0) {
            write_section_header(linker, i, out);
        }
    }
}

const Container ELF_CONTAINER = {
    .max_bytes = IMAGE_MAX_BYTES,
    .sections = ~(SECTION_BIT(PDATA) | SECTION_BIT(XDATA)),
    .page_starts = SECTION_BIT(TEXT) | SECTION_BIT(EH_FRAME),
    .fill = fill,
    .fill_behind_text = fill_behind_text,
    .header_bytes = header_bytes,
    .finish = finish,
    .headers_write = headers_write,
};
