#define _GNU_SOURCE
#include "cli/places.h"

#include <stdio.h>
#include <unistd.h>

#include "base/str.h"

static const char *const FOLDERS[] = {".", IMAGO_LIBEXEC_FROM_BIN};

// The folder of this program; empty if it is not known.
static Str own_folder(char *out, usize bytes) {
    const ssize_t count = readlink("/proc/self/exe", out, bytes);
    const char *slash = count > 0 ? memrchr(out, '/', (usize)count) : NULL;
    return (Str){out, slash != NULL ? (usize)(slash - out) : 0};
}

bool cli_place_of(const char *name, char path[PLACE_MAX_BYTES]) {
    char own[1024];
    const Str folder = own_folder(own, sizeof own);
    for (u32 i = 0; folder.count != 0 && i < COUNT_OF(FOLDERS); i++) {
        (void)snprintf(path, PLACE_MAX_BYTES, "%.*s/%s/%s", (int)folder.count, folder.at,
                       FOLDERS[i], name);
        if (access(path, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

const char *cli_place_text(char text[PLACE_MAX_BYTES]) {
    char own[1024];
    const Str folder = own_folder(own, sizeof own);
    (void)snprintf(text, PLACE_MAX_BYTES, "%.*s and its %s", (int)folder.count, folder.at,
                   FOLDERS[1]);
    return text;
}
