// Values as text: arguments of --invoke and the results it prints.
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <stdio.h>

#include "base/int.h"
#include "imago/imago.h"

const char *cli_type_name(ImagoType type);

// Integers: decimal or 0x, with a sign; the signed and the unsigned range. Floating point: as
// strtod reads it, nan and inf included. References: null. False if the text is no value of `type`.
bool cli_value_parse(ImagoType type, const char *text, ImagoValue *value);

// Integers are signed decimals, floating-point numbers the shortest ones that read back the same.
void cli_value_print(FILE *out, ImagoType type, const ImagoValue *value);

#endif
