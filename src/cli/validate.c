// imago validate: decodes and validates modules; silent when all are valid.
#include <stdio.h>

#include "cli/args.h"
#include "cli/input.h"
#include "cli/report.h"

static int validate_file(const char *path) {
    Error err = ERROR_INIT;
    FileBytes bytes;
    if (!cli_module_read(path, &bytes, &err)) {
        return cli_report(path, &err, NULL);
    }
    const bool ok = imago_validate(bytes.at, bytes.count, &err);
    const int status = ok ? 0 : cli_report_module(path, &bytes, &err);
    file_release(&bytes);
    return status;
}

int cli_validate(Args *args) {
    int status = 0; // of the first file that failed
    u32 count = 0;
    for (;;) {
        switch ((int)args_next(args)) {
        case OPT_OPERAND: {
            const int file_status = validate_file(args->value);
            status = status != 0 ? status : file_status;
            count++;
            break;
        }
        case OPT_END:
            return count != 0 ? status : cli_usage_error(CMD_VALIDATE, "no FILE given");
        default:
            return args->status;
        }
    }
}
