// The checker of emitted code: sequences as compilers make them are accepted, and each rule has one
// that breaks it.
#include "isa/x64/check.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "isa/x64/encode.h"
#include "test.h"

// A made-up context: heap base at 0, records up to 64, pointers to values, values.
enum {
    HEAP_BASE_AT = 0,
    RECORD_AT = 8,
    TABLE_ENTRY_AT = 40,
    POINTERS_AT = 64,
    VALUES_AT = 96,
    CONTEXT_BYTES = 160,
    MAX_DISPLACEMENT = 1 << 20,
    PROBE_BYTES = 32768,
    TABLE_ENTRIES = 10,
};

typedef struct Sample {
    CodeBuffer code;
    Writer out;
    jmp_buf landing;
    X64Ref refs[8];
    u8 rodata[16];
    X64CheckInput input;
    u32 bytes;
} Sample;

static Sample sample;
static CodeBuffer *code; // sample.code

// What was noted with offsets follows the code.
static void sample_move(void *env) {
    (void)env;
    CodeMoves moves = code_moves(code);
    for (u32 i = 0; i < sample.input.ref_count; i++) {
        sample.refs[i].field = code_moved(&moves, sample.refs[i].field);
    }
    for (u32 i = 0; i < sample.input.rodata_bytes; i += 4) {
        moves = code_moves(code);
        store_u32(sample.rodata + i, code_moved(&moves, load_u32(sample.rodata + i)));
    }
}

static void sample_open(void) {
    sample = (Sample){
        .input = {.max_displacement = MAX_DISPLACEMENT,
                  .stack_probe_bytes = PROBE_BYTES,
                  .context_bytes = CONTEXT_BYTES,
                  .heap_base_at = HEAP_BASE_AT,
                  .table_entry_at = TABLE_ENTRY_AT,
                  .values = {VALUES_AT, CONTEXT_BYTES - VALUES_AT},
                  .value_pointers = {POINTERS_AT, VALUES_AT - POINTERS_AT},
                  .record_bytes = 64},
    };
    code = &sample.code;
    sample.input.refs = sample.refs;
    sample.input.rodata = sample.rodata;
    if (setjmp(sample.landing) != 0) {
        abort();
    }
    code->on_move = sample_move;
    code_open(code, &X64_TARGET, &sample.out, &sample.landing);
    code_room(code, 4096);
}

static void sample_close(void) {
    code_close(code);
    writer_free(&sample.out);
}

static void add_ref(u32 field, X64RefKind kind, u32 value) {
    sample.refs[sample.input.ref_count++] = (X64Ref){field, value, (u8)kind};
}

// ---- Pieces ------------------------------------------------------------------------------------

static X64Mem mem(u8 base, i32 disp) { return x64_mem(base, disp); }
static X64Mem heap(u8 index, i32 disp) { return x64_mem_index(R15, index, 0, disp); }
static void ret(void) { x64_ret(code, 0); }
static void raw(const char *bytes, u32 count) {
    for (u32 i = 0; i < count; i++) {
        x64_byte(code, (u8)bytes[i]);
    }
}
#define RAW(text) raw(text, sizeof text - 1)

static void take_frame(u32 bytes) {
    x64_push(code, RBP);
    x64_rr(code, X64_STORE64, RSP, RBP);
    RAW("\x48\x81\xEC");
    for (u32 i = 0; i < 4; i++) {
        x64_byte(code, (u8)(bytes >> 8 * i));
    }
}
static void leave(void) {
    x64_leave(code);
    ret();
}
static void call_func(void) { add_ref(x64_call(code), X64_REF_FUNC, 0); }
static Label trap(void) { return code_trap(code, 0, 0); }
static void load_heap(u8 index) { x64_rm(code, X64_MOV32, RAX, heap(index, 8)); }
static void foreign_call(void) {
    x64_rr(code, X64_MOV64, R14, R13);
    x64_rm(code, X64_MOV64, R13, mem(R14, RECORD_AT));
    x64_rm(code, X64_MOV64, R15, mem(R13, HEAP_BASE_AT));
    x64_call_m(code, mem(R14, RECORD_AT + 8));
}
static void restore_context(void) {
    x64_rm(code, X64_MOV64, R13, mem(RBP, -8));
    x64_rm(code, X64_MOV64, R15, mem(R13, HEAP_BASE_AT));
}

// ---- Accepted ----------------------------------------------------------------------------------

