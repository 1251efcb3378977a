// The second pass: fields to sections (WebAssembly 2.0, 6.6). See wat_int.h.
#include "text/literal.h"
#include "text/wat_int.h"
#include "types/limits.h"

static Writer *entry_of(Parser *p, SectionId id) {
    p->sections[id].count++;
    return &p->sections[id].bytes;
}

static bool take_close(Parser *p) { return text_take(&p->in, TOK_CLOSE, "')'"); }

static bool field_type(Parser *p) { return text_skip_list(&p->in); } // all done in declare.c

// Binary kinds of imports and exports are the order of the spaces.
_Static_assert(SPACE_FUNC == 0 && SPACE_TABLE == 1 && SPACE_MEMORY == 2 && SPACE_GLOBAL == 3, "");

// What is imported or exported, by its word.
static bool take_space_word(Parser *p, Space *out) {
    static const Word WORDS[] = {WORD_FUNC, WORD_TABLE, WORD_MEMORY, WORD_GLOBAL};
    for (u32 i = 0; i < COUNT_OF(WORDS); i++) {
        if (text_at_word(&p->in, WORDS[i])) {
            *out = (Space)i;
            return text_advance(&p->in);
        }
    }
    return text_unexpected(&p->in, "func, table, memory or global");
}

static bool take_table_type(Parser *p, Writer *out) {
    Writer *limits = &p->scratch;
    writer_clear(limits);
    TRY(wat_take_limits(p, limits));
    if (!wat_at_reference_type(p)) {
        return text_unexpected(&p->in, "a reference type");
    }
    u8 type;
    TRY(wat_take_value_type(p, &type));
    emit_u8(out, type);
    write_bytes(out, limits->at, limits->count);
    return true;
}

static bool take_global_type(Parser *p, Writer *out) {
    const bool is_mutable = text_at_list(&p->in, WORD_MUT);
    u8 type;
    if (is_mutable) {
        TRY(text_take_open(&p->in, WORD_MUT));
    }
    TRY(wat_take_value_type(p, &type));
    emit_u8(out, type);
    emit_u8(out, is_mutable);
    return !is_mutable || take_close(p);
}

// Kind and type of an import, behind its identifier.
static bool take_import_type(Parser *p, Space space, Writer *out) {
    emit_u8(out, (u8)space);
    p->spaces[space].next++;
    switch (space) {
    case SPACE_FUNC: return wat_take_function_type(p, NAMES_IGNORED, out);
    case SPACE_TABLE: return take_table_type(p, out);
    case SPACE_MEMORY: return wat_take_limits(p, out);
    case SPACE_GLOBAL: return take_global_type(p, out);
    case SPACE_TYPE:
    case SPACE_ELEM:
    case SPACE_DATA:
    case SPACE_COUNT: break;
    }
    return text_unexpected(&p->in, "what is imported");
}

static bool field_import(Parser *p) {
    Writer *out = entry_of(p, SECTION_IMPORT);
    Space space = SPACE_FUNC;
    TRY(wat_take_name(p, out));
    TRY(wat_take_name(p, out));
    TRY(text_take(&p->in, TOK_OPEN, "'('"));
    TRY(take_space_word(p, &space));
    TRY(wat_skip_symbol(p));
    TRY(take_import_type(p, space, out));
    return take_close(p) && take_close(p);
}

static bool take_inline_exports(Parser *p, Space space) {
    while (text_at_list(&p->in, WORD_EXPORT)) {
        Writer *out = entry_of(p, SECTION_EXPORT);
        TRY(text_take_open(&p->in, WORD_EXPORT));
        TRY(wat_take_name(p, out));
        emit_u8(out, (u8)space);
        emit_uleb(out, p->spaces[space].next);
        TRY(take_close(p));
    }
    return true;
}

// Behind the field's word: identifier, inline exports, and the rest of an inline import, which ends
// the field. *is_import says whether there was one.
static bool take_common(Parser *p, Space space, bool *is_import) {
    TRY(wat_skip_symbol(p));
    TRY(take_inline_exports(p, space));
    *is_import = text_at_list(&p->in, WORD_IMPORT);
    if (!*is_import) {
        return true;
    }
    Writer *out = entry_of(p, SECTION_IMPORT);
    TRY(text_take_open(&p->in, WORD_IMPORT));
    TRY(wat_take_name(p, out));
    TRY(wat_take_name(p, out));
    TRY(take_close(p));
    TRY(take_import_type(p, space, out));
    return take_close(p);
}

