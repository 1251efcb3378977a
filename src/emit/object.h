// An image as a relocatable object, to be linked into a program.
#ifndef EMIT_OBJECT_H
#define EMIT_OBJECT_H

#include "base/writer.h"
#include "image/image.h"

//   image   the whole file
//   symbol  the object's only global symbol, where the image starts
// O(image). Out of memory: out->failed.
void emit_object(const Image *image, const char *symbol, Writer *out);

#endif