static void good_leaf(void) {
    x64_rr(code, X64_ADD32, RDI, RSI);
    load_heap(RDI);
    x64_rm(code, X64_STORE8, RAX, heap(RAX, MAX_DISPLACEMENT - 1));
    x64_rm(code, X64_MOVSD, 3, heap(RAX, 0));
    x64_rm(code, X64_MOV64, RAX, mem(R15, 0x12345678));
    ret();
}
static void good_red_zone(void) {
    x64_rm(code, X64_STORE64, RBX, mem(RSP, -8));
    x64_rm(code, X64_STORE32, RDI, mem(RSP, -16));
    x64_rm(code, X64_MOV32, RBX, mem(RSP, -16));
    load_heap(RBX);
    x64_rm(code, X64_MOV64, RBX, mem(RSP, -8));
    ret();
}
static void good_frame(void) {
    take_frame(64);
    x64_rm(code, X64_STORE64, R13, mem(RBP, -8));
    x64_rm(code, X64_STORE64, RBX, mem(RBP, -16));
    x64_rm(code, X64_STORE64, R12, mem(RBP, -24));
    x64_mov_ri(code, RBX, 7);
    x64_rm(code, X64_STORE32, RDI, mem(RBP, -64));
    foreign_call();
    restore_context();
    load_heap(RBX);
    call_func();
    x64_rm(code, X64_MOV64, RBX, mem(RBP, -16));
    x64_rm(code, X64_MOV64, R12, mem(RBP, -24));
    leave();
}
static void good_frame_by_moves(void) {
    take_frame(16);
    x64_rr(code, X64_MOV64, RSP, RBP);
    x64_pop(code, RBP);
    ret();
}
static void good_stack_params(void) {
    sample.input.param_stack_bytes = 32;
    take_frame(0);
    x64_rm(code, X64_MOV32, RAX, mem(RBP, 16));
    load_heap(RAX);
    x64_rm(code, X64_STORE64, RAX, mem(RBP, 40));
    x64_leave(code);
    x64_ret(code, 32);
}
static void good_stack_args_and_results(void) {
    take_frame(32);
    x64_rm(code, X64_LEA64, RSP, mem(RSP, -48)); // 16 of arguments, 32 of results
    x64_rm(code, X64_STORE64, RAX, mem(RSP, 8));
    x64_rm(code, X64_LEA64, RDI, mem(RSP, 16));
    call_func();
    x64_rm(code, X64_MOV64, R11, mem(RSP, 24));
    x64_rm(code, X64_LEA64, RSP, mem(RSP, 32));
    x64_rm(code, X64_STORE64, R11, mem(RBP, -8));
    leave();
}
static void good_result_pointer(void) {
    sample.input.result_bytes = 16;
    take_frame(16);
    x64_rm(code, X64_STORE64, RDI, mem(RBP, -8));
    x64_mov_ri(code, RDI, 1);
    x64_rm(code, X64_MOV64, R11, mem(RBP, -8));
    x64_rm(code, X64_STORE64, RAX, mem(R11, 8));
    leave();
}
static void good_large_frame(void) {
    x64_push(code, RBP);
    x64_rr(code, X64_STORE64, RSP, RBP);
    x64_rm(code, X64_MOV64, R11, mem(R13, RECORD_AT));
    x64_rm(code, X64_LEA64, RAX, mem(RSP, -65536));
    x64_rm(code, X64_CMP64, RAX, mem(R11, 24));
    x64_jcc(code, CC_B, trap());
    x64_alu_ri(code, true, ALU_SUB, RSP, 65536);
    leave();
}
static void far_access(bool has_test, X64Cond cc) {
    x64_mov_ri(code, R11, 0xFFFFFFF0);
    x64_rr(code, X64_ADD64, R11, RDI);
    if (has_test) {
        x64_bt_ri(code, R11, 32);
        x64_jcc(code, cc, trap());
    }
    x64_rm(code, X64_MOV32, RAX, heap(R11, 0));
    ret();
}
static void good_far_access(void) { far_access(true, CC_B); }
static void frozen_call(i32 bound, X64Cond cc, bool has_signature, u32 entries) {
    take_frame(0);
    x64_alu_ri(code, false, ALU_CMP, R10, bound);
    x64_jcc(code, cc, trap());
    add_ref(x64_lea_rip(code, R11), X64_REF_TABLE, entries);
    if (has_signature) {
        const Label miss = code_label(code), over = code_label(code);
        x64_alu_mi(code, false, ALU_CMP, x64_mem_index(R11, R10, 3, 0), 1234);
        x64_jcc(code, CC_NE, miss);
        x64_jmp(code, over);
        code_bind(code, miss); // out of line in real code
        x64_alu_mi(code, false, ALU_CMP, x64_mem_index(R11, R10, 3, 0), -1);
        x64_jcc(code, CC_E, trap());
        x64_jmp(code, trap());
        code_bind(code, over);
    }
    x64_rm(code, X64_MOV32, R10, x64_mem_index(R11, R10, 3, 4));
    add_ref(x64_lea_rip(code, R11), X64_REF_TEXT, 0);
    x64_rr(code, X64_ADD64, R10, R11);
    x64_call_r(code, R10);
    leave();
}
static void good_frozen_call(void) { frozen_call(TABLE_ENTRIES, CC_AE, true, TABLE_ENTRIES); }
// The stub that makes an entry keeps all registers but r11.
static void table_call(u32 frame_bytes, void (*make_entry)(void)) {
    const Label miss = code_label(code), resume = code_label(code);
    take_frame(frame_bytes);
    x64_rm(code, X64_STORE64, R13, mem(RBP, -8));
    x64_rr(code, X64_MOV32, RAX, RAX);
    x64_rm(code, X64_MOV64, R11, mem(R13, RECORD_AT));
    x64_rm(code, X64_CMP64, R10, mem(R11, 8));
    x64_jcc(code, CC_AE, trap());
    x64_rm(code, X64_MOV64, R11, mem(R11, 0));
    x64_rm(code, X64_MOV64, R11, x64_mem_index(R11, R10, 3, 0));
    x64_rr(code, X64_TEST64, R11, R11);
    x64_jcc(code, CC_E, trap());
    x64_alu_mi(code, false, ALU_CMP, mem(R11, 16), 77);
    x64_jcc(code, CC_NE, miss);
    code_bind(code, resume);
    x64_rr(code, X64_MOV64, R10, R11);
    load_heap(RAX);
    x64_rr(code, X64_MOV64, R14, R13);
    x64_rm(code, X64_MOV64, R13, mem(R10, 8));
    x64_rm(code, X64_MOV64, R15, mem(R13, HEAP_BASE_AT));
    x64_call_m(code, mem(R10, 0));
    restore_context();
    leave();
    code_bind(code, miss);
    make_entry();
    x64_jmp(code, resume);
}
static void entry_stub(void) {
    x64_mov_ri(code, R11, 1ull << 33);
    x64_call_m(code, mem(R13, TABLE_ENTRY_AT));
}
static void no_entry_stub(void) { x64_mov_ri(code, R11, 1ull << 33); }
static void any_call(void) { x64_call_m(code, mem(R13, RECORD_AT)); }
static void good_table_call(void) { table_call(16, entry_stub); }
static void bad_table_call_unmade(void) { table_call(16, no_entry_stub); }
static void bad_table_call_clobbers(void) { table_call(16, any_call); }
static void bad_table_call_alignment(void) { table_call(24, entry_stub); }
static void bad_table_entry_in_foreign(void) {
    take_frame(16);
    x64_rm(code, X64_STORE64, R13, mem(RBP, -8));
    x64_rm(code, X64_MOV64, R13, mem(R13, RECORD_AT));
    x64_call_m(code, mem(R13, TABLE_ENTRY_AT));
    restore_context();
    leave();
}
static void jump_table(u32 bound, u32 entries, bool has_start) {
    const Label a = code_label(code), b = code_label(code), inside = code_label(code);
    x64_alu_ri(code, false, ALU_CMP, RDI, (i32)bound);
    code_bind(code, inside);
    x64_jcc(code, CC_AE, a);
    add_ref(x64_lea_rip(code, R11), X64_REF_RODATA, 0);
    x64_rm(code, X64_MOVSXD, RDI, x64_mem_index(R11, RDI, 2, 0));
    const Label start = has_start ? code_start_label(code) : inside;
    code_use(code, x64_lea_rip(code, R11), start, X64_REL32);
    x64_rr(code, X64_ADD64, RDI, R11);
    x64_jmp_r(code, RDI);
    code_bind(code, a);
    x64_mov_ri(code, RAX, 1);
    code_bind(code, b);
    load_heap(RAX);
    ret();
    for (u32 i = 0; i < entries; i++) {
        store_u32(sample.rodata + 4 * i, code_label_offset(code, i % 2 == 0 ? a : b));
    }
    sample.input.rodata_bytes = 4 * entries;
}
static void good_jump_table(void) { jump_table(3, 3, true); }
static void good_globals(void) {
    x64_rm(code, X64_STORE64, RAX, mem(R13, VALUES_AT));
    x64_alu_mi(code, false, ALU_ADD, mem(R13, VALUES_AT + 16), 1);
    x64_rm(code, X64_MOV64, R11, mem(R13, POINTERS_AT + 16));
    x64_rm(code, X64_STORESD, 1, mem(R11, 0));
    x64_rm(code, X64_MOV32, RAX, mem(R11, 0));
    load_heap(RAX);
    ret();
}
static void good_loop(void) {
    const Label top = code_label(code);
    x64_mov_ri(code, RCX, 0);
    code_bind(code, top);
    load_heap(RCX);
    x64_alu_ri(code, false, ALU_ADD, RCX, 4);
    x64_alu_ri(code, false, ALU_CMP, RCX, 400);
    x64_jcc(code, CC_B, top);
    ret();
}
static void good_unreachable_access(void) {
    x64_jmp(code, trap());
    x64_rm(code, X64_MOV32, RAX, mem(RDI, 0)); // never runs
    ret();
}
static void good_operations(void) {
    const X64Op same[] = {X64_SUB32, X64_XOR32, X64_IMUL32, X64_POPCNT64, X64_MOVZX8, X64_MOVZX16};
    for (usize i = 0; i < COUNT_OF(same); i++) {
        x64_mov_ri(code, RAX, UINT64_MAX);
        x64_rr(code, same[i], RAX, RCX);
        load_heap(RAX);
    }
    x64_mov_ri(code, RAX, UINT64_MAX);
    x64_shift_ri(code, true, SHIFT_SHR, RAX, 32);
    load_heap(RAX);
    x64_mov_ri(code, RAX, UINT64_MAX);
    x64_alu_ri(code, true, ALU_AND, RAX, 0x7FFFFFFF);
    load_heap(RAX);
    x64_mov_ri(code, RAX, UINT64_MAX);
    x64_cmov_rr(code, false, CC_E, RAX, RCX);
    load_heap(RAX);
    x64_sign_to_rdx(code, false);
    x64_unary(code, false, UNARY_IDIV, RCX);
    load_heap(RAX);
    load_heap(RDX);
    x64_rr(code, X64_CVTTSD2SI32, RCX, 1);
    load_heap(RCX);
    x64_rr(code, X64_MOVD_FROM_XMM, 1, RSI);
    load_heap(RSI);
    ret();
}

