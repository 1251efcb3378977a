#include "base/os_mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"

usize os_page_bytes(void) { return (usize)sysconf(_SC_PAGESIZE); }

void *os_reserve(usize bytes, Error *err) {
    void *at = MAP_FAILED;
    errno = ENOMEM;
    if (!mem_request_fails()) {
        at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    if (at == MAP_FAILED) {
        error_set(err, (ErrorCode)ERR_NO_MEMORY, ERROR_NO_OFFSET,
                  "cannot reserve %zu bytes of address space: %s", bytes, strerror(errno));
        return NULL;
    }
    return at;
}

bool os_commit(void *at, usize bytes, Error *err) {
    errno = ENOMEM;
    if (mem_request_fails() || mprotect(at, bytes, PROT_READ | PROT_WRITE) != 0) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "cannot commit %zu bytes of memory: %s", bytes,
                    strerror(errno));
    }
    return true;
}

bool os_decommit(void *at, usize bytes, Error *err) {
    void *mapped = mmap(at, bytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (mapped == MAP_FAILED) {
        return fail(err, OS, ERROR_NO_OFFSET, "cannot give back %zu bytes: %s", bytes,
                    strerror(errno));
    }
    return true;
}

bool os_clear(void *at, usize bytes) { return madvise(at, bytes, MADV_DONTNEED) == 0; }

void os_release(void *at, usize bytes) {
    const int status = munmap(at, bytes);
    CHECK(status == 0);
}
