// An image file in memory. Nothing learns of it when it is mapped but a list that debuggers read
// (debugger.h); a store notes it with its first instance.
#ifndef RUNTIME_IMAGE_MAP_H
#define RUNTIME_IMAGE_MAP_H

#include <link.h>

#include "image/image.h"
#include "imago/imago.h"
#include "runtime/signals.h"

struct ImagoImage {
    Image view;
    ImagoEngine *engine;
    u64 serial; // of the images of the engine, from 1
    bool is_buffer;        // the embedder's memory, not a mapping of ours
    ImagoImage *next_buffer; // of the engine's list of those
    _Atomic bool is_whole; // the file is known to be as long as its headers say
    _Atomic bool is_cut;   // a page of the file was missing once; zeros may stand in its place
    // The file, kept open if it has a memory snapshot, which each instance maps anew, or no path,
    // and if not too many are open; else -1.
    int fd;
    bool is_borrowed; // the mapping is the embedder's
    struct link_map debugger_entry;
    char path[]; // where a debugger finds the file; empty: nowhere
};

// Host code reads the image between these. False: what it has read may be zeros in the place of
// bytes that the file does not have. ERR_IMAGE, in the place of any error found meanwhile; err may
// be NULL. The first time touches the last page of the file.
void runtime_image_read_begin(const ImagoImage *image, HostRead *read);
bool runtime_image_read_end(const ImagoImage *image, const HostRead *read, Error *err);

#endif
