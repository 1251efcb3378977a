#define _GNU_SOURCE
#include "runtime/memory.h"

#include <sys/mman.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os_mem.h"
#include "types/limits.h"

// ---- Address space ------------------------------------------------------------------------------
// Reserving 4 GiB, making a page accessible, touching it and unmapping all costs 15 us; with a
// reservation that is at hand, 2 to 6.

static bool take_spare(ImagoEngine *engine, SpareMemory *spare) {
    pthread_mutex_lock(&engine->lock);
    const bool found = engine->spare_count != 0;
    if (found) {
        *spare = engine->spares[--engine->spare_count];
    }
    pthread_mutex_unlock(&engine->lock);
    return found;
}

static bool keep_spare(ImagoEngine *engine, SpareMemory spare) {
    pthread_mutex_lock(&engine->lock);
    const bool has_room = engine->spare_count < ENGINE_MAX_SPARES;
    if (has_room) {
        engine->spares[engine->spare_count++] = spare;
    }
    pthread_mutex_unlock(&engine->lock);
    return has_room;
}

// A reservation of which `bytes` are accessible and zero; NULL with *err.
static u8 *space_open(ImagoEngine *engine, u64 bytes, Error *err) {
    SpareMemory space = {NULL, 0};
    if (!take_spare(engine, &space)) {
        space.base = os_reserve(VM_MEMORY_RESERVE_BYTES, err);
        if (space.base == NULL) {
            return NULL;
        }
    }
    const bool ok = bytes > space.bytes
                        ? os_commit(space.base + space.bytes, bytes - space.bytes, err)
                        : bytes == space.bytes ||
                              os_decommit(space.base + bytes, space.bytes - bytes, err);
    if (!ok) {
        os_release(space.base, VM_MEMORY_RESERVE_BYTES);
        return NULL;
    }
    return space.base;
}

static void space_close(ImagoEngine *engine, u8 *base, u64 bytes, bool has_file) {
    SpareMemory space = {base, bytes};
    if (has_file) { // dropped pages would be the file's again
        space.bytes = 0;
    }
    const bool is_zero = bytes == 0 || (has_file ? os_decommit(base, bytes, NULL)
                                                 : os_clear(base, bytes));
    if (!is_zero || !keep_spare(engine, space)) {
        os_release(base, VM_MEMORY_RESERVE_BYTES);
    }
}

// ---- Memories -----------------------------------------------------------------------------------

ImagoMemory *runtime_memory_open(ImagoStore *store, const Limits *limits, Error *err) {
    if (limits->min > store->max_memory_pages) {
        error_set(err, IMAGO_ERROR_LIMIT, ERROR_NO_OFFSET,
                  "memory of %u pages is larger than the limit of %u", limits->min,
                  store->max_memory_pages);
        return NULL;
    }
    ImagoMemory *memory = mem_alloc(sizeof *memory);
    if (memory == NULL) {
        error_set(err, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    memory->store = store;
    memory->limits = *limits;
    memory->vm.bytes = (u64)limits->min * WASM_PAGE_BYTES;
    memory->vm.base = space_open(store->engine, memory->vm.bytes, err);
    if (memory->vm.base == NULL) {
        mem_free(memory);
        return NULL;
    }
    return memory;
}

void runtime_memory_close(ImagoMemory *memory) {
    if (memory != NULL) {
        space_close(memory->store->engine, memory->vm.base, memory->vm.bytes, memory->has_file);
        mem_free(memory);
    }
}

void runtime_memory_adopt(ImagoMemory *memory) {
    memory->next = memory->store->memories;
    memory->store->memories = memory;
}

// Maps the snapshot's bytes to `at`, writable and private. The second way needs no descriptor, but
// takes 2 us longer: it moves the pages of the image's own mapping, which gets them again from the
// file when they are read (Linux 5.13). False: there is zeroed memory as before.
static bool map_private(const ImagoImage *image, u8 *at, const ImageSnapshot *snapshot) {
    const usize bytes = snapshot->bytes;
    const int access = PROT_READ | PROT_WRITE, kind = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
    if (image->fd >= 0) {
        return mmap(at, bytes, access, kind, image->fd, (off_t)snapshot->file_offset) !=
               MAP_FAILED;
    }
    void *source = (void *)(uintptr_t)(image->view.bytes + snapshot->file_offset);
    if (image->is_buffer || // its pages would not come back
        mremap(source, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, at) ==
            MAP_FAILED) {
        return false;
    }
    if (mprotect(at, bytes, access) == 0) {
        return true;
    }
    const void *blank = mmap(at, bytes, access, kind | MAP_ANONYMOUS, -1, 0);
    CHECK(blank == at);
    return false;
}

bool runtime_memory_load(ImagoMemory *memory, const ImagoImage *image,
                         const ImageSnapshot *snapshot, Error *err) {
    const Image *view = &image->view;
    const usize page = os_page_bytes();
    if (!range_fits(snapshot->address, snapshot->bytes, memory->vm.bytes) ||
        !range_fits(snapshot->file_offset, snapshot->bytes, view->byte_count)) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "the memory snapshot does not fit the memory");
    }
    if (snapshot->bytes == 0) {
        return true;
    }
    u8 *at = memory->vm.base + snapshot->address;
    const bool is_aligned = (snapshot->address | snapshot->file_offset) % page == 0;
    // Pages behind the snapshot's last byte would show the rest of the file.
    const bool is_whole = snapshot->bytes % page == 0;
    memory->has_file = is_aligned && is_whole && !mem_request_fails() &&
                       map_private(image, at, snapshot);
    if (!memory->has_file) {
        memcpy(at, view->bytes + snapshot->file_offset, snapshot->bytes);
    }
    return true;
}

// ---- Public -------------------------------------------------------------------------------------

ImagoMemory *imago_memory_new(ImagoStore *store, const ImagoLimits *pages, ImagoError *error) {
    const Limits limits = {pages->min, pages->has_max ? pages->max : 0, pages->has_max};
    if (limits.min > MAX_MEMORY_PAGES ||
        (limits.has_max && (limits.max > MAX_MEMORY_PAGES || limits.max < limits.min))) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET,
                  "memory limits must satisfy min <= max <= %u pages", MAX_MEMORY_PAGES);
        return NULL;
    }
    ImagoMemory *memory = runtime_memory_open(store, &limits, error);
    if (memory != NULL) {
        runtime_memory_adopt(memory);
    }
    return memory;
}

uint8_t *imago_memory_data(const ImagoMemory *memory) { return memory->vm.base; }

uint64_t imago_memory_bytes(const ImagoMemory *memory) { return memory->vm.bytes; }

ImagoLimits imago_memory_limits(const ImagoMemory *memory) {
    return (ImagoLimits){memory->limits.min, memory->limits.max, memory->limits.has_max};
}

int64_t imago_memory_grow(ImagoMemory *memory, uint32_t pages) {
    const u64 old_pages = memory->vm.bytes / WASM_PAGE_BYTES;
    u64 limit = memory->store->max_memory_pages;
    if (memory->limits.has_max && memory->limits.max < limit) {
        limit = memory->limits.max;
    }
    if (old_pages > limit || pages > limit - old_pages) {
        return -1;
    }
    const u64 more = (u64)pages * WASM_PAGE_BYTES;
    if (more != 0 && !os_commit(memory->vm.base + memory->vm.bytes, more, NULL)) {
        return -1;
    }
    memory->vm.bytes += more;
    return (i64)old_pages;
}
