// .imago.stackmaps: at which calls a frame holds externrefs, and in which slots.
//
//     u32 slots, u32 0 | slots x {i32 offset, u32 next} | u32 calls, u32 blocks | codes | index
//
// A slot is an element of linked lists: `next` is 0, or n for slot n - 1, which stands before it.
// Equal lists are the same slot. So a list that differs from another one at its head costs what is
// new, and frames that look alike, as most do, cost nothing. Two lists belong to a call: homes of
// locals, which die one by one at the head, and operands, which come and go there.
//
// Blocks, codes and numbers are those of positions_w.c. An entry:
//
//     [number of bytes between this call and the one before] lists
//     lists      0: as before | 10 operands' list | 11 homes' list, base, operands' list
//
// A list is a number: 0, which is empty, or n for slot n - 1. Operands lie at `offset` from what
// is 8 * base bytes below the frame pointer. All three are 0 before a block's first entry.
#include "base/check.h"
#include "base/hash.h"
#include "link/blocks_w.h"

typedef struct CallLists {
    u32 homes, base, operands;
} CallLists;

typedef struct MapWriter {
    Linker *linker;
    StoredRefSlot *slots;
    u32 slot_count;
    u32 *buckets; // lists, by hash of their first slot; 0: free
    u32 bucket_mask;
    u32 *ids; // lists of one function: by home, then by operand
    BlockTable table;
    u32 text_offset; // of the newest call
    CallLists lists;
    u32 block_room, count;
    bool is_complete; // each RefCall has been a call
} MapWriter;

// ---- Lists -------------------------------------------------------------------------------------

// `rest` with a slot in front.
static u32 list_add(MapWriter *w, i32 offset, u32 rest) {
    const StoredRefSlot slot = {offset, rest};
    u32 bucket = (u32)hash_bytes(&slot, sizeof slot, 0) & w->bucket_mask;
    for (; w->buckets[bucket] != 0; bucket = (bucket + 1) & w->bucket_mask) {
        const u32 list = w->buckets[bucket];
        if (memcmp(&w->slots[list - 1], &slot, sizeof slot) == 0) {
            return list;
        }
    }
    w->slots[w->slot_count++] = slot;
    w->buckets[bucket] = w->slot_count;
    return w->slot_count;
}

// ids[i], a list of as many slots as there are ids from `first` up to it.
static void extend_lists(MapWriter *w, u32 first, u32 i, i32 offset) {
    w->ids[i] = list_add(w, offset, i == first ? 0 : w->ids[i - 1]);
}

// ---- Calls -------------------------------------------------------------------------------------

static void add_code(MapWriter *w, Code code) {
    w->table.bits = bits_flush(bits_add(w->table.bits, code));
}

static void add_place(MapWriter *w, u32 text_offset) {
    const u32 step = text_offset - w->text_offset - 1;
    if (w->block_room == 0 || step >= IMAGE_NUMBER_END) {
        w->table = blocks_start(w->table, text_offset);
        w->block_room = IMAGE_BLOCK_ENTRIES;
        w->lists = (CallLists){0, 0, 0};
    } else {
        add_code(w, number_code(step));
    }
    w->text_offset = text_offset;
    w->block_room--;
    w->count++;
}

static void add_call(MapWriter *w, u32 text_offset, CallLists lists) {
    add_place(w, text_offset);
    const bool has_frame = lists.homes != w->lists.homes || lists.base != w->lists.base;
    if (!has_frame && lists.operands == w->lists.operands) {
        add_code(w, (Code){0, 1});
        return;
    }
    add_code(w, has_frame ? (Code){3, 2} : (Code){1, 2});
    if (has_frame) {
        add_code(w, number_code(lists.homes));
        add_code(w, number_code(lists.base));
    }
    add_code(w, number_code(lists.operands));
    w->lists = lists;
}

