// A guest made by hand: functions of type (i32) -> i32 in assembler, with the stubs of docs/abi.md,
// linked into an image. For tests of the runtime that must not depend on a compiler.
//
//   0 import "env"."f"    1 inc      2 call_host (1 + f(x))   3 load (memory 0 at x)
//   4 recurse for ever    5 ud2      6 memory.grow(x)         7 7 / x
//   8 load behind 16 frames, in a function without frame that moved the stack pointer
#ifndef TESTS_RUNTIME_GUEST_H
#define TESTS_RUNTIME_GUEST_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "imago/imago.h"
#include "isa/x64/targ.h"
#include "link/link.h"
#include "runtime/arch_offsets.h"
#include "types/cpu.h"

enum { GUEST_FUNCS = 9 };

#define NUMBER_TEXT(number) #number
#define NUMBER(macro) NUMBER_TEXT(macro)

// Offsets: EXEC 16, BUILTIN_ENTRY 24, HOST_CALLBACK 32, HOST_ENV 40, first import at 64 (code,
// vmctx); of exec: HOST_SP 0, WASM_SP 8, EXIT_FP 16.
__asm__(".pushsection .rodata\n.intel_syntax noprefix\n"
        "guest_inc: lea eax, [rdi + 1]\n ret\n guest_inc_end:\n"
        "guest_call_host: push rbp\n mov rbp, rsp\n push r13\n sub rsp, 8\n"
        " mov r14, r13\n mov r10, [r13 + 64]\n mov r13, [r13 + 72]\n mov r15, [r13]\n call r10\n"
        "guest_call_host_site: mov r13, [rbp - 8]\n mov r15, [r13]\n inc eax\n leave\n ret\n"
        "guest_call_host_end:\n"
        "guest_load: mov edi, edi\n guest_load_site: mov eax, [r15 + rdi]\n ret\n guest_load_end:\n"
        "guest_recurse: push rbp\n mov rbp, rsp\n guest_recurse_fix: call guest_recurse\n"
        "guest_recurse_site: pop rbp\n ret\n guest_recurse_end:\n"
        "guest_ud2: push rbp\n mov rbp, rsp\n guest_ud2_site: ud2\n guest_ud2_end:\n"
        "guest_grow: push rbp\n mov rbp, rsp\n mov esi, edi\n xor eax, eax\n call [r13 + 24]\n"
        "guest_grow_site: pop rbp\n ret\n guest_grow_end:\n"
        "guest_div: mov ecx, edi\n mov eax, 7\n cdq\n guest_div_site: idiv ecx\n ret\n"
        "guest_div_end:\n"
        "guest_deep: push rbp\n mov rbp, rsp\n guest_deep_fix: call guest_recurse\n"
        "guest_deep_site: pop rbp\n ret\n guest_deep_end:\n"
        "guest_entry: push rbp\n mov rbp, rsp\n mov edi, [rbx]\n call r10\n mov eax, eax\n"
        " mov [rbx], rax\n leave\n ret\n guest_entry_end:\n"
        "guest_exit: push rbp\n mov rbp, rsp\n sub rsp, 16\n mov [rsp], rdi\n"
        " mov r10, [r14 + 16]\n mov [r10 + 16], rbp\n mov [r10 + 8], rsp\n mov rdi, [r13 + 40]\n"
        " mov rsi, r14\n mov rdx, rsp\n mov rsp, [r10]\n call [r13 + 32]\n lea rsp, [rbp - 16]\n"
        " test eax, eax\n jnz 1f\n mov eax, [rsp]\n leave\n ret\n"
        "1: mov r13, r14\n mov eax, " NUMBER(ARCH_BUILTIN_RAISE) "\n"
        " call [r13 + 24]\n ud2\n guest_exit_end:\n"
        ".att_syntax\n.popsection\n");

#define GUEST_CODE(name) extern const u8 guest_##name[], guest_##name##_end[];
#define GUEST_SITE(name) extern const u8 guest_##name##_site[];
GUEST_CODE(inc)
GUEST_CODE(call_host)
GUEST_CODE(load)
GUEST_CODE(recurse)
GUEST_CODE(ud2)
GUEST_CODE(grow)
GUEST_CODE(div)
GUEST_CODE(deep)
GUEST_CODE(entry)
GUEST_CODE(exit)
GUEST_SITE(call_host)
GUEST_SITE(load)
GUEST_SITE(recurse)
GUEST_SITE(ud2)
GUEST_SITE(grow)
GUEST_SITE(div)
GUEST_SITE(deep)
extern const u8 guest_recurse_fix[], guest_deep_fix[];

typedef struct GuestBlob {
    const u8 *at, *end, *site, *fix;
    u32 kind, is_leaf, target;
} GuestBlob;

