// imago_store_visit_refs as a collector would use it, on random modules. The host hands out tokens,
// visits at random calls, and revokes what was not shown. A revoked token that is shown again, or
// comes as an argument, is a reference that a collector would have freed too soon. The host keeps
// nothing itself, not even the arguments of a call that it makes.
//
// Modules move tokens through locals, operands below calls, parameters in registers and on the
// stack, results, globals and tables, around branches, loops, recursion, indirect calls and calls
// back from the host. refs_random_slow.c is the same with more of them.
#include <stdarg.h>

#include "api/world.h"

#ifndef SEED_COUNT
enum { SEED_COUNT = 40 };
#endif

static uint64_t random_state;

static uint32_t below(uint32_t limit) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

// ---- Modules -----------------------------------------------------------------------------------

enum {
    TEXT_BYTES = 1 << 19,
    FUNC_COUNT = 6,
    FUNC_TEXT_BYTES = 5000,
    LABEL_COUNT = 32,
    OWN_COUNT = 4,
    TABLE_ENTRIES = 4,
};

// By type: parameters and results, r a reference, i an integer.
static const struct {
    const char *params, *results;
} TYPES[] = {
    {"", "r"},        {"rr", "r"},     {"irir", ""},           {"rrrrrrrrr", "r"},
    {"rirrirrr", "rrirrr"}, {"r", "rr"}, {"iiiiiirr", "rrrrri"},
};
enum { TYPE_COUNT = sizeof TYPES / sizeof TYPES[0] };

typedef struct Gen {
    char *text;
    size_t used, func_start;
    uint32_t type;       // of the present function
    uint32_t refs, ints; // its locals of each kind, parameters among them
    uint32_t labels, depth, owns; // owns: locals $p... used so far, which one loop uses each
    bool is_loop[LABEL_COUNT]; // by label; branches go to those without values
    bool is_plain[LABEL_COUNT];
} Gen;

static uint32_t func_types[FUNC_COUNT];

__attribute__((format(printf, 2, 3))) static void put(Gen *g, const char *format, ...) {
    va_list args;
    va_start(args, format);
    g->used += (size_t)vsnprintf(g->text + g->used, TEXT_BYTES - g->used, format, args);
    va_end(args);
    if (g->used >= TEXT_BYTES - 100) {
        TEST_FAIL("a module too large");
        exit(1);
    }
}

static void put_types(Gen *g, const char *what, const char *kinds) {
    for (const char *kind = kinds; *kind != 0; kind++) {
        put(g, " (%s %s)", what, *kind == 'r' ? "externref" : "i32");
    }
}

static bool is_full(const Gen *g) {
    return g->depth > 7 || g->used - g->func_start > FUNC_TEXT_BYTES;
}

static void put_ref(Gen *g);
static void put_stmts(Gen *g, uint32_t most);

static void put_int(Gen *g) {
    g->depth++;
    switch (is_full(g) ? below(2) : below(6)) {
    case 0: put(g, " i32.const %u", below(9)); break;
    case 1: put(g, " local.get $i%u", below(g->ints)); break;
    case 2: put(g, " call $rand"); break;
    case 3: put_ref(g); put(g, " ref.is_null"); break;
    case 4: put(g, " i32.const 0 memory.grow"); break;
    default: put_int(g); put_int(g); put(g, " i32.add"); break;
    }
    g->depth--;
}

static void put_args(Gen *g, const char *kinds) {
    for (; *kinds != 0; kinds++) {
        if (*kinds == 'r') {
            put_ref(g);
        } else {
            put_int(g);
        }
    }
}

// Leaves the results of `kinds` in locals, but for a first one that is a reference if wanted.
static void take_results(Gen *g, const char *kinds, bool keeps_first) {
    for (size_t i = strlen(kinds); i-- != (keeps_first ? 1 : 0);) {
        if (below(4) == 0) {
            put(g, " drop");
        } else {
            put(g, kinds[i] == 'r' ? " local.set $r%u" : " local.set $i%u",
                below(kinds[i] == 'r' ? g->refs : g->ints));
        }
    }
}

// Returns the callee's results.
static const char *put_call(Gen *g) {
    const uint32_t func = below(FUNC_COUNT), type = func_types[func];
    put_args(g, TYPES[type].params);
    switch (below(3)) {
    case 0: put(g, " call $f%u", func); break;
    case 1: put(g, " i32.const %u call_indirect $frozen (type $t%u)", func, type); break;
    default: put(g, " i32.const %u call_indirect $funcs (type $t%u)", func, type); break;
    }
    return TYPES[type].results;
}

