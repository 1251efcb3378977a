// The file being written: in order, in chunks of IMAGE_CHUNK_BYTES, each hashed on its way for the
// build-id; the first one, which has the headers, is written last. A chunk that is only holes is
// not written. Sticky: after a failure nothing is written.
#ifndef LINK_OUT_H
#define LINK_OUT_H

#include "base/error.h"
#include "base/vec.h"
#include "image/format.h"

typedef struct OutFile {
    int fd;
    bool failed;
    bool chunk_is_hole; // nothing but out_skip in this chunk so far
    bool chunk_is_zero; // all of its memory, also what is not used yet
    u64 chunk_at;       // file offset of the chunk
    u32 fill;           // bytes in it
    u8 *chunk;
    u8 *first; // the first chunk, once it is full
    u32 first_bytes;
    u64 hole_hash; // of a chunk of zeros; 0: not yet known
    VEC(u64) hashes;
    Error *err;
} OutFile;

// ERR_NO_MEMORY.
bool out_open(OutFile *out, int fd, Error *err);
void out_close(OutFile *out);

static inline u64 out_at(const OutFile *out) { return out->chunk_at + out->fill; }
void out_bytes(OutFile *out, const void *bytes, usize count);
// `count` times `value`.
void out_fill(OutFile *out, u8 value, u64 count);
// `count` zeros, left out of the file where that is a whole chunk.
void out_skip(OutFile *out, u64 count);
// Puts `head` over the file's first bytes and the build-id over zeros at `build_id_at`, both in the
// first chunk, and writes the rest. ERR_IO, ERR_NO_MEMORY.
bool out_finish(OutFile *out, const void *head, usize head_bytes, u64 build_id_at);

#endif
