// poll_oneoff: waits for the first of several clocks and descriptors.
//
// The subscriptions are copied first, so that events may overwrite them in guest memory. One that
// is wrong in itself (closed descriptor, no right, clock that cannot be waited for) becomes an
// event with its error at once; a list that cannot be read is refused as a whole.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wasi/clock.h"
#include "wasi/fd_table.h"
#include "wasi/guest.h"

enum { NS_PER_S = 1000000000 };

// Where a subscription keeps its parts; the older module puts an identifier before the clock.
typedef struct SubscriptionLayout {
    u8 clock_id, timeout, clock_flags, bytes;
} SubscriptionLayout;
enum { SUBSCRIPTION_USERDATA = 0, SUBSCRIPTION_TAG = 8, SUBSCRIPTION_FD = 16 };
static const SubscriptionLayout PREVIEW1_LAYOUT = {16, 24, 40, 48};
static const SubscriptionLayout UNSTABLE_LAYOUT = {24, 32, 48, 56};

typedef struct Subscription {
    u64 userdata;
    u8 type;
    WasiErrno error;  // it is ready with this
    u32 clock_id;     // of the deadline: realtime or monotonic
    u64 deadline;     // clocks, in nanoseconds
    const WasiFd *fd; // descriptors
    u32 fd_slot;      // index of its pollfd
} Subscription;

typedef struct Poll {
    WasiCall *call;
    Subscription *subs;
    struct pollfd *fds;
    u32 count, fd_count;
    u64 now[2]; // realtime, monotonic
} Poll;

static bool parse_clock(Poll *poll, Subscription *sub, const u8 *at,
                        const SubscriptionLayout *lay) {
    const u16 flags = load_u16(at + lay->clock_flags);
    const u64 timeout = load_u64(at + lay->timeout);
    sub->clock_id = load_u32(at + lay->clock_id);
    if ((flags & ~WASI_SUBCLOCK_ABSTIME) != 0) {
        return wasi_fail(poll->call, WASI_INVAL);
    }
    if (sub->clock_id > WASI_CLOCK_MONOTONIC) {
        sub->error = sub->clock_id > WASI_CLOCK_THREAD_CPU ? WASI_INVAL : WASI_NOTSUP;
        return true;
    }
    sub->deadline = timeout;
    if ((flags & WASI_SUBCLOCK_ABSTIME) == 0) { // no clock change disturbs a relative one
        sub->clock_id = WASI_CLOCK_MONOTONIC;
        if (!add_u64(poll->now[WASI_CLOCK_MONOTONIC], timeout, &sub->deadline)) {
            sub->deadline = UINT64_MAX;
        }
    }
    return true;
}

static void parse_fd(Poll *poll, Subscription *sub, const u8 *at) {
    const bool is_read = sub->type == WASI_EVENT_FD_READ;
    const u64 rights =
        WASI_RIGHT_POLL_FD_READWRITE | (is_read ? WASI_RIGHT_FD_READ : WASI_RIGHT_FD_WRITE);
    WasiFd *entry;
    if (!wasi_fd_number(poll->call, load_u32(at + SUBSCRIPTION_FD), rights, &entry)) {
        sub->error = poll->call->error;
        poll->call->error = WASI_SUCCESS;
        return;
    }
    sub->fd = entry;
    sub->fd_slot = poll->fd_count++;
    poll->fds[sub->fd_slot] =
        (struct pollfd){.fd = entry->host, .events = is_read ? POLLIN : POLLOUT};
}

static bool parse_one(Poll *poll, Subscription *sub, const u8 *at, const SubscriptionLayout *lay) {
    *sub = (Subscription){.userdata = load_u64(at + SUBSCRIPTION_USERDATA),
                          .type = at[SUBSCRIPTION_TAG]};
    switch (sub->type) {
    case WASI_EVENT_CLOCK:
        return parse_clock(poll, sub, at, lay);
    case WASI_EVENT_FD_READ:
    case WASI_EVENT_FD_WRITE:
        parse_fd(poll, sub, at);
        return true;
    default:
        return wasi_fail(poll->call, WASI_INVAL);
    }
}

static bool read_clocks(Poll *poll) {
    TRY(wasi_clock_now(poll->call, WASI_CLOCK_REALTIME, &poll->now[WASI_CLOCK_REALTIME]));
    return wasi_clock_now(poll->call, WASI_CLOCK_MONOTONIC, &poll->now[WASI_CLOCK_MONOTONIC]);
}

static bool is_ready(const Poll *poll, const Subscription *sub) {
    if (sub->error != WASI_SUCCESS) {
        return true;
    }
    if (sub->type == WASI_EVENT_CLOCK) {
        return sub->deadline <= poll->now[sub->clock_id];
    }
    return poll->fds[sub->fd_slot].revents != 0;
}

