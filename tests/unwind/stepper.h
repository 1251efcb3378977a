// Runs code instruction by instruction, by the processor's trap flag, and knows at each one where
// every frame returns to: it watches the calls and returns themselves. At each instruction of an
// image or of the runtime's assembler two walks are compared with that:
//   - the system unwinder's, by .eh_frame: pc, address and callee-saved registers of each frame
//   - the runtime's own, by frame pointers, where the instruction may trap
//
//     step_begin(&stepper); ... imago_func_call(...); ... step_end(&stepper);
//
// x86-64 and one thread only. Only what runs between the two is stepped; signal handlers are not.
#ifndef TESTS_UNWIND_STEPPER_H
#define TESTS_UNWIND_STEPPER_H

#ifndef _GNU_SOURCE
#error "the names of ucontext_t's registers are GNU's"
#endif
#include <signal.h>
#include <ucontext.h>
#include <unwind.h>

#include "api/world.h"
#include "base/int.h"
#include "image/image.h"
#include "runtime/arch.h"
#include "runtime/backtrace.h"
#include "runtime/image_map.h"

// Registers that every function must keep, by their DWARF numbers.
enum { STEP_SAVED_COUNT = 6, STEP_MAX_DEPTH = 512, STEP_MAX_REPORTS = 8 };
static const int STEP_SAVED_DWARF[STEP_SAVED_COUNT] = {6, 3, 12, 13, 14, 15};
static const int STEP_SAVED_CONTEXT[STEP_SAVED_COUNT] = {REG_RBP, REG_RBX, REG_R12,
                                                         REG_R13, REG_R14, REG_R15};
// Of these, what guest code keeps, and its caller relies on: rbp, rbx, r12.
enum { STEP_GUEST_SAVED = 3 };

// A call that has not returned.
typedef struct StepCall {
    u64 slot; // where the return address stands
    u64 return_pc;
    u64 saved[STEP_SAVED_COUNT]; // the caller's registers
} StepCall;

typedef struct Stepper {
    World *world;
    StepCall calls[STEP_MAX_DEPTH];
    u32 depth;
    u64 pc, sp;
    u64 saved[STEP_SAVED_COUNT];
    u64 limit; // of instructions; 0: none. It ends the stepping, as does the greatest depth
    u64 steps, checked, own_walks;
    u32 bad;
} Stepper;

static Stepper *step_current;

static inline u64 step_word(u64 address) {
    u64 word;
    memcpy(&word, (const void *)(uintptr_t)address, sizeof word);
    return word;
}

static inline const Image *step_image_at(const Stepper *stepper, u64 pc) {
    for (u32 i = 0; i < stepper->world->image_count; i++) {
        const Image *view = &stepper->world->images[i]->view;
        if (pc - (u64)(uintptr_t)view->text < view->text_bytes) {
            return view;
        }
    }
    return NULL;
}

static inline bool step_is_in_arch(u64 pc) {
    return pc >= (u64)(uintptr_t)arch_text_start && pc < (u64)(uintptr_t)arch_text_end;
}

// Where an activation has been ended and its arch_enter is about to return. A signal handler that
// resumes there is seen one instruction late.
static inline bool step_is_landing(u64 pc) {
    return (pc >= (u64)(uintptr_t)arch_landing && pc < (u64)(uintptr_t)arch_unwind) ||
           (pc > (u64)(uintptr_t)arch_unwind && pc < (u64)(uintptr_t)arch_builtin_entry);
}

// ---- Calls and returns --------------------------------------------------------------------------

