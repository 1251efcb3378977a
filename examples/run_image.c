// Runs an image from C: maps the file, instantiates it, calls its export "add".
//
//     imago compile examples/add.wat -o add.image
//     cc -Iinclude examples/run_image.c build/libimago.a -pthread -o run_image
//     ./run_image add.image 2 40
#include <stdio.h>
#include <stdlib.h>

#include "imago/imago.h"

static int give_up(const char *what, const ImagoError *error) {
    fprintf(stderr, "run_image: %s: %s\n", what, error->text);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: run_image IMAGE NUMBER NUMBER\n");
        return 2;
    }
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoEngine *engine = imago_engine_new(&error);
    ImagoImage *image = engine ? imago_image_open(engine, argv[1], &error) : NULL;
    ImagoStore *store = image ? imago_store_new(engine, NULL, &error) : NULL;
    ImagoLinker *linker = store ? imago_linker_new(engine, &error) : NULL;
    if (linker == NULL) {
        return give_up(argv[1], &error);
    }

    ImagoInstance *instance;
    if (imago_linker_instantiate(linker, store, image, &instance, &error) != IMAGO_OK) {
        return give_up("instantiate", &error);
    }
    ImagoExtern add;
    if (!imago_instance_export(instance, "add", 3, &add) || add.kind != IMAGO_EXTERN_FUNC) {
        fprintf(stderr, "run_image: the image exports no function \"add\"\n");
        return 1;
    }

    // The values are the arguments, and after the call the results.
    ImagoValue values[2] = {{.i32 = atoi(argv[2])}, {.i32 = atoi(argv[3])}};
    switch (imago_func_call(store, add.of.func, values, &error)) {
    case IMAGO_OK:
        printf("%d\n", values[0].i32);
        break;
    case IMAGO_TRAP:
        fprintf(stderr, "run_image: trap: %s\n", imago_store_trap(store)->message);
        return 134;
    default:
        return give_up("call", &error);
    }

    imago_linker_delete(linker);
    imago_store_delete(store);
    imago_image_delete(image);
    imago_engine_delete(engine);
    return 0;
}