static void open_label(Gen *g, bool is_loop, bool is_plain) {
    g->is_loop[g->labels] = is_loop;
    g->is_plain[g->labels] = is_plain;
    g->labels++;
}

static void put_ref_block(Gen *g) {
    const bool is_if = below(2) == 0;
    if (is_if) {
        put_int(g);
    }
    put(g, is_if ? "\n if (result externref)" : "\n block (result externref)");
    open_label(g, false, false);
    put_stmts(g, 2);
    put_ref(g);
    if (below(2) == 0) {
        put(g, " call $rand br_if 0");
        if (below(2) == 0) {
            put(g, " drop");
            put_ref(g);
        }
    }
    if (is_if) {
        put(g, "\n else");
        put_stmts(g, 2);
        put_ref(g);
    }
    g->labels--;
    put(g, " end\n");
}

// A loop that takes references and gives each time round others.
static void put_ref_loop(Gen *g) {
    if (below(2) == 0) {
        put(g, " ref.null extern call $new"); // null needs no slot, until the loop starts
    } else {
        put_args(g, "rr");
    }
    put(g, "\n loop (param externref externref) (result externref externref)");
    open_label(g, true, false);
    if (below(2) == 0) {
        put_stmts(g, 2);
    }
    put(g, " local.set $r%u", below(g->refs));
    put_stmts(g, 2);
    put(g, " call $use");
    put_stmts(g, 2);
    put_ref(g);
    put_ref(g);
    put(g, " call $again br_if 0 end\n drop");
    g->labels--;
}

// Several results, in slots that had operands of other kinds before, which a call has seen.
static void put_wide_block(Gen *g) {
    const char *results = below(2) == 0 ? "rr" : "ir";
    put(g, "\n block");
    put_types(g, "result", results);
    open_label(g, false, false);
    put_args(g, below(2) == 0 ? "ii" : "rr");
    put(g, " call $gc drop drop");
    put(g, results[0] == 'r' ? " global.get $g0" : " i32.const 1");
    put(g, " global.get $g1 ref.null extern global.set $g1 local.get $i0 br_if 0 end call $gc");
    g->labels--;
    take_results(g, results, false);
}

// A loop with a local of its own, which each time round assigns before it reads it.
static void put_own_loop(Gen *g) {
    const uint32_t own = g->owns++;
    put(g, "\n loop");
    open_label(g, true, true);
    put_stmts(g, 2);
    put_ref(g);
    put(g, " local.set $p%u", own);
    put_stmts(g, 2);
    put(g, " local.get $p%u call $use call $gc call $again br_if 0 end\n", own);
    g->labels--;
}

static void put_ref(Gen *g) {
    g->depth++;
    switch (is_full(g) || g->labels > LABEL_COUNT - 4 ? below(4) : below(15)) {
    case 0: case 1: put(g, " local.get $r%u", below(g->refs)); break;
    case 2: put(g, " call $new"); break;
    case 3: put(g, below(3) == 0 ? " ref.null extern" : " global.get $g%u", below(2)); break;
    case 4: put(g, " i32.const %u table.get $t", below(TABLE_ENTRIES)); break;
    case 5: put_ref(g); put(g, " local.tee $r%u", below(g->refs)); break;
    case 6: case 7: put_args(g, "rri"); put(g, " call $mix"); break;
    case 8:
        put_args(g, "rri");
        put(g, " select (result externref)");
        break;
    case 9: case 10: put_ref_block(g); break;
    case 11: put_ref_loop(g); break;
    case 12: put_ref(g); put_stmts(g, 2); break;
    default: {
        const char *results = put_call(g);
        if (results[0] == 'r') {
            take_results(g, results, true);
        } else {
            put_ref(g);
        }
    }
    }
    g->depth--;
}

static void put_block(Gen *g) {
    const uint32_t kind = below(3);
    if (kind == 2) {
        put_int(g);
    }
    put(g, kind == 0 ? "\n block" : kind == 1 ? "\n loop" : "\n if");
    open_label(g, kind == 1, true);
    put_stmts(g, 4);
    if (kind == 1) {
        put(g, " call $again br_if 0");
    } else if (kind == 2 && below(2) == 0) {
        put(g, "\n else");
        put_stmts(g, 3);
    }
    put(g, " end\n");
    g->labels--;
}

