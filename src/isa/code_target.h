// Facts of a target that placing code needs: which pc-relative fields there are, how far they
// reach, how they are patched, and which veneer carries one further. The code buffer places the
// parts of a function by them, the linker places functions.
#ifndef ISA_CODE_TARGET_H
#define ISA_CODE_TARGET_H

#include "base/int.h"

// A kind of pc-relative field.
typedef struct UseKind {
    const char *name;
    u32 forward, backward; // reach in bytes from the field, inclusive
    u32 veneer_bytes;      // 0: there is no veneer (loads of constants), out of range is an error
    u8 veneer_kind;        // kind of the veneer's own use of the label
    // Writes the distance into the field at `field`; offsets are of field and target.
    void (*patch)(u8 *field, u32 field_offset, u32 target_offset);
    // Writes a veneer of veneer_bytes at `at`, returns the offset of its field from `at`.
    u32 (*veneer)(u8 *at);
    // A late use needs no care before its function is complete: it reaches whatever label it is
    // used with, wherever the two stand.
    bool is_late;
    // Late branches forward may have a shorter form, for targets up to short_forward from the field
    // of the long one. It saves the last short_saves bytes of the field, which end the instruction.
    u8 field_bytes, short_saves; // 0: there is none
    u32 short_forward;
    // Writes the short form in place of the long one, like `patch`; the offsets are those of the
    // long form's field and of the target without the bytes saved.
    void (*shorten)(u8 *field, u32 field_offset, u32 target_offset);
} UseKind;

enum {
    CODE_MAX_KINDS = 8,
    CODE_MAX_VENEER_BYTES = 32,
};

// Instructions, traps and veneers are whole multiples of the target's alignment, so is the size of
// a constant. If one kind has a short form, all are late.
typedef struct CodeTarget {
    const char *name;
    // Inside a function.
    const UseKind *kinds;
    u32 kind_count;
    u8 jump_kind;         // kind of the unconditional jump
    u32 jump_bytes;       // its size, and ...
    u32 (*jump)(u8 *at);  // ... how to write one; returns the offset of its field
    u32 trap_bytes;
    void (*trap)(u8 *at); // writes a trapping instruction
    // Between functions. The fixups that a compiler leaves to the linker name these kinds. Calls
    // have one kind, the only one with a veneer, which may change what the calling convention
    // leaves free between a call and its callee.
    const UseKind *fixup_kinds;
    u32 fixup_kind_count;
    u8 call_kind;
    u32 func_align; // where functions start if nobody says otherwise; a power of two
} CodeTarget;

static inline bool code_reaches(const UseKind *kind, u64 field, u64 target) {
    return target >= field ? target - field <= kind->forward : field - target <= kind->backward;
}

// The last place for what a field refers to, or for a veneer to it.
static inline u64 code_due(const UseKind *kind, u64 field) { return field + kind->forward; }

#endif
