// What unwinders and debuggers read: .eh_frame, its search table, and the symbols.
#include <elf.h>

#include "image/check.h"
#include "image/image_int.h"
#include "image/sections.h"

// ---- Unwinding ---------------------------------------------------------------------------------

// .eh_frame_hdr as link/unwind_w.c writes it: version 1, encodings pcrel, udata4, datarel; the last
// one for a text that 4 bytes span, or for a longer one. What entries have, the first CIE says.
static const u8 FRAME_HEADER[] = {1, 0x1B, 0x03, 0x3B}, FAR_FRAME_HEADER[] = {1, 0x1B, 0x03, 0x3C};
enum { FRAME_POINTER_AT = 4, FRAME_COUNT_AT = 8, FRAME_ROWS_AT = 12, FDE_CODE_AT = 8 };
enum { CIE_ENCODING_AT = 16, FAR_ENCODING = 0x1C };

typedef struct Frames {
    const Image *image;
    ImageSection header, frames;
    u32 count;
    u32 row_width, entry_width; // bytes of a distance: 4 or 8
} Frames;

// A distance of `width` bytes at a file offset, from another one.
static u64 distance_at(const Frames *frames, u64 offset, u32 width, u64 from) {
    const u8 *at = frames->image->bytes + offset;
    return from + (width == 8 ? load_u64(at) : (u64)(i64)(i32)load_u32(at));
}

// File offset of a row: {place of the code, place of its FDE}, from the start of the header.
static u64 row_at(const Frames *frames, u32 i) {
    return frames->header.offset + FRAME_ROWS_AT + (u64)i * 2 * frames->row_width;
}

// Size of an entry's code.
static u64 code_bytes_at(const Frames *frames, u64 fde) {
    return distance_at(frames, fde + FDE_CODE_AT + frames->entry_width, frames->entry_width, 0);
}

// The FDE of a row must lead back to the same code and to a CIE.
static const char *row_fault(const Frames *frames, u32 i, u64 *code_end) {
    const Image *image = frames->image;
    const u64 header = frames->header.offset;
    const u64 row = row_at(frames, i);
    const u64 text = (u64)(image->text - image->bytes);
    const u32 width = frames->row_width, entry_width = frames->entry_width;
    const u64 code = distance_at(frames, row, width, header);
    const u64 in_frames =
        distance_at(frames, row + width, width, header) - frames->frames.offset;
    if (!range_fits(in_frames, FDE_CODE_AT + 2 * entry_width, frames->frames.bytes)) {
        return "a row that leads beyond .eh_frame";
    }
    const u64 fde = frames->frames.offset + in_frames;
    const u32 bytes = load_u32(image->bytes + fde);
    const u64 cie = in_frames + 4 - load_u32(image->bytes + fde + 4);
    if (!range_fits(in_frames + 4, bytes, frames->frames.bytes) ||
        !range_fits(cie, 8, frames->frames.bytes) ||
        load_u32(image->bytes + frames->frames.offset + cie + 4) != 0) {
        return "an entry that is none";
    }
    if (distance_at(frames, fde + FDE_CODE_AT, entry_width, fde + FDE_CODE_AT) != code) {
        return "a row and an entry of different code";
    }
    const u64 code_bytes = code_bytes_at(frames, fde);
    if (code < *code_end || !range_fits(code - text, code_bytes, image->text_bytes)) {
        return "code beyond the text, or out of order";
    }
    *code_end = code + code_bytes;
    return NULL;
}

// Each function's code has an entry of just its range.
static bool has_frame(const Frames *frames, const ImageFunc *func) {
    const Image *image = frames->image;
    const u64 header = frames->header.offset;
    const u64 code = (u64)(image->text - image->bytes) + func->text_offset;
    u32 first = 0, end = frames->count;
    while (first < end) {
        const u32 middle = first + (end - first) / 2;
        const u64 row = row_at(frames, middle);
        const u32 width = frames->row_width;
        const u64 at = distance_at(frames, row, width, header);
        if (at == code) {
            const u64 fde = distance_at(frames, row + width, width, header);
            return code_bytes_at(frames, fde) == func->text_bytes;
        }
        if (at < code) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

static const char *rows_fault(const Frames *frames) {
    const Image *image = frames->image;
    u64 code_end = (u64)(image->text - image->bytes);
    for (u32 i = 0; i < frames->count; i++) {
        const char *fault = row_fault(frames, i, &code_end);
        if (fault != NULL) {
            return fault;
        }
    }
    for (u32 i = image->func_import_count; i < image->func_count; i++) {
        const ImageFunc func = image_func(image, i);
        if (!has_frame(frames, &func)) {
            return "a function without an entry";
        }
    }
    return NULL;
}

const char *check_frames(const Image *image) {
    Frames frames = {.image = image, .row_width = 4, .entry_width = 4};
    if (!image_section_find(image, STR(".eh_frame_hdr"), &frames.header) ||
        !image_section_find(image, STR(".eh_frame"), &frames.frames)) {
        return NULL;
    }
    const u64 header = frames.header.offset;
    if (frames.header.bytes < FRAME_ROWS_AT || frames.frames.bytes <= CIE_ENCODING_AT) {
        return "not of the form that images have";
    }
    const u64 pointer = header + FRAME_POINTER_AT;
    const bool is_place_right = distance_at(&frames, pointer, 4, pointer) == frames.frames.offset;
    if (memcmp(image->bytes + header, FAR_FRAME_HEADER, sizeof FAR_FRAME_HEADER) == 0) {
        frames.row_width = 8;
    } else if (memcmp(image->bytes + header, FRAME_HEADER, sizeof FRAME_HEADER) != 0) {
        return "not of the form that images have";
    }
    if (image->bytes[frames.frames.offset + CIE_ENCODING_AT] == FAR_ENCODING) {
        frames.entry_width = 8;
    }
    frames.count = load_u32(image->bytes + header + FRAME_COUNT_AT);
    if (!is_place_right ||
        (u64)frames.count * 2 * frames.row_width > frames.header.bytes - FRAME_ROWS_AT) {
        return "more rows than it has room for, or another .eh_frame";
    }
    return rows_fault(&frames);
}

// ---- Symbols -----------------------------------------------------------------------------------

static const char *table_fault(const Image *image, const ImageSection *table) {
    const u64 text = (u64)(image->text - image->bytes);
    const u64 count = table->bytes / sizeof(Elf64_Sym);
    const ImageSection names = image_section(image, table->link);
    if (names.bytes == 0 || image->bytes[names.offset + names.bytes - 1] != 0) {
        return "names without an end";
    }
    for (u64 i = 1; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, image->bytes + table->offset + i * sizeof symbol, sizeof symbol);
        if (symbol.st_name >= names.bytes) {
            return "a name beyond the names";
        }
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC &&
            !range_fits(symbol.st_value - text, symbol.st_size, image->text_bytes)) {
            return "code beyond the text";
        }
    }
    return NULL;
}

const char *check_symbols(const Image *image) {
    static const char *const NAMES[] = {".symtab", ".dynsym"};
    for (u32 i = 0; i < COUNT_OF(NAMES); i++) {
        ImageSection table;
        const char *fault = image_section_find(image, str_of(NAMES[i]), &table)
                                ? table_fault(image, &table)
                                : NULL;
        if (fault != NULL) {
            return fault;
        }
    }
    return NULL;
}
