// Opening: the header in our note against the file and against this library.
#include "image/image.h"

#include <elf.h>

#include "base/check.h"
#include "image/image_int.h"
#include "types/cpu.h"
#include "types/limits.h"

#define DAMAGED(err, ...) fail(err, IMAGE, ERROR_NO_OFFSET, "damaged image: " __VA_ARGS__)

bool image_has_magic(const void *bytes, usize count) {
    return elf_has_magic(bytes, count) ||
           pe_has_magic(&(ImageFile){.bytes = bytes, .count = count});
}

// The format comes first, so that any later version can say what it is.
static bool load_header(const ImageFile *file, const ImageParts *parts, StoredHeader *header,
                        Error *err) {
    const u8 *note = file_at(file, parts->note_offset, parts->note_bytes);
    const u32 format = parts->note_bytes < sizeof format ? 0 : load_u32(note);
    if (format != IMAGE_FORMAT) {
        return fail(err, IMAGE, parts->note_offset,
                    "image is of format version %u, this library reads %u", format, IMAGE_FORMAT);
    }
    if (parts->note_bytes != sizeof *header) {
        return fail(err, IMAGE, parts->note_offset,
                    "damaged image: header of %llu bytes, expected %zu",
                    (unsigned long long)parts->note_bytes, sizeof *header);
    }
    memcpy(header, note, sizeof *header);
    if (header->check != image_header_check(note)) {
        return fail(err, IMAGE, parts->note_offset, "damaged image: wrong check sum of the header");
    }
    return true;
}

// What the code was made for against what this library provides.
static bool check_settings(const StoredHeader *header, Error *err) {
    if (header->isa != EM_X86_64) {
        return fail(err, IMAGE, ERROR_NO_OFFSET,
                    "image is for ELF machine %u, this library runs code for %u (x86-64)",
                    header->isa, EM_X86_64);
    }
    if (header->abi_hash != image_abi_hash()) {
        return fail(err, IMAGE, ERROR_NO_OFFSET,
                    "image was made for another version of the runtime (ABI %08x, this library's "
                    "is %08x)",
                    header->abi_hash, image_abi_hash());
    }
    if ((header->flags & ~(u32)IMAGE_KNOWN_FLAGS) != 0) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "image has unknown flags 0x%x", header->flags);
    }
    if ((header->cpu_features & ~(u64)CPU_KNOWN_FEATURES) != 0) {
        return fail(err, IMAGE, ERROR_NO_OFFSET,
                    "image needs CPU features that this library does not know (0x%llx)",
                    (unsigned long long)header->cpu_features);
    }
    if (header->memory_reserve_bytes > VM_MEMORY_RESERVE_BYTES ||
        header->memory_guard_bytes > VM_MEMORY_GUARD_BYTES) {
        return fail(err, IMAGE, ERROR_NO_OFFSET,
                    "image relies on %llu bytes of address space for a memory, this library "
                    "reserves %llu",
                    (unsigned long long)header->memory_reserve_bytes,
                    (unsigned long long)VM_MEMORY_RESERVE_BYTES);
    }
    if (header->stack_guard_bytes > VM_STACK_GUARD_BYTES ||
        header->stack_probe_bytes > VM_STACK_PROBE_BYTES) {
        return fail(err, IMAGE, ERROR_NO_OFFSET,
                    "image relies on a stack guard of %u bytes, this library's is %u",
                    header->stack_guard_bytes, VM_STACK_GUARD_BYTES);
    }
    return true;
}

static bool check_spans(const StoredHeader *header, u64 count, const ImageParts *parts,
                        Error *err) {
    static const char *const NAMES[IMAGE_SPAN_COUNT] = {
#define SPAN(name, section) section,
#include "image/spans.def"
#undef SPAN
    };
    for (u32 i = 0; i < IMAGE_SPAN_COUNT; i++) {
        if (!range_fits(header->spans[i].offset, header->spans[i].bytes, count)) {
            return DAMAGED(err, "%s lies beyond the end of the file", NAMES[i]);
        }
    }
    const StoredSpan *text = &header->spans[IMAGE_SPAN_TEXT];
    if (text->offset != parts->exec_offset || text->bytes != parts->exec_bytes ||
        text->bytes == 0 || text->bytes > IMAGE_MAX_BYTES) {
        return DAMAGED(err, ".text is not the executable segment");
    }
    return true;
}

// Fills one table of *image.
static bool open_list(const StoredHeader *header, ImageListId id, u32 item_bytes, const u8 *module,
                      ImageTable *out, Error *err) {
    const StoredList *list = &header->lists[id];
    const u64 bytes = (u64)list->count * item_bytes;
    if (!range_fits(list->offset, bytes, header->spans[IMAGE_SPAN_MODULE].bytes)) {
        return DAMAGED(err, "table %u lies beyond the end of .imago.module", (u32)id);
    }
    *out = (ImageTable){module + list->offset, list->count, item_bytes};
    return true;
}

