// Numbers that the assembler files need of C structures. arch.h asserts that they are right.
#ifndef RUNTIME_ARCH_OFFSETS_H
#define RUNTIME_ARCH_OFFSETS_H

// Context and execution state: types/vmctx.h.
#define ARCH_VMCTX_EXEC 16
#define ARCH_VMCTX_BUILTIN_ENTRY 24
#define ARCH_EXEC_HOST_SP 0
#define ARCH_EXEC_WASM_SP 8
#define ARCH_EXEC_EXIT_FP 16
#define ARCH_BUILTIN_RAISE 10

// Activation: arch.h.
#define ARCH_ACTIVATION_WASM_SP 8
#define ARCH_ACTIVATION_EXIT_FP 16
#define ARCH_ACTIVATION_HOST_SP 24
#define ARCH_ACTIVATION_EXEC 32
#define ARCH_ACTIVATION_FP 80

// HostFunc: host_func.h.
#define ARCH_HOST_VALUES_BYTES 64
#define ARCH_HOST_POP_BYTES 68

// HostSpill: host_func.h. Registers of a call to a host function through the generic stub.
#define ARCH_SPILL_BYTES 176
#define ARCH_SPILL_FLOATS 48

#endif
