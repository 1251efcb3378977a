#include "compile/driver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "compile/plan.h"
#include "compile/program.h"
#include "compile/stubs.h"
#include "imago/imago.h"
#include "isa/x64/targ.h"
#include "wasm/decode.h"

// Functions a worker takes at a time: enough to keep workers apart, few enough to share evenly.
enum { FUNCS_PER_CHUNK = 32, MAX_THREADS = 64 };

typedef struct Drive {
    const Module *module;
    const CompilePlan *plan;
    const DriverOptions *options;
    CodeBlob *blobs;
    u32 blob_count; // functions, then stubs
    CodeOutput *outputs;
    u32 worker_count;
    atomic_uint next_chunk;
    atomic_bool has_failed;
    atomic_ullong bytes_done;
} Drive;

typedef struct Worker {
    Drive *drive;
    u32 index;
    Error err;       // of the lowest function that failed in this worker
    u32 simd_func;   // lowest function with SIMD, ID_NONE: none
    u32 simd_offset;
    BodyUses uses;
    pthread_t thread;
    bool has_thread;
} Worker;

static u64 now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

static u32 defined_count(const Module *module) {
    return module->func_count - module->func_import_count;
}

// ---- Workers -----------------------------------------------------------------------------------

static bool compile_func(Worker *worker, Validator *validator, void *state, u32 func) {
    Drive *drive = worker->drive;
    FuncFacts facts;
    TRY(validate_func(validator, func, &facts, &worker->err));
    if (facts.has_simd) {
        if (worker->simd_func == ID_NONE || func < worker->simd_func) {
            worker->simd_func = func;
            worker->simd_offset = facts.simd_offset;
        }
        return true;
    }
    CodeBlob *blob = &drive->blobs[func - drive->module->func_import_count];
    TRY(drive->options->compiler->compile(state, func, &facts, blob, &worker->err));
    blob->kind = BLOB_FUNC;
    blob->index = func;
    blob->worker = (u8)worker->index;
    return true;
}

static bool compile_chunk(Worker *worker, Validator *validator, void *state, u32 chunk) {
    const Module *module = worker->drive->module;
    const u32 first = module->func_import_count + chunk * FUNCS_PER_CHUNK;
    u32 end = first + FUNCS_PER_CHUNK;
    end = end < module->func_count ? end : module->func_count;
    u64 bytes = 0;
    for (u32 func = first; func < end; func++) {
        if (!compile_func(worker, validator, state, func)) {
            worker->err.func_index = func;
            return false;
        }
        bytes += module->funcs[func].body_bytes;
    }
    const u64 done = atomic_fetch_add(&worker->drive->bytes_done, bytes) + bytes;
    if (worker->index == 0 && worker->drive->options->progress != NULL) {
        worker->drive->options->progress(worker->drive->options->progress_env, done,
                                         module->code_bytes);
    }
    return true;
}

// Chunks are handed out in order: when one fails, all before it are being done by somebody, so that
// the error of the lowest function is among the workers'.
static void run_worker(Worker *worker) {
    Drive *drive = worker->drive;
    const u32 chunks = (defined_count(drive->module) + FUNCS_PER_CHUNK - 1) / FUNCS_PER_CHUNK;
    Validator *validator = validator_new(drive->module);
    void *state =
        drive->options->compiler->open(drive->plan, &drive->outputs[worker->index]);
    if (validator == NULL || state == NULL) {
        (void)fail(&worker->err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
        worker->err.func_index = 0;
        atomic_store(&drive->has_failed, true);
    }
    while (!atomic_load_explicit(&drive->has_failed, memory_order_relaxed)) {
        const u32 chunk = atomic_fetch_add(&drive->next_chunk, 1);
        if (chunk >= chunks) {
            break;
        }
        if (!compile_chunk(worker, validator, state, chunk)) {
            atomic_store(&drive->has_failed, true);
        }
    }
    if (validator != NULL) {
        worker->uses.tables = validator_tables_used(validator);
        worker->uses.ref_func = validator_has_ref_func(validator);
    }
    validator_delete(validator);
    drive->options->compiler->close(state);
}

static void *worker_main(void *argument) {
    run_worker(argument);
    return NULL;
}

// A thread that cannot be made is done without.
static void run_workers(Drive *drive, Worker *workers) {
    for (u32 i = 1; i < drive->worker_count; i++) {
        workers[i].has_thread =
            pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) == 0;
    }
    run_worker(&workers[0]);
    for (u32 i = 1; i < drive->worker_count; i++) {
        if (workers[i].has_thread) {
            pthread_join(workers[i].thread, NULL);
        }
    }
}

