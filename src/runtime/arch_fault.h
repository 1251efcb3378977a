// The machine registers of an interrupted thread, as far as the signal handler reads and writes
// them. The only place that knows ucontext_t.
#ifndef RUNTIME_ARCH_FAULT_H
#define RUNTIME_ARCH_FAULT_H

#ifndef _GNU_SOURCE
#error "signals.c asks for the names of ucontext_t's registers"
#endif
#include <ucontext.h>

#include "runtime/arch.h"

#if defined(__x86_64__)

typedef struct FaultRegs {
    const u8 *pc;
    u64 sp, fp;
    void *vmctx; // if guest code was interrupted
} FaultRegs;

static inline FaultRegs fault_regs(const ucontext_t *context) {
    const greg_t *regs = context->uc_mcontext.gregs;
    return (FaultRegs){(const u8 *)regs[REG_RIP], (u64)regs[REG_RSP], (u64)regs[REG_RBP],
                       (void *)regs[REG_R13]};
}

// Makes the interrupted thread resume in arch_landing.
static inline void fault_land(ucontext_t *context, const VmExec *exec, int status) {
    greg_t *regs = context->uc_mcontext.gregs;
    regs[REG_RIP] = (greg_t)(uintptr_t)arch_landing;
    regs[REG_RSP] = (greg_t)(uintptr_t)exec->host_sp;
    regs[REG_RBP] = (greg_t)(uintptr_t)&activation_of(exec)->fp;
    regs[REG_RAX] = status;
}

#else
#error "no port for this machine"
#endif

#endif
