// The functions of functions.def as host functions of a linker: one callback for all of them, its
// environment a row of the table bound to the guest's state.
#include "base/alloc.h"
#include "wasi/wasi_int.h"

enum { PREVIEW1 = 1, UNSTABLE = 2, EITHER = PREVIEW1 | UNSTABLE };

static const struct {
    u32 module;
    const char *name;
} MODULES[] = {{PREVIEW1, "wasi_snapshot_preview1"}, {UNSTABLE, "wasi_unstable"}};

typedef struct Function {
    u32 modules;
    const char *name;
    const char *signature;
    WasiHandler handler;
} Function;

static const Function FUNCTIONS[] = {
#define FUNCTION(modules, name, signature, handler) {modules, #name, signature, wasi_##handler},
#include "wasi/functions.def"
#undef FUNCTION
};

typedef struct WasiBinding {
    ImagoWasi *wasi;
    WasiHandler handler;
    u8 params[WASI_MAX_ARGS]; // ImagoType
    ImagoFuncType type;
} WasiBinding;

static const u8 ERRNO_RESULT[] = {IMAGO_I32};

static ImagoStatus call_handler(void *env, ImagoCaller *caller, ImagoValue *values) {
    const WasiBinding *binding = env;
    WasiCall call = {.wasi = binding->wasi};
    u8 no_memory[1];
    call.memory = imago_caller_memory(caller, &call.memory_bytes);
    call.memory = call.memory != NULL ? call.memory : no_memory;
    for (u32 i = 0; i < binding->type.param_count; i++) {
        call.args[i] = binding->params[i] == IMAGO_I32 ? (u32)values[i].i32 : (u64)values[i].i64;
    }
    const bool is_done = binding->handler(&call);
    if (call.is_exit) {
        return imago_caller_exit(caller, (int)call.exit_code);
    }
    values[0] = (ImagoValue){.i32 = is_done ? WASI_SUCCESS : (i32)call.error};
    return IMAGO_OK;
}

static void bind(WasiBinding *binding, ImagoWasi *wasi, const Function *function) {
    const u32 count = (u32)strlen(function->signature);
    const bool has_result = function->handler != wasi_proc_exit;
    for (u32 i = 0; i < count; i++) {
        binding->params[i] = function->signature[i] == 'i' ? IMAGO_I32 : IMAGO_I64;
    }
    binding->wasi = wasi;
    binding->handler = function->handler;
    binding->type = (ImagoFuncType){.params = binding->params,
                                    .results = ERRNO_RESULT,
                                    .param_count = count,
                                    .result_count = has_result};
}

bool imago_wasi_define(ImagoWasi *wasi, ImagoLinker *linker, ImagoError *error) {
    if (wasi->bindings == NULL) {
        wasi->bindings = mem_alloc(COUNT_OF(FUNCTIONS) * sizeof *wasi->bindings);
        if (wasi->bindings == NULL) {
            return fail(error, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        }
        for (u32 i = 0; i < COUNT_OF(FUNCTIONS); i++) {
            bind(&wasi->bindings[i], wasi, &FUNCTIONS[i]);
        }
    }
    for (u32 i = 0; i < COUNT_OF(FUNCTIONS) * COUNT_OF(MODULES); i++) {
        const Function *function = &FUNCTIONS[i / COUNT_OF(MODULES)];
        WasiBinding *binding = &wasi->bindings[i / COUNT_OF(MODULES)];
        if ((function->modules & MODULES[i % COUNT_OF(MODULES)].module) != 0) {
            TRY(imago_linker_define_func(linker, MODULES[i % COUNT_OF(MODULES)].name,
                                         function->name, &binding->type, call_handler, binding,
                                         error));
        }
    }
    return true;
}
