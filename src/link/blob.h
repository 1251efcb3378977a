// CodeBlob: all that leaves a compiler. The bytes of functions and what must be known about them;
// nothing of ELF, nothing of WebAssembly opcodes.
//
// A worker appends its functions to one CodeBuffer; a blob is a function's slice of it. Offsets in
// records count from the start of the blob's code. Vectors are shared by all blobs of a worker, a
// blob names its ranges, so that no function allocates.
#ifndef LINK_BLOB_H
#define LINK_BLOB_H

#include "base/check.h"
#include "base/vec.h"
#include "base/writer.h"
#include "types/trap.h"

// Enough for functions with imports, and for the jump tables of the largest body.
enum { FIXUP_INDEX_BITS = 26 };

// What a pc-relative field of the code refers to.
typedef enum FixupTarget {
    FIXUP_FUNC,   // entry of function `index` (index space with imports, defined)
    FIXUP_RODATA, // byte `index` of the blob's own read-only data
    FIXUP_TABLE,  // entries of frozen table `index` in the image (ImageTableEntry)
    FIXUP_TEXT,   // start of the text
} FixupTarget;

// Records are small: there is one for every few bytes of code.
typedef struct Fixup {
    u32 offset; // of the 4-byte field; ascending in a blob
    u32 index : FIXUP_INDEX_BITS;
    u32 target : 3; // FixupTarget
    u32 kind : 3;   // of the target's fixup_kinds (isa/code_target.h): how it is patched
} Fixup;

static inline Fixup fixup_of(u32 offset, FixupTarget target, u32 index, u32 kind) {
    assert(index < 1u << FIXUP_INDEX_BITS && kind < 8);
    return (Fixup){offset, index & ((1u << FIXUP_INDEX_BITS) - 1), (u32)target & 7, kind & 7};
}

// An instruction that may trap, a call's return address or, if they are asked for, where the code
// of any other WebAssembly instruction starts. A blob's sites ascend: each lies behind the one
// before, where a call counts as its instruction's last byte.
#define SITE_CALL 15
#define SITE_PLAIN 14
#define BLOB_MAX_BYTES (1u << 28) // of one function's code: CODE_MAX_BYTES
typedef struct Site {
    u32 wasm_offset; // in the module
    u32 offset : 28; // of the instruction; for SITE_CALL of the return address
    u32 kind : 4;    // TrapKind or SITE_...
} Site;
_Static_assert(TRAP_COUNT <= SITE_PLAIN, "a kind has four bits");

static inline Site site_of(u32 offset, u32 wasm_offset, u32 kind) {
    return (Site){wasm_offset, offset & (BLOB_MAX_BYTES - 1), kind & 15};
}

// Unwind state changes, in order of offset. The state at entry is the ABI's: CFA = sp + 8
// (x86-64), return address at CFA - 8.
typedef enum UnwindOp {
    UNWIND_CFA_REG,    // CFA = `reg` + value
    UNWIND_CFA_OFFSET, // CFA = same register + value
    UNWIND_SAVE,       // caller's `reg` stands at CFA - value
    UNWIND_RESTORE,    // caller's `reg` is in the register again
    UNWIND_REMEMBER,   // push the state, ...
    UNWIND_RECALL,     // ... pop it
    UNWIND_NO_CALLER,  // nobody called this code: walks over the frames end here
} UnwindOp;

typedef struct UnwindRow {
    u32 offset; // from here on
    u8 op;      // UnwindOp
    u8 reg;     // DWARF number
    u16 value;
} UnwindRow;

typedef enum BlobKind {
    BLOB_FUNC,
    BLOB_ENTRY_STUB,
    BLOB_EXIT_STUB,
    BLOB_START, // where the system starts an image that is a program; the last blob
} BlobKind;

enum { BLOB_HAS_NO_FRAME = 1 }; // flags: never pushes the frame pointer

// A call during which the function's frame holds externrefs: in the first `homes` of the function's
// homes, and in operand slots: the first `kept` of the RefCall before, then `pushed` more. What two
// calls have in common is not repeated, so that there are no more of these than instructions.
typedef struct RefCall {
    u32 call; // ordinal among the blob's sites of kind SITE_CALL; ascending
    u32 homes, kept, pushed;
} RefCall;

// A function with such calls. Its offsets in CodeOutput.ref_slots are multiples of 8: `home_count`
// of locals, from the frame pointer, those that die first last; then what calls push, from the
// place of the lowest operand, so that they are alike in functions with unlike frames.
typedef struct RefFunc {
    u32 first_slot, home_count;
    u32 first_call, call_count;
    u32 operand_base; // that place, as bytes below the frame pointer
} RefFunc;

typedef struct CodeBlob {
    u32 code_at, code_bytes; // range of CodeOutput.code
    u32 index;   // function index (with imports), type index for stubs, 0 for
                 // BLOB_START
    u32 kind : 8;   // BlobKind
    u32 worker : 8; // whose output holds it
    u32 align : 8;  // power of two; 0: no wish, that is the layout's or the target's default
    u32 flags : 4;
    u32 unwind_count : 4;
    u32 rodata_at, rodata_bytes; // range of CodeOutput.rodata; at a multiple of 16 in the image
    u32 first_fixup, fixup_count;
    u32 first_site, site_count;
    u32 first_unwind;
    u32 refs; // its RefFunc in CodeOutput.ref_funcs is the one before; 0: it has none
} CodeBlob;

// One worker's output. Owned by the driver; freed after linking.
typedef struct CodeOutput {
    Writer code;
    Writer rodata;
    VEC(Fixup) fixups;
    VEC(Site) sites;
    VEC(UnwindRow) unwind;
    VEC(RefFunc) ref_funcs;
    VEC(RefCall) ref_calls;
    VEC(i32) ref_slots;
} CodeOutput;

#endif
