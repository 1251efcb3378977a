#include "fuzz/lib/compare.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/lib/host.h"
#include "fuzz/lib/ours.h"
#include "imago/compile.h"

enum { CALLS_OWN = 6, CALLS_FILE = 3, FUEL = 150, MAX_ENTRIES = 2000 };

typedef struct Pair {
    Comparison *comparison;
    SideModule module;
    ImagoExport *exports;
    SideImport *imports;
    Ours *ours;
    Theirs *theirs;
} Pair;

__attribute__((format(printf, 2, 3))) static Verdict differ(Pair *pair, const char *format, ...) {
    Comparison *comparison = pair->comparison;
    va_list list;
    va_start(list, format);
    (void)vsnprintf(comparison->difference, sizeof comparison->difference, format, list);
    va_end(list);
    return VERDICT_DIFFERS;
}

static const char *text_of(const SideResult *result) {
    switch (result->status) {
    case SIDE_OK: return "returns";
    case SIDE_TRAP: return result->trap < TRAP_COUNT ? trap_name(result->trap) : "another trap";
    case SIDE_LIMIT:
    case SIDE_FAIL: return result->why;
    }
    return "";
}

static bool are_same(uint8_t type, const ImagoValue *ours, const ImagoValue *theirs) {
    const uint64_t our = ours->bits[0];
    const uint64_t their = theirs->bits[0];
    if (type == IMAGO_FUNCREF) { // 1: some function
        return our == their || (our == 1 && their != 0) || (their == 1 && our != 0);
    }
    return value_class(type, ours) == value_class(type, theirs);
}

// ---- State --------------------------------------------------------------------------------------

static Verdict compare_memory(Pair *pair, uint32_t i) {
    uint64_t our_bytes = 0;
    uint64_t their_bytes = 0;
    const uint8_t *ours = ours_memory(pair->ours, i, &our_bytes);
    const uint8_t *theirs = theirs_memory(pair->theirs, i, &their_bytes);
    if (our_bytes != their_bytes) {
        return differ(pair, "memory: ours has %llu bytes, theirs %llu",
                      (unsigned long long)our_bytes, (unsigned long long)their_bytes);
    }
    if (our_bytes == 0 || memcmp(ours, theirs, our_bytes) == 0) {
        return VERDICT_SAME;
    }
    size_t at = 0;
    while (ours[at] == theirs[at]) {
        at++;
    }
    return differ(pair, "memory at %#zx: ours %#x, theirs %#x", at, ours[at], theirs[at]);
}

static Verdict compare_value(Pair *pair, uint8_t type, const char *what, uint32_t i,
                             ImagoValue ours, ImagoValue theirs) {
    return are_same(type, &ours, &theirs)
               ? VERDICT_SAME
               : differ(pair, "%s %u of type %u: ours %#llx, theirs %#llx", what, i, type,
                        (unsigned long long)ours.bits[0], (unsigned long long)theirs.bits[0]);
}

static Verdict compare_table(Pair *pair, uint32_t i) {
    const uint8_t type = (uint8_t)pair->exports[i].type.value;
    const uint32_t count = ours_table_size(pair->ours, i);
    Verdict verdict = VERDICT_SAME;
    if (theirs_table_size(pair->theirs, i) != count) {
        return differ(pair, "table: ours has %u entries, theirs %u", count,
                      theirs_table_size(pair->theirs, i));
    }
    for (uint32_t k = 0; k < count && k < MAX_ENTRIES && verdict == VERDICT_SAME; k++) {
        verdict = compare_value(pair, type, "table entry", k, ours_table_entry(pair->ours, i, k),
                                theirs_table_entry(pair->theirs, i, k));
    }
    return verdict;
}

static Verdict compare_export(Pair *pair, uint32_t i) {
    const ImagoExternType *type = &pair->exports[i].type;
    switch (type->kind) {
    case IMAGO_EXTERN_FUNC: return VERDICT_SAME;
    case IMAGO_EXTERN_TABLE: return compare_table(pair, i);
    case IMAGO_EXTERN_MEMORY: return compare_memory(pair, i);
    case IMAGO_EXTERN_GLOBAL:
        return compare_value(pair, (uint8_t)type->value, "global: export", i,
                             ours_global(pair->ours, i), theirs_global(pair->theirs, i));
    }
    return VERDICT_SAME;
}

