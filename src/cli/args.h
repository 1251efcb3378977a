// The command line: one option or operand at a time, by the rows of options.def.
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "base/int.h"
#include "cli/command.h"

typedef enum OptionId {
#define OPTION(id, commands, name, letter, argument, help) OPT_##id,
#include "cli/options.def"
#undef OPTION
    OPT_COUNT,
    OPT_OPERAND = OPT_COUNT, // not an option: args->value
    OPT_END,                 // the command line is used up
    OPT_STOP,                // --help was answered or an error reported: return args->status
} OptionId;

typedef struct OptionRow {
    u32 commands; // bit per CommandId
    const char *name;
    char letter; // 0: none
    const char *argument; // NULL: takes none
    const char *help;
} OptionRow;

extern const OptionRow CLI_OPTIONS[OPT_COUNT];

static inline bool cli_has_option(CommandId command, OptionId option) {
    return (CLI_OPTIONS[option].commands >> command & 1) != 0;
}

struct Args {
    char **at; // what is left, NULL-terminated
    CommandId command;
    bool is_all_operands; // behind "--"
    const char *value;    // argument of the option, or the operand; borrowed from argv
    int status;           // with OPT_STOP
};

// cli_error, and where to find help; returns EXIT_USAGE.
int cli_usage_error(CommandId command, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

// The next option or operand. Reports unknown options (with the nearest name), missing and
// superfluous arguments itself: OPT_STOP with status 2.
OptionId args_next(Args *args);

// A size in bytes with an optional K, M or G, above zero; a count; a power of two. False: reported,
// status 2.
bool args_size(Args *args, OptionId option, u64 *bytes);
bool args_count(Args *args, OptionId option, u32 max, u32 *count);
bool args_power(Args *args, OptionId option, u32 max, u32 *power);

#endif
