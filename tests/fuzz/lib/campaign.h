// Runs many cases in a child process, so that one that crashes or hangs is reported with its number
// and the next child goes on behind it. And the file access that the programs here share.
#ifndef FUZZ_LIB_CAMPAIGN_H
#define FUZZ_LIB_CAMPAIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Shared with the child, which counts in it.
typedef struct Progress {
    uint64_t index; // of the case at work
    bool is_started;
    bool is_elsewhere; // another engine is at work: if that hangs, the case is skipped
    uint64_t passed, failed, skipped;
    uint64_t calls, traps, accepted, rejected; // for the programs' own last words
} Progress;

typedef struct Campaign {
    uint64_t count;   // cases
    uint32_t seconds; // stops after so many, 0: never
    void *env;
    // In the child, once: false if it cannot start (it has said why).
    bool (*start)(void *env, Progress *progress);
    // One case; adds to passed, failed or skipped.
    void (*run)(void *env, Progress *progress);
    // In the parent: the case at progress->index killed its child, or hangs. It counts as failed.
    void (*report)(void *env, const Progress *progress, const char *what);
} Campaign;

// Prints "N passed, N failed, N skipped" last. The program's exit status: 1 if something failed, 2
// if nothing could be done.
int campaign_run(const Campaign *campaign);

// The bytes are the caller's to free; the block is no larger than the file. NULL: not read.
uint8_t *case_read(const char *path, size_t *count);
bool case_write(const char *path, const uint8_t *bytes, size_t count);

#endif
