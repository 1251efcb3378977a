// .eh_frame and .eh_frame_hdr (Linux Standard Base, 10.6): a CIE, a FDE a piece of text, a
// terminator, and the table that unwinders search. Exit stubs have a CIE of their own that makes
// them signal frames: their callees run on another stack, and only behind a signal frame does gdb
// expect that. All references are relative to their own place, so that nothing is relocated; the
// distance to the text is fixed since these sections directly follow it. A text of more than a
// gigabyte has 8-byte references; unwinders that know only the usual table then read all entries.
#include "base/check.h"
#include "link/link_int.h"

enum {
    CFA_ADVANCE = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xC0,
    CFA_ADVANCE1 = 0x02,
    CFA_ADVANCE2 = 0x03,
    CFA_ADVANCE4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_REMEMBER = 0x0A,
    CFA_RECALL = 0x0B,
    CFA_DEF_CFA = 0x0C,
    CFA_DEF_CFA_OFFSET = 0x0E,
};
enum {
    EH_UDATA4 = 0x03,
    EH_PCREL_SDATA4 = 0x1B,
    EH_PCREL_SDATA8 = 0x1C,
    EH_DATAREL_SDATA4 = 0x3B,
    EH_DATAREL_SDATA8 = 0x3C,
};
// x86-64: DWARF numbers, and the stack grows down in units of 8.
enum { REG_SP = 7, REG_RETURN = 16, DATA_ALIGN = 8 };

// Fills the length of the entry that starts at `start` once it is complete.
static void end_entry(Writer *w, usize start) {
    write_align(w, 4); // zeros are no-operations
    if (!w->failed) {
        store_u32(w->at + start, (u32)(w->count - start - 4));
    }
}

static usize write_cie(Writer *w, bool is_signal_frame, bool is_far) {
    const usize start = w->count;
    write_u32(w, 0);
    write_u32(w, 0);           // a CIE
    write_u8(w, 1);            // version
    write_bytes(w, is_signal_frame ? "zRS" : "zR", is_signal_frame ? 4 : 3); // R: encoding follows
    write_uleb(w, 1);          // unit of code offsets
    write_sleb(w, -DATA_ALIGN);
    write_uleb(w, REG_RETURN);
    write_uleb(w, 1);
    write_u8(w, is_far ? EH_PCREL_SDATA8 : EH_PCREL_SDATA4);
    write_u8(w, CFA_DEF_CFA);
    write_uleb(w, REG_SP);
    write_uleb(w, 8);
    write_u8(w, CFA_OFFSET | REG_RETURN);
    write_uleb(w, 1);
    end_entry(w, start);
    return start;
}

static void write_advance(Writer *w, u32 distance) {
    if (distance < 0x40) {
        write_u8(w, (u8)(CFA_ADVANCE | distance));
    } else if (distance < 0x100) {
        write_u8(w, CFA_ADVANCE1);
        write_u8(w, (u8)distance);
    } else if (distance < 0x10000) {
        write_u8(w, CFA_ADVANCE2);
        write_u16(w, (u16)distance);
    } else {
        write_u8(w, CFA_ADVANCE4);
        write_u32(w, distance);
    }
}

static void write_row(Writer *w, const UnwindRow *row) {
    switch ((UnwindOp)row->op) {
    case UNWIND_CFA_REG:
        write_u8(w, CFA_DEF_CFA);
        write_uleb(w, row->reg);
        write_uleb(w, row->value);
        break;
    case UNWIND_CFA_OFFSET:
        write_u8(w, CFA_DEF_CFA_OFFSET);
        write_uleb(w, row->value);
        break;
    case UNWIND_SAVE:
        assert(row->value % DATA_ALIGN == 0);
        if (row->reg < 0x40) {
            write_u8(w, (u8)(CFA_OFFSET | row->reg));
        } else {
            write_u8(w, CFA_OFFSET_EXTENDED);
            write_uleb(w, row->reg);
        }
        write_uleb(w, row->value / DATA_ALIGN);
        break;
    case UNWIND_RESTORE:
        if (row->reg < 0x40) {
            write_u8(w, (u8)(CFA_RESTORE | row->reg));
        } else {
            write_u8(w, CFA_RESTORE_EXTENDED);
            write_uleb(w, row->reg);
        }
        break;
    case UNWIND_REMEMBER: write_u8(w, CFA_REMEMBER); break;
    case UNWIND_RECALL: write_u8(w, CFA_RECALL); break;
    }
}

