// Fuzz target: decoder and validator on any bytes, for libFuzzer and AFL++ alike.
//
//     cmake --preset fuzz && cmake --build --preset fuzz    (fuzz_wasm_fuzz in its folder)
//     fuzz_wasm_fuzz -max_len=4096 CORPUS
//
// The corpus to start from: the modules of the official scripts (`wasm-tools json-from-wast`).
// Beside crashes it looks for an error that is not set, an offset outside the module, and facts
// that name what does not exist.
#include <stdlib.h>

#include "base/arena.h"
#include "wasm/decode.h"
#include "wasm/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_error(bool ok, const Error *err, usize count) {
    require(ok == (err->code == IMAGO_ERROR_NONE));
    require(ok || (err->offset <= count && err->text[0] != 0));
}

static void check_locals(const FuncFacts *facts, u32 body_bytes) {
    for (u32 i = 0; i < facts->accessed_count; i++) {
        require(facts->accessed[i] < facts->local_count);
        const LocalFacts *local = &facts->locals[facts->accessed[i]];
        require(local->stamp == facts->stamp);
        require(local->type > VAL_NONE && local->type < VAL_COUNT);
        require(local->last_use <= body_bytes);
        require(local->last_loop == ID_NONE || local->last_loop < facts->loop_count);
    }
}

static void check_loops(const FuncFacts *facts, u32 body_bytes) {
    for (u32 i = 0; i < facts->loop_count; i++) {
        const LoopFacts *loop = &facts->loops[i];
        require(loop->end_offset <= body_bytes);
        require(loop->hot_count <= MAX_HOT_LOCALS);
        for (u32 k = 0; k < loop->hot_count; k++) {
            const HotLocal *hot = &facts->hots[loop->first_hot + k];
            require(hot->local < facts->local_count);
            require(k == 0 || hot->weight <= hot[-1].weight);
        }
    }
}

static void validate_bodies(const Module *m) {
    Validator *v = validator_new(m);
    require(v != NULL);
    for (u32 i = m->func_import_count; i < m->func_count; i++) {
        Error err = ERROR_INIT;
        FuncFacts facts;
        const bool ok = validate_func(v, i, &facts, &err);
        check_error(ok, &err, m->byte_count);
        if (ok) {
            check_locals(&facts, m->funcs[i].body_bytes);
            check_loops(&facts, m->funcs[i].body_bytes);
        }
    }
    validator_delete(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    Arena arena;
    arena_init(&arena);
    Module m;
    Error err = ERROR_INIT;
    const bool ok = wasm_decode(&m, &arena, bytes, count, &err);
    check_error(ok, &err, count);
    if (ok) {
        validate_bodies(&m);
    }
    arena_deinit(&arena);
    return 0;
}
