#!/usr/bin/env bash
# lua: the interpreter of Debian's lua5.4. This wasi-libc has no setjmp, so a
# protected call protects nothing there: an error that is thrown ends the guest
# with status 1. The scripts of the test throw none.
. "$(dirname "$0")/build_common.sh"
real_begin lua lua5.4

# Debian's own addition, made by its packaging, only names library folders.
mkdir -p made
echo '#define DEB_HOST_MULTIARCH "none"' >made/lua5.4-deb-multiarch.h
cat >made/throw.h <<'EOF'
#include <stdlib.h>
#define LUAI_THROW(L, c) exit(1)
#define LUAI_TRY(L, c, a) { a }
#define luai_jmpbuf int
#define LUA_TMPNAMBUFSIZE 32
#define lua_tmpname(buffer, failed) ((void)(buffer), (failed) = 1)
#define lua_tmpnam(buffer, failed) ((void)(buffer), (failed) = 1)
EOF
wasm_only="-include made/throw.h"
real_cc -Imade $(ls src/*.c | grep -v luac.c)
