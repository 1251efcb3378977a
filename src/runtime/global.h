// Globals. An instance's own live in its context, 16 bytes each; a handle says where and of which
// type. Contexts that import a global hold a pointer to the value.
#ifndef RUNTIME_GLOBAL_H
#define RUNTIME_GLOBAL_H

#include "runtime/store.h"

struct ImagoGlobal {
    void *value; // 16 bytes, aligned to 16
    ImagoStore *store;
    GlobalType type;
};

// A global that the embedder made.
typedef struct OwnGlobal {
    ImagoGlobal global;
    struct OwnGlobal *next; // in store->globals
    _Alignas(16) u64 bits[2];
} OwnGlobal;

#endif
