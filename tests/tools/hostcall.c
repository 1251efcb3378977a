// hostcall IMAGE abort|wait: a guest's call of a host function that dumps core, or never returns.
// The image is opened by a descriptor that is closed again.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imago/imago.h"

static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)caller, (void)values;
    if (strcmp(env, "abort") == 0) {
        abort();
    }
    for (;;) {
        (void)pause();
    }
}

static bool call(ImagoEngine *engine, const ImagoImage *image, char *what, ImagoError *error) {
    ImagoStore *store = imago_store_new(engine, NULL, error);
    ImagoLinker *linker = imago_linker_new(engine, error);
    ImagoInstance *instance;
    ImagoExtern f;
    return imago_linker_define_func(linker, "env", "host", &(ImagoFuncType){0}, host, what,
                                    error) &&
           imago_linker_instantiate(linker, store, image, &instance, error) == IMAGO_OK &&
           imago_instance_export(instance, "f", 1, &f) &&
           imago_func_call(store, f.of.func, NULL, error) == IMAGO_OK;
}

int main(int argc, char **argv) {
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoEngine *engine = imago_engine_new(&error);
    const int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    ImagoImage *image = imago_image_open_fd(engine, fd, &error);
    close(fd);
    if (image == NULL || !call(engine, image, argv[2], &error)) {
        printf("%s\n", error.text);
        return 1;
    }
    return 0;
}
