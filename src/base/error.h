// What a failed operation tells its caller: a code, a place, one sentence.
//
// Functions that can fail take `Error *err` last and return false on failure. The first failure
// wins: an Error that is set is not overwritten. Nothing in the libraries prints.
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/int.h"
#include "imago/error.h"

typedef ImagoErrorCode ErrorCode;
typedef ImagoError Error;

enum {
#define ERROR(name, exit_code, text) ERR_##name = IMAGO_ERROR_##name,
#include "base/errors.def"
#undef ERROR
    ERR_COUNT = IMAGO_ERROR_COUNT
};

#define ERROR_NO_OFFSET UINT64_MAX

// An Error that is not set.
#define ERROR_INIT ((Error){.func_index = ID_NONE, .offset = ERROR_NO_OFFSET})

// Sets *err unless it is set already. `err` may be NULL. Always returns false.
bool error_set(Error *err, ErrorCode code, u64 offset, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

// Exit status the command uses for `code`, and the code's name.
int error_exit_code(ErrorCode code);
const char *error_name(ErrorCode code);

// `return fail(err, CODE, offset, "...", ...)` is the way out of a function that failed. Worth a
// literal false, so that the compiler and the reader see it.
#define fail(err, code, ...) (error_set((err), (ErrorCode)ERR_##code, __VA_ARGS__), false)

// Returns false from the calling function if `x` is false. The only control-flow macro.
#define TRY(x)                                                                                     \
    do {                                                                                           \
        if (UNLIKELY(!(x))) {                                                                      \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

#endif
