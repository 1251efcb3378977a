#include "types/platform.h"

const Platform PLATFORMS[PLATFORM_COUNT] = {
#define PLATFORM(id, name, red_zone_bytes, map_bytes, unwinder_reads_code)                         \
    [PLATFORM_##id] = {name, red_zone_bytes, map_bytes, unwinder_reads_code},
#include "types/platforms.def"
#undef PLATFORM
};

PlatformId platform_find(const char *name) {
    u32 i = 0;
    while (name != NULL && i < PLATFORM_COUNT && strcmp(PLATFORMS[i].name, name) != 0) {
        i++;
    }
    return (PlatformId)i;
}

const char *platform_names(void) {
#define PLATFORM(id, name, red_zone_bytes, map_bytes, unwinder_reads_code) ", " name
    static const char NAMES[] = ""
#include "types/platforms.def"
        ;
#undef PLATFORM
    return NAMES + 2;
}
