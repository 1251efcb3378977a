#!/usr/bin/env bash
# zstd: the command-line tool, one thread.
. "$(dirname "$0")/build_common.sh"
real_begin zstd libzstd

real_cc -DZSTD_DISABLE_ASM -DZSTD_NOBENCH -DZSTD_NODICT -DZSTD_LEGACY_SUPPORT=0 -DZSTD_NOTRACE \
    -Ilib -Ilib/common -Iprograms lib/common/*.c lib/compress/*.c lib/decompress/*.c \
    programs/zstdcli.c programs/zstdcli_trace.c programs/util.c programs/timefn.c \
    programs/fileio.c programs/fileio_asyncio.c