static bool open_lists(Image *image, const StoredHeader *header, Error *err) {
    const u8 *module = image->bytes + header->spans[IMAGE_SPAN_MODULE].offset;
#define LIST(name, field, record, text)                                                            \
    TRY(open_list(header, IMAGE_LIST_##name, sizeof(record), module, &image->field, err));
#include "image/lists.def"
#undef LIST
    return true;
}

// The order of the functions in the text stands directly behind their records.
static bool open_func_order(Image *image, const StoredHeader *header, Error *err) {
    const StoredList *funcs = &header->lists[IMAGE_LIST_FUNCS];
    const u64 at = funcs->offset + (u64)funcs->count * sizeof(StoredFunc);
    const u64 bytes = (u64)(image->func_count - image->func_import_count) * sizeof(u32);
    if ((header->flags & IMAGE_HAS_FUNC_ORDER) == 0) {
        return true;
    }
    if (!range_fits(at, bytes, header->spans[IMAGE_SPAN_MODULE].bytes)) {
        return DAMAGED(err, "the order of functions lies beyond the end of .imago.module");
    }
    image->func_order = (ImageTable){image->funcs.at + (u64)funcs->count * sizeof(StoredFunc),
                                     image->func_count - image->func_import_count, sizeof(u32)};
    return true;
}

static void open_spans(Image *image, const StoredHeader *header) {
    const StoredSpan *spans = header->spans;
    image->text = image->bytes + spans[IMAGE_SPAN_TEXT].offset;
    image->text_bytes = (u32)spans[IMAGE_SPAN_TEXT].bytes;
    image->strings = image->bytes + spans[IMAGE_SPAN_STRINGS].offset;
    image->string_bytes = spans[IMAGE_SPAN_STRINGS].bytes;
    image->traps = image->bytes + spans[IMAGE_SPAN_TRAPS].offset;
    image->trap_bytes = spans[IMAGE_SPAN_TRAPS].bytes;
    image->addrmap = image->bytes + spans[IMAGE_SPAN_ADDRMAP].offset;
    image->addrmap_bytes = spans[IMAGE_SPAN_ADDRMAP].bytes;
    image->stackmaps = image->bytes + spans[IMAGE_SPAN_STACKMAPS].offset;
    image->stackmap_bytes = spans[IMAGE_SPAN_STACKMAPS].bytes;
    image->data = image->bytes + spans[IMAGE_SPAN_DATA].offset;
    image->data_bytes = spans[IMAGE_SPAN_DATA].bytes;
    image->rodata_offset = spans[IMAGE_SPAN_RODATA].offset;
    image->rodata_bytes = spans[IMAGE_SPAN_RODATA].bytes;
}

static void open_counts(Image *image, const StoredHeader *header) {
    image->shape = (VmShape){
        .func_import_count = header->ctx_func_imports,
        .table_count = header->ctx_tables,
        .global_count = header->ctx_globals,
        .funcref_count = header->ctx_funcrefs,
        .type_count = header->ctx_types,
    };
    image->flags = header->flags;
    image->cpu_features = header->cpu_features;
    image->func_import_count = header->func_imports;
    image->func_count = image->funcs.count;
    image->table_import_count = header->table_imports;
    image->memory_import_count = header->memory_imports;
    image->global_import_count = header->global_imports;
    image->start_func = header->start_func;
}

// Counts that the runtime multiplies and adds: within the limits of WebAssembly, and of each other.
static bool check_counts(const Image *image, Error *err) {
    const struct {
        const char *what;
        u32 count, limit;
    } ROWS[] = {
        {"types", image->types.count, MAX_TYPES},
        {"imports", image->imports.count, MAX_IMPORTS},
        {"exports", image->exports.count, MAX_EXPORTS},
        {"tables", image->tables.count, MAX_TABLES},
        {"memories", image->memories.count, MAX_MEMORIES},
        {"globals", image->globals.count, MAX_GLOBALS + MAX_IMPORTS},
        {"data segments", image->datas.count, MAX_DATA_SEGMENTS},
        {"element segments", image->elems.count, MAX_ELEM_SEGMENTS},
        {"functions", image->funcs.count, MAX_FUNCS + MAX_IMPORTS},
        {"imported functions", image->func_import_count, image->funcs.count},
        {"imported tables", image->table_import_count, image->tables.count},
        {"imported memories", image->memory_import_count, image->memories.count},
        {"imported globals", image->global_import_count, image->globals.count},
        {"function imports of the context", image->shape.func_import_count, image->funcs.count},
        {"tables of the context", image->shape.table_count, image->tables.count},
        {"globals of the context", image->shape.global_count, image->globals.count},
        {"references of the context", image->shape.funcref_count, image->funcrefs.count},
        {"types of the context", image->shape.type_count, image->types.count},
        {"function references", image->funcrefs.count, image->funcs.count},
        {"function names", image->func_names.count, image->funcs.count},
    };
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        if (ROWS[i].count > ROWS[i].limit) {
            return DAMAGED(err, "%u %s, expected at most %u", ROWS[i].count, ROWS[i].what,
                           ROWS[i].limit);
        }
    }
    if (image->start_func != ID_NONE && image->start_func >= image->funcs.count) {
        return DAMAGED(err, "start function %u of %u", image->start_func, image->funcs.count);
    }
    return true;
}

// Initial size of memory 0, which is there.
static u64 memory_bytes(const Image *image, const ImageFile *file) {
    StoredMemory memory;
    const u64 offset = (u64)(image->memories.at - image->bytes);
    memcpy(&memory, file_at(file, offset, sizeof memory), sizeof memory);
    return (memory.min < MAX_MEMORY_PAGES ? memory.min : MAX_MEMORY_PAGES) * WASM_PAGE_BYTES;
}

static bool open_snapshot(Image *image, const ImageFile *file, const StoredHeader *header,
                          Error *err) {
    if (header->snapshot_bytes == 0) {
        return true;
    }
    const u64 in_page = (header->snapshot_offset | header->snapshot_bytes |
                         header->snapshot_address) % IMAGE_PAGE_BYTES;
    if (in_page != 0 || image->memories.count == 0 ||
        !range_fits(header->snapshot_offset, header->snapshot_bytes, image->byte_count) ||
        !range_fits(header->snapshot_address, header->snapshot_bytes,
                    memory_bytes(image, file))) {
        return DAMAGED(err, "the memory snapshot does not fit the file or the memory");
    }
    image->snapshot_offset = header->snapshot_offset;
    image->snapshot_bytes = header->snapshot_bytes;
    image->snapshot_address = header->snapshot_address;
    return true;
}

bool parts_check(const ImageFile *file, PlatformId *platform, ImageParts *out, Error *err) {
    const bool is_pe = pe_has_magic(file);
    *platform = is_pe ? PLATFORM_X86_64_WINDOWS : PLATFORM_X86_64_LINUX;
    return is_pe ? pe_check(file, out, err) : elf_check(file, out, err);
}

bool image_parse_file(Image *image, const ImageFile *file, Error *err) {
    *image = (Image){.bytes = file->bytes, .byte_count = file->count};
    ImageParts parts;
    StoredHeader header;
    TRY(parts_check(file, &image->platform, &parts, err));
    TRY(load_header(file, &parts, &header, err));
    TRY(check_settings(&header, err));
    TRY(check_spans(&header, file->count, &parts, err));
    image->exec_offset = parts.exec_offset;
    image->exec_bytes = align_up(parts.exec_bytes, IMAGE_PAGE_BYTES);
    image->dynamic_offset = parts.dynamic_offset;
    image->frame_header_offset = parts.frame_header_offset;
    open_spans(image, &header);
    TRY(open_lists(image, &header, err));
    open_counts(image, &header);
    TRY(check_counts(image, err));
    TRY(open_func_order(image, &header, err));
    return open_snapshot(image, file, &header, err);
}

bool image_parse(Image *image, const void *bytes, u64 count, Error *err) {
    return image_parse_file(image, &(ImageFile){.bytes = bytes, .count = count}, err);
}

u64 image_loaded_bytes(const void *start) {
    const u8 *bytes = start;
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    const u64 table_bytes = (u64)header.e_phnum * sizeof(Elf64_Phdr);
    if (!elf_has_magic(bytes, sizeof header) || header.e_phnum > IMAGE_MAX_SEGMENTS ||
        !range_fits(header.e_phoff, table_bytes, IMAGE_PAGE_BYTES)) {
        return 0;
    }
    u64 last = 0;
    for (u32 i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + header.e_phoff + i * sizeof segment, sizeof segment);
        const u64 end = segment.p_offset + segment.p_filesz;
        if (segment.p_type == PT_LOAD && end > last && end <= IMAGE_MAX_BYTES) {
            last = end;
        }
    }
    return last;
}

bool image_parse_loaded(Image *image, const void *start, Error *err) {
    const u64 count = image_loaded_bytes(start);
    const ImageFile file = {.bytes = start, .count = count, .is_loaded_part = true};
    return image_parse_file(image, &file, err);
}

bool image_snapshot(const Image *image, ImageSnapshot *out) {
    *out = (ImageSnapshot){image->snapshot_offset, image->snapshot_bytes, image->snapshot_address};
    return out->bytes != 0;
}

// The header starts with a version, the encodings, and the distance of .eh_frame from this field;
// it follows .eh_frame directly.
const u8 *image_eh_frame(const Image *image, u64 *bytes) {
    static const u8 START[] = {1, 0x1B};
    enum { POINTER_AT = 4 };
    const u64 header = image->frame_header_offset;
    *bytes = 0;
    if (header == 0 || !range_fits(header, POINTER_AT + 4, image->byte_count) ||
        memcmp(image->bytes + header, START, sizeof START) != 0) {
        return NULL;
    }
    const u64 field = header + POINTER_AT;
    const u64 start = field + (u64)(i64)(i32)load_u32(image->bytes + field);
    if (start >= header) {
        return NULL;
    }
    *bytes = header - start;
    return image->bytes + start;
}
