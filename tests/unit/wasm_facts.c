// Validator: facts about locals and loops. Rows of bodies with what is expected of a local, and
// random bodies against a search of all paths.
#include <stdlib.h>

#include "test.h"
#include "unit/wasm_build.h"

enum { NO_LOOP = -1 };

// One function (i32) -> () with locals as the body says.
static void build_body(Build *b, const Build *body) {
    build_header(b);
    build_section_hex(b, 1, "01 60017f00");
    build_section_hex(b, 2, "01 00 00 0000");
    build_section_hex(b, 3, "01 00");
    Build code = {.count = 0};
    build_byte(&code, 1);
    build_uleb(&code, (u32)body->count);
    build_bytes(&code, body);
    build_section(b, 10, &code);
}

static bool open_facts(Loaded *loaded, const Build *body, FuncFacts *facts) {
    static Build b;
    build_body(&b, body);
    loaded_open(loaded, &b);
    return loaded->ok && validate_func(loaded->validator, 1, facts, &loaded->err);
}

static const LocalFacts *local_of(const FuncFacts *facts, u32 local) {
    return facts->locals[local].stamp == facts->stamp ? &facts->locals[local] : NULL;
}

// 20 local.get, 21 local.set, 22 local.tee, 1a drop, 4100 i32.const 0. Local 0 is the parameter.
TEST(locals) {
    static const struct {
        const char *body;
        u32 local;
        bool needs_zero;
        int last_use;  // body offset
        int last_loop; // or NO_LOOP
    } CASES[] = {
        // Parameters: assigned at the function's start.
        {"01 047f 20001a 0b", 0, false, 5, NO_LOOP},
        {"01 047f 20001a 20001a 0b", 0, false, 8, NO_LOOP},
        {"01 047f 0340 20001a 0b 0b", 0, false, 6, 0},
        {"01 047f 0340 0340 20001a 0b 0b 0b", 0, false, 8, 0},
        {"01 047f 0340 20001a 0b 20001a 0b", 0, false, 11, NO_LOOP},
        {"01 047f 4100 2100 0b", 0, false, 0, NO_LOOP},
        // Set, then used.
        {"01 047f 41002101 20011a 0b", 1, false, 9, NO_LOOP},
        {"01 047f 41002201 1a 20011a 0b", 1, false, 10, NO_LOOP},
        {"01 047f 41002101 0240 20011a 0b 0b", 1, false, 11, NO_LOOP},
        {"01 047f 41002101 0b", 1, false, 0, NO_LOOP},
        // Used first.
        {"01 047f 20011a 0b", 1, true, 5, NO_LOOP},
        {"01 047f 20011a 41002101 20011a 0b", 1, true, 12, NO_LOOP},
        {"01 047f 0340 20011a 41002101 0b 0b", 1, true, 6, 0},
        // Externrefs are assigned at the function's start.
        {"01 016f 41001a d06f2101 20011a 0b", 1, true, 12, NO_LOOP},
        {"01 016f 0340 d06f2101 20011a 0b 0b", 1, true, 11, 0},
        {"01 016f d06f2101 0340 0340 20011a 0b 0b 0b", 1, true, 14, 0},
        // Carried around a loop: assigned before it.
        {"01 047f 41002101 0340 20011a 41002101 0b 0b", 1, false, 10, 0},
        // Assigned in the loop before it is used: new each time.
        {"01 047f 0340 41002101 20011a 0b 0b", 1, false, 11, NO_LOOP},
        // Assigned in the outer loop, used in the inner one.
        {"01 047f 0340 41002101 0340 20011a 0b 0b 0b", 1, false, 12, 1},
        {"01 047f 0340 41002101 0340 0340 20011a 0b 0b 0b 0b", 1, false, 14, 1},
        // Used in the inner loop, and then behind it in the outer one.
        {"01 047f 0340 41002101 0340 20011a 0b 20011a 0b 0b", 1, false, 17, NO_LOOP},
        // A block, an arm, a loop that may be left out or left before the assignment.
        {"01 047f 0240 20000d00 41002101 0b 20011a 0b", 1, true, 16, NO_LOOP},
        {"01 047f 2000 0440 41002101 0b 20011a 0b", 1, true, 14, NO_LOOP},
        {"01 047f 2000 0440 41002101 05 20011a 0b 0b", 1, true, 14, NO_LOOP},
        {"01 047f 2000 0440 41002101 20011a 05 0b 0b", 1, false, 13, NO_LOOP},
        {"01 047f 2000 0440 05 41002101 0b 20011a 0b", 1, true, 15, NO_LOOP},
        {"01 047f 0340 41002101 0b 20011a 0b", 1, true, 12, NO_LOOP},
        // Dominance lost: as if assigned at the start.
        {"01 047f 0340 0240 41002101 20011a 0b 20011a 0b 0b", 1, true, 17, 0},
        {"01 047f 0240 41002101 0b 20011a 41002101 20011a 0b", 1, true, 19, NO_LOOP},
        // Dead code neither uses nor assigns.
        {"01 047f 00 20011a 0b", 1, false, 0, NO_LOOP},
        {"01 047f 0240 00 41002101 0b 41002101 20011a 0b", 1, false, 17, NO_LOOP},
        {"01 047f 41002101 0340 00 20011a 0b 0b", 1, false, 0, NO_LOOP},
        {"01 047f 41002101 0340 0240 00 0b 20011a 0b 0b", 1, false, 13, 0},
    };
    for (usize i = 0; i < COUNT_OF(CASES); i++) {
        Build body = {.count = 0};
        build_hex(&body, CASES[i].body);
        Loaded loaded;
        FuncFacts facts;
        if (!open_facts(&loaded, &body, &facts)) {
            TEST_FAIL("%s: %s", CASES[i].body, loaded.err.text);
        } else {
            const LocalFacts *local = local_of(&facts, CASES[i].local);
            const u32 use = (u32)CASES[i].last_use;
            if (local == NULL || local->needs_zero != CASES[i].needs_zero ||
                (local->last_use != use && CASES[i].last_loop == NO_LOOP) ||
                local->last_loop != (u32)CASES[i].last_loop) {
                TEST_FAIL("%s: needs_zero %d, last_use %d, last_loop %d", CASES[i].body,
                          local != NULL && local->needs_zero,
                          local == NULL ? -9 : (int)local->last_use,
                          local == NULL ? -9 : (int)local->last_loop);
            }
        }
        loaded_close(&loaded);
    }
}