// ---- Rejected ----------------------------------------------------------------------------------

static void dirty_after(X64Op op) {
    x64_mov_ri(code, RAX, 1);
    x64_rr(code, op, RAX, RCX);
    load_heap(RAX);
    ret();
}
static void bad_mul64(void) { dirty_after(X64_IMUL64); }
static void bad_sub64(void) { dirty_after(X64_SUB64); }
static void bad_add64(void) { dirty_after(X64_ADD64); }
static void bad_movsxd(void) { dirty_after(X64_MOVSXD); }
static void bad_movsx64(void) { dirty_after(X64_MOVSX8_64); }
static void bad_cvt64(void) { dirty_after(X64_CVTTSD2SI64); }
static void bad_constant(void) {
    x64_mov_ri(code, RAX, 1ull << 32);
    load_heap(RAX);
    ret();
}
static void bad_negative_constant(void) {
    x64_mov_ri(code, RAX, UINT64_MAX);
    load_heap(RAX);
    ret();
}
static void bad_reload(void) {
    x64_rm(code, X64_STORE64, RAX, mem(RSP, -8));
    x64_rm(code, X64_MOV64, RAX, mem(RSP, -8));
    load_heap(RAX);
    ret();
}
static void bad_exchange(void) {
    x64_mov_ri(code, RAX, UINT64_MAX);
    x64_mov_ri(code, RCX, 1);
    x64_rr(code, X64_XCHG64, RAX, RCX);
    load_heap(RCX);
    ret();
}
static void bad_cmov(void) {
    x64_mov_ri(code, RAX, 1);
    x64_mov_ri(code, RCX, UINT64_MAX);
    x64_cmov_rr(code, true, CC_E, RAX, RCX);
    load_heap(RAX);
    ret();
}
static void bad_on_one_path(void) {
    const Label skip = code_label(code);
    x64_mov_ri(code, RAX, UINT64_MAX);
    x64_jcc(code, CC_E, skip);
    x64_mov_ri(code, RAX, 1);
    code_bind(code, skip);
    load_heap(RAX);
    ret();
}
static void bad_around_the_loop(void) {
    const Label top = code_label(code), done = code_label(code);
    x64_mov_ri(code, RCX, 0);
    code_bind(code, top);
    load_heap(RCX);
    x64_jcc(code, CC_E, done);
    x64_alu_ri(code, true, ALU_ADD, RCX, 4);
    x64_jmp(code, top);
    code_bind(code, done);
    ret();
}
static void bad_far_without_test(void) { far_access(false, CC_B); }
static void bad_far_wrong_condition(void) { far_access(true, CC_AE); }
static void bad_displacement(void) {
    x64_rm(code, X64_MOV32, RAX, heap(RCX, MAX_DISPLACEMENT));
    ret();
}
static void bad_negative_displacement(void) {
    x64_rm(code, X64_MOV32, RAX, heap(RCX, -4));
    ret();
}
static void bad_scale(void) {
    x64_rm(code, X64_MOV32, RAX, x64_mem_index(R15, RCX, 1, 0));
    ret();
}
static void bad_base(void) {
    x64_rm(code, X64_MOV32, RAX, mem(RDI, 0));
    ret();
}
static void bad_store_base(void) {
    x64_mov_mi(code, 4, mem(RAX, 0), 1);
    ret();
}
static void bad_vector_base(void) {
    x64_rm(code, X64_ADDSD, 0, mem(R9, 0));
    ret();
}
static void bad_computed_context(void) {
    x64_rm(code, X64_LEA64, RAX, mem(R13, 8));
    x64_rm(code, X64_MOV64, RAX, mem(RAX, 0));
    ret();
}
static void bad_absolute(void) {
    RAW("\x8B\x04\x25\x00\x10\x00\x00"); // mov eax, [0x1000]
    ret();
}
static void bad_rip_load(void) {
    RAW("\x8B\x05\x00\x10\x00\x00"); // mov eax, [rip + 0x1000]
    ret();
}
static void bad_value_as_pointer(void) {
    x64_rm(code, X64_MOV64, RAX, mem(R13, VALUES_AT));
    x64_rm(code, X64_MOV64, RAX, mem(RAX, 0));
    ret();
}
static void bad_value_of_pointer(void) {
    x64_rm(code, X64_MOV64, RAX, mem(R13, POINTERS_AT));
    x64_rm(code, X64_MOV64, RAX, mem(RAX, 0));
    x64_rm(code, X64_MOV64, RAX, mem(RAX, 0));
    ret();
}
static void bad_context_offset(void) {
    x64_rm(code, X64_MOV64, RAX, mem(R13, CONTEXT_BYTES - 4));
    ret();
}
static void bad_context_write(void) {
    x64_rm(code, X64_STORE64, RAX, mem(R13, RECORD_AT));
    ret();
}
static void bad_record_write(void) {
    x64_rm(code, X64_MOV64, R11, mem(R13, RECORD_AT));
    x64_rm(code, X64_STORE64, RAX, mem(R11, 0));
    ret();
}
static void bad_record_offset(void) {
    x64_rm(code, X64_MOV64, R11, mem(R13, RECORD_AT));
    x64_rm(code, X64_MOV64, RAX, mem(R11, 64));
    ret();
}
static void bad_record_index(void) {
    x64_rm(code, X64_MOV64, R11, mem(R13, RECORD_AT));
    x64_rm(code, X64_MOV64, RAX, x64_mem_index(R11, RDI, 3, 0));
    ret();
}
static void bad_record_index_changed(void) {
    x64_rm(code, X64_MOV64, R11, mem(R13, RECORD_AT));
    x64_rm(code, X64_CMP64, RDI, mem(R11, 8));
    x64_jcc(code, CC_AE, trap());
    x64_alu_ri(code, true, ALU_ADD, RDI, 1);
    x64_rm(code, X64_MOV64, RAX, x64_mem_index(R11, RDI, 3, 0));
    ret();
}
static void bad_red_zone(void) {
    x64_rm(code, X64_STORE64, RAX, mem(RSP, -136));
    ret();
}
static void bad_return_address(void) {
    x64_rm(code, X64_STORE64, RAX, mem(RSP, 0));
    ret();
}
static void bad_params(void) {
    sample.input.param_stack_bytes = 16;
    x64_rm(code, X64_STORE64, RAX, mem(RSP, 24));
    x64_ret(code, 16);
}
static void bad_frame_offset(void) {
    take_frame(32);
    x64_rm(code, X64_STORE64, RAX, mem(RBP, -40));
    leave();
}
static void bad_frame_index(void) {
    take_frame(32);
    x64_rm(code, X64_STORE64, RAX, x64_mem_index(RBP, RCX, 0, -32));
    leave();
}
static void bad_saved_rbp(void) {
    take_frame(32);
    x64_rm(code, X64_STORE32, RAX, mem(RBP, 4));
    leave();
}
static void bad_saved_slot(void) {
    take_frame(32);
    x64_rm(code, X64_STORE64, RBX, mem(RBP, -16));
    x64_rm(code, X64_STORE32, RAX, mem(RBP, -12));
    leave();
}
static void bad_not_restored(void) {
    x64_mov_ri(code, RBX, 1);
    ret();
}
static void bad_restored_from_elsewhere(void) {
    x64_rm(code, X64_STORE64, RBX, mem(RSP, -8));
    x64_mov_ri(code, RBX, 1);
    x64_rm(code, X64_MOV64, RBX, mem(RSP, -16));
    ret();
}
static void bad_return_size(void) { x64_ret(code, 16); }
static void bad_return_in_frame(void) {
    take_frame(0);
    ret();
}
static void bad_large_frame(void) {
    take_frame(65536);
    leave();
}
static void bad_small_probe(void) {
    x64_push(code, RBP);
    x64_rr(code, X64_STORE64, RSP, RBP);
    x64_rm(code, X64_MOV64, R11, mem(R13, RECORD_AT));
    x64_rm(code, X64_LEA64, RAX, mem(RSP, -65536));
    x64_rm(code, X64_CMP64, RAX, mem(R11, 24));
    x64_jcc(code, CC_B, trap());
    x64_alu_ri(code, true, ALU_SUB, RSP, 65552);
    leave();
}
static void bad_sp_add(void) {
    x64_alu_ri(code, true, ALU_ADD, RSP, 16);
    ret();
}
static void bad_sp_from_value(void) {
    x64_rr(code, X64_MOV64, RSP, RAX);
    ret();
}
static void bad_frees_frame(void) {
    take_frame(32);
    x64_rm(code, X64_LEA64, RSP, mem(RSP, 16));
    leave();
}
static void bad_rbp(void) {
    x64_mov_ri(code, RBP, 0);
    ret();
}
static void bad_r13(void) {
    x64_rr(code, X64_MOV64, R13, RAX);
    ret();
}
static void bad_r15(void) {
    x64_alu_ri(code, true, ALU_ADD, R15, 16);
    ret();
}
static void bad_r15_loaded(void) {
    x64_rm(code, X64_MOV64, R15, mem(R13, RECORD_AT));
    ret();
}
static void bad_foreign_heap(void) {
    take_frame(16);
    x64_rm(code, X64_STORE64, R13, mem(RBP, -8));
    foreign_call();
    load_heap(RBX);
    restore_context();
    leave();
}
static void bad_context_not_restored(void) {
    take_frame(16);
    foreign_call();
    leave();
}
static void bad_local_call_in_foreign(void) {
    take_frame(16);
    x64_rm(code, X64_STORE64, R13, mem(RBP, -8));
    foreign_call();
    call_func();
    restore_context();
    leave();
}
static void bad_alignment(void) {
    take_frame(8);
    call_func();
    leave();
}
static void bad_call_target(void) {
    take_frame(0);
    x64_call_r(code, RAX);
    leave();
}
static void bad_call_memory(void) {
    take_frame(0);
    x64_call_m(code, heap(RAX, 0));
    leave();
}
static void bad_call_value(void) {
    take_frame(0);
    x64_call_m(code, mem(R13, VALUES_AT));
    leave();
}
static void bad_call_without_ref(void) {
    take_frame(0);
    (void)x64_call(code);
    leave();
}
static void bad_index_after_call(void) {
    take_frame(0);
    x64_mov_ri(code, RCX, 0);
    x64_rm(code, X64_LEA64, R11, mem(R13, 0));
    call_func();
    x64_rm(code, X64_MOV64, RAX, mem(RCX, 0));
    leave();
}
static void bad_result_offset(void) {
    sample.input.result_bytes = 16;
    x64_rm(code, X64_STORE64, RAX, mem(RDI, 16));
    ret();
}
static void bad_results_of_call(void) {
    take_frame(32);
    x64_rm(code, X64_LEA64, RSP, mem(RSP, -32));
    call_func();
    x64_rm(code, X64_MOV64, R11, mem(RSP, 32));
    x64_rm(code, X64_LEA64, RSP, mem(RSP, 32));
    leave();
}
static void bad_frozen_bound(void) { frozen_call(TABLE_ENTRIES + 1, CC_AE, true, TABLE_ENTRIES); }
static void bad_frozen_condition(void) { frozen_call(TABLE_ENTRIES, CC_A, true, TABLE_ENTRIES); }
static void bad_frozen_signature(void) {
    frozen_call(TABLE_ENTRIES, CC_AE, false, TABLE_ENTRIES);
}
static void bad_jump_table_bound(void) { jump_table(4, 3, true); }
static void bad_jump_table_start(void) { jump_table(3, 3, false); }
static void bad_jump_table_entry(void) {
    jump_table(3, 3, true);
    store_u32(sample.rodata + 4, 4000);
}
static void bad_jump_table_middle(void) {
    jump_table(3, 3, true);
    store_u32(sample.rodata + 4, load_u32(sample.rodata + 4) + 1);
}
static void bad_jump(void) { x64_jmp_r(code, RAX); }
static void bad_branch_middle(void) {
    RAW("\x74\x01"); // je +1, into the mov
    x64_mov_ri(code, RAX, 0);
    ret();
}
static void bad_branch_out(void) {
    RAW("\x74\x7F");
    ret();
}
static void bad_branch_before(void) {
    RAW("\xEB\xF0");
}
static void bad_no_end(void) { x64_mov_ri(code, RAX, 0); }
static void bad_end_behind_branch(void) {
    const Label top = code_label(code);
    code_bind(code, top);
    x64_jcc(code, CC_E, top);
}
static void bad_cut(void) { RAW("\xC3\x48\x8B"); }
static void bad_reference(void) {
    x64_mov_ri(code, RAX, 0);
    add_ref(1, X64_REF_TEXT, 0);
    ret();
}
static void bad_reference_of_jump(void) {
    const Label end = code_label(code);
    x64_jcc(code, CC_E, end);
    add_ref(2, X64_REF_FUNC, 0);
    for (u32 i = 1; i < 32; i++) { // too much for a short branch
        x64_mov_ri(code, RAX, i);
    }
    ret();
    code_bind(code, end);
    ret();
}
static void bad_empty(void) {}

