// Decoder: the parts that sections are made of: counts, names, types (specification 5.1 to 5.3) and
// constant expressions (3.3.13).
#include "types/limits.h"
#include "wasm/decode_int.h"
#include "wasm/later.h"
#include "wasm/opcode.h"
#include "wasm/wide.h"

bool decode_ok(Decoder *d) {
    if (LIKELY(reader_ok(&d->r))) {
        return true;
    }
    const u64 at = decode_at(d);
    switch (d->r.bad) {
    case READ_LEB_TOO_LONG:
        return fail(d->err, MALFORMED, at, "integer representation too long (%s section)",
                    d->section);
    case READ_LEB_TOO_LARGE:
        return fail(d->err, MALFORMED, at, "integer too large (%s section)", d->section);
    case READ_PAST_END:
    case READ_OK:
        break;
    }
    return fail(d->err, MALFORMED, at, "unexpected end of section or function (%s section)",
                d->section);
}

bool decode_count(Decoder *d, u32 limit, const char *what, u32 *count) {
    const usize left_before = reader_left(&d->r);
    const u64 start = decode_at(d);
    *count = read_u32_leb(&d->r);
    TRY(decode_ok(d));
    // The scripts tell these two apart; the first counts the integer itself as room.
    if (*count > left_before) {
        return fail(d->err, MALFORMED, start,
                    "length out of bounds: %u %s with %zu bytes left (%s section)", *count, what,
                    reader_left(&d->r), d->section);
    }
    if (*count > reader_left(&d->r)) {
        return fail(d->err, MALFORMED, start + left_before,
                    "unexpected end of section or function: %u %s with %zu bytes left (%s section)",
                    *count, what, reader_left(&d->r), d->section);
    }
    if (*count > limit) {
        return fail(d->err, LIMIT, start, "%u %s, the limit is %u", *count, what, limit);
    }
    return true;
}

usize decode_room(const Decoder *d, u32 count, u32 min_bytes) {
    const usize most = reader_left(&d->r) / min_bytes + 1;
    return count < most ? count : most;
}

bool decode_index(Decoder *d, u32 count, const char *what, u32 *index) {
    const u64 start = decode_at(d);
    *index = read_u32_leb(&d->r);
    TRY(decode_ok(d));
    if (*index >= count) {
        return fail(d->err, INVALID, start, "unknown %s %u: the module has %u", what, *index,
                    count);
    }
    return true;
}

bool decode_name(Decoder *d, Str *name) {
    u32 count;
    TRY(decode_count(d, UINT32_MAX, "bytes of a name", &count));
    const u64 start = decode_at(d);
    *name = read_bytes(&d->r, count);
    if (!str_is_utf8(*name)) {
        return fail(d->err, MALFORMED, start, "malformed UTF-8 encoding of a name (%s section)",
                    d->section);
    }
    return true;
}

// A type is a signed LEB128 in the grammar, of which every defined one has one byte.
static bool bad_type(Decoder *d, u64 at, u8 byte, const char *what) {
    TRY(decode_ok(d));
    if (byte >= 0x80) {
        return fail(d->err, MALFORMED, at, "integer representation too long (%s)", what);
    }
    const char *later = later_type(byte);
    if (later != NULL) {
        return fail(d->err, INVALID, at, "%s 0x%02x needs %s, which is not part of WebAssembly 2.0",
                    what, byte, later);
    }
    return fail(d->err, MALFORMED, at, "malformed %s 0x%02x", what, byte);
}

bool decode_val_type(Decoder *d, u8 *type) {
    const u64 at = decode_at(d);
    const u8 byte = read_u8(&d->r);
    *type = (u8)val_of_binary(byte);
    return LIKELY(*type != VAL_NONE) || bad_type(d, at, byte, "value type");
}

bool decode_ref_type(Decoder *d, ValType *type) {
    const u64 at = decode_at(d);
    const u8 byte = read_u8(&d->r);
    *type = val_of_binary(byte);
    return (*type != VAL_NONE && val_is_ref(*type)) || bad_type(d, at, byte, "reference type");
}

static bool decode_limits(Decoder *d, Limits *limits) {
    const u64 at = decode_at(d);
    const u8 flags = read_u8(&d->r);
    if (flags >= 0x80) {
        return fail(d->err, MALFORMED, at, "integer representation too long (limits flags)");
    }
    if (flags > 1) {
        return fail(d->err, MALFORMED, at,
                    "integer too large: limits flags 0x%02x, expected 0 or 1", flags);
    }
    limits->has_max = flags == 1;
    limits->min = read_narrow_u32(&d->r);
    limits->max = limits->has_max ? read_narrow_u32(&d->r) : 0;
    return decode_ok(d);
}

static bool check_limits(Decoder *d, const Limits *limits, u64 at) {
    if (limits->has_max && limits->min > limits->max) {
        return fail(d->err, INVALID, at,
                    "size minimum must not be greater than maximum, found %u and %u", limits->min,
                    limits->max);
    }
    return true;
}

bool decode_table_type(Decoder *d, TableType *type) {
    TRY(decode_ref_type(d, &type->elem));
    const u64 at = decode_at(d);
    TRY(decode_limits(d, &type->limits));
    TRY(check_limits(d, &type->limits, at));
    if (type->limits.min > MAX_TABLE_ENTRIES) {
        return fail(d->err, LIMIT, at, "table of %u entries, the limit is %d", type->limits.min,
                    MAX_TABLE_ENTRIES);
    }
    return true;
}

