// Engines. Locks are taken before a fork and released in both processes, so that a child that a
// host function forked finds no lock held for ever.
#include "runtime/engine.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/os_mem.h"
#include "runtime/signals.h"
#include "runtime/stack.h"
#include "types/cpu.h"
#include "types/vmctx.h"

static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;
static ImagoEngine *engines;
static bool has_fork_hooks;

const char *imago_version(void) {
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
    return TEXT(IMAGO_VERSION_MAJOR) "." TEXT(IMAGO_VERSION_MINOR) "." TEXT(IMAGO_VERSION_PATCH);
#undef TEXT
#undef TEXT_OF
}

static void lock_all(void) {
    pthread_mutex_lock(&engines_lock);
    runtime_debugger_lock();
    for (ImagoEngine *engine = engines; engine != NULL; engine = engine->next) {
        pthread_mutex_lock(&engine->lock);
    }
}

static void unlock_all(void) {
    for (ImagoEngine *engine = engines; engine != NULL; engine = engine->next) {
        pthread_mutex_unlock(&engine->lock);
    }
    runtime_debugger_unlock();
    pthread_mutex_unlock(&engines_lock);
}

static bool enter_process(ImagoEngine *engine, Error *err) {
    if (!has_fork_hooks) {
        if (pthread_atfork(lock_all, unlock_all, unlock_all) != 0) {
            return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "cannot register fork handlers");
        }
        has_fork_hooks = true;
    }
    if (engines == NULL) {
        TRY(runtime_signals_install(err));
    }
    engine->next = engines;
    engines = engine;
    return true;
}

ImagoEngine *imago_engine_new(ImagoError *error) {
    ImagoEngine *engine = mem_alloc(sizeof *engine);
    if (engine == NULL) {
        error_set(error, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    engine->cpu_features = cpu_features_here();
    runtime_debugger_directory(engine->directory);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_mutex_lock(&engines_lock);
    const bool ok = enter_process(engine, error);
    pthread_mutex_unlock(&engines_lock);
    if (!ok) {
        pthread_mutex_destroy(&engine->lock);
        mem_free(engine);
        return NULL;
    }
    return engine;
}

void imago_engine_delete(ImagoEngine *engine) {
    if (engine == NULL) {
        return;
    }
    pthread_mutex_lock(&engines_lock);
    ImagoEngine **link = &engines;
    while (*link != engine) {
        link = &(*link)->next;
    }
    *link = engine->next;
    if (engines == NULL) {
        runtime_signals_remove();
    }
    pthread_mutex_unlock(&engines_lock);
    for (usize i = 0; i < engine->sigs.count; i++) {
        mem_free((void *)(uintptr_t)engine->sigs.at[i].type.types);
    }
    vec_free(&engine->sigs);
    mem_free(engine->slots);
    runtime_stack_forget(engine);
    while (engine->spare_count != 0) {
        os_release(engine->spares[--engine->spare_count].base, VM_MEMORY_RESERVE_BYTES);
    }
    pthread_mutex_destroy(&engine->lock);
    mem_free(engine);
}

// ---- Signature ids ------------------------------------------------------------------------------

static u64 type_hash(const FuncType *type) {
    return hash_bytes(type->types, (usize)type->param_count + type->result_count,
                      type->param_count);
}

// The slot that holds `type`, or the free one where it belongs.
static u32 slot_of(const ImagoEngine *engine, const FuncType *type, u64 hash) {
    u32 slot = (u32)hash & (engine->slot_count - 1);
    for (; engine->slots[slot] != 0; slot = (slot + 1) & (engine->slot_count - 1)) {
        const EngineSig *sig = &engine->sigs.at[engine->slots[slot] - 1];
        if (sig->hash == hash && type_equal(&sig->type, type)) {
            break;
        }
    }
    return slot;
}

static bool make_slots(ImagoEngine *engine) {
    if ((engine->sigs.count + 1) * 2 <= engine->slot_count) {
        return true;
    }
    const u32 count = engine->slot_count == 0 ? 64 : engine->slot_count * 2;
    u32 *slots = mem_alloc((usize)count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    mem_free(engine->slots);
    engine->slots = slots;
    engine->slot_count = count;
    for (u32 i = 0; i < engine->sigs.count; i++) {
        const EngineSig *sig = &engine->sigs.at[i];
        slots[slot_of(engine, &sig->type, sig->hash)] = i + 1;
    }
    return true;
}

static bool sig_intern(ImagoEngine *engine, const FuncType *type, u32 *index) {
    TRY(make_slots(engine));
    const u64 hash = type_hash(type);
    const u32 slot = slot_of(engine, type, hash);
    if (engine->slots[slot] == 0) {
        const usize bytes = (usize)type->param_count + type->result_count;
        u8 *types = mem_alloc(bytes);
        if (types == NULL) {
            return false;
        }
        memcpy(types, type->types, bytes);
        const FuncType copy = {types, type->param_count, type->result_count};
        if (!vec_push(&engine->sigs, (EngineSig){hash, copy})) {
            mem_free(types);
            return false;
        }
        engine->slots[slot] = (u32)engine->sigs.count;
    }
    *index = engine->slots[slot] - 1;
    return true;
}

bool runtime_engine_sig(ImagoEngine *engine, const FuncType *type, u32 *sig, Error *err) {
    *sig = type_sig(type);
    if (*sig != SIG_LARGE) {
        return true;
    }
    u32 index = 0;
    pthread_mutex_lock(&engine->lock);
    const bool ok = sig_intern(engine, type, &index);
    pthread_mutex_unlock(&engine->lock);
    if (!ok) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    CHECK(index < SIG_LAZY - SIG_LARGE);
    *sig = SIG_LARGE | index;
    return true;
}