// The error of the lowest function; then SIMD; *uses collects what the bodies do.
static bool collect(const Drive *drive, const Worker *workers, BodyUses *uses, Error *err) {
    const Worker *failed = NULL;
    const Worker *simd = NULL;
    for (u32 i = 0; i < drive->worker_count; i++) {
        const Worker *worker = &workers[i];
        uses->tables |= worker->uses.tables;
        uses->ref_func |= worker->uses.ref_func;
        if (worker->err.code != IMAGO_ERROR_NONE &&
            (failed == NULL || worker->err.func_index < failed->err.func_index)) {
            failed = worker;
        }
        if (worker->simd_func != ID_NONE &&
            (simd == NULL || worker->simd_func < simd->simd_func)) {
            simd = worker;
        }
    }
    if (failed != NULL) {
        if (err != NULL && err->code == IMAGO_ERROR_NONE) {
            *err = failed->err;
        }
        return false;
    }
    if (simd != NULL) {
        if (err != NULL && err->code == IMAGO_ERROR_NONE) {
            err->func_index = simd->simd_func;
        }
        return fail(err, UNSUPPORTED, simd->simd_offset, "not supported yet: simd");
    }
    return true;
}

static void free_outputs(Drive *drive) {
    for (u32 i = 0; i < drive->worker_count; i++) {
        CodeOutput *out = &drive->outputs[i];
        writer_free(&out->code);
        writer_free(&out->rodata);
        vec_free(&out->fixups);
        vec_free(&out->sites);
        vec_free(&out->unwind);
        vec_free(&out->ref_funcs);
        vec_free(&out->ref_calls);
        vec_free(&out->ref_slots);
    }
}

// Room for what a worker will probably write, so that nothing is copied as it grows. Only what is
// written costs memory. Measured on real modules: 2.0 bytes of code and a sixth of a site a byte.
static void presize(CodeOutput *out, u64 code_bytes) {
    (void)(writer_reserve(&out->code, code_bytes * 2 + code_bytes / 4) &&
           vec_reserve(&out->sites, code_bytes / 6) && vec_reserve(&out->fixups, code_bytes / 32));
    mem_will_fill(out->code.at, code_bytes + code_bytes / 2);
    mem_will_fill(out->sites.at, code_bytes / 16 * sizeof(Site));
    mem_will_fill(out->fixups.at, code_bytes / 64 * sizeof(Fixup));
}

// Compiles all functions under the plan. *uses: what the bodies do.
static bool compile_bodies(Drive *drive, Arena *arena, BodyUses *uses, Error *err) {
    Worker *workers = PUSH(arena, Worker, drive->worker_count);
    if (workers == NULL) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    for (u32 i = 0; i < drive->worker_count; i++) {
        workers[i] =
            (Worker){.drive = drive, .index = i, .err = ERROR_INIT, .simd_func = ID_NONE};
        presize(&drive->outputs[i], drive->module->code_bytes / drive->worker_count);
    }
    run_workers(drive, workers);
    return collect(drive, workers, uses, err);
}

// ---- Stubs -------------------------------------------------------------------------------------

static bool add_stub(Drive *drive, BlobKind kind, u32 type) {
    CodeBlob *blob = &drive->blobs[drive->blob_count];
    CodeOutput *out = &drive->outputs[0];
    const FuncType *func_type = &drive->module->types[type];
    const AbiLayout *abi = &drive->plan->layouts[type];
    TRY(kind == BLOB_ENTRY_STUB
            ? stub_entry(out, func_type, abi, blob)
            : stub_exit(out, func_type, abi, drive->plan->platform, blob));
    blob->kind = (u8)kind;
    blob->index = type;
    drive->blob_count++;
    return true;
}

// Entry stubs for the types of functions whose reference can exist, exit stubs for imports'.
static bool add_stubs(Drive *drive, Arena *arena) {
    const Module *module = drive->module;
    const CompilePlan *plan = drive->plan;
    bool *needs_entry = PUSH(arena, bool, (usize)module->type_count + 1);
    bool *needs_exit = PUSH(arena, bool, (usize)module->type_count + 1);
    if (needs_entry == NULL || needs_exit == NULL) {
        return false;
    }
    for (u32 i = 0; i < module->func_count; i++) {
        const u32 type = plan->canonical_types[module->funcs[i].type];
        needs_exit[type] |= i < module->func_import_count;
        needs_entry[type] |= plan->funcref_slots[i] != ID_NONE;
    }
    for (u32 type = 0; type < module->type_count; type++) {
        TRY(!needs_entry[type] || add_stub(drive, BLOB_ENTRY_STUB, type));
    }
    for (u32 type = 0; type < module->type_count; type++) {
        TRY(!needs_exit[type] || add_stub(drive, BLOB_EXIT_STUB, type));
    }
    return true;
}

static bool add_start(Drive *drive) {
    const char *const *options = drive->options->program_options;
    return options == NULL ||
           program_start(&drive->outputs[0], options, &drive->blobs[drive->blob_count++]);
}

// ---- The whole way -----------------------------------------------------------------------------

static bool uses_v128(const Module *module) {
    for (u32 i = 0; i < module->global_count; i++) {
        if (module->globals[i].type.type == VAL_V128) {
            return true;
        }
    }
    for (u32 i = 0; i < module->func_import_count; i++) {
        const FuncType *type = module_func_type(module, i);
        if (memchr(type->types, VAL_V128, type->param_count + type->result_count) != NULL) {
            return true;
        }
    }
    return false;
}