bool decode_memory_type(Decoder *d, Limits *limits) {
    const u64 at = decode_at(d);
    TRY(decode_limits(d, limits));
    const u32 most = limits->has_max && limits->max > limits->min ? limits->max : limits->min;
    if (most > MAX_MEMORY_PAGES) {
        return fail(d->err, INVALID, at,
                    "memory size must be at most 65536 pages (4GiB), found %u pages", most);
    }
    return check_limits(d, limits, at);
}

bool decode_global_type(Decoder *d, GlobalType *type) {
    u8 value;
    TRY(decode_val_type(d, &value));
    type->type = (ValType)value;
    const u64 at = decode_at(d);
    const u8 mutability = read_u8(&d->r);
    TRY(decode_ok(d));
    if (mutability > 1) {
        return fail(d->err, MALFORMED, at, "malformed mutability 0x%02x, expected 0 or 1",
                    mutability);
    }
    type->is_mutable = mutability == 1;
    return true;
}

static bool const_global(Decoder *d, u64 at, ConstExpr *out) {
    const Module *m = d->module;
    TRY(decode_index(d, m->global_import_count, "global", &out->index));
    const GlobalType *type = &m->globals[out->index].type;
    if (type->is_mutable) {
        return fail(d->err, INVALID, at, "constant expression required: global %u is mutable",
                    out->index);
    }
    out->kind = CONST_GLOBAL;
    out->type = type->type;
    return true;
}

static bool const_func(Decoder *d, ConstExpr *out) {
    TRY(decode_index(d, d->module->func_count, "function", &out->index));
    d->module->funcs[out->index].is_escaping = true;
    out->kind = CONST_REF_FUNC;
    out->type = VAL_FUNCREF;
    return true;
}

static bool const_v128(Decoder *d, ConstExpr *out) {
    out->type = VAL_V128;
    out->low = read_u64(&d->r);
    out->high = read_u64(&d->r);
    return true;
}

static bool const_value(ConstExpr *out, ValType type, u64 bits) {
    out->type = type;
    out->low = bits;
    return true;
}

static bool bad_opcode(Decoder *d, u64 at, u8 first, u32 code) {
    const char *later = later_opcode(first);
    if (later != NULL) {
        return fail(d->err, INVALID, at,
                    "opcode 0x%02x needs %s, which is not part of WebAssembly 2.0", first, later);
    }
    return fail(d->err, MALFORMED, at, "illegal opcode 0x%02x (code 0x%02x)", first, code);
}

// The instruction that begins with byte `first` at `at`, or an error saying that it is none or not
// constant.
static bool const_instr(Decoder *d, u64 at, u8 first, ConstExpr *out) {
    const bool is_prefix = first == 0xFC || first == 0xFD;
    const u32 code = is_prefix ? (u32)read_uleb(&d->r, 32) : first;
    TRY(decode_ok(d));
    const Opcode op = opcode_of(is_prefix ? first : 0, code);
    *out = (ConstExpr){.kind = CONST_VALUE};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum" // a few of several hundred
    switch (op) {
    case OP_I32_CONST:
        return const_value(out, VAL_I32, (u32)read_sleb(&d->r, 32));
    case OP_I64_CONST:
        return const_value(out, VAL_I64, (u64)read_sleb(&d->r, 64));
    case OP_F32_CONST:
        return const_value(out, VAL_F32, read_u32(&d->r));
    case OP_F64_CONST:
        return const_value(out, VAL_F64, read_u64(&d->r));
    case OP_V128_CONST:
        return const_v128(d, out);
    case OP_GLOBAL_GET:
        return const_global(d, at, out);
    case OP_REF_FUNC:
        return const_func(d, out);
    case OP_REF_NULL:
        out->kind = CONST_REF_NULL;
        return decode_ref_type(d, &out->type);
    case OP_COUNT:
        return bad_opcode(d, at, first, code);
    default:
        return fail(d->err, INVALID, at, "constant expression required, found %s",
                    OPCODES[op].text);
    }
#pragma GCC diagnostic pop
}

bool decode_const(Decoder *d, ValType type, ConstExpr *out) {
    const u64 start = decode_at(d);
    u32 count = 0;
    *out = (ConstExpr){.kind = CONST_VALUE};
    for (;;) {
        const u64 at = decode_at(d);
        const u8 first = read_u8(&d->r);
        TRY(decode_ok(d));
        if (first == BYTE_END) {
            break;
        }
        TRY(const_instr(d, at, first, out));
        TRY(decode_ok(d));
        count++;
    }
    if (count != 1) {
        return fail(d->err, INVALID, start,
                    "type mismatch: constant expression of %u values, expected one %s", count,
                    val_name(type));
    }
    if (out->type != type) {
        return fail(d->err, INVALID, start, "type mismatch: expected %s, found %s", val_name(type),
                    val_name(out->type));
    }
    return true;
}

bool decode_alloc(Decoder *d, usize count, usize item_bytes, void **out) {
    *out = arena_push_array(d->arena, count, item_bytes, 8);
    if (*out == NULL) {
        return fail(d->err, NO_MEMORY, decode_at(d), "out of memory");
    }
    return true;
}

bool decode_extend(Decoder *d, void **array, usize count, usize more, usize item_bytes) {
    void *longer;
    TRY(decode_alloc(d, count + more, item_bytes, &longer));
    if (count != 0) {
        memcpy(longer, *array, count * item_bytes);
    }
    *array = longer;
    return true;
}
