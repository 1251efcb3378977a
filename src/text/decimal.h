// Exact conversion of decimal float literals. For number.c.
#ifndef TEXT_DECIMAL_H
#define TEXT_DECIMAL_H

#include "text/round.h"

// Bits of the nearest float of an unsigned decimal literal of checked syntax. False: infinite.
// O(n) and a bounded amount of big-number work.
bool text_decimal_float(const FloatFormat *format, const char *at, const char *end, u64 *out);

#endif
