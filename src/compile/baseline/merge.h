// Merges of control flow: what is where at a label, and making an edge agree with it.
#ifndef COMPILE_BASELINE_MERGE_H
#define COMPILE_BASELINE_MERGE_H

#include "compile/baseline/regs.h"

// A set of simultaneous moves into distinct registers: each reads its source before any is written.
typedef struct MoveSet {
    u32 targets;
    u32 from_regs; // targets whose source is a register
    u8 from[REG_COUNT];
    Value value[REG_COUNT]; // the source
} MoveSet;

static inline void moves_begin(MoveSet *moves) { moves->targets = moves->from_regs = 0; }
void moves_add(Baseline *b, MoveSet *moves, u8 to, const Value *value);
// Emits them. Changes no state; leaves the flags alone.
void moves_emit(Baseline *b, MoveSet *moves);

// Types that a branch to the label carries, and their count.
const u8 *label_types(const Baseline *b, const Control *control, u32 *count);
const u8 *block_params(const Baseline *b, const Control *control, u32 *count);
const u8 *block_results(const Baseline *b, const Control *control, u32 *count);

// The label's state becomes what holds now, with the branch's operands on top of the stack, if it
// has none yet. The operands stay on the stack. True if that is so: then locals need no code on
// this edge.
bool label_fix(Baseline *b, Control *control);
// True if the operands of an edge are where the label's state has them.
bool edge_operands_are_free(Baseline *b, const Control *control);
// True if an edge to the label needs no code.
bool edge_is_free(Baseline *b, const Control *control);
// Emits what makes the edge agree with the label's state. Changes no state, leaves the flags alone.
void edge_emit(Baseline *b, const Control *control);
// Control arrives at the label: registers, stack height and results are as its state says.
void label_enter(Baseline *b, Control *control);

// Snapshot of the locals in registers, for the other arm of an `if`; and its return.
u16 state_save(Baseline *b);
void state_load(Baseline *b, u16 state);
void state_drop(Baseline *b, u16 state);
// Chooses and loads the locals that stand in registers in the loop, fixes its label's state.
void loop_fix(Baseline *b, Control *control, const LoopFacts *facts);
// Pins the locals that the present loop's header wants and that stand where it wants them.
void repin(Baseline *b);

#endif
