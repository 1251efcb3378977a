// The encoder of x86-64: every function over its operands, disassembled by objdump and compared
// with text made from the operands; and some rows of bytes, which need no objdump.
//
// Operand combinations: all registers, the special ones (rsp and r12 as base, rbp and r13 without
// displacement, bytes of rsp to rdi), widths of displacements and immediates at their edges.
#include "isa/x64/encode.h"

#include "isa/x64/decode.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static const char *const NAMES64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const NAMES32[] = {"eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
                                      "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
static const char *const NAMES16[] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
                                      "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};
static const char *const NAMES8[] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                     "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};
static const char *const NAMES_XMM[] = {"xmm0",  "xmm1",  "xmm2",  "xmm3", "xmm4",  "xmm5",
                                        "xmm6",  "xmm7",  "xmm8",  "xmm9", "xmm10", "xmm11",
                                        "xmm12", "xmm13", "xmm14", "xmm15"};
static const char *const CONDITIONS[] = {"o", "no", "b", "ae", "e", "ne", "be", "a",
                                         "s", "ns", "p", "np", "l", "ge", "le", "g"};

// Class of an operand: 'b' 8 bits, 'w' 16, 'd' 32, 'q' 64, 'x' vector register or 128 bits of
// memory, 's' and 'f' vector register or 32 or 64 bits of memory, 'm' memory only (an address).
static const char *reg_name(char class, u32 reg) {
    switch (class) {
    case 'b':
        return NAMES8[reg];
    case 'w':
        return NAMES16[reg];
    case 'd':
        return NAMES32[reg];
    case 'q':
        return NAMES64[reg];
    default:
        return NAMES_XMM[reg];
    }
}
static const char *memory_name(char class) {
    switch (class) {
    case 'b':
        return "BYTE PTR ";
    case 'w':
        return "WORD PTR ";
    case 'd':
    case 's':
        return "DWORD PTR ";
    case 'q':
    case 'f':
        return "QWORD PTR ";
    case 'x':
        return "XMMWORD PTR ";
    default:
        return "";
    }
}

