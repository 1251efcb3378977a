// The build-id: a hash of the whole file that is computed in one pass, in pieces. Tells damage and
// identity; it is no proof against somebody who means to forge one.
//
// Every chunk of IMAGE_CHUNK_BYTES (the last may be shorter) gives hash_bytes(chunk, bytes, 0); the
// hashes in order, 8 bytes each, are hashed with seeds 1, 2 and 3 to 8 + 8 + 4 bytes. The
// build-id's own bytes count as zero.
#ifndef IMAGE_BUILD_ID_H
#define IMAGE_BUILD_ID_H

#include "base/error.h"
#include "image/format.h"

// From the chunks' hashes.
void build_id_of(const u64 *hashes, usize count, u8 out[IMAGE_BUILD_ID_BYTES]);

// Its offset in a file that has passed image_parse; it lies in the first chunk. ERR_IMAGE: there is
// none.
bool build_id_find(const u8 *bytes, u64 count, u64 *offset, Error *err);

// Compares the file with the build-id in it. The bytes must have passed image_parse. O(n), one heap
// allocation of n / 8192 bytes. ERR_IMAGE: they differ, or there is no build-id; ERR_NO_MEMORY.
bool image_verify(const void *bytes, u64 count, Error *err);

#endif
