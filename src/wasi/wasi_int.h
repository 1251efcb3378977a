// The layer's own header: the state of one guest, a call in progress, the handlers.
//
// A handler is `bool wasi_NAME(WasiCall *call)`: it reads its arguments by position from
// call->args, touches guest memory only through guest.h, and returns false after wasi_fail. It
// checks everything that can be checked (descriptor, rights, guest pointers, flags) before its
// first effect, so that a refused call changes nothing.
#ifndef WASI_WASI_INT_H
#define WASI_WASI_INT_H

#include "base/error.h"
#include "base/vec.h"
#include "imago/wasi.h"
#include "wasi/abi.h"

enum {
    WASI_MAX_ARGS = 9,        // path_open
    WASI_MAX_IOVECS = 1024,   // of one call, IOV_MAX of Linux
    WASI_MAX_SUBSCRIPTIONS = 4096,
    WASI_PATH_BYTES = 4096,   // with its zero, PATH_MAX of Linux
    WASI_FIRST_PREOPEN = 3,
    WASI_DEFAULT_MAX_FDS = 1024
};

// A directory's identity on the host.
typedef struct WasiInode {
    u64 dev, ino;
} WasiInode;

// What a guest descriptor stands for.
typedef struct WasiFd {
    int host;            // -1: not open
    bool is_borrowed;    // of the host program: never closed, its flags never changed
    u8 filetype;         // WasiFiletype
    u8 kind;             // one of WASI_ON_*
    u16 flags;           // WASI_FDFLAG_* as the guest set them
    u64 base;            // rights
    u64 inheriting;
    u64 shown;           // inheriting rights that fdstat shows and path_open refuses
    WasiInode root;      // directories: the preopen it was reached through
    char *preopen_name;  // owned; NULL if it is no preopen
} WasiFd;

// Strings of the command line or of the environment.
typedef struct WasiStrings {
    char *bytes; // `count` zero-terminated strings, one behind the other
    u32 count;
    u32 byte_count;
} WasiStrings;

struct ImagoWasi {
    WasiStrings args, envs;
    VEC(WasiFd) fds; // by guest number
    u32 open_count;
    u32 max_fds;
    u32 lowest_free; // no number from WASI_FIRST_PREOPEN on is free below it
    // Work space of the call in progress; too large for the stack.
    char path[2][WASI_PATH_BYTES];
    char link[WASI_PATH_BYTES];
    u8 scratch[32768] __attribute__((aligned(16)));
    struct WasiBinding *bindings; // what imago_wasi_define registered
};

typedef struct WasiCall {
    ImagoWasi *wasi;
    u8 *memory; // memory 0 of the caller; never NULL, empty if it has none
    u64 memory_bytes;
    u64 args[WASI_MAX_ARGS]; // i32 arguments zero-extended
    WasiErrno error;         // of the first failure
    bool is_exit;            // the guest asked to end, with exit_code
    u32 exit_code;
} WasiCall;

// The way out of a call that is refused; both are worth a literal false. The second takes errno.
#define wasi_fail(call, number) (wasi_error_set((call), (number)), false)
#define wasi_fail_host(call) (wasi_error_set_host(call), false)
void wasi_error_set(WasiCall *call, WasiErrno number) __attribute__((cold));
void wasi_error_set_host(WasiCall *call) __attribute__((cold));

static inline u32 wasi_arg_u32(const WasiCall *call, u32 i) { return (u32)call->args[i]; }

typedef bool (*WasiHandler)(WasiCall *call);

#define FUNCTION(modules, name, signature, handler) bool wasi_##handler(WasiCall *call);
#include "wasi/functions.def"
#undef FUNCTION

#endif
