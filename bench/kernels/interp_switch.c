// Jump table: the interpreter of machine.h as one loop around a switch.
#include "machine.h"

static NOINLINE void run(Machine *m) {
    u32 pc = m->pc;
    u32 *reg = m->reg;
    for (;;) {
        Inst i = m->code[pc++];
        switch ((enum Op)i.op) {
        case SET: reg[i.a] = i.b; break;
        case MOVE: reg[i.a] = reg[i.b]; break;
        case ADD: reg[i.a] = reg[i.b] + reg[i.c]; break;
        case SUB: reg[i.a] = reg[i.b] - reg[i.c]; break;
        case MUL: reg[i.a] = reg[i.b] * reg[i.c]; break;
        case XOR: reg[i.a] = reg[i.b] ^ reg[i.c]; break;
        case SHIFT: reg[i.a] = reg[i.b] >> i.c; break;
        case LOAD: reg[i.a] = m->cells[reg[i.b] % CELLS]; break;
        case STORE: m->cells[reg[i.a] % CELLS] = (u8)reg[i.b]; break;
        case JUMP: pc = i.b; break;
        case JUMP_LESS: pc = reg[i.a] < reg[i.b] ? i.c : pc; break;
        case JUMP_ZERO: pc = reg[i.a] == 0 ? i.b : pc; break;
        case HALT: m->pc = pc; return;
        case OPS: abort();
        }
    }
}

static Machine machine;

int main(int argc, char **argv) {
    for (u32 n = kernel_repeats(argc, argv, 500); n > 0; n--) {
        machine_start(&machine, CELLS - n % 5);
        run(&machine);
    }
    return kernel_report("interp_switch", machine.reg[4]);
}