// name: of the function that was called last, or of nothing.
static Verdict compare_state(Pair *pair, const ImagoExport *after) {
    Verdict verdict = VERDICT_SAME;
    for (uint32_t i = 0; i < pair->module.export_count && verdict == VERDICT_SAME; i++) {
        verdict = compare_export(pair, i);
    }
    if (verdict != VERDICT_SAME) {
        char text[sizeof pair->comparison->difference];
        memcpy(text, pair->comparison->difference, sizeof text);
        return differ(pair, "after %.*s: %.500s",
                      after == NULL ? 13 : (int)after->name_bytes,
                      after == NULL ? "instantiation" : after->name, text);
    }
    return VERDICT_SAME;
}

// ---- Calls --------------------------------------------------------------------------------------

static Verdict compare_results(Pair *pair, const ImagoExport *item, const ImagoValue *ours,
                               const ImagoValue *theirs, uint32_t call) {
    const ImagoFuncType *type = &item->type.func;
    for (uint32_t i = 0; i < type->result_count; i++) {
        if (!are_same(type->results[i], &ours[i], &theirs[i])) {
            return differ(pair, "%.*s, call %u: result %u of type %u: ours %#llx, theirs %#llx",
                          (int)item->name_bytes, item->name, call, i, type->results[i],
                          (unsigned long long)ours[i].bits[0],
                          (unsigned long long)theirs[i].bits[0]);
        }
    }
    return VERDICT_SAME;
}

static Verdict compare_outcomes(Pair *pair, const ImagoExport *item, const SideResult *ours,
                                const SideResult *theirs, uint32_t call) {
    const bool is_same = ours->status == theirs->status &&
                         (ours->status == SIDE_OK || ours->trap == theirs->trap);
    // How deep a stack is is each engine's own affair.
    const bool has_no_stack =
        (ours->status == SIDE_TRAP && ours->trap == TRAP_STACK_EXHAUSTED) ||
        (theirs->status == SIDE_TRAP && theirs->trap == TRAP_STACK_EXHAUSTED);
    if (has_no_stack && !(is_same && host_is_deep(item))) {
        return VERDICT_SKIPPED;
    }
    return is_same ? VERDICT_SAME
                   : differ(pair, "%.*s, call %u: ours %s, theirs %s", (int)item->name_bytes,
                            item->name, call, text_of(ours), text_of(theirs));
}

// SKIPPED: the instances cannot be compared further.
static Verdict call_both(Pair *pair, uint32_t func, uint32_t call) {
    static ImagoValue ours[SIDE_VALUES];
    static _Alignas(16) ImagoValue theirs[SIDE_VALUES];
    const ImagoExport *item = &pair->exports[func];
    const ImagoFuncType *type = &item->type.func;
    for (uint32_t i = 0; i < type->param_count; i++) {
        ours[i] = theirs[i] =
            any_value(&pair->comparison->rng, type->params[i], &pair->module);
    }
    theirs_set_i32(pair->theirs, "fuel", FUEL);
    ours_set_i32(pair->ours, "fuel", FUEL);
    const SideResult other = theirs_call(pair->theirs, func, theirs);
    if (other.status == SIDE_TRAP && other.trap == REFERENCE_NO_FUEL) {
        return VERDICT_SKIPPED;
    }
    const SideResult our = ours_call(pair->ours, func, ours);
    pair->comparison->calls++;
    pair->comparison->traps += our.status == SIDE_TRAP;
    const Verdict verdict = compare_outcomes(pair, item, &our, &other, call);
    return verdict == VERDICT_SAME && our.status == SIDE_OK
               ? compare_results(pair, item, ours, theirs, call)
               : verdict;
}

