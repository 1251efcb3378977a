// Decoder: the name section (specification appendix "Name Section"). Only for messages and symbols,
// so that damage costs the names behind it and nothing else.
#include "wasm/decode_int.h"

enum { NAMES_MODULE = 0, NAMES_FUNCS = 1 };

// False if the name does not lie inside the subsection or is not UTF-8.
static bool read_name(Reader *r, Str *name) {
    const u32 count = read_u32_leb(r);
    *name = read_bytes(r, count);
    return reader_ok(r) && str_is_utf8(*name);
}

static bool read_func_names(Module *m, Reader r) {
    const u32 count = read_u32_leb(&r);
    for (u32 i = 0; i < count; i++) {
        const u32 func = read_u32_leb(&r);
        Str name;
        TRY(read_name(&r, &name));
        TRY(func < m->func_count);
        m->func_names[func] = name;
    }
    return true;
}

bool decode_names(Decoder *d, Str contents) {
    void *names;
    TRY(decode_alloc(d, d->module->func_count, sizeof(Str), &names));
    d->module->func_names = names;
    Reader r = reader_of(contents.at, contents.count);
    bool ok = true;
    while (ok && !reader_at_end(&r)) {
        const u8 id = read_u8(&r);
        const u32 bytes = read_u32_leb(&r);
        const Str part = read_bytes(&r, bytes);
        Reader inner = reader_of(part.at, part.count);
        ok = reader_ok(&r);
        if (ok && id == NAMES_MODULE) {
            Str name;
            ok = read_name(&inner, &name);
            d->module->name = ok ? name : d->module->name;
        } else if (ok && id == NAMES_FUNCS) {
            ok = read_func_names(d->module, inner);
        }
    }
    return true;
}