#define RAW_SAMPLE(name, text)                                                                     \
    static void name(void) {                                                                       \
        RAW(text);                                                                                 \
        ret();                                                                                     \
    }
RAW_SAMPLE(bad_syscall, "\x0F\x05")
RAW_SAMPLE(bad_int80, "\xCD\x80")
RAW_SAMPLE(bad_int3, "\xCC")
RAW_SAMPLE(bad_hlt, "\xF4")
RAW_SAMPLE(bad_wrpkru, "\x0F\x01\xEF")
RAW_SAMPLE(bad_wrfsbase, "\xF3\x48\x0F\xAE\xD0")
RAW_SAMPLE(bad_gs_load, "\x65\x8B\x04\x25\x00\x00\x00\x00")
RAW_SAMPLE(bad_fs_prefix, "\x64\x8B\x00")
RAW_SAMPLE(bad_rep_movs, "\xF3\xA4")
RAW_SAMPLE(bad_lock, "\xF0\x01\x00")
RAW_SAMPLE(bad_address_size, "\x67\x8B\x00")
RAW_SAMPLE(bad_xchg_memory, "\x49\x87\x07")
RAW_SAMPLE(bad_far_jump, "\xFF\x2F")
RAW_SAMPLE(bad_vex, "\xC5\xF8\x58\xC1")
RAW_SAMPLE(bad_two_prefixes, "\x66\xF2\x0F\x58\xC1")
RAW_SAMPLE(bad_rex_before_prefix, "\x48\xF2\x0F\x2A\xC0")
RAW_SAMPLE(bad_in, "\xE4\x10")
RAW_SAMPLE(bad_popf, "\x9D")

