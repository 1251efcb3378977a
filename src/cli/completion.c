// imago completion SHELL: the tables of commands and options in the words of three shells.
#include <stdio.h>

#include "base/int.h"
#include "cli/args.h"
#include "cli/report.h"

// True if the option's argument is a file or folder.
static bool wants_path(OptionId option) { return option == OPT_DIR || option == OPT_OUTPUT; }

static void bash(void) {
    puts("# bash completion of imago; made by 'imago completion bash'\n"
         "_imago() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} options=\n"
         "    if [[ $COMP_CWORD == 1 ]]; then");
    printf("        COMPREPLY=($(compgen -W '");
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        printf("%s ", CLI_COMMANDS[id].name);
    }
    puts("--help --version' -- \"$word\") $(compgen -f -- \"$word\"))\n"
         "        return\n"
         "    fi\n"
         "    case ${COMP_WORDS[1]} in");
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        printf("    %s) options='", CLI_COMMANDS[id].name);
        for (OptionId option = 0; option < OPT_COUNT; option++) {
            if (cli_has_option(id, option)) {
                printf("--%s ", CLI_OPTIONS[option].name);
            }
        }
        if (CLI_COMMANDS[id].kind == OPERAND_SHELLS) {
            printf("bash zsh fish ");
        }
        puts("' ;;");
    }
    puts("    esac\n"
         "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\") $(compgen -f -- \"$word\"))\n"
         "}\n"
         "complete -o filenames -F _imago imago");
}

// Help texts go between quotes: ours hold no quote, and brackets are escaped for zsh.
static void print_zsh_help(const char *help) {
    for (; *help != 0; help++) {
        if (*help == '\'') {
            printf("'\\''");
        } else {
            printf("%s%c", strchr("[]:", *help) != NULL ? "\\" : "", *help);
        }
    }
}

static void zsh_options(CommandId id) {
    for (OptionId option = 0; option < OPT_COUNT; option++) {
        const OptionRow *row = &CLI_OPTIONS[option];
        if (!cli_has_option(id, option)) {
            continue;
        }
        printf("            '--%s[", row->name);
        print_zsh_help(row->help);
        printf("]");
        if (row->argument != NULL) {
            printf(":%s:%s", row->argument[0] == 'H' ? "DIRECTORY" : "VALUE",
                   wants_path(option) ? "_files" : "");
        }
        puts("' \\");
    }
}

static void zsh(void) {
    puts("#compdef imago\n"
         "# zsh completion of imago; made by 'imago completion zsh'\n"
         "_imago() {\n"
         "    local -a commands=(");
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        printf("        '%s:", CLI_COMMANDS[id].name);
        print_zsh_help(CLI_COMMANDS[id].help);
        puts("'");
    }
    puts("    )\n"
         "    if (( CURRENT == 2 )); then\n"
         "        _describe command commands\n"
         "        _files\n"
         "        return\n"
         "    fi\n"
         "    local command=$words[2]\n"
         "    shift words\n"
         "    (( CURRENT-- ))\n"
         "    case $command in");
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        printf("    %s)\n        _arguments \\\n", CLI_COMMANDS[id].name);
        zsh_options(id);
        puts("            '*:FILE:_files' ;;");
    }
    puts("    esac\n"
         "}\n"
         "_imago \"$@\"");
}

static void print_fish_help(const char *help) {
    for (; *help != 0; help++) {
        printf("%s%c", *help == '\'' || *help == '\\' ? "\\" : "", *help);
    }
}

static void fish(void) {
    puts("# fish completion of imago; made by 'imago completion fish'");
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        printf("complete -c imago -n __fish_use_subcommand -a %s -d '", CLI_COMMANDS[id].name);
        print_fish_help(CLI_COMMANDS[id].help);
        puts("'");
    }
    for (CommandId id = 0; id < CMD_COUNT; id++) {
        for (OptionId option = 0; option < OPT_COUNT; option++) {
            const OptionRow *row = &CLI_OPTIONS[option];
            if (!cli_has_option(id, option)) {
                continue;
            }
            printf("complete -c imago -n '__fish_seen_subcommand_from %s' -l %s",
                   CLI_COMMANDS[id].name, row->name);
            if (row->letter != 0) {
                printf(" -s %c", row->letter);
            }
            printf("%s -d '", row->argument != NULL ? " -r" : "");
            print_fish_help(row->help);
            puts("'");
        }
    }
}

static const struct {
    const char *name;
    void (*print)(void);
} SHELLS[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

int cli_completion(Args *args) {
    switch ((int)args_next(args)) {
    case OPT_OPERAND:
        break;
    case OPT_END:
        return cli_usage_error(CMD_COMPLETION, "no SHELL given: bash, zsh or fish");
    default:
        return args->status;
    }
    for (u32 i = 0; i < COUNT_OF(SHELLS); i++) {
        if (strcmp(SHELLS[i].name, args->value) == 0) {
            SHELLS[i].print();
            return 0;
        }
    }
    return cli_usage_error(CMD_COMPLETION, "unknown shell '%s': expected bash, zsh or fish",
                           args->value);
}
