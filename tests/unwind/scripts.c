// Frames at every instruction of whole scripts (stepper.h).
//
//     unwind_scripts [FILE.wast...]     none: the project's own, tests/files/baseline
//
// Results are not looked at: `imago wast` does that.
#define _GNU_SOURCE
#include <glob.h>

#include "base/os_file.h"
#include "text/wast.h"
#include "unwind/stepper.h"

void __register_frame(const void *);
void __deregister_frame(const void *);

enum { MAX_STEPS = 20000, MAX_VALUES = 64 }; // of one call

static Stepper stepper;
static World world;
static u64 checked, calls;
static const ImagoCompileOptions *options;

// Instances by their names in the script.
typedef struct Named {
    char id[128];
    ImagoInstance *instance;
} Named;
static Named named[WORLD_MAX_IMAGES];
static u32 named_count;

static ImagoInstance *instance_of(Str id) {
    for (u32 i = 0; id.count != 0 && i < named_count; i++) {
        if (strlen(named[i].id) == id.count && memcmp(named[i].id, id.at, id.count) == 0) {
            return named[i].instance;
        }
    }
    return id.count == 0 ? world.instance : NULL;
}

static void begin(void) {
    checked += stepper.checked;
    stepper = (Stepper){.world = &world, .limit = MAX_STEPS, .bad = stepper.bad};
}

// ---- The scripts' host --------------------------------------------------------------------------

static ImagoStatus nothing(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    (void)values;
    return IMAGO_OK;
}

static void define_host(void) {
    static const uint8_t I32[] = {IMAGO_I32, IMAGO_F32}, I64[] = {IMAGO_I64}, F32[] = {IMAGO_F32},
                         F64[] = {IMAGO_F64, IMAGO_F64};
    static const struct {
        const char *name;
        ImagoFuncType type;
    } ROWS[] = {
        {"print", {NULL, NULL, 0, 0}},        {"print_i32", {I32, NULL, 1, 0}},
        {"print_i64", {I64, NULL, 1, 0}},     {"print_f32", {F32, NULL, 1, 0}},
        {"print_f64", {F64, NULL, 1, 0}},     {"print_i32_f32", {I32, NULL, 2, 0}},
        {"print_f64_f64", {F64, NULL, 2, 0}},
    };
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        (void)imago_linker_define_func(world.linker, "spectest", ROWS[i].name, &ROWS[i].type,
                                       nothing, NULL, NULL);
    }
    const ImagoExtern items[] = {
        {.kind = IMAGO_EXTERN_MEMORY,
         .of.memory = imago_memory_new(world.store, &(ImagoLimits){1, 2, true}, NULL)},
        {.kind = IMAGO_EXTERN_TABLE,
         .of.table = imago_table_new(world.store, IMAGO_FUNCREF, &(ImagoLimits){10, 20, true},
                                     (ImagoValue){.func = NULL}, NULL)},
        {.kind = IMAGO_EXTERN_GLOBAL,
         .of.global = imago_global_new(world.store, IMAGO_I32, false, (ImagoValue){.i32 = 666},
                                       NULL)},
    };
    static const char *const NAMES[] = {"memory", "table", "global_i32"};
    for (u32 i = 0; i < COUNT_OF(items); i++) {
        (void)imago_linker_define(world.linker, "spectest", 8, NAMES[i], strlen(NAMES[i]),
                                  items[i], NULL);
    }
}

// ---- Commands -----------------------------------------------------------------------------------

__attribute__((noinline)) static ImagoStatus stepped_start(const ImagoImage *image) {
    step_begin(&stepper);
    const ImagoStatus status = world_instantiate(&world, image);
    step_end(&stepper);
    return status;
}

__attribute__((noinline)) static ImagoStatus stepped_call(ImagoFunc *func, ImagoValue *values) {
    step_begin(&stepper);
    const ImagoStatus status = imago_func_call(world.store, func, values, NULL);
    step_end(&stepper);
    return status;
}

static void run_module(const WastModule *module) {
    int fd = -1;
    if (!module->is_translated || world.image_count == WORLD_MAX_IMAGES ||
        !imago_compile_fd(module->bytes, module->byte_count, &fd, options, NULL, NULL)) {
        return;
    }
    ImagoImage *image = imago_image_open_fd(world.engine, fd, NULL);
    close(fd);
    if (image == NULL) {
        return;
    }
    world.images[world.image_count++] = image;
    __register_frame(imago_image_eh_frame(image, NULL));
    ImagoInstance *const before = world.instance;
    begin();
    if (stepped_start(image) != IMAGO_OK || world.instance == NULL) {
        world.instance = before;
        return;
    }
    if (module->id.count != 0 && module->id.count < sizeof named[0].id) {
        Named *entry = &named[named_count++];
        memcpy(entry->id, module->id.at, module->id.count);
        entry->id[module->id.count] = 0;
        entry->instance = world.instance;
    }
}

