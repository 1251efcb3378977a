// A decoded module without its function bodies' meaning: what the decoder hands to the compilers
// and to the writer of `.imago.module`.
//
// Everything is borrowed from the module's arena or from the input bytes, which must outlive it.
// Index spaces put imports first (WebAssembly 2.0, 2.5.1).
#ifndef TYPES_MODULE_H
#define TYPES_MODULE_H

#include "base/str.h"
#include "types/valtype.h"

typedef enum ExternKind { EXTERN_FUNC, EXTERN_TABLE, EXTERN_MEMORY, EXTERN_GLOBAL } ExternKind;

typedef struct Limits {
    u32 min, max; // pages or entries
    bool has_max;
} Limits;

typedef struct TableType {
    ValType elem;
    Limits limits;
} TableType;

typedef struct GlobalType {
    ValType type;
    bool is_mutable;
} GlobalType;

// A constant expression of WebAssembly 2.0: a single instruction and `end`.
typedef enum ConstKind { CONST_VALUE, CONST_GLOBAL, CONST_REF_NULL, CONST_REF_FUNC } ConstKind;

typedef struct ConstExpr {
    ConstKind kind;
    ValType type;
    u32 index;     // CONST_GLOBAL, CONST_REF_FUNC
    u64 low, high; // CONST_VALUE: the bits; high only for v128
} ConstExpr;

typedef struct Import {
    Str module, name;
    ExternKind kind;
    u32 index; // in the index space of its kind
} Import;

typedef struct Export {
    Str name;
    ExternKind kind;
    u32 index;
} Export;

typedef struct Func {
    u32 type;        // index of its type
    u32 body_offset; // of the first byte of the locals, in the module; 0 for imports
    u32 body_bytes;
    bool is_escaping; // a reference to it can exist: exported, in an element segment, a global
} Func;

typedef struct Global {
    GlobalType type;
    ConstExpr init; // not for imports
} Global;

typedef enum SegmentMode { SEGMENT_ACTIVE, SEGMENT_PASSIVE, SEGMENT_DECLARATIVE } SegmentMode;

// A constant expression of the segment's type, which has few forms; there are millions of them.
typedef struct ElemItem {
    ConstKind kind; // REF_NULL, REF_FUNC, GLOBAL
    u32 index;
} ElemItem;

typedef struct ElemSegment {
    SegmentMode mode;
    ValType type;
    u32 table;        // SEGMENT_ACTIVE
    ConstExpr offset; // SEGMENT_ACTIVE
    const ElemItem *items;
    u32 count;
} ElemSegment;

typedef struct DataSegment {
    SegmentMode mode;
    u32 memory;
    ConstExpr offset;
    Str bytes;       // in the input
    u64 file_offset; // of the bytes
} DataSegment;

typedef struct CustomSection {
    Str name, bytes;
    u64 file_offset; // of the bytes
} CustomSection;

// `count` includes the imports, `import_count` says how many they are.
typedef struct Module {
    const u8 *bytes; // the binary module
    usize byte_count;
    FuncType *types;
    u32 type_count;
    Import *imports;
    u32 import_count;
    Export *exports;
    u32 export_count;
    Func *funcs;
    u32 func_count, func_import_count;
    Str *func_names; // of the name section, NULL if it has none; see module_func_name
    TableType *tables;
    u32 table_count, table_import_count;
    Limits *memories;
    u32 memory_count, memory_import_count;
    Global *globals;
    u32 global_count, global_import_count;
    ElemSegment *elems;
    u32 elem_count;
    DataSegment *datas;
    u32 data_count;
    bool has_data_count; // a DataCount section was there
    bool has_start;
    u32 start_func;
    u64 code_offset; // of the code section's first byte behind the count, in the module
    u64 code_bytes;  // of the code section's contents, 0 if there is none
    Str name;        // of the module, from the name section
    CustomSection *customs;
    u32 custom_count;
} Module;

// Empty if the name section does not name it.
static inline Str module_func_name(const Module *module, u32 func) {
    return module->func_names == NULL ? STR("") : module->func_names[func];
}

static inline const FuncType *module_func_type(const Module *module, u32 func) {
    return &module->types[module->funcs[func].type];
}

#endif
