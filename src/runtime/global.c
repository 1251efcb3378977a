#include "runtime/global.h"

#include "base/alloc.h"
#include "runtime/value.h"

ImagoGlobal *imago_global_new(ImagoStore *store, ImagoType type, bool is_mutable, ImagoValue value,
                              ImagoError *error) {
    if (type < IMAGO_I32 || type > IMAGO_EXTERNREF) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "no such value type: %d", (int)type);
        return NULL;
    }
    if (!runtime_value_belongs(store, (ValType)type, &value)) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "a function of another store");
        return NULL;
    }
    OwnGlobal *own = mem_alloc(sizeof *own);
    if (own == NULL) {
        error_set(error, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        return NULL;
    }
    own->global = (ImagoGlobal){own->bits, store, {(ValType)type, is_mutable}};
    own->next = store->globals;
    store->globals = own;
    runtime_value_store(own->bits, (ValType)type, &value);
    return &own->global;
}

ImagoType imago_global_type(const ImagoGlobal *global, bool *is_mutable) {
    if (is_mutable != NULL) {
        *is_mutable = global->type.is_mutable;
    }
    return (ImagoType)global->type.type;
}

ImagoValue imago_global_get(const ImagoGlobal *global) {
    ImagoValue value;
    memcpy(&value, global->value, sizeof value);
    runtime_value_clean(&value, global->type.type);
    return value;
}

bool imago_global_set(ImagoGlobal *global, ImagoValue value) {
    if (!global->type.is_mutable ||
        !runtime_value_belongs(global->store, global->type.type, &value)) {
        return false;
    }
    runtime_value_store(global->value, global->type.type, &value);
    return true;
}
