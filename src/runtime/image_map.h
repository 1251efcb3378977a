// An image file in memory. Nothing is registered when it is mapped: a store notes it with its first
// instance.
#ifndef RUNTIME_IMAGE_MAP_H
#define RUNTIME_IMAGE_MAP_H

#include "image/image.h"
#include "imago/imago.h"

struct ImagoImage {
    Image view;
    ImagoEngine *engine;
    // The file, kept open only if it has a memory snapshot, which each instance maps anew; else -1.
    int fd;
};

#endif
