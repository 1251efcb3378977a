// The ELF side: notes, .dynamic, the headers, and the place of every section.
//
//     R    ELF header, program headers, section headers, notes, .dynamic, tables, data
//     R X  .text                        page-aligned, alone in its pages
//     R    .eh_frame, .eh_frame_hdr     directly behind
//          .symtab, .comment, .shstrtab  not loaded
//
// File offset and address are the same everywhere. What a loader reads stands in the first page:
// the section headers are there too, since it looks for relocations in them.
#include "link/link_int.h"

typedef struct SectionRow {
    const char *name;
    u32 type;
    u64 flags, align, entry_bytes;
} SectionRow;

static const SectionRow ROWS[SECTION_COUNT] = {
#define SECTION(name, text, type, flags, align, entry_bytes)                                       \
    [SECTION_##name] = {text, type, flags, align, entry_bytes},
#include "link/sections.def"
#undef SECTION
};

// Sections that the header's spans name.
static const u8 SPAN_SECTIONS[IMAGE_SPAN_COUNT] = {
    [IMAGE_SPAN_TEXT] = SECTION_TEXT,       [IMAGE_SPAN_MODULE] = SECTION_MODULE,
    [IMAGE_SPAN_STRINGS] = SECTION_DYNSTR,  [IMAGE_SPAN_RODATA] = SECTION_RODATA,
    [IMAGE_SPAN_TRAPS] = SECTION_TRAPS,     [IMAGE_SPAN_ADDRMAP] = SECTION_ADDRMAP,
    [IMAGE_SPAN_DATA] = SECTION_DATA,       [IMAGE_SPAN_LINES] = SECTION_COUNT,
    [IMAGE_SPAN_STACKMAPS] = SECTION_COUNT, [IMAGE_SPAN_HANDLERS] = SECTION_COUNT,
};

static const u32 DYNAMIC_TAGS[] = {DT_SONAME, DT_GNU_HASH, DT_STRTAB, DT_SYMTAB,
                                   DT_STRSZ,  DT_SYMENT,   DT_NULL};

static void reserve_note(Writer *w, const char *name, u32 name_bytes, u32 type, u32 bytes) {
    write_u32(w, name_bytes);
    write_u32(w, bytes);
    write_u32(w, type);
    write_bytes(w, name, name_bytes);
    write_align(w, 4);
    write_zeros(w, bytes);
}

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
        linker->section_name[i] = (u32)w->count;
        write_bytes(w, ROWS[i].name, strlen(ROWS[i].name) + 1);
    }
}

void elf_reserve(Linker *linker) {
    reserve_note(&linker->sections[SECTION_BUILD_ID], "GNU", 4, NT_GNU_BUILD_ID,
                 IMAGE_BUILD_ID_BYTES);
    reserve_note(&linker->sections[SECTION_NOTE], IMAGE_NOTE_NAME, sizeof IMAGE_NOTE_NAME,
                 IMAGE_NOTE_TYPE, sizeof(StoredHeader));
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

u64 elf_build_id_at(const Linker *linker) {
    return linker->section_at[SECTION_BUILD_ID] + linker->section_bytes[SECTION_BUILD_ID] -
           IMAGE_BUILD_ID_BYTES;
}

static bool section_is_empty(const Linker *linker, u32 i) {
    switch (i) {
    case SECTION_TEXT:
    case SECTION_EH_FRAME:
    case SECTION_EH_FRAME_HDR:
    case SECTION_SYMTAB:
    case SECTION_STRTAB: return false;
    case SECTION_DATA: return linker->plain_data_bytes + linker->snapshot_bytes == 0;
    default: return linker->sections[i].count == 0;
    }
}

static u64 section_size(Linker *linker, u32 i, u64 at) {
    switch (i) {
    case SECTION_TEXT: return linker->text_bytes;
    case SECTION_DATA: return data_layout(linker, at);
    case SECTION_DYNSTR: return linker->sections[i].count + linker->generated_name_bytes;
    case SECTION_SYMTAB: return symbols_bytes(linker);
    default: return linker->sections[i].count;
    }
}

u64 elf_headers_bytes(const Linker *linker) {
    return sizeof(Elf64_Ehdr) + SEGMENT_COUNT * sizeof(Elf64_Phdr) +
           linker->section_count * sizeof(Elf64_Shdr);
}

// Places the sections first..end-1 behind what has a place.
static bool layout(Linker *linker, u32 first, u32 end) {
    u64 at = linker->image_bytes;
    for (u32 i = first; i < end; i++) {
        const bool starts_segment = i == SECTION_TEXT || i == SECTION_EH_FRAME;
        if (linker->section_index[i] == 0) {
            continue;
        }
        if (i == SECTION_STRTAB) { // Valgrind looks for the strings of .symtab by this name
            linker->section_at[i] = linker->section_at[SECTION_DYNSTR];
            linker->section_bytes[i] = linker->section_bytes[SECTION_DYNSTR];
            continue;
        }
        at = align_up(at, starts_segment ? IMAGE_PAGE_BYTES : ROWS[i].align);
        linker->section_at[i] = at;
        linker->section_bytes[i] = section_size(linker, i, at);
        at += linker->section_bytes[i];
    }
    linker->image_bytes = at;
    return at <= IMAGE_MAX_BYTES ||
           fail(linker->err, LIMIT, ERROR_NO_OFFSET,
                "image of %llu bytes, expected at most %llu", (unsigned long long)at,
                IMAGE_MAX_BYTES);
}

bool elf_layout(Linker *linker) {
    linker->section_count = 1;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        linker->section_index[i] = section_is_empty(linker, i) ? 0 : linker->section_count++;
    }
    linker->image_bytes = elf_headers_bytes(linker);
    return layout(linker, 0, SECTION_TEXT + 1);
}

