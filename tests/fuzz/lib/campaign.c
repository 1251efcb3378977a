#include "fuzz/lib/campaign.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Of the processor, so that a busy machine hangs nothing; and of the clock.
enum { HANG_CPU_SECONDS = 30, HANG_SECONDS = 400 };

static void work(const Campaign *campaign, Progress *progress, time_t deadline) {
    if (!campaign->start(campaign->env, progress)) {
        (void)fflush(stdout);
        _exit(2);
    }
    progress->is_started = true;
    for (; progress->index < campaign->count && time(NULL) < deadline; progress->index++) {
        campaign->run(campaign->env, progress);
    }
    exit(0);
}

static time_t cpu_seconds(pid_t child) {
    clockid_t clock;
    struct timespec used = {0};
    if (clock_getcpuclockid(child, &clock) == 0) {
        (void)clock_gettime(clock, &used);
    }
    return used.tv_sec;
}

// Waits for the child; false if it was ended because it made no progress.
static bool wait_for(pid_t child, const Progress *progress, int *status) {
    uint64_t last = UINT64_MAX;
    time_t since = time(NULL);
    time_t cpu_since = cpu_seconds(child);
    for (;;) {
        const pid_t done = waitpid(child, status, WNOHANG);
        if (done == child || (done < 0 && errno != EINTR)) {
            return true;
        }
        const uint64_t index = *(const volatile uint64_t *)&progress->index;
        if (index != last) {
            last = index;
            since = time(NULL);
            cpu_since = cpu_seconds(child);
        } else if (time(NULL) - since > HANG_SECONDS ||
                   cpu_seconds(child) - cpu_since > HANG_CPU_SECONDS) {
            (void)kill(child, SIGKILL);
            (void)waitpid(child, status, 0);
            return false;
        }
        const struct timespec pause = {0, 20000000};
        (void)nanosleep(&pause, NULL);
    }
}

int campaign_run(const Campaign *campaign) {
    Progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        return 2;
    }
    const time_t start = time(NULL);
    const time_t deadline = campaign->seconds == 0 ? INT64_MAX : start + campaign->seconds;
    while (progress->index < campaign->count && time(NULL) < deadline) {
        (void)fflush(stdout);
        progress->is_started = progress->is_elsewhere = false;
        const pid_t child = fork();
        if (child == 0) {
            work(campaign, progress, deadline);
        }
        int status = 0;
        const bool has_ended = wait_for(child, progress, &status);
        if (!progress->is_started) {
            return 2;
        }
        if (!has_ended && progress->is_elsewhere) {
            progress->skipped++;
            progress->index++;
        } else if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            char text[80];
            (void)snprintf(text, sizeof text, has_ended ? "the process died, status %#x" : "hangs",
                           (unsigned)status);
            campaign->report(campaign->env, progress, text);
            progress->failed++;
            progress->index++;
        }
    }
    if (progress->calls != 0) {
        printf("%llu calls, %llu of them trap; %llu modules rejected by both\n",
               (unsigned long long)progress->calls, (unsigned long long)progress->traps,
               (unsigned long long)progress->rejected);
    }
    if (progress->accepted != 0) {
        printf("%llu modules accepted\n", (unsigned long long)progress->accepted);
    }
    printf("%lld s\n", (long long)(time(NULL) - start));
    printf("%llu passed, %llu failed, %llu skipped\n", (unsigned long long)progress->passed,
           (unsigned long long)progress->failed, (unsigned long long)progress->skipped);
    return progress->failed != 0;
}

uint8_t *case_read(const char *path, size_t *count) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    (void)fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    uint8_t *bytes = size < 0 ? NULL : malloc(size == 0 ? 1 : (size_t)size);
    *count = bytes == NULL ? 0 : fread(bytes, 1, (size_t)size, file);
    (void)fclose(file);
    return bytes;
}

bool case_write(const char *path, const uint8_t *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return false;
    }
    const bool is_written = fwrite(bytes, 1, count, file) == count;
    return fclose(file) == 0 && is_written;
}
