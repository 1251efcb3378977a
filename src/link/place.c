// Where every blob's code and read-only data goes, and the pc-relative fields between them.
#include <stdio.h>

#include "base/check.h"
#include "link/link_int.h"

static bool blob_is_whole(const Linker *linker, const CodeBlob *blob) {
    if (blob->worker >= linker->input->output_count) {
        return false;
    }
    const CodeOutput *output = blob_output(linker, blob);
    return blob->code_bytes != 0 &&
           (blob->align & (blob->align - 1)) == 0 &&
           range_fits(blob->code_at, blob->code_bytes, output->code.count) &&
           range_fits(blob->rodata_at, blob->rodata_bytes, output->rodata.count) &&
           range_fits(blob->first_fixup, blob->fixup_count, output->fixups.count) &&
           range_fits(blob->first_site, blob->site_count, output->sites.count) &&
           range_fits(blob->first_unwind, blob->unwind_count, output->unwind.count);
}

// Enters the blob under its function or type.
static bool blob_enter(Linker *linker, u32 i) {
    const CodeBlob *blob = &linker->input->blobs[i];
    const Module *module = linker->module;
    switch (blob->kind) {
    case BLOB_FUNC:
        if (blob->index < module->func_import_count || blob->index >= module->func_count ||
            (i != 0 && (blob[-1].kind != BLOB_FUNC || blob[-1].index >= blob->index))) {
            return false;
        }
        linker->func_blob[blob->index] = i;
        return true;
    case BLOB_ENTRY_STUB:
    case BLOB_EXIT_STUB: {
        u32 *stubs = blob->kind == BLOB_ENTRY_STUB ? linker->entry_stub_at : linker->exit_stub_at;
        if (blob->index >= module->type_count) {
            return false;
        }
        stubs[blob->index] = (u32)linker->text_at[i];
        return true;
    }
    }
    return false;
}

static bool place_text(Linker *linker) {
    const LinkInput *input = linker->input;
    u64 at = 0;
    for (u32 i = 0; i < input->blob_count; i++) {
        const CodeBlob *blob = &input->blobs[i];
        if (!blob_is_whole(linker, blob)) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET,
                        "code blob %u does not fit its output", i);
        }
        at = align_up(at, blob->align == 0 ? 16 : blob->align);
        linker->text_at[i] = at;
        if (!blob_enter(linker, i)) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET, "code blob %u is out of order", i);
        }
        at += blob->code_bytes;
        at += i + 1 < input->blob_count ? input->func_padding : 0;
    }
    // The executable segment is never empty.
    linker->text_bytes = at != 0 ? at : 16;
    return true;
}

void place_rodata(Linker *linker) {
    Writer *rodata = &linker->sections[SECTION_RODATA];
    for (u32 i = 0; i < linker->input->blob_count; i++) {
        const CodeBlob *blob = &linker->input->blobs[i];
        if (blob->rodata_bytes != 0) {
            write_align(rodata, 16);
            linker->rodata_at[i] = (u32)rodata->count;
            write_bytes(rodata, blob_output(linker, blob)->rodata.at + blob->rodata_at,
                        blob->rodata_bytes);
        }
    }
}

static bool all_functions_are_there(const Linker *linker) {
    const Module *module = linker->module;
    for (u32 i = module->func_import_count; i < module->func_count; i++) {
        if (linker->func_blob[i] == ID_NONE) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET, "function %u has no code", i);
        }
    }
    return true;
}

// "function 7 (name)"
static const char *blob_text(const Linker *linker, BlobKind kind, u32 index, char *out,
                             usize out_bytes) {
    const Module *module = linker->module;
    char name[56];
    if (kind != BLOB_FUNC) {
        (void)snprintf(out, out_bytes, "stub of type %u", index);
    } else if (index >= module->func_count || module->funcs[index].name.count == 0) {
        (void)snprintf(out, out_bytes, "function %u", index);
    } else {
        str_printable(module->funcs[index].name, name, sizeof name);
        (void)snprintf(out, out_bytes, "function %u (%s)", index, name);
    }
    return out;
}

static bool fail_out_of_range(const Linker *linker, const CodeBlob *blob, const Fixup *fixup) {
    char from[80], to[80];
    blob_text(linker, blob->kind, blob->index, from, sizeof from);
    blob_text(linker, BLOB_FUNC, fixup->index, to, sizeof to);
    if (linker->err != NULL && blob->kind == BLOB_FUNC && linker->err->code == IMAGO_ERROR_NONE) {
        linker->err->func_index = blob->index;
    }
    if (fixup->target == FIXUP_FUNC) {
        return fail(linker->err, LIMIT, ERROR_NO_OFFSET, "%s: call to %s out of range", from, to);
    }
    return fail(linker->err, LIMIT, ERROR_NO_OFFSET, "%s: reference to data out of range", from);
}

