// Validator: immediates of instructions (specification 5.4, encodings 5.2).
#include "base/reader.h"
#include "wasm/later.h"
#include "wasm/validate_int.h"
#include "wasm/wide.h"

static bool fault(Validator *v, const Reader *r) {
    const u8 *at = r->bad_at;
    switch (r->bad) {
    case READ_LEB_TOO_LONG:
        return fail_at(v, MALFORMED, at, "integer representation too long");
    case READ_LEB_TOO_LARGE:
        return fail_at(v, MALFORMED, at, "integer too large");
    case READ_PAST_END:
    case READ_OK:
        break;
    }
    return fail_at(v, MALFORMED, at, "unexpected end of section or function (in an instruction)");
}

static Reader reader_here(const Validator *v) {
    return reader_of(v->at, (usize)(v->end - v->at));
}

bool imm_u8(Validator *v, u8 *value) {
    if (LIKELY(v->at < v->end)) {
        *value = *v->at++;
        return true;
    }
    Reader r = reader_here(v);
    *value = read_u8(&r);
    v->at = r.at;
    return reader_ok(&r) || fault(v, &r);
}

bool imm_u32_slow(Validator *v, u32 *value) {
    const u8 *p = v->at;
    if (LIKELY(v->end - p >= 2 && p[1] < 0x80)) {
        *value = (u32)(p[0] & 0x7F) | (u32)p[1] << 7;
        v->at = p + 2;
        return true;
    }
    Reader r = reader_here(v);
    *value = (u32)read_uleb(&r, 32);
    v->at = r.at;
    return reader_ok(&r) || fault(v, &r);
}

bool imm_s32(Validator *v) {
    Reader r = reader_here(v);
    (void)read_sleb(&r, 32);
    v->at = r.at;
    return reader_ok(&r) || fault(v, &r);
}

bool imm_s64(Validator *v) {
    Reader r = reader_here(v);
    (void)read_sleb(&r, 64);
    v->at = r.at;
    return reader_ok(&r) || fault(v, &r);
}

bool imm_skip(Validator *v, u32 count) {
    Reader r = reader_here(v);
    (void)read_bytes(&r, count);
    v->at = r.at;
    return reader_ok(&r) || fault(v, &r);
}

bool imm_zero(Validator *v) {
    const u8 *at = v->at;
    u8 byte;
    TRY(imm_u8(v, &byte));
    if (byte != 0) {
        return fail_at(v, MALFORMED, at, "zero byte expected, found 0x%02x", byte);
    }
    return true;
}

static bool bad_type(Validator *v, const u8 *at, u8 byte, const char *what) {
    if (byte >= 0x80) {
        return fail_at(v, MALFORMED, at, "integer representation too long (%s)", what);
    }
    const char *later = later_type(byte);
    if (later != NULL) {
        return fail_at(v, INVALID, at,
                       "%s 0x%02x needs %s, which is not part of WebAssembly 2.0", what, byte,
                       later);
    }
    return fail_at(v, MALFORMED, at, "malformed %s 0x%02x", what, byte);
}

bool imm_val_type(Validator *v, ValType *type) {
    const u8 *at = v->at;
    u8 byte;
    TRY(imm_u8(v, &byte));
    *type = (ValType)v->type_of_byte[byte];
    return LIKELY(*type != VAL_NONE) || bad_type(v, at, byte, "value type");
}

bool imm_ref_type(Validator *v, ValType *type) {
    const u8 *at = v->at;
    u8 byte;
    TRY(imm_u8(v, &byte));
    *type = (ValType)v->type_of_byte[byte];
    return (*type != VAL_NONE && val_is_ref(*type)) || bad_type(v, at, byte, "reference type");
}

bool imm_block_type(Validator *v, u32 *type) {
    const u8 *at = v->at;
    if (LIKELY(at < v->end)) {
        const u8 value = v->type_of_byte[*at];
        if (LIKELY(value != VAL_NONE || *at == BLOCK_EMPTY)) {
            *type = BLOCK_INLINE | value;
            v->at++;
            return true;
        }
    }
    Reader r = reader_here(v);
    const i64 code = read_sleb(&r, 33);
    if (!reader_ok(&r)) {
        return fault(v, &r);
    }
    v->at = r.at;
    if (code >= 0) {
        *type = (u32)code;
        if (code >= v->module->type_count) {
            return fail_at(v, INVALID, at, "unknown type %u: the module has %u", *type,
                           v->module->type_count);
        }
        return true;
    }
    return bad_type(v, at, *at, "block type");
}

static bool imm_offset(Validator *v) {
    Reader r = reader_here(v);
    (void)read_narrow_u32(&r);
    v->at = r.at;
    return reader_ok(&r) || fault(v, &r);
}

bool imm_memarg(Validator *v, u32 align_log2) {
    enum { MEMARG_FLAGS = 0x20 };
    const u8 *at = v->at;
    u32 align;
    TRY(imm_u32(v, &align));
    TRY(imm_offset(v));
    if (align >= MEMARG_FLAGS) {
        return fail_at(v, MALFORMED, at, "malformed memop flags 0x%x", align);
    }
    if (v->module->memory_count == 0) {
        return fail_at(v, INVALID, at, "unknown memory 0: the module has none");
    }
    if (align > align_log2) {
        return fail_at(v, INVALID, at,
                       "alignment must not be larger than natural, expected at most 2**%u, "
                       "found 2**%u",
                       align_log2, align);
    }
    return true;
}

bool imm_lane(Validator *v, u32 lane_count) {
    const u8 *at = v->at;
    u8 lane;
    TRY(imm_u8(v, &lane));
    if (lane >= lane_count) {
        return fail_at(v, INVALID, at, "invalid lane index %u, expected less than %u", lane,
                       lane_count);
    }
    return true;
}

bool imm_bad_index(Validator *v, const u8 *at, u32 count, const char *what, u32 index) {
    return fail_at(v, INVALID, at, "unknown %s %u: there are %u", what, index, count);
}
