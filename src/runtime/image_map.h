// An image file in memory. Nothing learns of it when it is mapped but a list that debuggers read
// (debugger.h); a store notes it with its first instance.
#ifndef RUNTIME_IMAGE_MAP_H
#define RUNTIME_IMAGE_MAP_H

#include <link.h>

#include "image/image.h"
#include "imago/imago.h"

struct ImagoImage {
    Image view;
    ImagoEngine *engine;
    // The file, kept open only if it has a memory snapshot, which each instance maps anew; else -1.
    int fd;
    struct link_map debugger_entry;
    char path[]; // where a debugger finds the file; empty: nowhere
};

#endif
