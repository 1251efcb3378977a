// What an image that is a program starts with, of which the linker makes a copy. It runs as the
// system enters a program: rsp -> argc, argv..., 0, environment..., 0, pairs {type, value}.
// It becomes `imago` with the command line in its texts (program.c), the file that was started and
// that one's arguments, in the same environment:
//
//     $IMAGO if that is set and not empty, else the first that is there of the texts' paths, else
//     of the folders in $PATH; entries that are too long are passed over. A program with more
//     rights than who started it (AT_SECURE) looks at the paths only, since the environment is not
//     to be trusted.
//
// texts: message, 0; words from the last to the first, each with its 0; 0; paths likewise; 0.
//
// Registers: rbx texts, rbp $IMAGO or 0, then what is left to search, r8 $PATH or 0, r9 AT_SECURE,
// r10 what ends an entry of $PATH, r12 argc, r13 argv, then ours, r14 environment, r15 file.
// A system call destroys rax, rcx and r11 only.

    .intel_syntax noprefix
    .section .rodata.program, "a"

    .set EXECVE, 59
    .set WRITE, 1
    .set EXIT, 60
    .set AT_SECURE, 23
    .set AT_EXECFN, 31
    .set STDERR, 2
    .set NOT_FOUND, 127
    .set PATH_ROOM, 4096
    .set PATH_END_ROOM, 16

    // rsi: behind the text that it points to
    .macro SKIP_TEXT
77: lodsb
    test al, al
    jnz 77b
    .endm

    // rdi: of this file with our command line
    .macro BECOME
    mov rsi, r13
    mov rdx, r14
    mov eax, EXECVE
    syscall
    .endm

    .globl program_code
    .hidden program_code
    .globl program_texts_field
    .hidden program_texts_field
    .globl program_code_end
    .hidden program_code_end

program_code:
    xor ebp, ebp
    xor r8d, r8d
    xor r9d, r9d
    mov r12, [rsp]
    lea r13, [rsp + 8]
    lea r14, [r13 + r12 * 8 + 8]
    mov r15, [r13]
    .byte 0x48, 0x8D, 0x1D // lea rbx, [rip + texts]
program_texts_field:
    .long 0

    cld
    mov rsi, r14
.Lvariable:
    lodsq
    test rax, rax
    jz .Lpair
    cmp dword ptr [rax], 0x48544150 // "PATH"
    je .Lpath_variable
    cmp dword ptr [rax], 0x47414D49 // "IMAG"
    jne .Lvariable
    cmp word ptr [rax + 4], 0x3D4F // "O="
    jne .Lvariable
    lea rbp, [rax + 6]
    jmp .Lvariable
.Lpath_variable:
    cmp byte ptr [rax + 4], 0x3D // "="
    jne .Lvariable
    lea r8, [rax + 5]
    jmp .Lvariable

.Lpair:
    lodsq
    mov edx, eax
    lodsq
    cmp edx, AT_SECURE
    cmove r9, rax
    cmp edx, AT_EXECFN
    cmove r15, rax
    test edx, edx
    jnz .Lpair

    // The command line, from its end on.
    push 0
    mov rcx, r12
.Largument:
    dec rcx
    jle .Lfile
    push [r13 + rcx * 8]
    jmp .Largument
.Lfile:
    push r15
    mov rsi, rbx
    SKIP_TEXT
.Lword:
    cmp byte ptr [rsi], 0
    je .Lstart
    push rsi
    SKIP_TEXT
    jmp .Lword

.Lstart:
    mov r13, rsp
    inc rsi
    test r9, r9
    jnz .Lpath
    test rbp, rbp
    jz .Lpath
    cmp byte ptr [rbp], 0
    je .Lpath
    mov rdi, rbp
    BECOME
    jmp .Lfailed
.Lpath:
    mov rbp, rsi
    mov rdi, rsi
    cmp byte ptr [rdi], 0
    je .Lsearch
    BECOME
    mov rsi, rbp
    SKIP_TEXT
    jmp .Lpath

.Lsearch:
    test r9, r9
    jnz .Lfailed
    mov rbp, r8
    test rbp, rbp
    jz .Lfailed
    sub rsp, PATH_ROOM
.Lentry:
    mov rsi, rbp
    mov rdi, rsp
    lea rdx, [rsp + PATH_ROOM - PATH_END_ROOM]
.Lbyte:
    lodsb
    test al, al
    jz .Lentry_end
    cmp al, 0x3A // ":"
    je .Lentry_end
    cmp rdi, rdx
    je .Lbyte
    stosb
    jmp .Lbyte
.Lentry_end:
    mov rbp, rsi
    movzx r10d, al
    cmp rdi, rdx
    je .Lnext_entry
    cmp rdi, rsp // an empty one is the current folder
    je .Lname
    mov al, 0x2F // "/"
    stosb
.Lname:
    mov rax, 0x6F67616D69 // "imago", 0
    stosq
    mov rdi, rsp
    BECOME
.Lnext_entry:
    test r10d, r10d
    jnz .Lentry

.Lfailed:
    mov rsi, rbx
    SKIP_TEXT
    lea rdx, [rsi - 1]
    sub rdx, rbx
    mov rsi, rbx
    mov edi, STDERR
    mov eax, WRITE
    syscall
    mov edi, NOT_FOUND
    mov eax, EXIT
    syscall
    ud2
program_code_end:

    .section .note.GNU-stack, "", @progbits
