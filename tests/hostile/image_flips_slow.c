// image_flips.c with 100,000 flips and every length of each image.
#define FLIP_COUNT 100000
#define CUT_STEP 1
#include "hostile/image_flips.c"
