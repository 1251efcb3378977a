// imago inspect: what an image is, how large its sections are, and what its tables hold.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/report.h"
#include "cli/view.h"
#include "image/sections.h"
#include "types/cpu.h"

enum { DEFAULT_COLUMNS = 80, LEAST_COLUMNS = 20, MOST_COLUMNS = 500, ROWS_SHOWN = 20 };

typedef struct Inspect {
    const Image *image;
    bool lists_all; // not only the first rows of each table
    u32 columns;    // of a line
    bool cuts;      // lines at that column: there is a terminal that would wrap them
    char line[1024]; // that is being put together
    usize used;
} Inspect;

// ---- Lines -------------------------------------------------------------------------------------

// Of the terminal, if there is one; $COLUMNS goes before.
static void find_columns(Inspect *in) {
    struct winsize window;
    const char *columns = getenv("COLUMNS");
    u64 found = columns != NULL ? strtoull(columns, NULL, 10) : 0;
    if (found == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0) {
        found = window.ws_col;
    }
    in->cuts = found != 0;
    found = found != 0 ? found : DEFAULT_COLUMNS;
    found = found < MOST_COLUMNS ? found : MOST_COLUMNS;
    in->columns = found > LEAST_COLUMNS ? (u32)found : LEAST_COLUMNS;
}

__attribute__((format(printf, 2, 3))) static void put(Inspect *in, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int bytes = vsnprintf(in->line + in->used, sizeof in->line - in->used, format, args);
    va_end(args);
    const usize used = in->used + (bytes > 0 ? (usize)bytes : 0);
    in->used = used < sizeof in->line ? used : sizeof in->line - 1;
}

static void end_line(Inspect *in) {
    if (in->cuts && in->used > in->columns) {
        printf("%.*s...\n", (int)in->columns - 3, in->line);
    } else {
        puts(in->line);
    }
    in->line[0] = 0;
    in->used = 0;
}

static void put_str(Inspect *in, Str text) {
    char printable[256];
    put(in, "%s", str_printable(text, printable, sizeof printable));
}

static void put_type(Inspect *in, u32 type) {
    char text[512];
    put(in, "%s", cli_type_text(in->image, type, text, sizeof text));
}

static void put_limits(Inspect *in, const Limits *limits) {
    if (limits->has_max) {
        put(in, "%" PRIu32 " to %" PRIu32, limits->min, limits->max);
    } else {
        put(in, "%" PRIu32 " or more", limits->min);
    }
}

static void put_const(Inspect *in, const ConstExpr *value) {
    switch (value->kind) {
    case CONST_VALUE:
        if (value->type == VAL_V128) {
            put(in, "0x%016" PRIx64 "%016" PRIx64, value->high, value->low);
        } else if (value->type == VAL_F32 || value->type == VAL_F64) {
            put(in, "0x%" PRIx64 " (bits)", value->low);
        } else {
            put(in, "%" PRIu64, value->low);
        }
        break;
    case CONST_GLOBAL: put(in, "global %" PRIu32, value->index); break;
    case CONST_REF_NULL: put(in, "null"); break;
    case CONST_REF_FUNC: put(in, "function %" PRIu32, value->index); break;
    }
}

// ---- What it is --------------------------------------------------------------------------------

static void show_needs(Inspect *in) {
    char names[128];
    const u64 needed = in->image->cpu_features;
    const u64 missing = needed & ~cpu_features_here();
    put(in, "  needs     x86-64 %s", cpu_feature_names(needed, names, sizeof names));
    if (missing != 0) {
        put(in, " (this processor lacks %s)", cpu_feature_names(missing, names, sizeof names));
    }
    end_line(in);
}

static void show_padding(Inspect *in) {
    const u64 total = in->image->text_bytes;
    u64 padding;
    if (image_text_padding(in->image, &padding)) {
        put(in, "  padding   %" PRIu64 " bytes, %.1f %% of the text", padding,
            100.0 * (f64)padding / (f64)(total != 0 ? total : 1));
        end_line(in);
    }
}

static void show_facts(Inspect *in) {
    const Image *image = in->image;
    u8 id[IMAGE_BUILD_ID_BYTES];
    put(in, "  format    %d, for %s", IMAGE_FORMAT, PLATFORMS[image->platform].name);
    end_line(in);
    put(in, "  made by   ");
    const Str producer = image_producer(image);
    put_str(in, producer.count != 0 ? producer : STR("unknown"));
    end_line(in);
    show_needs(in);
    if (image_build_id(image, id)) {
        put(in, "  build-id  ");
        for (u32 i = 0; i < sizeof id; i++) {
            put(in, "%02x", id[i]);
        }
        end_line(in);
    }
    if (image_name(image).count != 0) {
        put(in, "  module    ");
        put_str(in, image_name(image));
        end_line(in);
    }
    if (image->start_func != ID_NONE) {
        put(in, "  start     function %" PRIu32, image->start_func);
        end_line(in);
    }
    show_padding(in);
}

