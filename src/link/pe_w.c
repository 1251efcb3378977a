// The form for Windows: a PE32+ file.
//
//     R    DOS header, PE headers, notes
//     R    .rdata    tables, strings, data: what stands before the text in an ELF file
//     R X  .text
//     R    .pdata    RUNTIME_FUNCTION records, ascending
//     R    .xdata    their UNWIND_INFO
//
// Sections start at multiples of a page, in the file and in memory alike, so that one view of the
// file will do as well as the system's loader. There are no relocations: the code refers to all by
// distance.
#include "image/pe_format.h"
#include "link/link_int.h"

static const struct {
    char name[8];
    u8 first, last; // SectionId
    u32 flags;
} PARTS[PE_MAX_SECTIONS] = {
    {".rdata", SECTION_MODULE, SECTION_DATA, PE_SECTION_DATA | PE_SECTION_READ},
    {".text", SECTION_TEXT, SECTION_TEXT,
     PE_SECTION_CODE | PE_SECTION_EXECUTE | PE_SECTION_READ},
    {".pdata", SECTION_PDATA, SECTION_PDATA, PE_SECTION_DATA | PE_SECTION_READ},
    {".xdata", SECTION_XDATA, SECTION_XDATA, PE_SECTION_DATA | PE_SECTION_READ},
};

static u64 header_bytes(const Linker *linker) {
    (void)linker;
    return PE_AT + sizeof(PeHeaders);
}

static void nothing(Linker *linker) { (void)linker; }

// One of PARTS. False: it is empty, as .pdata of an image without functions.
static bool make_section(const Linker *linker, u32 part, PeSection *out) {
    const SectionId first = PARTS[part].first;
    const SectionId last = layout_last(linker, first, PARTS[part].last);
    const u64 start = linker->section_at[first];
    const u64 bytes = linker->section_at[last] + linker->section_bytes[last] - start;
    *out = (PeSection){
        .memory_bytes = (u32)bytes,
        .address = (u32)start,
        .file_bytes = (u32)align_up(bytes, IMAGE_PAGE_BYTES),
        .file_at = (u32)start,
        .flags = PARTS[part].flags,
    };
    memcpy(out->name, PARTS[part].name, sizeof out->name);
    return bytes != 0;
}

static void make_sections(const Linker *linker, PeHeaders *headers) {
    PeOptionalHeader *optional = &headers->optional;
    for (u32 i = 0; i < PE_MAX_SECTIONS; i++) {
        PeSection *section = &headers->sections[headers->file.section_count];
        if (!make_section(linker, i, section)) {
            *section = (PeSection){.address = 0};
            continue;
        }
        headers->file.section_count++;
        if ((section->flags & PE_SECTION_EXECUTE) != 0) {
            optional->code_at = section->address;
            optional->code_bytes += section->file_bytes;
        } else {
            optional->data_bytes += section->file_bytes;
        }
    }
}

static PeOptionalHeader optional_header(const Linker *linker) {
    PeOptionalHeader header = {
        .magic = PE_OPTIONAL_MAGIC,
        .base = PE_BASE,
        .section_align = IMAGE_PAGE_BYTES,
        .file_align = IMAGE_PAGE_BYTES,
        .os_major = 6,
        .subsystem_major = 6,
        .image_bytes = (u32)linker->image_bytes,
        .header_bytes = (u32)linker->section_at[SECTION_MODULE],
        .subsystem = PE_SUBSYSTEM_CONSOLE,
        .dll_flags = PE_DLL_FLAGS,
        .directory_count = PE_DIRECTORY_COUNT,
    };
    if (linker->section_bytes[SECTION_PDATA] != 0) {
        header.directories[PE_DIRECTORY_EXCEPTION] =
            (PeDirectory){(u32)linker->section_at[SECTION_PDATA],
                          (u32)linker->section_bytes[SECTION_PDATA]};
    }
    return header;
}

static void headers_write(const Linker *linker, Writer *out) {
    PeHeaders headers = {
        .signature = PE_SIGNATURE,
        .file = {.machine = PE_MACHINE_X86_64,
                 .optional_bytes = sizeof headers.optional,
                 .flags = PE_FILE_FLAGS},
        .optional = optional_header(linker),
    };
    make_sections(linker, &headers);
    write_bytes(out, PE_DOS_MAGIC, 2);
    write_zeros(out, PE_AT_FIELD - 2);
    write_u32(out, PE_AT);
    write_bytes(out, &headers, sizeof headers);
}

const Container PE_CONTAINER = {
    .max_bytes = PE_MAX_BYTES,
    .sections = SECTION_BIT(BUILD_ID) | SECTION_BIT(NOTE) | SECTION_BIT(MODULE) |
                SECTION_BIT(RODATA) | SECTION_BIT(DYNSTR) | SECTION_BIT(TRAPS) |
                SECTION_BIT(ADDRMAP) | SECTION_BIT(STACKMAPS) | SECTION_BIT(DATA) |
                SECTION_BIT(TEXT) | SECTION_BIT(PDATA) | SECTION_BIT(XDATA),
    .page_starts = SECTION_BIT(MODULE) | SECTION_BIT(TEXT) | SECTION_BIT(PDATA) |
                   SECTION_BIT(XDATA),
    .fill = nothing,
    .fill_behind_text = pdata_write,
    .header_bytes = header_bytes,
    .finish = nothing,
    .headers_write = headers_write,
};