TEST(accessed) {
    Build body = {.count = 0};
    build_hex(&body, "02 027f 017d 20031a 41002101 00 20021a 20031a 0b");
    Loaded loaded;
    FuncFacts facts;
    EXPECT(open_facts(&loaded, &body, &facts));
    EXPECT_EQ(facts.local_count, 4);
    EXPECT_EQ(facts.accessed_count, 3);
    EXPECT_EQ(facts.accessed[0], 3);
    EXPECT_EQ(facts.accessed[1], 1);
    EXPECT_EQ(facts.accessed[2], 2);
    EXPECT_EQ(facts.locals[3].type, VAL_F32);
    EXPECT_EQ(facts.locals[2].type, VAL_I32);
    EXPECT(local_of(&facts, 0) == NULL);
    EXPECT(!facts.locals[3].is_param);
    loaded_close(&loaded);
}

TEST(loops) {
    Build body = {.count = 0};
    // loop 0: local 1 set once; loop 1 in it: local 2 twice, local 1 once, a call; loop 2 behind
    // loop 1: local 0 three times. Loop 3 behind all, empty.
    build_hex(&body, "01 047f 0340 4100 2101"
                     "   0340 20021a 20021a 20011a 41001000 0b"
                     "   0340 20001a 20001a 20001a 0b"
                     " 0b 0340 0b 0b");
    Loaded loaded;
    FuncFacts facts;
    if (!open_facts(&loaded, &body, &facts)) {
        TEST_FAIL("%s", loaded.err.text);
        return;
    }
    EXPECT_EQ(facts.loop_count, 4);
    const LoopFacts *loops = facts.loops;
    EXPECT_EQ(loops[1].hot_count, 2);
    const HotLocal *inner = facts.hots + loops[1].first_hot;
    EXPECT(inner[0].local == 2 && inner[0].weight == 2 && !inner[0].is_assigned);
    EXPECT(inner[1].local == 1 && inner[1].weight == 1 && !inner[1].is_assigned);
    EXPECT_EQ(loops[2].hot_count, 1);
    EXPECT_EQ(loops[0].hot_count, 3);
    const HotLocal *outer = facts.hots + loops[0].first_hot;
    EXPECT(outer[0].local == 0 && outer[0].weight == 24 && !outer[0].is_assigned);
    EXPECT(outer[1].local == 2 && outer[1].weight == 16 && !outer[1].is_assigned);
    EXPECT(outer[2].local == 1 && outer[2].weight == 9 && outer[2].is_assigned);
    EXPECT_EQ(loops[3].hot_count, 0);
    EXPECT_EQ(loops[1].end_offset, 25);
    EXPECT_EQ(loops[2].end_offset, 37);
    EXPECT_EQ(loops[0].end_offset, 38);
    EXPECT_EQ(loops[3].end_offset, 41);
    EXPECT(loops[0].has_call && loops[1].has_call && !loops[2].has_call);
    EXPECT(facts.has_foreign_call);
    loaded_close(&loaded);
}

