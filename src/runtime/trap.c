#include "runtime/trap.h"

#include "runtime/arch.h"
#include "runtime/backtrace.h"
#include "runtime/signals.h"
#include "runtime/store.h"

void runtime_trap_set(ImagoStore *store, TrapKind kind) {
    store->trap.trap = (ImagoTrap){.message = trap_name(kind), .frames = store->trap.frames};
}

void runtime_trap_record(ImagoStore *store, TrapKind kind) {
    runtime_trap_set(store, kind);
    const bool reads_image = runtime_thread.reads_image;
    runtime_thread.reads_image = runtime_thread.store == store;
    runtime_backtrace_exit(store);
    runtime_thread.reads_image = reads_image;
}

void runtime_trap_raise(ImagoStore *store, TrapKind kind) {
    runtime_thread.reads_image = false;
    runtime_trap_record(store, kind);
    arch_unwind(&store->exec, IMAGO_TRAP);
}

void runtime_trap_lost(ImagoStore *store) {
    store->raised = IMAGO_OK;
    runtime_trap_set(store, TRAP_IMAGE_CHANGED);
    arch_unwind(&store->exec, IMAGO_TRAP);
}

static void record_host_trap(ImagoStore *store) {
    runtime_trap_record(store, TRAP_HOST);
    if (store->raised == IMAGO_TRAP) {
        memcpy(store->trap.message, store->raised_message, sizeof store->trap.message);
        store->trap.trap.message = store->trap.message;
    }
}

ImagoStatus runtime_host_outcome(ImagoStore *store) {
    ImagoStatus status = IMAGO_TRAP;
    if (store->raised == IMAGO_EXIT) {
        store->exit_code = store->raised_code;
        status = IMAGO_EXIT;
    } else if (store->raised == IMAGO_OK && store->ended == IMAGO_EXIT) {
        status = IMAGO_EXIT;
    } else if (store->raised == IMAGO_TRAP || store->ended != IMAGO_TRAP) {
        record_host_trap(store);
    }
    store->raised = IMAGO_OK;
    return status;
}

const ImagoTrap *imago_store_trap(const ImagoStore *store) {
    return store->ended == IMAGO_TRAP ? &store->trap.trap : NULL;
}

int imago_store_exit_code(const ImagoStore *store) { return store->exit_code; }