// State is compared after each function, so that a difference is reported where it arose.
static Verdict call_all(Pair *pair) {
    const uint32_t calls = pair->comparison->is_own ? CALLS_OWN : CALLS_FILE;
    Verdict verdict = compare_state(pair, NULL);
    for (uint32_t i = 0; i < pair->module.export_count && verdict == VERDICT_SAME; i++) {
        const ImagoExport *item = &pair->exports[i];
        if (item->type.kind != IMAGO_EXTERN_FUNC) {
            continue;
        }
        for (uint32_t call = 0; call < calls && verdict == VERDICT_SAME; call++) {
            verdict = call_both(pair, i, call);
        }
        if (verdict == VERDICT_SAME) {
            verdict = compare_state(pair, item);
        }
    }
    return verdict == VERDICT_SKIPPED ? VERDICT_SAME : verdict;
}

// ---- Imports ------------------------------------------------------------------------------------

static bool same_bytes(const uint8_t *a, uint32_t a_count, const uint8_t *b, uint32_t b_count) {
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count) == 0);
}

static bool same_type(const ImagoExternType *a, const ImagoExternType *b) {
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case IMAGO_EXTERN_FUNC:
        return same_bytes(a->func.params, a->func.param_count, b->func.params,
                          b->func.param_count) &&
               same_bytes(a->func.results, a->func.result_count, b->func.results,
                          b->func.result_count);
    case IMAGO_EXTERN_GLOBAL: return a->value == b->value && a->is_mutable == b->is_mutable;
    case IMAGO_EXTERN_TABLE:
    case IMAGO_EXTERN_MEMORY:
        return (a->kind == IMAGO_EXTERN_MEMORY || a->value == b->value) &&
               a->limits.min == b->limits.min && a->limits.has_max == b->limits.has_max &&
               (!a->limits.has_max || a->limits.max == b->limits.max);
    }
    return false;
}

static uint32_t same_name(const Pair *pair, uint32_t i) {
    const ImagoImport *item = &pair->imports[i].item;
    for (uint32_t k = 0; k < i; k++) {
        const ImagoImport *other = &pair->imports[k].item;
        if (other->module_bytes == item->module_bytes && other->name_bytes == item->name_bytes &&
            memcmp(other->module, item->module, item->module_bytes) == 0 &&
            memcmp(other->name, item->name, item->name_bytes) == 0) {
            return k;
        }
    }
    return SIDE_NONE;
}

static void describe(Pair *pair) {
    const ImagoImage *image = pair->module.image;
    Rng *rng = &pair->comparison->rng;
    pair->module.export_count = imago_image_export_count(image);
    pair->module.import_count = imago_image_import_count(image);
    pair->exports = calloc(pair->module.export_count + 1u, sizeof *pair->exports);
    pair->imports = calloc(pair->module.import_count + 1u, sizeof *pair->imports);
    pair->module.exports = pair->exports;
    pair->module.imports = pair->imports;
    for (uint32_t i = 0; i < pair->module.export_count; i++) {
        pair->exports[i] = imago_image_export(image, i);
    }
    for (uint32_t i = 0; i < pair->module.import_count; i++) {
        SideImport *import = &pair->imports[i];
        import->item = imago_image_import(image, i);
        const ImagoExternType *type = &import->item.type;
        import->value = type->kind == IMAGO_EXTERN_GLOBAL
                            ? any_value(rng, (uint8_t)type->value, NULL)
                            : (ImagoValue){.bits = {rng_below(rng, 20), 0}};
        import->same_as = same_name(pair, i);
        import->export_of_first = SIDE_NONE;
    }
}

// Imports that an instance of the same module can provide. False: there are none.
static bool import_from_first(Pair *pair) {
    bool is_any = false;
    for (uint32_t i = 0; i < pair->module.import_count; i++) {
        SideImport *import = &pair->imports[i];
        const uint32_t count = pair->module.export_count;
        const uint32_t first = count == 0 ? 0 : rng_below(&pair->comparison->rng, count);
        for (uint32_t k = 0; k < count && import->export_of_first == SIDE_NONE; k++) {
            const uint32_t at = (first + k) % count;
            if (same_type(&import->item.type, &pair->exports[at].type)) {
                import->export_of_first = at;
                is_any = true;
            }
        }
    }
    return is_any;
}

// ---- A module -----------------------------------------------------------------------------------

