// Matching what a linker has to what an image imports (WebAssembly 2.0, 4.5.2 and 3.2.6).
#ifndef RUNTIME_IMPORTS_H
#define RUNTIME_IMPORTS_H

#include "runtime/instance.h"
#include "runtime/linker.h"

// Finds every import of linked->image and fills linked->funcs and ->items. Sizes and types of what
// is not a function are not compared yet.
// ERR_LINK: `unknown import: "module"."name"` or `incompatible import type: ...`. ERR_IMAGE.
bool runtime_imports_find(ImagoLinked *linked, Error *err);
// Writes what was found to the instance's context. ERR_LINK: `incompatible import type: ...`.
bool runtime_imports_take(ImagoInstance *instance, const ImagoLinked *linked, Error *err);

#endif
