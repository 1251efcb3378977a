// .eh_frame and .eh_frame_hdr (Linux Standard Base, 10.6): a CIE, a FDE a piece of text, a
// terminator, and the table that unwinders search. Exit stubs have a CIE of their own that makes
// them signal frames: their callees run on another stack, and only behind a signal frame does gdb
// expect that. All references are relative to their own place, so that nothing is relocated; the
// distance to the text is fixed since these sections directly follow it.
//
// A text of more than a gigabyte has 8-byte references in its entries. The table keeps 4-byte ones
// as long as they reach: unwinders that know only those search another table one by one, and
// llvm-readobj refuses it.
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
    CFA_UNDEFINED = 0x07,
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

// Bytes of a CIE or of an entry without rows, and of a row, at most.
enum { ENTRY_MAX_BYTES = 36, ROW_MAX_BYTES = 12, TABLE_HEAD_BYTES = 12 };

// Up to which size of the text 4 bytes do, in entries and in rows: the rest is left for the
// sections themselves. A million functions have a quarter of a gigabyte.
enum { NEAR_TEXT_BYTES = 1 << 30, NEAR_ROWS_TEXT_BYTES = 3 << 29 };

// Everything is put through a cursor: room for all of it has been made.
static u8 *put_u8(u8 *p, u32 value) {
    *p = (u8)value;
    return p + 1;
}

static u8 *put_u32(u8 *p, u32 value) {
    store_u32(p, value);
    return p + 4;
}

static u8 *put_u64(u8 *p, u64 value) {
    store_u64(p, value);
    return p + 8;
}

// A distance or size: of 8 bytes where 4 do not hold all of this image's.
static u8 *put_distance(u8 *p, i64 distance, bool is_far) {
    return is_far ? put_u64(p, (u64)distance) : put_u32(p, (u32)distance);
}

static u8 *put_uleb(u8 *p, u32 value) {
    for (; value >= 0x80; value >>= 7) {
        p = put_u8(p, value | 0x80);
    }
    return put_u8(p, value);
}

// Pads the entry that starts at `start` and sets its length.
static u8 *end_entry(u8 *p, u8 *start) {
    while ((p - start) % 4 != 0) {
        p = put_u8(p, 0); // no operation
    }
    store_u32(start, (u32)(p - start - 4));
    return p;
}

static u8 *put_cie(u8 *p, bool is_signal_frame, bool is_far) {
    u8 *start = p;
    const char *augmentation = is_signal_frame ? "zRS" : "zR"; // R: encoding follows
    p = put_u32(p, 0);
    p = put_u32(p, 0); // a CIE
    p = put_u8(p, 1);  // version
    memcpy(p, augmentation, strlen(augmentation) + 1);
    p += strlen(augmentation) + 1;
    p = put_uleb(p, 1);                  // unit of code offsets
    p = put_u8(p, 0x80 - DATA_ALIGN);    // of data offsets, signed
    p = put_uleb(p, REG_RETURN);
    p = put_uleb(p, 1);
    p = put_u8(p, is_far ? EH_PCREL_SDATA8 : EH_PCREL_SDATA4);
    p = put_u8(p, CFA_DEF_CFA);
    p = put_uleb(p, REG_SP);
    p = put_uleb(p, 8);
    p = put_u8(p, CFA_OFFSET | REG_RETURN);
    p = put_uleb(p, 1);
    return end_entry(p, start);
}

static u8 *put_advance(u8 *p, u32 distance) {
    if (distance < 0x40) {
        return put_u8(p, CFA_ADVANCE | distance);
    }
    if (distance < 0x100) {
        return put_u8(put_u8(p, CFA_ADVANCE1), distance);
    }
    if (distance < 0x10000) {
        store_u16(p + 1, (u16)distance);
        return put_u8(p, CFA_ADVANCE2) + 2;
    }
    return put_u32(put_u8(p, CFA_ADVANCE4), distance);
}

static u8 *put_row(u8 *p, const UnwindRow *row) {
    switch ((UnwindOp)row->op) {
    case UNWIND_CFA_REG:
        return put_uleb(put_uleb(put_u8(p, CFA_DEF_CFA), row->reg), row->value);
    case UNWIND_CFA_OFFSET: return put_uleb(put_u8(p, CFA_DEF_CFA_OFFSET), row->value);
    case UNWIND_SAVE:
        assert(row->value % DATA_ALIGN == 0);
        p = row->reg < 0x40 ? put_u8(p, CFA_OFFSET | row->reg)
                            : put_uleb(put_u8(p, CFA_OFFSET_EXTENDED), row->reg);
        return put_uleb(p, row->value / DATA_ALIGN);
    case UNWIND_RESTORE:
        return row->reg < 0x40 ? put_u8(p, CFA_RESTORE | row->reg)
                               : put_uleb(put_u8(p, CFA_RESTORE_EXTENDED), row->reg);
    case UNWIND_REMEMBER: return put_u8(p, CFA_REMEMBER);
    case UNWIND_RECALL: return put_u8(p, CFA_RECALL);
    case UNWIND_NO_CALLER: return put_uleb(put_u8(p, CFA_UNDEFINED), REG_RETURN);
    }
    return p;
}

