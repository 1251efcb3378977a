#define _GNU_SOURCE
#include "cli/cut.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/report.h"

#define CUT_TEXT "the file was cut while it was read"

// What the handler needs, made before it can run: it must not print as other code does.
static struct {
    const u8 *at;
    usize bytes;
    char line[512];
    usize line_bytes;
    int status;
} watched;

int cli_cut_report(const char *path) {
    return cli_error(error_exit_code(IMAGO_ERROR_IMAGE), "%s: " CUT_TEXT, path);
}

static void on_missing_page(int number, siginfo_t *info, void *context) {
    (void)context;
    const u8 *address = info->si_addr;
    if (info->si_code > 0 && address >= watched.at &&
        (usize)(address - watched.at) < watched.bytes) {
        const ssize_t ignored = write(STDERR_FILENO, watched.line, watched.line_bytes);
        (void)ignored;
        _exit(watched.status);
    }
    (void)signal(number, SIG_DFL); // and again
}

void cli_cut_watch(const char *path, const void *at, usize bytes) {
    watched.at = at;
    watched.bytes = bytes;
    watched.status = error_exit_code(IMAGO_ERROR_IMAGE);
    (void)snprintf(watched.line, sizeof watched.line, "imago: error: %.400s: " CUT_TEXT "\n", path);
    watched.line_bytes = strlen(watched.line);
    struct sigaction action = {.sa_sigaction = on_missing_page, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}

void cli_cut_unwatch(void) { (void)signal(SIGBUS, SIG_DFL); }
