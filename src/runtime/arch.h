// What only assembler can do: enter guest code on its own stack, leave it, and call back into C on
// the host's stack. One file arch_*.S a machine; docs/abi.md has the convention, docs/runtime.md
// the picture of the two stacks.
#ifndef RUNTIME_ARCH_H
#define RUNTIME_ARCH_H

#include "runtime/arch_offsets.h"
#include "types/vmctx.h"

// What arch_enter leaves on the host stack, at exec->host_sp, while guest code runs: the state of
// the activation before, to come back to. Activations of one store are thus a list, newest first.
typedef struct Activation {
    void *vmctx; // of the function that was called
    void *wasm_sp, *exit_fp; // exec's, before
    struct Activation *outer; // exec's host_sp before; NULL: this is the outermost
    VmExec *exec;
    u64 saved_regs[5];
    void *fp; // the host's frame pointer; arch_enter's own points here
    void *return_address;
} Activation;

static inline const Activation *activation_of(const VmExec *exec) { return exec->host_sp; }

// Runs `stub(vmctx, code, values)` on the guest stack from exec->wasm_sp down. Returns 0 when it
// returns, or the status that the activation was ended with.
//   exec  wasm_sp is a multiple of 16 within the guest stack
// Costs about 2 ns. On every way out, exec's pointers are as they were.
int arch_enter(VmExec *exec, const void *stub, void *vmctx, const void *code, void *values);

// Ends exec's newest activation: its arch_enter returns `status` (not 0). Called on the host stack
// by a builtin that the activation called; its C frames are dropped.
_Noreturn void arch_unwind(VmExec *exec, int status);

// Where a signal handler resumes to do the same: stack pointer exec->host_sp, frame pointer
// &activation->fp, status in the result register.
void arch_landing(void);

// BUILTIN_ENTRY of every context: calls RUNTIME_BUILTINS[eax](context, ...) on the host stack.
// Internal convention of docs/abi.md; called by guest code only.
void arch_builtin_entry(void);

// Code of every host function's reference, for calls from images that have no exit stub for its
// type: unpacks the arguments by the type. Internal convention; called by guest code only.
void arch_host_stub(void);

// [arch_text_start, arch_text_end): the functions above.
extern const u8 arch_text_start[], arch_text_end[];

_Static_assert(ARCH_VMCTX_EXEC == VMCTX_EXEC, "arch_offsets.h");
_Static_assert(ARCH_VMCTX_BUILTIN_ENTRY == VMCTX_BUILTIN_ENTRY, "arch_offsets.h");
_Static_assert(ARCH_EXEC_HOST_SP == VM_EXEC_HOST_SP, "arch_offsets.h");
_Static_assert(ARCH_EXEC_WASM_SP == VM_EXEC_WASM_SP, "arch_offsets.h");
_Static_assert(ARCH_EXEC_EXIT_FP == VM_EXEC_EXIT_FP, "arch_offsets.h");
_Static_assert(ARCH_BUILTIN_RAISE == BUILTIN_RAISE, "arch_offsets.h");
_Static_assert(ARCH_ACTIVATION_WASM_SP == offsetof(Activation, wasm_sp), "arch_offsets.h");
_Static_assert(ARCH_ACTIVATION_EXIT_FP == offsetof(Activation, exit_fp), "arch_offsets.h");
_Static_assert(ARCH_ACTIVATION_HOST_SP == offsetof(Activation, outer), "arch_offsets.h");
_Static_assert(ARCH_ACTIVATION_EXEC == offsetof(Activation, exec), "arch_offsets.h");
_Static_assert(ARCH_ACTIVATION_FP == offsetof(Activation, fp), "arch_offsets.h");

#endif