bool elf_layout_behind_text(Linker *linker) {
    return layout(linker, SECTION_TEXT + 1, SECTION_COUNT);
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

static void finish_header(Linker *linker) {
    StoredHeader *header = &linker->header;
    header->format = IMAGE_FORMAT;
    header->isa = EM_X86_64;
    header->cpu_features = linker->input->cpu_features;
    header->flags |= linker->input->omit_address_map ? IMAGE_HAS_NO_ADDRMAP : 0;
    header->abi_hash = image_abi_hash();
    header->memory_reserve_bytes = VM_MEMORY_RESERVE_BYTES;
    header->memory_guard_bytes = VM_MEMORY_GUARD_BYTES;
    header->stack_guard_bytes = VM_STACK_GUARD_BYTES;
    header->stack_probe_bytes = VM_STACK_PROBE_BYTES;
    if (linker->snapshot_bytes != 0) {
        header->snapshot_offset = linker->section_at[SECTION_DATA] + linker->snapshot_at;
        header->snapshot_bytes = linker->snapshot_bytes;
        header->snapshot_address = linker->snapshot_address;
    }
    for (u32 i = 0; i < IMAGE_SPAN_COUNT; i++) {
        const u32 section = SPAN_SECTIONS[i];
        if (section != SECTION_COUNT && linker->section_index[section] != 0) {
            header->spans[i] =
                (StoredSpan){linker->section_at[section], linker->section_bytes[section]};
        }
    }
    header->check = image_header_check(header);
}

void elf_finish(Linker *linker) {
    finish_header(linker);
    Writer *note = &linker->sections[SECTION_NOTE];
    memcpy(note->at + note->count - sizeof linker->header, &linker->header, sizeof linker->header);
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
    SectionId last = SECTION_DATA; // before .text
    while (linker->section_index[last] == 0) {
        last--;
    }
    Elf64_Phdr first = segment_of(linker, PT_LOAD, PF_R, SECTION_BUILD_ID, last, IMAGE_PAGE_BYTES);
    first.p_filesz += first.p_offset;
    first.p_memsz = first.p_filesz;
    first.p_offset = first.p_vaddr = first.p_paddr = 0;
    const Elf64_Phdr segments[SEGMENT_COUNT] = {
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
        .sh_type = ROWS[i].type,
        .sh_flags = ROWS[i].flags,
        .sh_addr = (ROWS[i].flags & SHF_ALLOC) != 0 ? linker->section_at[i] : 0,
        .sh_offset = linker->section_at[i],
        .sh_size = linker->section_bytes[i],
        .sh_link = uses_strings             ? index[SECTION_DYNSTR]
                   : i == SECTION_SYMTAB   ? index[SECTION_STRTAB]
                   : i == SECTION_GNU_HASH ? index[SECTION_DYNSYM]
                                           : 0,
        // First symbol that is not local.
        .sh_info = i == SECTION_DYNSYM ? 1 : i == SECTION_SYMTAB ? (u32)symbol_count : 0,
        .sh_addralign = ROWS[i].align,
        .sh_entsize = ROWS[i].entry_bytes,
    };
    write_bytes(out, &header, sizeof header);
}

void elf_headers_write(const Linker *linker, Writer *out) {
    const u64 segments_end = sizeof(Elf64_Ehdr) + SEGMENT_COUNT * sizeof(Elf64_Phdr);
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
        .e_phnum = SEGMENT_COUNT,
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
