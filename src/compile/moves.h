// What a compiler notes with offsets while its code has long branches.
#ifndef COMPILE_MOVES_H
#define COMPILE_MOVES_H

#include "isa/code_buffer.h"
#include "link/blob.h"

// How many of an output's records are final; the others belong to code that may still move.
typedef struct FinalRecords {
    u32 fixups, sites, unwind;
} FinalRecords;

// All records so far are final.
void records_settle(FinalRecords *records, const CodeOutput *out);
// For on_move: brings the others up to date, after which they are final. O(records and late uses).
void records_follow(FinalRecords *records, CodeOutput *out, const CodeBuffer *code);

#endif
