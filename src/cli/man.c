// imago man: the manual page, from the same tables as --help.
#include <stdio.h>

#include "base/int.h"
#include "cli/args.h"
#include "cli/help.h"
#include "cli/report.h"
#include "imago/imago.h"

// Text with what roff would take for a request or an escape made harmless.
static void print_text(const char *text) {
    bool at_line_start = true;
    for (; *text != 0; text++) {
        if (at_line_start && (*text == '.' || *text == '\'')) {
            printf("\\&");
        }
        if (*text == '-') {
            printf("\\-");
        } else if (*text == '\\') {
            printf("\\e");
        } else {
            putchar(*text);
        }
        at_line_start = *text == '\n';
    }
}

static void print_command(CommandId command) {
    const Command *row = &CLI_COMMANDS[command];
    printf(".SS imago %s [OPTIONS] ", row->name);
    print_text(row->operands);
    printf("\n.PP\n");
    print_text(row->help);
    puts(".");
    if (cli_help_notes(command) != NULL) {
        puts(".PP");
        print_text(cli_help_notes(command));
    }
    for (OptionId option = 0; option < OPT_COUNT; option++) {
        const OptionRow *entry = &CLI_OPTIONS[option];
        if (!cli_has_option(command, option) || option == OPT_HELP || option == OPT_VERSION) {
            continue;
        }
        printf(".TP\n");
        if (entry->letter != 0) {
            printf("\\fB\\-%c\\fR, ", entry->letter);
        }
        printf("\\fB\\-\\-");
        print_text(entry->name);
        printf("\\fR");
        if (entry->argument != NULL) {
            printf(" \\fI");
            print_text(entry->argument);
            printf("\\fR");
        }
        putchar('\n');
        print_text(entry->help);
        puts(".");
    }
}

static const char HEAD[] =
    ".SH NAME\n"
    "imago \\- compile WebAssembly to ELF images and run them\n"
    ".SH SYNOPSIS\n"
    "\\fBimago\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] ...\n"
    ".br\n"
    "\\fBimago\\fR [\\fIOPTIONS\\fR] \\fIFILE\\fR [\\fIARGUMENT\\fR...]\n"
    ".SH DESCRIPTION\n"
    "Imago compiles a WebAssembly module to a position-independent ELF file, the image, and runs\n"
    "it by mapping that file. A \\fIFILE\\fR that is a module is compiled in memory first.\n"
    ".SH COMMANDS\n"
    "Every command answers \\fB\\-\\-help\\fR (\\fB\\-h\\fR) and \\fB\\-\\-version\\fR.\n";

static const char TAIL[] =
    ".SH EXIT STATUS\n"
    ".nf\n"
    "the guest's own   it called proc_exit, or 0 when it returned\n"
    "2    the command line is wrong\n"
    "65   the input is not a valid module or image, or an import is missing\n"
    "66   the input cannot be opened or read\n"
    "69   the module is valid, but needs what this version does not do\n"
    "70   internal error\n"
    "71   the operating system refused, memory ran out, a limit was reached, or the processor\n"
    "     lacks what the image needs\n"
    "73   the output cannot be created\n"
    "74   reading or writing failed half-way\n"
    "134  trap\n"
    ".fi\n"
    ".SH SEE ALSO\n"
    "readelf(1), objdump(1), gdb(1)\n";

int cli_man(Args *args) {
    const OptionId id = args_next(args);
    if (id == OPT_OPERAND) {
        return cli_usage_error(CMD_MAN, "no argument expected, found '%s'", args->value);
    }
    if (id != OPT_END) {
        return args->status;
    }
    printf(".TH IMAGO 1 \"\" \"imago %s\" \"User commands\"\n", imago_version());
    fputs(HEAD, stdout);
    for (CommandId command = 0; command < CMD_COUNT; command++) {
        print_command(command);
    }
    fputs(TAIL, stdout);
    return 0;
}