static void guest_blob(CodeOutput *out, CodeBlob *blob, BlobKind kind, u32 index,
                       const GuestBlob *code) {
    *blob = (CodeBlob){.kind = kind, .index = index, .align = 16, .code_at = (u32)out->code.count,
                       .code_bytes = (u32)(code->end - code->at),
                       .first_site = (u32)out->sites.count,
                       .first_fixup = (u32)out->fixups.count,
                       .flags = code->is_leaf ? BLOB_HAS_NO_FRAME : 0};
    write_bytes(&out->code, code->at, blob->code_bytes);
    if (code->site != NULL) {
        (void)vec_push(&out->sites, site_of((u32)(code->site - code->at), 1000 + index,
                                             (u32)code->kind));
        blob->site_count = 1;
    }
    if (code->fix != NULL) {
        (void)vec_push(&out->fixups, fixup_of((u32)(code->fix - code->at) + 1, FIXUP_FUNC,
                                               code->target, X64_FIX_CALL));
        blob->fixup_count = 1;
    }
}

// A memfd with the image; -1 on failure. `with_snapshot` gives memory 0 initial contents.
static int guest_image(bool with_snapshot) {
    static const u8 codes[] = {VAL_I32, VAL_I32};
    FuncType types[] = {{codes, 1, 1}};
    Import imports[] = {{.module = {"env", 3}, .name = {"f", 1}, .kind = EXTERN_FUNC}};
    Export exports[] = {
        {STR("inc"), EXTERN_FUNC, 1},     {STR("call_host"), EXTERN_FUNC, 2},
        {STR("load"), EXTERN_FUNC, 3},    {STR("recurse"), EXTERN_FUNC, 4},
        {STR("ud2"), EXTERN_FUNC, 5},     {STR("grow"), EXTERN_FUNC, 6},
        {STR("div"), EXTERN_FUNC, 7},     {STR("deep"), EXTERN_FUNC, 8},
        {STR("memory"), EXTERN_MEMORY, 0}, {STR("f"), EXTERN_FUNC, 0},
    };
    Func funcs[GUEST_FUNCS] = {{0}};
    u32 slots[GUEST_FUNCS];
    for (u32 i = 0; i < GUEST_FUNCS; i++) {
        slots[i] = i == 0 ? ID_NONE : i - 1;
    }
    Limits memory = {1, 3, true};
    DataSegment data = {.mode = SEGMENT_ACTIVE,
                        .offset = {.kind = CONST_VALUE, .type = VAL_I32, .low = 16},
                        .bytes = STR("snapshot")};
    const Module module = {
        .types = types, .type_count = 1, .imports = imports, .import_count = 1,
        .exports = exports, .export_count = COUNT_OF(exports), .funcs = funcs,
        .func_count = GUEST_FUNCS, .func_import_count = 1, .memories = &memory,
        .memory_count = 1, .datas = &data, .data_count = with_snapshot, .name = STR("guest"),
    };
    const GuestBlob codes_of[] = {
        {guest_inc, guest_inc_end, NULL, NULL, 0, 1, 0},
        {guest_call_host, guest_call_host_end, guest_call_host_site, NULL, SITE_CALL, 0, 0},
        {guest_load, guest_load_end, guest_load_site, NULL, TRAP_MEMORY_OUT_OF_BOUNDS, 1, 0},
        {guest_recurse, guest_recurse_end, guest_recurse_site, guest_recurse_fix, SITE_CALL, 0, 4},
        {guest_ud2, guest_ud2_end, guest_ud2_site, NULL, TRAP_UNREACHABLE, 0, 0},
        {guest_grow, guest_grow_end, guest_grow_site, NULL, SITE_CALL, 0, 0},
        {guest_div, guest_div_end, guest_div_site, NULL, TRAP_INTEGER_DIVIDE_BY_ZERO, 1, 0},
        {guest_deep, guest_deep_end, guest_deep_site, guest_deep_fix, SITE_CALL, 0, 3},
        {guest_entry, guest_entry_end, NULL, NULL, 0, 0, 0},
        {guest_exit, guest_exit_end, NULL, NULL, 0, 0, 0},
    };
    CodeOutput out = {0};
    CodeBlob blobs[COUNT_OF(codes_of)];
    for (u32 i = 0; i < COUNT_OF(codes_of); i++) {
        const bool is_func = i < GUEST_FUNCS - 1;
        guest_blob(&out, &blobs[i],
                   is_func ? BLOB_FUNC : i == GUEST_FUNCS - 1 ? BLOB_ENTRY_STUB : BLOB_EXIT_STUB,
                   is_func ? i + 1 : 0, &codes_of[i]);
    }
    const u32 canonical_types[] = {0};
    const LinkInput input = {
        .module = &module,
        .canonical_types = canonical_types,
        .shape = {.func_import_count = 1, .type_count = COUNT_OF(canonical_types),
                  .funcref_count = GUEST_FUNCS - 1},
        .funcref_slots = slots, .target = &X64_TARGET, .blobs = blobs,
        .blob_count = COUNT_OF(blobs), .outputs = &out, .output_count = 1,
    };
    Error err = ERROR_INIT;
    int fd = memfd_create("guest", MFD_CLOEXEC);
    if (!link_image(&input, fd, NULL, &err)) {
        printf("link_image: %s\n", err.text);
        close(fd);
        fd = -1;
    }
    writer_free(&out.code);
    vec_free(&out.sites);
    vec_free(&out.fixups);
    return fd;
}

#endif
