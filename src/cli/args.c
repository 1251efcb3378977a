#include "cli/args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "cli/help.h"
#include "cli/report.h"

#define ON(command) (1u << CMD_##command)
#define ON_ALL ((1u << CMD_COUNT) - 1)

const OptionRow CLI_OPTIONS[OPT_COUNT] = {
#define OPTION(id, commands, name, letter, argument, help)                                         \
    [OPT_##id] = {commands, name, letter, argument, help},
#include "cli/options.def"
#undef OPTION
};

_Static_assert(CMD_COUNT < 32, "a bit a command");

int cli_usage_error(CommandId command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    cli_error_v(format, args);
    va_end(args);
    if (command == CMD_COUNT) {
        fputs("  'imago --help' lists the commands\n", stderr);
    } else {
        fprintf(stderr, "  'imago %s --help' lists the options\n", CLI_COMMANDS[command].name);
    }
    return EXIT_USAGE;
}

static OptionId stop(Args *args, int status) {
    args->status = status;
    return OPT_STOP;
}

static OptionId unknown(Args *args, const char *text, usize name_bytes) {
    char name[48];
    if (name_bytes >= sizeof name) {
        name_bytes = sizeof name - 1;
    }
    memcpy(name, text, name_bytes);
    name[name_bytes] = 0;
    const char *nearest = NULL;
    u32 best = 4; // one more than the distance that still is a typo
    for (OptionId id = 0; id < OPT_COUNT; id++) {
        const u32 distance = str_distance(name, CLI_OPTIONS[id].name, best);
        if (cli_has_option(args->command, id) && distance < best) {
            best = distance;
            nearest = CLI_OPTIONS[id].name;
        }
    }
    if (nearest != NULL) {
        return stop(args, cli_usage_error(args->command, "unknown option --%s, did you mean --%s?",
                                          name, nearest));
    }
    return stop(args, cli_usage_error(args->command, "unknown option --%s", name));
}

// The options that every command answers the same way.
static OptionId common(Args *args, OptionId id) {
    if (id == OPT_HELP) {
        return stop(args, cli_help_command(args->command));
    }
    if (id == OPT_VERSION) {
        return stop(args, cli_print_version());
    }
    return id;
}

// Takes the argument that follows the option, if the row wants one.
//   attached   text behind '=' or the letter, NULL if there is none
static OptionId with_argument(Args *args, OptionId id, const char *attached) {
    const OptionRow *row = &CLI_OPTIONS[id];
    if (row->argument == NULL) {
        if (attached != NULL) {
            return stop(args, cli_usage_error(args->command, "option --%s takes no argument",
                                              row->name));
        }
        return common(args, id);
    }
    args->value = attached;
    if (attached == NULL) {
        if (*args->at == NULL) {
            return stop(args, cli_usage_error(args->command, "option --%s needs an argument: %s",
                                              row->name, row->argument));
        }
        args->value = *args->at++;
    }
    return id;
}

static OptionId long_option(Args *args, const char *text) {
    const char *equals = strchr(text, '=');
    const usize name_bytes = equals != NULL ? (usize)(equals - text) : strlen(text);
    for (OptionId id = 0; id < OPT_COUNT; id++) {
        const char *name = CLI_OPTIONS[id].name;
        if (cli_has_option(args->command, id) && strlen(name) == name_bytes &&
            memcmp(name, text, name_bytes) == 0) {
            return with_argument(args, id, equals != NULL ? equals + 1 : NULL);
        }
    }
    return unknown(args, text, name_bytes);
}

static OptionId short_option(Args *args, const char *text) {
    for (OptionId id = 0; id < OPT_COUNT; id++) {
        if (cli_has_option(args->command, id) && CLI_OPTIONS[id].letter == text[0]) {
            return with_argument(args, id, text[1] != 0 ? text + 1 : NULL);
        }
    }
    return stop(args, cli_usage_error(args->command, "unknown option -%s", text));
}

OptionId args_next(Args *args) {
    const char *text = *args->at;
    if (text == NULL) {
        return OPT_END;
    }
    args->at++;
    if (!args->is_all_operands && strcmp(text, "--") == 0) {
        args->is_all_operands = true;
        return args_next(args); // at most once: the flag is set now
    }
    if (args->is_all_operands || text[0] != '-' || text[1] == 0) {
        args->value = text;
        return OPT_OPERAND;
    }
    return text[1] == '-' ? long_option(args, text + 2) : short_option(args, text + 1);
}

static bool bad_value(Args *args, OptionId option, const char *expected) {
    (void)stop(args, cli_usage_error(args->command, "option --%s: expected %s, found '%s'",
                                     CLI_OPTIONS[option].name, expected, args->value));
    return false;
}

// Decimal digits at the start of `text`; *end is behind them. False if there are none or too many.
static bool parse_digits(const char *text, u64 *value, char **end) {
    errno = 0;
    *value = strtoull(text, end, 10);
    return text[0] >= '0' && text[0] <= '9' && errno == 0;
}

bool args_size(Args *args, OptionId option, u64 *bytes) {
    static const char UNITS[] = "KMG";
    u64 value = 0;
    char *end = NULL;
    bool ok = parse_digits(args->value, &value, &end) && value != 0;
    if (ok && *end != 0) {
        const char *unit = strchr(UNITS, *end & ~0x20);
        ok = unit != NULL && *unit != 0 && end[1] == 0 &&
             mul_u64(value, UINT64_C(1) << 10 * (unit - UNITS + 1), &value);
    }
    *bytes = value;
    return ok || bad_value(args, option, "a size such as 64M");
}

bool args_count(Args *args, OptionId option, u32 max, u32 *count) {
    u64 value = 0;
    char *end = NULL;
    if (!parse_digits(args->value, &value, &end) || *end != 0 || value == 0 || value > max) {
        return bad_value(args, option, "a number above 0");
    }
    *count = (u32)value;
    return true;
}

bool args_power(Args *args, OptionId option, u32 max, u32 *power) {
    u64 value = 0;
    char *end = NULL, expected[48];
    if (!parse_digits(args->value, &value, &end) || *end != 0 || value > max ||
        __builtin_popcountll(value) != 1) {
        (void)snprintf(expected, sizeof expected, "a power of two up to %u", max);
        return bad_value(args, option, expected);
    }
    *power = (u32)value;
    return true;
}