TEST(loop_calls) {
    Build body = {.count = 0};
    build_hex(&body, "00 0340 0340 20001000 0b 0340 0b 0b  0340 0b  0340 2000 4000 1a 0b 0b");
    Loaded loaded;
    FuncFacts facts;
    Build b;
    build_header(&b);
    build_section_hex(&b, 1, "01 60017f00");
    build_section_hex(&b, 3, "01 00");
    build_section_hex(&b, 5, "01 0000");
    Build code = {.count = 0};
    build_byte(&code, 1);
    build_uleb(&code, (u32)body.count);
    build_bytes(&code, &body);
    build_section(&b, 10, &code);
    loaded_open(&loaded, &b);
    EXPECT_STR(loaded.err.text, "");
    EXPECT(validate_func(loaded.validator, 0, &facts, &loaded.err));
    EXPECT_EQ(facts.loop_count, 5);
    EXPECT(facts.loops[0].has_call);
    EXPECT(facts.loops[1].has_call);
    EXPECT(!facts.loops[2].has_call);
    EXPECT(!facts.loops[3].has_call);
    EXPECT(facts.loops[4].has_call);
    EXPECT(!facts.has_foreign_call);
    loaded_close(&loaded);
}

// More locals than are kept: the heaviest, of equal ones those of lower index.
TEST(most_hot) {
    Build body = {.count = 0};
    build_hex(&body, "01 287f 0340");
    for (u32 i = 0; i < 40; i++) {
        build_byte(&body, 0x20);
        build_byte(&body, i);
        build_byte(&body, 0x1A);
    }
    build_hex(&body, "20271a 0b 0b");
    Loaded loaded;
    FuncFacts facts;
    EXPECT(open_facts(&loaded, &body, &facts));
    EXPECT_EQ(facts.loops[0].hot_count, MAX_HOT_LOCALS);
    EXPECT_EQ(facts.hots[0].local, 39);
    EXPECT_EQ(facts.hots[0].weight, 2);
    for (u32 i = 1; i < MAX_HOT_LOCALS; i++) {
        EXPECT_EQ(facts.hots[i].local, i - 1);
    }
    loaded_close(&loaded);
}

