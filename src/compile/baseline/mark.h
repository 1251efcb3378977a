// Sites of all instructions, for an image that maps every address of its code (plan->maps_all).
//
// A mark is opened before an instruction's code and closed behind it, where it is known whether
// there is any. It then becomes a SITE_PLAIN in front of the sites that the code itself has made,
// unless the first of those stands there already. That what a branch is marked for, its jump, may
// be dropped later, when its label is bound right behind it, is taken care of.
#ifndef COMPILE_BASELINE_MARK_H
#define COMPILE_BASELINE_MARK_H

#include "compile/baseline/state.h"

typedef struct Mark {
    u32 offset; // where the code will start
    u32 site;   // the first one that it will make
    Label jump; // to which the code before jumps in the end, LABEL_NONE: it does not
} Mark;

Mark mark_open(Baseline *b);
void mark_close(Baseline *b, const Mark *mark, u32 wasm_offset);
// Before other sites are made outside of marks: forgets the last mark if its jump is dropped.
void mark_settle(Baseline *b);

#endif