static void write_func(MapWriter *w, const CodeBlob *blob, u32 base) {
    const CodeOutput *output = blob_output(w->linker, blob);
    const RefFunc *func = &output->ref_funcs.at[blob->refs - 1];
    const RefCall *call = output->ref_calls.at + func->first_call;
    const RefCall *end = call + func->call_count;
    const i32 *slot = output->ref_slots.at + func->first_slot;
    const Site *sites = blob_sites(w->linker, blob);
    u32 ordinal = 0, operand_count = 0;
    for (u32 i = 0; i < func->home_count; i++) {
        extend_lists(w, 0, i, *slot++);
    }
    for (u32 i = 0; i < blob->site_count && call != end; i++) {
        if (sites[i].kind != SITE_CALL || ordinal++ != call->call) {
            continue;
        }
        assert(call->homes <= func->home_count && call->kept <= operand_count);
        const u32 first = func->home_count;
        operand_count = call->kept + call->pushed;
        for (u32 k = call->kept; k < operand_count; k++) {
            extend_lists(w, first, first + k, *slot++);
        }
        const CallLists lists = {call->homes == 0 ? 0 : w->ids[call->homes - 1],
                                 func->operand_base / 8,
                                 operand_count == 0 ? 0 : w->ids[first + operand_count - 1]};
        // As in positions_w.c, a call is its last byte.
        add_call(w, base + sites[i].offset - 1, lists);
        call++;
    }
    w->is_complete &= call == end;
}

// ---- The whole ---------------------------------------------------------------------------------

static void free_refs(const LinkInput *input) {
    for (u32 i = 0; i < input->output_count; i++) {
        vec_free(&input->outputs[i].ref_funcs);
        vec_free(&input->outputs[i].ref_calls);
        vec_free(&input->outputs[i].ref_slots);
    }
}

static void write_pieces(MapWriter *w) {
    const Linker *linker = w->linker;
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        const CodeBlob *blob =
            piece->blob != ID_NONE ? &linker->input->blobs[piece->blob] : NULL;
        if (blob != NULL && blob->refs != 0) {
            write_func(w, blob, (u32)piece->at);
        }
    }
}

static void put_section(const MapWriter *w, const Writer *calls) {
    Writer *section = &w->linker->sections[SECTION_STACKMAPS];
    const StoredStackMaps head = {.slot_count = w->slot_count};
    write_bytes(section, &head, sizeof head);
    write_bytes(section, w->slots, (usize)w->slot_count * sizeof *w->slots);
    write_bytes(section, calls->at, calls->count);
    section->failed |= calls->failed;
}

// There are at most as many slots in lists as in the outputs.
static MapWriter open_writer(Linker *linker, usize slot_count) {
    u32 buckets = 16;
    while (buckets < 2 * slot_count) {
        buckets *= 2;
    }
    return (MapWriter){
        .linker = linker,
        .slots = PUSH(&linker->arena, StoredRefSlot, slot_count),
        .buckets = PUSH(&linker->arena, u32, buckets),
        .bucket_mask = buckets - 1,
        .ids = PUSH(&linker->arena, u32, slot_count),
        .is_complete = true,
    };
}

bool stackmaps_write(Linker *linker) {
    enum { ENTRY_BYTES = 24 };
    usize slot_count = 0, call_count = 0;
    for (u32 i = 0; i < linker->input->output_count; i++) {
        slot_count += linker->input->outputs[i].ref_slots.count;
        call_count += linker->input->outputs[i].ref_calls.count;
    }
    if (call_count == 0) {
        return true;
    }
    if (slot_count >= IMAGE_NUMBER_END) {
        return fail(linker->err, LIMIT, ERROR_NO_OFFSET,
                    "%zu references in frames at calls, expected fewer than %u", slot_count,
                    IMAGE_NUMBER_END);
    }
    MapWriter w = open_writer(linker, slot_count);
    Writer calls = {0}, index = {0};
    w.table = blocks_open(&calls, &index, call_count, ENTRY_BYTES);
    if (!calls.failed) {
        write_pieces(&w);
        blocks_close(w.table, w.count);
    }
    put_section(&w, &calls);
    writer_free(&calls);
    writer_free(&index);
    free_refs(linker->input);
    return w.is_complete ||
           fail(linker->err, INTERNAL, ERROR_NO_OFFSET, "references at a call that is none");
}
