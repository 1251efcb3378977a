#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    int exit_code;
    const char *name;
} ERRORS[ERR_COUNT] = {
#define ERROR(name, exit_code, text) [ERR_##name] = {exit_code, text},
#include "base/errors.def"
#undef ERROR
};

bool error_set(Error *err, ErrorCode code, u64 offset, const char *format, ...) {
    if (err == NULL || err->code != IMAGO_ERROR_NONE) {
        return false;
    }
    err->code = code;
    err->offset = offset;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

int error_exit_code(ErrorCode code) { return ERRORS[code].exit_code; }

const char *error_name(ErrorCode code) { return ERRORS[code].name; }
