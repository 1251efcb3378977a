// The order of a link: place the code, fill the sections before .text, give them their places,
// resolve what depends on places, write. What can be is made while it is written, and everything is
// freed behind that: data, code, symbols and their names are not copied, the unwind tables follow
// when the code is gone.
#include "link/link.h"

#include "base/alloc.h"
#include "base/check.h"
#include "link/link_int.h"

static const Container *const CONTAINERS[PLATFORM_COUNT] = {
    [PLATFORM_X86_64_LINUX] = &ELF_CONTAINER,
    [PLATFORM_X86_64_WINDOWS] = &PE_CONTAINER,
};

static u32 *push_none(Linker *linker, u32 count) {
    u32 *out = PUSH(&linker->arena, u32, count);
    if (count != 0) {
        memset(out, 0xFF, count * sizeof *out);
    }
    return out;
}

static void push_arrays(Linker *linker) {
    const Module *module = linker->module;
    linker->text_at = PUSH(&linker->arena, u64, linker->input->blob_count);
    linker->rodata_at = PUSH(&linker->arena, u32, linker->input->blob_count);
    linker->func_blob = push_none(linker, module->func_count);
    linker->first_export = push_none(linker, module->func_count);
    linker->entry_stub_at = push_none(linker, module->type_count);
    linker->exit_stub_at = push_none(linker, module->type_count);
    linker->table_at = push_none(linker, module->table_count);
    linker->data_at = PUSH(&linker->arena, u64, module->data_count);
    linker->data_in_snapshot = PUSH(&linker->arena, bool, module->data_count);
}

static void find_exports(Linker *linker) {
    const Module *module = linker->module;
    for (u32 i = module->export_count; i-- != 0;) {
        if (module->exports[i].kind == EXTERN_FUNC) {
            linker->first_export[module->exports[i].index] = i;
        }
    }
}

static bool sections_are_whole(const Linker *linker) {
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        if (linker->sections[i].failed) {
            return fail(linker->err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory linking");
        }
    }
    return true;
}

static bool fill_sections(Linker *linker) {
    strings_begin(linker);
    find_exports(linker);
    TRY(place_blobs(linker));
    TRY(tables_write(linker));
    place_rodata(linker);
    TRY(data_plan(linker));
    module_write(linker);
    TRY(stackmaps_write(linker)); // before the sites are freed
    TRY(positions_write(linker));
    layout_reserve(linker);
    linker->container->fill(linker);
    return sections_are_whole(linker);
}

static void put_section(const Linker *linker, u32 i, OutFile *out) {
    out_bytes(out, linker->sections[i].at, linker->sections[i].count);
    switch (i) {
    case SECTION_TEXT: place_write(linker, out); break;
    case SECTION_DATA: data_write(linker, out); break;
    case SECTION_DYNSTR: symbols_put_names(linker, out); break;
    case SECTION_SYMTAB: symbols_put(linker, out); break;
    default: break;
    }
    assert(out->failed || out_at(out) == linker->section_at[i] + linker->section_bytes[i]);
}

// What of the code is no longer needed once the text is written.
static void free_code(const LinkInput *input) {
    for (u32 i = 0; i < input->output_count; i++) {
        writer_free(&input->outputs[i].code);
        writer_free(&input->outputs[i].rodata);
        vec_free(&input->outputs[i].fixups);
    }
}

static bool put_sections(Linker *linker, OutFile *out) {
    u8 fill = 0;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        if (i == SECTION_TEXT + 1) {
            free_code(linker->input);
            TRY(linker->container->fill_behind_text(linker) && sections_are_whole(linker) &&
                layout_behind_text(linker));
        }
        if (linker->section_index[i] != 0 && i != SECTION_STRTAB) {
            out_fill(out, fill, linker->section_at[i] - out_at(out));
            put_section(linker, i, out);
            fill = i == SECTION_TEXT ? TEXT_FILL : 0; // to the end of its page
            writer_free(&linker->sections[i]);
        }
    }
    return true;
}

// The headers come last, when the sizes of all sections are known.
static bool write_file(Linker *linker, OutFile *out) {
    Writer headers = {0};
    out_fill(out, 0, linker->container->header_bytes(linker));
    bool ok = put_sections(linker, out);
    if (ok) {
        linker->container->headers_write(linker, &headers);
        ok = !headers.failed ||
             fail(linker->err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory linking");
    }
    ok = ok && out_finish(out, headers.at, headers.count, layout_build_id_at(linker));
    writer_free(&headers);
    return ok;
}

static bool link_all(Linker *linker, int fd) {
    push_arrays(linker);
    TRY(fill_sections(linker));
    TRY(layout_up_to_text(linker));
    TRY(place_resolve(linker));
    layout_finish(linker);
    linker->container->finish(linker);
    OutFile out;
    const bool ok = out_open(&out, fd, linker->err) && write_file(linker, &out);
    out_close(&out);
    return ok;
}

// The arena's landing place. Nothing local lives across it.
static bool link_landing(Linker *linker, int fd) {
    jmp_buf landing;
    if (setjmp(landing) != 0) {
        return fail(linker->err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory linking");
    }
    linker->arena.landing = &landing;
    return link_all(linker, fd);
}

bool link_image(const LinkInput *input, int fd, LinkStats *stats, Error *err) {
    Linker linker = {
        .input = input, .module = input->module, .err = err, .start_at = ID_NONE,
        .container = CONTAINERS[input->platform], .platform = &PLATFORMS[input->platform]};
    arena_init(&linker.arena);
    const bool ok = link_landing(&linker, fd);
    if (ok && stats != NULL) {
        *stats = (LinkStats){linker.text_bytes, place_padding_bytes(&linker), linker.image_bytes};
    }
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        writer_free(&linker.sections[i]);
    }
    vec_free(&linker.veneers);
    writer_free(&linker.veneer_code);
    mem_free(linker.snapshot);
    arena_deinit(&linker.arena);
    return ok;
}