static inline void step_track(Stepper *stepper, u64 pc, u64 sp) {
    enum { MAX_CALL_BYTES = 8 };
    const bool has_pushed = sp == stepper->sp - 8;
    if (step_is_landing(pc) && !step_is_landing(stepper->pc)) {
        const u64 slot = sp + offsetof(Activation, return_address);
        while (stepper->depth != 0 && stepper->calls[stepper->depth - 1].slot != slot) {
            stepper->depth--;
        }
    } else if (has_pushed && step_word(sp) - stepper->pc <= MAX_CALL_BYTES &&
               step_word(sp) > stepper->pc && stepper->depth < STEP_MAX_DEPTH) {
        StepCall *call = &stepper->calls[stepper->depth++];
        call->slot = sp;
        call->return_pc = step_word(sp);
        memcpy(call->saved, stepper->saved, sizeof call->saved);
    } else if (stepper->depth != 0 && pc == stepper->calls[stepper->depth - 1].return_pc &&
               sp > stepper->calls[stepper->depth - 1].slot) {
        stepper->depth--;
    }
}

// ---- The system unwinder ------------------------------------------------------------------------

typedef struct StepWalk {
    Stepper *stepper;
    bool has_begun; // the frame that was interrupted has been reached
    u32 frames;     // from there on
    const char *wrong;
    u64 is, should_be;
} StepWalk;

static inline bool step_expect(StepWalk *walk, const char *what, u64 is, u64 should_be) {
    if (is != should_be && walk->wrong == NULL) {
        walk->wrong = what;
        walk->is = is;
        walk->should_be = should_be;
    }
    return is == should_be;
}

