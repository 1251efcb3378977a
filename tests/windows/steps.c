// Runs a function of an image for Windows, under Windows or Wine, instruction by instruction. At
// each one RtlVirtualUnwind must find what calls and returns have left on the stack, and a host
// function must see all frames from where it is called.
//
//     steps.exe IMAGE ENTRY-STUB EXIT-STUB FUNCTION ARGUMENT    stubs and function as RVAs, in hex
//
// Prints the result and what was counted. The context is made here as far as the code reads it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "types/vmctx.h"

enum { MAX_DEPTH = 100, SENTINEL_RBP = 0x1234, SENTINEL_R12 = 0x5678 };

// In: {entry stub, code, values, context}. Sets the trap flag, calls, clears it.
void enter(const uint64_t in[4]);
void host_entry(void);
uint32_t host(uint64_t *at);
extern const char enter_return[];
extern uint64_t enter_rsp;

__asm__(".text\n"
        ".globl enter, enter_return, enter_rsp\n"
        ".seh_proc enter\n"
        "enter:\n"
        "  push %rbp\n .seh_pushreg %rbp\n"
        "  push %rbx\n .seh_pushreg %rbx\n"
        "  push %rsi\n .seh_pushreg %rsi\n"
        "  push %rdi\n .seh_pushreg %rdi\n"
        "  push %r12\n .seh_pushreg %r12\n"
        "  push %r13\n .seh_pushreg %r13\n"
        "  push %r14\n .seh_pushreg %r14\n"
        "  push %r15\n .seh_pushreg %r15\n"
        "  sub $0xA8, %rsp\n .seh_stackalloc 0xA8\n"
        ".seh_endprologue\n"
        "  movups %xmm6, (%rsp)\n movups %xmm7, 16(%rsp)\n movups %xmm8, 32(%rsp)\n"
        "  movups %xmm9, 48(%rsp)\n movups %xmm10, 64(%rsp)\n movups %xmm11, 80(%rsp)\n"
        "  movups %xmm12, 96(%rsp)\n movups %xmm13, 112(%rsp)\n movups %xmm14, 128(%rsp)\n"
        "  movups %xmm15, 144(%rsp)\n"
        "  mov %rsp, enter_rsp(%rip)\n"
        "  mov (%rcx), %rax\n"
        "  mov 8(%rcx), %r10\n"
        "  mov 16(%rcx), %rbx\n"
        "  mov 24(%rcx), %r13\n"
        "  mov %r13, %r14\n"
        "  mov (%r13), %r15\n"
        "  mov $0x1234, %ebp\n"
        "  mov $0x5678, %r12d\n"
        "  pushfq\n orl $0x100, (%rsp)\n popfq\n"
        "  call *%rax\n"
        "enter_return:\n"
        "  pushfq\n andl $~0x100, (%rsp)\n popfq\n"
        "  movups (%rsp), %xmm6\n movups 16(%rsp), %xmm7\n movups 32(%rsp), %xmm8\n"
        "  movups 48(%rsp), %xmm9\n movups 64(%rsp), %xmm10\n movups 80(%rsp), %xmm11\n"
        "  movups 96(%rsp), %xmm12\n movups 112(%rsp), %xmm13\n movups 128(%rsp), %xmm14\n"
        "  movups 144(%rsp), %xmm15\n"
        "  add $0xA8, %rsp\n"
        "  pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rdi\n pop %rsi\n pop %rbx\n pop %rbp\n"
        "  ret\n"
        ".seh_endproc\n"
        // From the convention of the image to that of Windows.
        ".globl host_entry\n"
        ".seh_proc host_entry\n"
        "host_entry:\n"
        "  sub $0x28, %rsp\n .seh_stackalloc 0x28\n"
        ".seh_endprologue\n"
        "  mov %rdx, %rcx\n"
        "  call host\n"
        "  add $0x28, %rsp\n"
        "  ret\n"
        ".seh_endproc\n"
        ".comm enter_rsp, 8\n");

// What is on the stack by the calls and returns that were seen.
typedef struct Frame {
    uint64_t rsp, return_address; // at the entry of the function
} Frame;

static uint64_t image_start, image_end;
static uint64_t values[32], host_stack[1 << 15], entry_rbx;
static Frame frames[MAX_DEPTH];
static unsigned depth, deepest, steps, faults, host_calls;

static int is_in_image(uint64_t rip) { return rip >= image_start && rip < image_end; }

static void fault(const char *what, uint64_t rip) {
    if (faults++ < 20) {
        printf("at image + 0x%llx: %s\n", (unsigned long long)(rip - image_start), what);
    }
}

static void follow(const CONTEXT *at) {
    DWORD64 base;
    if (at->Rsp >= (uint64_t)host_stack && at->Rsp < (uint64_t)(host_stack + (1 << 15))) {
        return;
    }
    while (depth != 0 && at->Rsp > frames[depth - 1].rsp) {
        depth--;
    }
    const RUNTIME_FUNCTION *function = RtlLookupFunctionEntry(at->Rip, &base, NULL);
    if (function != NULL && base + function->BeginAddress == at->Rip && depth < MAX_DEPTH &&
        (depth == 0 || at->Rsp < frames[depth - 1].rsp)) {
        frames[depth++] = (Frame){at->Rsp, *(const uint64_t *)at->Rsp};
        deepest = depth > deepest ? depth : deepest;
    }
}