// Seldom other settings than a program's: of threads, the address map, and where functions stand.
static ImagoCompileOptions any_options(Rng *rng) {
    ImagoCompileOptions options = {.size = sizeof options,
                                   .threads = 1 + rng_below(rng, 20) / 18};
    if (rng_percent(rng, 20)) {
        options.address_map =
            rng_percent(rng, 50) ? IMAGO_ADDRESS_MAP_NONE : IMAGO_ADDRESS_MAP_ALL;
    }
    if (rng_percent(rng, 25)) {
        options.func_align = 1u << rng_below(rng, 13);
        options.func_padding = rng_percent(rng, 50) ? rng_below(rng, 3000) : 0;
        options.func_shuffle = rng_percent(rng, 60) ? rng_next(rng) : 0;
        options.force_veneers = rng_percent(rng, 40);
    }
    return options;
}

static Verdict open_image(Pair *pair) {
    Comparison *comparison = pair->comparison;
    ImagoError error = IMAGO_ERROR_INIT;
    const ImagoCompileOptions options = any_options(&comparison->rng);
    int fd = -1;
    if (imago_compile_fd(pair->module.bytes, pair->module.count, &fd, &options, NULL, &error)) {
        pair->module.image = imago_image_open_fd(comparison->engine, fd, &error);
        (void)close(fd);
    }
    if (pair->module.image != NULL) {
        return VERDICT_SAME;
    }
    if (error.code == IMAGO_ERROR_UNSUPPORTED || error.code == IMAGO_ERROR_LIMIT) {
        return VERDICT_SKIPPED;
    }
    const char *why = "";
    return !comparison->is_own && !reference_validate(comparison->reference, pair->module.bytes,
                                                      pair->module.count, &why)
               ? VERDICT_REJECTED
               : differ(pair, "does not compile: function %u, offset %llu: %s", error.func_index,
                        (unsigned long long)error.offset, error.text);
}

// *runs: there is something to call.
static Verdict instantiate(Pair *pair, bool *runs) {
    *pair->comparison->is_elsewhere = true;
    const SideResult theirs = theirs_instantiate(pair->theirs, &pair->module);
    *pair->comparison->is_elsewhere = false;
    *runs = false;
    if (theirs.status == SIDE_LIMIT ||
        (theirs.status == SIDE_TRAP && theirs.trap == REFERENCE_NO_FUEL)) {
        return VERDICT_SKIPPED;
    }
    const SideResult ours = ours_instantiate(pair->ours, &pair->module);
    if (ours.status == SIDE_LIMIT || (ours.status == SIDE_FAIL && theirs.status == SIDE_FAIL)) {
        return VERDICT_SKIPPED;
    }
    if (ours.status != theirs.status ||
        (ours.status == SIDE_TRAP && ours.trap != theirs.trap)) {
        return differ(pair, "instantiation: ours %s, theirs %s", text_of(&ours), text_of(&theirs));
    }
    *runs = ours.status == SIDE_OK;
    return VERDICT_SAME;
}

static Verdict run(Pair *pair) {
    bool runs;
    Verdict verdict = instantiate(pair, &runs);
    if (runs && rng_percent(&pair->comparison->rng, 20) && import_from_first(pair)) {
        verdict = instantiate(pair, &runs);
    }
    return runs ? call_all(pair) : verdict;
}

Verdict compare_module(Comparison *comparison, const uint8_t *bytes, size_t count) {
    static const SideLimits OWN = {.memory_bytes = 64 << 20, .table_entries = 100000};
    static const SideLimits FILE = {.memory_bytes = 2 << 20, .table_entries = 20000};
    const SideLimits *limits = comparison->is_own ? &OWN : &FILE;
    Pair pair = {.comparison = comparison, .module = {.bytes = bytes, .count = count}};
    Verdict verdict = open_image(&pair);
    if (verdict == VERDICT_SAME) {
        describe(&pair);
        pair.ours = ours_open(comparison->engine, limits, host_compute);
        pair.theirs = theirs_open(comparison->reference, limits, host_compute);
        verdict = pair.ours == NULL || pair.theirs == NULL ? VERDICT_SKIPPED : run(&pair);
    }
    if (pair.theirs != NULL) {
        theirs_close(pair.theirs);
    }
    if (pair.ours != NULL) {
        ours_close(pair.ours);
    }
    if (pair.module.image != NULL) {
        imago_image_delete(pair.module.image);
    }
    free(pair.exports);
    free(pair.imports);
    return verdict;
}