typedef struct Row {
    void (*make)(void);
    const char *name, *complaint; // NULL: accepted
} Row;
#define GOOD(name) {name, #name, NULL}
#define BAD(name, complaint) {name, #name, complaint}
#define NO_INST "not an instruction that is emitted"

static const Row GOOD_ROWS[] = {
    GOOD(good_leaf), GOOD(good_red_zone), GOOD(good_frame), GOOD(good_frame_by_moves),
    GOOD(good_stack_params), GOOD(good_stack_args_and_results), GOOD(good_result_pointer),
    GOOD(good_large_frame), GOOD(good_far_access), GOOD(good_frozen_call), GOOD(good_table_call),
    GOOD(good_jump_table), GOOD(good_globals), GOOD(good_loop), GOOD(good_unreachable_access),
    GOOD(good_operations),
};

static const Row BAD_ROWS[] = {
    BAD(bad_mul64, "the index's upper half may not be zero"),
    BAD(bad_sub64, "the index's upper half may not be zero"),
    BAD(bad_add64, "the index's upper half may not be zero"),
    BAD(bad_movsxd, "the index's upper half may not be zero"),
    BAD(bad_movsx64, "the index's upper half may not be zero"),
    BAD(bad_cvt64, "the index's upper half may not be zero"),
    BAD(bad_constant, "the index's upper half may not be zero"),
    BAD(bad_negative_constant, "the index's upper half may not be zero"),
    BAD(bad_reload, "the index's upper half may not be zero"),
    BAD(bad_exchange, "the index's upper half may not be zero"),
    BAD(bad_cmov, "the index's upper half may not be zero"),
    BAD(bad_on_one_path, "the index's upper half may not be zero"),
    BAD(bad_around_the_loop, "the index's upper half may not be zero"),
    BAD(bad_far_without_test, "the index's upper half may not be zero"),
    BAD(bad_far_wrong_condition, "the index's upper half may not be zero"),
    BAD(bad_displacement, "displacement or scale too large"),
    BAD(bad_negative_displacement, "negative displacement"),
    BAD(bad_scale, "displacement or scale too large"),
    BAD(bad_base, "the base is not a pointer that may be used"),
    BAD(bad_store_base, "the base is not a pointer that may be used"),
    BAD(bad_vector_base, "the base is not a pointer that may be used"),
    BAD(bad_computed_context, "the base is not a pointer that may be used"),
    BAD(bad_absolute, "an address without base"),
    BAD(bad_rip_load, "an address without base"),
    BAD(bad_value_as_pointer, "the base is not a pointer that may be used"),
    BAD(bad_value_of_pointer, "the base is not a pointer that may be used"),
    BAD(bad_context_offset, "outside of the context"),
    BAD(bad_context_write, "writes the context"),
    BAD(bad_record_write, "writes a record"),
    BAD(bad_record_offset, "outside of a record"),
    BAD(bad_record_index, "not compared with the count"),
    BAD(bad_record_index_changed, "not compared with the count"),
    BAD(bad_red_zone, "outside of the frame"),
    BAD(bad_return_address, "outside of the frame"),
    BAD(bad_params, "outside of the frame"),
    BAD(bad_frame_offset, "outside of the frame"),
    BAD(bad_frame_index, "an index where none may be"),
    BAD(bad_saved_rbp, "overwrites a saved register"),
    BAD(bad_saved_slot, "overwrites a saved register"),
    BAD(bad_not_restored, "without restoring a callee-saved register"),
    BAD(bad_restored_from_elsewhere, "without restoring a callee-saved register"),
    BAD(bad_return_size, "popping another size"),
    BAD(bad_return_in_frame, "without restoring a callee-saved register"),
    BAD(bad_large_frame, "without comparing with the stack's limit"),
    BAD(bad_small_probe, "without comparing with the stack's limit"),
    BAD(bad_sp_add, "writes the stack pointer"),
    BAD(bad_sp_from_value, "writes the stack pointer"),
    BAD(bad_frees_frame, "frees stack of the frame"),
    BAD(bad_rbp, "writes the frame pointer"),
    BAD(bad_r13, "writes the context register"),
    BAD(bad_r15, "writes the heap register"),
    BAD(bad_r15_loaded, "writes the heap register"),
    BAD(bad_foreign_heap, "the heap of another instance"),
    BAD(bad_context_not_restored, "with another instance's context"),
    BAD(bad_local_call_in_foreign, "a local call with another instance's"),
    BAD(bad_alignment, "the stack is not aligned"),
    BAD(bad_table_call_unmade, "the base is not a pointer"),
    BAD(bad_table_call_clobbers, "the base is not a pointer"),
    BAD(bad_table_call_alignment, "the stack is not aligned"),
    BAD(bad_table_entry_in_foreign, "a stub of another instance"),
    BAD(bad_call_target, "calls an address of unknown origin"),
    BAD(bad_call_memory, "calls an address of unknown origin"),
    BAD(bad_call_value, "calls an address of unknown origin"),
    BAD(bad_call_without_ref, "calls something that is not a function"),
    BAD(bad_index_after_call, "the base is not a pointer"),
    BAD(bad_result_offset, "outside of what the pointer points to"),
    BAD(bad_results_of_call, "outside of the results of a call"),
    BAD(bad_frozen_bound, "not compared with the table's size"),
    BAD(bad_frozen_condition, "not compared with the table's size"),
    BAD(bad_frozen_signature, "the signature was not compared"),
    BAD(bad_jump_table_bound, "not a bounded access to a jump table"),
    BAD(bad_jump_table_start, "an address that is not the function's start"),
    BAD(bad_jump_table_entry, "outside of the function"),
    BAD(bad_jump_table_middle, "into the middle of an instruction"),
    BAD(bad_jump, "jumps to an address of unknown origin"),
    BAD(bad_branch_middle, "into the middle of an instruction"),
    BAD(bad_branch_out, "branches out of the function"),
    BAD(bad_branch_before, "branches out of the function"),
    BAD(bad_no_end, "the function's end is reached"),
    BAD(bad_end_behind_branch, "the function's end is reached"),
    BAD(bad_cut, NO_INST),
    BAD(bad_reference, "is not a field of an instruction"),
    BAD(bad_reference_of_jump, "a reference in an instruction that has none"),
    BAD(bad_empty, "a function without instructions"),
    BAD(bad_syscall, NO_INST), BAD(bad_int80, NO_INST), BAD(bad_int3, NO_INST),
    BAD(bad_hlt, NO_INST), BAD(bad_wrpkru, NO_INST), BAD(bad_wrfsbase, NO_INST),
    BAD(bad_gs_load, NO_INST), BAD(bad_fs_prefix, NO_INST), BAD(bad_rep_movs, NO_INST),
    BAD(bad_lock, NO_INST), BAD(bad_address_size, NO_INST), BAD(bad_xchg_memory, NO_INST),
    BAD(bad_far_jump, NO_INST), BAD(bad_vex, NO_INST), BAD(bad_two_prefixes, NO_INST),
    BAD(bad_rex_before_prefix, NO_INST), BAD(bad_in, NO_INST), BAD(bad_popf, NO_INST),
};

