// A mapped file that somebody cuts while a tool reads it: one line and an exit status instead of
// death by SIGBUS.
#ifndef CLI_CUT_H
#define CLI_CUT_H

#include "base/int.h"

// From now on the process ends with a message about `path` and the status of a bad image when a
// page of [at, at + bytes) is not there. One file at a time.
void cli_cut_watch(const char *path, const void *at, usize bytes);
void cli_cut_unwatch(void);

// Says so, for a file that is seen to be shorter than it was. Returns the exit status.
int cli_cut_report(const char *path);

#endif