// Weights stop at the largest number.
TEST(deep_loops) {
    Build body = {.count = 0};
    build_hex(&body, "01 047f");
    for (u32 i = 0; i < 40; i++) {
        build_hex(&body, "0340");
    }
    build_hex(&body, "20001a");
    for (u32 i = 0; i < 41; i++) {
        build_byte(&body, 0x0B);
    }
    Loaded loaded;
    FuncFacts facts;
    EXPECT(open_facts(&loaded, &body, &facts));
    EXPECT_EQ(facts.loop_count, 40);
    EXPECT_EQ(facts.hots[facts.loops[39].first_hot].weight, 1);
    EXPECT_EQ(facts.hots[facts.loops[37].first_hot].weight, 64);
    EXPECT_EQ(facts.hots[facts.loops[0].first_hot].weight, UINT32_MAX);
    EXPECT_EQ(facts.max_control, 41);
    EXPECT_EQ(facts.locals[0].last_loop, 0);
    loaded_close(&loaded);
}

// Random bodies. An instruction is a node; a local is alive at one if some path from there reads it
// before it is written.

enum { MAX_NODES = 80, LOCALS = 4, MAX_OPEN = 12 };

typedef struct Node {
    u32 end_offset;  // behind the instruction
    int reads, writes; // local, or -1
    int next[3];     // nodes that may follow, or -1
} Node;

typedef struct Open {
    u8 op;
    int start, other; // node; the `else`, or -1
} Open;

typedef struct Random {
    Build body;
    Node nodes[MAX_NODES + 1];
    int count;
    Open open[MAX_OPEN];
    int open_count;
    int ends[MAX_NODES + 1]; // of block instructions: node of the `end`
    int label[MAX_NODES + 1]; // of branches: node of the block they name, or -1
    u64 seed;
} Random;

static u32 next_random(Random *r, u32 below) {
    r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
    return (u32)(r->seed >> 33) % below;
}

static int add_node(Random *r, const char *hex, int operand) {
    build_hex(&r->body, hex);
    if (operand >= 0) {
        build_byte(&r->body, (u32)operand);
    }
    Node *node = &r->nodes[r->count];
    *node = (Node){(u32)r->body.count, -1, -1, {r->count + 1, -1, -1}};
    r->label[r->count] = r->ends[r->count] = -1;
    return r->count++;
}

static void add_block(Random *r, const char *hex, u8 op) {
    const int node = add_node(r, hex, -1);
    r->open[r->open_count++] = (Open){op, node, -1};
}

static void add_end(Random *r) {
    const Open open = r->open[--r->open_count];
    if (open.op == 4 && open.other < 0 && next_random(r, 2) == 0) {
        // The arm's last instruction goes behind the end; the branch not taken comes here.
        const int node = add_node(r, "05", -1);
        r->open[r->open_count++] = (Open){open.op, open.start, node};
        return;
    }
    const int node = add_node(r, "0b", -1);
    r->ends[open.start] = node;
    if (open.op == 4) {
        r->nodes[open.start].next[1] = open.other < 0 ? node : open.other + 1;
    }
    if (open.other >= 0) {
        // `else` reached from the first arm jumps to the end.
        r->nodes[open.other].next[0] = node;
    }
}

static void add_branch(Random *r, bool is_conditional) {
    const int depth = (int)next_random(r, (u32)r->open_count);
    if (is_conditional) {
        (void)add_node(r, "41001a 4100", -1);
    }
    const int node = add_node(r, is_conditional ? "0d" : "0c", depth);
    r->label[node] = r->open[r->open_count - 1 - depth].start;
    if (!is_conditional) {
        r->nodes[node].next[0] = -1;
    }
}

static void add_random(Random *r) {
    const u32 choice = next_random(r, 16);
    const int local = (int)next_random(r, LOCALS);
    if (choice < 4) {
        r->nodes[add_node(r, "20", local)].reads = local;
        (void)add_node(r, "1a", -1);
    } else if (choice < 7) {
        (void)add_node(r, "4100", -1);
        r->nodes[add_node(r, "21", local)].writes = local;
    } else if (choice < 11 && r->open_count < MAX_OPEN) {
        static const char *const BLOCKS[] = {"0240", "0340", "41000440", "0340"};
        static const u8 OPS[] = {2, 3, 4, 3};
        add_block(r, BLOCKS[choice - 7], OPS[choice - 7]);
    } else if (choice < 13 && r->open_count > 1) {
        add_end(r);
    } else if (choice < 15) {
        add_branch(r, true);
    } else if (next_random(r, 3) == 0) {
        add_branch(r, false);
    }
}