// To a label outward; backwards while there is fuel.
static void put_branch(Gen *g) {
    const uint32_t label = g->labels == 0 ? 0 : below(g->labels);
    if (g->labels == 0 || !g->is_plain[g->labels - 1 - label]) {
        put(g, " call $rand\n if");
        open_label(g, false, true);
        put_args(g, TYPES[g->type].results);
        put(g, " return end\n");
        g->labels--;
        return;
    }
    const char *test = g->is_loop[g->labels - 1 - label] ? "again" : "rand";
    if (below(3) == 0) {
        put(g, "\n block call $%s br_table 0 %u 0 end\n", test, label + 1);
    } else {
        put(g, " call $%s br_if %u", test, label);
    }
}

static void put_stmt(Gen *g) {
    g->depth++;
    switch (is_full(g) || g->labels > LABEL_COUNT - 4 ? below(3) : below(17)) {
    case 0: put(g, " call $gc"); break;
    case 1: put(g, " local.get $r%u call $use", below(g->refs)); break;
    case 2: put_ref(g); put(g, " global.set $g%u", below(2)); break;
    case 3: put_ref(g); put(g, " call $use"); break;
    case 4: case 5: put_ref(g); put(g, " local.set $r%u", below(g->refs)); break;
    case 6:
        put(g, " i32.const %u", below(TABLE_ENTRIES));
        put_ref(g);
        put(g, " table.set $t");
        break;
    case 7: put_ref(g); put(g, " i32.const 1 table.grow $t drop"); break;
    case 8:
        put(g, " i32.const 1");
        put_ref(g);
        put(g, " i32.const 2 table.fill $t");
        break;
    case 9: put_ref(g); put(g, " drop"); break;
    case 10: put_block(g); break;
    case 11: put_wide_block(g); break;
    case 12: put_branch(g); break;
    case 13:
        put_args(g, "irr"); // operands of both kinds below
        put_stmts(g, 3);
        put(g, " call $use call $use local.set $i%u", below(g->ints));
        break;
    case 14: put_int(g); put_ref(g); put(g, " call $back"); break;
    case 15:
        if (g->owns < OWN_COUNT) {
            put_own_loop(g);
        } else {
            put_block(g);
        }
        break;
    default: take_results(g, put_call(g), false); break;
    }
    g->depth--;
}

static void put_stmts(Gen *g, uint32_t most) {
    for (uint32_t count = 1 + below(most); count-- != 0;) {
        put_stmt(g);
    }
}

static void put_func(Gen *g, uint32_t func) {
    g->func_start = g->used;
    g->type = func_types[func];
    g->refs = g->ints = g->labels = g->depth = g->owns = 0;
    put(g, "(func $f%u (export \"f%u\") (type $t%u)", func, func, g->type);
    for (const char *kind = TYPES[g->type].params; *kind != 0; kind++) {
        put(g, *kind == 'r' ? " (param $r%u externref)" : " (param $i%u i32)",
            *kind == 'r' ? g->refs++ : g->ints++);
    }
    put_types(g, "result", TYPES[g->type].results);
    for (uint32_t count = 1 + below(5); count-- != 0;) {
        put(g, " (local $r%u externref)", g->refs++);
        put(g, " (local $i%u i32)", g->ints++);
    }
    for (uint32_t i = 0; i < OWN_COUNT; i++) {
        put(g, " (local $p%u externref)", i);
    }
    put(g, "\n call $deeper i32.eqz if");
    for (const char *kind = TYPES[g->type].results; *kind != 0; kind++) {
        put(g, *kind == 'r' ? " ref.null extern" : " i32.const 0");
    }
    put(g, " return end\n");
    put_stmts(g, 8);
    put_args(g, TYPES[g->type].results);
    put(g, ")\n");
}

