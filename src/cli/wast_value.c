#include <inttypes.h>
#include <stdio.h>

#include "cli/wast_int.h"

// (ref.extern N) as a pointer: never NULL.
static void *extern_of(u64 bits) { return (void *)(uintptr_t)(bits + 1); }

ImagoValue wast_to_value(const WastValue *from) {
    ImagoValue value = {.bits = {0, 0}};
    switch (from->kind) {
    case WAST_NUMBER:
        value.bits[0] = from->bits;
        break;
    case WAST_VECTOR:
        value.bits[0] = from->vector.low;
        value.bits[1] = from->vector.high;
        break;
    case WAST_REF_EXTERN:
        value.externref = extern_of(from->bits);
        break;
    case WAST_REF_NULL:
    case WAST_REF_FUNC: // not as an argument
    case WAST_EITHER:
    default:
        break;
    }
    return value;
}

WastValue wast_of_value(ImagoType type, const ImagoValue *value) {
    // The type codes of the interface are those of types/valtypes.def.
    _Static_assert(IMAGO_I32 == (int)VAL_I32 && IMAGO_EXTERNREF == (int)VAL_EXTERNREF, "one code");
    WastValue out = {.type = (ValType)type};
    switch (type) {
    case IMAGO_V128:
        out.kind = WAST_VECTOR;
        out.vector.low = value->bits[0];
        out.vector.high = value->bits[1];
        break;
    case IMAGO_FUNCREF:
        out.kind = value->func == NULL ? WAST_REF_NULL : WAST_REF_FUNC;
        break;
    case IMAGO_EXTERNREF:
        out.kind = value->externref == NULL ? WAST_REF_NULL : WAST_REF_EXTERN;
        out.bits = value->externref == NULL ? 0 : (u64)(uintptr_t)value->externref - 1;
        break;
    case IMAGO_I32:
    case IMAGO_F32:
        out.kind = WAST_NUMBER;
        out.bits = value->bits[0] & UINT32_MAX;
        break;
    case IMAGO_I64:
    case IMAGO_F64:
    default:
        out.kind = WAST_NUMBER;
        out.bits = value->bits[0];
        break;
    }
    return out;
}

static usize number_text(const WastValue *value, char *out, usize out_bytes) {
    int length;
    f32 single;
    f64 twice;
    if (value->nan != NAN_NONE) {
        length = snprintf(out, out_bytes, "%s nan:%s", val_name(value->type),
                          value->nan == NAN_CANONICAL ? "canonical" : "arithmetic");
    } else if (value->type == VAL_F32) {
        const u32 bits = (u32)value->bits;
        memcpy(&single, &bits, sizeof single);
        length = snprintf(out, out_bytes, "f32 %.9g (0x%08" PRIx32 ")", (f64)single, bits);
    } else if (value->type == VAL_F64) {
        memcpy(&twice, &value->bits, sizeof twice);
        length = snprintf(out, out_bytes, "f64 %.17g (0x%016" PRIx64 ")", twice, value->bits);
    } else if (value->type == VAL_I32) {
        length = snprintf(out, out_bytes, "i32 %" PRId32, (i32)(u32)value->bits);
    } else {
        length = snprintf(out, out_bytes, "i64 %" PRId64, (i64)value->bits);
    }
    return length < 0 ? 0 : (usize)length;
}

static usize value_text(const WastValue *value, char *out, usize out_bytes) {
    int length;
    switch (value->kind) {
    case WAST_NUMBER:
        return number_text(value, out, out_bytes);
    case WAST_VECTOR:
        length = snprintf(out, out_bytes, "v128 0x%016" PRIx64 "%016" PRIx64, value->vector.high,
                          value->vector.low);
        break;
    case WAST_REF_NULL:
        length = snprintf(out, out_bytes, "ref.null");
        break;
    case WAST_REF_FUNC:
        length = snprintf(out, out_bytes, "ref.func");
        break;
    case WAST_REF_EXTERN:
        length = snprintf(out, out_bytes, "ref.extern %" PRIu64, value->bits);
        break;
    case WAST_EITHER:
    default:
        length = snprintf(out, out_bytes, "either of %" PRIu32, value->option_count);
        break;
    }
    return length < 0 ? 0 : (usize)length;
}

const char *wast_values_text(const WastValue *values, u32 count, char *out, usize out_bytes) {
    usize at = 0;
    (void)snprintf(out, out_bytes, "nothing");
    for (u32 i = 0; i < count && at + 4 < out_bytes; i++) {
        if (i != 0) {
            memcpy(out + at, ", ", 3);
            at += 2;
        }
        at += value_text(&values[i], out + at, out_bytes - at);
    }
    return out;
}
