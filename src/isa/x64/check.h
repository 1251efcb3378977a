// Checker of emitted machine code: shows of one function's bytes, without trusting the compiler
// that made them, that they keep the rules of docs/abi.md on which memory safety stands. Debug and
// test builds run it on every compiled function. Stubs have rules of their own and are not checked.
//
// What an accepted function does:
//   - it consists of instructions that our compilers emit, all the way, and branches only to the
//     start of one of them; it ends in a return, jump or trap;
//   - it accesses the heap only by [heap base + index + displacement] with an index below 2^32 and
//     a displacement below the limit; the frame within its bounds, leaving return address and saved
//     registers alone; the context and the records it points to by fields; the image's tables below
//     an index that was compared;
//   - it calls only functions of the image, entries of tables whose signature was compared, and
//     what the context and its records point to; jumps through tables that lie wholly in the input;
//   - it returns with stack, frame, context and heap registers and callee-saved registers restored.
//
// How: the state of all registers (what kind of pointer, is the upper half zero) is followed
// through the instructions and joined where branches meet, until nothing changes. Two facts are
// taken on trust unless `strict`: i32 parameters and results of calls have a zero upper half, as
// the ABI says, and words of the runtime's records are what the compiler takes them for.
#ifndef ISA_X64_CHECK_H
#define ISA_X64_CHECK_H

#include "base/error.h"

typedef enum X64RefKind {
    X64_REF_FUNC,   // entry of a function
    X64_REF_RODATA, // the function's own jump tables; value: byte offset in them
    X64_REF_TABLE,  // a frozen table; value: number of its entries
    X64_REF_TEXT,   // start of the text
} X64RefKind;

// A 4-byte field that the linker fills.
typedef struct X64Ref {
    u32 field; // offset in the function
    u32 value;
    u8 kind;   // X64RefKind
} X64Ref;

typedef struct X64Range {
    u32 at, bytes;
} X64Range;

typedef struct X64CheckInput {
    const X64Ref *refs; // ascending by field
    u32 ref_count;
    const u8 *rodata;   // jump tables: 32-bit offsets from the function's start
    u32 rodata_bytes;
    u32 param_stack_bytes, result_bytes; // memory results exist: rdi points to them on entry
    u16 zero_extended_params; // bit a register: holds an i32 on entry (proved for strict)
    bool strict;
    // Limits and layout.
    u32 max_displacement;      // of heap accesses
    u32 stack_probe_bytes;     // frames from here on compare with the limit
    u32 context_bytes;
    u32 heap_base_at;          // in the context
    u32 table_entry_at;        // in the context: a stub that writes r11, a record, and nothing else
    X64Range values;           // in the context: values of globals, may be written
    X64Range value_pointers;   // in the context: 16 bytes each, a pointer to a global's value first
    u32 record_bytes;          // of the records that the context's other words point to
} X64CheckInput;

// True: accepted. Else ERR_INTERNAL with a sentence that has the instruction's offset and bytes, or
// ERR_NO_MEMORY. O(bytes) but for the number of passes over the function, which is bounded; memory
// for the bytes / 4 and 300 bytes a branch target.
bool x64_check(const u8 *code, u32 bytes, const X64CheckInput *input, Error *err);

#endif
