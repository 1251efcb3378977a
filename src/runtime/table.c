#include "runtime/table.h"

#include "base/alloc.h"
#include "runtime/instance.h"
#include "runtime/value.h"

ImagoTable *runtime_table_open(ImagoStore *store, const TableType *type, Error *err) {
    const u32 count = type->limits.min;
    if (count > store->max_table_entries) {
        error_set(err, IMAGO_ERROR_LIMIT, ERROR_NO_OFFSET,
                  "table of %u entries is larger than the limit of %u", count,
                  store->max_table_entries);
        return NULL;
    }
    ImagoTable *table = mem_alloc(sizeof *table);
    void **entries = table != NULL && count != 0 ? mem_alloc((usize)count * sizeof *entries) : NULL;
    if (table == NULL || (entries == NULL && count != 0)) {
        mem_free(table);
        error_set(err, IMAGO_ERROR_NO_MEMORY, ERROR_NO_OFFSET,
                  "out of memory for a table of %u entries", count);
        return NULL;
    }
    *table = (ImagoTable){.vm = {entries, count}, .store = store, .type = *type};
    return table;
}

void runtime_table_close(ImagoTable *table) {
    if (table != NULL) {
        mem_free(table->vm.entries);
        mem_free(table);
    }
}

void runtime_table_adopt(ImagoTable *table) {
    table->next = table->store->tables;
    table->store->tables = table;
}

// ---- Entries that are made when they are used ---------------------------------------------------

static const VmFuncRef LAZY = {.sig = SIG_LAZY};

void runtime_table_defer(ImagoTable *table, u64 from, u64 count) {
    for (u64 i = from; i < from + count; i++) {
        table->vm.entries[i] = (void *)(uintptr_t)&LAZY;
    }
}

// The entry by the last lazy segment that has it: that one was applied last.
static void *initial_entry(const ImagoTable *table, u64 i) {
    const Image *view = &table->instance->image->view;
    for (u32 k = view->elems.count; k-- != 0;) {
        const ImageElem elem = image_elem(view, k);
        const u64 first = (u32)elem.offset.low;
        if (elem.is_lazy && elem.table == table->index && i >= first && i - first < elem.count) {
            const ConstExpr item = image_elem_item(view, elem.first_item + (u32)(i - first));
            return item.kind == CONST_REF_FUNC ? runtime_instance_func(table->instance, item.index)
                                               : NULL;
        }
    }
    return NULL;
}

void *runtime_table_entry(ImagoTable *table, u64 i) {
    void **entry = &table->vm.entries[i];
    if (*entry == &LAZY) {
        *entry = initial_entry(table, i);
    }
    return *entry;
}

void runtime_table_make(ImagoTable *table, u64 from, u64 count) {
    for (u64 i = from; i < from + count && table->instance != NULL; i++) {
        (void)runtime_table_entry(table, i);
    }
}

// ---- Growing ------------------------------------------------------------------------------------

i64 runtime_table_grow(ImagoTable *table, u64 more, void *value) {
    const u64 count = table->vm.count;
    u64 limit = table->store->max_table_entries;
    if (table->type.limits.has_max && table->type.limits.max < limit) {
        limit = table->type.limits.max;
    }
    if (count > limit || more > limit - count) {
        return -1;
    }
    if (more == 0) {
        return (i64)count;
    }
    void **entries = mem_grow(table->vm.entries, (usize)count * sizeof *entries,
                              (usize)(count + more) * sizeof *entries);
    if (entries == NULL) {
        return -1;
    }
    if (value != NULL) {
        for (u64 i = count; i < count + more; i++) {
            entries[i] = value;
        }
    }
    table->vm = (VmTable){entries, count + more};
    return (i64)count;
}

// ---- Public -------------------------------------------------------------------------------------

ImagoTable *imago_table_new(ImagoStore *store, ImagoType elem, const ImagoLimits *entries,
                            ImagoValue init, ImagoError *error) {
    const TableType type = {(ValType)elem,
                            {entries->min, entries->has_max ? entries->max : 0, entries->has_max}};
    if (elem != IMAGO_FUNCREF && elem != IMAGO_EXTERNREF) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "a table holds references");
        return NULL;
    }
    if (type.limits.has_max && type.limits.max < type.limits.min) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET,
                  "table limits must satisfy min <= max");
        return NULL;
    }
    if (!runtime_value_belongs(store, type.elem, &init)) {
        error_set(error, IMAGO_ERROR_USAGE, ERROR_NO_OFFSET, "a function of another store");
        return NULL;
    }
    ImagoTable *table = runtime_table_open(store, &type, error);
    if (table == NULL) {
        return NULL;
    }
    if (init.externref != NULL) {
        for (u64 i = 0; i < table->vm.count; i++) {
            table->vm.entries[i] = init.externref;
        }
    }
    runtime_table_adopt(table);
    return table;
}

uint32_t imago_table_size(const ImagoTable *table) { return (u32)table->vm.count; }

ImagoLimits imago_table_limits(const ImagoTable *table) {
    const Limits *limits = &table->type.limits;
    return (ImagoLimits){limits->min, limits->max, limits->has_max};
}

ImagoType imago_table_type(const ImagoTable *table) { return (ImagoType)table->type.elem; }

static void *entry_for_host(ImagoTable *table, u32 i) {
    if (table->instance == NULL) {
        return table->vm.entries[i];
    }
    HostRead read;
    runtime_image_read_begin(table->instance->image, &read);
    void *entry = runtime_table_entry(table, i);
    return runtime_image_read_end(table->instance->image, &read, NULL) ? entry : NULL;
}

bool imago_table_get(const ImagoTable *table, uint32_t i, ImagoValue *value) {
    if (i >= table->vm.count) {
        return false;
    }
    *value = (ImagoValue){.bits = {0, 0}};
    value->externref = entry_for_host((ImagoTable *)(uintptr_t)table, i);
    return true;
}

bool imago_table_set(ImagoTable *table, uint32_t i, ImagoValue value) {
    if (i >= table->vm.count || !runtime_value_belongs(table->store, table->type.elem, &value)) {
        return false;
    }
    table->vm.entries[i] = value.externref;
    return true;
}

int64_t imago_table_grow(ImagoTable *table, uint32_t entries, ImagoValue value) {
    if (!runtime_value_belongs(table->store, table->type.elem, &value)) {
        return -1;
    }
    return runtime_table_grow(table, entries, value.externref);
}
