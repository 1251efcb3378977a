// Shows the checker of emitted code (isa/x64/check.h) a compiled function: what it may assume of the
// context, of the parameters and of the fields that the linker will fill.
#ifndef COMPILE_VERIFY_X64_H
#define COMPILE_VERIFY_X64_H

#include "compile/compiler.h"

// `out` holds the blob. ERR_INTERNAL: the code breaks a rule; ERR_NO_MEMORY.
// strict: i32 parameters are known from the type, results of calls must be proved (check.h).
bool verify_x64(const CompilePlan *plan, const CodeOutput *out, const CodeBlob *blob, bool strict,
                Error *err);

#endif
