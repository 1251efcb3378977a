#include "fuzz/lib/ours.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_INSTANCES = 2 };

struct Ours {
    ImagoEngine *engine;
    ImagoStore *store;
    SideHost *host;
    const SideModule *module; // of the main instance
    ImagoInstance *instances[MAX_INSTANCES];
    uint32_t instance_count;
    ImagoFunc **funcs;  // of the main instance's exports
    bool *is_imported; // of the same
    SideCaller caller;
    struct HostFunc *host_funcs[MAX_INSTANCES];
};

typedef struct HostFunc {
    Ours *ours;
    ImagoFuncType type;
} HostFunc;

// ---- Values -------------------------------------------------------------------------------------

static bool is_func(uint8_t type) { return type == IMAGO_FUNCREF; }

static ImagoValue to_side(const Ours *ours, uint8_t type, ImagoValue value) {
    if (!is_func(type) || value.func == NULL) {
        return value;
    }
    const uint32_t count = ours->funcs == NULL ? 0 : ours->module->export_count;
    for (uint32_t i = 0; i < count; i++) {
        if (ours->funcs[i] == value.func) {
            return (ImagoValue){.bits = {ours->is_imported[i] ? 1 : 2 + i, 0}};
        }
    }
    return (ImagoValue){.bits = {1, 0}};
}

static ImagoValue from_side(const Ours *ours, uint8_t type, ImagoValue value) {
    if (!is_func(type)) {
        return value;
    }
    return (ImagoValue){.func = value.bits[0] < 2 ? NULL : ours->funcs[value.bits[0] - 2]};
}

static void values_to_side(const Ours *ours, const uint8_t *types, uint32_t count,
                           ImagoValue *values) {
    for (uint32_t i = 0; i < count; i++) {
        values[i] = to_side(ours, types[i], values[i]);
    }
}

static void values_from_side(const Ours *ours, const uint8_t *types, uint32_t count,
                             ImagoValue *values) {
    for (uint32_t i = 0; i < count; i++) {
        values[i] = from_side(ours, types[i], values[i]);
    }
}

// ---- Calls --------------------------------------------------------------------------------------

static SideResult trapped(const Ours *ours) {
    const char *message = imago_store_trap(ours->store)->message;
    for (int kind = 0; kind < TRAP_COUNT; kind++) {
        if (strcmp(message, trap_name((TrapKind)kind)) == 0) {
            // The other engine does not tell these two apart.
            return (SideResult){.status = SIDE_TRAP, .trap = kind == TRAP_UNDEFINED_ELEMENT
                                                                 ? TRAP_TABLE_OUT_OF_BOUNDS
                                                                 : (TrapKind)kind};
        }
    }
    return (SideResult){.status = SIDE_TRAP, .trap = TRAP_COUNT};
}

static SideResult failed(const ImagoError *error) {
    static char text[sizeof error->text];
    memcpy(text, error->text, sizeof text);
    const bool is_limit =
        error->code == IMAGO_ERROR_LIMIT || error->code == IMAGO_ERROR_NO_MEMORY;
    return (SideResult){.status = is_limit ? SIDE_LIMIT : SIDE_FAIL, .why = text};
}

static SideResult result_of(const Ours *ours, ImagoStatus status, const ImagoError *error) {
    return status == IMAGO_OK     ? (SideResult){.status = SIDE_OK}
           : status == IMAGO_TRAP ? trapped(ours)
                                  : failed(error);
}

static SideResult call(Ours *ours, uint32_t export_index, ImagoValue *values) {
    const ImagoFuncType *type = &ours->module->exports[export_index].type.func;
    ImagoError error = IMAGO_ERROR_INIT;
    values_from_side(ours, type->params, type->param_count, values);
    const ImagoStatus status =
        imago_func_call(ours->store, ours->funcs[export_index], values, &error);
    if (status == IMAGO_OK) {
        values_to_side(ours, type->results, type->result_count, values);
    }
    return result_of(ours, status, &error);
}

SideResult ours_call(Ours *ours, uint32_t export_index, ImagoValue *values) {
    ours->caller.calls_left = SIDE_CALLBACKS;
    return call(ours, export_index, values);
}

