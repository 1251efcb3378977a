// Matching what a linker has to what an image imports (WebAssembly 2.0, 4.5.2 and 3.2.6).
#ifndef RUNTIME_IMPORTS_H
#define RUNTIME_IMPORTS_H

#include "runtime/instance.h"
#include "runtime/linker.h"

// Finds every import of the instance's image and writes it to the instance's context.
// ERR_LINK: `unknown import: "module"."name"` or `incompatible import type: ...`. ERR_IMAGE.
bool runtime_imports_resolve(ImagoInstance *instance, const ImagoLinker *linker, Error *err);

#endif
