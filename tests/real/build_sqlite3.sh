#!/usr/bin/env bash
# sqlite3: the shell, amalgamated by the package's own makefile. Its files lie
# behind the VFS without locks, the only one that WASI preview1 can serve.
. "$(dirname "$0")/build_common.sh"
real_begin sqlite3 sqlite3 tclsh make

if [ ! -s made/shell.c ]; then
    mkdir -p made
    (cd made && ../configure --disable-tcl --disable-readline >log 2>&1 &&
        make sqlite3.c shell.c >>log 2>&1) ||
        skip "the amalgamation could not be made: $(tail -n 1 made/log)"
fi
flags="$flags -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_WAL
    -DSQLITE_MAX_MMAP_SIZE=0 -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_OMIT_POPEN"
real_cc -Imade made/sqlite3.c made/shell.c
