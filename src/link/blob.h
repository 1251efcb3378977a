// CodeBlob: all that leaves a compiler. The bytes of functions and what must be known about them;
// nothing of ELF, nothing of WebAssembly opcodes.
//
// A worker appends its functions to one CodeBuffer; a blob is a function's slice of it. Offsets in
// records count from the start of the blob's code. Vectors are shared by all blobs of a worker, a
// blob names its ranges, so that no function allocates.
#ifndef LINK_BLOB_H
#define LINK_BLOB_H

#include "base/vec.h"
#include "base/writer.h"
#include "types/trap.h"

// What a 32-bit pc-relative field of the code refers to. The field receives
// target + addend - (address of the field).
typedef enum FixupTarget {
    FIXUP_FUNC,   // entry of function `index` (index space with imports, defined)
    FIXUP_RODATA, // byte `index` of the blob's own read-only data
    FIXUP_TABLE,  // entries of frozen table `index` in the image (ImageTableEntry)
    FIXUP_TEXT,   // start of the text
} FixupTarget;

typedef struct Fixup {
    u32 offset; // of the 4-byte field
    u8 target;  // FixupTarget
    u8 reserved[3];
    u32 index;
    i32 addend;
} Fixup;

// An instruction that may trap, or a call's return address.
#define SITE_CALL 0xFF
typedef struct Site {
    u32 offset;      // of the instruction; for SITE_CALL of the return address
    u32 wasm_offset; // in the module
    u8 kind;         // TrapKind or SITE_CALL
    u8 reserved[3];
} Site;

// Unwind state changes, in order of offset. The state at entry is the ABI's: CFA = sp + 8
// (x86-64), return address at CFA - 8.
typedef enum UnwindOp {
    UNWIND_CFA_REG,    // CFA = `reg` + value
    UNWIND_CFA_OFFSET, // CFA = same register + value
    UNWIND_SAVE,       // caller's `reg` stands at CFA - value
    UNWIND_RESTORE,    // caller's `reg` is in the register again
    UNWIND_REMEMBER,   // push the state, ...
    UNWIND_RECALL,     // ... pop it
} UnwindOp;

typedef struct UnwindRow {
    u32 offset; // from here on
    u8 op;      // UnwindOp
    u8 reg;     // DWARF number
    u16 reserved;
    u32 value;
} UnwindRow;

typedef enum BlobKind { BLOB_FUNC, BLOB_ENTRY_STUB, BLOB_EXIT_STUB } BlobKind;

enum { BLOB_HAS_NO_FRAME = 1 }; // flags: never pushes the frame pointer

typedef struct CodeBlob {
    BlobKind kind;
    u32 index;   // function index (with imports), or type index for stubs
    u32 worker;  // whose output holds it
    u32 flags;
    u64 code_at; // range of CodeOutput.code
    u32 code_bytes;
    u32 align;   // power of two
    u32 rodata_at, rodata_bytes; // range of CodeOutput.rodata; at a multiple of 16 in the image
    u32 first_fixup, fixup_count;
    u32 first_site, site_count;
    u32 first_unwind, unwind_count;
} CodeBlob;

// One worker's output. Owned by the driver; freed after linking.
typedef struct CodeOutput {
    Writer code;
    Writer rodata;
    VEC(Fixup) fixups;
    VEC(Site) sites;
    VEC(UnwindRow) unwind;
} CodeOutput;

#endif
