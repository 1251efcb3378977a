// Does an image make sense as a whole? For `imago verify` and tests: running an image checks each
// record when it is used and needs none of this.
#ifndef IMAGE_CHECK_H
#define IMAGE_CHECK_H

#include "base/error.h"
#include "image/image.h"

// Checks every record of every table, the tables against each other, the positions, the unwind
// table and the symbols. It does not look at code. O(n log n), no allocation. ERR_IMAGE naming the
// table and the record.
bool image_check(const Image *image, Error *err);

// Parts of it: NULL, or what is wrong. What a tool has removed is not missed.
const char *check_traps(const Image *image);     // .imago.traps
const char *check_addresses(const Image *image); // .imago.addrmap
const char *check_stackmaps(const Image *image); // .imago.stackmaps
const char *check_frames(const Image *image);    // .eh_frame and .eh_frame_hdr
const char *check_pdata(const Image *image);     // .pdata, for Windows
const char *check_symbols(const Image *image);   // .symtab and .dynsym

#endif