static ImagoStatus on_host_call(void *env, ImagoCaller *caller, ImagoValue *values) {
    const HostFunc *func = env;
    Ours *ours = func->ours;
    values_to_side(ours, func->type.params, func->type.param_count, values);
    const SideResult result = ours->host(ours->module, &func->type, &ours->caller, values);
    if (result.status == SIDE_OK) {
        values_from_side(ours, func->type.results, func->type.result_count, values);
        return IMAGO_OK;
    }
    // One that was just raised stands in the store already.
    return result.why == NULL ? IMAGO_TRAP : imago_caller_trap(caller, result.why);
}

// ---- Exports ------------------------------------------------------------------------------------

static ImagoExtern export_at(const Ours *ours, uint32_t export_index) {
    const ImagoExport *item = &ours->module->exports[export_index];
    ImagoExtern found = {0};
    if (!imago_instance_export(ours->instances[ours->instance_count - 1], item->name,
                               item->name_bytes, &found)) {
        abort();
    }
    return found;
}

ImagoValue ours_global(Ours *ours, uint32_t export_index) {
    return to_side(ours, (uint8_t)ours->module->exports[export_index].type.value,
                   imago_global_get(export_at(ours, export_index).of.global));
}

void ours_set_i32(Ours *ours, const char *global, int32_t value) {
    for (uint32_t i = 0; i < ours->instance_count; i++) {
        ImagoExtern found;
        if (imago_instance_export(ours->instances[i], global, strlen(global), &found) &&
            found.kind == IMAGO_EXTERN_GLOBAL) {
            (void)imago_global_set(found.of.global, (ImagoValue){.i32 = value});
        }
    }
}

const uint8_t *ours_memory(Ours *ours, uint32_t export_index, uint64_t *bytes) {
    const ImagoMemory *memory = export_at(ours, export_index).of.memory;
    *bytes = imago_memory_bytes(memory);
    return imago_memory_data(memory);
}

uint32_t ours_table_size(Ours *ours, uint32_t export_index) {
    return imago_table_size(export_at(ours, export_index).of.table);
}

ImagoValue ours_table_entry(Ours *ours, uint32_t export_index, uint32_t entry) {
    const ImagoTable *table = export_at(ours, export_index).of.table;
    ImagoValue value = {0};
    (void)imago_table_get(table, entry, &value);
    return to_side(ours, (uint8_t)imago_table_type(table), value);
}

static SideResult call_back(void *side, uint32_t export_index, ImagoValue *values) {
    return call(side, export_index, values);
}

static int64_t grow_memory(void *side, uint32_t export_index, uint32_t pages) {
    return imago_memory_grow(export_at(side, export_index).of.memory, pages);
}

// ---- Instances ----------------------------------------------------------------------------------

Ours *ours_open(ImagoEngine *engine, const SideLimits *limits, SideHost *host) {
    Ours *ours = calloc(1, sizeof *ours);
    const ImagoStoreOptions options = {.size = sizeof options,
                                       .max_memory_bytes = limits->memory_bytes,
                                       .max_table_entries = limits->table_entries};
    if (ours == NULL) {
        return NULL;
    }
    ours->host = host;
    ours->caller = (SideCaller){.side = ours, .call = call_back, .grow_memory = grow_memory};
    ours->engine = engine;
    ours->store = imago_store_new(engine, &options, NULL);
    if (ours->store == NULL) {
        free(ours);
        return NULL;
    }
    return ours;
}

void ours_close(Ours *ours) {
    imago_store_delete(ours->store);
    for (uint32_t i = 0; i < MAX_INSTANCES; i++) {
        free(ours->host_funcs[i]);
    }
    free(ours->funcs);
    free(ours->is_imported);
    free(ours);
}

static void fill_table(ImagoTable *table, uint64_t count, const ImagoExtern *externs,
                       uint32_t i) {
    for (uint32_t entry = 0; entry < count && i != 0; entry++) {
        const ImagoExtern *from = &externs[entry % i];
        if (from->kind == IMAGO_EXTERN_FUNC) {
            (void)imago_table_set(table, entry, (ImagoValue){.func = from->of.func});
        }
    }
}

