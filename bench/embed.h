// What bench/embed_bench.c asks of an engine: one const struct each, filled in embed_imago.c and
// embed_wasmtime.c. Functions that can fail print why and return false or NULL.
#ifndef EMBED_H
#define EMBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Peer {
    const char *name;
    // The engine, which lives as long as the process.
    bool (*start)(const char *compiler);
    bool (*compile)(const uint8_t *wasm, size_t count, const char *out_path);
    bool (*validate)(const uint8_t *wasm, size_t count);
    // A compiled file, ready for instantiation.
    void *(*load)(const char *path);
    void (*unload)(void *module);
    // What an embedder does once for all instances of a module.
    bool (*prepare)(void *module);
    // A new store with `count` instances, each with its own imports of everything but functions,
    // and the end of all of them. Imported functions trap.
    bool (*instantiate)(void *module, uint32_t count);
    // An instance of the module of calls (embed_bench.c), for what follows. Checked: through the
    // interface that verifies the types of values, where the engine has two.
    bool (*ready)(void *module, bool is_checked);
    // Calls the export "same" count times; the export "loop" once, which calls the host count
    // times.
    bool (*call_same)(uint32_t count, bool is_checked);
    bool (*call_loop)(uint32_t count, bool is_checked);
    bool has_unchecked;
} Peer;

extern const Peer PEER_IMAGO, PEER_WASMTIME;

bool embed_failed(const char *what, const char *why, size_t why_bytes);
uint64_t embed_now_ns(void);
// Prints a line of what was measured: the median and the least. Sorts the samples.
void embed_print(const char *what, const char *unit, double *samples, size_t count);

// embed_many.c: loads FOLDER/0 to FOLDER/`count - 1`, keeping all.
bool embed_many(const Peer *peer, const char *folder, int count);
// The same file in several processes.
bool embed_share(const Peer *peer, const char *path, int count);

#endif