static void put_module(Gen *g) {
    put(g, "(module\n");
    for (uint32_t i = 0; i < TYPE_COUNT; i++) {
        put(g, "(type $t%u (func", i);
        put_types(g, "param", TYPES[i].params);
        put_types(g, "result", TYPES[i].results);
        put(g, "))\n");
    }
    put(g, "(import \"env\" \"gc\" (func $gc)) (import \"env\" \"new\" (func $new (type $t0)))\n"
           "(import \"env\" \"use\" (func $use (param externref)))\n"
           "(import \"env\" \"mix\" (func $mix (param externref externref i32)"
           "  (result externref)))\n"
           "(import \"env\" \"back\" (func $back (param i32 externref)))\n"
           "(import \"env\" \"rand\" (func $rand (result i32)))\n"
           "(import \"env\" \"again\" (func $again (result i32)))\n"
           "(import \"env\" \"deeper\" (func $deeper (result i32)))\n"
           "(memory 0 4) (table $t %d externref) (table $frozen %d funcref)\n"
           "(table $funcs (export \"funcs\") %d funcref)\n"
           "(global $g0 (mut externref) (ref.null extern))\n"
           "(global $g1 (mut externref) (ref.null extern))\n",
        TABLE_ENTRIES, FUNC_COUNT, FUNC_COUNT);
    for (uint32_t i = 0; i < FUNC_COUNT; i++) {
        func_types[i] = i == 0 ? 1 : below(TYPE_COUNT);
        put(g, "(elem (table $frozen) (i32.const %u) func $f%u)"
               "(elem (table $funcs) (i32.const %u) func $f%u)\n", i, i, i, i);
    }
    for (uint32_t i = 0; i < FUNC_COUNT; i++) {
        put_func(g, i);
    }
    put(g, ")\n");
}

// ---- Tokens ------------------------------------------------------------------------------------

enum { TOKEN_COUNT = 100000, ROOM_ABOVE_ZERO = 4096, FUEL = 25 };

typedef struct Token {
    bool is_revoked, is_shown;
} Token;

typedef struct Host {
    World *world;
    Token tokens[TOKEN_COUNT];
    uint32_t token_count;
    uint32_t alive[TOKEN_COUNT], alive_count; // not revoked
    uint32_t fuel, visits, revoked;
    uint64_t random; // apart from the module's
    uint64_t seed;
    bool has_failed;
} Host;

static Host host;

static uint32_t host_below(uint32_t limit) {
    host.random = host.random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(host.random >> 33) % limit;
}

static void *token_new(void) {
    if (host.token_count == TOKEN_COUNT) {
        return NULL;
    }
    host.alive[host.alive_count++] = host.token_count;
    return (void *)(uintptr_t)(ROOM_ABOVE_ZERO + host.token_count++);
}

static Token *token_at(const void *externref, const char *where) {
    const uintptr_t number = (uintptr_t)externref - ROOM_ABOVE_ZERO;
    if (externref == NULL || host.has_failed) {
        return NULL;
    }
    if (number >= host.token_count || host.tokens[number].is_revoked) {
        TEST_FAIL("seed %llu: %s %p, %s", (unsigned long long)host.seed, where, externref,
                  number < host.token_count ? "which was revoked" : "which is none");
        host.has_failed = true;
        return NULL;
    }
    return &host.tokens[number];
}

static void show(void *env, void *externref) {
    (void)env;
    Token *token = token_at(externref, "shown");
    if (token != NULL) {
        token->is_shown = true;
    }
}

static void collect(void) {
    EXPECT(imago_store_visit_refs(host.world->store, show, NULL, NULL));
    host.visits++;
    uint32_t alive_count = 0;
    for (uint32_t i = 0; i < host.alive_count; i++) {
        Token *token = &host.tokens[host.alive[i]];
        if (token->is_shown) {
            host.alive[alive_count++] = host.alive[i];
        }
        token->is_revoked = !token->is_shown;
        token->is_shown = false;
    }
    host.revoked += host.alive_count - alive_count;
    host.alive_count = alive_count;
}

static void collect_perhaps(void) {
    if (host_below(3) == 0) {
        collect();
    }
}

// ---- Host functions ----------------------------------------------------------------------------

static ImagoStatus host_gc(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller, (void)values;
    collect();
    return IMAGO_OK;
}

static ImagoStatus host_new(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    collect_perhaps();
    values[0].externref = token_new();
    return IMAGO_OK;
}

static ImagoStatus host_use(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    (void)token_at(values[0].externref, "used");
    collect_perhaps();
    return IMAGO_OK;
}

