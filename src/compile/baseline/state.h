// State of the baseline compiler while it walks a function.
//
// Registers are numbered 0-15 (general) and 16-31 (vector); masks have a bit for each. Invariants:
//   - a register in `used` holds either a local (is_local; owner = the local) or the value of one
//     operand stack entry (owner = its index);
//   - a local is in at most one register, LocalState.reg; it is also in its home unless dirty;
//   - i32 values in registers have their upper half zero (docs/abi.md);
//   - entries of the operand stack below `settled` are constants or in their frame slots;
//   - entries below the innermost block's height change their kind only as the block opens: other
//     paths to its end have left them as they were then;
//   - an operand that has been popped is kept by `locked` alone: its register or its local is not
//     to be written or emptied before it is read, though the local may count as dead already.
#ifndef COMPILE_BASELINE_STATE_H
#define COMPILE_BASELINE_STATE_H

#include <setjmp.h>

#include "compile/baseline/baseline.h"
#include "compile/moves.h"
#include "isa/code_buffer.h"
#include "types/limits.h"
#include "wasm/opcode.h"

enum { REG_COUNT = 32, FIRST_FLOAT_REG = 16, NO_REG = ABI_MEMORY };
#define GENERAL_MASK 0x0000FFFFu
#define FLOAT_MASK 0xFFFF0000u
#define BIT(reg) (1u << (reg))

typedef enum ValueKind { VALUE_CONST, VALUE_LOCAL, VALUE_REG, VALUE_SLOT } ValueKind;

// An operand. The type decides the width of everything done with it. Only the fields of its kind
// are defined.
typedef struct Value {
    u8 kind, type;
    u8 reg; // VALUE_REG
    u8 reserved;
    u32 index; // VALUE_LOCAL: the local; VALUE_SLOT: the stack index whose slot holds it
    u64 bits;  // VALUE_CONST; i32 and f32 zero-extended
} Value;

typedef struct LocalState {
    i32 home;    // frame offset
    u32 aliases; // operand stack entries that are this local
    u8 reg; // present register, else NO_REG
    u8 type;
    bool is_seen; // has had a value (locals that are assigned before use have none at first)
    u8 pin;       // register that some loop wants it in; valid if pin_of agrees (regs.h)
} LocalState;

// Which local stands in which register.
typedef struct RegFile {
    u32 used, is_local, dirty, pinned;
    u32 owner[REG_COUNT];
} RegFile;

// What the code at a label finds: locals in registers and the place of its single result (several
// results are always in their slots).
typedef struct MergeState {
    u32 used, dirty, pinned;
    u8 result_reg; // NO_REG: in its slot
    u16 next_free;
    u32 owner[REG_COUNT];
    Label edge;  // wide labels: code that makes the edge from a stack of edge_sp entries
    u32 edge_sp;
} MergeState;

// A branch that carries more operands than this finds them all in their slots and all locals at
// home: then branches from the same stack height share the code that moves the operands, and many
// branches to one label cost no more than their number.
enum { WIDE_OPERANDS = 8 };

// Merge states alive at once; a label beyond that gets the state "everything in memory".
enum { MAX_MERGE_STATES = 4096 };
#define STATE_NONE 0xFFFFu
#define STATE_EMPTY 0xFFFEu // no local in a register, result in its slot

typedef enum ControlKind {
    CONTROL_FUNC,
    CONTROL_BLOCK,
    CONTROL_LOOP,
    CONTROL_IF,
    CONTROL_ELSE,
} ControlKind;

// Small: a module can open a block with every two of its bytes.
enum { HEIGHT_MASK = (1 << 29) - 1 };
_Static_assert(MAX_BODY_BYTES + MAX_EXTRA_OPERANDS <= HEIGHT_MASK, "a height has 29 bits");
typedef struct Control {
    u32 kind : 3;
    u32 height : 29;  // of the operand stack below its parameters
    i32 block_type;   // as decoded: type index, or negative code
    Label label;      // where a branch goes; LABEL_NONE before the first one
    Label else_label; // CONTROL_IF
    Label table_stub; // during br_table: where its entry goes
    u16 state;        // of the label: index in states, STATE_NONE before the first branch
    u16 other_state;  // CONTROL_IF: at its start, for the second arm; CONTROL_LOOP: header state of
                      // the enclosing loop
} Control;

