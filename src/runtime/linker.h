// Names to definitions. Host functions of the linker's own serve any store of the engine; the first
// item of a store binds the linker to that one. Linkers are counted: each instance holds the one
// whose functions it may call.
#ifndef RUNTIME_LINKER_H
#define RUNTIME_LINKER_H

#include "base/str.h"
#include "runtime/store.h"

typedef struct LinkerEntry {
    Str module, name; // in one allocation that is owned; module.at NULL: the slot is free
    u64 hash;
    ImagoExtern item;
} LinkerEntry;

struct ImagoLinker {
    ImagoEngine *engine;
    ImagoLinker *base; // held: asked for what is not here; NULL: none
    const ImagoStore *store; // that items belong to, NULL: none does
    _Atomic u32 holders;     // its owner, what was linked, instances
    struct HostFunc *host_funcs; // owned
    LinkerEntry *slots; // hash table with linear probing; a power of two
    u32 slot_count, entry_count;
};

// What the imports of an image resolve to.
struct ImagoLinked {
    ImagoLinker *linker; // held
    const ImagoImage *image;
    const ImagoStore *store; // that items belonged to, NULL: none did
    u32 item_count;
    struct LinkedItem *items; // in the import's order: all imports but functions
    VmImport funcs[];         // as contexts hold them
};

// An import other than a function, which is compared with the type when it is used: sizes change.
typedef struct LinkedItem {
    u32 import;
    ImagoExtern item;
} LinkedItem;

// Thread-safe. The last release frees the linker and its functions.
void runtime_linker_hold(ImagoLinker *linker);
void runtime_linker_release(ImagoLinker *linker);

// The latest definition of a name. False: there is none.
bool runtime_linker_find(const ImagoLinker *linker, Str module, Str name, ImagoExtern *item);

// The store that an item belongs to, NULL: a host function of a linker.
const ImagoStore *runtime_extern_store(const ImagoExtern *item);

#endif
