// Our signal handlers among others': faults that are not the guest's go where they went before.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "world.h"

static const char MODULE[] =
    "(module (import \"env\" \"host\" (func $host (param i32) (result i32)))"
    "  (memory 1)"
    "  (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    "  (func (export \"div\") (param i32) (result i32) (i32.div_u (i32.const 8) (local.get 0)))"
    "  (func (export \"call\") (param i32) (result i32) (call $host (local.get 0)))"
    "  (func $deep (export \"deep\") (param i32) (result i32)"
    "    (i32.add (i32.const 1) (call $deep (local.get 0)))))";

static sigjmp_buf landing;
static volatile sig_atomic_t simple_calls, info_calls, last_code;
static void *volatile last_address;
static struct sigaction below; // what the handler on top of ours found

static void on_simple(int number) {
    simple_calls++;
    siglongjmp(landing, number);
}

static void on_info(int number, siginfo_t *info, void *context) {
    (void)context;
    info_calls++;
    last_code = info->si_code;
    last_address = info->si_addr;
    if (info->si_code > 0) {
        siglongjmp(landing, number);
    }
}

// As a well-behaved embedder does it that installs its handler after ours: its own faults are those
// at address 0x40; all others are handed on.
static void on_top(int number, siginfo_t *info, void *context) {
    if ((uintptr_t)info->si_addr == 0x40) {
        on_info(number, info, context);
    }
    below.sa_sigaction(number, info, context);
}

static void install(int number, void (*with_info)(int, siginfo_t *, void *), void (*simple)(int),
                    struct sigaction *old) {
    // On the alternate stack: when a guest has used up its stack, there is no other for a handler.
    struct sigaction action = {.sa_flags = with_info != NULL ? SA_SIGINFO | SA_ONSTACK : 0};
    if (with_info != NULL) {
        action.sa_sigaction = with_info;
    } else {
        action.sa_handler = simple;
    }
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, old);
}

__attribute__((noinline, no_sanitize("address", "undefined", "null"))) static void
fault_at(uintptr_t address) {
    __asm__ volatile("movl $1, (%0)" ::"r"(address) : "memory");
}

static ImagoStatus host_faults(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    if (values[0].i32 == 1) {
        raise(SIGSEGV);
    } else if (sigsetjmp(landing, 1) == 0) {
        fault_at(0x40);
    }
    values[0].i32 = 77;
    return IMAGO_OK;
}

static World signal_world(void) {
    World world = world_new(NULL);
    world_define(&world, "host", &WORLD_I32_TO_I32, host_faults, NULL);
    EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
    return world;
}

static void expect_traps(World *world) {
    EXPECT_TRAP(world, "load", 65536, "out of bounds memory access");
    EXPECT_TRAP(world, "div", 0, "integer divide by zero");
    EXPECT_TRAP(world, "deep", 0, "call stack exhausted");
    EXPECT_CALL(world, "div", 2, 4);
}

static void expect_own_fault(void) {
    const int before = info_calls + simple_calls;
    if (sigsetjmp(landing, 1) == 0) {
        fault_at(0x40);
        TEST_FAIL("the fault did not happen");
    }
    EXPECT_EQ(info_calls + simple_calls, before + 1);
}

TEST(handler_before_ours) {
    struct sigaction old;
    install(SIGSEGV, on_info, NULL, &old);
    World world = signal_world();
    expect_traps(&world);
    expect_own_fault();
    EXPECT(last_address == (void *)0x40);
    const int before = info_calls;
    EXPECT_CALL(&world, "call", 0, 77); // a fault of a host function, inside a call
    EXPECT_EQ(info_calls, before + 1);
    EXPECT_CALL(&world, "call", 1, 77); // a signal that was sent, inside a call
    EXPECT_EQ(info_calls, before + 2);
    EXPECT(last_code <= 0);
    expect_traps(&world);
    world_delete(&world);
    sigaction(SIGSEGV, &old, NULL);
}

TEST(handler_without_siginfo) {
    struct sigaction old;
    install(SIGSEGV, NULL, on_simple, &old);
    World world = signal_world();
    expect_traps(&world);
    expect_own_fault();
    EXPECT_CALL(&world, "call", 0, 77);
    expect_traps(&world);
    world_delete(&world);
    sigaction(SIGSEGV, &old, NULL);
}

TEST(handler_after_ours) {
    World world = signal_world();
    install(SIGSEGV, on_top, NULL, &below);
    expect_traps(&world);
    expect_own_fault();
    EXPECT_CALL(&world, "call", 0, 77);
    expect_traps(&world);
    world_delete(&world);
    // The last engine is gone, but the handler on top still calls ours, which must go on working
    // and must not be put on top of itself by a new engine.
    World again = signal_world();
    struct sigaction current;
    sigaction(SIGSEGV, NULL, &current);
    EXPECT(current.sa_sigaction == on_top);
    expect_traps(&again);
    expect_own_fault();
    world_delete(&again);
    sigaction(SIGSEGV, &below, NULL);
}

TEST(actions_are_restored) {
    struct sigaction old, current;
    install(SIGFPE, on_info, NULL, &old);
    World world = signal_world();
    sigaction(SIGFPE, NULL, &current);
    EXPECT(current.sa_sigaction != on_info);
    EXPECT((current.sa_flags & (SA_ONSTACK | SA_SIGINFO | SA_NODEFER)) ==
           (SA_ONSTACK | SA_SIGINFO | SA_NODEFER));
    ImagoEngine *second = imago_engine_new(NULL);
    world_delete(&world);
    sigaction(SIGFPE, NULL, &current);
    EXPECT(current.sa_sigaction != on_info);
    imago_engine_delete(second);
    sigaction(SIGFPE, NULL, &current);
    EXPECT(current.sa_sigaction == on_info);
    sigaction(SIGFPE, &old, NULL);
}

// ---- Default actions, in children ---------------------------------------------------------------

typedef void Child(void);

static int status_of(Child *child) {
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(SIGSEGV, &action, NULL);
        sigaction(SIGFPE, &action, NULL);
        sigaction(SIGBUS, &action, NULL);
        child();
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
}

static void child_faults(void) {
    World world = signal_world();
    expect_traps(&world);
    fault_at(0x40);
}

static void child_is_sent(void) {
    World world = signal_world();
    expect_traps(&world);
    kill(getpid(), SIGFPE);
}

static void child_ignores(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigaction(SIGFPE, &action, NULL);
    World world = signal_world();
    kill(getpid(), SIGFPE);
    expect_traps(&world);
    _exit(test_bad ? 1 : 21);
}

static void child_ignores_a_fault(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigaction(SIGSEGV, &action, NULL);
    World world = signal_world();
    expect_traps(&world);
    fault_at(0x40);
}

static void child_faults_in_call(void) {
    World world = signal_world();
    int32_t result = 0;
    (void)world_call_i32(&world, "call", 0, &result);
}

TEST(default_actions) {
    int status = status_of(child_faults);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = status_of(child_is_sent);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGFPE);
    status = status_of(child_ignores);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 21);
    status = status_of(child_ignores_a_fault);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = status_of(child_faults_in_call);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

