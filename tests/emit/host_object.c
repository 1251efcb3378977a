// Linked with what `imago compile --emit obj` made.
#include "host_common.h"

extern const unsigned char imago_image_guest[];

int main(int argc, char **argv) { return host_run(imago_image_guest, argc, argv); }