// One row an instruction: mnemonic, classes of the reg and the r/m operand, and its form: 'l' reg
// is first, 's' r/m is first; 'r' and 'm' restrict it to registers or memory; 'i' takes an imm8.
typedef struct Row {
    X64Op op;
    const char *name, *mnemonic;
    char reg_class, rm_class;
    const char *form;
} Row;
#define ROW(name, mnemonic, reg_class, rm_class, form)                                             \
    {X64_##name, #name, mnemonic, reg_class, rm_class, form}
static const Row ROWS[] = {
    ROW(ADD32, "add", 'd', 'd', "l"), ROW(ADD64, "add", 'q', 'q', "l"),
    ROW(SUB32, "sub", 'd', 'd', "l"), ROW(SUB64, "sub", 'q', 'q', "l"),
    ROW(AND32, "and", 'd', 'd', "l"), ROW(AND64, "and", 'q', 'q', "l"),
    ROW(OR32, "or", 'd', 'd', "l"), ROW(OR64, "or", 'q', 'q', "l"),
    ROW(XOR32, "xor", 'd', 'd', "l"), ROW(XOR64, "xor", 'q', 'q', "l"),
    ROW(CMP32, "cmp", 'd', 'd', "l"), ROW(CMP64, "cmp", 'q', 'q', "l"),
    ROW(TEST32, "test", 'd', 'd', "s"), ROW(TEST64, "test", 'q', 'q', "s"),
    ROW(IMUL32, "imul", 'd', 'd', "l"), ROW(IMUL64, "imul", 'q', 'q', "l"),
    ROW(XCHG64, "xchg", 'q', 'q', "s"),
    ROW(LEA32, "lea", 'd', 'm', "lm"), ROW(LEA64, "lea", 'q', 'm', "lm"),
    ROW(MOV32, "mov", 'd', 'd', "l"), ROW(MOV64, "mov", 'q', 'q', "l"),
    ROW(MOVZX8, "movzx", 'd', 'b', "l"), ROW(MOVZX16, "movzx", 'd', 'w', "l"),
    ROW(MOVSX8_32, "movsx", 'd', 'b', "l"), ROW(MOVSX8_64, "movsx", 'q', 'b', "l"),
    ROW(MOVSX16_32, "movsx", 'd', 'w', "l"), ROW(MOVSX16_64, "movsx", 'q', 'w', "l"),
    ROW(MOVSXD, "movsxd", 'q', 'd', "l"),
    ROW(STORE8, "mov", 'b', 'b', "s"), ROW(STORE16, "mov", 'w', 'w', "s"),
    ROW(STORE32, "mov", 'd', 'd', "s"), ROW(STORE64, "mov", 'q', 'q', "s"),
    ROW(BSR32, "bsr", 'd', 'd', "l"), ROW(BSR64, "bsr", 'q', 'q', "l"),
    ROW(BSF32, "bsf", 'd', 'd', "l"), ROW(BSF64, "bsf", 'q', 'q', "l"),
    ROW(POPCNT32, "popcnt", 'd', 'd', "l"), ROW(POPCNT64, "popcnt", 'q', 'q', "l"),
    ROW(MOVSS, "movss", 's', 's', "l"), ROW(MOVSD, "movsd", 'f', 'f', "l"),
    ROW(STORESS, "movss", 's', 's', "s"), ROW(STORESD, "movsd", 'f', 'f', "s"),
    ROW(MOVAPS, "movaps", 'x', 'x', "l"),
    ROW(MOVUPS, "movups", 'x', 'x', "l"), ROW(STOREUPS, "movups", 'x', 'x', "s"),
    ROW(MOVD_TO_XMM, "movd", 'x', 'd', "l"), ROW(MOVQ_TO_XMM, "movq", 'x', 'q', "l"),
    ROW(MOVD_FROM_XMM, "movd", 'x', 'd', "s"), ROW(MOVQ_FROM_XMM, "movq", 'x', 'q', "s"),
    ROW(ADDSS, "addss", 's', 's', "l"), ROW(ADDSD, "addsd", 'f', 'f', "l"),
    ROW(SUBSS, "subss", 's', 's', "l"), ROW(SUBSD, "subsd", 'f', 'f', "l"),
    ROW(MULSS, "mulss", 's', 's', "l"), ROW(MULSD, "mulsd", 'f', 'f', "l"),
    ROW(DIVSS, "divss", 's', 's', "l"), ROW(DIVSD, "divsd", 'f', 'f', "l"),
    ROW(MINSS, "minss", 's', 's', "l"), ROW(MINSD, "minsd", 'f', 'f', "l"),
    ROW(MAXSS, "maxss", 's', 's', "l"), ROW(MAXSD, "maxsd", 'f', 'f', "l"),
    ROW(SQRTSS, "sqrtss", 's', 's', "l"), ROW(SQRTSD, "sqrtsd", 'f', 'f', "l"),
    ROW(ANDPS, "andps", 'x', 'x', "l"), ROW(ANDNPS, "andnps", 'x', 'x', "l"),
    ROW(ORPS, "orps", 'x', 'x', "l"), ROW(XORPS, "xorps", 'x', 'x', "l"),
    ROW(UCOMISS, "ucomiss", 's', 's', "l"), ROW(UCOMISD, "ucomisd", 'f', 'f', "l"),
    ROW(CVTSI2SS32, "cvtsi2ss", 'x', 'd', "l"), ROW(CVTSI2SS64, "cvtsi2ss", 'x', 'q', "l"),
    ROW(CVTSI2SD32, "cvtsi2sd", 'x', 'd', "l"), ROW(CVTSI2SD64, "cvtsi2sd", 'x', 'q', "l"),
    ROW(CVTTSS2SI32, "cvttss2si", 'd', 's', "l"), ROW(CVTTSS2SI64, "cvttss2si", 'q', 's', "l"),
    ROW(CVTTSD2SI32, "cvttsd2si", 'd', 'f', "l"), ROW(CVTTSD2SI64, "cvttsd2si", 'q', 'f', "l"),
    ROW(CVTSS2SD, "cvtss2sd", 'x', 's', "l"), ROW(CVTSD2SS, "cvtsd2ss", 'x', 'f', "l"),
    ROW(ROUNDSS, "roundss", 'x', 's', "li"), ROW(ROUNDSD, "roundsd", 'x', 'f', "li"),
};

// Every row of insts.def has its row here. The imul rows have a function of their own.
TEST(every_instruction_has_a_row) {
    static const struct {
        const char *name;
        X64Op op;
    } ALL[] = {
#define INST(name, prefix, map, opcode, w) {#name, X64_##name},
#include "isa/x64/insts.def"
#undef INST
    };
    for (usize i = 0; i < COUNT_OF(ALL); i++) {
        bool is_found = strncmp(ALL[i].name, "IMULI", 5) == 0;
        for (usize n = 0; n < COUNT_OF(ROWS); n++) {
            is_found |= strcmp(ALL[i].name, ROWS[n].name) == 0 && ALL[i].op == ROWS[n].op;
        }
        if (!is_found) {
            TEST_FAIL("%s has no row in this test", ALL[i].name);
        }
    }
}

// What was emitted, and what objdump should say about it: "offset text" a line.
typedef struct Listing {
    CodeBuffer code;
    Writer out;
    Writer expected; // lines, each ends with a zero byte
    VEC(u32) offsets;
    u32 saved; // bytes that short forms will save so far
    jmp_buf landing;
} Listing;

static Listing listing;

static void listing_open(void) {
    listing = (Listing){0};
    if (setjmp(listing.landing) != 0) {
        abort();
    }
    code_open(&listing.code, &X64_TARGET, &listing.out, &listing.landing);
}
static void listing_close(void) {
    code_close(&listing.code);
    writer_free(&listing.out);
    writer_free(&listing.expected);
    vec_free(&listing.offsets);
}

// Where the next byte will be in the end.
static u32 listing_at(void) { return code_offset(&listing.code) - listing.saved; }

// The next instruction will be this.
static CodeBuffer *expect(const char *format, ...) __attribute__((format(printf, 1, 2)));
static CodeBuffer *expect(const char *format, ...) {
    char text[128];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!vec_push(&listing.offsets, listing_at())) {
        abort();
    }
    write_bytes(&listing.expected, text, strlen(text) + 1);
    code_room(&listing.code, 64);
    return &listing.code;
}

