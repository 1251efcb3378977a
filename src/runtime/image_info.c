// What an image imports and exports, and whether it is damaged, for embedders.
#include "image/build_id.h"
#include "runtime/image_map.h"
#include "runtime/value.h"

uint32_t imago_image_import_count(const ImagoImage *image) { return image->view.imports.count; }

uint32_t imago_image_export_count(const ImagoImage *image) { return image->view.exports.count; }

static ImagoLimits public_limits(const Limits *limits) {
    return (ImagoLimits){limits->min, limits->max, limits->has_max};
}

static ImagoExternType public_type(const Image *view, const ImageExternType *type) {
    ImagoExternType out = {.kind = (ImagoExternKind)type->kind};
    switch (type->kind) {
    case EXTERN_FUNC: {
        const FuncType func = image_type(view, type->type).type;
        out.func = runtime_public_type(&func);
        break;
    }
    case EXTERN_TABLE:
        out.limits = public_limits(&type->table.limits);
        out.value = (ImagoType)type->table.elem;
        break;
    case EXTERN_MEMORY:
        out.limits = public_limits(&type->memory);
        break;
    case EXTERN_GLOBAL:
        out.value = (ImagoType)type->global.type;
        out.is_mutable = type->global.is_mutable;
        break;
    default: break;
    }
    return out;
}

ImagoImport imago_image_import(const ImagoImage *image, uint32_t i) {
    HostRead read;
    runtime_image_read_begin(image, &read);
    const ImageImport import = image_import(&image->view, i);
    const ImagoImport out = {
        .module = import.module.at,
        .name = import.name.at,
        .module_bytes = import.module.count,
        .name_bytes = import.name.count,
        .type = public_type(&image->view, &import.type),
    };
    (void)runtime_image_read_end(image, &read, NULL);
    return out;
}

ImagoExport imago_image_export(const ImagoImage *image, uint32_t i) {
    HostRead read;
    runtime_image_read_begin(image, &read);
    const ImageExport export = image_export(&image->view, i);
    const ImageExternType type = image_extern_type(&image->view, export.kind, export.index);
    const ImagoExport out = {
        .name = export.name.at,
        .name_bytes = export.name.count,
        .type = public_type(&image->view, &type),
    };
    (void)runtime_image_read_end(image, &read, NULL);
    return out;
}

bool imago_image_verify(const ImagoImage *image, ImagoError *error) {
    if (image->is_borrowed) {
        return fail(error, USAGE, ERROR_NO_OFFSET,
                    "only the part of the image that is loaded can be seen here");
    }
    // A file that is shorter than it says may be so by gigabytes: its end is looked at first.
    HostRead read;
    runtime_image_read_begin(image, &read);
    TRY(runtime_image_read_end(image, &read, error));
    runtime_image_read_begin(image, &read);
    const bool is_good = image_verify(image->view.bytes, image->view.byte_count, error);
    return runtime_image_read_end(image, &read, error) && is_good;
}