static void sample_make(const Row *row) {
    sample_open();
    row->make();
    EXPECT(code_finish(code, &sample.bytes));
}

static void check_rows(const Row *rows, usize count) {
    for (usize i = 0; i < count; i++) {
        Error err = ERROR_INIT;
        sample_make(&rows[i]);
        const bool is_good = x64_check(sample.out.at, sample.bytes, &sample.input, &err);
        if (is_good != (rows[i].complaint == NULL)) {
            TEST_FAIL("%s: %s", rows[i].name, is_good ? "accepted" : err.text);
        } else if (!is_good && strstr(err.text, rows[i].complaint) == NULL) {
            TEST_FAIL("%s: \"%s\", expected \"%s\"", rows[i].name, err.text, rows[i].complaint);
        }
        sample_close();
    }
}

TEST(good_code_is_accepted) { check_rows(GOOD_ROWS, COUNT_OF(GOOD_ROWS)); }
TEST(bad_code_is_rejected) { check_rows(BAD_ROWS, COUNT_OF(BAD_ROWS)); }

TEST(the_message_has_offset_and_bytes) {
    Error err = ERROR_INIT;
    sample_open();
    x64_mov_ri(code, RAX, 0);
    x64_rm(code, X64_MOV32, RAX, mem(RDI, 16));
    ret();
    EXPECT(!x64_check(sample.out.at, code_offset(code), &sample.input, &err));
    EXPECT_EQ(err.code, ERR_INTERNAL);
    EXPECT_EQ(err.offset, 5);
    EXPECT_STR(err.text,
               "emitted code at 0x5 (8b 47 10): the base is not a pointer that may be used");
    sample_close();
}

