// CHECK stays in release builds: it guards facts that memory safety hangs on. assert() is for the
// rest and for debug builds only.
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <assert.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)

#endif