static ImagoExtern make_import(Ours *ours, const SideImport *import, const ImagoExtern *externs,
                               uint32_t i, ImagoError *error) {
    const ImagoExternType *type = &import->item.type;
    ImagoExtern made = {.kind = type->kind};
    switch (type->kind) {
    case IMAGO_EXTERN_FUNC: {
        HostFunc *host = &ours->host_funcs[ours->instance_count][i];
        *host = (HostFunc){ours, type->func};
        made.of.func = imago_func_new(ours->store, &type->func, on_host_call, host, error);
        break;
    }
    case IMAGO_EXTERN_GLOBAL:
        made.of.global = imago_global_new(ours->store, type->value, type->is_mutable,
                                          import->value, error);
        break;
    case IMAGO_EXTERN_MEMORY:
        made.of.memory = imago_memory_new(ours->store, &type->limits, error);
        if (made.of.memory != NULL) {
            side_fill_memory(imago_memory_data(made.of.memory),
                             imago_memory_bytes(made.of.memory), &import->value);
        }
        break;
    case IMAGO_EXTERN_TABLE:
        made.of.table = imago_table_new(ours->store, type->value, &type->limits, (ImagoValue){0},
                                        error);
        if (made.of.table != NULL && is_func((uint8_t)type->value)) {
            fill_table(made.of.table, import->value.bits[0], externs, i);
        }
        break;
    }
    return made;
}

static bool define_import(Ours *ours, const SideModule *module, ImagoLinker *linker,
                          ImagoExtern *externs, uint32_t i, ImagoError *error) {
    const SideImport *import = &module->imports[i];
    const ImagoImport *item = &import->item;
    if (import->same_as != SIDE_NONE) {
        externs[i] = externs[import->same_as];
    } else if (import->export_of_first != SIDE_NONE) {
        externs[i] = export_at(ours, import->export_of_first);
    } else {
        externs[i] = make_import(ours, import, externs, i, error);
    }
    return externs[i].of.func != NULL &&
           imago_linker_define(linker, item->module, item->module_bytes, item->name,
                               item->name_bytes, externs[i], error);
}

static void find_funcs(Ours *ours, const ImagoExtern *imports) {
    const SideModule *module = ours->module;
    free(ours->is_imported);
    ours->is_imported = calloc(module->export_count + 1u, sizeof(bool));
    ours->funcs = calloc(module->export_count + 1u, sizeof(ImagoFunc *));
    for (uint32_t i = 0; i < module->export_count; i++) {
        if (module->exports[i].type.kind != IMAGO_EXTERN_FUNC) {
            continue;
        }
        ours->funcs[i] = export_at(ours, i).of.func;
        for (uint32_t k = 0; k < module->import_count; k++) {
            ours->is_imported[i] |= imports[k].of.func == ours->funcs[i];
        }
    }
}

SideResult ours_instantiate(Ours *ours, const SideModule *module) {
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoLinker *linker = imago_linker_new(ours->engine, &error);
    ImagoExtern *externs = calloc(module->import_count + 1u, sizeof *externs);
    const uint32_t main = ours->instance_count;
    ours->host_funcs[main] = calloc(module->import_count + 1u, sizeof(HostFunc));
    bool is_ok = linker != NULL && externs != NULL && ours->host_funcs[main] != NULL;
    free(ours->funcs);
    ours->funcs = NULL;
    ours->caller.is_ready = false;
    ours->module = module;
    for (uint32_t i = 0; is_ok && i < module->import_count; i++) {
        is_ok = define_import(ours, module, linker, externs, i, &error);
    }
    const ImagoStatus status =
        is_ok ? imago_linker_instantiate(linker, ours->store, module->image,
                                         &ours->instances[main], &error)
              : IMAGO_FAIL;
    imago_linker_delete(linker);
    if (status == IMAGO_OK) {
        ours->instance_count++;
        find_funcs(ours, externs);
        ours->caller.is_ready = true;
    }
    free(externs);
    return result_of(ours, status, &error);
}
