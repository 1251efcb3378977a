// WebAssembly in a C program: compile a module, give it a host function, call it, look at a trap.
//
//     cc -Iinclude examples/embed.c build/libimago-compile.a build/libimago.a -pthread && ./a.out
//
// examples/run_image.c needs no compiler: it runs an image that `imago compile` made.
#include <stdio.h>
#include <unistd.h>

#include "imago/compile.h"
#include "imago/imago.h"

static const char TEXT[] =
    "(module\n"
    "  (import \"host\" \"report\" (func $report (param i32)))\n"
    "  (func $divide (param i32 i32) (result i32)\n"
    "    (i32.div_s (local.get 0) (local.get 1)))\n"
    "  (func (export \"run\") (param i32 i32) (result i32)\n"
    "    (call $report (local.get 0))\n"
    "    (call $divide (local.get 0) (local.get 1))))\n";

// Arguments come in `values`, and results would be put there.
static ImagoStatus report(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)caller;
    printf("%s %d\n", (const char *)env, values[0].i32);
    return IMAGO_OK;
}

static void print_trap(const ImagoTrap *trap) {
    printf("trap: %s\n", trap->message);
    for (uint32_t i = 0; i < trap->frame_count; i++) {
        const ImagoFrame *frame = &trap->frames[i];
        printf("  #%u function %u \"%.*s\" at 0x%llx\n", i, frame->func_index,
               (int)frame->func_name_bytes, frame->func_name,
               (unsigned long long)frame->module_offset);
    }
}

static bool call_run(ImagoStore *store, ImagoFunc *run, int32_t a, int32_t b, ImagoError *error) {
    ImagoValue values[2] = {{.i32 = a}, {.i32 = b}}; // arguments, then results
    const ImagoStatus status = imago_func_call(store, run, values, error);
    if (status == IMAGO_OK) {
        printf("run(%d, %d) = %d\n", a, b, values[0].i32);
    } else if (status == IMAGO_TRAP) {
        print_trap(imago_store_trap(store));
    }
    return status == IMAGO_OK || status == IMAGO_TRAP;
}

static bool use(ImagoEngine *engine, ImagoStore *store, const ImagoImage *image,
                ImagoError *error) {
    static const uint8_t I32 = IMAGO_I32;
    static const ImagoFuncType TYPE = {.params = &I32, .param_count = 1};
    static char said[] = "the guest says";
    ImagoLinker *linker = imago_linker_new(engine, error);
    ImagoInstance *instance;
    ImagoExtern run;
    const bool ok =
        linker != NULL &&
        imago_linker_define_func(linker, "host", "report", &TYPE, report, said, error) &&
        imago_linker_instantiate(linker, store, image, &instance, error) == IMAGO_OK &&
        imago_instance_export(instance, "run", 3, &run) &&
        call_run(store, run.of.func, 85, 2, error) && call_run(store, run.of.func, 85, 0, error);
    imago_linker_delete(linker);
    return ok;
}

int main(void) {
    ImagoError error = IMAGO_ERROR_INIT;
    int fd = -1; // the image; imago_compile_file writes one that outlives the process
    ImagoEngine *engine = imago_engine_new(&error);
    ImagoImage *image = NULL;
    ImagoStore *store = NULL;
    if (engine != NULL && imago_compile_fd(TEXT, sizeof TEXT - 1, &fd, NULL, NULL, &error)) {
        image = imago_image_open_fd(engine, fd, &error);
        close(fd);
    }
    if (image != NULL) {
        store = imago_store_new(engine, NULL, &error);
    }
    const bool ok = store != NULL && use(engine, store, image, &error);
    if (!ok) {
        fprintf(stderr, "embed: %s\n", error.text);
    }
    imago_store_delete(store);
    imago_image_delete(image);
    imago_engine_delete(engine);
    return !ok;
}
