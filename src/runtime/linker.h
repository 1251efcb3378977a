// Names to definitions, for one store.
#ifndef RUNTIME_LINKER_H
#define RUNTIME_LINKER_H

#include "base/arena.h"
#include "base/str.h"
#include "runtime/store.h"

typedef struct LinkerEntry {
    Str module, name; // name.at NULL: the slot is free
    u64 hash;
    ImagoExtern item;
} LinkerEntry;

struct ImagoLinker {
    ImagoStore *store;
    ImagoLinker *next; // in store->linkers
    Arena names;
    LinkerEntry *slots; // hash table with linear probing; a power of two
    u32 slot_count, entry_count;
};

// The latest definition of a name. False: there is none.
bool runtime_linker_find(const ImagoLinker *linker, Str module, Str name, ImagoExtern *item);

// The store that an item belongs to.
const ImagoStore *runtime_extern_store(const ImagoExtern *item);

#endif
