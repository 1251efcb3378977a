// Value types and function types (WebAssembly 2.0, 2.3).
#ifndef TYPES_VALTYPE_H
#define TYPES_VALTYPE_H

#include "base/int.h"

typedef enum ValType {
    VAL_NONE = 0, // in the validator: the type of unreachable code
#define VALTYPE(name, code, binary, text, bytes, is_float) VAL_##name = (code),
#include "types/valtypes.def"
#undef VALTYPE
    VAL_COUNT
} ValType;

static inline bool val_is_ref(ValType type) { return type >= VAL_FUNCREF; }
static inline bool val_is_num(ValType type) { return type >= VAL_I32 && type <= VAL_F64; }
// Held in a floating-point/vector register.
static inline bool val_is_float(ValType type) { return type >= VAL_F32 && type <= VAL_V128; }

// The type of a binary code (0x7F ...), or VAL_NONE.
ValType val_of_binary(u8 binary);
u8 val_binary(ValType type);
const char *val_name(ValType type);

// A function type: `types` holds ValType codes, the parameters and behind them the results.
typedef struct FuncType {
    const u8 *types; // borrowed
    u32 param_count, result_count;
} FuncType;

static inline const u8 *type_params(const FuncType *type) { return type->types; }
static inline const u8 *type_results(const FuncType *type) {
    return type->types + type->param_count;
}
bool type_equal(const FuncType *a, const FuncType *b);

// Signature id, compared by call_indirect. A type of up to nine parameters and results packs into
// 30 bits by value: three bits a type, parameters, a zero, results, the first one highest. Two
// modules thus agree on it without asking anyone. A larger type gives SIG_LARGE: its id is
// assigned by the engine at instantiation and read from the instance (vmctx).
#define SIG_LARGE 0x80000000u
// No type's id: of references that are still to be made (types/vmctx.h).
#define SIG_LAZY 0xFFFFFFFFu
u32 type_sig(const FuncType *type);

#endif
