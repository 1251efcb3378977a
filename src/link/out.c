#include "link/out.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/os_file.h"
#include "image/build_id.h"

static u8 *new_chunk(Error *err) {
    u8 *chunk = mem_alloc(IMAGE_CHUNK_BYTES);
    if (chunk == NULL) {
        (void)fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory writing an image");
    }
    return chunk;
}

bool out_open(OutFile *out, int fd, Error *err) {
    *out = (OutFile){.fd = fd, .chunk_is_hole = true, .chunk_is_zero = true, .err = err};
    out->chunk = new_chunk(err);
    return out->chunk != NULL;
}

void out_close(OutFile *out) {
    mem_free(out->first);
    mem_free(out->chunk);
    vec_free(&out->hashes);
}

static u64 chunk_hash(OutFile *out) {
    if (!out->chunk_is_hole || out->fill != IMAGE_CHUNK_BYTES) {
        return hash_bytes(out->chunk, out->fill, 0);
    }
    if (out->hole_hash == 0) {
        out->hole_hash = hash_bytes(out->chunk, out->fill, 0);
    }
    return out->hole_hash;
}

// There is always a chunk, so that writing after a failure is harmless.
static void keep_first(OutFile *out) {
    u8 *next = new_chunk(out->err);
    out->failed = next == NULL;
    if (next != NULL) {
        out->first = out->chunk;
        out->first_bytes = out->fill;
        out->chunk = next;
    }
}

static void end_chunk(OutFile *out) {
    if (out->fill == 0 || out->failed) {
        return;
    }
    if (!vec_push(&out->hashes, chunk_hash(out))) {
        out->failed = true;
        (void)fail(out->err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory writing an image");
        return;
    }
    if (out->chunk_at == 0) {
        keep_first(out);
    } else if (!out->chunk_is_hole) {
        out->failed = !file_write_at(out->fd, out->chunk_at, out->chunk, out->fill, out->err);
    }
    out->chunk_is_zero = out->chunk_is_hole;
    out->chunk_at += out->fill;
    out->fill = 0;
    out->chunk_is_hole = true;
}

// Bytes of `count` that still go into the chunk; ends a full one.
static u32 room_for(OutFile *out, u64 count) {
    if (out->fill == IMAGE_CHUNK_BYTES) {
        end_chunk(out);
    }
    const u32 room = IMAGE_CHUNK_BYTES - out->fill;
    return count < room ? (u32)count : room;
}

void out_bytes(OutFile *out, const void *bytes, usize count) {
    const u8 *p = bytes;
    while (count != 0 && !out->failed) {
        const u32 piece = room_for(out, count);
        memcpy(out->chunk + out->fill, p, piece);
        out->chunk_is_hole = out->chunk_is_zero = false;
        out->fill += piece;
        p += piece;
        count -= piece;
    }
}

void out_fill(OutFile *out, u8 value, u64 count) {
    while (count != 0 && !out->failed) {
        const u32 piece = room_for(out, count);
        memset(out->chunk + out->fill, value, piece);
        out->chunk_is_hole = out->chunk_is_zero = false;
        out->fill += piece;
        count -= piece;
    }
}

// In the middle of a long hole, nothing has to be cleared.
void out_skip(OutFile *out, u64 count) {
    while (count != 0 && !out->failed) {
        const u32 piece = room_for(out, count);
        if (!out->chunk_is_zero) {
            memset(out->chunk + out->fill, 0, piece);
        }
        out->fill += piece;
        count -= piece;
    }
}

bool out_finish(OutFile *out, const void *head, usize head_bytes, u64 build_id_at) {
    out->chunk_is_hole = false; // the file must reach its end
    end_chunk(out);
    if (out->failed) {
        return false;
    }
    CHECK(head_bytes <= out->first_bytes &&
          range_fits(build_id_at, IMAGE_BUILD_ID_BYTES, out->first_bytes));
    memcpy(out->first, head, head_bytes);
    out->hashes.at[0] = hash_bytes(out->first, out->first_bytes, 0);
    build_id_of(out->hashes.at, out->hashes.count, out->first + build_id_at);
    return file_write_at(out->fd, 0, out->first, out->first_bytes, out->err);
}
