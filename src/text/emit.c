// Sections into a module (WebAssembly 2.0, 5.5.16), and the name section (appendix "Custom
// Sections", with the further subsections of the extended name section proposal).
#include "text/wat_int.h"

enum { NAMES_MODULE = 0, NAMES_FUNC = 1, NAMES_LOCAL = 2 };

static const u8 SUBSECTION[SPACE_COUNT] = {
#define SPACE(name, text, subsection) [SPACE_##name] = (subsection),
#include "text/spaces.def"
#undef SPACE
};

static void write_str(Writer *out, Str text) {
    write_uleb(out, text.count);
    write_bytes(out, text.at, text.count);
}

static void fill_type_section(Parser *p) {
    Section *section = &p->sections[SECTION_TYPE];
    for (usize i = 0; i < p->types.list.count; i++) {
        const TypeText *type = &p->types.list.at[i];
        const char *results = type->types.at + type->param_count + 1;
        emit_u8(&section->bytes, 0x60);
        write_str(&section->bytes, (Str){type->types.at, type->param_count});
        write_str(&section->bytes, (Str){results, type->types.count - type->param_count - 1});
    }
    section->count = (u32)p->types.list.count;
}

static u32 uleb_bytes(u32 value) {
    u32 bytes = 1;
    for (; value >= 0x80; value >>= 7) {
        bytes++;
    }
    return bytes;
}

static void write_section(Parser *p, SectionId id, Writer *out) {
    const Section *section = &p->sections[id];
    if (section->count == 0) {
        return;
    }
    const bool is_vector = id != SECTION_START && id != SECTION_DATA_COUNT;
    write_u8(out, (u8)id);
    if (is_vector) {
        write_uleb(out, section->bytes.count + uleb_bytes(section->count));
        write_uleb(out, section->count);
    } else {
        write_uleb(out, section->bytes.count);
    }
    if (id == SECTION_CODE) {
        p->code_base = out->count;
    }
    write_bytes(out, section->bytes.at, section->bytes.count);
}

static void write_subsection(Writer *out, u8 id, const Writer *contents) {
    write_u8(out, id);
    write_uleb(out, contents->count);
    write_bytes(out, contents->at, contents->count);
}

static void write_space_names(Parser *p, Space space, Writer *out) {
    const IndexSpace *s = &p->spaces[space];
    if (s->names.count == 0) {
        return;
    }
    writer_clear(&p->scratch);
    write_uleb(&p->scratch, s->names.count);
    for (usize i = 0; i < s->names.count; i++) {
        write_uleb(&p->scratch, s->names.at[i].index);
        write_str(&p->scratch, p->identifiers.entries.at[s->names.at[i].symbol].text);
    }
    write_subsection(out, SUBSECTION[space], &p->scratch);
}

static void write_name_section(Parser *p, Writer *out) {
    Writer *names = &p->body;
    writer_clear(names);
    write_str(names, STR("name"));
    const usize empty = names->count;
    if (p->module_name.count != 0) {
        writer_clear(&p->scratch);
        write_str(&p->scratch, p->module_name);
        write_subsection(names, NAMES_MODULE, &p->scratch);
    }
    write_space_names(p, SPACE_FUNC, names);
    if (p->name_maps.count != 0) {
        writer_clear(&p->scratch);
        write_uleb(&p->scratch, p->name_maps.count);
        write_bytes(&p->scratch, p->name_maps.bytes.at, p->name_maps.bytes.count);
        write_subsection(names, NAMES_LOCAL, &p->scratch);
    }
    write_space_names(p, SPACE_TYPE, names);
    for (Space space = SPACE_TABLE; space < SPACE_COUNT; space++) {
        if (space != SPACE_TYPE) {
            write_space_names(p, space, names);
        }
    }
    if (names->count != empty) {
        write_u8(out, 0);
        write_uleb(out, names->count);
        write_bytes(out, names->at, names->count);
    }
}

// A writer that ran out of memory has dropped bytes: whatever was written is not the module.
static bool any_failed(const Parser *p) {
    bool failed = p->scratch.failed || p->held.failed || p->list.failed || p->body.failed ||
                  p->pending.failed || p->types.signature.failed || p->local_names.bytes.failed ||
                  p->name_maps.bytes.failed;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        failed = failed || p->sections[i].bytes.failed;
    }
    return failed;
}

bool wat_write_module(Parser *p, Writer *out) {
    static const SectionId ORDER[] = {
        SECTION_TYPE,   SECTION_IMPORT, SECTION_FUNC,  SECTION_TABLE,
        SECTION_MEMORY, SECTION_GLOBAL, SECTION_EXPORT, SECTION_START,
        SECTION_ELEM,   SECTION_DATA_COUNT, SECTION_CODE, SECTION_DATA,
    };
    fill_type_section(p);
    if (p->needs_data_count) {
        p->sections[SECTION_DATA_COUNT].count = 1;
        write_uleb(&p->sections[SECTION_DATA_COUNT].bytes, p->sections[SECTION_DATA].count);
    }
    write_bytes(out, "\0asm\1\0\0", 8);
    for (u32 i = 0; i < COUNT_OF(ORDER); i++) {
        write_section(p, ORDER[i], out);
    }
    write_name_section(p, out);
    return (!any_failed(p) && !out->failed) || wat_no_memory(p);
}
