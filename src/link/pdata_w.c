// .pdata and .xdata: unwinding on Windows ("x64 exception handling" in Microsoft's documentation of
// C++). A RUNTIME_FUNCTION for each piece of text; the UNWIND_INFO that it names is made from the
// rows that .eh_frame is made from, and shared by all functions that start alike.
//
// The unwinder undoes the codes of a prologue in reverse, as many as lie before the address that it
// has. It knows no rows behind the prologue: at the end of a function it reads the code, and takes
// a return, with or without pops before it, for the rest of the epilogue. `leave` it does not know,
// and need not: up to there the frame stands, behind it is the return.
//
// Saved registers lie below the frame pointer, where codes cannot refer to: the frame base, from
// which they count, is the frame pointer less up to 240 bytes. So the first bytes of the frame
// count as allocated when the frame pointer is set, and what is below them as allocated later,
// which needs no code.
#include "base/check.h"
#include "image/pe_format.h"
#include "link/link_int.h"

enum { OP_PUSH = 0, OP_ALLOC_SMALL = 2, OP_SET_FRAME = 3, OP_SAVE = 4 };
enum { DWARF_BP = 6, DWARF_SP = 7, UNWIND_VERSION = 1, MAX_CODES = 15, FRAME_UNIT = 16 };
enum { MAX_ALLOC_SMALL = 128 };

// Windows' numbers of the registers by DWARF's: those of the instruction set.
static const u8 REGISTERS[16] = {0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};

typedef struct Code {
    u8 at, op, info; // where the instruction ends
    u16 operand;     // of OP_SAVE
} Code;

// What a prologue does, in its order.
typedef struct Prologue {
    Code codes[MAX_CODES];
    u32 count, bytes;
    u32 cfa;        // distance of the CFA from the stack pointer, later from the frame pointer
    u32 frame_base; // distance of the CFA from the frame base; 0: no frame
    bool failed;    // there are no codes for it
} Prologue;

static void add_code(Prologue *p, u32 at, u32 op, u32 info, u32 operand) {
    p->failed |= p->count == MAX_CODES || at > UINT8_MAX || info > 15 || operand > UINT16_MAX;
    if (!p->failed) {
        p->codes[p->count++] = (Code){(u8)at, (u8)op, (u8)info, (u16)operand};
        p->bytes = at;
    }
}

static void allocate(Prologue *p, u32 at, u32 bytes) {
    p->failed |= bytes > MAX_ALLOC_SMALL || bytes % 8 != 0;
    if (bytes != 0) {
        add_code(p, at, OP_ALLOC_SMALL, bytes / 8 - 1, 0);
    }
}

static bool ends_prologue(const UnwindRow *row) {
    return row->op == UNWIND_REMEMBER || (row->op == UNWIND_CFA_REG && row->reg == DWARF_SP);
}

// Size of the part of the frame that saved registers are in.
static u32 saved_bytes(const UnwindRow *rows, u32 count, u32 cfa) {
    u32 most = cfa;
    for (u32 i = 0; i < count && !ends_prologue(&rows[i]); i++) {
        const u32 value = rows[i].op == UNWIND_SAVE ? rows[i].value : 0;
        most = value > most ? value : most;
    }
    return (u32)align_up(most - cfa, FRAME_UNIT);
}

// `rows` start with the one that sets the frame pointer.
static void set_frame(Prologue *p, const UnwindRow *rows, u32 count) {
    const u32 bytes = saved_bytes(rows, count, p->cfa);
    p->failed |= rows->reg != DWARF_BP || rows->value != p->cfa || p->frame_base != 0;
    p->frame_base = p->cfa + bytes;
    allocate(p, rows->offset, bytes);
    add_code(p, rows->offset, OP_SET_FRAME, 0, 0);
}

static void save(Prologue *p, const UnwindRow *row) {
    p->failed |= p->frame_base < row->value || row->reg >= COUNT_OF(REGISTERS);
    if (!p->failed) {
        add_code(p, row->offset, OP_SAVE, REGISTERS[row->reg], (p->frame_base - row->value) / 8);
    }
}

// The stack pointer moves: a push, if what comes next is that a register is saved there.
static bool move_stack(Prologue *p, const UnwindRow *rows, u32 count) {
    const u32 bytes = rows->value - p->cfa;
    p->failed |= p->frame_base != 0;
    p->cfa = rows->value;
    const bool is_push = bytes == 8 && count > 1 && rows[1].op == UNWIND_SAVE &&
                         rows[1].offset == rows->offset && rows[1].value == p->cfa &&
                         rows[1].reg < COUNT_OF(REGISTERS);
    if (is_push) {
        add_code(p, rows->offset, OP_PUSH, REGISTERS[rows[1].reg], 0);
    } else {
        allocate(p, rows->offset, bytes);
    }
    return is_push;
}

