// The command `imago`: finds the subcommand, runs it, and sees to it that lost output is an error.
#include <unistd.h>

#include "base/str.h"
#include "cli/args.h"
#include "cli/guest.h"
#include "cli/help.h"
#include "cli/report.h"

const Command CLI_COMMANDS[CMD_COUNT] = {
#define COMMAND(id, function, name, operands, kind, help)                                          \
    [CMD_##id] = {cli_##function, name, operands, OPERAND_##kind, help},
#include "cli/commands.def"
#undef COMMAND
};

CommandId cli_command_find(const char *name) {
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        if (strcmp(CLI_COMMANDS[id].name, name) == 0) {
            return id;
        }
    }
    return CMD_COUNT;
}

const char *cli_command_near(const char *name) {
    const char *nearest = NULL;
    u32 best = 3; // one more than the distance that still is a typo
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        const u32 distance = str_distance(name, CLI_COMMANDS[id].name, best);
        if (distance < best) {
            best = distance;
            nearest = CLI_COMMANDS[id].name;
        }
    }
    return nearest;
}

// A first word that is no command: a file to run, or a typo.
static int run_or_suggest(char **argv) {
    const char *word = argv[0];
    const bool is_path = strpbrk(word, "/.") != NULL || word[0] == '-';
    if (!is_path && access(word, F_OK) != 0) {
        const char *nearest = cli_command_near(word);
        if (nearest != NULL) {
            return cli_usage_error(CMD_COUNT, "unknown command '%s', did you mean '%s'?", word,
                                   nearest);
        }
        return cli_usage_error(CMD_COUNT, "there is no command and no file '%s'", word);
    }
    return cli_run(&(Args){.at = argv, .command = CMD_RUN});
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        cli_help_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_help_overview(stdout);
        return 0;
    }
    const CommandId command = cli_command_find(argv[1]);
    if (command == CMD_COUNT) {
        return run_or_suggest(argv + 1);
    }
    return CLI_COMMANDS[command].run(&(Args){.at = argv + 2, .command = command});
}

int main(int argc, char **argv) {
    guest_prepare_process();
    return cli_finish_output(dispatch(argc, argv));
}
