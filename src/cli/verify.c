// imago verify: are images as they were when they were made? Silent if so.
#include "base/os_file.h"
#include "cli/args.h"
#include "cli/report.h"
#include "image/build_id.h"
#include "image/check.h"

// The tables before the hash: what they say is closer to the damage.
static bool check_image(const FileBytes *file, Error *err) {
    static const u8 MODULE_MAGIC[] = {0, 'a', 's', 'm'};
    Image image;
    if (file->count >= sizeof MODULE_MAGIC &&
        memcmp(file->at, MODULE_MAGIC, sizeof MODULE_MAGIC) == 0) {
        return fail(err, IMAGE, ERROR_NO_OFFSET,
                    "is a module, expected an image: 'imago compile' makes one");
    }
    TRY(image_parse(&image, file->at, file->count, err));
    TRY(image_check(&image, err));
    return image_verify(file->at, file->count, err);
}

static int verify_file(const char *path) {
    Error err = ERROR_INIT;
    FileBytes file;
    if (!file_read(&file, path, &err)) {
        return cli_report(path, &err, NULL);
    }
    const int status = check_image(&file, &err) ? 0 : cli_report(path, &err, NULL);
    file_release(&file);
    return status;
}

int cli_verify(Args *args) {
    int status = 0; // of the first file that failed
    u32 count = 0;
    for (;;) {
        switch ((int)args_next(args)) {
        case OPT_OPERAND: {
            const int file_status = verify_file(args->value);
            status = status != 0 ? status : file_status;
            count++;
            break;
        }
        case OPT_END:
            return count != 0 ? status : cli_usage_error(CMD_VERIFY, "no IMAGE given");
        default:
            return args->status;
        }
    }
}
