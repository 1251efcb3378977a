// poll_oneoff: clocks, descriptors, errors in single subscriptions, limits.
#define _GNU_SOURCE
#include "unit/wasi_test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { AT_SUBS = AT_DATA, AT_EVENTS = AT_DATA + 0x8000, MS = 1000000 };

static u64 now_ns(clockid_t clock) {
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (u64)time.tv_sec * 1000000000 + (u64)time.tv_nsec;
}

static void put_clock(u32 i, u32 clock, u64 timeout, u16 flags) {
    u8 *at = memory + AT_SUBS + i * 48;
    memset(at, 0, 48);
    store_u64(at, 100 + i);
    store_u32(at + 16, clock);
    store_u64(at + 24, timeout);
    store_u16(at + 40, flags);
}

static void put_fd(u32 i, u8 type, u32 fd) {
    u8 *at = memory + AT_SUBS + i * 48;
    memset(at, 0, 48);
    store_u64(at, 100 + i);
    at[8] = type;
    store_u32(at + 16, fd);
}

static WasiErrno run(u32 count) { return CALL(poll_oneoff, AT_SUBS, AT_EVENTS, count, AT_OUT); }

static const u8 *event(u32 i) { return memory + AT_EVENTS + i * WASI_EVENT_BYTES; }

static void expect_event(u32 i, u64 userdata, WasiErrno error, u8 type) {
    EXPECT_EQ(load_u64(event(i) + WASI_EVENT_USERDATA), userdata);
    EXPECT_ERRNO((WasiErrno)load_u16(event(i) + WASI_EVENT_ERROR), error);
    EXPECT_EQ(event(i)[WASI_EVENT_TYPE], type);
}

static int pipe_fds[2]; // descriptor 0 reads it, descriptor 1 writes it

static void begin(void) {
    ImagoWasiOptions options = {.size = sizeof options, .stderr_fd = -1};
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        exit(1);
    }
    options.stdin_fd = pipe_fds[0];
    options.stdout_fd = pipe_fds[1];
    wasi = imago_wasi_new(&options, NULL);
}

