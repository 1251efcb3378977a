#define _GNU_SOURCE
#include "cli/places.h"

#include <stdio.h>
#include <unistd.h>

bool cli_place_of(const char *name, char path[PLACE_MAX_BYTES]) {
    static const char *const FOLDERS[] = {".", IMAGO_LIBEXEC_FROM_BIN};
    char own[1024];
    const ssize_t count = readlink("/proc/self/exe", own, sizeof own);
    const char *slash = count > 0 ? memrchr(own, '/', (usize)count) : NULL;
    for (u32 i = 0; slash != NULL && i < COUNT_OF(FOLDERS); i++) {
        (void)snprintf(path, PLACE_MAX_BYTES, "%.*s/%s/%s", (int)(slash - own), own, FOLDERS[i],
                       name);
        if (access(path, R_OK) == 0) {
            return true;
        }
    }
    return false;
}
