#!/usr/bin/env bash
# minigzip: zlib's own test program, a small gzip.
. "$(dirname "$0")/build_common.sh"
real_begin minigzip zlib

flags="$flags -DHAVE_UNISTD_H -D_LARGEFILE64_SOURCE=0"
real_cc -I. test/minigzip.c ./*.c
