// An image that a tool looks at and does not run: opened (a module is compiled first), mapped,
// its parts found.
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include "cli/args.h"
#include "image/image.h"
#include "imago/compile.h"

// The operand and the options that all such tools have.
typedef struct ViewArgs {
    CommandId command;
    const char *path; // NULL: not seen yet
    bool is_complete; // the command line ended, and has all it must have
    ImagoCompileOptions compile;
} ViewArgs;

static inline ViewArgs cli_view_args(CommandId command) {
    return (ViewArgs){.command = command, .compile = {.size = sizeof(ImagoCompileOptions)}};
}

// Takes an option that is not the command's own. False: the command line is used up and
// view->is_complete, or else args->status is the exit status.
bool cli_view_option(ViewArgs *view, Args *args, OptionId id);

typedef int CliShow(void *env, const char *path, const Image *image);

// Opens, calls show and closes. Reports errors itself. Returns the exit status, show's on success.
int cli_view(const ViewArgs *args, CliShow *show, void *env);
// The same of an open file, which stays open.
int cli_view_fd(const char *path, int fd, CliShow *show, void *env);

// "(i32 i64) -> (f32)" of a function type, cut to fit. Returns `out`.
const char *cli_type_text(const Image *image, u32 type_index, char *out, usize out_bytes);

// The function's name, cut to fit, or what its symbol is called if it has none: "func12". Returns
// `out`.
const char *cli_func_name(const Image *image, u32 func, char *out, usize out_bytes);

#endif
