// Stubs for x86-64. Both have a frame; rbp finds everything.
#include "compile/stubs.h"

#include "compile/moves.h"
#include "isa/x64/encode.h"
#include "types/vmctx.h"

enum { CONTEXT = R13, CALLER = R14, VALUES = RBX, VALUE_BYTES = 16 };
enum { DWARF_RBP = 6, DWARF_RSP = 7 };
enum { STUB_ALIGN = 64 }; // a call is a cycle faster through one line of the instruction cache

typedef struct Stub {
    CodeBuffer code;
    CodeOutput *out;
    const FuncType *type;
    const AbiLayout *abi;
    u32 first_site, first_unwind;
    FinalRecords records;
    jmp_buf landing;
} Stub;

static void unwind_row(Stub *stub, UnwindOp op, u8 reg, u32 value) {
    const UnwindRow row = {
        .offset = code_offset(&stub->code), .op = (u8)op, .reg = reg, .value = (u16)value};
    if (!vec_push(&stub->out->unwind, row)) {
        longjmp(stub->landing, 1);
    }
}

static void call_site(Stub *stub) {
    if (!vec_push(&stub->out->sites, site_of(code_offset(&stub->code), 0, SITE_CALL))) {
        longjmp(stub->landing, 1);
    }
}

static void follow_moves(void *env) {
    Stub *stub = env;
    records_follow(&stub->records, stub->out, &stub->code);
}

static void begin(Stub *stub, CodeOutput *out) {
    stub->out = out;
    stub->first_site = (u32)out->sites.count;
    stub->first_unwind = (u32)out->unwind.count;
    records_settle(&stub->records, out);
    stub->code.on_move = follow_moves;
    stub->code.env = stub;
    code_open(&stub->code, &X64_TARGET, &out->code, &stub->landing);
    code_room(&stub->code, 8 * X64_MAX_INST_BYTES);
    x64_push(&stub->code, RBP);
    unwind_row(stub, UNWIND_CFA_OFFSET, DWARF_RSP, 16);
    unwind_row(stub, UNWIND_SAVE, DWARF_RBP, 16);
    x64_rr(&stub->code, X64_STORE64, RSP, RBP);
    unwind_row(stub, UNWIND_CFA_REG, DWARF_RBP, 16);
}

static void leave(Stub *stub, u32 pop_bytes) {
    code_room(&stub->code, 4 * X64_MAX_INST_BYTES);
    x64_leave(&stub->code);
    unwind_row(stub, UNWIND_CFA_REG, DWARF_RSP, 8);
    unwind_row(stub, UNWIND_RESTORE, DWARF_RBP, 0);
    x64_ret(&stub->code, pop_bytes);
}

static void end(Stub *stub, CodeBlob *blob) {
    u32 bytes;
    const bool is_done = code_finish(&stub->code, &bytes);
    CHECK(is_done);
    *blob = (CodeBlob){
        .code_at = (u32)stub->code.start,
        .code_bytes = bytes,
        .align = STUB_ALIGN,
        .first_fixup = (u32)stub->out->fixups.count,
        .first_site = stub->first_site,
        .site_count = (u32)stub->out->sites.count - stub->first_site,
        .first_unwind = stub->first_unwind,
        .unwind_count = ((u32)stub->out->unwind.count - stub->first_unwind) & 15,
    };
}

// Between a value's place and memory at base + offset. Scratch: rax or r11, which hold no place.
static void load_value(Stub *stub, u8 type, AbiPlace place, u8 base, i32 offset, u8 scratch) {
    CodeBuffer *code = &stub->code;
    code_room(code, 4 * X64_MAX_INST_BYTES);
    const bool is_narrow = type == VAL_I32 || type == VAL_F32;
    const bool is_memory = place.reg == ABI_MEMORY;
    const u8 reg = is_memory ? scratch : place.reg & 15;
    if (!is_memory && type == VAL_V128) {
        x64_rm(code, X64_MOVUPS, reg, x64_mem(base, offset));
    } else if (!is_memory && val_is_float((ValType)type)) {
        x64_rm(code, is_narrow ? X64_MOVSS : X64_MOVSD, reg, x64_mem(base, offset));
    } else {
        x64_rm(code, is_narrow ? X64_MOV32 : X64_MOV64, reg, x64_mem(base, offset));
    }
    if (is_memory) {
        x64_rm(code, X64_STORE64, scratch, x64_mem(RSP, (i32)place.offset));
        if (type == VAL_V128) {
            x64_rm(code, X64_MOV64, scratch, x64_mem(base, offset + 8));
            x64_rm(code, X64_STORE64, scratch, x64_mem(RSP, (i32)place.offset + 8));
        }
    }
}

