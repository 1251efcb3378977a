#!/usr/bin/env bash
# bzip2: compressor with a block sort that lives in its caches' misses.
. "$(dirname "$0")/build_common.sh"
real_begin bzip2 bzip2

real_cc -DBZ_UNIX=1 bzip2.c blocksort.c huffman.c crctable.c randtable.c compress.c decompress.c \
    bzlib.c
