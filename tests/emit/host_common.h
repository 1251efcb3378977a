// Runs an image that is mapped already as a WASI program. Exit status: the guest's, or 134 after a
// trap.
#ifndef EMIT_HOST_COMMON_H
#define EMIT_HOST_COMMON_H

#include <stdio.h>
#include <string.h>

#include "imago/imago.h"
#include "imago/wasi.h"

static int host_fail(const ImagoError *error) {
    fprintf(stderr, "host: %s\n", error->text);
    return 99;
}

static int host_call(ImagoStore *store, ImagoInstance *instance, ImagoError *error) {
    ImagoExtern start;
    ImagoValue none = {.bits = {0, 0}};
    if (!imago_instance_export(instance, "_start", 6, &start)) {
        return 98;
    }
    switch (imago_func_call(store, start.of.func, &none, error)) {
    case IMAGO_OK: return 0;
    case IMAGO_EXIT: return imago_store_exit_code(store);
    case IMAGO_TRAP:
        fprintf(stderr, "trap: %s in %s\n", imago_store_trap(store)->message,
                imago_store_trap(store)->frames[0].func_name);
        return 134;
    default: return host_fail(error);
    }
}

static int host_run(const void *start, int argc, char **argv) {
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoEngine *engine = imago_engine_new(&error);
    ImagoImage *image = imago_image_open_mapped(engine, start, &error);
    if (image == NULL) {
        return host_fail(&error);
    }
    if (imago_image_verify(image, &error)) {
        return 97;
    }
    ImagoStore *store = imago_store_new(engine, NULL, &error);
    ImagoLinker *linker = imago_linker_new(engine, &error);
    const ImagoWasiOptions options = {
        .size = sizeof options, .args = (const char *const *)argv, .arg_count = (uint32_t)argc};
    ImagoWasi *wasi = imago_wasi_new(&options, &error);
    ImagoInstance *instance;
    int status;
    if (wasi == NULL || !imago_wasi_define(wasi, linker, &error) ||
        imago_linker_instantiate(linker, store, image, &instance, &error) != IMAGO_OK) {
        status = host_fail(&error);
    } else {
        status = host_call(store, instance, &error);
    }
    imago_linker_delete(linker);
    imago_store_delete(store);
    imago_wasi_delete(wasi);
    imago_image_delete(image);
    imago_engine_delete(engine);
    return status;
}

#endif
