// args_*, environ_*: strings that were copied when the guest was made.
#include "wasi/guest.h"

static bool sizes_get(WasiCall *call, const WasiStrings *strings) {
    u8 *count, *bytes;
    TRY(wasi_pointer(call, 0, 4, &count));
    TRY(wasi_pointer(call, 1, 4, &bytes));
    store_u32(count, strings->count);
    store_u32(bytes, strings->byte_count);
    return true;
}

// A pointer a string to args[0], the strings to args[1].
static bool strings_get(WasiCall *call, const WasiStrings *strings) {
    u8 *pointers, *bytes;
    TRY(wasi_array(call, 0, strings->count, 4, &pointers));
    TRY(wasi_pointer(call, 1, strings->byte_count, &bytes));
    u32 offset = 0;
    for (u32 i = 0; i < strings->count; i++) {
        store_u32(pointers + (usize)i * 4, wasi_arg_u32(call, 1) + offset);
        offset += (u32)strlen(strings->bytes + offset) + 1;
    }
    memcpy(bytes, strings->bytes, strings->byte_count);
    return true;
}

bool wasi_args_get(WasiCall *call) { return strings_get(call, &call->wasi->args); }
bool wasi_args_sizes_get(WasiCall *call) { return sizes_get(call, &call->wasi->args); }
bool wasi_environ_get(WasiCall *call) { return strings_get(call, &call->wasi->envs); }
bool wasi_environ_sizes_get(WasiCall *call) { return sizes_get(call, &call->wasi->envs); }
