// Linking empties the outputs it is given: tests that link one more than once give it a copy, which
// does not count as an allocation.
#ifndef TESTS_LINK_COPY_H
#define TESTS_LINK_COPY_H

#include <stdlib.h>

#include "link/link.h"

static void *link_copy_bytes(const void *at, usize bytes) {
    return bytes == 0 ? NULL : memcpy(malloc(bytes), at, bytes);
}

static CodeOutput link_copy(const CodeOutput *from) {
    CodeOutput to = *from;
    to.code.at = link_copy_bytes(from->code.at, from->code.capacity);
    to.rodata.at = link_copy_bytes(from->rodata.at, from->rodata.capacity);
    to.fixups.at = link_copy_bytes(from->fixups.at, from->fixups.capacity * sizeof(Fixup));
    to.sites.at = link_copy_bytes(from->sites.at, from->sites.capacity * sizeof(Site));
    to.unwind.at = link_copy_bytes(from->unwind.at, from->unwind.capacity * sizeof(UnwindRow));
    to.ref_funcs.at = link_copy_bytes(from->ref_funcs.at,
                                      from->ref_funcs.capacity * sizeof(RefFunc));
    to.ref_calls.at = link_copy_bytes(from->ref_calls.at,
                                      from->ref_calls.capacity * sizeof(RefCall));
    to.ref_slots.at = link_copy_bytes(from->ref_slots.at, from->ref_slots.capacity * sizeof(i32));
    return to;
}

static void link_copy_free(CodeOutput *output) {
    writer_free(&output->code);
    writer_free(&output->rodata);
    vec_free(&output->fixups);
    vec_free(&output->sites);
    vec_free(&output->unwind);
    vec_free(&output->ref_funcs);
    vec_free(&output->ref_calls);
    vec_free(&output->ref_slots);
}

#endif