// One frame up. False: nothing is known of this address.
static int unwind(CONTEXT *context) {
    DWORD64 base, establisher;
    void *data;
    RUNTIME_FUNCTION *function = RtlLookupFunctionEntry(context->Rip, &base, NULL);
    if (function == NULL) {
        return 0;
    }
    (void)RtlVirtualUnwind(UNW_FLAG_NHANDLER, base, context->Rip, function, context, &data,
                           &establisher, NULL);
    return 1;
}

static void check_walk(CONTEXT context) {
    // Behind a return that pops arguments, Wine finds the stack pointer without them, Windows with.
    const uint8_t *code = (const uint8_t *)context.Rip;
    const uint64_t popped = *code == 0xC2 ? code[1] | code[2] << 8 : 0;
    const uint64_t start = context.Rip;
    for (unsigned i = depth; i != 0; i--) {
        if (!unwind(&context)) {
            fault("no unwind information", start);
            return;
        }
        if (context.Rip != frames[i - 1].return_address) {
            fault("another return address", start);
            return;
        }
        const uint64_t above = context.Rsp - (frames[i - 1].rsp + 8);
        if (above != 0 && (i != depth || above != popped)) {
            fault("another stack pointer", start);
            return;
        }
    }
    if (context.Rip != (uint64_t)enter_return || context.Rsp != enter_rsp) {
        fault("the walk does not end in the caller", start);
    } else if (context.Rbp != SENTINEL_RBP || context.R12 != SENTINEL_R12 ||
               context.Rbx != entry_rbx) {
        fault("a register of the caller", start);
    }
}

static LONG WINAPI on_exception(EXCEPTION_POINTERS *info) {
    if (info->ExceptionRecord->ExceptionCode != EXCEPTION_SINGLE_STEP) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    if (is_in_image(info->ContextRecord->Rip)) {
        steps++;
        follow(info->ContextRecord);
        check_walk(*info->ContextRecord);
    }
    if (info->ContextRecord->Rip != (uint64_t)enter_return) {
        info->ContextRecord->EFlags |= 0x100;
    }
    return EXCEPTION_CONTINUE_EXECUTION;
}

// A host function, called by host_entry.
uint32_t host(uint64_t *at) {
    CONTEXT context;
    unsigned seen = 0;
    RtlCaptureContext(&context);
    while (context.Rip != (uint64_t)enter_return && seen < MAX_DEPTH && unwind(&context)) {
        seen += (unsigned)is_in_image(context.Rip);
    }
    if (context.Rip != (uint64_t)enter_return || seen != depth || context.Rsp != enter_rsp) {
        fault("the host function does not see its callers", image_start);
    }
    host_calls++;
    at[0] = (uint32_t)at[0] * 10;
    return 0;
}

static uint64_t rva(const char *text) { return image_start + strtoull(text, NULL, 16); }

int main(int argc, char **argv) {
    static uint64_t context[256], host_context[8];
    static uint8_t memory[65536];
    static VmExec exec;
    HMODULE image = argc == 6 ? LoadLibraryExA(argv[1], NULL, DONT_RESOLVE_DLL_REFERENCES) : NULL;
    if (image == NULL) {
        printf("cannot load: %lu\n", GetLastError());
        return 2;
    }
    image_start = (uint64_t)image;
    const IMAGE_DOS_HEADER *dos = (const void *)image;
    const IMAGE_NT_HEADERS64 *headers = (const void *)((const char *)image + dos->e_lfanew);
    image_end = image_start + headers->OptionalHeader.SizeOfImage;
    exec.host_sp = &host_stack[(1 << 15) - 16];
    exec.host_sp = (void *)((uint64_t)exec.host_sp & ~(uint64_t)15);
    context[VMCTX_HEAP_BASE / 8] = (uint64_t)memory;
    context[VMCTX_EXEC / 8] = host_context[VMCTX_EXEC / 8] = (uint64_t)&exec;
    host_context[VMCTX_HOST_CALLBACK / 8] = (uint64_t)host_entry;
    const VmImport import = {(void *)rva(argv[3]), host_context, NULL, 0};
    memcpy(&context[VMCTX_FIXED_COUNT], &import, sizeof import);
    entry_rbx = (uint64_t)values;
    values[0] = strtoul(argv[5], NULL, 0);
    const uint64_t in[4] = {rva(argv[2]), rva(argv[4]), (uint64_t)values, (uint64_t)context};
    AddVectoredExceptionHandler(1, on_exception);
    enter(in);
    printf("result %u steps %u deepest %u host calls %u faults %u\n", (unsigned)values[0], steps,
           deepest, host_calls, faults);
    return faults != 0;
}
