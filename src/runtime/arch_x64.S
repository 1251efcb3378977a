// x86-64, System V. Contracts: arch.h. Facts relied on (docs/abi.md): C keeps rbx rbp r12-r15;
// guest code keeps rbp and rsp, and r13 r15 as its convention says; rsp is a multiple of 16 before
// each call.
//
// Every frame starts with `push rbp; mov rbp, rsp` and is described by rbp, so that unwinders cross
// from C to guest code and back by frame pointers alone. Frames that stand between two stacks are
// marked as signal frames: debuggers then do not insist that the outer frame lies higher. Either
// stack may be the higher one.

#include "runtime/arch_offsets.h"

    .intel_syntax noprefix
    .hidden RUNTIME_BUILTINS
    .hidden runtime_host_call
    .hidden runtime_thread
    .hidden runtime_trap_lost
    .text
    .globl arch_text_start
    .hidden arch_text_start
arch_text_start:

    .macro FUNC name
    .globl \name
    .hidden \name
    .type \name, @function
    .p2align 6
\name:
    .endm

    // The frame that all have, described by rbp from here on.
    .macro FRAME
    push rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov rbp, rsp
    .cfi_def_cfa_register rbp
    .endm

// rdi entry, rsi values, rdx store, rcx outer
FUNC arch_enter
    .cfi_startproc
    .cfi_signal_frame
    FRAME
    push rbx
    .cfi_offset rbx, -24
    push r12
    .cfi_offset r12, -32
    push r13
    .cfi_offset r13, -40
    push r14
    .cfi_offset r14, -48
    push r15
    .cfi_offset r15, -56
    push rcx
    mov rax, [rip + runtime_thread@gottpoff]
    mov fs:[rax], rdx
    mov [rdx + ARCH_EXEC_HOST_SP], rsp
    mov r13, [rdi]
    mov r10, [rdi + ARCH_ENTRY_CODE]
    mov r15, [r13 + ARCH_VMCTX_HEAP_BASE]
    mov rbx, rsi
    mov rsp, [rcx + ARCH_EXEC_WASM_SP]
    call [rdi + ARCH_ENTRY_STUB]
    xor eax, eax
    // Here with status in eax, rbp = &activation->fp.
    .globl arch_landing
    .hidden arch_landing
arch_landing:
    mov rcx, [rip + runtime_thread@gottpoff]
    lea rsp, [rbp - 40]
    mov rdi, fs:[rcx]
    xor edx, edx
    mov fs:[rcx], rdx
    mov [rdi + ARCH_EXEC_HOST_SP], rdx
    mov [rdi + ARCH_STORE_ENDED], eax
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size arch_enter, . - arch_enter

// rdi exec, esi status
FUNC arch_unwind
    .cfi_startproc
    mov rsp, [rdi + ARCH_EXEC_HOST_SP]
    // From here on in arch_enter's frame.
    .cfi_def_cfa rsp, ARCH_ACTIVATION_FP + 16
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
    lea rbp, [rsp + ARCH_ACTIVATION_FP]
    mov eax, esi
    jmp arch_landing
    .cfi_endproc
    .size arch_unwind, . - arch_unwind

// Entered by a return, which leaves rsp = host_sp. Unwinders look at the byte before.
    .p2align 6
    .cfi_startproc
    .cfi_def_cfa rsp, ARCH_ACTIVATION_FP + 16
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
    nop
    .globl arch_lost
    .hidden arch_lost
    .type arch_lost, @function
arch_lost:
    mov rcx, [rip + runtime_thread@gottpoff]
    mov rdi, fs:[rcx]
    call runtime_trap_lost
    ud2
    .cfi_endproc
    .size arch_lost, . - arch_lost

// eax builtin, r13 context, rsi rdx rcx r8 arguments
FUNC arch_builtin_entry
    .cfi_startproc
    .cfi_signal_frame
    FRAME
    mov r10, [r13 + ARCH_VMCTX_EXEC]
    mov [r10 + ARCH_EXEC_EXIT_FP], rbp
    mov [r10 + ARCH_EXEC_WASM_SP], rsp
    mov rdi, r13
    mov eax, eax
    lea r11, [rip + RUNTIME_BUILTINS]
    mov rsp, [r10 + ARCH_EXEC_HOST_SP]
    call [r11 + rax * 8]
    mov rsp, rbp
    pop rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size arch_builtin_entry, . - arch_builtin_entry

