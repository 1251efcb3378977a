// Numbers that the assembler files need of C structures. arch.h asserts that they are right.
#ifndef RUNTIME_ARCH_OFFSETS_H
#define RUNTIME_ARCH_OFFSETS_H

// Context and execution state: types/vmctx.h.
#define ARCH_VMCTX_HEAP_BASE 0
#define ARCH_VMCTX_EXEC 16
#define ARCH_VMCTX_BUILTIN_ENTRY 24
#define ARCH_EXEC_HOST_SP 0
#define ARCH_EXEC_WASM_SP 8
#define ARCH_EXEC_EXIT_FP 16
#define ARCH_BUILTIN_TABLE_ENTRY 12
#define ARCH_BUILTIN_RAISE 13

// ImagoStore: store.h.
#define ARCH_STORE_ENDED 64

// EntryPoint and Activation: arch.h.
#define ARCH_ENTRY_CODE 8
#define ARCH_ENTRY_STUB 16
#define ARCH_ACTIVATION_FP 48

// HostFunc: host_func.h.
#define ARCH_HOST_VALUES_BYTES 64
#define ARCH_HOST_POP_BYTES 68

// What arch_table_entry saves: eight general registers and all vector registers.
#define ARCH_SAVED_BYTES 320
#define ARCH_SAVED_FLOATS 64

// HostSpill: host_func.h. Registers of a call to a host function through the generic stub.
#define ARCH_SPILL_BYTES 176
#define ARCH_SPILL_FLOATS 48

#endif