// ---- Sections ----------------------------------------------------------------------------------

enum { BAR_COLUMN = 43 };

// All bars have one scale: `most` bytes fill the line.
static void show_bar(Inspect *in, const char *name, u64 bytes, u64 most) {
    const u64 total = in->image->byte_count;
    put(in, "  %-20s %10" PRIu64 " %5.1f %%  ", name, bytes,
        100.0 * (f64)bytes / (f64)(total != 0 ? total : 1));
    const u64 room = in->columns > BAR_COLUMN ? in->columns - BAR_COLUMN : 0;
    const u64 length = most != 0 ? (bytes * room + most - 1) / most : 0;
    for (u64 i = 0; i < length; i++) {
        put(in, "#");
    }
    end_line(in);
}

// Sections by their place in the file; *end is where those before end. False: its bytes are
// another's, as .strtab's are .dynstr's.
static bool has_own_bytes(const ImageSection *section, u64 *end) {
    if (section->offset < *end && section->bytes != 0) {
        return false;
    }
    *end = section->bytes != 0 ? section->offset + section->bytes : *end;
    return true;
}

static void show_sections(Inspect *in) {
    const Image *image = in->image;
    const u32 count = image_section_count(image);
    u64 most = 0, rest = image->byte_count, end = 0;
    for (u32 i = 1; i < count; i++) {
        const ImageSection section = image_section(image, i);
        const u64 bytes = has_own_bytes(&section, &end) ? section.bytes : 0;
        most = bytes > most ? bytes : most;
        rest -= bytes < rest ? bytes : rest;
    }
    most = rest > most ? rest : most;
    puts("\nsections");
    end = 0;
    for (u32 i = 1; i < count; i++) {
        const ImageSection section = image_section(image, i);
        char name[40];
        (void)str_printable(section.name, name, sizeof name);
        if (has_own_bytes(&section, &end)) {
            show_bar(in, name, section.bytes, most);
        } else {
            put(in, "  %-20s %10" PRIu64 "          in one of the above", name, section.bytes);
            end_line(in);
        }
    }
    show_bar(in, "headers and padding", rest, most);
}

static void show_stack_maps(Inspect *in) {
    u32 calls, slots;
    if (image_refs_count(in->image, &calls, &slots)) {
        printf("\nstack maps: %" PRIu32 " calls that frames with externrefs make, %" PRIu32
               " slots in their lists\n",
               calls, slots);
    }
}

// ---- Tables ------------------------------------------------------------------------------------

static void put_extern(Inspect *in, const ImageExternType *type) {
    switch (type->kind) {
    case EXTERN_FUNC: put_type(in, type->type); break;
    case EXTERN_TABLE:
        put_limits(in, &type->table.limits);
        put(in, " %s", val_name(type->table.elem));
        break;
    case EXTERN_MEMORY:
        put_limits(in, &type->memory);
        put(in, " pages");
        break;
    case EXTERN_GLOBAL:
        put(in, "%s%s", type->global.is_mutable ? "mutable " : "", val_name(type->global.type));
        break;
    }
}

static const char *kind_name(ExternKind kind) {
    static const char *const NAMES[] = {[EXTERN_FUNC] = "function", [EXTERN_TABLE] = "table",
                                        [EXTERN_MEMORY] = "memory", [EXTERN_GLOBAL] = "global"};
    return NAMES[kind];
}

static void show_type(Inspect *in, u32 i) {
    const ImageType type = image_type(in->image, i);
    put_type(in, i);
    if (type.canonical != i) {
        put(in, ", the same as %" PRIu32, type.canonical);
    }
}

static void show_import(Inspect *in, u32 i) {
    const ImageImport item = image_import(in->image, i);
    put(in, "%-8s  ", kind_name(item.type.kind));
    put_str(in, item.module);
    put(in, ".");
    put_str(in, item.name);
    put(in, "  ");
    put_extern(in, &item.type);
}

static void show_export(Inspect *in, u32 i) {
    const ImageExport item = image_export(in->image, i);
    const ImageExternType type = image_extern_type(in->image, item.kind, item.index);
    put(in, "%-8s %6" PRIu32 "  ", kind_name(item.kind), item.index);
    put_str(in, item.name);
    put(in, "  ");
    put_extern(in, &type);
}

