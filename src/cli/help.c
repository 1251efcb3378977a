#include "cli/help.h"

#include "cli/args.h"
#include "cli/report.h"
#include "imago/imago.h"

// What a table row cannot say, per command.
static const char *const NOTES[CMD_COUNT] = {
    [CMD_RUN] =
        "FILE is a WebAssembly module in binary or text format, or an image; - is standard input.\n"
        "What stands behind FILE belongs to the guest. With --invoke these are the arguments of\n"
        "the function: integers (decimal or 0x), floating-point numbers (nan, inf too), or null.\n"
        "The exit status is the guest's; 134 after a trap, 65 for a bad module, 66 if FILE cannot\n"
        "be read, 69 for a module that needs what this version does not do, 71 for a limit or an\n"
        "image that needs what this processor lacks.\n",
    [CMD_COMPILE] = "The image appears under its name only when it is complete.\n",
    [CMD_WAST] = "The last line is 'N passed, N failed, N skipped'; exit status 1 if any failed.\n",
    [CMD_INSPECT] =
        "FILE is an image, or a module, which is compiled first. Lines end at the terminal's\n"
        "width, or that of COLUMNS.\n",
    [CMD_VERIFY] =
        "Compares the contents with the build-id, a hash of the whole file, and checks all\n"
        "tables. Silent if all is well; exit status 65 for damage, 66 if IMAGE cannot be read.\n",
    [CMD_OBJDUMP] =
        "FILE is an image, or a module, which is compiled first. Code is shown with the offsets\n"
        "of the WebAssembly file and the instructions that may trap.\n",
};

const char *cli_help_notes(CommandId command) { return NOTES[command]; }

static const char USAGE[] =
    "imago runs WebAssembly: it compiles modules to ELF images and maps them.\n"
    "\n"
    "usage: imago COMMAND [OPTIONS] ...\n"
    "       imago [OPTIONS] FILE [ARGUMENT...]    the same as imago run\n"
    "\n"
    "commands:\n";

void cli_help_overview(FILE *out) {
    fputs(USAGE, out);
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        fprintf(out, "  %-11s %s\n", CLI_COMMANDS[id].name, CLI_COMMANDS[id].help);
    }
    fputs("\n'imago COMMAND --help' lists the options of a command.\n", out);
}

// Breaks `text` at blanks so that no line passes column 80; the first line starts at column 6.
static void print_wrapped(const char *text) {
    enum { INDENT = 6, LAST_COLUMN = 80 };
    int column = INDENT;
    printf("%*s", INDENT, "");
    while (*text != 0) {
        const int word_bytes = (int)strcspn(text, " ");
        if (column > INDENT && column + 1 + word_bytes > LAST_COLUMN) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            putchar(' ');
            column++;
        }
        printf("%.*s", word_bytes, text);
        column += word_bytes;
        text += word_bytes;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const OptionRow *row) {
    printf("  ");
    if (row->letter != 0) {
        printf("-%c, ", row->letter);
    }
    printf("--%s", row->name);
    if (row->argument != NULL) {
        printf(" %s", row->argument);
    }
    putchar('\n');
    print_wrapped(row->help);
}

int cli_help_command(CommandId command) {
    const Command *row = &CLI_COMMANDS[command];
    printf("imago %s: %s\n\nusage: imago %s [OPTIONS] %s\n\n", row->name, row->help, row->name,
           row->operands);
    if (NOTES[command] != NULL) {
        printf("%s\n", NOTES[command]);
    }
    puts("options:");
    for (OptionId id = 0; id < OPT_COUNT; id++) {
        if (cli_has_option(command, id)) {
            print_option(&CLI_OPTIONS[id]);
        }
    }
    return 0;
}

int cli_print_version(void) {
    printf("imago %s\n", imago_version());
    return 0;
}

int cli_help(Args *args) {
    switch ((int)args_next(args)) {
    case OPT_END:
        cli_help_overview(stdout);
        return 0;
    case OPT_OPERAND:
        break;
    default:
        return args->status;
    }
    const CommandId command = cli_command_find(args->value);
    if (command == CMD_COUNT) {
        return cli_usage_error(CMD_COUNT, "unknown command '%s'", args->value);
    }
    return cli_help_command(command);
}
