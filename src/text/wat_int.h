// The parser of modules, shared by its files.
//
// Two passes over the text. The first one (declare.c) counts what the fields define, binds their
// identifiers and collects the type definitions; it skips everything else. The second one
// (fields.c, instr.c) translates, each section into a writer of its own; emit.c puts them together.
// So forward references cost nothing, and types that stand for inline ones come behind all explicit
// ones in order of appearance, as the specification wants (6.6.3).
//
// Nothing recurses: instructions nest on Parser.frames. Every function that returns bool has set
// the error when it returns false.
#ifndef TEXT_WAT_INT_H
#define TEXT_WAT_INT_H

#include "base/arena.h"
#include "base/vec.h"
#include "base/writer.h"
#include "text/cursor.h"
#include "text/intern.h"

typedef enum Space {
#define SPACE(name, text, subsection) SPACE_##name,
#include "text/spaces.def"
#undef SPACE
    SPACE_COUNT
} Space;

// An identifier as text: what it means in each name space. 0: nothing; else index + 1.
typedef struct Symbol {
    u32 index[SPACE_COUNT];
    u32 local, scope; // a local's, if `scope` is the present one
    u32 label;        // position in Parser.labels + 1 of the innermost block of that name
} Symbol;

typedef struct NamedIndex {
    u32 index, symbol;
} NamedIndex;

typedef struct IndexSpace {
    u32 count; // all that the module has
    u32 next;  // second pass: index of the next one
    bool is_defined; // something is defined, not imported
    VEC(NamedIndex) names;
} IndexSpace;

// Function type: `types` are the binary codes of parameters and results.
typedef struct TypeText {
    Str types;
    u32 param_count;
} TypeText;

typedef struct TypeTable {
    VEC(TypeText) list;
    Intern set;       // of contents
    VEC(u32) first;   // by number in `set`: smallest index of that type
    Writer signature; // the type being read
} TypeTable;

// Numbers of the binary format (5.5.2).
typedef enum SectionId {
    SECTION_TYPE = 1,
    SECTION_IMPORT,
    SECTION_FUNC,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEM,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_COUNT
} SectionId;

typedef struct Section {
    Writer bytes; // the entries
    u32 count;
} Section;

typedef enum FrameKind {
    FRAME_NONE,    // nothing is open
    FRAME_FOLDED,  // (op ...): opcode and immediates wait in Parser.pending for the operands
    FRAME_BLOCK,   // (block ...), (loop ...)
    FRAME_IF,      // (if ...), before (then
    FRAME_IF_THEN, // (if ...), behind (then ...)
    FRAME_IF_ELSE, // (if ...), behind (else ...)
    FRAME_ARM,     // (then ...), (else ...)
    FRAME_FLAT,    // block ... end, loop ... end, else ... end
    FRAME_FLAT_IF, // if ... before else
} FrameKind;

typedef struct Frame {
    u8 kind;         // FrameKind
    u32 symbol;      // of the block's label, ID_NONE if it has none
    u32 pending_off; // start of the waiting bytes
    u32 text_off;    // of the instruction
} Frame;

typedef struct Label {
    u32 symbol, shadowed; // what symbol's `label` was
} Label;

typedef struct LocalRun {
    u32 count;
    u8 type;
} LocalRun;

// Where an instruction of the code section stands in the text.
typedef struct CodePosition {
    u32 code_off; // from the first function; while its function is read, from the start of the body
    u32 text_off;
} CodePosition;

typedef struct Parser {
    Cursor in;
    Arena arena;
    Intern identifiers;
    VEC(Symbol) symbols; // by number in `identifiers`
    IndexSpace spaces[SPACE_COUNT];
    TypeTable types;
    Section sections[SECTION_COUNT];
    Str module_name;
    bool needs_data_count;
    Writer scratch; // strings, index lists: never across a call that may use it
    Writer held;    // offset of an element segment
    Writer list;    // labels of br_table
    // the function at hand
    u32 scope, local_count;
    VEC(LocalRun) runs;
    Section local_names;
    Writer body;
    VEC(Frame) frames;
    VEC(Label) labels;
    Writer pending;
    Section name_maps; // of the locals of all functions
    // for wat_locate, only if keeps_positions
    bool keeps_positions;
    VEC(CodePosition) positions; // in order
    u64 code_base;               // of the first function, in the module
} Parser;

