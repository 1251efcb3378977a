#define _GNU_SOURCE
#include "runtime/stack.h"

#include <sys/mman.h>

#include "base/os_mem.h"
#include "types/vmctx.h"

static void release(u8 *map, usize bytes) { os_release(map, VM_STACK_GUARD_BYTES + bytes); }

static u8 *take(ImagoEngine *engine, usize bytes) {
    u8 *map = NULL;
    pthread_mutex_lock(&engine->lock);
    for (u32 i = engine->stack_count; i-- != 0 && map == NULL;) {
        if (engine->stacks[i].bytes == bytes) {
            map = engine->stacks[i].map;
            engine->stacks[i] = engine->stacks[--engine->stack_count];
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return map;
}

static bool keep(ImagoEngine *engine, u8 *map, usize bytes) {
    pthread_mutex_lock(&engine->lock);
    const bool has_room = engine->stack_count < ENGINE_MAX_SPARES;
    if (has_room) {
        engine->stacks[engine->stack_count++] = (SpareStack){map, bytes};
    }
    pthread_mutex_unlock(&engine->lock);
    return has_room;
}

u8 *runtime_stack_open(ImagoEngine *engine, usize bytes, Error *err) {
    u8 *map = take(engine, bytes);
    if (map != NULL) {
        return map;
    }
    map = os_reserve(VM_STACK_GUARD_BYTES + bytes, err);
    if (map == NULL) {
        return NULL;
    }
    if (!os_commit(map + VM_STACK_GUARD_BYTES, bytes, err)) {
        release(map, bytes);
        return NULL;
    }
    // A huge page at its top would cost more than all calls that most guests make.
    (void)madvise(map + VM_STACK_GUARD_BYTES, bytes, MADV_NOHUGEPAGE);
    return map;
}

// The page at the top is the one that every call needs: zeroing it costs less than a fault.
static bool clear(u8 *map, usize bytes) {
    const usize top = os_page_bytes();
    u8 *stack = map + VM_STACK_GUARD_BYTES;
    memset(stack + bytes - top, 0, top);
    return bytes == top || os_clear(stack, bytes - top);
}

void runtime_stack_close(ImagoEngine *engine, u8 *map, usize bytes) {
    if (map != NULL && (!clear(map, bytes) || !keep(engine, map, bytes))) {
        release(map, bytes);
    }
}

void runtime_stack_forget(ImagoEngine *engine) {
    while (engine->stack_count != 0) {
        const SpareStack *stack = &engine->stacks[--engine->stack_count];
        release(stack->map, stack->bytes);
    }
}
