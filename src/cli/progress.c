#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/input.h"

static const u64 FIRST_NS = 500000000, STEP_NS = 100000000;

// Called from any compiling thread: whoever moves next_ns on prints.
static void show(void *env, u64 done, u64 total) {
    Progress *progress = env;
    const u64 now_ns = cli_now_ns();
    unsigned long long due_ns = atomic_load(&progress->next_ns);
    if (now_ns < due_ns || total == 0 ||
        !atomic_compare_exchange_strong(&progress->next_ns, &due_ns, now_ns + STEP_NS)) {
        return;
    }
    atomic_store(&progress->is_shown, true);
    fprintf(stderr, "\r  compiling: %3u %% of %.1f MB", (unsigned)(done * 100 / total),
            (double)total / 1e6);
    (void)fflush(stderr);
}

void progress_start(Progress *progress, ImagoCompileOptions *options) {
    progress->start_ns = cli_now_ns();
    atomic_init(&progress->next_ns, progress->start_ns + FIRST_NS);
    atomic_init(&progress->is_shown, false);
    if (isatty(STDERR_FILENO)) {
        options->progress = show;
        options->progress_env = progress;
    }
}

void progress_end(Progress *progress) {
    if (atomic_load(&progress->is_shown)) {
        fputs("\r\x1b[K", stderr);
        (void)fflush(stderr);
    }
}