static void show_func(Inspect *in, u32 i) {
    const ImageFunc func = image_func(in->image, i);
    if (func.text_offset == ID_NONE) {
        put(in, "  import         -  ");
    } else {
        put(in, "%8" PRIx32 "  %8" PRIu32 "  ", func.text_offset, func.text_bytes);
    }
    char name[256];
    put(in, "%s  ", cli_func_name(in->image, i, name, sizeof name));
    put_type(in, func.type);
}

static void show_table(Inspect *in, u32 i) {
    const ImageTableInfo table = image_table(in->image, i);
    put_extern(in, &(ImageExternType){.kind = EXTERN_TABLE, .table = table.type});
    put(in, "%s", table.is_frozen ? ", never written" : "");
}

static void show_memory(Inspect *in, u32 i) {
    ImageSnapshot snapshot;
    const Limits limits = image_memory(in->image, i);
    put_extern(in, &(ImageExternType){.kind = EXTERN_MEMORY, .memory = limits});
    if (i == 0 && image_snapshot(in->image, &snapshot)) {
        put(in, ", %" PRIu64 " bytes at 0x%" PRIx64 " mapped from the image", snapshot.bytes,
            snapshot.address);
    }
}

static void show_global(Inspect *in, u32 i) {
    const ImageGlobal global = image_global(in->image, i);
    put_extern(in, &(ImageExternType){.kind = EXTERN_GLOBAL, .global = global.type});
    if (i >= in->image->global_import_count) {
        put(in, " = ");
        put_const(in, &global.init);
    }
}

static void show_data(Inspect *in, u32 i) {
    const ImageData data = image_data(in->image, i);
    put(in, "%zu bytes, ", data.bytes.count);
    if (data.mode == SEGMENT_PASSIVE) {
        put(in, "passive");
        return;
    }
    put(in, "memory %" PRIu32 " at ", data.memory);
    put_const(in, &data.offset);
    put(in, "%s", data.is_in_snapshot ? ", in the snapshot" : "");
}

static void show_elem(Inspect *in, u32 i) {
    const ImageElem elem = image_elem(in->image, i);
    put(in, "%" PRIu32 " of %s, ", elem.count, val_name(elem.type));
    if (elem.mode != SEGMENT_ACTIVE) {
        put(in, "%s", elem.mode == SEGMENT_PASSIVE ? "passive" : "declared");
        return;
    }
    put(in, "table %" PRIu32 " at ", elem.table);
    put_const(in, &elem.offset);
    put(in, "%s", elem.is_in_frozen_table ? ", in the frozen table" : elem.is_lazy ? ", lazy" : "");
}

static const struct {
    const char *name;
    usize table; // offset of the ImageTable in Image
    void (*show)(Inspect *in, u32 i);
} TABLES[] = {
    {"types", offsetof(Image, types), show_type},
    {"imports", offsetof(Image, imports), show_import},
    {"exports", offsetof(Image, exports), show_export},
    {"memories", offsetof(Image, memories), show_memory},
    {"tables", offsetof(Image, tables), show_table},
    {"globals", offsetof(Image, globals), show_global},
    {"data segments", offsetof(Image, datas), show_data},
    {"element segments", offsetof(Image, elems), show_elem},
    {"functions", offsetof(Image, funcs), show_func},
};

static void show_rows(Inspect *in, u32 i) {
    ImageTable table;
    memcpy(&table, (const char *)in->image + TABLES[i].table, sizeof table);
    printf("\n%s: %" PRIu32 "\n", TABLES[i].name, table.count);
    const u32 shown = in->lists_all || table.count <= ROWS_SHOWN ? table.count : ROWS_SHOWN;
    for (u32 row = 0; row < shown; row++) {
        put(in, "  %6" PRIu32 "  ", row);
        TABLES[i].show(in, row);
        end_line(in);
    }
    if (shown < table.count) {
        printf("     ... %" PRIu32 " more (--all)\n", table.count - shown);
    }
}

// ---- The command -------------------------------------------------------------------------------

static int show(void *env, const char *path, const Image *image) {
    Inspect *in = env;
    in->image = image;
    printf("%s: image of %" PRIu64 " bytes\n", path, image->byte_count);
    show_facts(in);
    show_sections(in);
    show_stack_maps(in);
    for (u32 i = 0; i < COUNT_OF(TABLES); i++) {
        show_rows(in, i);
    }
    return 0;
}

static bool take_option(Inspect *in, ViewArgs *view, Args *args) {
    const OptionId id = args_next(args);
    if (id == OPT_ALL) {
        in->lists_all = true;
        return true;
    }
    return cli_view_option(view, args, id);
}

int cli_inspect(Args *args) {
    Inspect in = {0};
    ViewArgs view = cli_view_args(CMD_INSPECT);
    find_columns(&in);
    while (take_option(&in, &view, args)) {
    }
    return view.is_complete ? cli_view(&view, show, &in) : args->status;
}
