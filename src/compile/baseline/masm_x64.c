// Baseline compiler, x86-64: moves, prologue and epilogue. ABI: docs/abi.md. r11 and xmm15 are
// scratch and never hold a value between two masm calls; rcx is kept for shift counts, rax and rdx
// for division: none of them is pinned in loops.
#include "compile/baseline/masm.h"
#include "compile/baseline/x64.h"

enum { SCRATCH = R11, FLOAT_SCRATCH = 15 };

// Frames whose size, rounded up to 16, is an 8-bit immediate.
enum { SHORT_FRAME_MAX = 112 };

#define CALLEE_SAVED (BIT(RBX) | BIT(R12))
#define FIXED (BIT(RSP) | BIT(RBP) | BIT(R13) | BIT(R15) | BIT(SCRATCH) | BIT(31))
#define PINNABLE                                                                                   \
    ((CALLEE_SAVED | BIT(RSI) | BIT(RDI) | BIT(R8) | BIT(R9) | BIT(R10) | BIT(R14)) |              \
     (FLOAT_MASK & ~(BIT(16) | BIT(17) | BIT(18) | BIT(31))))

const MasmTarget MASM_TARGET = {
    .code = &X64_TARGET,
    .allocatable = ~(u32)FIXED,
    .callee_saved = CALLEE_SAVED,
    .pinnable = PINNABLE,
    .pinned_max_general = 8,
    .pinned_max_float = 12,
};

enum { DWARF_RBX = 3, DWARF_RBP = 6, DWARF_RSP = 7, DWARF_R12 = 12 };

static X64Mem frame(const Baseline *b, i32 offset) { return x64_mem(b->frame_base, offset); }

u8 masm_scratch(bool is_float) { return is_float ? FLOAT_SCRATCH + FIRST_FLOAT_REG : SCRATCH; }

const X64TypeInsts X64_TYPE_INSTS[VAL_COUNT] = {
    [VAL_I32] = {X64_MOV32, X64_STORE32},     [VAL_I64] = {X64_MOV64, X64_STORE64},
    [VAL_F32] = {X64_MOVSS, X64_STORESS},     [VAL_F64] = {X64_MOVSD, X64_STORESD},
    [VAL_FUNCREF] = {X64_MOV64, X64_STORE64}, [VAL_EXTERNREF] = {X64_MOV64, X64_STORE64},
};

// With a constant instruction, but for its width, most of the encoder folds: hence the branches.

void masm_move(Baseline *b, u8 type, u8 to, u8 from) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (reg_is_float(to)) {
        x64_rr(&b->code, X64_MOVAPS, x64_number(to), x64_number(from));
    } else {
        x64_rr(&b->code, x64_wide_if(X64_MOV32, x64_is_wide(type)), to, from);
    }
}

void masm_swap(Baseline *b, u8 x, u8 y) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_rr(&b->code, X64_XCHG64, x, y);
}

void masm_load(Baseline *b, u8 type, u8 to, i32 frame_offset) {
    const X64Mem mem = frame(b, frame_offset);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (reg_is_float(to)) {
        x64_rm(&b->code, X64_TYPE_INSTS[type].load, x64_number(to), mem);
    } else {
        x64_rm(&b->code, x64_wide_if(X64_MOV32, x64_is_wide(type)), to, mem);
    }
}

void masm_store(Baseline *b, u8 type, i32 frame_offset, u8 from) {
    const X64Mem mem = frame(b, frame_offset);
    code_room(&b->code, X64_MAX_INST_BYTES);
    if (reg_is_float(from)) {
        x64_rm(&b->code, X64_TYPE_INSTS[type].store, x64_number(from), mem);
    } else {
        x64_rm(&b->code, x64_wide_if(X64_STORE32, x64_is_wide(type)), from, mem);
    }
}

void masm_const(Baseline *b, u8 type, u8 to, u64 bits) {
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    if (!val_is_float((ValType)type)) {
        x64_mov_ri(&b->code, to, bits);
    } else if (bits == 0) {
        x64_rr(&b->code, X64_XORPS, x64_number(to), x64_number(to));
    } else {
        x64_mov_ri(&b->code, SCRATCH, bits);
        const X64Op op = x64_is_wide(type) ? X64_MOVQ_TO_XMM : X64_MOVD_TO_XMM;
        x64_rr(&b->code, op, x64_number(to), SCRATCH);
    }
}

void masm_store_const(Baseline *b, u8 type, i32 frame_offset, u64 bits) {
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    if (!x64_is_wide(type)) {
        x64_mov_mi(&b->code, 4, frame(b, frame_offset), (i32)(u32)bits);
    } else if ((i64)bits == (i32)bits) {
        x64_mov_mi(&b->code, 8, frame(b, frame_offset), (i32)bits);
    } else {
        x64_mov_ri(&b->code, SCRATCH, bits);
        x64_rm(&b->code, X64_STORE64, SCRATCH, frame(b, frame_offset));
    }
}

void masm_copy(Baseline *b, u8 type, i32 to_offset, i32 from_offset) {
    code_room(&b->code, 2 * X64_MAX_INST_BYTES);
    x64_rm(&b->code, x64_is_wide(type) ? X64_MOV64 : X64_MOV32, SCRATCH, frame(b, from_offset));
    x64_rm(&b->code, x64_is_wide(type) ? X64_STORE64 : X64_STORE32, SCRATCH, frame(b, to_offset));
}

