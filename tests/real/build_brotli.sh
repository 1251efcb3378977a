#!/usr/bin/env bash
# brotli: compressor with big static tables.
. "$(dirname "$0")/build_common.sh"
real_begin brotli brotli

real_cc -Ic/include c/common/*.c c/enc/*.c c/dec/*.c c/tools/brotli.c
