// The way in. What a call must find out once (is the function of this store, which stub enters it,
// are there references among its arguments) is remembered per function in store->targets; functions
// with reference parameters are checked each time. A repeated call is then two comparisons, the
// thread's note of its store, and arch_enter.
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

// A guest call on a thread that is ready for it.
static ImagoStatus enter(ImagoStore *store, const VmFuncRef *ref, const void *stub,
                         ImagoValue *values) {
    ThreadState *thread = &runtime_thread;
    ImagoStore *outer = thread->store;
    thread->store = store;
    const int status = arch_enter(&store->exec, stub, ref->vmctx, ref->code, values);
    thread->store = outer;
    store->ended = (ImagoStatus)status;
    return (ImagoStatus)status;
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

static bool find_stub(const VmFuncRef *ref, const void **stub, Error *err) {
    const ImagoInstance *instance = vmctx_get(ref->vmctx, VMCTX_INSTANCE);
    const Image *view = &instance->image->view;
    const u32 offset = image_type(view, ref->type_index).entry_stub;
    if (offset >= view->text_bytes) {
        return fail(err, IMAGE, ERROR_NO_OFFSET, "image has no entry stub for type %u",
                    ref->type_index);
    }
    *stub = view->text + offset;
    return true;
}

static ImagoStatus call_first(ImagoStore *store, const VmFuncRef *ref, ImagoValue *values,
                              Error *err) {
    const FuncType type = runtime_func_type(ref);
    bool has_refs = false;
    ImagoStatus status = IMAGO_FAIL;
    if (!check_values(store, &type, values, &has_refs, err) || !make_ready(store, &status, err)) {
        return status;
    }
    if (vmctx_get(ref->vmctx, VMCTX_INSTANCE) == NULL) {
        status = runtime_host_call_direct(store, host_func_of_vmctx(ref->vmctx), values);
        store->ended = status;
        return status;
    }
    const void *stub = NULL;
    if (!find_stub(ref, &stub, err)) {
        return IMAGO_FAIL;
    }
    if (!has_refs) {
        *target_of(store, ref) = (CallTarget){ref, stub};
    }
    return enter(store, ref, stub, values);
}

bool runtime_call_prepare(ImagoStore *store, const VmFuncRef *ref, Error *err) {
    const void *stub = NULL;
    TRY(runtime_thread_prepare(err));
    TRY(runtime_store_make_stack(store, err));
    return vmctx_get(ref->vmctx, VMCTX_INSTANCE) == NULL || find_stub(ref, &stub, err);
}

ImagoStatus runtime_call(ImagoStore *store, const VmFuncRef *ref, ImagoValue *values, Error *err) {
    const CallTarget *target = target_of(store, ref);
    if (target->ref == ref && runtime_thread.is_ready &&
        (runtime_thread.store == NULL || !runtime_thread_is_low())) {
        return enter(store, ref, target->stub, values);
    }
    return call_first(store, ref, values, err);
}

static ImagoStatus call_checked(ImagoStore *store, ImagoFunc *func, ImagoValue *values,
                                Error *err) {
    if (func == NULL || store_of_func(func) != store) {
        error_set(err, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET,
                  func == NULL ? "no function" : "a function of another store");
        return IMAGO_FAIL;
    }
    return runtime_call(store, (const VmFuncRef *)func, values, err);
}

ImagoStatus imago_func_call(ImagoStore *store, ImagoFunc *func, ImagoValue *values,
                            ImagoError *error) {
    // The common case, kept apart so that it needs few registers: a function that was called
    // before, from a thread that is not in a call.
    const VmFuncRef *ref = (const VmFuncRef *)func;
    const CallTarget *target = target_of(store, ref);
    if (UNLIKELY(target->ref != ref || ref == NULL || runtime_thread.store != NULL ||
                 !runtime_thread.is_ready)) {
        return call_checked(store, func, values, error);
    }
    runtime_thread.store = store;
    const int status = arch_enter(&store->exec, target->stub, ref->vmctx, ref->code, values);
    runtime_thread.store = NULL;
    store->ended = (ImagoStatus)status;
    return (ImagoStatus)status;
}

ImagoFuncType imago_func_type(const ImagoStore *store, const ImagoFunc *func) {
    (void)store;
    const FuncType type = runtime_func_type((const VmFuncRef *)func);
    return runtime_public_type(&type);
}