// One local or several of the same type.
static bool add_local(Parser *p, u8 type) {
    p->local_count++;
    if (p->runs.count != 0 && p->runs.at[p->runs.count - 1].type == type) {
        p->runs.at[p->runs.count - 1].count++;
        return true;
    }
    return vec_push(&p->runs, (LocalRun){1, type}) || wat_no_memory(p);
}

static bool take_locals(Parser *p) {
    while (text_at_list(&p->in, WORD_LOCAL)) {
        u8 type;
        u32 symbol;
        TRY(text_take_open(&p->in, WORD_LOCAL));
        TRY(wat_take_symbol(p, &symbol));
        if (symbol != ID_NONE) {
            TRY(wat_take_value_type(p, &type));
            TRY(wat_bind_local(p, symbol, p->local_count));
            TRY(add_local(p, type));
        } else {
            while (p->in.tok.kind != TOK_CLOSE) {
                TRY(wat_take_value_type(p, &type));
                TRY(add_local(p, type));
            }
        }
        TRY(take_close(p));
    }
    return true;
}

static void write_name_map(Parser *p, u32 func) {
    if (p->local_names.count != 0) {
        Writer *out = &p->name_maps.bytes;
        p->name_maps.count++;
        emit_uleb(out, func);
        emit_uleb(out, p->local_names.count);
        write_bytes(out, p->local_names.bytes.at, p->local_names.bytes.count);
    }
}

// The positions noted in a body count from the first function now.
//   first    of them
//   code_at  start of the body there
static void move_positions(Parser *p, usize first, usize code_at) {
    for (usize i = first; i < p->positions.count; i++) {
        p->positions.at[i].code_off += (u32)code_at;
    }
}

static bool field_func(Parser *p) {
    bool is_import;
    const u32 text_off = wat_text_off(p);
    const usize first_position = p->positions.count;
    TRY(take_common(p, SPACE_FUNC, &is_import));
    if (is_import) {
        return true;
    }
    const u32 func = p->spaces[SPACE_FUNC].next++;
    TRY(wat_take_function_type(p, NAMES_BOUND, entry_of(p, SECTION_FUNC)));
    TRY(take_locals(p));
    Writer *body = &p->body;
    writer_clear(body);
    wat_note_position(p, body, text_off);
    emit_uleb(body, p->runs.count);
    for (usize i = 0; i < p->runs.count; i++) {
        emit_uleb(body, p->runs.at[i].count);
        emit_u8(body, p->runs.at[i].type);
    }
    TRY(wat_take_instructions(p, body));
    wat_note_position(p, body, wat_text_off(p));
    wat_emit_opcode(OP_END, body);
    write_name_map(p, func);
    Writer *code = entry_of(p, SECTION_CODE);
    emit_uleb(code, body->count);
    move_positions(p, first_position, code->count);
    write_bytes(code, body->at, body->count);
    wat_open_scope(p); // names of locals end here
    return take_close(p);
}

// i32.const 0, end
static void write_zero_offset(Writer *out) {
    wat_emit_opcode(OP_I32_CONST, out);
    emit_u8(out, 0);
    wat_emit_opcode(OP_END, out);
}

// Function indices up to the end of the list.
static bool take_func_list(Parser *p, Writer *out, u32 *count) {
    Writer *list = &p->body;
    writer_clear(list);
    *count = 0;
    while (wat_at_index(p)) {
        TRY(wat_take_index_to(p, SPACE_FUNC, list));
        ++*count;
    }
    emit_uleb(out, *count);
    write_bytes(out, list->at, list->count);
    return true;
}

// (item expr) or folded instructions up to the end of the list.
static bool take_expr_list(Parser *p, Writer *out, u32 *count) {
    Writer *list = &p->body;
    writer_clear(list);
    *count = 0;
    while (p->in.tok.kind == TOK_OPEN) {
        if (text_at_list(&p->in, WORD_ITEM)) {
            TRY(text_take_open(&p->in, WORD_ITEM));
            TRY(wat_take_instructions(p, list));
            TRY(take_close(p));
        } else {
            TRY(wat_take_folded(p, list));
        }
        wat_emit_opcode(OP_END, list);
        ++*count;
    }
    emit_uleb(out, *count);
    write_bytes(out, list->at, list->count);
    return true;
}

