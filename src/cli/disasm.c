#include "cli/disasm.h"

#include <unistd.h>

#include "base/alloc.h"
#include "cli/places.h"

#if IMAGO_CAPSTONE

#include <capstone/capstone.h>

struct Disasm {
    csh handle;
};

void disasm_hand_over(char **args) { (void)args; }

Disasm *disasm_open(void) {
    Disasm *disasm = mem_alloc(sizeof *disasm);
    if (disasm != NULL && cs_open(CS_ARCH_X86, CS_MODE_64, &disasm->handle) != CS_ERR_OK) {
        mem_free(disasm);
        disasm = NULL;
    }
    return disasm;
}

void disasm_close(Disasm *disasm) {
    if (disasm != NULL) {
        (void)cs_close(&disasm->handle);
        mem_free(disasm);
    }
}

void disasm_at(Disasm *disasm, const u8 *code, usize count, u64 address, DisasmLine *line) {
    *line = (DisasmLine){.bytes = 1};
    cs_insn *insn = NULL;
    if (cs_disasm(disasm->handle, code, count, address, 1, &insn) != 1) {
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
    cs_free(insn, 1);
}

#else

void disasm_hand_over(char **args) {
    char program[PLACE_MAX_BYTES];
    usize arg_count = 0;
    while (args[arg_count] != NULL) {
        arg_count++;
    }
    char **words = mem_alloc((arg_count + 3) * sizeof *words);
    if (words == NULL || !cli_place_of("imago-objdump", program)) {
        mem_free(words);
        return;
    }
    static char name[] = "imago", command[] = "objdump";
    words[0] = name;
    words[1] = command;
    memcpy(words + 2, args, arg_count * sizeof *words);
    (void)execv(program, words);
    mem_free(words);
}

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
