// Whether Valgrind runs the program: a sequence of instructions that do nothing on the processor
// and that Valgrind takes for a question. Its manual, "The Client Request mechanism".
#ifndef RUNTIME_ARCH_VALGRIND_H
#define RUNTIME_ARCH_VALGRIND_H

#include "base/int.h"

#if defined(__x86_64__)

static inline bool arch_runs_on_valgrind(void) {
    enum { RUNNING_ON_VALGRIND = 0x1001 };
    const volatile u64 request[6] = {RUNNING_ON_VALGRIND};
    u64 answer = 0;
    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(request)
                     : "cc", "memory");
    return answer != 0;
}

#else
#error "no port for this machine"
#endif

#endif
