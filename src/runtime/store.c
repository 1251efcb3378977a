#include "runtime/store.h"

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/arch.h"
#include "runtime/global.h"
#include "runtime/host_func.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/stack.h"
#include "runtime/table.h"
#include "types/limits.h"

enum { DEFAULT_STACK_BYTES = 8 << 20, MIN_STACK_BYTES = 64 << 10 };
#define MAX_STACK_BYTES ((usize)1 << 40)

static void apply_options(ImagoStore *store, const ImagoStoreOptions *given) {
    ImagoStoreOptions options = {0};
    if (given != NULL) {
        const usize bytes = given->size < sizeof options ? given->size : sizeof options;
        memcpy(&options, given, bytes);
    }
    usize stack = options.stack_bytes == 0 ? DEFAULT_STACK_BYTES : options.stack_bytes;
    stack = stack < MIN_STACK_BYTES ? MIN_STACK_BYTES : stack;
    stack = stack > MAX_STACK_BYTES ? MAX_STACK_BYTES : stack;
    store->stack_bytes = (usize)align_up(stack, os_page_bytes());
    const u64 pages = options.max_memory_bytes / WASM_PAGE_BYTES;
    store->max_memory_pages = options.max_memory_bytes == 0 || pages > MAX_MEMORY_PAGES
                                  ? MAX_MEMORY_PAGES
                                  : (u32)pages;
    store->max_table_entries =
        options.max_table_entries == 0 ? MAX_TABLE_ENTRIES : options.max_table_entries;
    store->user = options.user;
}

ImagoStore *imago_store_new(ImagoEngine *engine, const ImagoStoreOptions *options,
                            ImagoError *error) {
    ImagoStore *store = mem_alloc(sizeof *store);
    if (store == NULL) {
        error_set(error, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    store->engine = engine;
    vmctx_set(store->host_vmctx, VMCTX_EXEC, &store->exec);
    apply_options(store, options);
    return store;
}

// Takes the first element off an owned list.
#define LIST_POP(list)                                                                             \
    __extension__({                                                                                \
        __typeof__(list) first_ = (list);                                                          \
        (list) = first_->next;                                                                     \
        first_;                                                                                    \
    })

void imago_store_delete(ImagoStore *store) {
    if (store == NULL) {
        return;
    }
    while (store->instances != NULL) {
        runtime_instance_end(LIST_POP(store->instances));
    }
    while (store->memories != NULL) {
        runtime_memory_close(LIST_POP(store->memories));
    }
    while (store->tables != NULL) {
        runtime_table_close(LIST_POP(store->tables));
    }
    while (store->globals != NULL) {
        mem_free(LIST_POP(store->globals));
    }
    runtime_host_funcs_free(store->host_funcs);
    vec_free(&store->images);
    runtime_stack_close(store->engine, store->stack, store->stack_bytes);
    mem_free(store);
}

void *imago_store_user(const ImagoStore *store) { return store->user; }

bool runtime_store_make_stack(ImagoStore *store, Error *err) {
    if (store->stack != NULL) {
        return true;
    }
    store->stack = runtime_stack_open(store->engine, store->stack_bytes, err);
    if (store->stack == NULL) {
        return false;
    }
    u8 *low = store->stack + VM_STACK_GUARD_BYTES;
    store->idle = (VmExec){.wasm_sp = low + store->stack_bytes, .stack_limit = low};
    store->exec = store->idle;
    if (store->has_lost) {
        runtime_store_lose(store);
    }
    return true;
}

// Activations, and what is to be restored after them, are on the host's stack. At activation[-1]
// lies where the C code that the activation has called returns to.
void runtime_store_lose(ImagoStore *store) {
    store->has_lost = true;
    void *const full = store->idle.stack_limit;
    store->idle.wasm_sp = store->exec.wasm_sp = full;
    for (const VmExec *exec = &store->exec; activation_of(exec) != NULL;) {
        const Activation *activation = activation_of(exec);
        ((const void **)(uintptr_t)activation)[-1] = (const void *)(uintptr_t)arch_lost;
        exec = activation->outer;
        ((VmExec *)(uintptr_t)exec)->wasm_sp = full;
    }
}

// ---- Images -------------------------------------------------------------------------------------

// Number of images whose text starts at or below `pc`.
static usize images_below(const ImagoStore *store, const u8 *pc) {
    usize low = 0, high = store->images.count;
    while (low < high) {
        const usize middle = low + (high - low) / 2;
        if (store->images.at[middle].text <= pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const ImagoImage *runtime_store_image_at(const ImagoStore *store, const u8 *pc) {
    const usize i = images_below(store, pc);
    return i != 0 && pc < store->images.at[i - 1].text_end ? store->images.at[i - 1].image : NULL;
}

bool runtime_store_maps(const ImagoStore *store, const u8 *address) {
    for (usize i = 0; i < store->images.count; i++) {
        const Image *view = &store->images.at[i].image->view;
        if (address >= view->bytes && (u64)(address - view->bytes) < view->byte_count) {
            return true;
        }
    }
    return false;
}

bool runtime_store_reserve_image(ImagoStore *store, Error *err) {
    if (!vec_reserve(&store->images, 1)) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    return true;
}

void runtime_store_add_image(ImagoStore *store, const ImagoImage *image) {
    const u8 *text = image->view.text;
    const usize at = images_below(store, text);
    if (image->view.text_bytes == 0 || (at != 0 && store->images.at[at - 1].image == image)) {
        return;
    }
    memmove(store->images.at + at + 1, store->images.at + at,
            (store->images.count - at) * sizeof *store->images.at);
    store->images.at[at] = (StoreImage){text, text + image->view.text_bytes, image};
    store->images.count++;
}
