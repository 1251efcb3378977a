// What images of all platforms have in common: two notes, the header, and the place of every
// section. File offset and address are the same everywhere.
#include "link/link_int.h"

const SectionRow SECTION_ROWS[SECTION_COUNT] = {
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
    [IMAGE_SPAN_STACKMAPS] = SECTION_STACKMAPS, [IMAGE_SPAN_HANDLERS] = SECTION_COUNT,
};

static void reserve_note(Writer *w, const char *name, u32 name_bytes, u32 type, u32 bytes) {
    write_u32(w, name_bytes);
    write_u32(w, bytes);
    write_u32(w, type);
    write_bytes(w, name, name_bytes);
    write_align(w, 4);
    write_zeros(w, bytes);
}

void layout_reserve(Linker *linker) {
    reserve_note(&linker->sections[SECTION_BUILD_ID], "GNU", 4, NT_GNU_BUILD_ID,
                 IMAGE_BUILD_ID_BYTES);
    reserve_note(&linker->sections[SECTION_NOTE], IMAGE_NOTE_NAME, sizeof IMAGE_NOTE_NAME,
                 IMAGE_NOTE_TYPE, sizeof(StoredHeader));
}

u64 layout_build_id_at(const Linker *linker) {
    return linker->section_at[SECTION_BUILD_ID] + linker->section_bytes[SECTION_BUILD_ID] -
           IMAGE_BUILD_ID_BYTES;
}

static bool section_is_empty(const Linker *linker, u32 i) {
    switch (i) {
    case SECTION_TEXT:
    case SECTION_EH_FRAME:
    case SECTION_EH_FRAME_HDR:
    case SECTION_PDATA:
    case SECTION_XDATA:
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

// Places the sections first..end-1 behind what has a place.
static bool layout(Linker *linker, u32 first, u32 end) {
    const Container *container = linker->container;
    u64 at = linker->image_bytes;
    for (u32 i = first; i < end; i++) {
        const bool starts_page = (container->page_starts >> i & 1) != 0;
        if (linker->section_index[i] == 0) {
            continue;
        }
        if (i == SECTION_STRTAB) { // Valgrind looks for the strings of .symtab by this name
            linker->section_at[i] = linker->section_at[SECTION_DYNSTR];
            linker->section_bytes[i] = linker->section_bytes[SECTION_DYNSTR];
            continue;
        }
        at = align_up(at, starts_page ? IMAGE_PAGE_BYTES : SECTION_ROWS[i].align);
        linker->section_at[i] = at;
        linker->section_bytes[i] = section_size(linker, i, at);
        at += linker->section_bytes[i];
    }
    linker->image_bytes = at;
    return at <= container->max_bytes ||
           fail(linker->err, LIMIT, ERROR_NO_OFFSET,
                "image of %llu bytes, expected at most %llu", (unsigned long long)at,
                (unsigned long long)container->max_bytes);
}

bool layout_up_to_text(Linker *linker) {
    linker->section_count = 1;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        const bool is_there =
            (linker->container->sections >> i & 1) != 0 && !section_is_empty(linker, i);
        linker->section_index[i] = is_there ? linker->section_count++ : 0;
    }
    linker->image_bytes = linker->container->header_bytes(linker);
    return layout(linker, 0, SECTION_TEXT + 1);
}

bool layout_behind_text(Linker *linker) {
    return layout(linker, SECTION_TEXT + 1, SECTION_COUNT);
}

void layout_finish(Linker *linker) {
    StoredHeader *header = &linker->header;
    header->format = IMAGE_FORMAT;
    header->isa = EM_X86_64;
    header->cpu_features = linker->input->cpu_features;
    static const u8 MAP_FLAGS[] = {
        [ADDRESS_MAP_NONE] = IMAGE_HAS_NO_ADDRMAP, [ADDRESS_MAP_ALL] = IMAGE_MAPS_ALL};
    header->flags |= MAP_FLAGS[linker->input->address_map];
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
    Writer *note = &linker->sections[SECTION_NOTE];
    memcpy(note->at + note->count - sizeof *header, header, sizeof *header);
}

SectionId layout_last(const Linker *linker, SectionId first, SectionId last) {
    while (last > first && linker->section_index[last] == 0) {
        last--;
    }
    return last;
}