static bool link_module(Drive *drive, Arena *arena, int fd, DriverStats *stats, Error *err) {
    if (uses_v128(drive->module)) {
        return fail(err, UNSUPPORTED, ERROR_NO_OFFSET, "not supported yet: simd");
    }
    if (!add_stubs(drive, arena) || !add_start(drive)) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    char producer[80];
    (void)snprintf(producer, sizeof producer, "imago %d.%d.%d %s", IMAGO_VERSION_MAJOR,
                   IMAGO_VERSION_MINOR, IMAGO_VERSION_PATCH, drive->options->compiler->name);
    const LinkInput input = {
        .module = drive->module,
        .shape = drive->plan->shape,
        .funcref_slots = drive->plan->funcref_slots,
        .canonical_types = drive->plan->canonical_types,
        .frozen_tables = drive->plan->frozen_tables,
        .lazy_elems = drive->plan->lazy_elems,
        .target = &X64_TARGET,
        .platform = drive->options->platform,
        .blobs = drive->blobs,
        .blob_count = drive->blob_count,
        .outputs = drive->outputs,
        .output_count = drive->worker_count,
        .cpu_features = drive->options->compiler->cpu_features,
        .address_map = drive->options->address_map,
        .producer = producer,
        .layout = drive->options->layout,
    };
    LinkStats link_stats = {0};
    TRY(link_image(&input, fd, &link_stats, err));
    stats->text_bytes = link_stats.text_bytes;
    stats->padding_bytes = link_stats.padding_bytes;
    stats->image_bytes = link_stats.image_bytes;
    return true;
}

// Compiles and links under a plan. Sets *is_plan_wrong, and writes nothing, if bodies do what the
// plan took to be absent.
static bool compile_and_link(const Module *module, Arena *arena, BodyUses *uses, int fd,
                             const DriverOptions *options, DriverStats *stats,
                             bool *is_plan_wrong, Error *err) {
    CompilePlan plan;
    Drive drive = {.module = module, .plan = &plan, .options = options};
    drive.worker_count = options->threads < MAX_THREADS ? options->threads : MAX_THREADS;
    drive.outputs = PUSH(arena, CodeOutput, drive.worker_count);
    drive.blob_count = defined_count(module);
    drive.blobs = PUSH(arena, CodeBlob, drive.blob_count + 2 * (usize)module->type_count + 1);
    const BodyUses assumed = *uses;
    if (drive.outputs == NULL || drive.blobs == NULL ||
        !plan_module(&plan, arena, module, assumed)) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    plan.platform = &PLATFORMS[options->platform];
    plan.maps_all = options->address_map == ADDRESS_MAP_ALL;
    const u64 start = now_ns();
    bool is_ok = compile_bodies(&drive, arena, uses, err);
    const u64 compiled = now_ns();
    stats->compile_ns += compiled - start;
    *is_plan_wrong = is_ok && ((plan.frozen_tables & uses->tables) != 0 ||
                               (uses->ref_func && !assumed.ref_func && plan.frozen_tables != 0));
    if (is_ok && !*is_plan_wrong) {
        is_ok = link_module(&drive, arena, fd, stats, err);
    }
    stats->link_ns += now_ns() - compiled;
    free_outputs(&drive);
    return is_ok;
}

static bool drive_module(const Module *module, Arena *arena, int fd, const DriverOptions *options,
                         DriverStats *stats, Error *err) {
    BodyUses uses = {0};
    bool is_plan_wrong = false;
    TRY(compile_and_link(module, arena, &uses, fd, options, stats, &is_plan_wrong, err));
    if (is_plan_wrong) { // all bodies have been seen: the second plan holds
        TRY(compile_and_link(module, arena, &uses, fd, options, stats, &is_plan_wrong, err));
        CHECK(!is_plan_wrong);
    }
    return true;
}

bool drive(const void *bytes, usize count, int fd, const DriverOptions *options, DriverStats *stats,
           Error *err) {
    Module module;
    Arena arena;
    arena_init(&arena);
    const u64 start = now_ns();
    bool is_ok = wasm_decode(&module, &arena, bytes, count, err);
    stats->decode_ns = now_ns() - start;
    if (is_ok) {
        stats->code_bytes = module.code_bytes;
        stats->func_count = defined_count(&module);
        is_ok = drive_module(&module, &arena, fd, options, stats, err);
    }
    arena_deinit(&arena);
    return is_ok;
}

bool drive_validate(const void *bytes, usize count, Error *err) {
    Module module;
    Arena arena;
    arena_init(&arena);
    bool is_ok = wasm_decode(&module, &arena, bytes, count, err);
    Validator *validator = is_ok ? validator_new(&module) : NULL;
    if (is_ok && validator == NULL) {
        is_ok = fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    for (u32 i = is_ok ? module.func_import_count : 0; is_ok && i < module.func_count; i++) {
        is_ok = validate_func(validator, i, NULL, err);
    }
    validator_delete(validator);
    arena_deinit(&arena);
    return is_ok;
}
