// The handlers. A thread that runs guest code is interrupted; what the handler reads of its store
// is therefore at rest. The way out of guest code is to return from the handler with the registers
// changed to arch_landing (no longjmp: the kernel restores the signal mask, and debuggers and other
// runtimes see an ordinary return).
//
// The handler itself reads the image's trap table, names and so on. Should the file have been cut
// in the meantime, it gets a SIGBUS of its own: thread.reads_image says that this ends the
// activation, too. Other C code cannot be ended; it gets zeros in the place of what is missing.
#define _GNU_SOURCE
#include "runtime/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os_mem.h"
#include "runtime/arch_fault.h"
#include "runtime/backtrace.h"
#include "runtime/memory_index.h"

_Thread_local ThreadState runtime_thread __attribute__((tls_model("initial-exec")));

// The handler needs little itself; the kernel's frame holds all vector registers.
enum { ALT_STACK_BYTES = 64 << 10, HOST_STACK_RESERVE_BYTES = 256 << 10 };

typedef struct SignalSlot {
    int number;
    bool is_installed;
    struct sigaction previous;
} SignalSlot;

static SignalSlot slots[] = {{.number = SIGSEGV}, {.number = SIGBUS}, {.number = SIGFPE},
                             {.number = SIGILL}};
static pthread_key_t alt_stack_key;
static bool has_alt_stack_key;

// ---- Is it ours? --------------------------------------------------------------------------------

typedef struct Fault {
    int number;
    u64 address; // SIGSEGV, SIGBUS
    FaultRegs regs;
} Fault;

static ImagoMemory *memory_at(const ImagoStore *store, u64 address) {
    ImagoMemory *memory = store->memories;
    while (memory != NULL &&
           address - (u64)(uintptr_t)memory->vm.base >= VM_MEMORY_RESERVE_BYTES) {
        memory = memory->next;
    }
    return memory;
}

// The trap that the image's table has for the instruction, if the fault is one it can cause.
static bool trap_of_table(const ImagoStore *store, const Fault *fault, TrapKind *kind) {
    const ImagoImage *image = runtime_store_image_at(store, fault->regs.pc);
    if (image != NULL && image->is_cut) { // there may be zeros where the table was
        *kind = TRAP_IMAGE_CHANGED;
        return true;
    }
    if (image == NULL ||
        !image_trap_at(&image->view, (u32)(fault->regs.pc - image->view.text), kind)) {
        return false;
    }
    if (fault->number == SIGSEGV) {
        // A null reference is read on page 0, everything else in a memory's reservation.
        return *kind == TRAP_MEMORY_OUT_OF_BOUNDS ? memory_at(store, fault->address) != NULL
                                                  : fault->address < 4096;
    }
    return fault->number == SIGILL || fault->number == SIGFPE;
}

static bool is_in_arch(const u8 *pc) { return pc >= arch_text_start && pc < arch_text_end; }

static bool trap_of_fault(const ImagoStore *store, const Fault *fault, TrapKind *kind) {
    if (runtime_store_image_at(store, fault->regs.pc) == NULL && !is_in_arch(fault->regs.pc)) {
        return false;
    }
    if (fault->number == SIGSEGV && store_guards(store, fault->address)) {
        *kind = store->has_lost ? TRAP_IMAGE_CHANGED : TRAP_STACK_EXHAUSTED;
        return true;
    }
    if (fault->number == SIGBUS) {
        *kind = TRAP_IMAGE_CHANGED;
        return runtime_store_maps(store, (const u8 *)(uintptr_t)fault->address) ||
               memory_at(store, fault->address) != NULL;
    }
    return trap_of_table(store, fault, kind);
}

// ---- Leaving guest code -------------------------------------------------------------------------

static void record_fault(ImagoStore *store, const Fault *fault, TrapKind kind) {
    runtime_trap_set(store, kind);
    const ImagoMemory *memory = memory_at(store, fault->address);
    if (kind == TRAP_MEMORY_OUT_OF_BOUNDS && fault->number == SIGSEGV && memory != NULL) {
        store->trap.trap.has_address = true;
        store->trap.trap.address = fault->address - (u64)(uintptr_t)memory->vm.base;
        store->trap.trap.memory_bytes = memory->vm.bytes;
    }
    if (kind != TRAP_IMAGE_CHANGED) {
        const FaultPlace place = {fault->regs.pc, fault->regs.sp, fault->regs.fp,
                                  fault->regs.vmctx};
        runtime_backtrace_fault(store, &place);
    }
}