// How long to wait at most, in nanoseconds; UINT64_MAX: for ever. The realtime clock may be set
// meanwhile: it is looked at every second.
static u64 time_to_wait(const Poll *poll) {
    u64 least = UINT64_MAX;
    for (u32 i = 0; i < poll->count; i++) {
        const Subscription *sub = &poll->subs[i];
        if (is_ready(poll, sub)) {
            return 0;
        }
        if (sub->type != WASI_EVENT_CLOCK || sub->deadline == UINT64_MAX) {
            continue;
        }
        u64 left = sub->deadline - poll->now[sub->clock_id];
        left = sub->clock_id == WASI_CLOCK_REALTIME && left > NS_PER_S ? NS_PER_S : left;
        least = left < least ? left : least;
    }
    return least;
}

// One system call; false on an error. A signal that interrupts it counts as nothing ready.
static bool wait_once(Poll *poll) {
    const u64 ns = time_to_wait(poll);
    const struct timespec time = {.tv_sec = (time_t)(ns / NS_PER_S),
                                  .tv_nsec = (long)(ns % NS_PER_S)};
    if (ppoll(poll->fds, poll->fd_count, ns == UINT64_MAX ? NULL : &time, NULL) < 0) {
        if (errno != EINTR) {
            return wasi_fail_host(poll->call);
        }
        for (u32 i = 0; i < poll->fd_count; i++) {
            poll->fds[i].revents = 0;
        }
    }
    return read_clocks(poll);
}

// Bytes that can be read without waiting, as far as the host knows.
static u64 readable_bytes(const WasiFd *entry) {
    struct stat st;
    int bytes = 0;
    if (entry->kind == WASI_ON_FILE) {
        const off_t at = lseek(entry->host, 0, SEEK_CUR);
        return at >= 0 && fstat(entry->host, &st) == 0 && st.st_size > at ? (u64)(st.st_size - at)
                                                                          : 0;
    }
    return ioctl(entry->host, FIONREAD, &bytes) == 0 && bytes > 0 ? (u64)bytes : 0;
}

static void store_event(const Poll *poll, const Subscription *sub, u8 *at) {
    memset(at, 0, WASI_EVENT_BYTES);
    store_u64(at + WASI_EVENT_USERDATA, sub->userdata);
    store_u16(at + WASI_EVENT_ERROR, (u16)sub->error);
    at[WASI_EVENT_TYPE] = sub->type;
    if (sub->type == WASI_EVENT_CLOCK || sub->error != WASI_SUCCESS) {
        return;
    }
    const short happened = poll->fds[sub->fd_slot].revents;
    if ((happened & POLLNVAL) != 0) {
        store_u16(at + WASI_EVENT_ERROR, WASI_BADF);
        return;
    }
    const bool is_read = sub->type == WASI_EVENT_FD_READ;
    const u64 bytes = is_read ? readable_bytes(sub->fd) : (happened & POLLOUT) != 0;
    store_u64(at + WASI_EVENT_NBYTES, bytes);
    // The error of a broken pipe or connection is what reading or writing then answers.
    const bool is_hangup = (happened & (POLLHUP | POLLERR)) != 0;
    store_u16(at + WASI_EVENT_RWFLAGS, is_hangup ? WASI_EVENT_HANGUP : 0);
}

static u32 store_events(const Poll *poll, u8 *events) {
    u32 stored = 0;
    for (u32 i = 0; i < poll->count; i++) {
        if (is_ready(poll, &poll->subs[i])) {
            store_event(poll, &poll->subs[i], events + (usize)stored * WASI_EVENT_BYTES);
            stored++;
        }
    }
    return stored;
}

static bool run(Poll *poll, const u8 *list, const SubscriptionLayout *layout, u8 *events,
                u8 *done) {
    TRY(read_clocks(poll));
    for (u32 i = 0; i < poll->count; i++) {
        TRY(parse_one(poll, &poll->subs[i], list + (usize)i * layout->bytes, layout));
    }
    u32 stored;
    do {
        TRY(wait_once(poll));
        stored = store_events(poll, events);
    } while (stored == 0);
    store_u32(done, stored);
    return true;
}

static bool poll_oneoff(WasiCall *call, const SubscriptionLayout *layout) {
    const u32 count = wasi_arg_u32(call, 2);
    u8 *list, *events, *done;
    if (count == 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    TRY(wasi_array(call, 0, count, layout->bytes, &list));
    TRY(wasi_array(call, 1, count, WASI_EVENT_BYTES, &events));
    TRY(wasi_pointer(call, 3, 4, &done));
    if (count > WASI_MAX_SUBSCRIPTIONS) {
        return wasi_fail(call, WASI_NOMEM);
    }
    Poll poll = {.call = call, .count = count};
    poll.subs = mem_alloc(count * (sizeof *poll.subs + sizeof *poll.fds));
    if (poll.subs == NULL) {
        return wasi_fail(call, WASI_NOMEM);
    }
    poll.fds = (struct pollfd *)(void *)(poll.subs + count);
    const bool is_done = run(&poll, list, layout, events, done);
    mem_free(poll.subs);
    return is_done;
}

bool wasi_poll_oneoff(WasiCall *call) { return poll_oneoff(call, &PREVIEW1_LAYOUT); }
bool wasi_poll_oneoff_unstable(WasiCall *call) { return poll_oneoff(call, &UNSTABLE_LAYOUT); }
