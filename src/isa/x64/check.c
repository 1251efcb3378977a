// See check.h. Three steps: decode the whole function once and collect the branch targets; follow
// the states until those at the targets settle; go through once more and report.
#include "isa/x64/check_int.h"

#include <stdio.h>

#include "base/alloc.h"

enum { MAX_PASSES = 32, WORD_BITS = 64 };

// Bit sets over offsets, with the number of bits before each word, so that a target's number is
// found in O(1).
typedef struct Walk {
    Checker checker;
    u64 *starts, *targets; // bit per offset: an instruction starts; something jumps here
    u32 *targets_before;   // per word of `targets`
    State *states;         // per target
    u32 word_count, target_count;
    bool has_changed;
} Walk;

static bool has_bit(const u64 *set, u32 i) {
    return (set[i / WORD_BITS] >> i % WORD_BITS & 1) != 0;
}
static void set_bit(u64 *set, u32 i) { set[i / WORD_BITS] |= 1ull << i % WORD_BITS; }

// ---- Reports -----------------------------------------------------------------------------------

static bool report(Walk *walk, u32 offset, u32 count, const char *what) {
    const Checker *c = &walk->checker;
    char text[3 * X64_DECODE_MAX + 1] = "";
    for (u32 i = 0; i < count && i < X64_DECODE_MAX && i < c->bytes - offset; i++) {
        snprintf(text + 3 * i, 4, "%02x ", c->code[offset + i]);
    }
    text[count == 0 ? 0 : 3 * count - 1] = 0;
    return fail(c->err, INTERNAL, offset, "emitted code at 0x%x (%s): %s", offset, text, what);
}

// ---- Decoding ----------------------------------------------------------------------------------

static bool is_relative(const X64Inst *inst) {
    return inst->effect == EFFECT_JUMP || inst->effect == EFFECT_BRANCH;
}

static bool is_end(const X64Inst *inst) {
    return inst->effect == EFFECT_JUMP || inst->effect == EFFECT_JUMP_RM ||
           inst->effect == EFFECT_RETURN || inst->effect == EFFECT_TRAP;
}

static const X64Ref *ref_at(const X64CheckInput *input, u32 *next, u32 field) {
    const bool is_here =
        field != ID_NONE && *next < input->ref_count && input->refs[*next].field == field;
    return is_here ? &input->refs[(*next)++] : NULL;
}

// Marks starts and targets. Everything must decode, every reference be a field of an instruction.
static bool decode_all(Walk *walk) {
    const Checker *c = &walk->checker;
    X64Inst inst = {.effect = EFFECT_NOTHING};
    u32 refs = 0;
    for (u32 at = 0; at < c->bytes; at += inst.bytes) {
        if (!x64_decode(c->code, c->bytes, at, &inst)) {
            return report(walk, at, inst.bytes, "not an instruction that is emitted");
        }
        set_bit(walk->starts, at);
        (void)ref_at(c->input, &refs, inst.field_offset);
        if (!is_relative(&inst)) {
            continue;
        }
        if (inst.target < 0 || inst.target >= c->bytes) {
            return report(walk, at, inst.bytes, "branches out of the function");
        }
        set_bit(walk->targets, (u32)inst.target);
    }
    if (refs != c->input->ref_count) {
        return fail(c->err, INTERNAL, c->input->refs[refs].field,
                    "emitted code: the reference at 0x%x is not a field of an instruction",
                    c->input->refs[refs].field);
    }
    return is_end(&inst) || report(walk, inst.offset, inst.bytes, "the function's end is reached");
}

static bool mark_jump_tables(Walk *walk) {
    const X64CheckInput *input = walk->checker.input;
    for (u32 at = 0; at + 4 <= input->rodata_bytes; at += 4) {
        const u32 target = load_u32(input->rodata + at);
        if (target >= walk->checker.bytes) {
            return fail(walk->checker.err, INTERNAL, at,
                        "emitted code: entry %u of the jump tables is outside of the function",
                        at / 4);
        }
        set_bit(walk->targets, target);
    }
    return true;
}

static bool number_targets(Walk *walk) {
    for (u32 i = 0; i < walk->word_count; i++) {
        const u64 inside = walk->targets[i] & ~walk->starts[i];
        if (inside != 0) {
            const u32 at = i * WORD_BITS + (u32)__builtin_ctzll(inside);
            return report(walk, at, 1, "a branch into the middle of an instruction");
        }
        walk->targets_before[i] = walk->target_count;
        walk->target_count += (u32)__builtin_popcountll(walk->targets[i]);
    }
    return true;
}

// ---- States ------------------------------------------------------------------------------------

