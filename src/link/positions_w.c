// .imago.traps and .imago.addrmap: two tables of the same positions, block by block and entry by
// entry. The first says where they are and of what kind, the second the WebAssembly offsets. Both:
//
//     u32 entries, u32 blocks | codes | blocks x {u32 first value, u32 offset of its codes}
//
// Codes are bits, the first in the lowest bit of the first byte; a block starts at a byte. Numbers
// are exponential Golomb codes of order 3: with v = value + 8 of n + 4 bits, n zeros, a one, and
// the n + 3 lower bits of v.
//
//     traps      [number of bytes between this position and the one before] kind
//     kind       0: out of bounds memory access | 10: call | 110: unreachable | 111, four bits
//     addrmap    [number: 1 + difference of wasm offsets; if it is negative: 0, -1 - difference]
//
// with [] left out for a block's first entry, whose value is in the block's record. A block ends
// after IMAGE_BLOCK_ENTRIES entries, or before one that is too far away for a number.
//
// There is a site for every few bytes of code: the loop over them keeps its state in registers and
// takes the codes of small numbers from a table; what is rarer is out of line.
#include "link/blocks_w.h"

_Static_assert((int)SITE_CALL == (int)IMAGE_POSITION_CALL &&
                   (int)SITE_PLAIN == (int)IMAGE_POSITION_PLAIN, "one code for each");

// ---- Codes -------------------------------------------------------------------------------------

static inline Code difference_code(u32 difference) {
    if (LIKELY((i32)difference >= 0)) {
        return number_code(difference + 1);
    }
    const Code zero = number_code(0), code = number_code(~difference);
    return (Code){zero.bits | code.bits << zero.count, zero.count + code.count};
}

static Code kind_code(u32 kind) {
    switch (kind) {
    case TRAP_MEMORY_OUT_OF_BOUNDS: return (Code){0, 1};
    case SITE_CALL: return (Code){1, 2};
    case TRAP_UNREACHABLE: return (Code){3, 3};
    default: return (Code){7 | kind << 3, 7};
    }
}

// True if neither a step nor a difference is too large for its code.
static bool is_near(u32 step, u32 difference) {
    const u32 magnitude = difference ^ (u32)((i32)difference >> 31);
    return step < IMAGE_NUMBER_END && magnitude < IMAGE_NUMBER_END - 1;
}

enum { SMALL_NUMBERS = 256 };

typedef struct SmallCode {
    u16 bits, count;
} SmallCode;

typedef struct CodeTable {
    SmallCode numbers[SMALL_NUMBERS];
    SmallCode kinds[16];
} CodeTable;

static inline Code code_of(SmallCode small) { return (Code){small.bits, small.count}; }

static SmallCode small_code(Code code) { return (SmallCode){(u16)code.bits, (u16)code.count}; }

static void codes_init(CodeTable *codes) {
    for (u32 i = 0; i < SMALL_NUMBERS; i++) {
        codes->numbers[i] = small_code(number_code(i));
    }
    for (u32 i = 0; i < COUNT_OF(codes->kinds); i++) {
        codes->kinds[i] = small_code(kind_code(i));
    }
}

// ---- Tables ------------------------------------------------------------------------------------

typedef struct PositionWriter {
    BlockTable traps, map;
    u32 text_offset, wasm_offset; // of the newest position
    u32 block_room;               // entries that the block still takes
    u32 count;
    bool skips_calls;
    bool is_descending; // a position does not lie behind the one before
} PositionWriter;

static PositionWriter start_block(PositionWriter w, u32 text_offset, u32 wasm_offset) {
    w.is_descending |= w.count != 0 && text_offset <= w.text_offset;
    w.traps = blocks_start(w.traps, text_offset);
    w.map = blocks_start(w.map, wasm_offset);
    w.block_room = IMAGE_BLOCK_ENTRIES;
    return w;
}

