#include "compile/abi.h"
#include "isa/x64/encode.h"

const AbiRegs ABI_REGS = {
    .param_general = {RDI, RSI, RDX, RCX, R8, R9},
    .param_general_count = 6,
    .param_vector = {16, 17, 18, 19, 20, 21, 22, 23},
    .param_vector_count = 8,
    .result_general = {RAX, RDX, RCX, R8},
    .result_general_count = 4,
    .result_vector = {16, 17, 18, 19},
    .result_vector_count = 4,
};
