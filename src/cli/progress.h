// One line on the terminal while a compilation takes longer than half a second.
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdatomic.h>

#include "base/int.h"
#include "imago/compile.h"

typedef struct Progress {
    u64 start_ns;
    atomic_ullong next_ns; // when the line may change again
    atomic_bool is_shown;
} Progress;

// Sets options->progress if standard error is a terminal. *progress must live until progress_end,
// which erases the line.
void progress_start(Progress *progress, ImagoCompileOptions *options);
void progress_end(Progress *progress);

#endif
