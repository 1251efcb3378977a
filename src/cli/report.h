// What the user is told: one line "imago: error: FILE:PLACE: what" on standard error, then lines
// that say more. Standard output belongs to the guest or to the command's result.
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdarg.h>

#include "base/error.h"
#include "cli/command.h"
#include "imago/imago.h"

// "imago: error: " and the message. Returns `status`.
int cli_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
void cli_error_v(const char *format, va_list args) __attribute__((format(printf, 1, 0), cold));

// An error about `file`: place, message, and the function it is in when `func_name` is not NULL or
// the error has an index. Returns the exit status of its code.
int cli_report(const char *file, const Error *err, const char *func_name);
// The trap that ended the last call in `store`. Returns EXIT_TRAP.
int cli_report_trap(const char *file, const ImagoStore *store);

// Flushes standard output. Returns `status`, or 74 with a message if something of it was lost.
int cli_finish_output(int status);

#endif
