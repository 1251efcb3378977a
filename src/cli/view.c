#include "cli/view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cut.h"
#include "cli/input.h"
#include "cli/report.h"
#include "cli/settings.h"

bool cli_view_option(ViewArgs *view, Args *args, OptionId id) {
    if (cli_setting(args, &id, &view->compile)) {
        return true;
    }
    switch ((int)id) {
    case OPT_OPERAND:
        if (view->path != NULL) {
            args->status =
                cli_usage_error(view->command, "one FILE expected, found '%s' too", args->value);
            return false;
        }
        view->path = args->value;
        return true;
    case OPT_END:
        view->is_complete = view->path != NULL;
        args->status =
            view->is_complete ? 0 : cli_usage_error(view->command, "no FILE given");
        return false;
    default:
        return false;
    }
}

int cli_view_fd(const char *path, int fd, CliShow *show, void *env) {
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0) {
        return cli_error(error_exit_code(IMAGO_ERROR_IMAGE), "%s: an empty file is no image", path);
    }
    const usize count = (usize)st.st_size;
    void *bytes = mmap(NULL, count, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return cli_error(error_exit_code(IMAGO_ERROR_OS), "%s: cannot map: %s", path,
                         strerror(errno));
    }
    Error err = ERROR_INIT;
    Image image;
    cli_cut_watch(path, bytes, count);
    int status = image_parse(&image, bytes, count, &err) ? show(env, path, &image)
                                                         : cli_report(path, &err, NULL);
    cli_cut_unwatch();
    (void)munmap(bytes, count);
    if (status == 0 && (fstat(fd, &st) != 0 || (u64)st.st_size < count)) {
        status = cli_cut_report(path); // the rest of its last page was read as zeros
    }
    return status;
}

int cli_view(const ViewArgs *args, CliShow *show, void *env) {
    CliImage file;
    int status = cli_image_open(args->path, &args->compile, &file);
    if (status == 0) {
        status = cli_view_fd(args->path, file.fd, show, env);
        close(file.fd);
    }
    return status;
}

const char *cli_func_name(const Image *image, u32 func, char *out, usize out_bytes) {
    const Str name = image_func_name(image, func);
    if (name.count != 0) {
        return str_printable(name, out, out_bytes);
    }
    (void)snprintf(out, out_bytes, "func%" PRIu32, func);
    return out;
}

typedef struct TextOut {
    char *at;
    usize used, bytes;
} TextOut;

static void put(TextOut *out, const char *text) {
    const usize count = strlen(text), left = out->bytes - 1 - out->used;
    const usize taken = count < left ? count : left;
    memcpy(out->at + out->used, text, taken);
    out->used += taken;
    out->at[out->used] = 0;
}

static void put_types(TextOut *out, const u8 *codes, u32 count) {
    put(out, "(");
    for (u32 i = 0; i < count; i++) {
        put(out, i != 0 ? " " : "");
        put(out, val_name((ValType)codes[i]));
    }
    put(out, ")");
}

const char *cli_type_text(const Image *image, u32 type_index, char *out, usize out_bytes) {
    const FuncType type = image_type(image, type_index).type;
    TextOut text = {out, 0, out_bytes};
    put_types(&text, type_params(&type), type.param_count);
    put(&text, " -> ");
    put_types(&text, type_results(&type), type.result_count);
    return out;
}
