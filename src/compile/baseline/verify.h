// In builds with assertions: what the compiler emitted is checked by somebody who does not trust
// it.
#ifndef COMPILE_BASELINE_VERIFY_H
#define COMPILE_BASELINE_VERIFY_H

#include "compile/baseline/state.h"

// Runs the target's checker of emitted code over a finished function. ERR_INTERNAL, ERR_NO_MEMORY.
bool verify_blob(const Baseline *b, const CodeBlob *blob, Error *err);

#endif
