#include "fuzz/lib/rewrite.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/reader.h"
#include "fuzz/lib/gen_int.h"
#include "types/module.h"
#include "wasm/decode.h"
#include "wasm/opcode.h"

enum { SECTION_EXPORT = 7, SECTION_CODE = 10 };

typedef struct Rewriter {
    const Module *module;
    bool exports_all, has_exports;
    Bytes out, section, body;
} Rewriter;

// ---- Bodies -------------------------------------------------------------------------------------

static void skip_lebs(Reader *r, u32 count) {
    while (count != 0 && !reader_at_end(r)) {
        count -= read_u8(r) < 0x80;
    }
}

static void skip_immediates(Reader *r, Opcode op) {
    switch (OPCODES[op].imm) {
    case IMM_NONE: break;
    case IMM_BLOCK: case IMM_LABEL: case IMM_FUNC: case IMM_LOCAL: case IMM_GLOBAL: case IMM_TABLE:
    case IMM_MEMORY: case IMM_I32: case IMM_I64: case IMM_REF_TYPE: case IMM_DATA: case IMM_ELEM:
        skip_lebs(r, 1);
        break;
    case IMM_CALL_INDIRECT: case IMM_MEMARG: case IMM_MEMORY_INIT: case IMM_MEMORY_COPY:
    case IMM_TABLE_INIT: case IMM_TABLE_COPY:
        skip_lebs(r, 2);
        break;
    case IMM_BR_TABLE: skip_lebs(r, read_u32_leb(r) + 1); break;
    case IMM_SELECT: skip_lebs(r, read_u32_leb(r)); break;
    case IMM_F32: (void)read_bytes(r, 4); break;
    case IMM_F64: (void)read_bytes(r, 8); break;
    case IMM_V128: case IMM_SHUFFLE: (void)read_bytes(r, 16); break;
    case IMM_LANE: (void)read_bytes(r, 1); break;
    case IMM_MEMARG_LANE:
        skip_lebs(r, 2);
        (void)read_bytes(r, 1);
        break;
    }
}

// The type of the NaNs that the instruction makes, or 0.
static u8 nan_type(u32 byte) {
    const bool is_f32 = (byte >= 0x8D && byte <= 0x97) || byte == 0xB6;
    const bool is_f64 = (byte >= 0x9B && byte <= 0xA5) || byte == 0xBB;
    return is_f32 ? T_F32 : is_f64 ? T_F64 : 0;
}

// locals: two of f32 and f64.
static void canonicalize_top(Bytes *out, u8 type, u32 locals) {
    const bool is_double = type == T_F64;
    const u32 local = locals + is_double;
    bytes_u8(out, 0x22);
    bytes_u32(out, local);
    bytes_u8(out, is_double ? 0x44 : 0x43);
    bytes_fixed(out, is_double ? 0x7FF8000000000000u : 0x7FC00000u, is_double ? 8 : 4);
    for (u32 i = 0; i < 2; i++) {
        bytes_u8(out, 0x20);
        bytes_u32(out, local);
    }
    bytes_u8(out, is_double ? 0x61 : 0x5B);
    bytes_u8(out, 0x1B);
}

// Copies the declarations with two more; returns the index of the first new one.
static u32 rewrite_locals(Rewriter *rewriter, Reader *r, u32 param_count) {
    const u32 groups = read_u32_leb(r);
    u32 locals = param_count;
    bytes_u32(&rewriter->body, groups + 2);
    for (u32 i = 0; i < groups && reader_ok(r); i++) {
        const u32 count = read_u32_leb(r);
        locals += count;
        bytes_u32(&rewriter->body, count);
        bytes_u8(&rewriter->body, read_u8(r));
    }
    bytes_append(&rewriter->body, (const u8[]){1, T_F32, 1, T_F64}, 4);
    return locals;
}

static bool rewrite_body(Rewriter *rewriter, const Func *func) {
    Reader r = reader_of(rewriter->module->bytes + func->body_offset, func->body_bytes);
    const u32 locals =
        rewrite_locals(rewriter, &r, rewriter->module->types[func->type].param_count);
    while (!reader_at_end(&r)) {
        const u8 *start = r.at;
        const u8 byte = read_u8(&r);
        const bool has_prefix = byte >= 0xFC;
        const Opcode op = opcode_of(has_prefix ? byte : 0, has_prefix ? read_u32_leb(&r) : byte);
        if (op == OP_COUNT) {
            return false;
        }
        skip_immediates(&r, op);
        bytes_append(&rewriter->body, start, (usize)(r.at - start));
        if (nan_type(byte) != 0) {
            canonicalize_top(&rewriter->body, nan_type(byte), locals);
        }
    }
    return reader_ok(&r);
}

