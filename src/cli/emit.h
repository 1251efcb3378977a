// What `imago compile` makes of an image.
#ifndef CLI_EMIT_H
#define CLI_EMIT_H

#include "base/error.h"

typedef enum EmitKind {
    EMIT_IMAGE,
    EMIT_OBJECT,
    EMIT_EXE,        // an image that is a program as well
    EMIT_STATIC_EXE, // a program with image and runtime in it
    EMIT_COUNT
} EmitKind;

// By its name; EMIT_COUNT: there is none.
EmitKind cli_emit_kind(const char *name);
bool cli_emits_program(EmitKind kind);

// Writes the image in `fd` to `output` as another kind than EMIT_IMAGE.
//   words  options of a program, NULL-terminated
// ERR_INVALID (a program without _start), ERR_UNSUPPORTED (no launcher here), ERR_NO_OUTPUT,
// ERR_IO, ERR_NO_MEMORY.
bool cli_emit(EmitKind kind, int fd, const char *const *words, const char *output, Error *err);

#endif
