// Address space from the operating system. All sizes in bytes and multiples of the page size
// unless said otherwise. Failures are reported as ERR_NO_MEMORY (or ERR_OS) with the reason.
#ifndef BASE_OS_MEM_H
#define BASE_OS_MEM_H

#include "base/error.h"

usize os_page_bytes(void);

// Inaccessible address space, not charged. NULL with *err set when refused.
void *os_reserve(usize bytes, Error *err);
// Makes part of a reservation readable and writable (zeroed on first touch) ...
bool os_commit(void *at, usize bytes, Error *err);
// ... and gives it back: inaccessible again, contents dropped.
bool os_decommit(void *at, usize bytes, Error *err);
// Drops the contents of accessible pages: they are zero when touched next. False: they are as they
// were (locked in memory, say).
bool os_clear(void *at, usize bytes);
void os_release(void *at, usize bytes);

#endif
