// The subcommands: one row of commands.def and one function each.
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

typedef enum CommandId {
#define COMMAND(id, function, name, operands, kind, help) CMD_##id,
#include "cli/commands.def"
#undef COMMAND
    CMD_COUNT
} CommandId;

typedef enum OperandKind {
    OPERAND_FILES,
    OPERAND_DIRS,
    OPERAND_NAMES,
    OPERAND_SHELLS,
    OPERAND_NOTHING
} OperandKind;

typedef struct Args Args;

typedef struct Command {
    int (*run)(Args *args); // returns the exit status
    const char *name;
    const char *operands;
    OperandKind kind;
    const char *help;
} Command;

extern const Command CLI_COMMANDS[CMD_COUNT];

// Exit statuses that belong to no error code; those of error codes are in base/errors.def.
enum { EXIT_USAGE = 2, EXIT_TRAP = 134 };

#define COMMAND(id, function, name, operands, kind, help) int cli_##function(Args *args);
#include "cli/commands.def"
#undef COMMAND

// CMD_COUNT if there is no command of that name.
CommandId cli_command_find(const char *name);
// The command whose name is nearest, or NULL if none is near.
const char *cli_command_near(const char *name);

#endif
