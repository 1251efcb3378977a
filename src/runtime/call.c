// The way in. What a call must find out once (is the function of this store, which stub enters it,
// are there references among its arguments) is remembered in an ImagoCall by hosts that care, and
// per function in store->targets for the others; there, functions with reference parameters are
// checked each time. A repeated call is then three comparisons and arch_enter.
#include "runtime/call.h"

#include "runtime/arch.h"
#include "runtime/host_func.h"
#include "runtime/instance.h"
#include "runtime/signals.h"
#include "runtime/value.h"

static CallTarget *target_of(ImagoStore *store, const VmFuncRef *ref) {
    const usize hash = (uintptr_t)ref / sizeof *ref;
    return &store->targets[hash % STORE_CALL_TARGETS];
}

// True if a call needs nothing but to be made: the store runs no other one, and this thread is
// ready and in no call of any store.
static bool is_idle(const ImagoStore *store) {
    return store->exec.host_sp == NULL && runtime_thread.store == NULL && runtime_thread.is_ready;
}

// What must be there for a first call, and may be used up for a nested one. *status is written
// unless all is well.
static bool make_ready(ImagoStore *store, ImagoStatus *status, Error *err) {
    *status = IMAGO_FAIL;
    TRY(runtime_thread_prepare(err));
    TRY(runtime_store_make_stack(store, err));
    // Guests can make host functions call them: the host's stack ends, too.
    if (runtime_thread.store != NULL && runtime_thread_is_low()) {
        runtime_trap_record(store, TRAP_STACK_EXHAUSTED);
        store->ended = *status = IMAGO_TRAP;
        return false;
    }
    return true;
}

// Any function, maybe inside of other calls; all is ready.
static ImagoStatus enter(ImagoStore *store, const EntryPoint *entry, ImagoValue *values) {
    if (entry->stub == NULL) {
        return store->ended =
                   runtime_host_call_direct(store, host_func_of_vmctx(entry->vmctx), values);
    }
    ImagoStore *outer_store = runtime_thread.store;
    // Where the last call's stack ended says nothing when none is running.
    VmExec outer = store->exec.host_sp == NULL ? store->idle : store->exec;
    const ImagoStatus status = arch_enter(entry, values, store, &outer);
    store->exec = outer;
    runtime_thread.store = outer_store;
    return status;
}

static bool check_values(const ImagoStore *store, const FuncType *type, const ImagoValue *values,
                         bool *has_refs, Error *err) {
    for (u32 i = 0; i < type->param_count; i++) {
        const ValType param = (ValType)type_params(type)[i];
        *has_refs |= param == VAL_FUNCREF;
        if (!runtime_value_belongs(store, param, &values[i])) {
            return fail(err, USAGE, ERROR_NO_OFFSET, "argument %u is a function of another store",
                        i + 1);
        }
    }
    return true;
}

static bool find_entry(const VmFuncRef *ref, EntryPoint *entry, Error *err) {
    const ImagoInstance *instance = vmctx_get(ref->vmctx, VMCTX_INSTANCE);
    *entry = (EntryPoint){ref->vmctx, ref->code, NULL};
    if (instance == NULL) {
        return true;
    }
    HostRead read;
    const Image *view = &instance->image->view;
    runtime_image_read_begin(instance->image, &read);
    const u32 offset = image_type(view, ref->type_index).entry_stub;
    TRY(runtime_image_read_end(instance->image, &read, err));
    if (offset >= view->text_bytes) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "image has no entry stub for type %u",
                    ref->type_index);
    }
    entry->stub = view->text + offset;
    return true;
}

static ImagoStatus call_first(ImagoStore *store, const VmFuncRef *ref, ImagoValue *values,
                              Error *err) {
    const FuncType type = runtime_func_type(ref);
    bool has_refs = false;
    EntryPoint entry;
    ImagoStatus status = IMAGO_FAIL;
    if (!check_values(store, &type, values, &has_refs, err) || !find_entry(ref, &entry, err) ||
        !make_ready(store, &status, err)) {
        return status;
    }
    if (entry.stub != NULL && !has_refs) {
        *target_of(store, ref) = (CallTarget){ref, entry};
    }
    return enter(store, &entry, values);
}

