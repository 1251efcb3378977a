// The code buffer, on x86-64 byte for byte and on a toy machine with tiny ranges: random programs
// of branches, traps and constants must do on the toy machine what they say, whatever islands and
// veneers stand between.
//
// The toy machine: instructions of 4 bytes, an opcode and a 24-bit value that for branches is the
// distance from the instruction. A branch that its kind does not reach is a failure of the test.
// One model has short forms of two bytes, with an 8-bit distance.
#include "isa/code_buffer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "isa/x64/encode.h"
#include "test.h"

enum { NEAR, MIDDLE, FAR, LITERAL, WIDE, KIND_COUNT };
enum { OP_MARK = 1, OP_TRAP, OP_END, OP_BRANCH = 0x10, OP_JUMP = 0x20, OP_LOAD = 0x30 };
enum { OP_SHORT_BRANCH = 0x40, OP_SHORT_JUMP = 0x50, OP_TO_SHORT = 0x30 };
enum { TOY_REACH_WIDE = (1 << 23) - 1 };

static void toy_patch(u8 *field, u32 field_offset, u32 target_offset) {
    const u32 distance = target_offset - field_offset;
    field[1] = (u8)distance;
    field[2] = (u8)(distance >> 8);
    field[3] = (u8)(distance >> 16);
}

static void toy_inst(u8 *at, u32 op, u32 value) {
    at[0] = (u8)op;
    toy_patch(at, 0, value);
}

static void toy_shorten(u8 *field, u32 field_offset, u32 target_offset) {
    field[0] += OP_TO_SHORT;
    field[1] = (u8)(target_offset - field_offset);
}

static u32 jump_middle(u8 *at) {
    toy_inst(at, OP_JUMP + MIDDLE, 2);
    return 0;
}
static u32 jump_far(u8 *at) {
    toy_inst(at, OP_JUMP + FAR, 2);
    return 0;
}
// A longer veneer with the field in its second word.
static u32 jump_wide(u8 *at) {
    toy_inst(at, OP_MARK, 0);
    toy_inst(at + 4, OP_JUMP + WIDE, 2);
    return 4;
}
static void toy_trap(u8 *at) { toy_inst(at, OP_TRAP, 0); }

#define KIND(name_, reach, veneer_bytes_, veneer_kind_, veneer_)                                   \
    {                                                                                              \
        .name = name_, .forward = reach, .backward = reach, .veneer_bytes = veneer_bytes_,         \
        .veneer_kind = veneer_kind_, .patch = toy_patch, .veneer = veneer_                         \
    }
#define TOY_KINDS(near, middle, far, literal)                                                      \
    {                                                                                              \
        [NEAR] = KIND("near", near, 4, MIDDLE, jump_middle),                                       \
        [MIDDLE] = KIND("middle", middle, 4, FAR, jump_far),                                       \
        [FAR] = KIND("far", far, 8, WIDE, jump_wide),                                              \
        [LITERAL] = KIND("literal", literal, 0, 0, NULL),                                          \
        [WIDE] = KIND("wide", TOY_REACH_WIDE, 0, 0, NULL),                                         \
    }

static const UseKind TINY[KIND_COUNT] = TOY_KINDS(16, 64, 1024, 128);
static const UseKind SMALL[KIND_COUNT] = TOY_KINDS(60, 256, 2048, 512);
static const UseKind UNEVEN[KIND_COUNT] = TOY_KINDS(32, 8192, 9000, 300);
static const UseKind LARGE[KIND_COUNT] = TOY_KINDS(1 << 20, 1 << 21, 1 << 21, 1 << 20);

// Late, with short forms of different reach, or none.
#define LATE_KIND(name_, short_forward_, short_saves_)                                             \
    {                                                                                              \
        .name = name_, .forward = TOY_REACH_WIDE, .backward = TOY_REACH_WIDE, .patch = toy_patch,  \
        .is_late = true, .field_bytes = 4, .short_saves = short_saves_,                            \
        .short_forward = short_forward_, .shorten = toy_shorten                                    \
    }
static const UseKind SHORT[KIND_COUNT] = {
    [NEAR] = LATE_KIND("near", 16, 2),
    [MIDDLE] = LATE_KIND("middle", 129, 2),
    [FAR] = LATE_KIND("far", 0, 0),
    [LITERAL] = LATE_KIND("literal", 0, 0),
    [WIDE] = LATE_KIND("wide", 0, 0),
};

#define TOY_TARGET(kinds_, jump_, jump_kind_)                                                      \
    {                                                                                              \
        .name = #kinds_, .kinds = kinds_, .kind_count = KIND_COUNT, .jump_kind = jump_kind_,       \
        .jump_bytes = 4, .jump = jump_, .trap_bytes = 4, .trap = toy_trap                          \
    }
static const CodeTarget TOYS[] = {TOY_TARGET(TINY, jump_far, FAR), TOY_TARGET(SMALL, jump_far, FAR),
                                  TOY_TARGET(UNEVEN, jump_middle, MIDDLE),
                                  TOY_TARGET(LARGE, jump_far, FAR),
                                  TOY_TARGET(SHORT, jump_middle, MIDDLE)};