static inline _Unwind_Reason_Code step_frame(struct _Unwind_Context *context, void *env) {
    static const char *const NAMES[STEP_SAVED_COUNT] = {"rbp", "rbx", "r12", "r13", "r14", "r15"};
    StepWalk *walk = env;
    const Stepper *stepper = walk->stepper;
    const u64 pc = _Unwind_GetIP(context);
    if (!walk->has_begun) {
        walk->has_begun = pc == stepper->pc;
        walk->frames = walk->has_begun;
        return _URC_NO_REASON;
    }
    const StepCall *call = &stepper->calls[stepper->depth - walk->frames];
    bool is_right = step_expect(walk, "the pc", pc, call->return_pc) &&
                    step_expect(walk, "the frame", _Unwind_GetCFA(context), call->slot + 8);
    // What C code relies on, and what guest code does.
    const bool is_guest = step_image_at(stepper, pc) != NULL || step_is_in_arch(pc);
    const u32 count = is_guest ? STEP_GUEST_SAVED : STEP_SAVED_COUNT;
    for (u32 i = 0; i < count && is_right; i++) {
        is_right = step_expect(walk, NAMES[i], _Unwind_GetGR(context, STEP_SAVED_DWARF[i]),
                               call->saved[i]);
    }
    walk->frames++;
    return is_right && walk->frames <= stepper->depth ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

// ---- The runtime's own walk ---------------------------------------------------------------------

static inline u32 step_func_at(const Stepper *stepper, u64 pc) {
    const Image *image = step_image_at(stepper, pc);
    return image == NULL ? ID_NONE
                         : image_func_at(image, (u32)(pc - (u64)(uintptr_t)image->text));
}

// Where a fault may happen: instructions that may trap, and the pushes that make frames.
static inline bool step_may_trap(const Stepper *stepper, u64 pc) {
    const Image *image = step_image_at(stepper, pc);
    TrapKind kind;
    return image != NULL && (*(const u8 *)(uintptr_t)pc == 0x55 ||
                             image_trap_at(image, (u32)(pc - (u64)(uintptr_t)image->text), &kind));
}

static inline void step_own_walk(StepWalk *walk, const greg_t *regs) {
    Stepper *stepper = walk->stepper;
    ImagoStore *store = stepper->world->store;
    const TrapRecord before = store->trap;
    const ImagoTrap *trap = &store->trap.trap;
    store->trap.trap = (ImagoTrap){.frames = store->trap.frames};
    const FaultPlace place = {(const u8 *)(uintptr_t)stepper->pc, stepper->sp, (u64)regs[REG_RBP],
                              (const void *)(uintptr_t)regs[REG_R13]};
    runtime_backtrace_fault(store, &place);
    u64 pc = stepper->pc;
    u32 found = 0;
    for (u32 left = stepper->depth;; pc = stepper->calls[left].return_pc - 1) {
        const u32 func = step_func_at(stepper, pc);
        if (func != ID_NONE && found == trap->frame_count) {
            (void)step_expect(walk, "the runtime's number of frames", found, found + 1);
            break;
        }
        if (func != ID_NONE) {
            (void)step_expect(walk, "the runtime's function", trap->frames[found++].func_index,
                              func);
        }
        if (left-- == 0 || (trap->frames_cut && found == trap->frame_count)) {
            (void)step_expect(walk, "the runtime's number of frames", trap->frame_count, found);
            break;
        }
    }
    stepper->own_walks++;
    store->trap = before;
}

// ---- Stepping -----------------------------------------------------------------------------------

static inline void step_report(const StepWalk *walk) {
    Stepper *stepper = walk->stepper;
    if (stepper->bad++ >= STEP_MAX_REPORTS) {
        return;
    }
    const Image *image = step_image_at(stepper, stepper->pc);
    TEST_FAIL("at 0x%llx of %s, frame %u: %s is 0x%llx, expected 0x%llx",
              (unsigned long long)(stepper->pc - (u64)(uintptr_t)(image != NULL ? image->bytes
                                                                                : arch_text_start)),
              image != NULL ? image_name(image).at : "the runtime's assembler", walk->frames,
              walk->wrong, (unsigned long long)walk->is, (unsigned long long)walk->should_be);
}

static inline void step_check(Stepper *stepper, const greg_t *regs) {
    StepWalk walk = {.stepper = stepper};
    (void)_Unwind_Backtrace(step_frame, &walk);
    (void)step_expect(&walk, "the number of frames", walk.frames, stepper->depth + 1);
    if (step_may_trap(stepper, stepper->pc)) {
        step_own_walk(&walk, regs);
    }
    stepper->checked++;
    if (walk.wrong != NULL) {
        step_report(&walk);
    }
}

enum { STEP_FLAG = 0x100 };

static void step_on_trap(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)info;
    Stepper *stepper = step_current;
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const u64 pc = (u64)regs[REG_RIP], sp = (u64)regs[REG_RSP];
    if (stepper->steps++ != 0) {
        step_track(stepper, pc, sp);
    }
    stepper->pc = pc;
    stepper->sp = sp;
    for (u32 i = 0; i < STEP_SAVED_COUNT; i++) {
        stepper->saved[i] = (u64)regs[STEP_SAVED_CONTEXT[i]];
    }
    // The first instructions may be of the function that began.
    if (stepper->depth != 0 && (step_image_at(stepper, pc) != NULL || step_is_in_arch(pc))) {
        step_check(stepper, regs);
    }
    if (stepper->steps == stepper->limit || stepper->depth == STEP_MAX_DEPTH) {
        regs[REG_EFL] &= ~(greg_t)STEP_FLAG;
    }
}

// Handlers on a stack of their own: the guest's may be full.
static inline void step_install(void) {
    static char memory[256 << 10] __attribute__((aligned(16)));
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_sigaction = step_on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGTRAP, &action, NULL) != 0) {
        TEST_FAIL("cannot handle SIGTRAP");
    }
}

// Both are macros: what they are used in is the outermost frame.
#define step_begin(stepper)                                                                        \
    do {                                                                                           \
        step_current = (stepper);                                                                  \
        __asm__ volatile("sub $128, %%rsp\n\tpushf\n\torq %0, (%%rsp)\n\tpopf\n\tadd $128, %%rsp"  \
                         :                                                                         \
                         : "i"(STEP_FLAG)                                                          \
                         : "memory", "cc");                                                        \
    } while (0)

#define step_end(stepper)                                                                          \
    __asm__ volatile("sub $128, %%rsp\n\tpushf\n\tandq %0, (%%rsp)\n\tpopf\n\tadd $128, %%rsp"     \
                     :                                                                             \
                     : "i"(~(long)STEP_FLAG)                                                       \
                     : "memory", "cc")

#endif