// A register's value to memory, 64 bits with the upper half zero for 32-bit types.
static void store_value(Stub *stub, u8 type, u8 reg, u8 base, i32 offset) {
    CodeBuffer *code = &stub->code;
    code_room(code, 3 * X64_MAX_INST_BYTES);
    if (type == VAL_V128) {
        x64_rm(code, X64_STOREUPS, reg, x64_mem(base, offset));
    } else if (type == VAL_F32) {
        x64_mov_mi(code, 8, x64_mem(base, offset), 0);
        x64_rm(code, X64_STORESS, reg, x64_mem(base, offset));
    } else if (type == VAL_F64) {
        x64_rm(code, X64_STORESD, reg, x64_mem(base, offset));
    } else {
        x64_rm(code, X64_STORE64, reg, x64_mem(base, offset));
    }
}

// Memory to memory by a scratch register; `copy_bytes` of the type.
static void copy_value(Stub *stub, u8 type, u8 from, i32 from_offset, u8 to, i32 to_offset,
                       u8 scratch) {
    CodeBuffer *code = &stub->code;
    code_room(code, 4 * X64_MAX_INST_BYTES);
    const bool is_narrow = type == VAL_I32 || type == VAL_F32;
    x64_rm(code, is_narrow ? X64_MOV32 : X64_MOV64, scratch, x64_mem(from, from_offset));
    x64_rm(code, X64_STORE64, scratch, x64_mem(to, to_offset));
    if (type == VAL_V128) {
        x64_rm(code, X64_MOV64, scratch, x64_mem(from, from_offset + 8));
        x64_rm(code, X64_STORE64, scratch, x64_mem(to, to_offset + 8));
    }
}

// ---- Entry: code in r10, values in rbx, context and heap in place -------------------------------

static void entry_params(Stub *stub) {
    CodeBuffer *code = &stub->code;
    for (u32 i = 0; i < stub->type->param_count; i++) {
        load_value(stub, type_params(stub->type)[i], stub->abi->params[i], VALUES,
                   (i32)(i * VALUE_BYTES), RAX);
    }
    if (stub->abi->result_bytes != 0) {
        code_room(code, X64_MAX_INST_BYTES);
        x64_rm(code, X64_LEA64, RDI, x64_mem(RSP, (i32)stub->abi->param_bytes));
    }
}

static void entry_results(Stub *stub) {
    for (u32 i = 0; i < stub->type->result_count; i++) {
        const u8 type = type_results(stub->type)[i];
        const AbiPlace place = stub->abi->results[i];
        if (place.reg == ABI_MEMORY) {
            copy_value(stub, type, RSP, (i32)place.offset, VALUES, (i32)(i * VALUE_BYTES), R10);
        } else {
            store_value(stub, type, place.reg & 15, VALUES, (i32)(i * VALUE_BYTES));
        }
    }
}

bool stub_entry(CodeOutput *out, const FuncType *type, const AbiLayout *abi, CodeBlob *blob) {
    Stub stub = {.type = type, .abi = abi};
    if (setjmp(stub.landing) != 0) {
        code_close(&stub.code);
        return false;
    }
    begin(&stub, out);
    if (abi->param_bytes + abi->result_bytes != 0) {
        x64_rm(&stub.code, X64_LEA64, RSP,
               x64_mem(RSP, -(i32)(abi->param_bytes + abi->result_bytes)));
    }
    entry_params(&stub);
    code_room(&stub.code, X64_MAX_INST_BYTES);
    x64_call_r(&stub.code, R10);
    call_site(&stub); // rsp: the callee has popped the parameters, the results' memory is on top
    entry_results(&stub);
    leave(&stub, 0);
    end(&stub, blob);
    code_close(&stub.code);
    return true;
}

// ---- Exit: the internal convention -------------------------------------------------------------

static void exit_params(Stub *stub) {
    for (u32 i = 0; i < stub->type->param_count; i++) {
        const u8 type = type_params(stub->type)[i];
        const AbiPlace place = stub->abi->params[i];
        if (place.reg == ABI_MEMORY) {
            copy_value(stub, type, RBP, 16 + (i32)place.offset, RSP, (i32)(i * VALUE_BYTES), R11);
        } else {
            store_value(stub, type, place.reg & 15, RSP, (i32)(i * VALUE_BYTES));
        }
    }
}