static void end(void) {
    guest_end();
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

TEST(clocks) {
    static const struct {
        u32 clock;
        bool is_absolute;
        i64 ms;
    } ROWS[] = {
        {WASI_CLOCK_MONOTONIC, false, 30}, {WASI_CLOCK_MONOTONIC, true, 30},
        {WASI_CLOCK_REALTIME, false, 30},  {WASI_CLOCK_REALTIME, true, 30},
        {WASI_CLOCK_MONOTONIC, false, 0},  {WASI_CLOCK_MONOTONIC, true, -1000},
        {WASI_CLOCK_REALTIME, true, -1000},
    };
    begin();
    for (u32 i = 0; i < COUNT_OF(ROWS); i++) {
        const clockid_t host =
            ROWS[i].clock == WASI_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        const u64 start = now_ns(CLOCK_MONOTONIC);
        const u64 base = ROWS[i].is_absolute ? now_ns(host) : 0;
        put_clock(0, ROWS[i].clock, base + (u64)(ROWS[i].ms * MS), ROWS[i].is_absolute);
        EXPECT_OK(run(1));
        EXPECT_EQ(out_u32(0), 1);
        expect_event(0, 100, WASI_SUCCESS, WASI_EVENT_CLOCK);
        const i64 took = (i64)(now_ns(CLOCK_MONOTONIC) - start);
        const i64 wanted = ROWS[i].ms < 0 ? 0 : ROWS[i].ms * MS;
        if (took < wanted - MS || took > wanted + 2000 * (i64)MS) {
            TEST_FAIL("row %u took %lld ns", i, (long long)took);
        }
    }
    end();
}

TEST(earliest_clock) {
    begin();
    put_clock(0, WASI_CLOCK_MONOTONIC, UINT64_MAX, 0); // the sum would wrap
    put_clock(1, WASI_CLOCK_MONOTONIC, 20 * MS, 0);
    put_clock(2, WASI_CLOCK_REALTIME, UINT64_MAX, WASI_SUBCLOCK_ABSTIME);
    EXPECT_OK(run(3));
    EXPECT_EQ(out_u32(0), 1);
    expect_event(0, 101, WASI_SUCCESS, WASI_EVENT_CLOCK);
    end();
}

TEST(descriptors) {
    begin();
    put_fd(0, WASI_EVENT_FD_READ, 0);
    put_fd(1, WASI_EVENT_FD_WRITE, 1);
    put_clock(2, WASI_CLOCK_MONOTONIC, 10000 * (u64)MS, 0);
    EXPECT_OK(run(3));
    EXPECT_EQ(out_u32(0), 1);
    expect_event(0, 101, WASI_SUCCESS, WASI_EVENT_FD_WRITE);
    EXPECT_EQ(load_u64(event(0) + WASI_EVENT_NBYTES), 1);
    EXPECT_EQ(write(pipe_fds[1], "hello", 5), 5);
    EXPECT_OK(run(3));
    EXPECT_EQ(out_u32(0), 2);
    expect_event(0, 100, WASI_SUCCESS, WASI_EVENT_FD_READ);
    EXPECT_EQ(load_u64(event(0) + WASI_EVENT_NBYTES), 5);
    EXPECT_EQ(load_u16(event(0) + WASI_EVENT_RWFLAGS), 0);
    expect_event(1, 101, WASI_SUCCESS, WASI_EVENT_FD_WRITE);
    end();
}

TEST(timeout_of_descriptor) {
    begin();
    put_fd(0, WASI_EVENT_FD_READ, 0);
    put_clock(1, WASI_CLOCK_MONOTONIC, 20 * MS, 0);
    EXPECT_OK(run(2));
    EXPECT_EQ(out_u32(0), 1);
    expect_event(0, 101, WASI_SUCCESS, WASI_EVENT_CLOCK);
    end();
}

TEST(hangup) {
    begin();
    (void)close(pipe_fds[1]);
    put_fd(0, WASI_EVENT_FD_READ, 0);
    EXPECT_OK(run(1));
    expect_event(0, 100, WASI_SUCCESS, WASI_EVENT_FD_READ);
    EXPECT_EQ(load_u16(event(0) + WASI_EVENT_RWFLAGS), WASI_EVENT_HANGUP);
    put_fd(0, WASI_EVENT_FD_WRITE, 1); // closed behind our back: the host's mistake
    EXPECT_OK(run(1));
    expect_event(0, 100, WASI_BADF, WASI_EVENT_FD_WRITE);
    guest_end();
    (void)close(pipe_fds[0]);
}

// One that is wrong in itself is an event at once, beside those that are ready.
TEST(errors) {
    begin();
    put_fd(0, WASI_EVENT_FD_READ, 77);
    put_fd(1, WASI_EVENT_FD_WRITE, 0); // standard input cannot be written
    put_fd(2, WASI_EVENT_FD_READ, 0);
    put_clock(3, WASI_CLOCK_PROCESS_CPU, 1, 0);
    put_clock(4, 99, 1, 0);
    put_clock(5, WASI_CLOCK_MONOTONIC, 10000 * (u64)MS, 0);
    EXPECT_OK(run(6));
    EXPECT_EQ(out_u32(0), 4);
    expect_event(0, 100, WASI_BADF, WASI_EVENT_FD_READ);
    expect_event(1, 101, WASI_NOTCAPABLE, WASI_EVENT_FD_WRITE);
    expect_event(2, 103, WASI_NOTSUP, WASI_EVENT_CLOCK);
    expect_event(3, 104, WASI_INVAL, WASI_EVENT_CLOCK);
    put_fd(0, 3, 0); // no such type
    EXPECT_ERRNO(run(1), WASI_INVAL);
    put_clock(0, WASI_CLOCK_MONOTONIC, 1, 2); // no such flag
    EXPECT_ERRNO(run(1), WASI_INVAL);
    EXPECT_ERRNO(run(0), WASI_INVAL);
    end();
}

TEST(limits) {
    begin();
    put_clock(0, WASI_CLOCK_MONOTONIC, 1, 0);
    const u32 at_end = MEMORY_BYTES - 48;
    memcpy(memory + at_end, memory + AT_SUBS, 48);
    EXPECT_OK(CALL(poll_oneoff, at_end, AT_EVENTS, 1, AT_OUT));
    EXPECT_ERRNO(CALL(poll_oneoff, at_end + 1, AT_EVENTS, 1, AT_OUT), WASI_FAULT);
    EXPECT_ERRNO(CALL(poll_oneoff, AT_SUBS, MEMORY_BYTES - 31, 1, AT_OUT), WASI_FAULT);
    EXPECT_ERRNO(CALL(poll_oneoff, AT_SUBS, AT_EVENTS, 1, MEMORY_BYTES - 3), WASI_FAULT);
    EXPECT_ERRNO(CALL(poll_oneoff, 0, 0, UINT32_MAX, AT_OUT), WASI_FAULT);
    EXPECT_ERRNO(CALL(poll_oneoff, 0, 0, 1000000, AT_OUT), WASI_FAULT);
    // As many as allowed, and one more, in a memory that holds them.
    const usize bytes = (WASI_MAX_SUBSCRIPTIONS + 1) * (usize)48;
    u8 *large = calloc(2, bytes);
    WasiCall call = {.wasi = wasi, .memory = large, .memory_bytes = 2 * bytes,
                     .args = {0, bytes, WASI_MAX_SUBSCRIPTIONS, 2 * bytes - 4}};
    EXPECT(wasi_poll_oneoff(&call)); // all of them: realtime, after nothing
    EXPECT_EQ(load_u32(large + 2 * bytes - 4), WASI_MAX_SUBSCRIPTIONS);
    call.args[2]++;
    EXPECT(!wasi_poll_oneoff(&call));
    EXPECT_ERRNO(call.error, WASI_NOMEM);
    free(large);
    end();
}

// Events may overwrite the subscriptions they answer.
TEST(overlapping) {
    begin();
    for (u32 i = 0; i < 8; i++) {
        put_clock(i, WASI_CLOCK_MONOTONIC, i < 4 ? 0 : 10000 * (u64)MS, 0);
    }
    EXPECT_OK(CALL(poll_oneoff, AT_SUBS, AT_SUBS + 8, 8, AT_OUT));
    EXPECT_EQ(out_u32(0), 4);
    for (u32 i = 0; i < 4; i++) {
        EXPECT_EQ(load_u64(memory + AT_SUBS + 8 + i * WASI_EVENT_BYTES), 100 + i);
    }
    end();
}

TEST(unstable_layout) {
    begin();
    u8 *at = memory + AT_SUBS;
    memset(at, 0, 2 * 56);
    store_u64(at, 7);
    store_u64(at + 16, 12345); // identifier
    store_u32(at + 24, WASI_CLOCK_MONOTONIC);
    store_u64(at + 32, 10 * MS);
    store_u64(at + 56, 8);
    at[56 + 8] = WASI_EVENT_FD_READ;
    store_u32(at + 56 + 16, 0);
    EXPECT_OK(CALL(poll_oneoff_unstable, AT_SUBS, AT_EVENTS, 2, AT_OUT));
    EXPECT_EQ(out_u32(0), 1);
    expect_event(0, 7, WASI_SUCCESS, WASI_EVENT_CLOCK);
    end();
}

static void on_alarm(int number) { (void)number; }

// A signal every millisecond changes nothing but the number of system calls.
TEST(interrupted) {
    begin();
    const struct sigaction action = {.sa_handler = on_alarm}; // no SA_RESTART
    struct sigaction old;
    timer_t timer;
    struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    const struct itimerspec every = {{0, MS}, {0, MS}};
    (void)sigaction(SIGALRM, &action, &old);
    if (timer_create(CLOCK_MONOTONIC, &how, &timer) != 0) {
        TEST_SKIP("no timers");
        end();
        return;
    }
    (void)timer_settime(timer, 0, &every, NULL);
    const u64 start = now_ns(CLOCK_MONOTONIC);
    put_clock(0, WASI_CLOCK_MONOTONIC, 50 * MS, 0);
    put_fd(1, WASI_EVENT_FD_READ, 0);
    EXPECT_OK(run(2));
    EXPECT_EQ(out_u32(0), 1);
    expect_event(0, 100, WASI_SUCCESS, WASI_EVENT_CLOCK);
    EXPECT(now_ns(CLOCK_MONOTONIC) - start >= 49 * (u64)MS);
    (void)timer_delete(timer);
    (void)sigaction(SIGALRM, &old, NULL);
    end();
}

int main(void) {
    RUN(clocks);
    RUN(earliest_clock);
    RUN(descriptors);
    RUN(timeout_of_descriptor);
    RUN(hangup);
    RUN(errors);
    RUN(limits);
    RUN(overlapping);
    RUN(unstable_layout);
    RUN(interrupted);
    return test_end();
}