void masm_jump(Baseline *b, Label label) {
    code_room(&b->code, X64_MAX_INST_BYTES);
    x64_jmp(&b->code, label);
}

static void unwind_row(Baseline *b, UnwindOp op, u8 reg, u32 value) {
    const UnwindRow row = {
        .offset = code_offset(&b->code), .op = (u8)op, .reg = reg, .value = (u16)value};
    if (!vec_push(&b->out->unwind, row)) {
        out_of_memory(b);
    }
}

// Without a red zone, what lies below the stack pointer is lost when a trap is handled.
static bool pushes_registers(const Baseline *b) { return b->plan->platform->red_zone_bytes == 0; }

static u32 pushed_bytes(const Baseline *b) {
    return pushes_registers(b) ? 8u * (b->saves_context + 2u * b->saves_registers) : 0;
}

// To the next place below the frame base: the order of calls is that of the places.
static void save_register(Baseline *b, u8 reg, i32 offset) {
    if (pushes_registers(b)) {
        x64_push(&b->code, reg);
    } else {
        x64_rm(&b->code, X64_STORE64, reg, frame(b, offset));
    }
}

static void save_for_caller(Baseline *b, u8 reg, u8 dwarf, i32 offset) {
    save_register(b, reg, offset);
    unwind_row(b, UNWIND_SAVE, dwarf, (u32)((b->has_frame ? 16 : 8) - offset));
}

// Frame offsets of the saved registers, below the saved context.
static i32 rbx_offset(const Baseline *b) { return b->saves_context ? -16 : -8; }
static i32 r12_offset(const Baseline *b) { return rbx_offset(b) - 8; }

// A frame that the guard below the stack might not catch: compare first.
static void probe_stack(Baseline *b, u32 bound) {
    const Label trap = code_trap(&b->code, TRAP_STACK_EXHAUSTED, b->op_offset);
    x64_rm(&b->code, X64_MOV64, SCRATCH, x64_mem(R13, VMCTX_EXEC));
    x64_rm(&b->code, X64_LEA64, RAX, x64_mem(RSP, -(i32)bound));
    x64_rm(&b->code, X64_CMP64, RAX, x64_mem(SCRATCH, VM_EXEC_STACK_LIMIT));
    x64_jcc(&b->code, CC_B, trap);
}

// Registers are saved before the frame is compared and made, so that a trap of the comparison finds
// them where the unwind rows say: they fit the guard and the red zone, or are pushed.
void masm_prologue(Baseline *b, u32 bound) {
    code_room(&b->code, 16 * X64_MAX_INST_BYTES);
    b->frame_patch = ID_NONE;
    if (b->has_frame) {
        x64_push(&b->code, RBP);
        unwind_row(b, UNWIND_CFA_OFFSET, DWARF_RSP, 16);
        unwind_row(b, UNWIND_SAVE, DWARF_RBP, 16);
        // `mov rbp, rsp` in the store form, as assemblers write it.
        x64_rr(&b->code, X64_STORE64, RSP, RBP);
        unwind_row(b, UNWIND_CFA_REG, DWARF_RBP, 16);
    }
    if (b->saves_context) {
        save_register(b, R13, -8);
    }
    if (b->saves_registers) {
        save_for_caller(b, RBX, DWARF_RBX, rbx_offset(b));
        save_for_caller(b, R12, DWARF_R12, r12_offset(b));
    }
    if (b->has_frame) {
        if (bound >= VM_STACK_PROBE_BYTES) {
            probe_stack(b, bound);
        }
        // sub rsp, frame size: patched in the epilogue.
        x64_alu_ri(&b->code, true, ALU_SUB, RSP, bound <= SHORT_FRAME_MAX ? 0 : INT32_MAX);
        b->frame_patch = code_offset(&b->code) - (bound <= SHORT_FRAME_MAX ? 1 : 4);
    }
}

static void patch_frame(Baseline *b, u32 bytes) {
    u8 *field = code_byte(&b->code, b->frame_patch);
    if (field[-2] == 0x83) { // the short form's opcode and ModRM
        *field = (u8)bytes;
    } else {
        store_u32(field, bytes);
    }
}

void masm_epilogue(Baseline *b) {
    code_room(&b->code, 8 * X64_MAX_INST_BYTES);
    if (b->saves_registers) {
        x64_rm(&b->code, X64_MOV64, RBX, frame(b, rbx_offset(b)));
        x64_rm(&b->code, X64_MOV64, R12, frame(b, r12_offset(b)));
    }
    if (b->has_frame) {
        patch_frame(b, (u32)align_up((u64)(-(i64)b->lowest), 16) - pushed_bytes(b));
        x64_leave(&b->code);
        unwind_row(b, UNWIND_REMEMBER, 0, 0);
        unwind_row(b, UNWIND_CFA_REG, DWARF_RSP, 8);
        unwind_row(b, UNWIND_RESTORE, DWARF_RBP, 0);
    } else if (b->saves_registers) {
        unwind_row(b, UNWIND_REMEMBER, 0, 0);
    }
    if (b->saves_registers) {
        unwind_row(b, UNWIND_RESTORE, DWARF_RBX, 0);
        unwind_row(b, UNWIND_RESTORE, DWARF_R12, 0);
    }
    x64_ret(&b->code, b->abi->param_bytes);
    if (b->has_frame || b->saves_registers) { // the traps behind the return have the frame
        unwind_row(b, UNWIND_RECALL, 0, 0);
    }
}