static void exit_call(Stub *stub) {
    CodeBuffer *code = &stub->code;
    code_room(code, 16 * X64_MAX_INST_BYTES);
    x64_rm(code, X64_MOV64, R10, x64_mem(CALLER, VMCTX_EXEC));
    x64_rm(code, X64_STORE64, RBP, x64_mem(R10, VM_EXEC_EXIT_FP));
    x64_rm(code, X64_STORE64, RSP, x64_mem(R10, VM_EXEC_WASM_SP));
    x64_rm(code, X64_MOV64, RDI, x64_mem(CONTEXT, VMCTX_HOST_ENV));
    x64_rr(code, X64_MOV64, RSI, CALLER);
    x64_rr(code, X64_MOV64, RDX, RSP);
    x64_rm(code, X64_MOV64, RSP, x64_mem(R10, VM_EXEC_HOST_SP));
    x64_call_m(code, x64_mem(CONTEXT, VMCTX_HOST_CALLBACK));
    call_site(stub);
}

// Goes on at `raise` if the host function wants the activation to end.
static void exit_results(Stub *stub, u32 frame_bytes, Label raise) {
    CodeBuffer *code = &stub->code;
    code_room(code, 3 * X64_MAX_INST_BYTES);
    x64_rr(code, X64_TEST32, RAX, RAX);
    x64_jcc(code, CC_NE, raise);
    // The pointer to the results in memory was saved below the frame pointer.
    if (stub->abi->result_bytes != 0) {
        x64_rm(code, X64_MOV64, R10, x64_mem(RBP, -8));
    }
    for (u32 i = 0; i < stub->type->result_count; i++) {
        const u8 type = type_results(stub->type)[i];
        const AbiPlace place = stub->abi->results[i];
        const i32 at = (i32)(i * VALUE_BYTES) - (i32)frame_bytes;
        if (place.reg == ABI_MEMORY) {
            copy_value(stub, type, RBP, at, R10, (i32)place.offset, R11);
        } else {
            load_value(stub, type, place, RBP, at, R11);
        }
    }
}

static void exit_raise(Stub *stub, u32 frame_bytes, const Platform *platform, Label raise) {
    CodeBuffer *code = &stub->code;
    code_room(code, 5 * X64_MAX_INST_BYTES);
    code_bind(code, raise);
    x64_rm(code, X64_LEA64, RSP, x64_mem(RBP, -(i32)frame_bytes));
    x64_rr(code, X64_MOV64, CONTEXT, CALLER);
    x64_mov_ri(code, RAX, BUILTIN_RAISE);
    x64_call_m(code, x64_mem(CONTEXT, VMCTX_BUILTIN_ENTRY));
    call_site(stub);
    // Never reached: the call's return address lies in the stub.
    if (platform->unwinder_reads_code) {
        X64_TARGET.trap(code->at);
        code->at += X64_TARGET.trap_bytes;
    } else {
        x64_ret(code, 0);
    }
}

bool stub_exit(CodeOutput *out, const FuncType *type, const AbiLayout *abi,
               const Platform *platform, CodeBlob *blob) {
    Stub stub = {.type = type, .abi = abi};
    if (setjmp(stub.landing) != 0) {
        code_close(&stub.code);
        return false;
    }
    const u32 most =
        type->param_count > type->result_count ? type->param_count : type->result_count;
    const u32 frame_bytes = (most + 1) * VALUE_BYTES; // with the saved pointer
    begin(&stub, out);
    x64_rm(&stub.code, X64_LEA64, RSP, x64_mem(RSP, -(i32)frame_bytes));
    if (type->param_count == 0) {
        // The host function writes its results there: if the guest stack ends here, the fault must
        // be the guest's.
        x64_mov_mi(&stub.code, 8, x64_mem(RSP, 0), 0);
    }
    if (abi->result_bytes != 0) {
        x64_rm(&stub.code, X64_STORE64, RDI, x64_mem(RBP, -8));
    }
    exit_params(&stub);
    exit_call(&stub);
    const Label raise = code_label(&stub.code);
    exit_results(&stub, frame_bytes, raise);
    unwind_row(&stub, UNWIND_REMEMBER, 0, 0);
    leave(&stub, abi->param_bytes);
    unwind_row(&stub, UNWIND_RECALL, 0, 0);
    exit_raise(&stub, frame_bytes, platform, raise);
    end(&stub, blob);
    code_close(&stub.code);
    return true;
}