static State *state_at(Walk *walk, u32 target) {
    const u64 below = walk->targets[target / WORD_BITS] & ((1ull << target % WORD_BITS) - 1);
    return &walk->states[walk->targets_before[target / WORD_BITS] +
                         (u32)__builtin_popcountll(below)];
}

static RegState reg_join(RegState x, RegState y) {
    if (memcmp(&x, &y, sizeof x) == 0) {
        return x;
    }
    const Upper upper_x = check_upper(x), upper_y = check_upper(y);
    return data_of(upper_x > upper_y ? upper_x : upper_y);
}

// Joins the present state into a target's.
static void flow_to(Walk *walk, u32 target) {
    const State *from = &walk->checker.state;
    State *to = state_at(walk, target);
    if (!to->is_reached) {
        *to = *from;
        walk->has_changed = true;
        return;
    }
    State joined = *to;
    for (u32 i = 0; i < 16; i++) {
        joined.regs[i] = reg_join(to->regs[i], from->regs[i]);
    }
    joined.has_depth = to->has_depth != 0 && from->has_depth != 0 && to->depth == from->depth &&
                       to->frame_depth == from->frame_depth;
    joined.results = to->results == from->results ? to->results : 0;
    joined.probed = to->probed < from->probed ? to->probed : from->probed;
    if (memcmp(&joined, to, sizeof joined) != 0) {
        *to = joined;
        walk->has_changed = true;
    }
}

// Every entry of the jump table that the register may come from.
static void flow_to_table(Walk *walk, const X64Inst *inst) {
    const RegState reg = walk->checker.state.regs[inst->rm & 15];
    if (inst->is_memory || reg.kind != REG_JUMP_TARGET) {
        return;
    }
    for (u32 i = 0; i < reg.bound; i++) {
        flow_to(walk, load_u32(walk->checker.input->rodata + reg.value + 4 * i));
    }
}

static bool pass(Walk *walk) {
    Checker *c = &walk->checker;
    X64Inst inst;
    u32 refs = 0;
    c->in_first_block = true;
    c->test = (Test){.kind = TEST_NONE};
    check_entry_state(c);
    for (u32 at = 0; at < c->bytes; at += inst.bytes) {
        if (has_bit(walk->targets, at)) {
            if (c->state.is_reached) {
                flow_to(walk, at);
            }
            c->state = *state_at(walk, at);
            c->test = (Test){.kind = TEST_NONE};
            c->in_first_block = false;
        }
        (void)x64_decode(c->code, c->bytes, at, &inst);
        const X64Ref *ref = ref_at(c->input, &refs, inst.field_offset);
        if (!c->state.is_reached) {
            continue; // nothing comes here: every way to jump is accounted for
        }
        if (is_relative(&inst)) {
            flow_to(walk, (u32)inst.target);
        }
        c->complaint = NULL;
        check_step(c, &inst, ref);
        if (inst.effect == EFFECT_JUMP_RM) {
            flow_to_table(walk, &inst);
        }
        if (c->is_final && c->complaint != NULL) {
            return report(walk, at, inst.bytes, c->complaint);
        }
        c->state.is_reached = !is_end(&inst);
    }
    return true;
}

static bool settle(Walk *walk) {
    for (u32 i = 0; i < MAX_PASSES; i++) {
        walk->has_changed = false;
        (void)pass(walk);
        if (!walk->has_changed) {
            walk->checker.is_final = true;
            return pass(walk);
        }
    }
    return report(walk, 0, 0, "the states do not settle");
}

static bool walk_function(Walk *walk) {
    TRY(decode_all(walk));
    TRY(mark_jump_tables(walk));
    TRY(number_targets(walk));
    walk->states = mem_alloc((usize)walk->target_count * sizeof *walk->states);
    if (walk->states == NULL) {
        return fail(walk->checker.err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory checking code");
    }
    return settle(walk);
}

bool x64_check(const u8 *code, u32 bytes, const X64CheckInput *input, Error *err) {
    Walk walk = {
        .checker = {.code = code, .bytes = bytes, .input = input, .err = err},
        .word_count = bytes / WORD_BITS + 1,
    };
    if (bytes == 0) {
        return fail(err, INTERNAL, 0, "emitted code: a function without instructions");
    }
    walk.starts = mem_alloc(walk.word_count * sizeof *walk.starts);
    walk.targets = mem_alloc(walk.word_count * sizeof *walk.targets);
    walk.targets_before = mem_alloc(walk.word_count * sizeof *walk.targets_before);
    const bool has_memory =
        walk.starts != NULL && walk.targets != NULL && walk.targets_before != NULL;
    const bool is_good =
        has_memory ? walk_function(&walk)
                   : fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory checking code");
    mem_free(walk.starts);
    mem_free(walk.targets);
    mem_free(walk.targets_before);
    mem_free(walk.states);
    return is_good;
}
