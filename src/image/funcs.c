// Functions by index and by place.
#include "image/image_int.h"

ImageFunc image_func(const Image *image, u32 func) {
    StoredFunc stored;
    ImageFunc out = {.text_offset = ID_NONE, .funcref = ID_NONE};
    if (!record_load(&image->funcs, func, &stored)) {
        return out;
    }
    out.type = stored.type_flags & STORED_FUNC_TYPE_MASK;
    if (stored.funcref < image->funcrefs.count) {
        out.funcref = stored.funcref;
    }
    if (func >= image->func_import_count && stored.text_bytes != 0 &&
        range_fits(stored.text_offset, stored.text_bytes, image->text_bytes)) {
        out.text_offset = stored.text_offset;
        out.text_bytes = stored.text_bytes;
        out.has_no_frame = (stored.type_flags & STORED_FUNC_NO_FRAME) != 0;
    }
    return out;
}

u32 image_funcref(const Image *image, u32 slot) {
    if (slot >= image->funcrefs.count) {
        return ID_NONE;
    }
    const u32 func = load_u32(image->funcrefs.at + (usize)slot * sizeof func);
    return func < image->funcs.count ? func : ID_NONE;
}

Str image_func_name(const Image *image, u32 func) {
    StoredName stored;
    record_load(&image->func_names, func, &stored);
    return string_at(image, stored.offset, stored.bytes);
}

// The i-th defined function of the text, any if there is none.
static u32 func_in_order(const Image *image, u32 i) {
    u32 func = image->func_import_count + i;
    if (image->func_order.count != 0) {
        record_load(&image->func_order, i, &func);
    }
    return func;
}

u32 image_func_at(const Image *image, u32 text_offset) {
    u32 first = 0, end = image->funcs.count - image->func_import_count;
    while (end - first > 1) {
        const u32 middle = first + (end - first) / 2;
        StoredFunc stored;
        record_load(&image->funcs, func_in_order(image, middle), &stored);
        if (stored.text_offset <= text_offset) {
            first = middle;
        } else {
            end = middle;
        }
    }
    const u32 func = func_in_order(image, first);
    const ImageFunc found = image_func(image, func);
    const bool is_inside =
        text_offset >= found.text_offset && text_offset - found.text_offset < found.text_bytes;
    return is_inside ? func : ID_NONE;
}
