// host_dlopen IMAGE ARGUMENT...: by the dynamic linker. The image is its own argument 0.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>

#include "host_common.h"

int main(int argc, char **argv) {
    struct link_map *map;
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) {
        fprintf(stderr, "host: %s\n", dlerror());
        return 99;
    }
    if (dlsym(library, "_start") == NULL || dlsym(RTLD_DEFAULT, "imago_start") != NULL) {
        return 96;
    }
    const int status = host_run((const void *)map->l_addr, argc - 1, argv + 1);
    return dlclose(library) == 0 ? status : 95;
}
