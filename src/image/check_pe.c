// The unwind table of an image for Windows: .pdata.
#include "image/check.h"
#include "image/image_int.h"
#include "image/sections.h"

static PeFunction record_at(const Image *image, const ImageSection *table, u64 i) {
    PeFunction record;
    memcpy(&record, image->bytes + table->offset + i * sizeof record, sizeof record);
    return record;
}

// Of the function whose code starts at `at`. Functions come in the order of the text.
static bool has_record(const Image *image, const ImageSection *table, u64 at, u32 bytes) {
    u64 first = 0, end = table->bytes / sizeof(PeFunction);
    while (first < end) {
        const u64 middle = first + (end - first) / 2;
        const PeFunction record = record_at(image, table, middle);
        if (record.begin == at) {
            return record.end - record.begin == bytes;
        }
        if (record.begin < at) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

const char *check_pdata(const Image *image) {
    ImageSection table, infos;
    if (image->platform != PLATFORM_X86_64_WINDOWS ||
        !image_section_find(image, STR(".pdata"), &table) ||
        !image_section_find(image, STR(".xdata"), &infos)) {
        return NULL;
    }
    const u64 text = (u64)(image->text - image->bytes);
    u64 code_end = text;
    for (u64 i = 0; i < table.bytes / sizeof(PeFunction); i++) {
        const PeFunction record = record_at(image, &table, i);
        if (record.begin < code_end || record.end <= record.begin ||
            record.end > text + image->text_bytes) {
            return "code beyond the text, or out of order";
        }
        if (record.unwind_info < infos.offset ||
            !range_fits(record.unwind_info - infos.offset, 4, infos.bytes)) {
            return "a record that leads beyond .xdata";
        }
        code_end = record.end;
    }
    for (u32 i = image->func_import_count; i < image->func_count; i++) {
        const ImageFunc func = image_func(image, i);
        if (!has_record(image, &table, text + func.text_offset, func.text_bytes)) {
            return "a function without an entry";
        }
    }
    return NULL;
}