static const char *memory_text(char class, X64Mem mem) {
    static char text[80];
    usize n = (usize)snprintf(text, sizeof text, "%s[%s", memory_name(class), NAMES64[mem.base]);
    if (mem.index != X64_NO_REG) {
        n += (usize)snprintf(text + n, sizeof text - n, "+%s*%d", NAMES64[mem.index],
                             1 << mem.scale);
    }
    // objdump shows the displacement if there is one in the bytes, which rbp and r13 always have.
    if (mem.disp < 0) {
        n += (usize)snprintf(text + n, sizeof text - n, "-0x%x", 0u - (u32)mem.disp);
    } else if (mem.disp > 0 || (mem.base & 7) == RBP) {
        n += (usize)snprintf(text + n, sizeof text - n, "+0x%x", (u32)mem.disp);
    }
    snprintf(text + n, sizeof text - n, "]");
    return text;
}

// Compares with objdump, line for line. Tabs and padding between mnemonic and operands are one
// blank.
static bool objdump_lines(FILE *pipe, u32 *count) {
    char line[256];
    const char *expected = (const char *)listing.expected.at;
    u32 bad = 0;
    *count = 0;
    while (fgets(line, sizeof line, pipe) != NULL) {
        char text[256];
        usize n = 0;
        char *p = strchr(line, ':');
        if (line[0] != ' ' || p == NULL || *count >= listing.offsets.count) {
            continue;
        }
        const u32 offset = (u32)strtoul(line, NULL, 16);
        for (p++; *p != 0 && *p != '\n' && *p != '#'; p++) {
            const bool is_blank = *p == ' ' || *p == '\t';
            if (!is_blank || (n != 0 && text[n - 1] != ' ')) {
                text[n++] = is_blank ? ' ' : *p;
            }
        }
        n -= n != 0 && text[n - 1] == ' ';
        text[n] = 0;
        if (offset != listing.offsets.at[*count] || strcmp(text, expected) != 0) {
            TEST_FAIL("at 0x%x: %s; expected at 0x%x: %s", offset, text,
                      listing.offsets.at[*count], expected);
            bad++;
            if (bad == 20 || offset != listing.offsets.at[*count]) {
                return false;
            }
        }
        expected += strlen(expected) + 1;
        (*count)++;
    }
    return bad == 0;
}