enum { // bits of a segment's leading number (5.5.12)
    ELEM_PASSIVE = 1,
    ELEM_EXPLICIT = 2, // with a table index if active, else declarative
    ELEM_EXPRS = 4,
    ELEM_KIND_FUNC = 0,
};

// reftype (elem ...): a table of just the size of its elements.
static bool take_inline_elems(Parser *p, u32 table) {
    u8 type;
    u32 count;
    TRY(wat_take_value_type(p, &type));
    TRY(text_take_open(&p->in, WORD_ELEM));
    const bool has_exprs = p->in.tok.kind == TOK_OPEN;
    Writer *out = entry_of(p, SECTION_ELEM);
    emit_u8(out, ELEM_EXPLICIT | (has_exprs ? ELEM_EXPRS : 0));
    emit_uleb(out, table);
    write_zero_offset(out);
    emit_u8(out, has_exprs ? type : ELEM_KIND_FUNC);
    TRY(has_exprs ? take_expr_list(p, out, &count) : take_func_list(p, out, &count));
    Writer *tables = entry_of(p, SECTION_TABLE);
    emit_u8(tables, type);
    emit_u8(tables, 1);
    emit_uleb(tables, count);
    emit_uleb(tables, count);
    return take_close(p) && take_close(p);
}

static bool field_table(Parser *p) {
    bool is_import;
    TRY(take_common(p, SPACE_TABLE, &is_import));
    if (is_import) {
        return true;
    }
    const u32 table = p->spaces[SPACE_TABLE].next++;
    if (wat_at_reference_type(p)) {
        return take_inline_elems(p, table);
    }
    return take_table_type(p, entry_of(p, SECTION_TABLE)) && take_close(p);
}

// Strings up to the end of the list, their length before them.
static bool take_data_bytes(Parser *p, Writer *out, usize *bytes) {
    writer_clear(&p->scratch);
    TRY(wat_take_strings(&p->in, &p->scratch));
    *bytes = p->scratch.count;
    emit_uleb(out, p->scratch.count);
    write_bytes(out, p->scratch.at, p->scratch.count);
    return !p->scratch.failed || wat_no_memory(p);
}

static void write_data_head(u32 memory, Writer *out) {
    emit_u8(out, memory == 0 ? 0 : 2);
    if (memory != 0) {
        emit_uleb(out, memory);
    }
}

static bool field_memory(Parser *p) {
    bool is_import;
    TRY(take_common(p, SPACE_MEMORY, &is_import));
    if (is_import) {
        return true;
    }
    const u32 memory = p->spaces[SPACE_MEMORY].next++;
    Writer *out = entry_of(p, SECTION_MEMORY);
    if (!text_at_list(&p->in, WORD_DATA)) {
        return wat_take_limits(p, out) && take_close(p);
    }
    usize bytes;
    Writer *data = entry_of(p, SECTION_DATA);
    TRY(text_take_open(&p->in, WORD_DATA));
    write_data_head(memory, data);
    write_zero_offset(data);
    TRY(take_data_bytes(p, data, &bytes));
    const u64 pages = align_up(bytes, WASM_PAGE_BYTES) / WASM_PAGE_BYTES;
    emit_u8(out, 1);
    emit_uleb(out, pages);
    emit_uleb(out, pages);
    return take_close(p) && take_close(p);
}

static bool field_global(Parser *p) {
    bool is_import;
    TRY(take_common(p, SPACE_GLOBAL, &is_import));
    if (is_import) {
        return true;
    }
    p->spaces[SPACE_GLOBAL].next++;
    Writer *out = entry_of(p, SECTION_GLOBAL);
    TRY(take_global_type(p, out));
    TRY(wat_take_instructions(p, out));
    wat_emit_opcode(OP_END, out);
    return take_close(p);
}

static bool field_export(Parser *p) {
    Writer *out = entry_of(p, SECTION_EXPORT);
    Space space = SPACE_FUNC;
    TRY(wat_take_name(p, out));
    TRY(text_take(&p->in, TOK_OPEN, "'('"));
    TRY(take_space_word(p, &space));
    emit_u8(out, (u8)space);
    TRY(wat_take_index_to(p, space, out));
    return take_close(p) && take_close(p);
}

static bool field_start(Parser *p) {
    if (p->sections[SECTION_START].count != 0) {
        return text_fail(&p->in.lex, p->in.tok.start, "multiple start sections");
    }
    return wat_take_index_to(p, SPACE_FUNC, entry_of(p, SECTION_START)) && take_close(p);
}

