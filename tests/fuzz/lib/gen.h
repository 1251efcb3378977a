// Random modules that are hard on a single-pass compiler.
//
// A function is grown as a random walk over an abstract operand stack: an instruction takes its
// operands from the stack if they happen to fit and generates what is missing, so that values stay
// pending while locals are assigned, blocks open with values below them and branches leave several
// levels with operands. Weighted so that most calls return: addresses are masked, divisors are made
// odd, conversions are clamped, most of the time.
//
// Every module ends: each function call takes from the exported global "fuel" (the caller sets it
// before a call), each loop iteration from a local counter. Bits of NaNs that arithmetic made,
// which the specification leaves open, do not reach integers or memory; those of loaded, constant
// and reinterpreted values do. Results and exported globals must be compared by NaN class.
//
// Exports: functions "f0", "f1", ..., seldom "deep", which recurses until the stack ends; globals
// "fuel" (i32), "acc" (i64) and some others; "memory"; tables. Imports of module "host": functions,
// globals, tables, a memory; tables of functions that are imported are written over at the start.
#ifndef FUZZ_LIB_GEN_H
#define FUZZ_LIB_GEN_H

#include <stddef.h>
#include <stdint.h>

#include "fuzz/lib/rng.h"

// A module for the seed; the same one on every machine. *bytes is the caller's to free. NULL: no
// memory.
uint8_t *gen_module(uint64_t seed, size_t *count);

#endif
