// Parts of `imago wast` that know the public interface and the script's values.
#ifndef CLI_WAST_INT_H
#define CLI_WAST_INT_H

#include "imago/imago.h"
#include "text/wast.h"

// Defines the module "spectest" that the official scripts import from. What it defines is borrowed
// from the store. False: *err.
bool wast_define_host(ImagoStore *store, ImagoLinker *linker, Error *err);

// A script's argument as a value, and a value as what a script could have said.
ImagoValue wast_to_value(const WastValue *from);
WastValue wast_of_value(ImagoType type, const ImagoValue *value);

// "i32 5, f64 nan:canonical" into `out`, cut to fit. Returns `out`.
const char *wast_values_text(const WastValue *values, u32 count, char *out, usize out_bytes);

#endif
