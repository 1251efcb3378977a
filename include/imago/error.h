/* What a failed Imago call tells its caller. C99, no dependencies. */
#ifndef IMAGO_ERROR_H
#define IMAGO_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define IMAGO_API __attribute__((visibility("default")))
#else
#define IMAGO_API
#endif

/* Codes, by who has to act. The number is stable. */
typedef enum ImagoErrorCode {
    IMAGO_ERROR_NONE = 0,
    IMAGO_ERROR_MALFORMED,   /* bytes or text that are not a module */
    IMAGO_ERROR_INVALID,     /* a module that does not validate */
    IMAGO_ERROR_IMAGE,       /* not an image, damaged, or of another build or machine */
    IMAGO_ERROR_LINK,        /* an import is missing or of another type */
    IMAGO_ERROR_UNSUPPORTED, /* valid, but beyond what this version does */
    IMAGO_ERROR_USAGE,       /* an argument of the caller */
    IMAGO_ERROR_NO_INPUT,    /* the input cannot be read */
    IMAGO_ERROR_INTERNAL,    /* our bug, met before it did harm */
    IMAGO_ERROR_NO_MEMORY,   /* an allocation failed */
    IMAGO_ERROR_LIMIT,       /* a configured or operating system limit */
    IMAGO_ERROR_OS,          /* the operating system refused */
    IMAGO_ERROR_NO_OUTPUT,   /* the output cannot be made */
    IMAGO_ERROR_IO,          /* reading or writing failed half-way */
    IMAGO_ERROR_COUNT
} ImagoErrorCode;

#define IMAGO_ERROR_NO_OFFSET UINT64_MAX
#define IMAGO_ERROR_NO_FUNC UINT32_MAX

/* Owned by the caller; set it to IMAGO_ERROR_INIT before use. The first failure wins: an error that
 * is set is not overwritten. */
typedef struct ImagoError {
    ImagoErrorCode code;
    uint32_t func_index;   /* function it is in (imports count), or IMAGO_ERROR_NO_FUNC */
    uint64_t offset;       /* byte offset in the input, or IMAGO_ERROR_NO_OFFSET */
    uint32_t line, column; /* 1-based position in text input, or 0 */
    char text[224];        /* one sentence, lower case, no full stop; cut if longer */
} ImagoError;

#define IMAGO_ERROR_INIT {IMAGO_ERROR_NONE, IMAGO_ERROR_NO_FUNC, IMAGO_ERROR_NO_OFFSET, 0, 0, {0}}

#ifdef __cplusplus
}
#endif

#endif