// For tests in which the buffer has no reason to jump to its landing.
#define MUST_NOT_GIVE_UP(landing)                                                                  \
    do {                                                                                           \
        if (setjmp(landing) != 0) {                                                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

// A program: what is asked of the buffer, and what it means.
typedef enum Act { ACT_MARK, ACT_BRANCH, ACT_JUMP, ACT_TRAP_IF, ACT_LOAD, ACT_BIND } Act;
typedef struct Step {
    Act act;
    u32 kind;
    u32 value; // of mark or load, label, or trap's wasm offset
} Step;

enum { MAX_STEPS = 600, MAX_LABELS = 40, MAX_EVENTS = 400, MAX_MOVES = 3000 };
typedef struct Program {
    Step steps[MAX_STEPS + MAX_LABELS];
    u32 step_count, label_count;
    u32 bound_at[MAX_LABELS];
    u64 seed; // of the decisions taken at branches
    bool is_flushed, has_loads;
} Program;

typedef struct Trace {
    u32 events[MAX_EVENTS];
    u32 count;
} Trace;

typedef struct TrapSite {
    u32 offset, wasm_offset;
} TrapSite;
typedef struct TrapSites {
    TrapSite at[MAX_STEPS];
    u32 count;
    u32 final; // of which this many are where they stay
    CodeBuffer *code;
} TrapSites;

static u64 random_next(u64 *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
static u32 random_below(u64 *state, u32 limit) { return (u32)(random_next(state) >> 33) % limit; }

static void trace_push(Trace *trace, u32 event) {
    if (trace->count < MAX_EVENTS) {
        trace->events[trace->count++] = event;
    }
}

static void program_make(Program *program, u64 *state) {
    static const u32 SIZES[] = {3, 12, 40, 150, 600};
    program->step_count = 0;
    program->label_count = 1 + random_below(state, MAX_LABELS - 1);
    const u32 size = 1 + random_below(state, SIZES[random_below(state, COUNT_OF(SIZES))]);
    const u32 mark_share = 1 + random_below(state, 12);
    const u32 kinds = random_below(state, 2) == 0 ? 1 : 3; // often only the nearest
    program->has_loads = random_below(state, 2) == 0;
    for (u32 i = 0; i < size; i++) {
        Step step = {ACT_MARK, random_below(state, kinds), i + 1};
        const u32 roll = random_below(state, mark_share + 6);
        if (roll < 3) {
            step = (Step){ACT_BRANCH, step.kind, random_below(state, program->label_count)};
        } else if (roll == 3) {
            step = (Step){ACT_JUMP, 0, random_below(state, program->label_count)};
        } else if (roll == 4) {
            step = (Step){ACT_TRAP_IF, step.kind, 10000 + i};
        } else if (roll == 5 && program->has_loads) {
            step = (Step){ACT_LOAD, 0, 1 + random_below(state, 12)};
        }
        program->steps[program->step_count++] = step;
    }
    for (u32 label = 0; label < program->label_count; label++) {
        const u32 at = random_below(state, program->step_count + 1);
        memmove(&program->steps[at + 1], &program->steps[at],
                (program->step_count - at) * sizeof(Step));
        program->steps[at] = (Step){ACT_BIND, 0, label};
        program->step_count++;
    }
    for (u32 i = 0; i < program->step_count; i++) {
        if (program->steps[i].act == ACT_BIND) {
            program->bound_at[program->steps[i].value] = i;
        }
    }
    program->seed = random_next(state) | 1;
    program->is_flushed = random_below(state, 2) == 0;
}

// Branches are taken one time in three.
static bool decide(u64 *seed) { return random_below(seed, 3) == 0; }

enum { EVENT_END = 1 << 20, EVENT_TRAP = 1 << 21, EVENT_LOAD = 1 << 22, EVENT_BRANCH = 1 << 23 };

static void program_run(const Program *program, Trace *trace) {
    u64 seed = program->seed;
    u32 at = 0;
    for (u32 moves = 0; moves < MAX_MOVES && at < program->step_count; moves++) {
        const Step step = program->steps[at++];
        if (step.act == ACT_MARK) {
            trace_push(trace, step.value);
        } else if (step.act == ACT_LOAD) {
            trace_push(trace, EVENT_LOAD + step.value);
        } else if (step.act == ACT_JUMP) {
            at = program->bound_at[step.value];
        } else if (step.act == ACT_BRANCH || step.act == ACT_TRAP_IF) {
            const bool is_taken = decide(&seed);
            trace_push(trace, EVENT_BRANCH + is_taken);
            if (is_taken && step.act == ACT_TRAP_IF) {
                trace_push(trace, EVENT_TRAP + step.value);
                return;
            }
            at = is_taken ? program->bound_at[step.value] : at;
        }
    }
    if (at == program->step_count) {
        trace_push(trace, EVENT_END);
    }
}

static void on_trap(void *env, u32 code_offset, u32 wasm_offset, u8 kind) {
    TrapSites *sites = env;
    (void)kind;
    if (sites->count < MAX_STEPS) {
        sites->at[sites->count++] = (TrapSite){code_offset, wasm_offset};
    }
}

static void on_move(void *env) {
    TrapSites *sites = env;
    CodeMoves moves = code_moves(sites->code);
    for (u32 i = sites->final; i < sites->count; i++) {
        sites->at[i].offset = code_moved(&moves, sites->at[i].offset);
    }
    sites->final = sites->count;
}

static void note_sites(CodeBuffer *code, TrapSites *sites) {
    sites->count = sites->final = 0;
    sites->code = code;
    code->on_trap = on_trap;
    code->on_move = on_move;
    code->env = sites;
}

static void emit(CodeBuffer *code, u32 op, u32 value, u32 more_room) {
    code_room(code, 4 + more_room);
    toy_inst(code->at, op, value);
    code->at += 4;
}

// The field is open with a distance that no patched one has.
static void emit_use(CodeBuffer *code, u32 op, Label label, u32 kind) {
    emit(code, op + kind, 2, code_use_room(code->target, (u8)kind));
    code_use(code, code_offset(code) - 4, label, (u8)kind);
}

// A constant's width follows from its value, so that all widths occur.
static Label constant_of(CodeBuffer *code, u32 value) {
    const u32 words[4] = {value, 0, 0, 0};
    return code_const(code, words, value % 3 == 0 ? 16 : (value % 3 == 1 ? 8 : 4));
}

static bool program_emit(const Program *program, CodeBuffer *code, u32 *bytes) {
    Label labels[MAX_LABELS];
    for (u32 i = 0; i < program->label_count; i++) {
        labels[i] = code_label(code);
    }
    const u32 flush_every = 1 + program->step_count / (1 + program->label_count % 4);
    for (u32 i = 0; i < program->step_count; i++) {
        const Step step = program->steps[i];
        if (program->is_flushed && i % flush_every == flush_every - 1) {
            code_flush(code);
        }
        switch (step.act) {
        case ACT_MARK:
            emit(code, OP_MARK, step.value, 0);
            break;
        case ACT_BRANCH:
            emit_use(code, OP_BRANCH, labels[step.value], step.kind);
            break;
        case ACT_TRAP_IF:
            emit_use(code, OP_BRANCH, code_trap(code, 0, step.value), step.kind);
            break;
        case ACT_LOAD:
            emit_use(code, OP_LOAD, constant_of(code, step.value), LITERAL);
            break;
        case ACT_JUMP:
            code_jump(code, labels[step.value]);
            break;
        case ACT_BIND:
            if (step.value % 2 == 0) {
                code_room(code, 4 * step.value); // asked for, and then not used
            }
            code_bind(code, labels[step.value]);
            break;
        }
    }
    emit(code, OP_END, 0, 0);
    return code_finish(code, bytes);
}

static u32 inst_bytes(u8 op) { return op >= OP_SHORT_BRANCH ? 2 : 4; }

static i32 inst_value(const u8 *at) {
    return inst_bytes(*at) == 2 ? (i8)at[1] : (i32)load_u32(at) >> 8;
}

// Runs the toy machine. False with a message if it does something that no program may do.
static bool toy_run(const CodeTarget *target, const u8 *at, u32 bytes, u64 seed,
                    const TrapSites *sites, Trace *trace) {
    u32 pc = 0;
    for (u32 moves = 0; moves < 8 * MAX_MOVES; moves++) {
        if (pc % 2 != 0 || pc + 2 > bytes || pc + inst_bytes(at[pc]) > bytes) {
            TEST_FAIL("pc is %u of %u", pc, bytes);
            return false;
        }
        const bool is_short = inst_bytes(at[pc]) == 2;
        const u32 op = (at[pc] & 0xF0u) - (is_short ? OP_TO_SHORT : 0u), kind = at[pc] & 0x0F;
        const i32 value = inst_value(at + pc);
        if (is_short && (u32)value + 2 > target->kinds[kind].short_forward) {
            TEST_FAIL("a short %s at %u has the distance %d", target->kinds[kind].name, pc, value);
            return false;
        }
        if (op != 0 && (value % 2 != 0 || value > (i64)target->kinds[kind].forward ||
                        -(i64)value > (i64)target->kinds[kind].backward)) {
            TEST_FAIL("a %s at %u has the distance %d", target->kinds[kind].name, pc, value);
            return false;
        }
        if (at[pc] == OP_END) {
            trace_push(trace, EVENT_END);
            return true;
        }
        if (at[pc] == OP_TRAP) {
            u32 i = 0;
            while (i < sites->count && sites->at[i].offset != pc) {
                i++;
            }
            trace_push(trace, EVENT_TRAP + (i < sites->count ? sites->at[i].wasm_offset : 0));
            return true;
        }
        bool is_taken = op == OP_JUMP;
        if (op == OP_BRANCH) {
            is_taken = decide(&seed);
            trace_push(trace, EVENT_BRANCH + is_taken);
        } else if (op == OP_LOAD) {
            const u32 from = pc + (u32)value;
            if (from + 4 > bytes) {
                TEST_FAIL("load of %u", from);
                return false;
            }
            const u32 loaded = load_u32(at + from);
            const u32 align = loaded % 3 == 0 ? 16 : (loaded % 3 == 1 ? 8 : 4);
            EXPECT_EQ(from % align, 0);
            trace_push(trace, EVENT_LOAD + loaded);
        } else if (op == 0 && value != 0) {
            trace_push(trace, (u32)value);
        }
        pc += is_taken ? (u32)value : inst_bytes(at[pc]);
    }
    return true;
}

// Every branch that has a short form and could be short is: code without constants.
static void expect_shortest(const CodeTarget *target, const u8 *at, u32 bytes) {
    for (u32 pc = 0; pc < bytes; pc += inst_bytes(at[pc])) {
        const u32 op = at[pc] & 0xF0;
        const u32 most = target->kinds[at[pc] & 0x0F].short_forward;
        const i32 value = inst_value(at + pc);
        const bool is_long = op == OP_BRANCH || op == OP_JUMP;
        if (is_long && value > 0 && (u32)value <= most) {
            TEST_FAIL("a branch at %u could be short", pc);
        }
    }
}

static bool program_check(const Program *program, const CodeTarget *target, CodeBuffer *code,
                          Writer *out) {
    static Trace expected, actual;
    static TrapSites sites;
    static u32 lead; // bytes of an earlier function, so that offsets differ from places
    jmp_buf landing;
    u32 bytes = 0;
    expected.count = actual.count = 0;
    out->count = 0;
    lead = (lead + 16) % 64;
    write_zeros(out, lead);
    if (setjmp(landing) != 0) {
        TEST_FAIL("out of memory");
        return false;
    }
    code_open(code, target, out, &landing);
    note_sites(code, &sites);
    const bool is_good = program_emit(program, code, &bytes);
    if (!is_good) {
        TEST_FAIL("out of reach");
        return false;
    }
    EXPECT_EQ(out->count, lead + bytes);
    if (!program->is_flushed && !program->has_loads) {
        expect_shortest(target, out->at + lead, bytes);
    }
    program_run(program, &expected);
    if (!toy_run(target, out->at + lead, bytes, program->seed, &sites, &actual)) {
        return false;
    }
    // A program that moves without events may run longer on either side.
    const bool is_longer = actual.count >= expected.count;
    EXPECT(is_longer);
    const bool is_equal =
        is_longer && memcmp(expected.events, actual.events, expected.count * sizeof(u32)) == 0;
    EXPECT(is_equal);
    return is_equal;
}

TEST(programs_do_what_they_say) {
    CodeBuffer code = {0};
    Writer out = {0};
    static Program program;
    for (u32 i = 0; i < 12000; i++) {
        u64 state = 0x9E3779B97F4A7C15u * (i + 1);
        program_make(&program, &state);
        for (u32 t = 0; t < COUNT_OF(TOYS); t++) {
            if (!program_check(&program, &TOYS[t], &code, &out)) {
                TEST_FAIL("program %u on %s, %u steps", i, TOYS[t].name, program.step_count);
                i = 12000;
                break;
            }
        }
    }
    code_close(&code);
    writer_free(&out);
}

// Some ranges that the buffer must hold to the byte: a branch and its target that far away.
TEST(reach_is_inclusive) {
    CodeBuffer code = {0};
    Writer out = {0};
    jmp_buf landing;
    MUST_NOT_GIVE_UP(landing);
    for (u32 gap = 0; gap <= 5; gap++) {
        u32 bytes;
        code_open(&code, &TOYS[0], &out, &landing);
        const Label label = code_label(&code);
        emit_use(&code, OP_BRANCH, label, NEAR);
        for (u32 i = 0; i < gap; i++) {
            emit(&code, OP_MARK, 1, 0);
        }
        code_bind(&code, label);
        emit(&code, OP_END, 0, 0);
        EXPECT(code_finish(&code, &bytes));
        // The island (jump and veneer) comes as late as it can: at 8, so that it ends at 16.
        EXPECT_EQ(bytes, 4 + 4 * gap + 4 + (gap > 1 ? 8 : 0));
        out.count = 0;
    }
    code_close(&code);
    writer_free(&out);
}

TEST(a_label_without_veneer_can_be_out_of_reach) {
    CodeBuffer code = {0};
    Writer out = {0};
    jmp_buf landing;
    MUST_NOT_GIVE_UP(landing);
    for (u32 i = 0; i < 8; i++) {
        const bool is_forward = i % 2 == 0;
        const u32 gap = 30 + i / 2;
        u32 bytes;
        code_open(&code, &TOYS[0], &out, &landing);
        const Label label = code_label(&code);
        if (is_forward) {
            emit_use(&code, OP_LOAD, label, LITERAL);
        } else {
            code_bind(&code, label);
            emit(&code, OP_MARK, 1, 0);
        }
        for (u32 marks = 1; marks < gap; marks++) {
            emit(&code, OP_MARK, 1, 0);
        }
        if (is_forward) {
            code_bind(&code, label);
        } else {
            emit_use(&code, OP_LOAD, label, LITERAL);
        }
        emit(&code, OP_END, 0, 0);
        EXPECT_EQ(code_finish(&code, &bytes), 4 * gap <= 128);
        out.count = 0;
    }
    code_close(&code);
    writer_free(&out);
}

TEST(an_unbound_label_is_refused) {
    CodeBuffer code = {0};
    Writer out = {0};
    jmp_buf landing;
    u32 bytes;
    MUST_NOT_GIVE_UP(landing);
    code_open(&code, &TOYS[0], &out, &landing);
    emit_use(&code, OP_BRANCH, code_label(&code), NEAR);
    EXPECT(!code_finish(&code, &bytes));
    code_close(&code);
    writer_free(&out);
}

// A veneer that reaches no further back than what it stands for would be of no use.
TEST(a_chain_of_veneers_can_be_too_short) {
    static const UseKind KINDS[] = {KIND("only", 16, 4, 0, jump_middle)};
    static const CodeTarget TARGET = {.name = "only", .kinds = KINDS, .kind_count = 1,
                                      .jump_bytes = 4, .jump = jump_middle,
                                      .trap_bytes = 4, .trap = toy_trap};
    CodeBuffer code = {0};
    Writer out = {0};
    jmp_buf landing;
    MUST_NOT_GIVE_UP(landing);
    for (u32 gap = 3; gap < 8; gap++) {
        u32 bytes;
        code_open(&code, &TARGET, &out, &landing);
        const Label label = code_label(&code);
        code_bind(&code, label);
        for (u32 i = 0; i < gap; i++) {
            emit(&code, OP_MARK, 1, 0);
        }
        emit_use(&code, OP_BRANCH, label, 0);
        emit(&code, OP_END, 0, 0);
        EXPECT_EQ(code_finish(&code, &bytes), gap <= 4);
        out.count = 0;
    }
    code_close(&code);
    writer_free(&out);
}

// Far back, through a chain of veneers behind the function.
TEST(backward_uses_get_veneers) {
    CodeBuffer code = {0};
    Writer out = {0};
    jmp_buf landing;
    MUST_NOT_GIVE_UP(landing);
    for (u32 gap = 1; gap < 5000; gap = gap * 3 / 2 + 1) {
        u32 bytes;
        code_open(&code, &TOYS[0], &out, &landing);
        const Label start = code_label(&code);
        code_bind(&code, start);
        for (u32 i = 0; i < gap; i++) {
            emit(&code, OP_MARK, 1, 0);
        }
        emit_use(&code, OP_BRANCH, start, NEAR);
        emit(&code, OP_END, 0, 0);
        EXPECT(code_finish(&code, &bytes));
        Trace trace = {.count = 0};
        const TrapSites sites = {.count = 0};
        EXPECT(toy_run(&TOYS[0], out.at, bytes, gap, &sites, &trace));
        out.count = 0;
    }
    code_close(&code);
    writer_free(&out);
}

static void emit_without_end(CodeBuffer *code, Writer *out) {
    jmp_buf landing;
    if (setjmp(landing) == 0) {
        code_open(code, &X64_TARGET, out, &landing);
        for (;;) {
            code_room(code, CODE_MAX_ROOM);
            code->at += CODE_MAX_ROOM; // never touched: costs address space
        }
    }
}

TEST(too_much_code_is_not_out_of_memory) {
    CodeBuffer code = {0};
    Writer out = {0};
    emit_without_end(&code, &out);
    EXPECT(code.is_too_large);
    EXPECT(code_offset(&code) <= CODE_MAX_BYTES);
    writer_free(&out);
    mem_fail_at(1, true);
    emit_without_end(&code, &out);
    mem_fail_at(0, false);
    EXPECT(!code.is_too_large);
    code_close(&code);
    writer_free(&out);
}

// Work grows with the code: many uses that stay open over many islands are not visited again.
TEST(islands_are_linear) {
    CodeBuffer code = {0};
    Writer out = {0};
    jmp_buf landing;
    u32 bytes;
    MUST_NOT_GIVE_UP(landing);
    code_open(&code, &TOYS[0], &out, &landing);
    const Label end = code_label(&code);
    enum { USES = 100000 };
    for (u32 i = 0; i < USES; i++) {
        emit_use(&code, OP_BRANCH, end, i % 3);
        emit_use(&code, OP_BRANCH, code_trap(&code, 0, i), i % 3);
    }
    code_bind(&code, end);
    emit(&code, OP_END, 0, 0);
    EXPECT(code_finish(&code, &bytes));
    EXPECT(code.uses.capacity < 8 * USES);
    EXPECT(bytes < 32 * USES);
    code_close(&code);
    writer_free(&out);
}

// Traps and their uses do not pile up if they are flushed, though other uses stay open.
TEST(flushing_keeps_the_buffer_small) {
    CodeBuffer code = {0};
    Writer out = {0};
    jmp_buf landing;
    u32 bytes;
    MUST_NOT_GIVE_UP(landing);
    code_open(&code, &X64_TARGET, &out, &landing);
    const Label end = code_label(&code);
    TrapSites sites;
    note_sites(&code, &sites);
    enum { TRAPS = 100000 };
    for (u32 i = 0; i < TRAPS; i++) {
        code_jump(&code, code_trap(&code, 0, i));
        if (i % 100 == 0) {
            code_jump(&code, end);
        }
        if (code.traps.count >= CODE_MANY_TRAPS) {
            code_flush(&code);
        }
    }
    code_bind(&code, end);
    EXPECT(code.traps.capacity <= 2 * CODE_MANY_TRAPS);
    EXPECT(code.late.capacity <= 2 * CODE_MANY_TRAPS);
    EXPECT(code.far.count <= TRAPS / 100);
    EXPECT(code_finish(&code, &bytes));
    EXPECT_EQ(sites.count, MAX_STEPS); // as many as it keeps
    EXPECT_EQ(load_u32(out.at + 1) + 5, sites.at[0].offset);
    code_close(&code);
    writer_free(&out);
}

TEST(every_allocation_may_fail) {
    static Program program;
    u64 state = 77;
    do {
        program_make(&program, &state);
    } while (program.step_count < 500);
    u32 failed_runs = 0;
    for (u32 n = 1;; n++) {
        CodeBuffer code = {0};
        Writer out = {0};
        jmp_buf landing;
        volatile bool is_out_of_memory = true;
        mem_fail_at(n, n % 2 == 0);
        if (setjmp(landing) == 0) {
            u32 bytes;
            code_open(&code, &TOYS[0], &out, &landing);
            program_emit(&program, &code, &bytes);
            is_out_of_memory = false;
        }
        mem_fail_at(0, false);
        code_close(&code);
        writer_free(&out);
        failed_runs += is_out_of_memory;
        if (!is_out_of_memory) {
            break;
        }
    }
    EXPECT(failed_runs >= 10);
}

// x86-64: the bytes.
typedef struct X64Test {
    CodeBuffer code;
    Writer out;
    jmp_buf landing;
    u32 bytes;
} X64Test;

#define X64_OPEN(test)                                                                             \
    do {                                                                                           \
        MUST_NOT_GIVE_UP((test)->landing);                                                         \
        x64_start(test);                                                                           \
    } while (0)
static void x64_start(X64Test *test) {
    test->code = (CodeBuffer){0};
    test->out = (Writer){0};
    code_open(&test->code, &X64_TARGET, &test->out, &test->landing);
}
static void x64_close(X64Test *test) {
    code_close(&test->code);
    writer_free(&test->out);
}
static void nop(CodeBuffer *code) {
    code_room(code, 1);
    *code->at++ = 0x90;
}
static void expect_bytes(X64Test *test, const char *expected, u32 line) {
    char text[256] = "";
    EXPECT(code_finish(&test->code, &test->bytes));
    for (u32 i = 0; i < test->bytes && i < 80; i++) {
        snprintf(text + 3 * i, 4, "%02x ", test->out.at[i]);
    }
    if (strcmp(text, expected) != 0) {
        TEST_FAIL("line %u: %s, expected %s", line, text, expected);
    }
    x64_close(test);
}
#define EXPECT_BYTES(test, expected) expect_bytes(test, expected, __LINE__)

TEST(x64_forward_and_backward) {
    X64Test t;
    X64_OPEN(&t);
    const Label back = code_label(&t.code), ahead = code_label(&t.code);
    code_bind(&t.code, back);
    EXPECT(code_is_bound(&t.code, back) && !code_is_bound(&t.code, ahead));
    code_jump(&t.code, ahead);
    nop(&t.code);
    code_jump(&t.code, back);
    code_bind(&t.code, ahead);
    EXPECT_EQ(code_label_offset(&t.code, ahead), 11);
    nop(&t.code);
    EXPECT_BYTES(&t, "eb 06 90 e9 f8 ff ff ff 90 ");
}

TEST(x64_jump_to_next_is_dropped) {
    X64Test t;
    X64_OPEN(&t);
    const Label next = code_label(&t.code);
    nop(&t.code);
    code_jump(&t.code, next);
    code_bind(&t.code, next);
    EXPECT_EQ(code_label_offset(&t.code, next), 1);
    nop(&t.code);
    EXPECT_BYTES(&t, "90 90 ");
}

TEST(x64_jump_to_next_stays_behind_a_label) {
    X64Test t;
    X64_OPEN(&t);
    const Label other = code_label(&t.code), next = code_label(&t.code);
    code_jump(&t.code, next);
    code_bind(&t.code, other);
    code_bind(&t.code, next);
    EXPECT_EQ(code_label_offset(&t.code, other), 5);
    EXPECT_BYTES(&t, "eb 00 ");
}

TEST(x64_jump_to_next_with_older_uses) {
    X64Test t;
    X64_OPEN(&t);
    const Label next = code_label(&t.code), start = code_label(&t.code);
    code_jump(&t.code, next);
    nop(&t.code);
    code_bind(&t.code, start); // at the start of the dropped jump: stays
    code_jump(&t.code, next);
    code_bind(&t.code, next);
    code_jump(&t.code, start);
    EXPECT_EQ(code_label_offset(&t.code, next), 6);
    EXPECT_BYTES(&t, "eb 01 90 e9 fb ff ff ff ");
}

TEST(x64_only_the_last_jump_is_dropped) {
    X64Test t;
    X64_OPEN(&t);
    const Label next = code_label(&t.code), other = code_label(&t.code);
    code_jump(&t.code, next);
    code_jump(&t.code, other);
    code_bind(&t.code, next);
    nop(&t.code);
    code_bind(&t.code, other);
    EXPECT_BYTES(&t, "eb 02 eb 01 90 ");
}

TEST(x64_traps_and_constants_stand_behind) {
    X64Test t;
    TrapSites sites;
    X64_OPEN(&t);
    note_sites(&t.code, &sites);
    const u32 word = 0x11223344;
    const u64 words = 0x8877665544332211;
    code_jump(&t.code, code_const(&t.code, &word, 4));
    code_jump(&t.code, code_trap(&t.code, 1, 500));
    code_jump(&t.code, code_const(&t.code, &words, 8));
    code_jump(&t.code, code_const(&t.code, &word, 4));
    code_jump(&t.code, code_trap(&t.code, 1, 501));
    nop(&t.code);
    EXPECT_BYTES(&t, "e9 23 00 00 00 e9 10 00 00 00 e9 11 00 00 00 e9 14 00 00 00 "
                     "e9 03 00 00 00 90 0f 0b 0f 0b 00 00 11 22 33 44 55 66 77 88 44 33 22 11 ");
    EXPECT_EQ(sites.count, 2);
    EXPECT_EQ(sites.at[0].offset, 26);
    EXPECT_EQ(sites.at[1].wasm_offset, 501);
}

TEST(x64_constants_are_shared_by_value_and_width) {
    X64Test t;
    X64_OPEN(&t);
    const u64 words[2] = {7, 0};
    const Label four = code_const(&t.code, words, 4), eight = code_const(&t.code, words, 8);
    const Label sixteen = code_const(&t.code, words, 16);
    EXPECT(four.i != eight.i && eight.i != sixteen.i);
    EXPECT_EQ(code_const(&t.code, words, 8).i, eight.i);
    EXPECT(code_const(&t.code, &words[1], 8).i != eight.i);
    EXPECT(code_finish(&t.code, &t.bytes));
    EXPECT_EQ(t.bytes, 16 + 8 + 8 + 4);
    EXPECT_EQ(code_label_offset(&t.code, four), 32);
    x64_close(&t);
}

TEST(x64_trap_at_the_end_needs_no_jump) {
    X64Test t;
    X64_OPEN(&t);
    nop(&t.code);
    code_jump(&t.code, code_trap(&t.code, 1, 500));
    EXPECT_BYTES(&t, "90 0f 0b ");
}

// A second function behind the first one: offsets count from its own start.
TEST(x64_second_function) {
    X64Test t;
    X64_OPEN(&t);
    nop(&t.code);
    EXPECT(code_finish(&t.code, &t.bytes));
    code_open(&t.code, &X64_TARGET, &t.out, &t.landing);
    const Label label = code_label(&t.code);
    EXPECT_EQ(label.i, 0);
    code_bind(&t.code, label);
    code_jump(&t.code, label);
    EXPECT(code_finish(&t.code, &t.bytes));
    EXPECT_EQ(t.bytes, 5);
    EXPECT(memcmp(t.out.at, "\x90\xE9\xFB\xFF\xFF\xFF", 6) == 0);
    x64_close(&t);
}

// An element a use, and no more.
TEST(x64_uses_are_linear) {
    X64Test t;
    X64_OPEN(&t);
    for (u32 i = 0; i < 100000; i++) {
        const Label label = code_label(&t.code);
        code_jump(&t.code, label);
        nop(&t.code);
        code_bind(&t.code, label);
        code_jump(&t.code, label);
    }
    EXPECT_EQ(t.code.late.count, 200000);
    EXPECT(code_finish(&t.code, &t.bytes));
    EXPECT_EQ(t.bytes, 800000);
    x64_close(&t);
}

static void nops(CodeBuffer *code, u32 count) {
    for (u32 i = 0; i < count; i++) {
        nop(code);
    }
}

static void jcc(CodeBuffer *code, Label label) {
    code_room(code, X64_MAX_INST_BYTES);
    x64_jcc(code, CC_E, label);
}

// A distance of 127 is the last for which the short forms do.
static void forward_over(u32 gap, bool is_jump) {
    X64Test t;
    X64_OPEN(&t);
    const Label label = code_label(&t.code);
    if (is_jump) {
        code_jump(&t.code, label);
    } else {
        jcc(&t.code, label);
    }
    nops(&t.code, gap);
    code_bind(&t.code, label);
    nop(&t.code);
    EXPECT(code_finish(&t.code, &t.bytes));
    const u32 branch = gap <= 127 ? 2 : (is_jump ? 5 : 6);
    EXPECT_EQ(t.bytes, branch + gap + 1);
    EXPECT_EQ(code_label_offset(&t.code, label), branch + gap);
    EXPECT_EQ(gap <= 127 ? t.out.at[1] : load_u32(t.out.at + branch - 4), gap);
    x64_close(&t);
}
TEST(x64_short_forms_reach_127) {
    for (u32 gap = 126; gap < 130; gap++) {
        forward_over(gap, false);
        forward_over(gap, true);
    }
}

// Backward, the choice is made at once; the distance from the end is 128 at most.
static void backward_over(u32 gap) {
    X64Test t;
    X64_OPEN(&t);
    const Label label = code_label(&t.code);
    code_bind(&t.code, label);
    nops(&t.code, gap);
    jcc(&t.code, label);
    EXPECT_EQ(code_offset(&t.code), gap + (gap <= 126 ? 2u : 6u));
    EXPECT(code_finish(&t.code, &t.bytes));
    EXPECT_EQ(t.bytes, gap + (gap <= 126 ? 2u : 6u));
    x64_close(&t);
}
TEST(x64_backward_is_short_at_once) {
    for (u32 gap = 125; gap < 128; gap++) {
        backward_over(gap);
    }
}

// Around two branches that become short the outer one becomes short, too; one byte more, and not.
static void around_short_forms(u32 more) {
    X64Test t;
    X64_OPEN(&t);
    const Label outer = code_label(&t.code), inner = code_label(&t.code);
    jcc(&t.code, outer);
    jcc(&t.code, inner);
    code_jump(&t.code, inner);
    nops(&t.code, 123 + more);
    code_bind(&t.code, inner);
    code_bind(&t.code, outer);
    nop(&t.code);
    EXPECT(code_finish(&t.code, &t.bytes));
    EXPECT_EQ(t.bytes, (more == 0 ? 2u : 6u) + 2 + 2 + 123 + more + 1);
    EXPECT_EQ(more == 0 ? t.out.at[1] : load_u32(t.out.at + 2), 127 + more);
    EXPECT_EQ(code_label_offset(&t.code, inner), t.bytes - 1);
    x64_close(&t);
}
TEST(x64_inner_short_forms_count) {
    around_short_forms(0);
    around_short_forms(1);
}

// Branches that are decided already cross those that shrink: back to before, and from before into.
TEST(x64_crossing_branches_stay_right) {
    X64Test t;
    X64_OPEN(&t);
    const Label back = code_label(&t.code), other = code_label(&t.code), end = code_label(&t.code);
    code_bind(&t.code, back);
    nop(&t.code);
    jcc(&t.code, other);
    code_jump(&t.code, end);
    code_bind(&t.code, other);
    nop(&t.code);
    jcc(&t.code, back);
    code_bind(&t.code, end);
    EXPECT_BYTES(&t, "90 74 02 eb 03 90 74 f8 ");
}

TEST(x64_uses_of_a_label_differ) {
    X64Test t;
    X64_OPEN(&t);
    const Label label = code_label(&t.code);
    jcc(&t.code, label);
    nops(&t.code, 126);
    jcc(&t.code, label);
    code_jump(&t.code, label);
    nop(&t.code);
    code_bind(&t.code, label);
    EXPECT(code_finish(&t.code, &t.bytes));
    EXPECT_EQ(t.bytes, 6 + 126 + 2 + 2 + 1);
    EXPECT(memcmp(t.out.at, "\x0F\x84\x83\x00\x00\x00", 6) == 0);
    EXPECT(memcmp(t.out.at + 132, "\x74\x03\xEB\x01\x90", 5) == 0);
    x64_close(&t);
}

// What stands at a branch's start stays, what stands at its end moves.
TEST(x64_noted_offsets_follow) {
    X64Test t;
    X64_OPEN(&t);
    TrapSites sites;
    note_sites(&t.code, &sites);
    const Label trap = code_trap(&t.code, 1, 500), end = code_label(&t.code);
    nop(&t.code);
    on_trap(&sites, code_offset(&t.code), 1, 0);
    jcc(&t.code, end);
    on_trap(&sites, code_offset(&t.code), 2, 0);
    jcc(&t.code, trap);
    code_bind(&t.code, end);
    on_trap(&sites, code_offset(&t.code), 3, 0);
    nop(&t.code);
    EXPECT(code_finish(&t.code, &t.bytes));
    EXPECT_EQ(t.bytes, 8);
    EXPECT(memcmp(t.out.at, "\x90\x74\x02\x74\x01\x90\x0F\x0B", 8) == 0);
    static const u32 OFFSETS[] = {1, 3, 5, 6};
    EXPECT_EQ(sites.count, COUNT_OF(OFFSETS));
    for (u32 i = 0; i < COUNT_OF(OFFSETS); i++) {
        EXPECT_EQ(sites.at[i].offset, OFFSETS[i]);
    }
    x64_close(&t);
}

// The address of the function's start, for jump tables.
TEST(x64_start_label) {
    X64Test t;
    X64_OPEN(&t);
    const Label end = code_label(&t.code);
    jcc(&t.code, end);
    code_room(&t.code, X64_MAX_INST_BYTES);
    code_use(&t.code, x64_lea_rip(&t.code, R11), code_start_label(&t.code), X64_REL32);
    code_bind(&t.code, end);
    nop(&t.code);
    EXPECT_BYTES(&t, "74 07 4c 8d 1d f7 ff ff ff 90 ");
}

// The jump around an island is a branch like others.
TEST(x64_flushed_traps) {
    X64Test t;
    X64_OPEN(&t);
    jcc(&t.code, code_trap(&t.code, 1, 500));
    code_flush(&t.code);
    jcc(&t.code, code_trap(&t.code, 1, 501));
    code_flush(&t.code);
    code_flush(&t.code); // nothing to be written, so no jump either
    nop(&t.code);
    EXPECT_BYTES(&t, "74 02 eb 02 0f 0b 74 02 eb 02 0f 0b 90 ");
}

// What has been settled stays; a branch over the place is long, and branches back count on.
TEST(x64_settled_code_stays) {
    X64Test t;
    X64_OPEN(&t);
    const Label start = code_label(&t.code), inner = code_label(&t.code), end = code_label(&t.code);
    TrapSites sites;
    note_sites(&t.code, &sites);
    code_bind(&t.code, start);
    jcc(&t.code, inner);
    nop(&t.code);
    code_bind(&t.code, inner);
    jcc(&t.code, end);
    on_trap(&sites, code_offset(&t.code), 1, 0);
    code_flush(&t.code);
    EXPECT_EQ(code_label_offset(&t.code, inner), 3);
    EXPECT_EQ(code_offset(&t.code), 9);
    jcc(&t.code, end);
    on_trap(&sites, code_offset(&t.code), 2, 0);
    jcc(&t.code, inner);
    jcc(&t.code, start);
    code_bind(&t.code, end);
    nop(&t.code);
    EXPECT_BYTES(&t, "74 01 90 0f 84 06 00 00 00 74 04 74 f6 74 f1 90 ");
    EXPECT_EQ(sites.at[0].offset, 9);
    EXPECT_EQ(sites.at[1].offset, 11);
}

TEST(x64_constants_keep_their_place) {
    X64Test t;
    X64_OPEN(&t);
    const u64 word = 5;
    const Label end = code_label(&t.code);
    jcc(&t.code, end);
    code_room(&t.code, X64_MAX_INST_BYTES);
    code_use(&t.code, x64_lea_rip(&t.code, R11), code_const(&t.code, &word, 8), X64_REL32);
    code_bind(&t.code, end);
    nop(&t.code);
    EXPECT_BYTES(&t, "0f 84 07 00 00 00 4c 8d 1d 03 00 00 00 90 00 00 05 00 00 00 00 00 00 00 ");
}

TEST(x64_an_unbound_label_is_refused) {
    X64Test t;
    X64_OPEN(&t);
    const Label end = code_label(&t.code);
    jcc(&t.code, code_label(&t.code));
    jcc(&t.code, end);
    code_bind(&t.code, end);
    EXPECT(!code_finish(&t.code, &t.bytes));
    x64_close(&t);
}

int main(void) {
    RUN(programs_do_what_they_say);
    RUN(reach_is_inclusive);
    RUN(a_label_without_veneer_can_be_out_of_reach);
    RUN(an_unbound_label_is_refused);
    RUN(a_chain_of_veneers_can_be_too_short);
    RUN(backward_uses_get_veneers);
    RUN(too_much_code_is_not_out_of_memory);
    RUN(islands_are_linear);
    RUN(flushing_keeps_the_buffer_small);
    RUN(every_allocation_may_fail);
    RUN(x64_forward_and_backward);
    RUN(x64_jump_to_next_is_dropped);
    RUN(x64_jump_to_next_stays_behind_a_label);
    RUN(x64_jump_to_next_with_older_uses);
    RUN(x64_only_the_last_jump_is_dropped);
    RUN(x64_traps_and_constants_stand_behind);
    RUN(x64_constants_are_shared_by_value_and_width);
    RUN(x64_trap_at_the_end_needs_no_jump);
    RUN(x64_second_function);
    RUN(x64_uses_are_linear);
    RUN(x64_short_forms_reach_127);
    RUN(x64_backward_is_short_at_once);
    RUN(x64_inner_short_forms_count);
    RUN(x64_crossing_branches_stay_right);
    RUN(x64_uses_of_a_label_differ);
    RUN(x64_noted_offsets_follow);
    RUN(x64_start_label);
    RUN(x64_flushed_traps);
    RUN(x64_settled_code_stays);
    RUN(x64_constants_keep_their_place);
    RUN(x64_an_unbound_label_is_refused);
    return test_end();
}
