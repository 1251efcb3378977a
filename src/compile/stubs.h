// Entry and exit stubs (docs/abi.md, "Stubs in the image"): how the host calls compiled functions
// and is called by them. They belong to no compiler; every image has the same ones.
#ifndef COMPILE_STUBS_H
#define COMPILE_STUBS_H

#include "compile/abi.h"
#include "link/blob.h"
#include "types/platform.h"

// Appends a stub for a function type and its layout to *out and describes it in *blob (all but
// kind, index, worker). False: out of memory.
bool stub_entry(CodeOutput *out, const FuncType *type, const AbiLayout *abi, CodeBlob *blob);
bool stub_exit(CodeOutput *out, const FuncType *type, const AbiLayout *abi,
               const Platform *platform, CodeBlob *blob);

#endif
