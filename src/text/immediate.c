// Operands of instructions, one function for each kind of wasm/opcode.h (WebAssembly 2.0, 6.5).
#include "base/check.h"
#include "text/literal.h"
#include "text/wat_int.h"

enum { SHUFFLE_LANES = 16 };

void wat_emit_opcode(Opcode opcode, Writer *out) {
    const OpcodeInfo *info = &OPCODES[opcode];
    if (info->prefix != 0) {
        emit_u8(out, info->prefix);
        emit_uleb(out, info->code);
    } else {
        emit_u8(out, (u8)info->code);
    }
}

static bool take_label(Parser *p, Writer *out) {
    u32 depth;
    TRY(wat_take_label(p, &depth));
    emit_uleb(out, depth);
    return true;
}

// Labels up to the last one, which is the default.
static bool take_br_table(Parser *p, Writer *out) {
    Writer *list = &p->list;
    u32 count = 0;
    writer_clear(list);
    do {
        TRY(take_label(p, list));
        count++;
    } while (wat_at_index(p));
    emit_uleb(out, count - 1);
    write_bytes(out, list->at, list->count);
    return true;
}

static bool take_call_indirect(Parser *p, Writer *out) {
    TypeUse use;
    u32 table, type;
    TRY(wat_take_optional_index(p, SPACE_TABLE, &table));
    TRY(wat_take_type_use(p, NAMES_REFUSED, &use));
    TRY(wat_resolve_type_use(p, &use, &type));
    emit_uleb(out, type);
    emit_uleb(out, table);
    return true;
}

static bool take_result_types(Parser *p, Writer *out) {
    Writer *types = &p->types.signature;
    writer_clear(types);
    while (text_at_list(&p->in, WORD_RESULT)) {
        TRY(text_take_open(&p->in, WORD_RESULT));
        while (p->in.tok.kind != TOK_CLOSE) {
            u8 type;
            TRY(wat_take_value_type(p, &type));
            emit_u8(types, type);
        }
        TRY(text_advance(&p->in));
    }
    emit_uleb(out, types->count);
    write_bytes(out, types->at, types->count);
    return true;
}

static bool take_optional_index(Parser *p, Space space, Writer *out) {
    u32 index;
    TRY(wat_take_optional_index(p, space, &index));
    emit_uleb(out, index);
    return true;
}

// offset= and align=, in this order, both optional.
static bool take_memarg(Parser *p, u32 width, Writer *out) {
    u32 offset = 0, align = width;
    if (p->in.tok.kind == TOK_OFFSET) {
        p->in.tok.kind = TOK_NAT;
        TRY(text_take_u32(&p->in, &offset));
    }
    if (p->in.tok.kind == TOK_ALIGN) {
        const char *start = p->in.tok.start;
        p->in.tok.kind = TOK_NAT;
        TRY(text_take_u32(&p->in, &align));
        if (align == 0 || (align & (align - 1)) != 0) {
            return text_fail(&p->in.lex, start, "alignment must be a power of two: %u", align);
        }
    }
    emit_uleb(out, (u32)__builtin_ctz(align));
    emit_uleb(out, offset);
    return true;
}

static bool take_i32(Parser *p, Writer *out) {
    u64 bits;
    TRY(text_take_number(&p->in, VAL_I32, &bits));
    write_sleb(out, (i32)(u32)bits);
    return true;
}

static bool take_i64(Parser *p, Writer *out) {
    u64 bits;
    TRY(text_take_number(&p->in, VAL_I64, &bits));
    write_sleb(out, (i64)bits);
    return true;
}

static bool take_f32(Parser *p, Writer *out) {
    u64 bits;
    TRY(text_take_number(&p->in, VAL_F32, &bits));
    write_u32(out, (u32)bits);
    return true;
}

static bool take_f64(Parser *p, Writer *out) {
    u64 bits;
    TRY(text_take_number(&p->in, VAL_F64, &bits));
    write_u64(out, bits);
    return true;
}

static bool take_v128(Parser *p, Writer *out) {
    VectorLiteral vector;
    TRY(text_take_vector(&p->in, false, &vector));
    write_u64(out, vector.low);
    write_u64(out, vector.high);
    return true;
}