// The place of any position. By value, so that the caller's state stays in registers.
static __attribute__((noinline)) PositionWriter place_add(PositionWriter w, u32 text_offset,
                                                          u32 wasm_offset) {
    const u32 step = text_offset - w.text_offset - 1;
    const u32 difference = wasm_offset - w.wasm_offset;
    if (w.block_room == 0 || !is_near(step, difference)) {
        return start_block(w, text_offset, wasm_offset);
    }
    w.traps.bits = bits_add(w.traps.bits, number_code(step));
    w.map.bits = bits_add(w.map.bits, difference_code(difference));
    return w;
}

// ---- The whole ---------------------------------------------------------------------------------

static PositionWriter write_sites(PositionWriter w, const CodeTable *codes, const Site *sites,
                                  u32 count, u32 base) {
    for (u32 i = 0; i < count; i++) {
        const u32 kind = sites[i].kind;
        if (w.skips_calls && kind == SITE_CALL) {
            continue;
        }
        // A call is its last byte, so that it differs from a trap of the instruction behind it.
        const u32 text_offset = base + sites[i].offset - (kind == SITE_CALL);
        const u32 wasm_offset = sites[i].wasm_offset;
        const u32 step = text_offset - w.text_offset - 1;
        const u32 number = wasm_offset - w.wasm_offset + 1;
        if (LIKELY(step < SMALL_NUMBERS && number - 1 < SMALL_NUMBERS - 1 && w.block_room != 0)) {
            w.traps.bits = bits_add(w.traps.bits, code_of(codes->numbers[step]));
            w.map.bits = bits_add(w.map.bits, code_of(codes->numbers[number]));
        } else {
            w = place_add(w, text_offset, wasm_offset);
        }
        w.traps.bits = bits_flush(bits_add(w.traps.bits, code_of(codes->kinds[kind])));
        w.map.bits = bits_flush(w.map.bits);
        w.text_offset = text_offset;
        w.wasm_offset = wasm_offset;
        w.block_room--;
        w.count++;
    }
    return w;
}

static u64 site_count(const LinkInput *input) {
    u64 count = 0;
    for (u32 i = 0; i < input->blob_count; i++) {
        count += input->blobs[i].site_count;
    }
    return count;
}

static void free_sites(const LinkInput *input) {
    for (u32 i = 0; i < input->output_count; i++) {
        vec_free(&input->outputs[i].sites);
    }
}

static PositionWriter write_pieces(const Linker *linker, PositionWriter w) {
    CodeTable codes;
    codes_init(&codes);
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        if (piece->blob != ID_NONE) {
            const CodeBlob *blob = &linker->input->blobs[piece->blob];
            w = write_sites(w, &codes, blob_sites(linker, blob), blob->site_count, (u32)piece->at);
        }
    }
    return w;
}

// Calls are there for their WebAssembly offsets only. Without the map, it is made and dropped.
bool positions_write(Linker *linker) {
    const bool has_map = linker->input->address_map != ADDRESS_MAP_NONE;
    const u64 count = site_count(linker->input);
    Writer trap_index = {0}, map_index = {0}, dropped = {0};
    Writer *traps = &linker->sections[SECTION_TRAPS];
    Writer *map = has_map ? &linker->sections[SECTION_ADDRMAP] : &dropped;
    enum { ENTRY_BYTES = 8 };
    PositionWriter w = {.traps = blocks_open(traps, &trap_index, count, ENTRY_BYTES),
                        .map = blocks_open(map, &map_index, count, ENTRY_BYTES),
                        .skips_calls = !has_map};
    if (!traps->failed && !map->failed) {
        w = write_pieces(linker, w);
        blocks_close(w.traps, w.count);
        blocks_close(w.map, w.count);
    }
    writer_free(&trap_index);
    writer_free(&map_index);
    writer_free(&dropped);
    free_sites(linker->input);
    return !w.is_descending ||
           fail(linker->err, INTERNAL, ERROR_NO_OFFSET, "sites of code are not in ascending order");
}
