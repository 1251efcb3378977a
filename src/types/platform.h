// The systems that images are made for: what a compiler and the linker must know of them beyond the
// instruction set.
#ifndef TYPES_PLATFORM_H
#define TYPES_PLATFORM_H

#include "base/int.h"

typedef enum PlatformId {
#define PLATFORM(id, name, red_zone_bytes, map_bytes, unwinder_reads_code) PLATFORM_##id,
#include "types/platforms.def"
#undef PLATFORM
    PLATFORM_COUNT,
    PLATFORM_HERE = 0, // whose images this library runs
} PlatformId;

typedef struct Platform {
    const char *name;
    u32 red_zone_bytes, map_bytes;
    bool unwinder_reads_code;
} Platform;

extern const Platform PLATFORMS[PLATFORM_COUNT];

// By name; NULL: the first. PLATFORM_COUNT: none of that name.
PlatformId platform_find(const char *name);
// Names for messages: "x86_64-linux, ...".
const char *platform_names(void);

#endif
