// Tables that the guest can write: arrays of reference pointers that move when they grow. (Frozen
// tables are part of the image; the runtime never sees them.)
#ifndef RUNTIME_TABLE_H
#define RUNTIME_TABLE_H

#include "runtime/store.h"

struct ImagoTable {
    VmTable vm; // first: contexts point here
    ImagoStore *store;
    ImagoTable *next; // in store->tables, once the store owns it
    TableType type;   // as declared
    // Whose segments have what entries with SIG_LAZY are to be, and the table's index there; NULL:
    // there is no such entry.
    ImagoInstance *instance;
    u32 index;
};

// A table of type.limits.min null entries, owned by the caller until the store gets it.
// ERR_LIMIT: larger than the store allows. ERR_NO_MEMORY.
ImagoTable *runtime_table_open(ImagoStore *store, const TableType *type, Error *err);
void runtime_table_close(ImagoTable *table);
// The store owns it from now on.
void runtime_table_adopt(ImagoTable *table);

// Entries [from, from + count), in bounds, become ones that are still to be made, as the instance's
// lazy segments say.
void runtime_table_defer(ImagoTable *table, u64 from, u64 count);
// An entry, made now if it was not before. i below the count. Reads the image: a damaged one may
// give NULL.
void *runtime_table_entry(ImagoTable *table, u64 i);
// Makes all of a range, in bounds.
void runtime_table_make(ImagoTable *table, u64 from, u64 count);

// Entries before, or -1: beyond the maximum or a limit, or no memory. All as the table was then.
i64 runtime_table_grow(ImagoTable *table, u64 more, void *value);

#endif
