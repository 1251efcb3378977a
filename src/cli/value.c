#include "cli/value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

const char *cli_type_name(ImagoType type) {
    static const char *const NAMES[] = {
        [IMAGO_I32] = "i32",   [IMAGO_I64] = "i64",         [IMAGO_F32] = "f32",
        [IMAGO_F64] = "f64",   [IMAGO_V128] = "v128",       [IMAGO_FUNCREF] = "funcref",
        [IMAGO_EXTERNREF] = "externref",
    };
    return (u32)type < COUNT_OF(NAMES) && NAMES[type] != NULL ? NAMES[type] : "unknown";
}

// -2^(bits-1) to 2^bits-1, as bits.
static bool parse_integer(const char *text, u32 bits, u64 *value) {
    const bool is_negative = text[0] == '-';
    const char *digits = text + (is_negative || text[0] == '+');
    const bool is_hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    digits += is_hex ? 2 : 0;
    static const char DIGITS[] = "0123456789abcdefABCDEF";
    if (digits[0] == 0 || strspn(digits, DIGITS) != strlen(digits)) {
        return false; // strtoull would take blanks and a second sign
    }
    char *end = NULL;
    errno = 0;
    const u64 magnitude = strtoull(digits, &end, is_hex ? 16 : 10);
    const u64 limit = is_negative ? UINT64_C(1) << (bits - 1) : UINT64_MAX >> (64 - bits);
    *value = is_negative ? 0 - magnitude : magnitude;
    return *end == 0 && errno == 0 && magnitude <= limit;
}

static bool starts_number(const char *text) {
    return text[0] != 0 && strchr(" \t\n\v\f\r", text[0]) == NULL;
}

bool cli_value_parse(ImagoType type, const char *text, ImagoValue *value) {
    *value = (ImagoValue){.bits = {0, 0}};
    char *end = NULL;
    switch (type) {
    case IMAGO_I32:
        return parse_integer(text, 32, &value->bits[0]) &&
               (value->bits[0] &= UINT32_MAX, true);
    case IMAGO_I64:
        return parse_integer(text, 64, &value->bits[0]);
    case IMAGO_F32:
        value->f32 = strtof(text, &end);
        return starts_number(text) && *end == 0;
    case IMAGO_F64:
        value->f64 = strtod(text, &end);
        return starts_number(text) && *end == 0;
    case IMAGO_FUNCREF:
    case IMAGO_EXTERNREF:
        return strcmp(text, "null") == 0;
    case IMAGO_V128:
    default:
        return false;
    }
}

static void print_f64(FILE *out, f64 number) {
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    fputs(isnan(number) ? "nan" : text, out);
}

static void print_f32(FILE *out, f32 number) {
    char text[40];
    for (int digits = 1; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (f64)number);
        if (strtof(text, NULL) == number) {
            break;
        }
    }
    fputs(isnan(number) ? "nan" : text, out);
}

void cli_value_print(FILE *out, ImagoType type, const ImagoValue *value) {
    switch (type) {
    case IMAGO_I32:
        fprintf(out, "%" PRId32, value->i32);
        break;
    case IMAGO_I64:
        fprintf(out, "%" PRId64, value->i64);
        break;
    case IMAGO_F32:
        print_f32(out, value->f32);
        break;
    case IMAGO_F64:
        print_f64(out, value->f64);
        break;
    case IMAGO_V128:
        fprintf(out, "0x%016" PRIx64 "%016" PRIx64, value->bits[1], value->bits[0]);
        break;
    case IMAGO_FUNCREF:
        fputs(value->func == NULL ? "null" : "funcref", out);
        break;
    case IMAGO_EXTERNREF:
        fputs(value->externref == NULL ? "null" : "externref", out);
        break;
    default:
        fputs("unknown", out);
        break;
    }
}
