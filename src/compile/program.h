// The start of an image that is a program: code that hands over to the installed `imago`.
#ifndef COMPILE_PROGRAM_H
#define COMPILE_PROGRAM_H

#include "link/blob.h"

// Appends it to *out and describes it in *blob (all but worker).
//   options  of `imago run`, NULL-terminated
// False: out of memory.
bool program_start(CodeOutput *out, const char *const *options, CodeBlob *blob);

#endif
