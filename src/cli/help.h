// --help and --version, made from commands.def and options.def.
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

// All return the exit status 0.
int cli_help_command(CommandId command);
int cli_print_version(void);

// What the tables cannot say about a command: lines of text, or NULL.
const char *cli_help_notes(CommandId command);

// The list of commands, as `imago --help` shows it.
void cli_help_overview(FILE *out);

#endif
