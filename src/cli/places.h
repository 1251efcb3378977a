// Where the programs are that belong to `imago`.
#ifndef CLI_PLACES_H
#define CLI_PLACES_H

#include "base/int.h"

enum { PLACE_MAX_BYTES = 1200 };

// Path of one: beside this program (a build), or in the installed tree's folder for them. False: it
// is in neither.
bool cli_place_of(const char *name, char path[PLACE_MAX_BYTES]);
// Where that looks, for messages: "/usr/bin and its ../libexec/imago". Returns `text`.
const char *cli_place_text(char text[PLACE_MAX_BYTES]);

#endif
