// Empty on purpose: a program that includes this must not use it (build_lua.sh).
#ifndef REAL_SHIM_SETJMP_H
#define REAL_SHIM_SETJMP_H
#endif
