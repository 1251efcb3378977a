// A C++ program that runs an image: its host function asks for a backtrace, before and after the
// image's .eh_frame is registered, and throws and catches.
#include <dlfcn.h>
#include <execinfo.h>
#include <imago/imago.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>

extern "C" void __register_frame(const void *);
extern "C" void __deregister_frame(const void *);

// Frames that no object of the dynamic linker contains are the image's. Returns their count, or -1
// if main is not reached.
static int image_frames() {
    void *pcs[64];
    const int count = backtrace(pcs, 64);
    int found = 0;
    for (int i = 0; i < count; i++) {
        Dl_info info;
        if (dladdr(pcs[i], &info) == 0) {
            found++;
        } else if (info.dli_sname != nullptr && std::strcmp(info.dli_sname, "main") == 0) {
            return found;
        }
    }
    return -1;
}

static ImagoStatus host(void *, ImagoCaller *, ImagoValue *) {
    const int frames = image_frames();
    if (frames < 0) {
        std::puts("before: stops");
        return IMAGO_OK;
    }
    std::printf("registered: reaches main, %d frames of the image\n", frames);
    try {
        throw std::runtime_error("caught");
    } catch (const std::exception &caught) {
        std::puts(caught.what());
    }
    return IMAGO_OK;
}

extern "C" int main(int, char **argv) {
    ImagoEngine *engine = imago_engine_new(nullptr);
    ImagoImage *image = imago_image_open(engine, argv[1], nullptr);
    ImagoStore *store = imago_store_new(engine, nullptr, nullptr);
    ImagoLinker *linker = imago_linker_new(engine, nullptr);
    const ImagoFuncType type = {nullptr, nullptr, 0, 0};
    ImagoInstance *instance = nullptr;
    ImagoExtern func;
    imago_linker_define_func(linker, "env", "host", &type, host, nullptr, nullptr);
    if (imago_linker_instantiate(linker, store, image, &instance, nullptr) != IMAGO_OK ||
        !imago_instance_export(instance, "f", 1, &func)) {
        return 1;
    }
    ImagoValue value = {};
    imago_func_call(store, func.of.func, &value, nullptr);
    const void *frames = imago_image_eh_frame(image, nullptr);
    __register_frame(frames);
    imago_func_call(store, func.of.func, &value, nullptr);
    __deregister_frame(frames);
    imago_linker_delete(linker);
    imago_store_delete(store);
    imago_image_delete(image);
    imago_engine_delete(engine);
    return 0;
}
