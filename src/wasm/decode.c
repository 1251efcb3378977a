// Decoder: header, order of sections, and what holds between them (specification 5.5).
//
// Each section is read by a reader that ends where the section ends, and must be used up. Nothing
// is allocated before the bytes that it describes are known to be there.
#include "wasm/decode.h"

#include "types/limits.h"
#include "wasm/decode_int.h"
#include "wasm/later.h"

static const u8 MAGIC[4] = {0, 'a', 's', 'm'};
enum { HEADER_BYTES = 8, VERSION = 1, COMPONENT_LAYER = 1 };

// By section id. `order` is the place in a module: ids are not in order since DataCount came late.
static const struct {
    const char *name;
    u32 order;
    bool (*decode)(Decoder *d);
} SECTIONS[] = {
    {"custom", 0, NULL},
    {"type", 1, decode_types},
    {"import", 2, decode_imports},
    {"function", 3, decode_funcs},
    {"table", 4, decode_tables},
    {"memory", 5, decode_memories},
    {"global", 6, decode_globals},
    {"export", 7, decode_exports},
    {"start", 8, decode_start},
    {"element", 9, decode_elems},
    {"code", 11, decode_code},
    {"data", 12, decode_datas},
    {"data count", 10, decode_data_count},
};

bool wasm_has_magic(const void *bytes, usize count) {
    return count >= sizeof MAGIC && memcmp(bytes, MAGIC, sizeof MAGIC) == 0;
}

static bool decode_header(Decoder *d) {
    const u8 *at = d->r.at;
    const usize count = reader_left(&d->r);
    const usize magic_count = count < sizeof MAGIC ? count : sizeof MAGIC;
    // A short file that could still become a module is told so.
    if (count >= sizeof MAGIC && memcmp(at, MAGIC, magic_count) != 0) {
        return fail(d->err, MALFORMED, 0, "magic header not detected");
    }
    if (count < HEADER_BYTES) {
        return fail(d->err, MALFORMED, count, "unexpected end: a module has at least %d bytes",
                    HEADER_BYTES);
    }
    const u16 version = load_u16(at + 4);
    const u16 layer = load_u16(at + 6);
    if (layer == COMPONENT_LAYER && version != 0) {
        return fail(d->err, UNSUPPORTED, 4,
                    "not supported yet: this is a component (version %u), not a module", version);
    }
    if (version != VERSION || layer != 0) {
        return fail(d->err, MALFORMED, 4, "unknown binary version 0x%x, expected %d",
                    load_u32(at + 4), VERSION);
    }
    d->r.at += HEADER_BYTES;
    return true;
}

static bool decode_custom(Decoder *d) {
    CustomSection custom;
    TRY(decode_name(d, &custom.name));
    custom.file_offset = decode_at(d);
    custom.bytes = read_bytes(&d->r, reader_left(&d->r));
    if (str_equal(custom.name, STR("name")) && d->names.at == NULL) {
        d->names = custom.bytes;
    }
    if (!vec_push(&d->customs, custom)) {
        return fail(d->err, NO_MEMORY, custom.file_offset, "out of memory");
    }
    return true;
}

// Decodes the section whose contents d->r holds, all of them.
static bool decode_contents(Decoder *d, u8 id) {
    TRY(id == 0 ? decode_custom(d) : SECTIONS[id].decode(d));
    TRY(decode_ok(d));
    if (!reader_at_end(&d->r)) {
        return fail(d->err, MALFORMED, decode_at(d),
                    "section size mismatch: %zu bytes behind the last item of the %s section",
                    reader_left(&d->r), d->section);
    }
    return true;
}

static bool bad_section(Decoder *d, u64 at, u8 id) {
    const char *later = later_section(id);
    if (later != NULL) {
        return fail(d->err, INVALID, at,
                    "section id %u needs %s, which is not part of WebAssembly 2.0", id, later);
    }
    return fail(d->err, MALFORMED, at, "malformed section id %u", id);
}

static bool decode_sections(Decoder *d) {
    u32 order = 0;
    while (!reader_at_end(&d->r)) {
        const u64 start = decode_at(d);
        const u8 id = read_u8(&d->r);
        if (id >= COUNT_OF(SECTIONS)) {
            return bad_section(d, start, id);
        }
        d->section = SECTIONS[id].name;
        u32 bytes;
        TRY(decode_count(d, UINT32_MAX, "bytes", &bytes));
        if (id != 0 && SECTIONS[id].order <= order) {
            return fail(d->err, MALFORMED, start,
                        "unexpected content after last section: a second or late %s section",
                        d->section);
        }
        order = id != 0 ? SECTIONS[id].order : order;
        const Reader rest = d->r;
        d->r.end = d->r.at + bytes;
        TRY(decode_contents(d, id));
        d->r = (Reader){.at = d->r.end, .end = rest.end, .start = rest.start};
    }
    return true;
}

// What only the whole module shows.
static bool decode_finish(Decoder *d) {
    Module *m = d->module;
    const u32 defined = m->func_count - m->func_import_count;
    if (d->body_count != defined) {
        return fail(d->err, MALFORMED, m->byte_count,
                    "function and code section have inconsistent lengths: %u functions, %u bodies",
                    defined, d->body_count);
    }
    if (m->has_data_count && d->data_count != m->data_count) {
        return fail(d->err, MALFORMED, m->byte_count,
                    "data count and data section have inconsistent lengths: %u and %u segments",
                    d->data_count, m->data_count);
    }
    void *customs;
    TRY(decode_alloc(d, d->customs.count, sizeof(CustomSection), &customs));
    m->customs = customs;
    m->custom_count = (u32)d->customs.count;
    if (m->custom_count != 0) {
        memcpy(m->customs, d->customs.at, m->custom_count * sizeof(CustomSection));
    }
    return d->names.at == NULL || decode_names(d, d->names);
}

bool wasm_decode(Module *module, Arena *arena, const void *bytes, usize count, Error *err) {
    *module = (Module){.bytes = bytes, .byte_count = count};
    if (count > MAX_MODULE_BYTES) {
        return fail(err, LIMIT, 0, "module of %zu bytes, the limit is %d", count, MAX_MODULE_BYTES);
    }
    Decoder d = {.module = module, .arena = arena, .err = err, .r = reader_of(bytes, count)};
    // Out of memory comes back as NULL: the list of custom sections has to be freed.
    jmp_buf *landing = arena->landing;
    arena->landing = NULL;
    const bool ok = decode_header(&d) && decode_sections(&d) && decode_finish(&d);
    arena->landing = landing;
    vec_free(&d.customs);
    return ok;
}
