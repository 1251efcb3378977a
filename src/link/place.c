// Where every blob's code and read-only data goes, and the pc-relative fields between them. What a
// field reaches, how it is patched and what a veneer looks like are the target's facts
// (isa/code_target.h).
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
           range_fits(blob->first_unwind, blob->unwind_count, output->unwind.count) &&
           blob->refs <= output->ref_funcs.count;
}

// Enters a function's blob under its index; stubs' have none before they are placed.
static bool blob_enter(Linker *linker, u32 i) {
    const CodeBlob *blob = &linker->input->blobs[i];
    const Module *module = linker->module;
    if (blob->kind == BLOB_START) {
        return i + 1 == linker->input->blob_count;
    }
    if (blob->kind != BLOB_FUNC) {
        return blob->index < module->type_count;
    }
    if (blob->index < module->func_import_count || blob->index >= module->func_count ||
        (i != 0 && (blob[-1].kind != BLOB_FUNC || blob[-1].index >= blob->index))) {
        return false;
    }
    linker->func_blob[blob->index] = i;
    return true;
}

static bool enter_blobs(Linker *linker) {
    for (u32 i = 0; i < linker->input->blob_count; i++) {
        if (!blob_is_whole(linker, &linker->input->blobs[i])) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET,
                        "code blob %u does not fit its output", i);
        }
        if (!blob_enter(linker, i)) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET, "code blob %u is out of order", i);
        }
    }
    const Module *module = linker->module;
    for (u32 i = module->func_import_count; i < module->func_count; i++) {
        if (linker->func_blob[i] == ID_NONE) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET, "function %u has no code", i);
        }
    }
    return true;
}

// ---- The order of the text ---------------------------------------------------------------------

// The blobs in another order: a Fisher-Yates shuffle by Vigna's SplitMix64.
static u32 *shuffled_order(Linker *linker, u64 seed) {
    const u32 count = linker->input->blob_count;
    u32 *order = PUSH(&linker->arena, u32, count);
    for (u32 i = 0; i < count; i++) {
        seed += 0x9E3779B97F4A7C15u;
        u64 random = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9u;
        random = (random ^ random >> 27) * 0x94D049BB133111EBu;
        const u32 at = (u32)((random ^ random >> 31) % (i + 1));
        order[i] = order[at];
        order[at] = i;
    }
    return order;
}

static u32 blob_align(const Linker *linker, const CodeBlob *blob) {
    const u32 setting = linker->input->layout.func_align;
    return blob->align != 0 ? blob->align
           : setting != 0   ? setting
                            : linker->input->target->func_align;
}

u64 place_start(const Linker *linker, const CodeBlob *blob, u64 at) {
    const u64 gap = at != 0 ? linker->input->layout.func_padding : 0;
    return align_up(at + gap, blob_align(linker, blob));
}

void place_piece(Linker *linker, u32 blob, u64 at, u32 bytes) {
    linker->pieces[linker->piece_count++] = (TextPiece){at, bytes, blob};
    if (blob != ID_NONE) {
        linker->text_at[blob] = at;
    }
}

// order: of the blobs, NULL: as they are. islands: NULL: without.
static void place_text(Linker *linker, const u32 *order, Islands *islands) {
    const LinkInput *input = linker->input;
    const usize most_pieces = (usize)input->blob_count * (islands != NULL ? 2 : 1);
    linker->pieces = PUSH(&linker->arena, TextPiece, most_pieces);
    linker->piece_count = 0;
    u64 at = 0;
    for (u32 i = 0; i < input->blob_count; i++) {
        const u32 id = order != NULL ? order[i] : i;
        const CodeBlob *blob = &input->blobs[id];
        at = islands != NULL ? islands_before(islands, blob, at) : at;
        at = place_start(linker, blob, at);
        place_piece(linker, id, at, blob->code_bytes);
        if (islands != NULL) {
            islands_behind(islands, id);
        }
        at += blob->code_bytes;
    }
    at = islands != NULL ? islands_finish(islands, at) : at;
    // The executable segment is never empty.
    linker->text_bytes = at != 0 ? at : input->target->func_align;
}

