// imago objdump: sections, functions and code of an image. What binutils cannot show stands beside
// the code: offsets of the WebAssembly file, the instructions that may trap, and where references
// are during calls.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/vec.h"
#include "cli/disasm.h"
#include "cli/report.h"
#include "cli/view.h"
#include "image/sections.h"

enum { TYPE_TEXT_BYTES = 1024 };

// A piece of the text that has a name: a function or a stub.
typedef struct Piece {
    u32 start, end; // text offsets
    u32 index;      // function index, or type index of a stub
    const char *kind; // "function", "entry stub", "exit stub"
} Piece;

typedef VEC(Piece) PieceVec;

typedef struct Dump {
    const Image *image;
    PieceVec pieces; // by start
    Disasm *disasm;  // NULL: bytes are shown
    bool lists_funcs_only;
    const char *func; // NULL: all
} Dump;

// ---- Sections ----------------------------------------------------------------------------------

static void print_sections(const Image *image) {
    const u32 count = image_section_count(image);
    if (count == 0) {
        puts("no section table\n");
        return;
    }
    puts("sections:\n  file offset       bytes  name");
    for (u32 i = 1; i < count; i++) {
        const ImageSection section = image_section(image, i);
        char name[80];
        printf("  %11" PRIx64 " %11" PRIu64 "  %s\n", section.offset, section.bytes,
               str_printable(section.name, name, sizeof name));
    }
    putchar('\n');
}

// ---- Functions and stubs -----------------------------------------------------------------------