static void build_random(Random *r, u64 seed) {
    r->seed = seed;
    r->count = r->open_count = 0;
    r->body.count = 0;
    build_hex(&r->body, "01 037f");
    // The function's own block: its start is a node of no bytes.
    add_block(r, "", 2);
    const int wanted = 10 + (int)next_random(r, MAX_NODES - 50);
    while (r->count < wanted) {
        add_random(r);
    }
    while (r->open_count > 0) {
        add_end(r);
    }
    for (int i = 0; i < r->count; i++) {
        if (r->label[i] >= 0) {
            const bool is_loop = r->body.at[r->nodes[r->label[i]].end_offset - 2] == 3 &&
                                 r->label[i] != 0;
            r->nodes[i].next[1] = is_loop ? r->label[i] : r->ends[r->label[i]];
        }
    }
    r->nodes[r->count - 1].next[0] = -1;
}

// alive[i]: the local is read on some path from node i before it is written.
static void find_alive(const Random *r, int local, bool *alive) {
    memset(alive, 0, MAX_NODES + 1);
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = r->count - 1; i >= 0; i--) {
            const Node *node = &r->nodes[i];
            bool now = false;
            for (int k = 0; k < 3; k++) {
                now |= node->next[k] >= 0 && alive[node->next[k]];
            }
            now = node->reads == local || (now && node->writes != local);
            changed |= now != alive[i];
            alive[i] = now;
        }
    }
}

static void find_reached(const Random *r, bool *reached) {
    memset(reached, 0, MAX_NODES + 1);
    reached[0] = true;
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < r->count; i++) {
            for (int k = 0; k < 3; k++) {
                const int to = r->nodes[i].next[k];
                if (reached[i] && to >= 0 && !reached[to]) {
                    reached[to] = changed = true;
                }
            }
        }
    }
}

static u32 random_precise, random_total;

static bool check_random(const Random *r, const FuncFacts *facts, int local) {
    bool alive[MAX_NODES + 1];
    bool reached[MAX_NODES + 1];
    find_alive(r, local, alive);
    find_reached(r, reached);
    const LocalFacts *fact = local_of(facts, (u32)local);
    if (fact == NULL) {
        return true; // the body does not name it
    }
    if (local != 0 && alive[0] && !fact->needs_zero) {
        return false;
    }
    const u32 dead_from =
        fact->last_loop != ID_NONE ? facts->loops[fact->last_loop].end_offset : fact->last_use;
    random_total++;
    random_precise += dead_from < r->nodes[r->count - 2].end_offset;
    for (int i = 1; i < r->count; i++) {
        const u32 start = r->nodes[i - 1].end_offset;
        if (start >= dead_from && reached[i] && alive[i]) {
            return false;
        }
    }
    return true;
}

TEST(random_bodies) {
    static Random r;
    for (u64 seed = 1; seed <= 30000; seed++) {
        build_random(&r, seed);
        Loaded loaded;
        FuncFacts facts;
        const bool ok = open_facts(&loaded, &r.body, &facts);
        if (!ok) {
            TEST_FAIL("seed %llu: %s", (unsigned long long)seed, loaded.err.text);
        }
        for (int local = 0; ok && local < LOCALS; local++) {
            if (!check_random(&r, &facts, local)) {
                TEST_FAIL("seed %llu, local %d: too optimistic", (unsigned long long)seed, local);
            }
        }
        loaded_close(&loaded);
    }
    // Not by giving up: many of the locals must be found to die early.
    EXPECT(random_precise * 3 > random_total);
}

int main(void) {
    RUN(locals);
    RUN(accessed);
    RUN(loops);
    RUN(loop_calls);
    RUN(most_hot);
    RUN(deep_loops);
    RUN(random_bodies);
    return test_end();
}