// declare.c: the first pass, up to the end of the text or an unmatched parenthesis.
bool wat_declare_fields(Parser *p);

// fields.c: the second pass.
bool wat_translate_fields(Parser *p);

// What is written next to `out` comes from `text_off`. Only bodies of functions are noted.
void wat_note_position(Parser *p, const Writer *out, u32 text_off);
static inline u32 wat_text_off(const Parser *p) {
    return (u32)(p->in.tok.start - p->in.lex.text.at);
}

// emit.c: the finished module.
bool wat_write_module(Parser *p, Writer *out);

// types.c: types and uses of types.
typedef enum ParamNames { NAMES_REFUSED, NAMES_IGNORED, NAMES_BOUND } ParamNames;
typedef struct TypeUse {
    bool has_index; // (type x) was there: any u32, existing or not
    u32 index;
    u32 param_count, result_count;
    u8 first_result;
} TypeUse;
bool wat_take_heap_type(Parser *p, u8 *out);
bool wat_take_value_type(Parser *p, u8 *out);
bool wat_at_reference_type(const Parser *p);
bool wat_take_limits(Parser *p, Writer *out);
// (func params results), entered in the table under the next index.
bool wat_take_type_definition(Parser *p);
// Type use: its parts are in types.signature as well.
bool wat_take_type_use(Parser *p, ParamNames names, TypeUse *out);
// Index of the type that a use stands for, made if there is none.
bool wat_resolve_type_use(Parser *p, const TypeUse *use, u32 *out);
// Type use of a function: parameters become locals. Writes the index.
bool wat_take_function_type(Parser *p, ParamNames names, Writer *out);
bool wat_take_block_type(Parser *p, Writer *out);

// names.c: identifiers and indices.
bool wat_no_memory(const Parser *p) __attribute__((cold));
// Symbol of the present token, an identifier; ID_NONE and no step if it is something else.
bool wat_take_symbol(Parser *p, u32 *symbol);
bool wat_skip_symbol(Parser *p);
// Next index of a space, bound to the identifier that may follow.
bool wat_declare(Parser *p, Space space);
bool wat_take_index(Parser *p, Space space, u32 *out);
bool wat_take_index_to(Parser *p, Space space, Writer *out);
bool wat_at_index(const Parser *p);
// An index if there is one, else 0.
bool wat_take_optional_index(Parser *p, Space space, u32 *out);
const char *wat_space_text(Space space);
void wat_open_scope(Parser *p);
bool wat_bind_local(Parser *p, u32 symbol, u32 local);
bool wat_take_local(Parser *p, Writer *out);
bool wat_push_label(Parser *p, u32 symbol);
void wat_pop_label(Parser *p);
bool wat_take_label(Parser *p, u32 *depth);
// A string: as a name (length and UTF-8 bytes), or any number of them, bytes only.
bool wat_take_name(Parser *p, Writer *out);
bool wat_take_strings(Cursor *in, Writer *out);

// instr.c: instructions up to an unmatched parenthesis or what starts no instruction.
bool wat_take_instructions(Parser *p, Writer *out);
// One folded instruction.
bool wat_take_folded(Parser *p, Writer *out);
// immediate.c: operands of an instruction whose word has been read, behind its opcode.
bool wat_take_plain(Parser *p, Opcode opcode, Writer *out);
void wat_emit_opcode(Opcode opcode, Writer *out);

// Translates a whole text. See wat.h.
//   words   made by text_words_init, borrowed
bool wat_translate(const Words *words, Str text, Writer *out, Error *err);

static inline void emit_u8(Writer *w, u8 byte) {
    if (LIKELY(w->count < w->capacity)) {
        w->at[w->count++] = byte;
    } else {
        write_u8(w, byte);
    }
}

static inline void emit_uleb(Writer *w, u64 value) {
    if (LIKELY(value < 0x80)) {
        emit_u8(w, (u8)value);
    } else {
        write_uleb(w, value);
    }
}

// Forgets the contents, keeps the memory.
static inline void writer_clear(Writer *w) { w->count = 0; }

#endif
