#include "cli/emit.h"

#include <stdio.h>

#include "base/os_file.h"
#include "base/str.h"
#include "cli/output.h"
#include "cli/places.h"
#include "emit/object.h"
#include "emit/standalone.h"

static const char *const NAMES[EMIT_COUNT] = {
    [EMIT_IMAGE] = "image",
    [EMIT_OBJECT] = "obj",
    [EMIT_EXE] = "exe",
    [EMIT_STATIC_EXE] = "static-exe",
};

EmitKind cli_emit_kind(const char *name) {
    EmitKind kind = EMIT_IMAGE;
    while (kind != EMIT_COUNT && strcmp(NAMES[kind], name) != 0) {
        kind++;
    }
    return kind;
}

bool cli_emits_program(EmitKind kind) { return kind == EMIT_EXE || kind == EMIT_STATIC_EXE; }

// "imago_image_NAME", of the output's name without folders and ending, as C can write it.
static void symbol_of(const char *output, char *symbol, usize bytes) {
    const char *slash = strrchr(output, '/');
    (void)snprintf(symbol, bytes, "imago_image_%s", slash != NULL ? slash + 1 : output);
    char *dot = strrchr(symbol, '.');
    if (dot != NULL) {
        *dot = 0;
    }
    for (char *at = symbol; *at != 0; at++) {
        const bool is_word = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                             (*at >= '0' && *at <= '9');
        *at = is_word ? *at : '_';
    }
}

static bool write_object(const Image *image, const char *output, Error *err) {
    char symbol[256];
    symbol_of(output, symbol, sizeof symbol);
    Writer out = {0};
    emit_object(image, symbol, &out);
    const bool is_ok = out.failed ? fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory")
                                  : cli_output_write(output, out.at, out.count, err);
    writer_free(&out);
    return is_ok;
}

static bool write_standalone(const Image *image, const char *const *words, const char *output,
                             Error *err) {
    char path[PLACE_MAX_BYTES];
    FileBytes launcher;
    if (!cli_place_of("imago-launcher", path)) {
        return fail(err, UNSUPPORTED, ERROR_NO_OFFSET,
                    "stand-alone programs need imago-launcher (made where musl-gcc is), and there "
                    "is none in %s",
                    cli_place_text(path));
    }
    TRY(file_read(&launcher, path, err));
    Writer out = {0};
    const Str bytes = {(const char *)launcher.at, launcher.count};
    const bool is_ok = emit_standalone(bytes, image, words, &out, err) &&
                       cli_output_write_program(output, out.at, out.count, err);
    writer_free(&out);
    file_release(&launcher);
    return is_ok;
}

static bool check_platform(const Image *image, Error *err) {
    return image->platform == PLATFORM_HERE ||
           fail(err, USAGE, ERROR_NO_OFFSET, "objects and programs are made for %s only",
                PLATFORMS[PLATFORM_HERE].name);
}

static bool check_is_program(const Image *image, Error *err) {
    ImageExport start;
    return (image_export_find(image, STR("_start"), &start) && start.kind == EXTERN_FUNC) ||
           fail(err, INVALID, ERROR_NO_OFFSET,
                "the module exports no function '_start', so it is no program");
}

static bool write_kind(EmitKind kind, const Image *image, const char *const *words,
                       const char *output, Error *err) {
    TRY(check_platform(image, err));
    TRY(!cli_emits_program(kind) || check_is_program(image, err));
    switch (kind) {
    case EMIT_OBJECT: return write_object(image, output, err);
    case EMIT_STATIC_EXE: return write_standalone(image, words, output, err);
    case EMIT_IMAGE:
    case EMIT_EXE:
    case EMIT_COUNT: return cli_output_write_program(output, image->bytes, image->byte_count, err);
    }
    return false;
}

bool cli_emit(EmitKind kind, int fd, const char *const *words, const char *output, Error *err) {
    char path[40];
    FileBytes bytes;
    Image image;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    TRY(file_read(&bytes, path, err));
    const bool is_ok = image_parse(&image, bytes.at, bytes.count, err) &&
                       write_kind(kind, &image, words, output, err);
    file_release(&bytes);
    return is_ok;
}
