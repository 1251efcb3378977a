// .imago.traps and .imago.addrmap. Both are
//
//     u32 entries, u32 blocks | blocks x {u32 text offset, u32 data offset} | codes
//
// with at most IMAGE_BLOCK_ENTRIES positions in a block, in order of text offset. Codes:
//
//     trap       uleb (distance << 1 | changed), then the kind's byte if changed
//     position   byte (t << 4 | w), then uleb (distance - 15) if t is 15, sleb of the wasm
//                distance if w is 15; else t and w are the distances
//
// A block's first distance is 0; it starts from no kind, and from wasm offset 0.
#include "base/alloc.h"
#include "link/link_int.h"

typedef struct PositionWriter {
    Writer index, data;
    u32 count, block_fill;
    u32 text_offset; // of the newest entry
    u32 wasm_offset;
    u8 kind;
} PositionWriter;

// Place of a site: a call is the last byte of its instruction, so that it differs from a trap of
// the instruction behind it.
static u32 site_key(const Site *site) {
    return site->kind == SITE_CALL && site->offset != 0 ? site->offset - 1 : site->offset;
}

static bool sites_are_sorted(const Site *sites, u32 count) {
    for (u32 i = 1; i < count; i++) {
        if (site_key(&sites[i - 1]) > site_key(&sites[i])) {
            return false;
        }
    }
    return true;
}

// Merges from[0..middle) and from[middle..count) to `to`; of equal keys the first half's come
// first.
static void merge(const Site *from, u32 middle, u32 count, Site *to) {
    u32 a = 0, b = middle;
    for (u32 i = 0; i < count; i++) {
        const bool takes_first =
            a < middle && (b >= count || site_key(&from[a]) <= site_key(&from[b]));
        to[i] = takes_first ? from[a++] : from[b++];
    }
}

// Bottom-up, stable; trap tails are recorded between the sites of a body but lie behind it.
static void sort_sites(Site *sites, u32 count, Site *scratch) {
    Site *from = sites, *to = scratch;
    for (u64 width = 1; width < count; width *= 2) {
        for (u64 at = 0; at < count; at += 2 * width) {
            const u64 left = count - at;
            const u32 run = (u32)(left < 2 * width ? left : 2 * width);
            merge(from + at, (u32)(run < width ? run : width), run, to + at);
        }
        Site *swap = from;
        from = to;
        to = swap;
    }
    if (from != sites) {
        memcpy(sites, from, count * sizeof *sites);
    }
}

// Starts a block where one is due. Returns the distance from the entry before, or sets *is_new.
static u32 position_next(PositionWriter *w, u32 text_offset) {
    if (w->block_fill == IMAGE_BLOCK_ENTRIES || w->count == 0) {
        const StoredBlock block = {text_offset, (u32)w->data.count};
        write_bytes(&w->index, &block, sizeof block);
        w->block_fill = 0;
        w->text_offset = text_offset;
        w->wasm_offset = 0;
        w->kind = TRAP_COUNT;
    }
    const u32 distance = text_offset - w->text_offset;
    w->text_offset = text_offset;
    w->block_fill++;
    w->count++;
    return distance;
}

static bool is_repeated(const PositionWriter *w, u32 text_offset) {
    return w->count != 0 && w->text_offset == text_offset;
}

static void trap_add(PositionWriter *w, u32 text_offset, u8 kind) {
    if (is_repeated(w, text_offset)) {
        return;
    }
    const u64 distance = position_next(w, text_offset);
    const bool is_changed = kind != w->kind;
    write_uleb(&w->data, distance << 1 | is_changed);
    if (is_changed) {
        write_u8(&w->data, kind);
    }
    w->kind = kind;
}

static void address_add(PositionWriter *w, u32 text_offset, u32 wasm_offset) {
    if (is_repeated(w, text_offset)) {
        return;
    }
    const u32 distance = position_next(w, text_offset);
    const i64 wasm_distance = (i64)wasm_offset - w->wasm_offset;
    const u8 t = distance < 15 ? (u8)distance : 15;
    const u8 s = wasm_distance >= 0 && wasm_distance < 15 ? (u8)wasm_distance : 15;
    write_u8(&w->data, (u8)(t << 4 | s));
    if (t == 15) {
        write_uleb(&w->data, distance - 15);
    }
    if (s == 15) {
        write_sleb(&w->data, wasm_distance);
    }
    w->wasm_offset = wasm_offset;
}

static void position_finish(PositionWriter *w, Writer *out) {
    const StoredPositions head = {w->count, (u32)(w->index.count / sizeof(StoredBlock))};
    if (w->count != 0) {
        write_bytes(out, &head, sizeof head);
        write_bytes(out, w->index.at, w->index.count);
        write_bytes(out, w->data.at, w->data.count);
    }
    out->failed |= w->index.failed || w->data.failed;
    writer_free(&w->index);
    writer_free(&w->data);
}

// Largest number of sites of a blob that has them out of order.
static u32 scratch_count(const Linker *linker) {
    u32 count = 0;
    for (u32 i = 0; i < linker->input->blob_count; i++) {
        const CodeBlob *blob = &linker->input->blobs[i];
        const Site *sites = blob_sites(linker, blob);
        if (blob->site_count > count && !sites_are_sorted(sites, blob->site_count)) {
            count = blob->site_count;
        }
    }
    return count;
}

void positions_write(Linker *linker) {
    const bool has_map = !linker->input->omit_address_map;
    Site *scratch = PUSH(&linker->arena, Site, scratch_count(linker));
    PositionWriter traps = {0}, map = {0};
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        if (piece->blob == ID_NONE) {
            continue;
        }
        const CodeBlob *blob = &linker->input->blobs[piece->blob];
        Site *sites = blob_sites(linker, blob);
        if (!sites_are_sorted(sites, blob->site_count)) {
            sort_sites(sites, blob->site_count, scratch);
        }
        for (u32 k = 0; k < blob->site_count; k++) {
            const u32 at = (u32)piece->at + site_key(&sites[k]);
            if (sites[k].kind != SITE_CALL) {
                trap_add(&traps, at, sites[k].kind);
            }
            if (has_map) {
                address_add(&map, at, sites[k].wasm_offset);
            }
        }
    }
    position_finish(&traps, &linker->sections[SECTION_TRAPS]);
    if (has_map) {
        position_finish(&map, &linker->sections[SECTION_ADDRMAP]);
    }
}
