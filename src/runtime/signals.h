// Faults of guest code become traps; all others go to the handlers that were there before.
//
// A fault is ours only if its thread runs guest code of a store, its pc lies in the text of an
// image of that store (or in arch_*.S, for a full guest stack), and the trap table of the image or
// the layout of the store says why. There is no global table of code: a thread knows its store, a
// store its images, and nothing changes either while guest code runs. So the handler takes no
// lock.
#ifndef RUNTIME_SIGNALS_H
#define RUNTIME_SIGNALS_H

#include "base/error.h"
#include "imago/imago.h"

// Host code reads a mapped file: pages that the file no longer has read as zeros from then on, and
// nobody dies of a SIGBUS.
typedef struct HostRead {
    struct HostRead *outer;
    const u8 *at;
    u64 bytes;
    bool has_missed; // a page was not there
} HostRead;

// What the signal handler knows of the thread it interrupts.
typedef struct ThreadState {
    ImagoStore *store; // whose guest code runs, newest activation; NULL: none
    bool is_ready;     // there is an alternate signal stack
    // C code reads an image or guest memory on behalf of guest code: SIGBUS there means that the
    // image's file was cut, and the activation can be ended without harm.
    volatile bool reads_image;
    HostRead *host_read; // newest; NULL: none. No guest code runs while there is one
    bool knows_stack;
    const u8 *stack_low, *stack_high; // of the thread's own stack; NULL: unknown
} ThreadState;

extern _Thread_local ThreadState runtime_thread __attribute__((tls_model("initial-exec")));

// Installs the handlers, keeping the actions they replace. Not thread-safe. ERR_OS.
bool runtime_signals_install(Error *err);
// Restores them, except where somebody has put a handler on top of ours in the meantime: he may
// call ours, which then passes on everything.
void runtime_signals_remove(void);

// Between the two, this thread may read [at, at + bytes). `read` is the caller's storage.
void runtime_read_begin(HostRead *read, const u8 *at, u64 bytes);
// True unless a page was missing.
bool runtime_read_end(const HostRead *read);

// Gives this thread an alternate signal stack if it has none, until it ends. ERR_NO_MEMORY, ERR_OS.
bool runtime_thread_prepare(Error *err);

// True if so little is left of the thread's stack that no further guest call should start on it.
// False if unknown (the thread runs on a stack of its own making).
bool runtime_thread_is_low(void);

#endif