static bool needs_islands(const Linker *linker) {
    const UseKind *call = call_kind(linker);
    const u32 reach = call->forward < call->backward ? call->forward : call->backward;
    return linker->text_bytes > reach || linker->input->layout.force_veneers;
}

static void note_stubs(Linker *linker) {
    const LinkInput *input = linker->input;
    for (u32 i = input->blob_count; i-- != 0 && input->blobs[i].kind != BLOB_FUNC;) {
        const u32 at = (u32)linker->text_at[i], type = input->blobs[i].index;
        switch (input->blobs[i].kind) {
        case BLOB_ENTRY_STUB: linker->entry_stub_at[type] = at; break;
        case BLOB_EXIT_STUB: linker->exit_stub_at[type] = at; break;
        default: linker->start_at = at;
        }
    }
}

bool place_blobs(Linker *linker) {
    TRY(enter_blobs(linker));
    const u64 seed = linker->input->layout.shuffle_seed;
    const u32 *order = seed != 0 ? shuffled_order(linker, seed) : NULL;
    place_text(linker, order, NULL);
    if (needs_islands(linker)) {
        place_text(linker, order, islands_open(linker));
    }
    note_stubs(linker);
    return linker->text_bytes <= IMAGE_MAX_BYTES ||
           fail(linker->err, LIMIT, ERROR_NO_OFFSET,
                "code of %llu bytes, an image has at most %llu",
                (unsigned long long)linker->text_bytes, IMAGE_MAX_BYTES);
}