static void read_prologue(Prologue *p, const UnwindRow *rows, u32 count) {
    *p = (Prologue){.cfa = 8};
    for (u32 i = 0; i < count && !ends_prologue(&rows[i]); i++) {
        switch (rows[i].op) {
        case UNWIND_CFA_OFFSET: i += move_stack(p, rows + i, count - i); break;
        case UNWIND_CFA_REG: set_frame(p, rows + i, count - i); break;
        case UNWIND_SAVE: save(p, &rows[i]); break;
        default: p->failed = true;
        }
    }
}

// Appends the UNWIND_INFO; its codes stand in reverse.
static void write_info(Writer *w, const Prologue *p) {
    u32 slots = 0;
    for (u32 i = 0; i < p->count; i++) {
        slots += p->codes[i].op == OP_SAVE ? 2 : 1;
    }
    const u32 frame_units = p->frame_base != 0 ? (p->frame_base - p->cfa) / FRAME_UNIT : 0;
    const u32 frame_register = p->frame_base != 0 ? REGISTERS[DWARF_BP] : 0;
    write_u8(w, UNWIND_VERSION);
    write_u8(w, (u8)p->bytes);
    write_u8(w, (u8)slots);
    write_u8(w, (u8)(frame_units << 4 | frame_register));
    for (u32 i = p->count; i-- != 0;) {
        write_u8(w, p->codes[i].at);
        write_u8(w, (u8)(p->codes[i].info << 4 | p->codes[i].op));
        if (p->codes[i].op == OP_SAVE) {
            write_u16(w, p->codes[i].operand);
        }
    }
    write_align(w, 4);
}

typedef VEC(u32) InfoList;

// Offset of the last UNWIND_INFO of .xdata, or of one before that is equal, which replaces it.
static u32 share_info(Writer *w, InfoList *infos, u32 at) {
    const usize bytes = w->count - at;
    for (usize i = 0; i < infos->count && !w->failed; i++) {
        const u32 other = infos->at[i];
        if (other + bytes <= at && memcmp(w->at + other, w->at + at, bytes) == 0) {
            w->count = at;
            return other;
        }
    }
    w->failed |= !vec_push(infos, at);
    return at;
}

typedef struct Tables {
    Writer *functions, *infos;
    InfoList info_list;
    u32 text_at, infos_at; // addresses
} Tables;

static bool write_function(Linker *linker, Tables *tables, const TextPiece *piece) {
    Prologue prologue;
    read_prologue(&prologue, NULL, 0);
    if (piece->blob != ID_NONE) {
        const CodeBlob *blob = &linker->input->blobs[piece->blob];
        read_prologue(&prologue, blob_unwind(linker, blob), blob->unwind_count);
    }
    if (prologue.failed) {
        return fail(linker->err, INTERNAL, ERROR_NO_OFFSET,
                    "code blob %u: a prologue that Windows has no unwind codes for", piece->blob);
    }
    const u32 begin = tables->text_at + (u32)piece->at, info_at = (u32)tables->infos->count;
    write_info(tables->infos, &prologue);
    write_u32(tables->functions, begin);
    write_u32(tables->functions, begin + piece->bytes);
    write_u32(tables->functions,
              tables->infos_at + share_info(tables->infos, &tables->info_list, info_at));
    return true;
}

bool pdata_write(Linker *linker) {
    // .pdata starts in the page behind the text, .xdata in the page behind that.
    const u64 text_at = linker->section_at[SECTION_TEXT];
    const u64 functions_at = align_up(text_at + linker->text_bytes, IMAGE_PAGE_BYTES);
    const u64 functions_end = functions_at + (u64)linker->piece_count * sizeof(PeFunction);
    Tables tables = {.functions = &linker->sections[SECTION_PDATA],
                     .infos = &linker->sections[SECTION_XDATA],
                     .text_at = (u32)text_at,
                     .infos_at = (u32)align_up(functions_end, IMAGE_PAGE_BYTES)};
    bool ok = true;
    for (u32 i = 0; ok && i < linker->piece_count; i++) {
        ok = write_function(linker, &tables, &linker->pieces[i]);
    }
    vec_free(&tables.info_list);
    // The file ends with a whole page.
    write_u32(tables.infos, 0);
    write_align(tables.infos, IMAGE_PAGE_BYTES);
    return ok;
}