static bool prepare(ImagoStore *store, const VmFuncRef *ref, EntryPoint *entry, Error *err) {
    TRY(runtime_thread_prepare(err));
    TRY(runtime_store_make_stack(store, err));
    return find_entry(ref, entry, err);
}

bool runtime_call_prepare(ImagoStore *store, const VmFuncRef *ref, Error *err) {
    EntryPoint entry;
    return prepare(store, ref, &entry, err);
}

ImagoStatus runtime_call(ImagoStore *store, const VmFuncRef *ref, ImagoValue *values, Error *err) {
    const CallTarget *target = target_of(store, ref);
    if (target->ref == ref && runtime_thread.is_ready &&
        (runtime_thread.store == NULL || !runtime_thread_is_low())) {
        return enter(store, &target->entry, values);
    }
    return call_first(store, ref, values, err);
}

// ---- Public -------------------------------------------------------------------------------------

static bool check_func(const ImagoStore *store, const ImagoFunc *func, Error *err) {
    if (func == NULL || !runtime_func_serves(store, func)) {
        return fail(err, USAGE, ERROR_NO_OFFSET,
                    func == NULL ? "no function" : "a function of another store");
    }
    return true;
}

// Kept out of what follows, so that the common case needs few registers and no frame.
__attribute__((noinline, cold)) static ImagoStatus call_checked(ImagoStore *store, ImagoFunc *func,
                                                                ImagoValue *values, Error *err) {
    return check_func(store, func, err)
               ? runtime_call(store, (const VmFuncRef *)func, values, err)
               : IMAGO_FAIL;
}

ImagoStatus imago_func_call(ImagoStore *store, ImagoFunc *func, ImagoValue *values,
                            ImagoError *error) {
    const VmFuncRef *ref = (const VmFuncRef *)func;
    const CallTarget *target = target_of(store, ref);
    if (UNLIKELY(target->ref != ref || ref == NULL || !is_idle(store))) {
        return call_checked(store, func, values, error);
    }
    return arch_enter(&target->entry, values, store, &store->idle);
}

_Static_assert(sizeof(EntryPoint) == sizeof((ImagoCall){0}.entry), "the same in imago.h");

bool imago_func_prepare(ImagoStore *store, ImagoFunc *func, const ImagoFuncType *type,
                        ImagoCall *call, ImagoError *error) {
    const VmFuncRef *ref = (const VmFuncRef *)func;
    TRY(check_func(store, func, error));
    const FuncType found = runtime_func_type(ref);
    if (type != NULL && !runtime_type_is(&found, type)) {
        char text[96];
        return fail(error, USAGE, ERROR_NO_OFFSET, "the function has another type: %s",
                    runtime_type_text(&found, text, sizeof text));
    }
    EntryPoint entry;
    TRY(prepare(store, ref, &entry, error));
    call->store = store;
    memcpy(call->entry, &entry, sizeof entry);
    return true;
}

__attribute__((noinline, cold)) static ImagoStatus call_slowly(const ImagoCall *call,
                                                               ImagoValue *values, Error *err) {
    EntryPoint entry;
    memcpy(&entry, call->entry, sizeof entry);
    ImagoStatus status = IMAGO_FAIL;
    return make_ready(call->store, &status, err) ? enter(call->store, &entry, values) : status;
}

ImagoStatus imago_call(const ImagoCall *call, ImagoValue *values, ImagoError *error) {
    const EntryPoint *entry = (const EntryPoint *)(const void *)call->entry;
    ImagoStore *store = call->store;
    if (UNLIKELY(entry->stub == NULL || !is_idle(store))) {
        return call_slowly(call, values, error);
    }
    return arch_enter(entry, values, store, &store->idle);
}

ImagoFuncType imago_func_type(const ImagoStore *store, const ImagoFunc *func) {
    (void)store;
    const FuncType type = runtime_func_type((const VmFuncRef *)func);
    return runtime_public_type(&type);
}