// (offset expr) or one folded instruction.
static bool take_offset(Parser *p, Writer *out) {
    if (text_at_list(&p->in, WORD_OFFSET)) {
        TRY(text_take_open(&p->in, WORD_OFFSET));
        TRY(wat_take_instructions(p, out));
        TRY(take_close(p));
    } else {
        TRY(wat_take_folded(p, out));
    }
    wat_emit_opcode(OP_END, out);
    return true;
}

// (table x) or (memory x), if it is there.
static bool take_use(Parser *p, Word word, Space space, bool *is_there, u32 *index) {
    *is_there = text_at_list(&p->in, word);
    *index = 0;
    if (!*is_there) {
        return true;
    }
    TRY(text_take_open(&p->in, word));
    TRY(wat_take_index(p, space, index));
    return take_close(p);
}

typedef struct ElemHead {
    u8 flags;
    u32 table;
    bool has_table, is_active;
} ElemHead;

static bool take_elem_head(Parser *p, ElemHead *head, Writer *offset) {
    *head = (ElemHead){0};
    if (text_at_word(&p->in, WORD_DECLARE)) {
        head->flags = ELEM_PASSIVE | ELEM_EXPLICIT;
        return text_advance(&p->in);
    }
    TRY(take_use(p, WORD_TABLE, SPACE_TABLE, &head->has_table, &head->table));
    const bool has_offset = p->in.tok.kind == TOK_OPEN && !wat_at_reference_type(p);
    head->is_active = head->has_table || has_offset;
    if (head->is_active) {
        head->flags = head->has_table ? ELEM_EXPLICIT : 0;
        return take_offset(p, offset);
    }
    head->flags = ELEM_PASSIVE;
    return true;
}

static bool field_elem(Parser *p) {
    ElemHead head;
    u32 count;
    u8 kind = ELEM_KIND_FUNC;
    Writer *offset = &p->held; // the leading number comes first, and is known last
    TRY(wat_skip_symbol(p));
    writer_clear(offset);
    TRY(take_elem_head(p, &head, offset));
    const bool has_exprs = wat_at_reference_type(p);
    if (has_exprs) {
        TRY(wat_take_value_type(p, &kind));
        head.flags |= ELEM_EXPRS;
        head.flags |= head.is_active && kind != val_binary(VAL_FUNCREF) ? ELEM_EXPLICIT : 0;
    } else if (text_at_word(&p->in, WORD_FUNC)) {
        TRY(text_advance(&p->in));
    } else if (!head.is_active || head.has_table) {
        return text_unexpected(&p->in, "an element list");
    }
    Writer *out = entry_of(p, SECTION_ELEM);
    emit_u8(out, head.flags);
    if (head.is_active && (head.flags & ELEM_EXPLICIT) != 0) {
        emit_uleb(out, head.table);
    }
    write_bytes(out, offset->at, offset->count);
    if ((head.flags & (ELEM_PASSIVE | ELEM_EXPLICIT)) != 0) {
        emit_u8(out, kind);
    }
    TRY(has_exprs ? take_expr_list(p, out, &count) : take_func_list(p, out, &count));
    return take_close(p);
}

static bool field_data(Parser *p) {
    Writer *out = entry_of(p, SECTION_DATA);
    bool has_memory;
    u32 memory;
    usize bytes;
    TRY(wat_skip_symbol(p));
    TRY(take_use(p, WORD_MEMORY, SPACE_MEMORY, &has_memory, &memory));
    if (has_memory || p->in.tok.kind == TOK_OPEN) {
        write_data_head(memory, out);
        TRY(take_offset(p, out));
    } else {
        emit_u8(out, 1);
    }
    return take_data_bytes(p, out, &bytes) && take_close(p);
}

static bool take_field(Parser *p) {
    TRY(text_take(&p->in, TOK_OPEN, "'('"));
    switch (p->in.tok.kind == TOK_WORD ? (u32)p->in.tok.word : (u32)WORD_NONE) {
#define FIELD(word, name)                                                                          \
    case WORD_##word: return text_advance(&p->in) && field_##name(p);
#include "text/fields.def"
#undef FIELD
    default: return text_unexpected(&p->in, "a module field");
    }
}

bool wat_translate_fields(Parser *p) {
    while (p->in.tok.kind != TOK_END && p->in.tok.kind != TOK_CLOSE) {
        TRY(take_field(p));
    }
    return true;
}