// The checker's decoder must know each instruction and end it where the encoder did. It knows no
// exchange with memory, which would lock the bus.
static void listing_decode(void) {
    const u32 bytes = code_offset(&listing.code);
    const char *text = (const char *)listing.expected.at;
    for (usize i = 0; i < listing.offsets.count; i++, text += strlen(text) + 1) {
        const u32 offset = listing.offsets.at[i];
        const u32 end = i + 1 < listing.offsets.count ? listing.offsets.at[i + 1]
                                                      : bytes;
        X64Inst inst;
        const bool is_known = x64_decode(listing.code.base, bytes, offset, &inst);
        const bool is_locked = strncmp(text, "xchg", 4) == 0 && strchr(text, '[') != NULL;
        if (is_known == is_locked) {
            TEST_FAIL("the decoder %s %s", is_known ? "knows" : "does not know", text);
        } else if (is_known && offset + inst.bytes != end) {
            TEST_FAIL("the decoder sees %u bytes in %s", inst.bytes, text);
        } else if (is_known && inst.is_memory != (strchr(text, '[') != NULL)) {
            TEST_FAIL("the decoder mistakes the operand of %s", text);
        }
    }
}

static void listing_compare(void) {
    listing_decode();
    if (system("command -v objdump >/dev/null 2>&1") != 0) {
        TEST_SKIP("no objdump");
        return;
    }
    char path[] = "/tmp/imago-encode-XXXXXX";
    const int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    EXPECT(file != NULL);
    if (file == NULL) {
        return;
    }
    const usize bytes = code_offset(&listing.code);
    EXPECT(fwrite(listing.code.base, 1, bytes, file) == bytes);
    fclose(file);
    char command[160];
    snprintf(command, sizeof command,
             "objdump -D -w --no-show-raw-insn -b binary -m i386:x86-64 -M intel %s", path);
    FILE *pipe = popen(command, "r");
    EXPECT(pipe != NULL);
    if (pipe != NULL) {
        u32 count;
        if (objdump_lines(pipe, &count)) {
            EXPECT_EQ(count, listing.offsets.count);
        }
        pclose(pipe);
    }
    unlink(path);
}

// Operands.
static const i32 DISPS[] = {0,    1,    -1,      127,     -128,      128,
                            -129, 4096, 0x12345, -0x12345, INT32_MAX, INT32_MIN};
static const i32 IMMS[] = {0, 1, -1, 127, -128, 128, -129, 255, 65536, INT32_MAX, INT32_MIN};

static u64 random_state;
static u32 random_below(u32 limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (u32)(random_state >> 33) % limit;
}
// Base, index (16: none; rsp is none either), scale and displacement from one number.
enum { MEM_COUNT = 16 * 17 * 4 * (int)COUNT_OF(DISPS) };
static X64Mem mem_at(u32 n) {
    const i32 disp = DISPS[n % COUNT_OF(DISPS)];
    n /= (u32)COUNT_OF(DISPS);
    const u8 index = (u8)(n / 16 % 17);
    if (index == 16 || index == RSP) {
        return x64_mem((u8)(n % 16), disp);
    }
    return x64_mem_index((u8)(n % 16), index, (u8)(n / 16 / 17), disp);
}

static void emit_rr(const Row *row, u8 reg, u8 rm) {
    const char *reg_text = reg_name(row->reg_class, reg), *rm_text = reg_name(row->rm_class, rm);
    const bool is_store = row->form[0] == 's';
    const bool has_imm = strchr(row->form, 'i') != NULL;
    CodeBuffer *code = expect("%s %s,%s%s", row->mnemonic, is_store ? rm_text : reg_text,
                              is_store ? reg_text : rm_text, has_imm ? ",0xb" : "");
    if (has_imm) {
        x64_rri8(code, row->op, reg, rm, 11);
    } else {
        x64_rr(code, row->op, reg, rm);
    }
}

