#include "cli/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

void cli_error_v(const char *format, va_list args) {
    (void)fflush(stdout); // what was said before stands before
    fputs("imago: error: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cli_error(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    cli_error_v(format, args);
    va_end(args);
    return status;
}

int cli_report(const char *file, const Error *err, const char *func_name) {
    if (err->line != 0) {
        (void)cli_error(0, "%s:%" PRIu32 ":%" PRIu32 ": %s", file, err->line, err->column,
                        err->text);
    } else if (err->offset != ERROR_NO_OFFSET) {
        (void)cli_error(0, "%s:0x%" PRIx64 ": %s", file, err->offset, err->text);
    } else {
        (void)cli_error(0, "%s: %s", file, err->text);
    }
    if (err->func_index != ID_NONE) {
        if (func_name != NULL && func_name[0] != 0) {
            fprintf(stderr, "  in function %s (index %" PRIu32 ")\n", func_name, err->func_index);
        } else {
            fprintf(stderr, "  in function with index %" PRIu32 "\n", err->func_index);
        }
    }
    return error_exit_code(err->code);
}

// "#2 name (module+0x123)", the parts that are known.
static void print_frame(const char *file, u32 number, const ImagoFrame *frame) {
    char name[256];
    if (frame->func_name_bytes != 0) {
        (void)str_printable((Str){frame->func_name, frame->func_name_bytes}, name, sizeof name);
    } else {
        (void)snprintf(name, sizeof name, "function %" PRIu32, frame->func_index);
    }
    fprintf(stderr, "  #%" PRIu32 " %s", number, name);
    if (frame->module_offset != IMAGO_ERROR_NO_OFFSET) {
        char module[128] = "";
        if (frame->module_name != NULL) {
            (void)str_printable(str_of(frame->module_name), module, sizeof module);
        }
        fprintf(stderr, " (%s+0x%" PRIx64 ")", module[0] != 0 ? module : file,
                frame->module_offset);
    }
    fputc('\n', stderr);
}

// Compiling notes an offset for everything that has a frame, unless told not to.
static bool has_no_offset(const ImagoTrap *trap) {
    for (u32 i = 0; i < trap->frame_count; i++) {
        if (trap->frames[i].module_offset != IMAGO_ERROR_NO_OFFSET) {
            return false;
        }
    }
    return trap->frame_count != 0;
}

int cli_report_trap(const char *file, const ImagoStore *store) {
    const ImagoTrap *trap = imago_store_trap(store);
    if (trap == NULL) {
        return cli_error(error_exit_code(IMAGO_ERROR_INTERNAL), "%s: trap without a record", file);
    }
    if (trap->has_address) {
        (void)cli_error(0, "%s: trap: %s: address 0x%" PRIx64 " of %" PRIu64 " bytes", file,
                        trap->message, trap->address, trap->memory_bytes);
    } else {
        (void)cli_error(0, "%s: trap: %s", file, trap->message);
    }
    for (u32 i = 0; i < trap->frame_count; i++) {
        print_frame(file, i, &trap->frames[i]);
    }
    if (trap->frames_cut) {
        fputs("  ... and more frames\n", stderr);
    }
    if (has_no_offset(trap)) {
        fputs("  no WebAssembly offsets: the image has no address map\n", stderr);
    }
    return EXIT_TRAP;
}

int cli_finish_output(int status) {
    const bool was_lost = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0 || was_lost) {
        return cli_error(error_exit_code(IMAGO_ERROR_IO), "cannot write to standard output: %s",
                         errno != 0 ? strerror(errno) : "output was lost");
    }
    return status;
}