// A distance or size: of 8 bytes where 4 do not hold all of this image's.
static void write_distance(Writer *w, i64 distance, bool is_far) {
    if (is_far) {
        write_u64(w, (u64)distance);
    } else {
        write_u32(w, (u32)distance);
    }
}

// The changes of the unwind state; an island has none.
static void write_rows(Writer *w, const CodeBlob *blob, const UnwindRow *rows) {
    u32 at = 0;
    for (u32 i = 0; i < blob->unwind_count; i++) {
        assert(rows[i].offset >= at && rows[i].offset <= blob->code_bytes);
        if (rows[i].offset > at) {
            write_advance(w, rows[i].offset - at);
            at = rows[i].offset;
        }
        write_row(w, &rows[i]);
    }
}

// text_at: of the code, from the start of .eh_frame (negative). cie_at: of its CIE, likewise.
static void write_fde(Linker *linker, usize cie_at, i64 text_at, const TextPiece *piece,
                      bool is_far) {
    Writer *w = &linker->sections[SECTION_EH_FRAME];
    const usize start = w->count;
    write_u32(w, 0);
    write_u32(w, (u32)(w->count - cie_at)); // distance back to the CIE
    write_distance(w, text_at - (i64)w->count, is_far);
    write_distance(w, piece->bytes, is_far);
    write_uleb(w, 0); // no augmentation data
    if (piece->blob != ID_NONE) {
        const CodeBlob *blob = &linker->input->blobs[piece->blob];
        write_rows(w, blob, blob_unwind(linker, blob));
    }
    end_entry(w, start);
}

static bool is_exit_stub(const Linker *linker, const TextPiece *piece) {
    return piece->blob != ID_NONE && linker->input->blobs[piece->blob].kind == BLOB_EXIT_STUB;
}

void unwind_write(Linker *linker, u64 text_distance) {
    Writer *frames = &linker->sections[SECTION_EH_FRAME];
    Writer *table = &linker->sections[SECTION_EH_FRAME_HDR];
    u32 *frame_at = PUSH(&linker->arena, u32, linker->piece_count);
    const bool is_far = text_distance > INT32_MAX / 2; // half is left for these sections
    const usize common_cie = write_cie(frames, false, is_far);
    usize stub_cie = common_cie;
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        const bool is_exit = is_exit_stub(linker, piece);
        if (is_exit && stub_cie == common_cie) {
            stub_cie = write_cie(frames, true, is_far);
        }
        frame_at[i] = (u32)frames->count;
        write_fde(linker, is_exit ? stub_cie : common_cie, (i64)piece->at - (i64)text_distance,
                  piece, is_far);
    }
    write_u32(frames, 0);
    // The table follows .eh_frame at the next multiple of 4, where .eh_frame ends anyway.
    const i64 frames_bytes = (i64)frames->count;
    write_u8(table, 1);
    write_u8(table, EH_PCREL_SDATA4);
    write_u8(table, EH_UDATA4);
    write_u8(table, is_far ? EH_DATAREL_SDATA8 : EH_DATAREL_SDATA4);
    write_u32(table, (u32)(-frames_bytes - 4));
    write_u32(table, linker->piece_count);
    for (u32 i = 0; i < linker->piece_count; i++) {
        const i64 text_at = (i64)linker->pieces[i].at - (i64)text_distance;
        write_distance(table, text_at - frames_bytes, is_far);
        write_distance(table, (i64)frame_at[i] - frames_bytes, is_far);
    }
}