// The changes of the unwind state.
static u8 *put_rows(u8 *p, const CodeBlob *blob, const UnwindRow *rows) {
    u32 at = 0;
    for (u32 i = 0; i < blob->unwind_count; i++) {
        assert(rows[i].offset >= at && rows[i].offset <= blob->code_bytes);
        if (rows[i].offset > at) {
            p = put_advance(p, rows[i].offset - at);
            at = rows[i].offset;
        }
        p = put_row(p, &rows[i]);
    }
    return p;
}

// ---- The sections ------------------------------------------------------------------------------

typedef struct FrameWriter {
    const Linker *linker;
    u8 *start;     // of .eh_frame
    i64 text_at;   // of the text, from there: negative
    bool is_far, has_far_rows;
    u8 *cies[2];   // [1]: for exit stubs, NULL until there is one
    u8 *table_row; // of the next entry: {piece, its FDE}, from the start of .eh_frame
} FrameWriter;

// Room for all that can come: what is not written costs nothing.
static bool reserve(const Linker *linker, Writer *frames, Writer *table) {
    u64 row_count = 0;
    for (u32 i = 0; i < linker->input->blob_count; i++) {
        row_count += linker->input->blobs[i].unwind_count;
    }
    return writer_reserve(frames, (linker->piece_count + 3ull) * ENTRY_MAX_BYTES +
                                      row_count * ROW_MAX_BYTES) &&
           writer_reserve(table, TABLE_HEAD_BYTES + 16ull * linker->piece_count);
}

// An island has the state of its entry throughout.
static u8 *put_fde(FrameWriter *w, u8 *p, const TextPiece *piece) {
    const CodeBlob *blob =
        piece->blob != ID_NONE ? &w->linker->input->blobs[piece->blob] : NULL;
    u8 **cie = &w->cies[blob != NULL && blob->kind == BLOB_EXIT_STUB];
    if (*cie == NULL) {
        *cie = p;
        p = put_cie(p, true, w->is_far);
    }
    const i64 text_at = w->text_at + (i64)piece->at;
    w->table_row = put_distance(w->table_row, text_at, w->has_far_rows);
    w->table_row = put_distance(w->table_row, p - w->start, w->has_far_rows);
    u8 *start = p;
    p = put_u32(p, 0);
    p = put_u32(p, (u32)(p - *cie)); // distance back to the CIE
    p = put_distance(p, text_at - (p - w->start), w->is_far);
    p = put_distance(p, piece->bytes, w->is_far);
    p = put_u8(p, 0); // no augmentation data
    p = blob != NULL ? put_rows(p, blob, blob_unwind(w->linker, blob)) : p;
    return end_entry(p, start);
}

static void put_table_head(u8 *p, i64 frames_bytes, u32 count, bool is_far) {
    p = put_u8(p, 1);
    p = put_u8(p, EH_PCREL_SDATA4);
    p = put_u8(p, EH_UDATA4);
    p = put_u8(p, is_far ? EH_DATAREL_SDATA8 : EH_DATAREL_SDATA4);
    p = put_u32(p, (u32)(-frames_bytes - 4));
    put_u32(p, count);
}

// Rows count from the start of .eh_frame_hdr: it follows .eh_frame at the next multiple of 4, where
// .eh_frame ends anyway.
static void move_table_rows(u8 *p, const u8 *end, i64 frames_bytes, bool is_far) {
    while (p != end) {
        const i64 value = is_far ? (i64)load_u64(p) : (i32)load_u32(p);
        p = put_distance(p, value - frames_bytes, is_far);
    }
}

void unwind_write(Linker *linker, u64 text_distance) {
    Writer *frames = &linker->sections[SECTION_EH_FRAME];
    Writer *table = &linker->sections[SECTION_EH_FRAME_HDR];
    if (!reserve(linker, frames, table)) {
        return;
    }
    FrameWriter w = {
        .linker = linker,
        .start = frames->at,
        .text_at = -(i64)text_distance,
        .is_far = text_distance > NEAR_TEXT_BYTES,
        .has_far_rows = text_distance > NEAR_ROWS_TEXT_BYTES,
        .cies = {frames->at},
        .table_row = table->at + TABLE_HEAD_BYTES,
    };
    u8 *p = put_cie(frames->at, false, w.is_far);
    for (u32 i = 0; i < linker->piece_count; i++) {
        p = put_fde(&w, p, &linker->pieces[i]);
    }
    p = put_u32(p, 0);
    frames->count = (usize)(p - frames->at);
    table->count = (usize)(w.table_row - table->at);
    const i64 frames_bytes = (i64)frames->count;
    assert(w.has_far_rows || (i64)text_distance + frames_bytes <= INT32_MAX);
    put_table_head(table->at, frames_bytes, linker->piece_count, w.has_far_rows);
    move_table_rows(table->at + TABLE_HEAD_BYTES, w.table_row, frames_bytes, w.has_far_rows);
}
