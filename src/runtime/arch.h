// What only assembler can do: enter guest code on its own stack, leave it, and call back into C on
// the host's stack. One file arch_*.S a machine; docs/abi.md has the convention, docs/runtime.md
// the picture of the two stacks.
#ifndef RUNTIME_ARCH_H
#define RUNTIME_ARCH_H

#include "runtime/arch_offsets.h"
#include "runtime/signals.h"
#include "runtime/store.h"

// What arch_enter leaves on the host stack, at exec->host_sp, while guest code runs. Activations of
// one store are a list, newest first.
typedef struct Activation {
    const VmExec *outer; // *exec as it was before
    u64 saved_regs[5];
    void *fp; // the host's frame pointer; arch_enter's own points here
    void *return_address;
} Activation;

// The newest activation that *exec knows of; NULL: none.
static inline const Activation *activation_of(const VmExec *exec) { return exec->host_sp; }

// Calls a function of the store's guests on the guest stack, from outer->wasm_sp down, with
// runtime_thread.store = store. Returns IMAGO_OK when it returns, or the status that the activation
// was ended with, and notes it in store->ended.
//   values  arguments and results
//   outer   equal to store->exec, and changed by runtime_store_lose only, in no const object.
//           wasm_sp is a multiple of 16 within the guest stack
// Afterwards runtime_thread.store and exec.host_sp are NULL; who makes a nested call puts back what
// was there.
// Costs about 2 ns.
ImagoStatus arch_enter(const EntryPoint *entry, ImagoValue *values, ImagoStore *store,
                       const VmExec *outer);

// Ends exec's newest activation: its arch_enter returns `status` (not 0). Called on the host stack
// by a builtin that the activation called; its C frames are dropped.
_Noreturn void arch_unwind(VmExec *exec, int status);

// Where a signal handler resumes to do the same: frame pointer &activation->fp, stack pointer
// exec->host_sp, status in the result register.
void arch_landing(void);

// Where C code returns to that guest code of a store has called which has since lost memory: ends
// the newest activation with TRAP_IMAGE_CHANGED, whatever the status is. Not a function to call.
void arch_lost(void);

// BUILTIN_ENTRY of every context: calls RUNTIME_BUILTINS[eax](context, ...) on the host stack.
// Internal convention of docs/abi.md; called by guest code only.
void arch_builtin_entry(void);

// TABLE_ENTRY of every context: calls builtin TABLE_ENTRY on the host stack with what r11 and r10
// hold, and leaves the result in r11; every other register as it was. Called by guest code only.
void arch_table_entry(void);

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
_Static_assert(ARCH_BUILTIN_TABLE_ENTRY == BUILTIN_TABLE_ENTRY, "arch_offsets.h");
_Static_assert(ARCH_ACTIVATION_FP == offsetof(Activation, fp), "arch_offsets.h");

#endif
