#define _GNU_SOURCE
#include "runtime/memory.h"

#include <sys/mman.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os_mem.h"
#include "runtime/memory_index.h"
#include "types/limits.h"

// ---- Address space ------------------------------------------------------------------------------
// Reserving 4 GiB, making a page accessible, touching it and unmapping all costs 15 us; with a
// reservation that is at hand, 2 to 6. One that holds the right snapshot needs nothing but that the
// pages that were written are dropped when a memory ends: then it is as the file again.

// For a memory whose contents nobody knows yet: a spare may keep the snapshot that it has.
#define ANY_IMAGE UINT64_MAX

// The best spare for an image's snapshot (0: zeros): one that has it, else one of zeros, else any.
// With ANY_IMAGE, one of the same size has what is most likely wanted. The newest first.
static u32 best_spare(const ImagoEngine *engine, u64 bytes, u64 image) {
    u32 best = engine->spare_count - 1;
    for (u32 i = engine->spare_count; i-- != 0;) {
        const SpareMemory *spare = &engine->spares[i];
        if (image == ANY_IMAGE ? spare->bytes == bytes : spare->image == image) {
            return i;
        }
        best = spare->image == 0 ? i : best;
    }
    return best;
}

static bool take_spare(ImagoEngine *engine, u64 bytes, u64 image, SpareMemory *spare) {
    pthread_mutex_lock(&engine->lock);
    const bool found = engine->spare_count != 0;
    if (found) {
        const u32 i = best_spare(engine, bytes, image);
        *spare = engine->spares[i];
        engine->spares[i] = engine->spares[--engine->spare_count];
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

static void release_space(const SpareMemory *space) {
    os_release(space->base, VM_MEMORY_RESERVE_BYTES);
}

// Makes a spare one of zeros, none of them accessible.
static bool blank_space(SpareMemory *space, Error *err) {
    TRY(space->bytes == 0 || os_decommit(space->base, space->bytes, err));
    space->bytes = space->image = 0;
    return true;
}

static bool resize_space(SpareMemory *space, u64 bytes, Error *err) {
    if (bytes > space->bytes) {
        return os_commit(space->base + space->bytes, bytes - space->bytes, err);
    }
    return bytes == space->bytes ||
           os_decommit(space->base + bytes, space->bytes - bytes, err);
}

// True if a spare can be what is wanted without losing its contents. A snapshot that is not of the
// image that is asked for must at least be whole.
static bool is_usable(const SpareMemory *spare, u64 bytes, u64 image) {
    return spare->image == 0 || spare->image == image ||
           (image == ANY_IMAGE && spare->bytes <= bytes);
}

// A reservation of which `bytes` are accessible, and hold what space->image says: the snapshot of
// `image` (ANY_IMAGE: of any), or zeros.
static bool space_open(ImagoEngine *engine, u64 bytes, u64 image, SpareMemory *space, Error *err) {
    *space = (SpareMemory){NULL, 0, 0};
    if (!take_spare(engine, bytes, image, space)) {
        space->base = os_reserve(VM_MEMORY_RESERVE_BYTES, err);
        if (space->base == NULL) {
            return false;
        }
    }
    if ((is_usable(space, bytes, image) || blank_space(space, err)) &&
        resize_space(space, bytes, err)) {
        space->bytes = bytes;
        return true;
    }
    release_space(space);
    return false;
}

static void space_close(ImagoEngine *engine, SpareMemory space) {
    const bool is_clean = space.bytes == 0 || os_clear(space.base, space.bytes);
    if (!is_clean || !keep_spare(engine, space)) {
        release_space(&space);
    }
}

void runtime_memory_forget(const ImagoImage *image) {
    ImagoEngine *engine = image->engine;
    if (image->view.snapshot_bytes == 0) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    for (u32 i = engine->spare_count; i-- != 0;) {
        SpareMemory *spare = &engine->spares[i];
        if (spare->image == image->serial && !blank_space(spare, NULL)) {
            release_space(spare);
            *spare = engine->spares[--engine->spare_count];
        }
    }
    pthread_mutex_unlock(&engine->lock);
}

// ---- Contents -----------------------------------------------------------------------------------

static void map_zeros(u8 *at, usize bytes) {
    const void *blank = mmap(at, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    CHECK(blank == at);
}

// Moves the pages of the image's own mapping, which gets them again from the file when they are
// read (Linux 5.13). Needs no descriptor, but takes 2 us longer. False: zeroed memory as before.
static bool move_private(const ImagoImage *image, u8 *at, const ImageSnapshot *snapshot) {
    const usize bytes = snapshot->bytes;
    void *source = (void *)(uintptr_t)(image->view.bytes + snapshot->file_offset);
    const bool is_moved = mremap(source, bytes, bytes,
                                 MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, at) == at;
    if (is_moved && mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0) {
        return true;
    }
    // What was there may be gone even if nothing was moved: Linux 5.7 to 5.12 refuse that late.
    if (is_moved || !os_clear(at, bytes)) {
        map_zeros(at, bytes);
    }
    return false;
}

// Maps the snapshot's bytes to `at`, writable and private. False: zeroed memory as before.
static bool map_private(const ImagoImage *image, u8 *at, const ImageSnapshot *snapshot) {
    if (image->fd >= 0) {
        return mmap(at, snapshot->bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, image->fd,
                    (off_t)snapshot->file_offset) != MAP_FAILED;
    }
    // From the embedder's memory, pages might not come back.
    return !image->is_buffer && !image->is_borrowed && move_private(image, at, snapshot);
}

// Puts the snapshot into a memory of zeros.
static bool load(ImagoMemory *memory, const ImagoImage *image, const ImageSnapshot *snapshot,
                 Error *err) {
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
    if (is_aligned && is_whole && !mem_request_fails() && map_private(image, at, snapshot)) {
        memory->image = image->serial;
    } else {
        memcpy(at, view->bytes + snapshot->file_offset, snapshot->bytes);
    }
    return true;
}

// ---- Memories -----------------------------------------------------------------------------------

static bool fill(ImagoMemory *memory, const ImagoImage *image, Error *err) {
    ImageSnapshot snapshot = {0};
    const bool has_snapshot = image != NULL && image_snapshot(&image->view, &snapshot);
    const u64 wanted = image == NULL ? ANY_IMAGE : has_snapshot ? image->serial : 0;
    SpareMemory space;
    TRY(space_open(memory->store->engine, memory->vm.bytes, wanted, &space, err));
    memory->vm.base = space.base;
    memory->image = space.image;
    if (image == NULL || space.image == wanted || load(memory, image, &snapshot, err)) {
        return true;
    }
    release_space(&space);
    return false;
}

void runtime_memory_touch(ImagoMemory *memory) {
    if (memory->is_untouched && memory->image != 0) {
        map_zeros(memory->vm.base, memory->vm.bytes);
        memory->image = 0;
    }
    memory->is_untouched = false;
}

bool runtime_memory_preload(ImagoMemory *memory, const ImagoImage *image) {
    ImageSnapshot snapshot;
    if (!memory->is_untouched || !image_snapshot(&image->view, &snapshot)) {
        return false;
    }
    if (memory->image == image->serial) { // as its last memory left it
        memory->is_untouched = false;
        return true;
    }
    runtime_memory_touch(memory);
    return load(memory, image, &snapshot, NULL);
}

ImagoMemory *runtime_memory_open(ImagoStore *store, const Limits *limits, const ImagoImage *image,
                                 Error *err) {
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
    memory->is_untouched = image == NULL;
    memory->vm.bytes = (u64)limits->min * WASM_PAGE_BYTES;
    if (!fill(memory, image, err)) {
        mem_free(memory);
        return NULL;
    }
    if (!runtime_memory_index_add(memory, err)) {
        runtime_memory_close(memory);
        return NULL;
    }
    return memory;
}

void runtime_memory_close(ImagoMemory *memory) {
    if (memory == NULL) {
        return;
    }
    if (memory->is_untouched) { // the image may have gone before
        runtime_memory_touch(memory);
    }
    runtime_memory_index_remove(memory);
    const SpareMemory space = {memory->vm.base, memory->vm.bytes, memory->image};
    if (memory->store->has_lost) { // zeros may stand in the place of a page of the file
        release_space(&space);
    } else {
        space_close(memory->store->engine, space);
    }
    mem_free(memory);
}

void runtime_memory_adopt(ImagoMemory *memory) {
    memory->next = memory->store->memories;
    memory->store->memories = memory;
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
    ImagoMemory *memory = runtime_memory_open(store, &limits, NULL, error);
    if (memory != NULL) {
        runtime_memory_adopt(memory);
    }
    return memory;
}

uint8_t *imago_memory_data(const ImagoMemory *memory) {
    runtime_memory_touch((ImagoMemory *)(uintptr_t)memory);
    return memory->vm.base;
}

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
