// The little register machine that interp_table and interp_switch both run:
// sixteen 32-bit registers, instructions of four bytes {op, a, b, c}, and one
// program (a sieve with a running hash) written in it.
#ifndef BENCH_KERNELS_MACHINE_H
#define BENCH_KERNELS_MACHINE_H

#include "kernel.h"

enum Op {
    SET, MOVE, ADD, SUB, MUL, XOR, SHIFT, LOAD, STORE, JUMP, JUMP_LESS, JUMP_ZERO, HALT,
    OPS // how many there are
};

typedef struct {
    u8 op, a, b, c;
} Inst;

enum { CELLS = 8192 };

typedef struct {
    u32 reg[16];
    u32 pc;
    u32 is_running;
    const Inst *code;
    u8 cells[CELLS];
} Machine;

// r0 = i, r1 = j, r2 = limit, r3 = flag, r4 = hash, r5 = 1, r6 = 31, r7 = i * i
static const Inst machine_program[] = {
    {SET, 0, 2, 0},        // 0  i = 2
    {SET, 5, 1, 0},        // 1
    {SET, 6, 31, 0},       // 2
    {LOAD, 3, 0, 0},       // 3  next: flag = cells[i]
    {JUMP_ZERO, 3, 6, 0},  // 4  prime -> 6
    {JUMP, 0, 16, 0},      // 5  -> 16
    {MUL, 4, 4, 6},        // 6  hash = hash * 31 ^ i
    {XOR, 4, 4, 0},        // 7
    {SHIFT, 8, 4, 15},     // 8
    {ADD, 4, 4, 8},        // 9
    {MUL, 7, 0, 0},        // 10 j = i * i
    {MOVE, 1, 7, 0},       // 11
    {JUMP_LESS, 1, 2, 14}, // 12 j < limit -> 14
    {JUMP, 0, 16, 0},      // 13 -> 16
    {STORE, 1, 5, 0},      // 14 cells[j] = 1, j += i
    {ADD, 1, 1, 0},        // 15
    {JUMP_LESS, 1, 2, 14}, // 16 inner loop; after it i += 1
    {ADD, 0, 0, 5},        // 17
    {MOVE, 1, 2, 0},       // 18
    {JUMP_LESS, 0, 2, 3},  // 19
    {HALT, 0, 0, 0},       // 20
};

static inline void machine_start(Machine *m, u32 limit) {
    memset(m->cells, 0, sizeof m->cells);
    m->reg[1] = limit;
    m->reg[2] = limit;
    m->pc = 0;
    m->is_running = 1;
    m->code = machine_program;
}

#endif