// r13 context, r11 table << 32 | type, r10 index
FUNC arch_table_entry
    .cfi_startproc
    .cfi_signal_frame
    FRAME
    sub rsp, ARCH_SAVED_BYTES
    mov [rsp], rax
    mov [rsp + 8], rcx
    mov [rsp + 16], rdx
    mov [rsp + 24], rsi
    mov [rsp + 32], rdi
    mov [rsp + 40], r8
    mov [rsp + 48], r9
    mov [rsp + 56], r10
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups [rsp + ARCH_SAVED_FLOATS + 16 * \i], xmm\i
    .endr
    mov rax, [r13 + ARCH_VMCTX_EXEC]
    mov [rax + ARCH_EXEC_EXIT_FP], rbp
    mov [rax + ARCH_EXEC_WASM_SP], rsp
    mov rdi, r13
    mov rsi, r11
    mov rdx, r10
    lea r11, [rip + RUNTIME_BUILTINS]
    mov rsp, [rax + ARCH_EXEC_HOST_SP]
    call [r11 + ARCH_BUILTIN_TABLE_ENTRY * 8]
    lea rsp, [rbp - ARCH_SAVED_BYTES]
    mov r11, rax
    mov rax, [rsp]
    mov rcx, [rsp + 8]
    mov rdx, [rsp + 16]
    mov rsi, [rsp + 24]
    mov rdi, [rsp + 32]
    mov r8, [rsp + 40]
    mov r9, [rsp + 48]
    mov r10, [rsp + 56]
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups xmm\i, [rsp + ARCH_SAVED_FLOATS + 16 * \i]
    .endr
    mov rsp, rbp
    pop rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size arch_table_entry, . - arch_table_entry

// r13 the host function's context (HostFunc), r14 the caller's; parameters by the convention.
FUNC arch_host_stub
    .cfi_startproc
    .cfi_signal_frame
    FRAME
    sub rsp, ARCH_SPILL_BYTES
    mov [rsp], rdi
    mov [rsp + 8], rsi
    mov [rsp + 16], rdx
    mov [rsp + 24], rcx
    mov [rsp + 32], r8
    mov [rsp + 40], r9
    movups [rsp + ARCH_SPILL_FLOATS], xmm0
    movups [rsp + ARCH_SPILL_FLOATS + 16], xmm1
    movups [rsp + ARCH_SPILL_FLOATS + 32], xmm2
    movups [rsp + ARCH_SPILL_FLOATS + 48], xmm3
    movups [rsp + ARCH_SPILL_FLOATS + 64], xmm4
    movups [rsp + ARCH_SPILL_FLOATS + 80], xmm5
    movups [rsp + ARCH_SPILL_FLOATS + 96], xmm6
    movups [rsp + ARCH_SPILL_FLOATS + 112], xmm7
    mov rcx, rsp
    mov eax, [r13 + ARCH_HOST_VALUES_BYTES]
    sub rsp, rax
    // C writes there: the guest stack must be there, or the trap must happen here.
    mov qword ptr [rsp], 0
    mov r10, [r14 + ARCH_VMCTX_EXEC]
    mov [r10 + ARCH_EXEC_EXIT_FP], rbp
    mov [r10 + ARCH_EXEC_WASM_SP], rsp
    mov rdi, r13
    mov rsi, r14
    mov rdx, rsp
    lea r8, [rbp + 16]
    mov rsp, [r10 + ARCH_EXEC_HOST_SP]
    call runtime_host_call
    lea rsp, [rbp - ARCH_SPILL_BYTES]
    test eax, eax
    jnz .Lraise
    mov rax, [rsp]
    mov rdx, [rsp + 8]
    mov rcx, [rsp + 16]
    mov r8, [rsp + 24]
    movups xmm0, [rsp + ARCH_SPILL_FLOATS]
    movups xmm1, [rsp + ARCH_SPILL_FLOATS + 16]
    movups xmm2, [rsp + ARCH_SPILL_FLOATS + 32]
    movups xmm3, [rsp + ARCH_SPILL_FLOATS + 48]
    mov r9d, [r13 + ARCH_HOST_POP_BYTES]
    .cfi_remember_state
    mov rsp, rbp
    pop rbp
    .cfi_def_cfa rsp, 8
    test r9d, r9d
    jnz .Lpop
    ret
.Lpop:
    pop r11
    .cfi_def_cfa_offset 0
    .cfi_register rip, r11
    mov r10, rsp
    .cfi_def_cfa r10, 0
    add rsp, r9
    jmp r11
.Lraise:
    .cfi_restore_state
    mov r13, r14
    mov eax, ARCH_BUILTIN_RAISE
    call [r13 + ARCH_VMCTX_BUILTIN_ENTRY]
    ud2
    .cfi_endproc
    .size arch_host_stub, . - arch_host_stub

    .globl arch_text_end
    .hidden arch_text_end
arch_text_end:

    .section .note.GNU-stack, "", @progbits