u64 place_padding_bytes(const Linker *linker) {
    u64 bytes = linker->text_bytes;
    for (u32 i = 0; i < linker->piece_count; i++) {
        bytes -= linker->pieces[i].bytes;
    }
    return bytes;
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

// ---- References --------------------------------------------------------------------------------

// "function 7 (name)"
static const char *blob_text(const Linker *linker, BlobKind kind, u32 index, char *out,
                             usize out_bytes) {
    const Module *module = linker->module;
    char name[56];
    if (kind != BLOB_FUNC) {
        (void)snprintf(out, out_bytes, "stub of type %u", index);
    } else if (index >= module->func_count || module_func_name(module, index).count == 0) {
        (void)snprintf(out, out_bytes, "function %u", index);
    } else {
        str_printable(module_func_name(module, index), name, sizeof name);
        (void)snprintf(out, out_bytes, "function %u (%s)", index, name);
    }
    return out;
}

static bool fail_out_of_range(const Linker *linker, const CodeBlob *blob, const Fixup *fixup) {
    char from[80], to[80];
    blob_text(linker, blob->kind, blob->index, from, sizeof from);
    if (linker->err != NULL && blob->kind == BLOB_FUNC && linker->err->code == IMAGO_ERROR_NONE) {
        linker->err->func_index = blob->index;
    }
    if (fixup->target == FIXUP_FUNC) {
        blob_text(linker, BLOB_FUNC, fixup->index, to, sizeof to);
        return fail(linker->err, LIMIT, ERROR_NO_OFFSET, "%s: call to %s out of range", from, to);
    }
    return fail(linker->err, LIMIT, ERROR_NO_OFFSET, "%s: reference to data out of range", from);
}

// Where a call at text offset `field` goes: its callee or, if that is too far, the nearest veneer.
// Calls are asked for in order of the text.
static u64 call_target(Linker *linker, u32 callee, u64 field) {
    const u64 entry = linker->text_at[linker->func_blob[callee]];
    const UseKind *kind = call_kind(linker);
    if (LIKELY(linker->first_veneer == NULL) || linker->first_veneer[callee] == ID_NONE ||
        (!linker->input->layout.force_veneers && code_reaches(kind, field, entry))) {
        return entry;
    }
    const Veneer *veneers = linker->veneers.at;
    u32 *veneer = &linker->first_veneer[callee];
    while (veneers[*veneer].next != ID_NONE && veneers[veneers[*veneer].next].at <= field) {
        *veneer = veneers[*veneer].next;
    }
    const Veneer *nearest = &veneers[*veneer];
    return code_reaches(kind, field, nearest->at) || nearest->next == ID_NONE
               ? nearest->at
               : veneers[nearest->next].at;
}

// Address in the file that a fixup refers to. False: it contradicts the input.
//   field   text offset of the field
static bool fixup_target(Linker *linker, u32 blob, Fixup fixup, u64 field, u64 *out) {
    const u64 text = linker->section_at[SECTION_TEXT];
    const u64 rodata = linker->section_at[SECTION_RODATA];
    if (fixup.target == FIXUP_FUNC) {
        if (fixup.index >= linker->module->func_count ||
            linker->func_blob[fixup.index] == ID_NONE) {
            return false;
        }
        *out = text + call_target(linker, fixup.index, field);
        return true;
    }
    switch (fixup.target) {
    case FIXUP_RODATA:
        *out = rodata + linker->rodata_at[blob] + fixup.index;
        return fixup.index <= linker->input->blobs[blob].rodata_bytes;
    case FIXUP_TABLE:
        if (fixup.index >= linker->module->table_count ||
            linker->table_at[fixup.index] == ID_NONE) {
            return false;
        }
        *out = rodata + linker->table_at[fixup.index];
        return true;
    case FIXUP_TEXT: *out = text; return true;
    default: return false;
    }
}

static bool resolve_blob(Linker *linker, u32 id) {
    const CodeBlob *blob = &linker->input->blobs[id];
    const Fixup *fixups = blob_fixups(linker, blob);
    const UseKind *kinds = linker->input->target->fixup_kinds;
    const u64 text = linker->section_at[SECTION_TEXT];
    u8 *code = blob_code(linker, blob);
    for (u32 i = 0; i < blob->fixup_count; i++) {
        const Fixup fixup = fixups[i];
        const u64 field = linker->text_at[id] + fixup.offset;
        u64 to;
        assert(fixup.kind < linker->input->target->fixup_kind_count);
        if (!range_fits(fixup.offset, 4, blob->code_bytes) ||
            !fixup_target(linker, id, fixup, field, &to)) {
            return fail(linker->err, INTERNAL, ERROR_NO_OFFSET,
                        "code blob %u: bad fixup at %u (target %u, index %u)", id, fixup.offset,
                        fixup.target, fixup.index);
        }
        const UseKind *kind = &kinds[fixup.kind];
        if (!code_reaches(kind, text + field, to)) {
            return fail_out_of_range(linker, blob, &fixups[i]);
        }
        kind->patch(code + fixup.offset, (u32)(text + field), (u32)to);
    }
    return true;
}

static bool make_veneers(Linker *linker) {
    const UseKind *call = call_kind(linker);
    const UseKind *kind = &linker->input->target->fixup_kinds[call->veneer_kind];
    const u64 text = linker->section_at[SECTION_TEXT];
    for (usize i = 0; i < linker->veneers.count; i++) {
        const Veneer veneer = linker->veneers.at[i];
        u8 code[CODE_MAX_VENEER_BYTES];
        const u32 field = call->veneer(code);
        const u64 from = text + veneer.at + field;
        const u64 to = text + linker->text_at[linker->func_blob[veneer.func]];
        if (!code_reaches(kind, from, to)) {
            return fail(linker->err, LIMIT, ERROR_NO_OFFSET, "veneer to function %u out of range",
                        veneer.func);
        }
        kind->patch(code + field, (u32)from, (u32)to);
        write_bytes(&linker->veneer_code, code, call->veneer_bytes);
    }
    return !linker->veneer_code.failed ||
           fail(linker->err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory linking");
}

bool place_resolve(Linker *linker) {
    for (u32 i = 0; i < linker->piece_count; i++) {
        TRY(linker->pieces[i].blob == ID_NONE || resolve_blob(linker, linker->pieces[i].blob));
    }
    return make_veneers(linker);
}

void place_write(const Linker *linker, OutFile *out) {
    const u64 start = out_at(out);
    const u8 *veneers = linker->veneer_code.at;
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        if (piece->blob == ID_NONE) {
            out_bytes(out, veneers, piece->bytes);
            veneers += piece->bytes;
        } else {
            out_skip(out, i != 0 ? linker->input->layout.func_padding : 0);
            out_fill(out, TEXT_FILL, start + piece->at - out_at(out));
            out_bytes(out, blob_code(linker, &linker->input->blobs[piece->blob]), piece->bytes);
        }
    }
    out_fill(out, TEXT_FILL, start + linker->text_bytes - out_at(out));
}