// Parameters and results of calls: the upper half is the ABI's word, which strict does not take.
TEST(strict_wants_proofs) {
    for (u32 variant = 0; variant < 4; variant++) {
        sample_open();
        sample.input.strict = variant != 0;
        sample.input.zero_extended_params = variant == 2 ? 1 << RDI : 0;
        if (variant == 3) {
            x64_rr(code, X64_MOV32, RDI, RDI);
        }
        load_heap(RDI);
        ret();
        EXPECT_EQ(x64_check(sample.out.at, code_offset(code), &sample.input, NULL), variant != 1);
        sample_close();
    }
}

// Damaged code: any answer, but an answer; and a branch or a register changed is mostly noticed.
TEST(damaged_code_is_survived) {
    u64 state = 99;
    u32 accepted = 0, runs = 0;
    for (usize i = 0; i < COUNT_OF(GOOD_ROWS); i++) {
        sample_make(&GOOD_ROWS[i]);
        for (u32 n = 0; n < 2000; n++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            const u32 bit = (u32)(state >> 33) % (8 * sample.bytes);
            sample.out.at[bit / 8] ^= (u8)(1 << bit % 8);
            accepted += x64_check(sample.out.at, sample.bytes, &sample.input, NULL);
            runs++;
            sample.out.at[bit / 8] ^= (u8)(1 << bit % 8);
        }
        for (u32 cut = 1; cut < sample.bytes; cut++) {
            (void)x64_check(sample.out.at, cut, &sample.input, NULL);
        }
        sample_close();
    }
    EXPECT(accepted < runs / 2); // many bits are immediates, or choose among registers alike
}