// ---- Host code that reads a file ----------------------------------------------------------------

void runtime_read_begin(HostRead *read, const u8 *at, u64 bytes) {
    *read = (HostRead){runtime_thread.host_read, at, bytes, false};
    atomic_signal_fence(memory_order_seq_cst);
    runtime_thread.host_read = read;
    atomic_signal_fence(memory_order_seq_cst);
}

bool runtime_read_end(const HostRead *read) {
    atomic_signal_fence(memory_order_seq_cst);
    runtime_thread.host_read = read->outer;
    atomic_signal_fence(memory_order_seq_cst);
    return !read->has_missed;
}

// Puts zeros in the place of a page that is not there, so that the access can be repeated.
static bool put_zeros(const void *address, int access) {
    const usize page = os_page_bytes();
    void *start = (void *)((uintptr_t)address & ~(page - 1));
    return mmap(start, page, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           MAP_FAILED;
}

static bool supply_read(const siginfo_t *info) {
    const u8 *address = info->si_addr;
    HostRead *read = runtime_thread.host_read;
    while (read != NULL && (address < read->at || (u64)(address - read->at) >= read->bytes)) {
        read = read->outer;
    }
    if (read == NULL) {
        return false;
    }
    read->has_missed = true;
    return put_zeros(address, PROT_READ);
}

// The host reads or writes a guest's memory, in a call or not. No guest may go on with what it
// then finds.
static bool supply_memory(const siginfo_t *info) {
    ImagoMemory *memory = runtime_memory_index_at(info->si_addr);
    if (memory == NULL) {
        return false;
    }
    runtime_store_lose(memory->store);
    return put_zeros(info->si_addr, PROT_READ | PROT_WRITE);
}

// ---- The handler --------------------------------------------------------------------------------

// The fault is one of guest code, or of C code on its behalf, and ends the activation.
static bool end_activation(int number, const siginfo_t *info, ucontext_t *context) {
    ThreadState *thread = &runtime_thread;
    ImagoStore *store = thread->store;
    if (store == NULL) {
        return false;
    }
    const Fault fault = {number, (u64)(uintptr_t)info->si_addr, fault_regs(context)};
    if (thread->reads_image) {
        if (number != SIGBUS || (!runtime_store_maps(store, info->si_addr) &&
                                 memory_at(store, fault.address) == NULL)) {
            return false;
        }
        runtime_trap_set(store, TRAP_IMAGE_CHANGED);
    } else {
        TrapKind kind = TRAP_UNREACHABLE;
        thread->reads_image = true;
        if (!trap_of_fault(store, &fault, &kind)) {
            thread->reads_image = false;
            return false;
        }
        record_fault(store, &fault, kind);
    }
    thread->reads_image = false;
    fault_land(context, &store->exec, IMAGO_TRAP);
    return true;
}

static bool handle(int number, const siginfo_t *info, ucontext_t *context) {
    // Sent by kill(); or without an address (a handler found no stack, or the address was none).
    if (info->si_code <= 0 || info->si_code == SI_KERNEL) {
        return false;
    }
    const bool is_missing = number == SIGBUS;
    return (is_missing && supply_read(info)) || end_activation(number, info, context) ||
           (is_missing && supply_memory(info));
}

// ---- Handing on ---------------------------------------------------------------------------------

// What the kernel does for an action without handler. Returning repeats a faulting instruction,
// which then dies of the default action at the right place, for a useful core dump.
static void act_by_default(int number, const siginfo_t *info, bool is_ignored) {
    const bool was_sent = info->si_code <= 0;
    if (is_ignored && was_sent) {
        return;
    }
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    if (was_sent) {
        raise(number);
    }
}

static void hand_on(SignalSlot *slot, siginfo_t *info, void *context) {
    const struct sigaction previous = slot->previous;
    if (!(previous.sa_flags & SA_SIGINFO) &&
        (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)) {
        act_by_default(slot->number, info, previous.sa_handler == SIG_IGN);
        return;
    }
    sigset_t mask = previous.sa_mask;
    if (!(previous.sa_flags & SA_NODEFER)) {
        sigaddset(&mask, slot->number);
    }
    // Returning from our handler restores the mask that the context holds.
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    if (previous.sa_flags & (int)SA_RESETHAND) {
        slot->previous = (struct sigaction){.sa_handler = SIG_DFL};
    }
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(slot->number, info, context);
    } else {
        previous.sa_handler(slot->number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context) {
    const int saved_errno = errno;
    if (!handle(number, info, context)) {
        for (usize i = 0; i < COUNT_OF(slots); i++) {
            if (slots[i].number == number) {
                hand_on(&slots[i], info, context);
            }
        }
    }
    errno = saved_errno;
}

// ---- Installing ---------------------------------------------------------------------------------

static void remove_alt_stack(void *map) {
    stack_t current;
    const usize bytes = ALT_STACK_BYTES + os_page_bytes();
    if (sigaltstack(NULL, &current) == 0 && current.ss_sp == (u8 *)map + os_page_bytes()) {
        current.ss_flags = SS_DISABLE;
        (void)sigaltstack(&current, NULL);
    }
    runtime_thread.is_ready = false;
    os_release(map, bytes);
}

static bool install(SignalSlot *slot, Error *err) {
    if (slot->is_installed) {
        return true; // somebody else's handler may call ours: it never left
    }
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    // The previous action is known before ours can run.
    if (sigaction(slot->number, NULL, &slot->previous) != 0 ||
        sigaction(slot->number, &action, NULL) != 0) {
        return fail(err, OS, ERROR_NO_OFFSET, "cannot install a handler for signal %d: %s",
                    slot->number, strerror(errno));
    }
    slot->is_installed = true;
    return true;
}

bool runtime_signals_install(Error *err) {
    if (!has_alt_stack_key) {
        if (pthread_key_create(&alt_stack_key, remove_alt_stack) != 0) {
            return fail(err, OS, ERROR_NO_OFFSET, "no thread-specific data key is left");
        }
        has_alt_stack_key = true;
    }
    for (usize i = 0; i < COUNT_OF(slots); i++) {
        if (!install(&slots[i], err)) {
            runtime_signals_remove();
            return false;
        }
    }
    return true;
}

void runtime_signals_remove(void) {
    for (usize i = 0; i < COUNT_OF(slots); i++) {
        struct sigaction current;
        if (slots[i].is_installed && sigaction(slots[i].number, NULL, &current) == 0 &&
            (current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_signal) {
            (void)sigaction(slots[i].number, &slots[i].previous, NULL);
            slots[i].is_installed = false;
        }
    }
}

// ---- Threads ------------------------------------------------------------------------------------

static bool make_alt_stack(Error *err) {
    const usize guard = os_page_bytes(), bytes = ALT_STACK_BYTES + guard;
    u8 *map = os_reserve(bytes, err);
    if (map == NULL) {
        return false;
    }
    const stack_t stack = {.ss_sp = map + guard, .ss_size = ALT_STACK_BYTES};
    if (!os_commit(map + guard, ALT_STACK_BYTES, err)) {
        os_release(map, bytes);
        return false;
    }
    if (pthread_setspecific(alt_stack_key, map) != 0 || sigaltstack(&stack, NULL) != 0) {
        (void)pthread_setspecific(alt_stack_key, NULL);
        os_release(map, bytes);
        return fail(err, OS, ERROR_NO_OFFSET, "cannot set an alternate signal stack: %s",
                    strerror(errno));
    }
    return true;
}

bool runtime_thread_prepare(Error *err) {
    if (runtime_thread.is_ready) {
        return true;
    }
    stack_t current;
    if (sigaltstack(NULL, &current) != 0 || (current.ss_flags & SS_DISABLE)) {
        TRY(make_alt_stack(err));
    }
    runtime_thread.is_ready = true;
    return true;
}

// Costs a read of /proc/self/maps on the main thread: asked for nested calls only.
static void find_stack(ThreadState *thread) {
    thread->knows_stack = true;
    pthread_attr_t attr;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) {
        return;
    }
    void *low = NULL;
    usize bytes = 0;
    if (pthread_attr_getstack(&attr, &low, &bytes) == 0 && low != NULL) {
        thread->stack_low = low;
        thread->stack_high = thread->stack_low + bytes;
    }
    pthread_attr_destroy(&attr);
}

bool runtime_thread_is_low(void) {
    ThreadState *thread = &runtime_thread;
    if (!thread->knows_stack) {
        find_stack(thread);
    }
    const u8 *here = __builtin_frame_address(0);
    if (here < thread->stack_low || here >= thread->stack_high) {
        return false;
    }
    usize reserve = (usize)(thread->stack_high - thread->stack_low) / 8;
    if (reserve > HOST_STACK_RESERVE_BYTES) {
        reserve = HOST_STACK_RESERVE_BYTES;
    }
    return (usize)(here - thread->stack_low) < reserve;
}