static ImagoStatus host_mix(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    void *given[2];
    for (uint32_t i = 0; i < 2; i++) {
        given[i] = values[i].externref;
        (void)token_at(given[i], "mixed");
    }
    collect_perhaps();
    void *chosen = given[host_below(2)];
    const bool is_alive =
        chosen != NULL && !host.tokens[(uintptr_t)chosen - ROOM_ABOVE_ZERO].is_revoked;
    values[0].externref = is_alive ? chosen : token_new();
    return IMAGO_OK;
}

static ImagoStatus host_rand(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    values[0].i32 = (int32_t)host_below(2);
    return IMAGO_OK;
}

static ImagoStatus host_again(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    host.fuel -= host.fuel != 0;
    values[0].i32 = host.fuel != 0 && host_below(3) != 0;
    return IMAGO_OK;
}

static ImagoStatus host_deeper(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    host.fuel -= host.fuel != 0;
    values[0].i32 = host.fuel != 0;
    return IMAGO_OK;
}

static ImagoStatus host_back(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env, (void)caller;
    (void)token_at(values[1].externref, "given back");
    collect_perhaps();
    if (host.fuel < 2) {
        return IMAGO_OK;
    }
    ImagoValue inner[2] = {{.externref = token_new()}, {.externref = token_new()}};
    if (world_call(host.world, "f0", inner) == IMAGO_OK) {
        (void)token_at(inner[0].externref, "returned");
        collect_perhaps();
        return IMAGO_OK;
    }
    return imago_caller_trap(caller, "inner");
}

// ---- Runs --------------------------------------------------------------------------------------

static const uint8_t MIX[] = {IMAGO_EXTERNREF, IMAGO_EXTERNREF, IMAGO_I32, IMAGO_EXTERNREF};
static const uint8_t BACK[] = {IMAGO_I32, IMAGO_EXTERNREF};

static const struct {
    const char *name;
    ImagoFuncType type;
    ImagoCallback callback;
} FUNCS[] = {
    {"gc", {WORLD_I32, WORLD_I32, 0, 0}, host_gc},
    {"new", {MIX, MIX, 0, 1}, host_new},
    {"use", {MIX, MIX, 1, 0}, host_use},
    {"mix", {MIX, MIX + 3, 3, 1}, host_mix},
    {"back", {BACK, BACK, 2, 0}, host_back},
    {"rand", {WORLD_I32, WORLD_I32, 0, 1}, host_rand},
    {"again", {WORLD_I32, WORLD_I32, 0, 1}, host_again},
    {"deeper", {WORLD_I32, WORLD_I32, 0, 1}, host_deeper},
};

static void run_module(const char *text) {
    World world = world_new(NULL);
    host.world = &world;
    for (uint32_t i = 0; i < sizeof FUNCS / sizeof FUNCS[0]; i++) {
        world_define(&world, FUNCS[i].name, &FUNCS[i].type, FUNCS[i].callback, NULL);
    }
    host.token_count = host.alive_count = 0;
    memset(host.tokens, 0, sizeof host.tokens);
    const ImagoStatus made = world_add(&world, text);
    if (made != IMAGO_OK) {
        TEST_FAIL("seed %llu: %s", (unsigned long long)host.seed, world.error.text);
        exit(1);
    }
    for (uint32_t i = 0; i < 10; i++) {
        host.fuel = FUEL;
        ImagoValue values[2] = {{.externref = token_new()}, {.externref = token_new()}};
        const ImagoStatus status = world_call(&world, "f0", values);
        if (status != IMAGO_OK) {
            TEST_FAIL("seed %llu: %s", (unsigned long long)host.seed,
                      status == IMAGO_TRAP ? imago_store_trap(world.store)->message
                                           : world.error.text);
        }
        (void)token_at(values[0].externref, "returned");
        collect();
    }
    world_delete(&world);
}

TEST(random_modules) {
    const char *given = getenv("IMAGO_SEED"); // one of a failure
    const uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;
    Gen g = {.text = malloc(TEXT_BYTES)};
    for (uint64_t seed = first; seed < first + (given != NULL ? 1 : SEED_COUNT); seed++) {
        host.seed = seed;
        host.random = random_state = seed * 0x9E3779B97F4A7C15u;
        g.used = 0;
        put_module(&g);
        if (given != NULL) {
            puts(g.text);
        }
        run_module(g.text);
    }
    free(g.text);
    printf("%u visits, %u tokens revoked\n", host.visits, host.revoked);
    EXPECT(host.visits > 1000 && host.revoked > 1000);
}

int main(void) {
    RUN(random_modules);
    return test_end();
}