// Address in the file that a fixup refers to, without addend. Before layout, sections are at 0 and
// only calls are meant.
static bool fixup_target(const Linker *linker, u32 blob, const Fixup *fixup, u64 *out) {
    const u64 text = linker->section_at[SECTION_TEXT];
    const u64 rodata = linker->section_at[SECTION_RODATA];
    switch (fixup->target) {
    case FIXUP_FUNC:
        if (fixup->index >= linker->module->func_count ||
            linker->func_blob[fixup->index] == ID_NONE) {
            return false;
        }
        *out = text + linker->text_at[linker->func_blob[fixup->index]];
        return true;
    case FIXUP_RODATA:
        *out = rodata + linker->rodata_at[blob] + fixup->index;
        return fixup->index <= linker->input->blobs[blob].rodata_bytes;
    case FIXUP_TABLE:
        if (fixup->index >= linker->module->table_count ||
            linker->table_at[fixup->index] == ID_NONE) {
            return false;
        }
        *out = rodata + linker->table_at[fixup->index];
        return true;
    case FIXUP_TEXT: *out = text; return true;
    default: return false;
    }
}

// Value of the field; false with *err set.
static bool fixup_value(const Linker *linker, u32 i, const Fixup *fixup, i32 *out) {
    const CodeBlob *blob = &linker->input->blobs[i];
    u64 target;
    if (!range_fits(fixup->offset, 4, blob->code_bytes) ||
        !fixup_target(linker, i, fixup, &target)) {
        return fail(linker->err, INTERNAL, ERROR_NO_OFFSET,
                    "code blob %u: bad fixup at %u (target %u, index %u)", i, fixup->offset,
                    fixup->target, fixup->index);
    }
    const u64 field = linker->section_at[SECTION_TEXT] + linker->text_at[i] + fixup->offset;
    const i64 value = (i64)(target - field) + fixup->addend;
    *out = (i32)value;
    return value == *out || fail_out_of_range(linker, blob, fixup);
}

// The text is too long. A call that cannot reach says more than a size does.
static bool fail_too_long(const Linker *linker) {
    for (u32 i = 0; i < linker->input->blob_count; i++) {
        const CodeBlob *blob = &linker->input->blobs[i];
        const Fixup *fixups = blob_fixups(linker, blob);
        for (u32 k = 0; k < blob->fixup_count; k++) {
            i32 value;
            if (fixups[k].target == FIXUP_FUNC) {
                TRY(fixup_value(linker, i, &fixups[k], &value));
            }
        }
    }
    return fail(linker->err, LIMIT, ERROR_NO_OFFSET,
                "code of %llu bytes, an image has at most %llu",
                (unsigned long long)linker->text_bytes, IMAGE_MAX_BYTES);
}

bool place_blobs(Linker *linker) {
    TRY(place_text(linker));
    TRY(all_functions_are_there(linker));
    if (linker->text_bytes > IMAGE_MAX_BYTES) {
        return fail_too_long(linker);
    }
    return true;
}

bool place_resolve(Linker *linker) {
    for (u32 i = 0; i < linker->input->blob_count; i++) {
        const CodeBlob *blob = &linker->input->blobs[i];
        const Fixup *fixups = blob_fixups(linker, blob);
        u8 *code = blob_code(linker, blob);
        for (u32 k = 0; k < blob->fixup_count; k++) {
            i32 value;
            TRY(fixup_value(linker, i, &fixups[k], &value));
            store_u32(code + fixups[k].offset, (u32)value);
        }
    }
    return true;
}

void place_write(const Linker *linker, OutFile *out) {
    const LinkInput *input = linker->input;
    const u64 start = out_at(out);
    for (u32 i = 0; i < input->blob_count; i++) {
        const CodeBlob *blob = &input->blobs[i];
        out_skip(out, i != 0 ? input->func_padding : 0);
        out_fill(out, TEXT_FILL, start + linker->text_at[i] - out_at(out));
        out_bytes(out, blob_code(linker, blob), blob->code_bytes);
    }
    out_fill(out, TEXT_FILL, start + linker->text_bytes - out_at(out));
}
