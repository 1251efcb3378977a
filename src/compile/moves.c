// See moves.h. All records ascend, so each list is followed along the late uses.
#include "compile/moves.h"

static void move_fixups(Fixup *fixups, usize count, CodeMoves moves) {
    for (usize i = 0; i < count; i++) {
        fixups[i].offset = code_moved(&moves, fixups[i].offset);
    }
}

static void move_sites(Site *sites, usize count, CodeMoves moves) {
    for (usize i = 0; i < count; i++) {
        sites[i].offset = code_moved(&moves, sites[i].offset) & (BLOB_MAX_BYTES - 1);
    }
}

static void move_unwind(UnwindRow *rows, usize count, CodeMoves moves) {
    for (usize i = 0; i < count; i++) {
        rows[i].offset = code_moved(&moves, rows[i].offset);
    }
}

void records_settle(FinalRecords *records, const CodeOutput *out) {
    records->fixups = (u32)out->fixups.count;
    records->sites = (u32)out->sites.count;
    records->unwind = (u32)out->unwind.count;
}

void records_follow(FinalRecords *records, CodeOutput *out, const CodeBuffer *code) {
    const CodeMoves moves = code_moves(code);
    move_fixups(out->fixups.at + records->fixups, out->fixups.count - records->fixups, moves);
    move_sites(out->sites.at + records->sites, out->sites.count - records->sites, moves);
    move_unwind(out->unwind.at + records->unwind, out->unwind.count - records->unwind, moves);
    records_settle(records, out);
}
