// Capstone is opened when it is first needed: as a linked library it would cost every start of
// `imago run` its loading and relocation (several hundred microseconds).
#include "cli/disasm.h"

#if IMAGO_CAPSTONE

#include <capstone/capstone.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

// CAPSTONE_CALL(function): what is used of the library.
#define CAPSTONE_CALLS                                                                             \
    CAPSTONE_CALL(cs_open)                                                                         \
    CAPSTONE_CALL(cs_close)                                                                        \
    CAPSTONE_CALL(cs_disasm)                                                                       \
    CAPSTONE_CALL(cs_free)

struct Disasm {
    void *library;
#define CAPSTONE_CALL(name) __typeof__(&(name)) name;
    CAPSTONE_CALLS
#undef CAPSTONE_CALL
    csh handle;
};

static bool find_calls(Disasm *disasm) {
    bool ok = true;
#define CAPSTONE_CALL(name)                                                                        \
    *(void **)&disasm->name = dlsym(disasm->library, #name);                                       \
    ok = ok && disasm->name != NULL;
    CAPSTONE_CALLS
#undef CAPSTONE_CALL
    return ok;
}

Disasm *disasm_open(void) {
    Disasm *disasm = mem_alloc(sizeof *disasm);
    if (disasm == NULL) {
        return NULL;
    }
    disasm->library = dlopen("libcapstone.so." TEXT_OF(CS_API_MAJOR), RTLD_NOW);
    if (disasm->library == NULL || !find_calls(disasm) ||
        disasm->cs_open(CS_ARCH_X86, CS_MODE_64, &disasm->handle) != CS_ERR_OK) {
        if (disasm->library != NULL) {
            (void)dlclose(disasm->library);
        }
        mem_free(disasm);
        return NULL;
    }
    return disasm;
}

void disasm_close(Disasm *disasm) {
    if (disasm != NULL) {
        (void)disasm->cs_close(&disasm->handle);
        (void)dlclose(disasm->library);
        mem_free(disasm);
    }
}

void disasm_at(Disasm *disasm, const u8 *code, usize count, u64 address, DisasmLine *line) {
    *line = (DisasmLine){.bytes = 1};
    cs_insn *insn = NULL;
    if (disasm->cs_disasm(disasm->handle, code, count, address, 1, &insn) != 1) {
        return;
    }
    line->bytes = insn->size;
    (void)snprintf(line->mnemonic, sizeof line->mnemonic, "%s", insn->mnemonic);
    (void)snprintf(line->operands, sizeof line->operands, "%s", insn->op_str);
    line->is_call = strncmp(insn->mnemonic, "call", 4) == 0;
    if ((line->is_call || insn->mnemonic[0] == 'j') && strncmp(insn->op_str, "0x", 2) == 0) {
        line->has_target = true;
        line->target = strtoull(insn->op_str, NULL, 16);
    }
    disasm->cs_free(insn, 1);
}

#else

Disasm *disasm_open(void) { return NULL; }

void disasm_close(Disasm *disasm) { (void)disasm; }

void disasm_at(Disasm *disasm, const u8 *code, usize count, u64 address, DisasmLine *line) {
    (void)disasm;
    (void)code;
    (void)count;
    (void)address;
    *line = (DisasmLine){.bytes = 1};
}

#endif
