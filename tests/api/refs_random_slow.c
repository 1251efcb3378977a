// refs_random.c with 2,000 modules.
#define SEED_COUNT 2000
#include "api/refs_random.c"