static void emit_rm(const Row *row, u8 reg, X64Mem mem) {
    const char *reg_text = reg_name(row->reg_class, reg);
    const char *mem_text = memory_text(row->rm_class, mem);
    const bool is_store = row->form[0] == 's';
    const bool has_imm = strchr(row->form, 'i') != NULL;
    CodeBuffer *code = expect("%s %s,%s%s", row->mnemonic, is_store ? mem_text : reg_text,
                              is_store ? reg_text : mem_text, has_imm ? ",0xb" : "");
    if (has_imm) {
        x64_rmi8(code, row->op, reg, mem, 11);
    } else {
        x64_rm(code, row->op, reg, mem);
    }
}

TEST(registers) {
    listing_open();
    for (usize i = 0; i < COUNT_OF(ROWS); i++) {
        for (u32 n = 0; n < 256 && strchr(ROWS[i].form, 'm') == NULL; n++) {
            emit_rr(&ROWS[i], (u8)(n % 16), (u8)(n / 16));
        }
    }
    listing_compare();
    listing_close();
}

// All forms of addresses with a few instructions ...
TEST(addresses) {
    static const X64Op OPS[] = {X64_MOV64, X64_STORE8, X64_MOVSS, X64_LEA32};
    listing_open();
    for (usize i = 0; i < COUNT_OF(OPS); i++) {
        const Row *row = ROWS;
        while (row->op != OPS[i]) {
            row++;
        }
        for (u32 n = 0; n < MEM_COUNT; n++) {
            emit_rm(row, (u8)(n * 7 % 16), mem_at(n));
        }
    }
    listing_compare();
    listing_close();
}

// ... and a sample of them with all instructions.
TEST(memory_operands) {
    random_state = 11;
    listing_open();
    for (usize i = 0; i < COUNT_OF(ROWS); i++) {
        for (u32 n = 0; n < 300 && strchr(ROWS[i].form, 'r') == NULL; n++) {
            emit_rm(&ROWS[i], (u8)random_below(16), mem_at(random_below(MEM_COUNT)));
        }
    }
    listing_compare();
    listing_close();
}

static const char *imm_text(bool w, i32 imm) {
    static char text[24];
    if (w) {
        snprintf(text, sizeof text, "0x%llx", (unsigned long long)(i64)imm);
    } else {
        snprintf(text, sizeof text, "0x%x", (u32)imm);
    }
    return text;
}