static ImagoValue value_of(const WastValue *value) {
    ImagoValue out = {.bits = {value->bits, 0}};
    if (value->kind == WAST_REF_NULL) {
        out.bits[0] = 0;
    } else if (value->kind == WAST_REF_EXTERN) {
        out.bits[0] = value->bits + 1;
    }
    return out;
}

static void run_action(const WastAction *action) {
    ImagoInstance *instance = instance_of(action->module_id);
    ImagoExtern item;
    if (action->is_get || instance == NULL ||
        !imago_instance_export(instance, action->name.at, action->name.count, &item) ||
        item.kind != IMAGO_EXTERN_FUNC) {
        return;
    }
    const ImagoFuncType type = imago_func_type(world.store, item.of.func);
    ImagoValue values[MAX_VALUES] = {0};
    if (type.param_count != action->arg_count || type.param_count > MAX_VALUES ||
        type.result_count > MAX_VALUES) {
        return;
    }
    for (u32 i = 0; i < action->arg_count; i++) {
        values[i] = value_of(&action->args[i]);
    }
    begin();
    calls++;
    (void)stepped_call(item.of.func, values);
}

static void run_command(const WastCommand *command) {
    switch (command->kind) {
    case WAST_MODULE:
    case WAST_ASSERT_UNINSTANTIABLE:
    case WAST_ASSERT_UNLINKABLE:
        run_module(&command->module);
        break;
    case WAST_REGISTER: {
        ImagoInstance *instance = instance_of(command->module_id);
        if (instance != NULL) {
            (void)imago_linker_define_instance(world.linker, command->name.at, command->name.count,
                                               instance, NULL);
        }
        break;
    }
    case WAST_ACTION:
    case WAST_ASSERT_RETURN:
    case WAST_ASSERT_TRAP:
        run_action(&command->action);
        break;
    case WAST_END:
    case WAST_ASSERT_EXHAUSTION:
    case WAST_ASSERT_INVALID:
    case WAST_ASSERT_MALFORMED:
    case WAST_UNSUPPORTED:
        break;
    }
}

static void run_script(const char *path) {
    Error err = ERROR_INIT;
    FileBytes text;
    if (!file_read(&text, path, &err)) {
        TEST_FAIL("%s: %s", path, err.text);
        return;
    }
    world = world_new(NULL);
    named_count = 0;
    stepper.bad = 0;
    define_host();
    WastScript *script = wast_open((Str){(const char *)text.at, text.count}, &err);
    WastCommand command;
    while (script != NULL && wast_next(script, &command, &err) && command.kind != WAST_END) {
        run_command(&command);
    }
    wast_close(script);
    file_release(&text);
    if (stepper.bad != 0) {
        TEST_FAIL("%s: %u instructions with wrong frames", path, stepper.bad);
    }
    for (u32 i = 0; i < world.image_count; i++) {
        __deregister_frame(imago_image_eh_frame(world.images[i], NULL));
    }
    world_delete(&world);
}

static char **paths;

static void run_all(void) {
    calls = checked = 0;
    for (char **path = paths; *path != NULL; path++) {
        run_script(*path);
    }
    begin();
    EXPECT(paths[0] != NULL && checked >= calls);
    printf("%llu calls, frames compared at %llu instructions\n", (unsigned long long)calls,
           (unsigned long long)checked);
}

TEST(scripts) { run_all(); }

// Calls by way of veneers, which have frames as well.
TEST(scripts_scattered) {
    static const ImagoCompileOptions SCATTERED = {.size = sizeof SCATTERED,
                                                  .func_padding = 5000,
                                                  .func_shuffle = 3,
                                                  .force_veneers = true};
    options = &SCATTERED;
    run_all();
}

int main(int argc, char **argv) {
    step_install();
    glob_t own = {0};
    paths = argv + 1;
    if (argc == 1 && glob(SOURCE_DIR "/tests/files/baseline/*.wast", 0, NULL, &own) == 0) {
        paths = own.gl_pathv;
    }
    RUN(scripts);
    RUN(scripts_scattered);
    globfree(&own);
    return test_end();
}