// Out of line: where call_indirect goes on, at `entry`, when a signature does not match.
typedef struct SignatureMiss {
    Label entry;
    u32 table;       // ID_NONE: a frozen one, ...
    u32 wasm_offset; // of the call
    union {
        struct {
            Label uninitialized, mismatch; // ... with these traps
        };
        struct {
            Label resume; // once the entry is made
            u32 type;
        };
    };
} SignatureMiss;

// The home of a local that is an externref.
typedef struct RefHome {
    u32 end; // position behind which the local is dead
    i32 home;
} RefHome;

typedef struct Baseline {
    CodeBuffer code;
    jmp_buf landing;
    const CompilePlan *plan;
    const Module *module;
    CodeOutput *out;
    const FuncFacts *facts;
    const FuncType *type;
    const AbiLayout *abi; // of its type
    u32 func;
    // Bytecode.
    const u8 *body, *pc, *end;
    u32 op_offset; // of the present instruction, in the module
    u32 loop_count; // `loop` opcodes seen
    // Operand stack, control stack, locals.
    Value *stack;
    u32 sp, settled;
    u32 slotted_from, slotted; // entries from here to there are in slots, none is a constant
    VEC(Value) stack_memory;
    VEC(Control) controls;
    VEC(LocalState) locals;
    VEC(MergeState) states;
    u16 free_state;
    // Registers.
    RegFile regs;
    u32 allocatable; // registers that values may be in
    u32 locked;      // operands of the present instruction: not to be evicted
    u16 loop_state;  // header state of the innermost loop
    bool is_dead;    // the present position cannot be reached
    Label return_edge; // as MergeState.edge, for a function of many results
    u32 return_edge_sp;
    // A comparison whose only user is the next instruction.
    u8 pending; // Condition + 1, 0: none
    // Frame.
    u8 frame_base;     // register that frame offsets count from
    i32 slots_base;    // slot s is at slots_base - 8 * s
    i32 lowest;        // lowest frame offset used
    i32 stack_param_bias; // frame offset of the first stack parameter
    i32 result_pointer_home;
    bool has_frame, saves_context, saves_registers;
    u32 frame_patch; // offset of the frame size's immediate, ID_NONE: none
    u32 rodata_start; // of this function's jump tables in out->rodata
    VEC(u32) table_labels; // labels of the jump tables' entries, in order of the tables
    VEC(SignatureMiss) misses;
    u32 first_site, first_fixup, first_unwind;
    FinalRecords records;
    // Stack maps (refs.h), if the plan asks for them.
    u32 call_count;        // sites of kind SITE_CALL so far
    VEC(RefHome) ref_homes; // of locals that are not dead, those that die first last
    VEC(u32) ref_operands;  // stack indexes of operands below refs_known that are externrefs
    u32 refs_known, refs_kept; // the latter: of ref_operands, as in the last RefCall
    RefFunc ref_func;
} Baseline;

// The register in which the innermost loop's header wants a local, else NO_REG.
static inline u8 pin_of(const Baseline *b, u32 local) {
    if (b->loop_state >= STATE_EMPTY) {
        return NO_REG;
    }
    const u8 pin = b->locals.at[local].pin;
    const MergeState *state = &b->states.at[b->loop_state];
    const bool is_wanted =
        pin != NO_REG && (state->pinned & BIT(pin)) != 0 && state->owner[pin] == local;
    return is_wanted ? pin : NO_REG;
}

static inline bool reg_is_float(u8 reg) { return reg >= FIRST_FLOAT_REG; }
static inline u32 class_mask(bool is_float) { return is_float ? FLOAT_MASK : GENERAL_MASK; }
static inline Value value_const(u8 type, u64 bits) {
    return (Value){.kind = VALUE_CONST, .type = type, .bits = bits};
}
static inline Value value_reg(u8 type, u8 reg) {
    return (Value){.kind = VALUE_REG, .type = type, .reg = reg};
}
// Position behind the present instruction, as facts count it.
static inline u32 position(const Baseline *b) { return (u32)(b->pc - b->body); }

// Leaves the function: out of memory.
_Noreturn void out_of_memory(Baseline *b);

#endif
