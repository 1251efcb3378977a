// Options of several commands that say how to compile.
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "cli/args.h"
#include "imago/compile.h"

// Takes *id if it is such an option. False: it is another one. With a bad argument *id becomes
// OPT_STOP, reported.
bool cli_setting(Args *args, OptionId *id, ImagoCompileOptions *options);

#endif
