#include "runtime/memory.h"

#include <sys/mman.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "types/limits.h"

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
    memory->vm.base = os_reserve(VM_MEMORY_RESERVE_BYTES, err);
    memory->vm.bytes = (u64)limits->min * WASM_PAGE_BYTES;
    if (memory->vm.base == NULL) {
        mem_free(memory);
        return NULL;
    }
    if (memory->vm.bytes != 0 && !os_commit(memory->vm.base, memory->vm.bytes, err)) {
        runtime_memory_close(memory);
        return NULL;
    }
    return memory;
}

void runtime_memory_close(ImagoMemory *memory) {
    if (memory != NULL) {
        os_release(memory->vm.base, VM_MEMORY_RESERVE_BYTES);
        mem_free(memory);
    }
}

void runtime_memory_adopt(ImagoMemory *memory) {
    memory->next = memory->store->memories;
    memory->store->memories = memory;
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
    if (image->fd < 0 || !is_aligned || !is_whole || mem_request_fails() ||
        mmap(at, snapshot->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
             image->fd, (off_t)snapshot->file_offset) == MAP_FAILED) {
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
