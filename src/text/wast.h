// Reader of test scripts (.wast; spec/interpreter/README.md, "Scripts"): an iterator over the
// commands, modules already translated to binary.
//
//     WastScript *script = wast_open(text, &err);
//     WastCommand command;
//     while (wast_next(script, &command, &err) && command.kind != WAST_END) { ... }
//     wast_close(script);
//
// O(text) in all. What a command points to lives until the next wast_next or wast_close; the text
// is borrowed until wast_close.
#ifndef TEXT_WAST_H
#define TEXT_WAST_H

#include "base/error.h"
#include "base/str.h"
#include "text/literal.h"
#include "types/valtype.h"

typedef enum WastKind {
    WAST_END,
    WAST_MODULE,                 // module
    WAST_REGISTER,               // name, module_id
    WAST_ACTION,                 // action
    WAST_ASSERT_RETURN,          // action, results
    WAST_ASSERT_TRAP,            // action, message
    WAST_ASSERT_EXHAUSTION,      // action, message
    WAST_ASSERT_INVALID,         // module, message
    WAST_ASSERT_MALFORMED,       // module, message
    WAST_ASSERT_UNLINKABLE,      // module, message
    WAST_ASSERT_UNINSTANTIABLE,  // module, message: assert_trap of a module
    WAST_UNSUPPORTED,            // name: a command of later versions, skipped as a whole
} WastKind;

// A module whose text is wrong is no error of the script: is_translated says so, and `error` what
// it is, with line and column in the script. A (module binary ...) is always translated, unchecked.
typedef struct WastModule {
    Str id; // without $, empty if it has none
    bool is_binary, is_quote;
    bool is_translated;
    const u8 *bytes; // the binary module
    usize byte_count;
    Error error;
} WastModule;

typedef enum WastValueKind {
    WAST_NUMBER,     // type, bits; as a result: or nan
    WAST_VECTOR,     // vector
    WAST_REF_NULL,   // type: VAL_FUNCREF, VAL_EXTERNREF; as a result also VAL_NONE: any
    WAST_REF_FUNC,   // any function that is not null
    WAST_REF_EXTERN, // bits; as a result: or any that is not null, if is_any
    WAST_EITHER,     // only as a result: one of `options`
} WastValueKind;

typedef struct WastValue {
    WastValueKind kind;
    ValType type;
    NanKind nan;
    bool is_any;
    u64 bits;
    VectorLiteral vector;
    const struct WastValue *options;
    u32 option_count;
} WastValue;

typedef struct WastAction {
    bool is_get;   // of a global; else the call of a function
    Str module_id; // without $, empty for the last module
    Str name;      // of the export
    const WastValue *args;
    u32 arg_count;
} WastAction;

typedef struct WastCommand {
    WastKind kind;
    u32 line, column; // from 1
    WastModule module;
    WastAction action;
    Str name, module_id;
    Str message; // the official engine's
    const WastValue *results;
    u32 result_count;
} WastCommand;

typedef struct WastScript WastScript;

// NULL when out of memory or the first token is none.
WastScript *wast_open(Str text, Error *err);
void wast_close(WastScript *script); // NULL is allowed

// The next command, WAST_END behind the last one. A text that consists of module fields is one
// WAST_MODULE. False: the script itself is malformed (ERR_MALFORMED with line and column), or out
// of memory; nothing more can be read.
bool wast_next(WastScript *script, WastCommand *out, Error *err);

// True if `actual`, of a kind other than WAST_EITHER and without NaN patterns, is what `expected`
// describes: numbers and vectors bit by bit, or by NaN class where a pattern says so.
bool wast_value_matches(const WastValue *expected, const WastValue *actual);

#endif
