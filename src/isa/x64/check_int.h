// The checker's parts: check.c walks the function and joins states, check_state.c says what an
// instruction does to a state, check_memory.c what it may access.
#ifndef ISA_X64_CHECK_INT_H
#define ISA_X64_CHECK_INT_H

#include "isa/x64/check.h"
#include "isa/x64/decode.h"

// What a register holds. Its `value` depends on the kind.
typedef enum RegKind {
    REG_DATA,         // nothing to be followed as a pointer
    REG_ENTRY,        // what register `value` held on entry
    REG_CONTEXT,      // context; value 1: the function's own
    REG_HEAP,         // heap base; value 1: of the own context
    REG_FRAME,        // frame pointer: sp on entry - 8
    REG_STACK,        // sp on entry + value (as i32)
    REG_RECORD,       // loaded from the context or a record: pointer to a record, or a plain word
    REG_VALUE,        // pointer to a global's value
    REG_RESULT,       // pointer to the memory results
    REG_RODATA,       // the jump tables + value
    REG_TABLE,        // frozen table of `value` entries
    REG_TABLE_OFFSET, // loaded from one, signature compared
    REG_TEXT,         // start of the text
    REG_CODE,         // entry of a function
    REG_START,        // start of this function
    REG_JUMP_OFFSET,  // loaded from the jump tables at value, one of `bound` entries
    REG_JUMP_TARGET,  // and added to the start
    REG_SUM,          // of two zero-extended values
} RegKind;

// The upper half of data: is zero; is zero if others keep the ABI; is not known to be. The greater,
// the worse.
typedef enum Upper { UPPER_ZERO, UPPER_ASSUMED, UPPER_DIRTY } Upper;

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum { PROLOGUE_DEPTH = 8, RED_ZONE_BYTES = 128 };

typedef struct RegState {
    u8 kind, upper;
    bool is_counted;  // was compared with a word of a record and is below it
    bool is_matching; // signature of this entry was compared with the wanted one
    u32 value;
    u32 bound; // was compared with a constant: below it; 0: was not
} RegState;

_Static_assert(sizeof(RegState) == 12, "no padding");

static inline RegState data_of(Upper upper) {
    return (RegState){.kind = REG_DATA, .upper = (u8)upper};
}
static inline RegState reg_of(RegKind kind, u32 value) {
    return (RegState){.kind = (u8)kind, .upper = UPPER_DIRTY, .value = value};
}
static inline bool is_own(RegState reg, RegKind kind) {
    return reg.kind == kind && reg.value == 1;
}

typedef struct State {
    RegState regs[16];
    i32 depth;      // sp = sp on entry - depth
    i32 frame_depth; // depth behind the prologue; 0: no frame
    i32 results;    // bytes above sp that the last call may have left
    u32 probed;     // bytes below sp on entry that are known to be stack
    u8 is_reached, has_depth;
    u16 reserved; // states are compared as bytes
} State;

// A comparison that the next instruction may branch on.
typedef enum TestKind {
    TEST_NONE,
    TEST_BOUND,     // reg with constant `value`
    TEST_COUNT,     // reg with a word of a record
    TEST_SIGNATURE, // of table entry reg
    TEST_STACK,     // reg, a stack address, with a word of a record
    TEST_CARRY,     // bit 32 of reg
} TestKind;

typedef struct Test {
    u8 kind, reg;
    u32 value;
} Test;

// A frame slot that holds something the rules depend on; written once, in the first block.
typedef struct Slot {
    i32 at; // from sp on entry
    u32 writer; // offset of the instruction
    RegState content;
} Slot;
enum { MAX_SLOTS = 8 };

typedef struct Checker {
    const u8 *code;
    u32 bytes;
    const X64CheckInput *input;
    Error *err;
    State state;
    Test test; // of the instruction before
    Slot slots[MAX_SLOTS];
    u32 slot_count;
    bool in_first_block;
    bool is_final;   // states have settled: report
    const X64Inst *inst;
    const char *complaint; // of the instruction, NULL: none
} Checker;

// Notes what is wrong with the instruction; the first one stays. Worth false.
bool check_complain(Checker *c, const char *complaint);
// State on entry of the function.
void check_entry_state(Checker *c);
// What the instruction does to c->state; branches are not followed. For a BRANCH the state becomes
// that of not taking it; c->test is that of the instruction before.
void check_step(Checker *c, const X64Inst *inst, const X64Ref *ref);

// What is known of the upper half, whatever the register holds.
Upper check_upper(RegState reg);
static inline RegState get_reg(const Checker *c, u8 reg) {
    return reg == RSP ? reg_of(REG_STACK, (u32)-c->state.depth) : c->state.regs[reg];
}
// Registers with a fixed meaning take nothing else.
void check_set_reg(Checker *c, u8 reg, RegState value);
// Checks the instruction's memory operand. `content`: what is stored, if it is a whole register.
// Returns what a load of a whole register yields.
RegState check_access(Checker *c, bool is_write, const RegState *content);
// The same of the frame's memory at (sp on entry + at).
RegState check_frame(Checker *c, i64 at, u32 bytes, bool is_write, const RegState *content);

#endif