TEST(random_bytes_are_survived) {
    u64 state = 5;
    u8 bytes[64];
    X64CheckInput input = {.max_displacement = 1, .context_bytes = 64, .record_bytes = 64};
    for (u32 n = 0; n < 100000; n++) {
        for (u32 i = 0; i < sizeof bytes; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[i] = (u8)(state >> 40);
        }
        (void)x64_check(bytes, sizeof bytes, &input, NULL);
    }
}

TEST(every_allocation_may_fail) {
    sample_make(&GOOD_ROWS[2]);
    bool is_good = false;
    for (u32 n = 1; n < 20 && !is_good; n++) {
        Error err = ERROR_INIT;
        mem_fail_at(n, false);
        is_good = x64_check(sample.out.at, sample.bytes, &sample.input, &err);
        mem_fail_at(0, false);
        EXPECT(is_good || (int)err.code == ERR_NO_MEMORY);
    }
    EXPECT(is_good);
    sample_close();
}

// Many targets and loops in loops: a few passes do.
TEST(large_functions) {
    sample_open();
    enum { LOOPS = 2000, DEEP = 200 };
    Label tops[DEEP];
    x64_mov_ri(code, RCX, 0);
    for (u32 i = 0; i < LOOPS / DEEP; i++) {
        for (u32 n = 0; n < DEEP; n++) {
            code_room(code, 64);
            tops[n] = code_label(code);
            code_bind(code, tops[n]);
            load_heap(RCX);
        }
        for (u32 n = DEEP; n > 0; n--) {
            code_room(code, 64);
            x64_alu_ri(code, false, ALU_ADD, RCX, 4);
            x64_jcc(code, CC_B, tops[n - 1]);
        }
    }
    code_room(code, 64);
    ret();
    EXPECT(code_finish(code, &sample.bytes));
    Error err = ERROR_INIT;
    if (!x64_check(sample.out.at, sample.bytes, &sample.input, &err)) {
        TEST_FAIL("%s", err.text);
    }
    sample_close();
}

int main(void) {
    RUN(good_code_is_accepted);
    RUN(bad_code_is_rejected);
    RUN(the_message_has_offset_and_bytes);
    RUN(strict_wants_proofs);
    RUN(damaged_code_is_survived);
    RUN(random_bytes_are_survived);
    RUN(every_allocation_may_fail);
    RUN(large_functions);
    return test_end();
}
