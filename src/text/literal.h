// Literals as operands: numbers of a type, and vectors lane by lane.
#ifndef TEXT_LITERAL_H
#define TEXT_LITERAL_H

#include "text/cursor.h"

typedef enum Shape {
    SHAPE_I8X16,
    SHAPE_I16X8,
    SHAPE_I32X4,
    SHAPE_I64X2,
    SHAPE_F32X4,
    SHAPE_F64X2,
} Shape;

// What a script accepts instead of a float's bits.
typedef enum NanKind { NAN_NONE, NAN_CANONICAL, NAN_ARITHMETIC } NanKind;

typedef struct VectorLiteral {
    u64 low, high; // the bits; those of a lane with a NanKind are zero
    Shape shape;
    u8 nan[4]; // NanKind by lane, for float shapes
} VectorLiteral;

u32 text_shape_lanes(Shape shape);

// A natural number up to `max`. Out of range: "<type> constant out of range".
bool text_take_nat(Cursor *in, u64 max, const char *type, u64 *out);
bool text_take_u32(Cursor *in, u32 *out);

// The bits of a literal of one of the four number types.
bool text_take_number(Cursor *in, ValType type, u64 *out);

// As before, or for float types nan:canonical and nan:arithmetic.
bool text_take_pattern(Cursor *in, ValType type, u64 *out, NanKind *nan);

// Shape and lanes, as behind v128.const.
//   accepts_nan   nan:canonical and nan:arithmetic are lanes
bool text_take_vector(Cursor *in, bool accepts_nan, VectorLiteral *out);

#endif