static bool rewrite_code(Rewriter *rewriter) {
    const Module *module = rewriter->module;
    bool is_ok = true;
    bytes_u32(&rewriter->section, module->func_count - module->func_import_count);
    for (u32 i = module->func_import_count; is_ok && i < module->func_count; i++) {
        rewriter->body.count = 0;
        is_ok = rewrite_body(rewriter, &module->funcs[i]);
        bytes_u32(&rewriter->section, (u32)rewriter->body.count);
        bytes_append(&rewriter->section, rewriter->body.at, rewriter->body.count);
    }
    bytes_section(&rewriter->out, SECTION_CODE, &rewriter->section);
    return is_ok;
}

// ---- Exports ------------------------------------------------------------------------------------

static void write_export(Bytes *out, const char *name, usize bytes, u32 kind, u32 index) {
    bytes_u32(out, (u32)bytes);
    bytes_append(out, (const u8 *)name, bytes);
    bytes_u8(out, kind);
    bytes_u32(out, index);
}

static void write_hidden(Rewriter *rewriter, u32 kind, u32 count) {
    for (u32 i = 0; i < count; i++) {
        char name[40];
        const int bytes = snprintf(name, sizeof name, "hidden %u %u", kind, i);
        write_export(&rewriter->section, name, (usize)bytes, kind, i);
    }
}

static void rewrite_exports(Rewriter *rewriter) {
    const Module *m = rewriter->module;
    const u32 hidden = m->func_count + m->table_count + m->memory_count + m->global_count;
    rewriter->has_exports = true;
    bytes_u32(&rewriter->section, m->export_count + hidden);
    for (u32 i = 0; i < m->export_count; i++) {
        const Export *item = &m->exports[i];
        write_export(&rewriter->section, (const char *)item->name.at, item->name.count, item->kind,
                     item->index);
    }
    write_hidden(rewriter, EXTERN_FUNC, m->func_count);
    write_hidden(rewriter, EXTERN_TABLE, m->table_count);
    write_hidden(rewriter, EXTERN_MEMORY, m->memory_count);
    write_hidden(rewriter, EXTERN_GLOBAL, m->global_count);
    bytes_section(&rewriter->out, SECTION_EXPORT, &rewriter->section);
}

// ---- Modules ------------------------------------------------------------------------------------

static bool rewrite_sections(Rewriter *rewriter) {
    Reader r = reader_of(rewriter->module->bytes, rewriter->module->byte_count);
    const Str magic = read_bytes(&r, 8);
    bool is_ok = true;
    bytes_append(&rewriter->out, (const u8 *)magic.at, magic.count);
    while (is_ok && !reader_at_end(&r)) {
        const u32 id = read_u8(&r);
        const Str contents = read_bytes(&r, read_u32_leb(&r));
        if (rewriter->exports_all && !rewriter->has_exports && id >= SECTION_EXPORT) {
            rewrite_exports(rewriter);
        }
        if (id == SECTION_CODE) {
            is_ok = rewrite_code(rewriter);
        } else if (id != SECTION_EXPORT || !rewriter->exports_all) {
            bytes_u8(&rewriter->out, id);
            bytes_u32(&rewriter->out, (u32)contents.count);
            bytes_append(&rewriter->out, (const u8 *)contents.at, contents.count);
        }
    }
    if (rewriter->exports_all && !rewriter->has_exports) {
        rewrite_exports(rewriter);
    }
    return is_ok && reader_ok(&r);
}

uint8_t *rewrite_module(const uint8_t *bytes, size_t count, bool exports_all, size_t *new_count) {
    Arena arena;
    Module module;
    arena_init(&arena);
    Rewriter rewriter = {.module = &module, .exports_all = exports_all};
    const bool is_ok =
        wasm_decode(&module, &arena, bytes, count, NULL) && rewrite_sections(&rewriter);
    arena_deinit(&arena);
    free(rewriter.section.at);
    free(rewriter.body.at);
    if (!is_ok) {
        free(rewriter.out.at);
        return NULL;
    }
    *new_count = rewriter.out.count;
    return rewriter.out.at;
}
