/* Runs an image that the dynamic linker has loaded: whatever knows its objects knows the image. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <imago/imago.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

/* Debuggers stop here. */
__attribute__((noinline)) void in_host(void) { __asm__ volatile("" ::: "memory"); }

static ImagoStatus host(void *env, ImagoCaller *caller, ImagoValue *values) {
    void *pcs[64];
    const int count = backtrace(pcs, 64);
    int found = 0;
    (void)env;
    (void)caller;
    (void)values;
    for (int i = 0; i < count; i++) {
        Dl_info info;
        found += dladdr(pcs[i], &info) != 0 && info.dli_sname != NULL &&
                 (strcmp(info.dli_sname, "f") == 0 || strcmp(info.dli_sname, "main") == 0);
    }
    in_host();
    printf("%d of f and main\n", found);
    return IMAGO_OK;
}

int main(int argc, char **argv) {
    const ImagoFuncType type = {NULL, NULL, 0, 0};
    struct link_map *map = NULL;
    ImagoInstance *instance = NULL;
    ImagoExtern func;
    ImagoValue value = {.i64 = 0};
    void *object = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
    if (object == NULL || dlinfo(object, RTLD_DI_LINKMAP, &map) != 0) {
        printf("%s\n", dlerror());
        return 1;
    }
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoEngine *engine = imago_engine_new(&error);
    ImagoImage *image = imago_image_open_mapped(engine, (const void *)map->l_addr, &error);
    ImagoStore *store = imago_store_new(engine, NULL, &error);
    ImagoLinker *linker = imago_linker_new(engine, &error);
    if (image == NULL ||
        !imago_linker_define_func(linker, "env", "host", &type, host, NULL, &error) ||
        imago_linker_instantiate(linker, store, image, &instance, &error) != IMAGO_OK ||
        !imago_instance_export(instance, "f", 1, &func) ||
        imago_func_call(store, func.of.func, &value, &error) != IMAGO_OK) {
        printf("%s\n", error.text);
        return 1;
    }
    imago_linker_delete(linker);
    imago_store_delete(store);
    imago_image_delete(image);
    imago_engine_delete(engine);
    return dlclose(object);
}