TEST(immediates) {
    static const char *const ALUS[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
    listing_open();
    for (u32 n = 0; n < 2 * 16 * COUNT_OF(IMMS); n++) {
        const bool w = n % 2 != 0;
        const u8 reg = (u8)(n / 2 % 16), other = (u8)((reg * 5 + 3) % 16);
        const i32 imm = IMMS[n / 32];
        const X64Mem mem = mem_at(n * 11 % MEM_COUNT);
        const char class = w ? 'q' : 'd';
        for (u32 alu = 0; alu < 8; alu++) {
            x64_alu_ri(expect("%s %s,%s", ALUS[alu], reg_name(class, reg), imm_text(w, imm)), w,
                       (X64Alu)alu, reg, imm);
            x64_alu_mi(expect("%s %s,%s", ALUS[alu], memory_text(class, mem), imm_text(w, imm)), w,
                       (X64Alu)alu, mem, imm);
        }
        x64_test_ri(expect("test %s,%s", reg_name(class, reg), imm_text(w, imm)), w, reg, imm);
        x64_imul_rri(expect("imul %s,%s,%s", reg_name(class, reg), reg_name(class, other),
                            imm_text(w, imm)),
                     w, reg, other, imm);
        x64_mov_mi(expect("mov %s,%s", memory_text(class, mem), imm_text(w, imm)), w ? 8 : 4, mem,
                   imm);
        x64_mov_mi(expect("mov %s,0x%x", memory_text('b', mem), (u8)imm), 1, mem, imm);
        x64_mov_mi(expect("mov %s,0x%x", memory_text('w', mem), (u16)imm), 2, mem, imm);
    }
    listing_compare();
    listing_close();
}

TEST(constants_in_registers) {
    static const u64 VALUES[] = {0, 1, 127, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000,
                                 UINT64_MAX, 0xFFFFFFFF80000000, 0xFFFFFFFF7FFFFFFF,
                                 0x7FFFFFFFFFFFFFFF, 0x123456789ABCDEF0};
    listing_open();
    for (u32 n = 0; n < 16 * COUNT_OF(VALUES); n++) {
        const u8 reg = (u8)(n % 16);
        const u64 value = VALUES[n / 16];
        const bool is_short = value <= UINT32_MAX || (i64)value == (i32)value;
        x64_mov_ri(expect("%s %s,0x%llx", is_short ? "mov" : "movabs",
                          reg_name(value <= UINT32_MAX ? 'd' : 'q', reg),
                          (unsigned long long)value),
                   reg, value);
    }
    listing_compare();
    listing_close();
}

TEST(groups) {
    static const struct {
        X64Shift op;
        const char *name;
    } SHIFTS[] = {{SHIFT_ROL, "rol"}, {SHIFT_ROR, "ror"}, {SHIFT_SHL, "shl"},
                  {SHIFT_SHR, "shr"}, {SHIFT_SAR, "sar"}};
    static const struct {
        X64Unary op;
        const char *name;
    } UNARIES[] = {{UNARY_NOT, "not"}, {UNARY_NEG, "neg"}, {UNARY_MUL, "mul"},
                   {UNARY_DIV, "div"}, {UNARY_IDIV, "idiv"}};
    listing_open();
    for (u32 n = 0; n < 32; n++) {
        const bool w = n % 2 != 0;
        const u8 reg = (u8)(n / 2);
        const char *name = reg_name(w ? 'q' : 'd', reg);
        for (usize i = 0; i < COUNT_OF(SHIFTS); i++) {
            x64_shift_rc(expect("%s %s,cl", SHIFTS[i].name, name), w, SHIFTS[i].op, reg);
            x64_shift_ri(expect("%s %s,1", SHIFTS[i].name, name), w, SHIFTS[i].op, reg, 1);
            x64_shift_ri(expect("%s %s,0x2", SHIFTS[i].name, name), w, SHIFTS[i].op, reg, 2);
            x64_shift_ri(expect("%s %s,0x3f", SHIFTS[i].name, name), w, SHIFTS[i].op, reg, 63);
        }
        for (usize i = 0; i < COUNT_OF(UNARIES); i++) {
            x64_unary(expect("%s %s", UNARIES[i].name, name), w, UNARIES[i].op, reg);
        }
        x64_bt_ri(expect("bt %s,0x%x", NAMES64[reg], 31 + n), reg, (u8)(31 + n));
        x64_sign_to_rdx(expect(w ? "cqo" : "cdq"), w);
    }
    listing_compare();
    listing_close();
}

TEST(conditions) {
    random_state = 12;
    listing_open();
    for (u32 n = 0; n < 16 * 16; n++) {
        const X64Cond cc = (X64Cond)(n / 16);
        const u8 reg = (u8)(n % 16);
        x64_setcc(expect("set%s %s", CONDITIONS[cc], NAMES8[reg]), cc, reg);
        for (u32 rm = 0; rm < 16; rm++) {
            const bool w = (rm ^ reg) % 2 != 0;
            const char class = w ? 'q' : 'd';
            x64_cmov_rr(expect("cmov%s %s,%s", CONDITIONS[cc], reg_name(class, reg),
                               reg_name(class, rm)),
                        w, cc, reg, (u8)rm);
            const X64Mem mem = mem_at(random_below(MEM_COUNT));
            x64_cmov_rm(expect("cmov%s %s,%s", CONDITIONS[cc], reg_name(class, reg),
                               memory_text(class, mem)),
                        w, cc, reg, mem);
        }
    }
    listing_compare();
    listing_close();
}

TEST(stack_and_control) {
    listing_open();
    for (u8 reg = 0; reg < 16; reg++) {
        x64_push(expect("push %s", NAMES64[reg]), reg);
        x64_pop(expect("pop %s", NAMES64[reg]), reg);
        x64_call_r(expect("call %s", NAMES64[reg]), reg);
        x64_jmp_r(expect("jmp %s", NAMES64[reg]), reg);
        CodeBuffer *code = expect("lea %s,[rip+0x0]", NAMES64[reg]);
        const u32 before = code_offset(code), field = x64_lea_rip(code, reg);
        EXPECT_EQ(field, code_offset(code) - 4);
        EXPECT_EQ(before, code_offset(code) - 7);
    }
    for (u32 n = 0; n < MEM_COUNT; n += 7) {
        const X64Mem mem = mem_at(n);
        x64_call_m(expect("call %s", memory_text('q', mem)), mem);
    }
    x64_leave(expect("leave"));
    x64_ret(expect("ret"), 0);
    x64_ret(expect("ret 0x10"), 16);
    x64_ret(expect("ret 0xfff0"), 0xFFF0);
    const u32 next = code_offset(&listing.code) + 5;
    EXPECT_EQ(x64_call(expect("call 0x%x", next)), next - 4);
    listing_compare();
    listing_close();
}

// Branches in both directions, short ones as far as they reach. `pad` counts one-byte instructions.
static void pad(u32 count) {
    for (; count > 0; count--) {
        x64_leave(expect("leave"));
    }
}

TEST(branches) {
    listing_open();
    CodeBuffer *code = &listing.code;
    for (u32 n = 0; n < 16; n++) {
        const X64Cond cc = (X64Cond)n;
        // Backward: the distance from the end of a two-byte jump is -(gap + 2).
        for (u32 gap = 124; gap <= 128; gap++) {
            const Label back = code_label(code);
            const u32 target = listing_at();
            code_bind(code, back);
            pad(gap);
            x64_jcc(expect("j%s 0x%x", CONDITIONS[cc], target), cc, back);
            EXPECT_EQ(listing_at() - target, gap + (gap <= 126 ? 2 : 6));
            const Label jump_back = code_label(code);
            code_bind(code, jump_back);
            const u32 jump_target = listing_at();
            pad(gap);
            x64_jmp(expect("jmp 0x%x", jump_target), jump_back);
            EXPECT_EQ(listing_at() - jump_target, gap + (gap <= 126 ? 2 : 5));
        }
        // Forward: up to 127.
        const u32 gap = n * 13, jump_gap = gap + 1;
        const u32 target = listing_at() + (gap < 128 ? 2 : 6) + gap;
        const Label ahead = code_label(code);
        x64_jcc(expect("j%s 0x%x", CONDITIONS[cc], target), cc, ahead);
        listing.saved += gap < 128 ? 4 : 0;
        pad(gap);
        code_bind(code, ahead);
        const u32 jump_target = listing_at() + (jump_gap < 128 ? 2 : 5) + jump_gap;
        const Label jump_ahead = code_label(code);
        x64_jmp(expect("jmp 0x%x", jump_target), jump_ahead);
        listing.saved += jump_gap < 128 ? 3 : 0;
        pad(jump_gap);
        code_bind(code, jump_ahead);
        const u32 short_gap = n * 8;
        const u32 over = listing_at() + 2 + short_gap;
        const u32 from = x64_jcc_short(expect("j%s 0x%x", CONDITIONS[cc], over), cc);
        pad(short_gap);
        x64_land(code, from);
        const u32 jump_from = x64_jmp_short(expect("jmp 0x%x", listing_at() + 2 + short_gap + 7));
        pad(short_gap + 7);
        x64_land(code, jump_from);
    }
    u32 bytes;
    EXPECT(code_finish(code, &bytes));
    listing_compare();
    listing_close();
}

// A jump that a short branch lands behind is neither dropped nor made shorter; branches before and
// behind are.
TEST(landing_keeps_the_jump) {
    listing_open();
    CodeBuffer *code = &listing.code;
    code_room(code, 64);
    const Label next = code_label(code);
    x64_jcc(code, CC_NE, next);
    const u32 from = x64_jcc_short(code, CC_E);
    x64_jmp(code, next);
    x64_land(code, from);
    x64_jmp(code, next);
    x64_leave(code);
    code_bind(code, next);
    u32 bytes;
    EXPECT(code_finish(code, &bytes));
    EXPECT_EQ(bytes, 12);
    EXPECT(memcmp(listing.out.at, "\x75\x0A\x74\x05\xE9\x03\x00\x00\x00\xEB\x01\xC9", 12) == 0);
    listing_close();
}

// Forms that are the shortest, and specials, byte for byte.
TEST(bytes) {
    listing_open();
    CodeBuffer *code = &listing.code;
    code_room(code, 256);
    static const u8 EXPECTED[] = {
        0x8B, 0x04, 0x24,                               // mov eax, [rsp]
        0x41, 0x8B, 0x45, 0x00,                         // mov eax, [r13]
        0x41, 0x8B, 0x04, 0x0F,                         // mov eax, [r15 + rcx]
        0x83, 0xC0, 0x7F,                               // add eax, 127
        0x05, 0x80, 0x00, 0x00, 0x00,                   // add eax, 128
        0x81, 0xC1, 0x80, 0x00, 0x00, 0x00,             // add ecx, 128
        0xB8, 0xFF, 0xFF, 0xFF, 0xFF,                   // mov eax, 0xFFFFFFFF
        0x48, 0xC7, 0xC0, 0xFF, 0xFF, 0xFF, 0xFF,       // mov rax, -1
        0xD1, 0xE0,                                     // shl eax, 1
        0x88, 0x0A,                                     // mov [rdx], cl
        0x40, 0x88, 0x32,                               // mov [rdx], sil
        0x0F, 0x94, 0xC0,                               // sete al
        0x40, 0x0F, 0x94, 0xC6,                         // sete sil
        0x0F, 0xB6, 0xC1,                               // movzx eax, cl
        0x40, 0x0F, 0xB6, 0xC6,                         // movzx eax, sil
        0x0F, 0xB6, 0xF1,                               // movzx esi, cl
    };
    x64_rm(code, X64_MOV32, RAX, x64_mem(RSP, 0));
    x64_rm(code, X64_MOV32, RAX, x64_mem(R13, 0));
    x64_rm(code, X64_MOV32, RAX, x64_mem_index(R15, RCX, 0, 0));
    x64_alu_ri(code, false, ALU_ADD, RAX, 127);
    x64_alu_ri(code, false, ALU_ADD, RAX, 128);
    x64_alu_ri(code, false, ALU_ADD, RCX, 128);
    x64_mov_ri(code, RAX, 0xFFFFFFFF);
    x64_mov_ri(code, RAX, UINT64_MAX);
    x64_shift_ri(code, false, SHIFT_SHL, RAX, 1);
    x64_rm(code, X64_STORE8, RCX, x64_mem(RDX, 0));
    x64_rm(code, X64_STORE8, RSI, x64_mem(RDX, 0));
    x64_setcc(code, CC_E, RAX);
    x64_setcc(code, CC_E, RSI);
    x64_rr(code, X64_MOVZX8, RAX, RCX);
    x64_rr(code, X64_MOVZX8, RAX, RSI);
    x64_rr(code, X64_MOVZX8, RSI, RCX);
    EXPECT_EQ(code_offset(code), sizeof EXPECTED);
    for (u32 i = 0; i < sizeof EXPECTED && i < code_offset(code); i++) {
        if (listing.code.base[i] != EXPECTED[i]) {
            TEST_FAIL("byte %u is %02x, expected %02x", i, listing.code.base[i], EXPECTED[i]);
            break;
        }
    }
    listing_close();
}

int main(void) {
    RUN(every_instruction_has_a_row);
    RUN(registers);
    RUN(addresses);
    RUN(memory_operands);
    RUN(immediates);
    RUN(constants_in_registers);
    RUN(groups);
    RUN(conditions);
    RUN(stack_and_control);
    RUN(branches);
    RUN(landing_keeps_the_jump);
    RUN(bytes);
    return test_end();
}
