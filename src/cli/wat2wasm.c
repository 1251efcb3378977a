// imago wat2wasm: text format to binary format.
#include "cli/args.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/report.h"

static int translate(const char *input, const char *output) {
    Error err = ERROR_INIT;
    FileBytes bytes;
    if (!cli_module_read(input, &bytes, &err)) {
        return cli_report(input, &err, NULL);
    }
    u8 *wasm = NULL;
    usize wasm_count = 0;
    const char *text = (const char *)bytes.at;
    const bool ok = imago_wat_to_wasm(text, bytes.count, &wasm, &wasm_count, &err) &&
                    cli_output_write(output, wasm, wasm_count, &err);
    imago_bytes_free(wasm);
    file_release(&bytes);
    return ok ? 0 : cli_report(cli_blame(&err, input, output), &err, NULL);
}

int cli_wat2wasm(Args *args) {
    const char *input = NULL, *output = NULL;
    for (;;) {
        switch ((int)args_next(args)) {
        case OPT_OUTPUT:
            output = args->value;
            break;
        case OPT_OPERAND:
            if (input != NULL) {
                return cli_usage_error(CMD_WAT2WASM, "one FILE expected, found '%s' too",
                                       args->value);
            }
            input = args->value;
            break;
        case OPT_END:
            if (input == NULL || output == NULL) {
                const char *problem = input == NULL ? "no FILE given" : "no output given: -o WASM";
                return cli_usage_error(CMD_WAT2WASM, "%s", problem);
            }
            if (cli_same_file(input, output)) {
                return cli_usage_error(CMD_WAT2WASM, "%s is input and output", input);
            }
            return translate(input, output);
        default:
            return args->status;
        }
    }
}