static bool take_heap_type(Parser *p, Writer *out) {
    u8 type;
    TRY(wat_take_heap_type(p, &type));
    emit_u8(out, type);
    return true;
}

static bool take_data(Parser *p, Writer *out) {
    p->needs_data_count = true;
    return wat_take_index_to(p, SPACE_DATA, out);
}

static bool take_memory_init(Parser *p, Writer *out) {
    TRY(take_data(p, out));
    emit_u8(out, 0);
    return true;
}

// Table, if another index follows, and element segment; the other way round in binary.
static bool take_table_init(Parser *p, Writer *out) {
    const bool has_table =
        wat_at_index(p) && (p->in.next.kind == TOK_NAT || p->in.next.kind == TOK_ID);
    u32 table = 0;
    if (has_table) {
        TRY(wat_take_index(p, SPACE_TABLE, &table));
    }
    TRY(wat_take_index_to(p, SPACE_ELEM, out));
    emit_uleb(out, table);
    return true;
}

// Both tables or none.
static bool take_table_copy(Parser *p, Writer *out) {
    if (!wat_at_index(p)) {
        write_u16(out, 0);
        return true;
    }
    TRY(wat_take_index_to(p, SPACE_TABLE, out));
    return wat_take_index_to(p, SPACE_TABLE, out);
}

static bool take_lane(Parser *p, Writer *out) {
    u64 lane;
    TRY(text_take_nat(&p->in, UINT8_MAX, "i8", &lane));
    emit_u8(out, (u8)lane);
    return true;
}

static bool take_shuffle(Parser *p, Writer *out) {
    u32 count = 0;
    const char *start = p->in.tok.start;
    while (p->in.tok.kind == TOK_NAT || p->in.tok.kind == TOK_INT || p->in.tok.kind == TOK_FLOAT) {
        TRY(take_lane(p, out));
        count++;
    }
    if (count != SHUFFLE_LANES && p->in.tok.kind != TOK_RESERVED) {
        return text_fail(&p->in.lex, start, "wrong number of lane indices: %u, expected 16", count);
    }
    return true;
}

static bool take_immediate(Parser *p, const OpcodeInfo *info, Writer *out) {
    switch (info->imm) {
    case IMM_NONE: return true;
    case IMM_BLOCK: return wat_take_block_type(p, out);
    case IMM_LABEL: return take_label(p, out);
    case IMM_BR_TABLE: return take_br_table(p, out);
    case IMM_FUNC: return wat_take_index_to(p, SPACE_FUNC, out);
    case IMM_CALL_INDIRECT: return take_call_indirect(p, out);
    case IMM_SELECT: return take_result_types(p, out);
    case IMM_LOCAL: return wat_take_local(p, out);
    case IMM_GLOBAL: return wat_take_index_to(p, SPACE_GLOBAL, out);
    case IMM_TABLE: return take_optional_index(p, SPACE_TABLE, out);
    case IMM_MEMARG: return take_memarg(p, info->width, out);
    case IMM_MEMORY: emit_u8(out, 0); return true;
    case IMM_I32: return take_i32(p, out);
    case IMM_I64: return take_i64(p, out);
    case IMM_F32: return take_f32(p, out);
    case IMM_F64: return take_f64(p, out);
    case IMM_REF_TYPE: return take_heap_type(p, out);
    case IMM_DATA: return take_data(p, out);
    case IMM_ELEM: return wat_take_index_to(p, SPACE_ELEM, out);
    case IMM_MEMORY_INIT: return take_memory_init(p, out);
    case IMM_MEMORY_COPY: write_u16(out, 0); return true;
    case IMM_TABLE_INIT: return take_table_init(p, out);
    case IMM_TABLE_COPY: return take_table_copy(p, out);
    case IMM_V128: return take_v128(p, out);
    case IMM_LANE: return take_lane(p, out);
    case IMM_SHUFFLE: return take_shuffle(p, out);
    case IMM_MEMARG_LANE: return take_memarg(p, info->width, out) && take_lane(p, out);
    }
    return false;
}

bool wat_take_plain(Parser *p, Opcode opcode, Writer *out) {
    if (opcode == OP_SELECT && text_at_list(&p->in, WORD_RESULT)) {
        opcode = OP_SELECT_T;
    }
    wat_emit_opcode(opcode, out);
    return take_immediate(p, &OPCODES[opcode], out);
}
