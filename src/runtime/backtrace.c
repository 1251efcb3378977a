#include "runtime/backtrace.h"

#include "base/check.h"
#include "runtime/arch.h"
#include "runtime/instance.h"

// Where a walk stands: at an instruction of guest code, or at a call's return address.
typedef struct Walk {
    ImagoStore *store;
    const u8 *pc;
    u64 fp;          // frame pointer while pc's function runs
    bool is_at_call; // pc is a return address
    bool has_frame;  // fp is the function's own, not its caller's
    const Activation *activation; // that the frame belongs to
    const ImagoInstance *inner;   // of the frame before
} Walk;

static u64 stack_word(u64 address) {
    u64 word;
    assert(address != 0);
    memcpy(&word, (const void *)(uintptr_t)address, sizeof word);
    return word;
}

static const ImagoInstance *instance_of_context(const ImagoStore *store, const void *vmctx) {
    const ImagoInstance *instance = store->instances;
    while (instance != NULL && instance->vmctx != vmctx) {
        instance = instance->next;
    }
    return instance;
}

// The instance a frame runs in. Functions that call into other instances keep their context at
// [fp - 8]; the others were entered from, or called, the same instance as the frame inside them.
static const ImagoInstance *instance_of_frame(const Walk *walk, const ImagoImage *image) {
    const ImagoStore *store = walk->store;
    const ImagoInstance *found = NULL;
    if (walk->has_frame && store_has_frame(store, walk->fp - 8)) {
        found = instance_of_context(store, (const void *)(uintptr_t)stack_word(walk->fp - 8));
    }
    if (found == NULL || found->image != image) {
        found = walk->inner;
    }
    if (found == NULL || found->image != image) {
        for (found = store->instances; found != NULL && found->image != image;) {
            found = found->next;
        }
    }
    return found;
}

// Notes the frame at pc if it is a function's. False: there is no more room.
static bool note_frame(Walk *walk) {
    const ImagoImage *image = runtime_store_image_at(walk->store, walk->pc - walk->is_at_call);
    if (image == NULL) {
        return true;
    }
    const Image *view = &image->view;
    // A call is found by its last byte: the return address may belong to something else.
    const u32 text_offset = (u32)(walk->pc - view->text) - walk->is_at_call;
    const u32 func = image_func_at(view, text_offset);
    if (func == ID_NONE) {
        return true;
    }
    TrapRecord *record = &walk->store->trap;
    if (record->trap.frame_count == TRAP_MAX_FRAMES) {
        record->trap.frames_cut = true;
        return false;
    }
    const Str name = image_func_name(view, func);
    u32 wasm_offset = 0;
    // A fault need not be at a position: the guard below the stack may end any function.
    const bool has_offset = image_wasm_offset_at(view, text_offset, &wasm_offset) ||
                            image_instruction_at(view, text_offset, &wasm_offset);
    walk->inner = instance_of_frame(walk, image);
    record->frames[record->trap.frame_count] = (ImagoFrame){
        .module_name = image_name(view).at,
        .func_name = name.count != 0 ? name.at : "",
        .func_name_bytes = name.count,
        .func_index = func,
        .module_offset = has_offset ? wasm_offset : IMAGO_ERROR_NO_OFFSET,
        .instance = walk->inner,
    };
    record->trap.frame_count++;
    return true;
}

// Steps from the frame whose pointer is `fp` to its caller.
static bool leave_frame(Walk *walk, u64 fp) {
    if (!store_has_frame(walk->store, fp)) {
        return false;
    }
    const u64 outer = stack_word(fp);
    walk->pc = (const u8 *)(uintptr_t)stack_word(fp + 8);
    walk->is_at_call = true;
    walk->has_frame = true;
    walk->fp = outer > fp ? outer : 0;
    return true;
}

// Steps outward; over host frames where the chain of an activation ends.
static bool step(Walk *walk) {
    if (store_has_frame(walk->store, walk->fp)) {
        return leave_frame(walk, walk->fp);
    }
    const VmExec *outer = walk->activation->outer;
    walk->activation = activation_of(outer);
    return walk->activation != NULL && leave_frame(walk, (u64)(uintptr_t)outer->exit_fp);
}

static void note_all(Walk *walk) {
    while (note_frame(walk) && step(walk)) {
    }
}

// At the call of the newest exit to C. False: there is no activation.
static bool open_at_exit(ImagoStore *store, Walk *walk) {
    *walk = (Walk){.store = store, .activation = activation_of(&store->exec)};
    return walk->activation != NULL && leave_frame(walk, (u64)(uintptr_t)store->exec.exit_fp);
}

void runtime_backtrace_exit(ImagoStore *store) {
    Walk walk;
    if (open_at_exit(store, &walk)) {
        note_all(&walk);
    }
}

void runtime_frames_visit(ImagoStore *store, FrameVisitor visit, void *env) {
    Walk walk;
    if (!open_at_exit(store, &walk)) {
        return;
    }
    do {
        const u8 *last_byte = walk.pc - 1;
        const ImagoImage *image = runtime_store_image_at(store, last_byte);
        if (image != NULL &&
            !visit(env, image, (u32)(last_byte - image->view.text), walk.fp)) {
            return;
        }
    } while (step(&walk));
}

// At a fault, the function may not have a frame yet, or never make one: the return address is then
// on top of the stack, and fp is the caller's. A frame is made by `push rbp`, which itself faults
// when the stack is full.
static bool is_frameless(const ImagoStore *store, const u8 *pc) {
    const ImagoImage *image = runtime_store_image_at(store, pc);
    if (image == NULL) {
        return false;
    }
    const u32 func = image_func_at(&image->view, (u32)(pc - image->view.text));
    const u8 push_fp = 0x55;
    return *pc == push_fp || (func != ID_NONE && image_func(&image->view, func).has_no_frame);
}

void runtime_backtrace_fault(ImagoStore *store, const FaultPlace *place) {
    Walk walk = {.store = store,
                 .pc = place->pc,
                 .fp = place->fp,
                 .has_frame = true,
                 .activation = activation_of(&store->exec),
                 .inner = instance_of_context(store, place->vmctx)};
    if (!is_frameless(store, place->pc)) {
        note_all(&walk);
        return;
    }
    walk.has_frame = false;
    if (!note_frame(&walk) || !store_has_frame(store, place->sp)) {
        return;
    }
    walk.pc = (const u8 *)(uintptr_t)stack_word(place->sp);
    walk.is_at_call = true;
    walk.has_frame = true;
    // A function that moves the stack pointer hides its caller, but not the caller's caller.
    if (runtime_store_image_at(store, walk.pc - 1) != NULL || step(&walk)) {
        note_all(&walk);
    }
}
