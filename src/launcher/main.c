// What a stand-alone program starts with (emit/standalone.c): the runtime without a compiler, and
// the guest mapped with it. The guest gets the program's arguments, its environment, and the
// folders that were named when it was compiled.
#include <elf.h>
#include <sys/auxv.h>

#include "base/alloc.h"
#include "cli/guest.h"
#include "cli/report.h"

enum { PAGE_BYTES = 4096 };

typedef struct Payload {
    const char *words; // pairs, up to an empty one
    usize words_bytes;
    const void *image;
} Payload;

// Behind the program headers, which start a page if this is not the bare launcher.
static bool find_payload(Payload *payload) {
    const uintptr_t table = getauxval(AT_PHDR);
    if (table == 0 || table % PAGE_BYTES != 0) {
        return false;
    }
    const char *at = (const char *)table + getauxval(AT_PHNUM) * sizeof(Elf64_Phdr); // NOLINT
    payload->words = at;
    while (*at != 0) {
        at += strlen(at) + 1;
    }
    payload->words_bytes = (usize)(at - payload->words) + 1;
    payload->image = (const void *)align_up((uintptr_t)at + 1, PAGE_BYTES); // NOLINT
    return true;
}

// What was set when it was compiled comes first in the environment, where programs look first.
//   words  are cut up
static bool make_world(GuestWorld *world, char *words, char **args, Error *err) {
    while (*words != 0) {
        char *value = words + strlen(words) + 1;
        char *next = value + strlen(value) + 1;
        TRY(strcmp(words, "--dir") == 0 ? guest_add_dir(world, value, err)
                                        : guest_add_env(world, value, err));
        words = next;
    }
    return guest_inherit_envs(world, err) && guest_add_args(world, args, err);
}

static bool load(Guest *guest, const Payload *payload, char **args, Error *err) {
    GuestWorld world = {0};
    char *words = mem_alloc(payload->words_bytes);
    bool ok = words != NULL || fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    ok = ok && make_world(&world, memcpy(words, payload->words, payload->words_bytes), args, err);
    guest->engine = ok ? imago_engine_new(err) : NULL;
    guest->image = guest->engine != NULL
                       ? imago_image_open_mapped(guest->engine, payload->image, err)
                       : NULL;
    const ImagoStoreOptions options = {.size = sizeof options};
    ok = guest->image != NULL && guest_open(guest, &world, &options, err);
    guest_free(&world);
    mem_free(words);
    return ok;
}

static int run(Guest *guest) {
    int status = 0;
    if (!guest_start(guest, &status)) {
        return status;
    }
    ImagoFunc *start = guest_func(guest, "_start");
    if (start == NULL) {
        return cli_error(error_exit_code(IMAGO_ERROR_INVALID), "%s: no exported function '_start'",
                         guest->file);
    }
    ImagoValue none = {.bits = {0, 0}};
    (void)guest_call(guest, start, &none, &status);
    return status;
}

int main(int argc, char **argv) {
    Payload payload;
    if (argc == 0 || !find_payload(&payload)) {
        return cli_error(EXIT_USAGE, "this is the launcher of stand-alone programs: "
                                     "imago compile --emit static-exe");
    }
    guest_prepare_process();
    Error err = ERROR_INIT;
    Guest guest = {.file = argv[0]};
    const int status = load(&guest, &payload, argv + 1, &err) ? run(&guest)
                                                              : cli_report(argv[0], &err, NULL);
    guest_close(&guest);
    return status;
}
