// Entry and exit stubs (docs/abi.md, "Stubs in the image"): how the host calls compiled functions
// and is called by them. They belong to no compiler; every image has the same ones.
#ifndef COMPILE_STUBS_H
#define COMPILE_STUBS_H

#include "link/blob.h"
#include "types/valtype.h"

// Appends a stub for a function type to *out and describes it in *blob (all but kind, index,
// worker). False: out of memory.
bool stub_entry(CodeOutput *out, const FuncType *type, CodeBlob *blob);
bool stub_exit(CodeOutput *out, const FuncType *type, CodeBlob *blob);

#endif