// ---- Alternate stacks ---------------------------------------------------------------------------

static ImagoStatus answer(void *env, ImagoCaller *caller, ImagoValue *values) {
    (void)env;
    (void)caller;
    values[0].i32 = 1;
    return IMAGO_OK;
}

static void *exhaust_on_thread(void *env) {
    World *world = env;
    EXPECT_TRAP(world, "deep", 0, "call stack exhausted");
    return NULL;
}

static int count_mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    int lines = 0;
    for (int c; maps != NULL && (c = fgetc(maps)) != EOF;) {
        lines += c == '\n';
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return lines;
}

TEST(threads_give_their_stacks_back) {
    World world = signal_world();
    int before = 0;
    for (int i = 0; i < 40; i++) {
        pthread_t thread;
        EXPECT_EQ(pthread_create(&thread, NULL, exhaust_on_thread, &world), 0);
        pthread_join(thread, NULL);
        if (i == 4) {
            before = count_mappings();
        }
    }
    EXPECT(count_mappings() <= before + 4);
    world_delete(&world);
}

static void *with_own_alt_stack(void *env) {
    enum { BYTES = 65536 };
    void *memory = malloc(BYTES);
    const stack_t own = {.ss_sp = memory, .ss_size = BYTES};
    EXPECT_EQ(sigaltstack(&own, NULL), 0);
    (void)exhaust_on_thread(env);
    stack_t current;
    EXPECT_EQ(sigaltstack(NULL, &current), 0);
    EXPECT(current.ss_sp == memory && (current.ss_flags & SS_DISABLE) == 0);
    current.ss_flags = SS_DISABLE;
    EXPECT_EQ(sigaltstack(&current, NULL), 0);
    free(memory);
    return NULL;
}

TEST(own_alternate_stack_is_kept) {
    World world = signal_world();
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, with_own_alt_stack, &world), 0);
    pthread_join(thread, NULL);
    world_delete(&world);
}

// A trap leaves the thread's signal mask as it was.
TEST(mask_is_kept) {
    World world = world_new(NULL);
    world_define(&world, "host", &WORLD_I32_TO_I32, answer, NULL);
    EXPECT_EQ(world_add(&world, MODULE), IMAGO_OK);
    sigset_t mask, before, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    expect_traps(&world);
    pthread_sigmask(SIG_SETMASK, &before, &after);
    EXPECT(sigismember(&after, SIGUSR1) == 1);
    EXPECT(sigismember(&after, SIGSEGV) == 0);
    world_delete(&world);
}

int main(void) {
    RUN(handler_before_ours);
    RUN(handler_without_siginfo);
    RUN(handler_after_ours);
    RUN(actions_are_restored);
    RUN(default_actions);
    RUN(threads_give_their_stacks_back);
    RUN(own_alternate_stack_is_kept);
    RUN(mask_is_kept);
    return test_end();
}
