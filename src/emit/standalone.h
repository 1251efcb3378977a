// An image as a program that needs nothing else: behind a launcher that holds the runtime.
#ifndef EMIT_STANDALONE_H
#define EMIT_STANDALONE_H

#include "base/error.h"
#include "base/writer.h"
#include "image/image.h"

//   launcher  the file that src/launcher is built to, all of it
//   words     options for the launcher, NULL-terminated
// O(image). ERR_INTERNAL: that is no launcher; ERR_NO_MEMORY.
bool emit_standalone(Str launcher, const Image *image, const char *const *words, Writer *out,
                     Error *err);

#endif