static int by_start(const void *a, const void *b) {
    const Piece *left = a, *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

static bool add_piece(Dump *dump, u32 start, u32 bytes, u32 index, const char *kind) {
    if (!range_fits(start, bytes, dump->image->text_bytes)) {
        return true; // not there
    }
    return vec_push(&dump->pieces, (Piece){start, start + bytes, index, kind});
}

// Collects what the text consists of. False: out of memory.
static bool collect_pieces(Dump *dump) {
    const Image *image = dump->image;
    for (u32 i = image->func_import_count; i < image->func_count; i++) {
        const ImageFunc func = image_func(image, i);
        TRY(add_piece(dump, func.text_offset, func.text_bytes, i, "function"));
    }
    for (u32 i = 0; i < image->types.count; i++) {
        const ImageType type = image_type(image, i);
        if (type.canonical == i) {
            TRY(add_piece(dump, type.entry_stub, 0, i, "entry stub"));
            TRY(add_piece(dump, type.exit_stub, 0, i, "exit stub"));
        }
    }
    if (dump->pieces.count != 0) {
        qsort(dump->pieces.at, dump->pieces.count, sizeof *dump->pieces.at, by_start);
    }
    // A stub's length is not recorded: it ends where the next piece starts.
    for (usize i = 0; i < dump->pieces.count; i++) {
        Piece *piece = &dump->pieces.at[i];
        if (piece->end == piece->start) {
            const bool is_last = i + 1 == dump->pieces.count;
            piece->end = is_last ? dump->image->text_bytes : dump->pieces.at[i + 1].start;
        }
    }
    return true;
}

// "name" of a function, or what else there is to call a piece.
static const char *piece_name(const Dump *dump, const Piece *piece, char *out, usize out_bytes) {
    if (piece->kind[0] == 'f') {
        return cli_func_name(dump->image, piece->index, out, out_bytes);
    }
    (void)snprintf(out, out_bytes, "%s of type %" PRIu32, piece->kind, piece->index);
    return out;
}

static void print_funcs(const Dump *dump) {
    const Image *image = dump->image;
    printf("functions: %" PRIu32 ", of them imported: %" PRIu32 "\n"
           "   index    offset     bytes  name, type\n",
           image->func_count, image->func_import_count);
    for (u32 i = 0; i < image->func_count; i++) {
        const ImageFunc func = image_func(image, i);
        char name[256], type[TYPE_TEXT_BYTES];
        (void)cli_func_name(image, i, name, sizeof name);
        if (func.text_offset == ID_NONE) {
            printf("  %6" PRIu32 "    import         -  %s ", i, name);
        } else {
            printf("  %6" PRIu32 "  %8" PRIx32 "  %8" PRIu32 "  %s ", i, func.text_offset,
                   func.text_bytes, name);
        }
        puts(cli_type_text(image, func.type, type, sizeof type));
    }
    putchar('\n');
}

// ---- Code --------------------------------------------------------------------------------------

// The piece that starts at `start`, or NULL.
static const Piece *piece_at(const Dump *dump, u64 start) {
    usize low = 0, high = dump->pieces.count;
    while (low < high) {
        const usize middle = low + (high - low) / 2;
        if (dump->pieces.at[middle].start < start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool found = low < dump->pieces.count && dump->pieces.at[low].start == start;
    return found ? &dump->pieces.at[low] : NULL;
}

// Frame slots that hold externrefs during the call whose last byte is at `offset`.
static bool print_refs(const Dump *dump, u32 offset, int blanks) {
    ImageRefs refs;
    i32 slot;
    if (!image_refs_at(dump->image, offset, &refs)) {
        return false;
    }
    printf("%*s; externrefs at", blanks, "");
    while (image_refs_next(&refs, &slot)) {
        printf(" rbp%+" PRId32, slot);
    }
    return true;
}

// What the image records about the instruction: its trap, the call whose return address follows, or
// that it is the first of a WebAssembly instruction.
//   blanks   before the first note
static void print_notes(const Dump *dump, u32 offset, const DisasmLine *line, int blanks) {
    const Image *image = dump->image;
    TrapKind trap;
    u32 wasm_offset = 0;
    const u32 next = offset + line->bytes;
    const bool is_trap = image_trap_at(image, offset, &trap);
    const bool is_call = line->is_call && !is_trap && image_func_at(image, offset) != ID_NONE;
    const bool is_start = !is_call && image_instruction_starts(image, offset);
    if (is_trap) {
        printf("%*s; trap: %s", blanks, "", trap_name(trap));
        blanks = 1;
    }
    if (((is_trap || is_start) && image_wasm_offset_at(image, offset, &wasm_offset)) ||
        (is_call && image_wasm_offset_at(image, next - 1, &wasm_offset))) {
        printf("%*s; wasm 0x%" PRIx32, blanks, "", wasm_offset);
        blanks = 1;
    }
    if (is_call && print_refs(dump, next - 1, blanks)) {
        blanks = 1;
    }
    const Piece *target = line->has_target ? piece_at(dump, line->target) : NULL;
    if (target != NULL) {
        char name[128];
        printf("%*s; -> %s", blanks, "", piece_name(dump, target, name, sizeof name));
    }
}

static void print_line(const Dump *dump, u32 offset, const DisasmLine *line) {
    const u8 *code = dump->image->text + offset;
    printf("%8" PRIx32 ":  ", offset);
    for (u32 i = 0; i < 10; i++) {
        if (i < line->bytes) {
            printf("%02x ", code[i]);
        } else {
            printf("   ");
        }
    }
    if (line->mnemonic[0] != 0) {
        printf(" %-8s %s", line->mnemonic, line->operands);
    }
    const int operand_bytes = (int)strlen(line->operands);
    print_notes(dump, offset, line, operand_bytes < 32 ? 33 - operand_bytes : 1);
    putchar('\n');
}

// Without a disassembler: lines of up to eight bytes that end where something is recorded.
static void next_bytes(const Dump *dump, u32 offset, u32 end, DisasmLine *line) {
    TrapKind trap;
    *line = (DisasmLine){.bytes = 1};
    while (line->bytes < 8 && offset + line->bytes < end &&
           !image_trap_at(dump->image, offset + line->bytes, &trap) &&
           !image_instruction_starts(dump->image, offset + line->bytes)) {
        line->bytes++;
    }
}

static void print_code(const Dump *dump, const Piece *piece) {
    char name[256];
    printf("%08" PRIx32 " <%s>", piece->start, piece_name(dump, piece, name, sizeof name));
    if (piece->kind[0] == 'f') {
        char type[TYPE_TEXT_BYTES];
        printf(" index %" PRIu32 " %s", piece->index,
               cli_type_text(dump->image, image_func(dump->image, piece->index).type, type,
                             sizeof type));
    }
    puts(":");
    DisasmLine line;
    for (u32 offset = piece->start; offset < piece->end; offset += line.bytes) {
        if (dump->disasm != NULL) {
            disasm_at(dump->disasm, dump->image->text + offset, piece->end - offset, offset, &line);
        } else {
            next_bytes(dump, offset, piece->end, &line);
        }
        print_line(dump, offset, &line);
    }
    putchar('\n');
}

static bool is_wanted(const Dump *dump, const Piece *piece) {
    if (dump->func == NULL) {
        return true;
    }
    char *end = NULL;
    const u64 index = strtoull(dump->func, &end, 10);
    const bool is_index = *end == 0 && index == piece->index;
    char made[32];
    Str name = image_func_name(dump->image, piece->index);
    name = name.count != 0
               ? name
               : str_of(cli_func_name(dump->image, piece->index, made, sizeof made));
    return piece->kind[0] == 'f' && (is_index || str_equal(name, str_of(dump->func)));
}

// False: --func names no function.
static bool print_all_code(const Dump *dump) {
    bool found = dump->func == NULL;
    for (usize i = 0; i < dump->pieces.count; i++) {
        if (is_wanted(dump, &dump->pieces.at[i])) {
            print_code(dump, &dump->pieces.at[i]);
            found = true;
        }
    }
    return found;
}

// ---- The command -------------------------------------------------------------------------------

static int unknown_func(const Dump *dump, const char *path) {
    char nearest[64] = "", printable[64];
    u32 best = 4;
    for (u32 i = 0; i < dump->image->func_count; i++) {
        (void)cli_func_name(dump->image, i, printable, sizeof printable);
        const u32 distance = str_distance(dump->func, printable, best);
        if (distance < best) {
            best = distance;
            memcpy(nearest, printable, sizeof nearest);
        }
    }
    if (nearest[0] != 0) {
        return cli_error(EXIT_USAGE, "%s: no function '%s', did you mean '%s'?", path, dump->func,
                         nearest);
    }
    return cli_error(EXIT_USAGE, "%s: no function '%s'", path, dump->func);
}

static int print_image(void *env, const char *path, const Image *image) {
    Dump *dump = env;
    dump->image = image;
    if (!collect_pieces(dump)) {
        return cli_error(error_exit_code(IMAGO_ERROR_NO_MEMORY), "%s: out of memory", path);
    }
    if (dump->func == NULL) {
        printf("%s: image of %" PRIu64 " bytes, text of %" PRIu32 "\n\n", path, image->byte_count,
               image->text_bytes);
        print_sections(image);
        print_funcs(dump);
    }
    if (dump->lists_funcs_only) {
        return 0;
    }
    dump->disasm = disasm_open();
    if (dump->disasm == NULL) {
        fputs("imago: note: built without Capstone, showing bytes\n", stderr);
    }
    const bool found = print_all_code(dump);
    disasm_close(dump->disasm);
    return found ? 0 : unknown_func(dump, path);
}

// One option or operand; false as cli_view_option says.
static bool take_option(Dump *dump, ViewArgs *view, Args *args) {
    const OptionId id = args_next(args);
    switch ((int)id) {
    case OPT_FUNCS:
        dump->lists_funcs_only = true;
        return true;
    case OPT_FUNC:
        dump->func = args->value;
        return true;
    default:
        return cli_view_option(view, args, id);
    }
}

int cli_objdump(Args *args) {
    disasm_hand_over(args->at);
    Dump dump = {0};
    ViewArgs view = cli_view_args(CMD_OBJDUMP);
    while (take_option(&dump, &view, args)) {
    }
    const int status = view.is_complete ? cli_view(&view, print_image, &dump) : args->status;
    vec_free(&dump.pieces);
    return status;
}
