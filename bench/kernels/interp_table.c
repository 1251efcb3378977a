// Indirect calls: the interpreter of machine.h, one function an operation,
// reached through a table of function pointers.
#include "machine.h"

typedef void Handler(Machine *m, Inst inst);

static void do_set(Machine *m, Inst i) { m->reg[i.a] = i.b; }
static void do_move(Machine *m, Inst i) { m->reg[i.a] = m->reg[i.b]; }
static void do_add(Machine *m, Inst i) { m->reg[i.a] = m->reg[i.b] + m->reg[i.c]; }
static void do_sub(Machine *m, Inst i) { m->reg[i.a] = m->reg[i.b] - m->reg[i.c]; }
static void do_mul(Machine *m, Inst i) { m->reg[i.a] = m->reg[i.b] * m->reg[i.c]; }
static void do_xor(Machine *m, Inst i) { m->reg[i.a] = m->reg[i.b] ^ m->reg[i.c]; }
static void do_shift(Machine *m, Inst i) { m->reg[i.a] = m->reg[i.b] >> i.c; }
static void do_load(Machine *m, Inst i) { m->reg[i.a] = m->cells[m->reg[i.b] % CELLS]; }
static void do_store(Machine *m, Inst i) { m->cells[m->reg[i.a] % CELLS] = (u8)m->reg[i.b]; }
static void do_jump(Machine *m, Inst i) { m->pc = i.b; }
static void do_halt(Machine *m, Inst i) { m->is_running = i.a; }

static void do_jump_less(Machine *m, Inst i) {
    if (m->reg[i.a] < m->reg[i.b]) {
        m->pc = i.c;
    }
}

static void do_jump_zero(Machine *m, Inst i) {
    if (m->reg[i.a] == 0) {
        m->pc = i.b;
    }
}

// Not const, and filled at run time: no compiler may guess the callee.
static Handler *handlers[OPS];

static NOINLINE void fill_handlers(void) {
    static Handler *const all[OPS] = {
        do_set,  do_move, do_add,   do_sub,  do_mul,       do_xor,       do_shift,
        do_load, do_store, do_jump, do_jump_less, do_jump_zero, do_halt,
    };
    memcpy(handlers, all, sizeof handlers);
}

static NOINLINE void run(Machine *m) {
    while (m->is_running) {
        Inst inst = m->code[m->pc++];
        handlers[inst.op](m, inst);
    }
}

static Machine machine;

int main(int argc, char **argv) {
    fill_handlers();
    for (u32 n = kernel_repeats(argc, argv, 350); n > 0; n--) {
        machine_start(&machine, CELLS - n % 5);
        run(&machine);
    }
    return kernel_report("interp_table", machine.reg[4]);
}
