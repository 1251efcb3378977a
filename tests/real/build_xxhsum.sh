#!/usr/bin/env bash
# xxhsum: checksums of files, 32, 64 and 128 bits wide.
. "$(dirname "$0")/build_common.sh"
real_begin xxhsum xxhash

real_cc $(ls cli/*.c xxhsum.c xxhash.c 2>/dev/null) -DXXH_VECTOR=0 -I.
