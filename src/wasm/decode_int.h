// What the files of the decoder share.
#ifndef WASM_DECODE_INT_H
#define WASM_DECODE_INT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/reader.h"
#include "base/vec.h"
#include "types/module.h"

typedef struct Decoder {
    Module *module;
    Arena *arena;
    Error *err;
    Reader r;             // of the present section; offsets count from the module's start
    const char *section;  // its name, for messages
    u32 body_count;       // function bodies in the code section
    u32 data_count;       // what the DataCount section promised
    Str names;            // contents of the name section, if any
    VEC(CustomSection) customs;
} Decoder;

// Offset of the next byte in the module.
static inline u64 decode_at(const Decoder *d) { return reader_offset(&d->r); }

// Turns the reader's fault into an error. True if there is none.
bool decode_ok(Decoder *d);

// Reads a vector's count. False, with the error set, if it is more than `limit` or more than the
// bytes that are left.
//   what   plural, for messages
bool decode_count(Decoder *d, u32 limit, const char *what, u32 *count);

// How many of `count` items of `min_bytes` at least can be decoded before the bytes run out, with
// the one that fails then: what to allocate for.
usize decode_room(const Decoder *d, u32 count, u32 min_bytes);

// Reads an index and compares it with `count` ("unknown <what> N").
bool decode_index(Decoder *d, u32 count, const char *what, u32 *index);

bool decode_name(Decoder *d, Str *name);
bool decode_val_type(Decoder *d, u8 *type);
bool decode_ref_type(Decoder *d, ValType *type);
bool decode_table_type(Decoder *d, TableType *type);
bool decode_memory_type(Decoder *d, Limits *limits);
bool decode_global_type(Decoder *d, GlobalType *type);

// Reads a constant expression of the given type with its `end`. A function that it mentions
// becomes escaping.
bool decode_const(Decoder *d, ValType type, ConstExpr *out);

// `count` zeroed items of the module's arena; false with ERR_NO_MEMORY.
bool decode_alloc(Decoder *d, usize count, usize item_bytes, void **out);

// Appends `more` zeroed items to an array of the arena (as a copy).
bool decode_extend(Decoder *d, void **array, usize count, usize more, usize item_bytes);

// One function a section: contents from d->r, which they leave at its end.
bool decode_types(Decoder *d);
bool decode_imports(Decoder *d);
bool decode_funcs(Decoder *d);
bool decode_tables(Decoder *d);
bool decode_memories(Decoder *d);
bool decode_globals(Decoder *d);
bool decode_exports(Decoder *d);
bool decode_start(Decoder *d);
bool decode_elems(Decoder *d);
bool decode_data_count(Decoder *d);
bool decode_code(Decoder *d);
bool decode_datas(Decoder *d);

// Names of the module and its functions from the name section's contents; stops at the first
// damage, which is not an error. Needs the function index space.
bool decode_names(Decoder *d, Str contents);

#endif
