// fd_read, fd_write, fd_pread, fd_pwrite: the kernel reads and writes guest memory directly.
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wasi/guest.h"
#include "wasi/io.h"

bool wasi_iovecs_arg(WasiCall *call, u32 arg, WasiIovecs *out) {
    const u32 count = wasi_arg_u32(call, arg + 1);
    struct iovec *iovecs = (struct iovec *)(void *)call->wasi->scratch;
    _Static_assert(sizeof call->wasi->scratch >= WASI_MAX_IOVECS * sizeof *iovecs, "room");
    u8 *list;
    TRY(wasi_array(call, arg, count, WASI_IOVEC_BYTES, &list));
    if (count > WASI_MAX_IOVECS) {
        return wasi_fail(call, WASI_INVAL);
    }
    for (u32 i = 0; i < count; i++) {
        const u8 *item = list + (usize)i * WASI_IOVEC_BYTES;
        const u32 bytes = load_u32(item + WASI_IOVEC_LEN);
        u8 *buffer;
        TRY(wasi_span(call, load_u32(item + WASI_IOVEC_BUF), bytes, &buffer));
        iovecs[i] = (struct iovec){.iov_base = buffer, .iov_len = bytes};
    }
    *out = (WasiIovecs){iovecs, count};
    return true;
}

bool wasi_fd_check_ready(WasiCall *call, const WasiFd *entry, short events) {
    if (!entry->is_borrowed || (entry->flags & WASI_FDFLAG_NONBLOCK) == 0) {
        return true;
    }
    struct pollfd waited = {.fd = entry->host, .events = events};
    return poll(&waited, 1, 0) != 0 || wasi_fail(call, WASI_AGAIN);
}

bool wasi_fd_tries_again(const WasiFd *entry, short events) {
    if (errno == EINTR) {
        return true;
    }
    if (errno != EAGAIN || (entry->flags & WASI_FDFLAG_NONBLOCK) != 0) {
        return false;
    }
    struct pollfd waited = {.fd = entry->host, .events = events};
    return poll(&waited, 1, -1) >= 0 || errno == EINTR;
}

static bool fd_and_iovecs(WasiCall *call, u64 rights, u32 count_arg, WasiFd **entry,
                          WasiIovecs *iovecs, u8 **done) {
    TRY(wasi_fd_arg(call, 0, rights, entry));
    TRY(wasi_pointer(call, count_arg, 4, done));
    return wasi_iovecs_arg(call, 1, iovecs);
}

static bool store_count(WasiCall *call, u8 *at, ssize_t count) {
    if (count < 0) {
        return wasi_fail_host(call);
    }
    store_u32(at, (u32)count); // the kernel moves less than 2 GiB at a time
    return true;
}

// `pwritev` and `preadv` take a signed offset.
static bool offset_arg(WasiCall *call, u32 arg, off_t *out) {
    *out = (off_t)call->args[arg];
    return call->args[arg] <= INT64_MAX || wasi_fail(call, WASI_INVAL);
}

bool wasi_fd_read(WasiCall *call) {
    WasiFd *entry;
    WasiIovecs iovecs;
    u8 *done;
    TRY(fd_and_iovecs(call, WASI_RIGHT_FD_READ, 3, &entry, &iovecs, &done));
    TRY(wasi_fd_check_ready(call, entry, POLLIN));
    ssize_t count;
    do {
        count = readv(entry->host, iovecs.at, (int)iovecs.count);
    } while (count < 0 && wasi_fd_tries_again(entry, POLLIN));
    return store_count(call, done, count);
}

// preadv or pwritev.
typedef ssize_t MoveAt(int host, const struct iovec *iovecs, int count, off_t offset);

static bool move_at(WasiCall *call, u64 right, short events, MoveAt *move) {
    WasiFd *entry;
    WasiIovecs iovecs;
    u8 *done;
    off_t offset;
    TRY(fd_and_iovecs(call, right | WASI_RIGHT_FD_SEEK, 4, &entry, &iovecs, &done));
    TRY(offset_arg(call, 3, &offset));
    ssize_t count;
    do {
        count = move(entry->host, iovecs.at, (int)iovecs.count, offset);
    } while (count < 0 && wasi_fd_tries_again(entry, events));
    return store_count(call, done, count);
}

bool wasi_fd_pread(WasiCall *call) { return move_at(call, WASI_RIGHT_FD_READ, POLLIN, preadv); }

// With APPEND the data goes to the end of the file, as on Linux, whatever the offset.
bool wasi_fd_pwrite(WasiCall *call) { return move_at(call, WASI_RIGHT_FD_WRITE, POLLOUT, pwritev); }

// writev to a pipe without the SIGPIPE that would end the host: it is blocked for this thread
// meanwhile, and the one that this write raised is taken back. One that waited before, which can
// only be if it was blocked before, is left. The process's signal dispositions are the embedder's
// and stay untouched.
static ssize_t pipe_write(int host, const WasiIovecs *iovecs) {
    const struct timespec no_time = {0};
    sigset_t only_pipe, before, pending;
    sigemptyset(&pending);
    sigemptyset(&only_pipe);
    sigaddset(&only_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only_pipe, &before);
    if (sigismember(&before, SIGPIPE) == 1) {
        sigpending(&pending);
    }
    const ssize_t count = writev(host, iovecs->at, (int)iovecs->count);
    const int reason = errno;
    if (count < 0 && reason == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
        while (sigtimedwait(&only_pipe, NULL, &no_time) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return count;
}

static ssize_t write_once(const WasiFd *entry, const WasiIovecs *iovecs) {
    if (entry->kind == WASI_ON_PIPE) {
        return pipe_write(entry->host, iovecs);
    }
    if (entry->kind == WASI_ON_SOCKET) {
        const struct msghdr message = {.msg_iov = iovecs->at, .msg_iovlen = iovecs->count};
        return sendmsg(entry->host, &message, MSG_NOSIGNAL);
    }
    return writev(entry->host, iovecs->at, (int)iovecs->count);
}

// Cuts the list to what a descriptor that is ready can take without blocking.
static void cut_to_atomic(WasiIovecs *iovecs) {
    usize left = PIPE_BUF;
    for (u32 i = 0; i < iovecs->count; i++) {
        if (iovecs->at[i].iov_len > left) {
            iovecs->at[i].iov_len = left;
        }
        left -= iovecs->at[i].iov_len;
    }
}

bool wasi_fd_write(WasiCall *call) {
    WasiFd *entry;
    WasiIovecs iovecs;
    u8 *done;
    TRY(fd_and_iovecs(call, WASI_RIGHT_FD_WRITE, 3, &entry, &iovecs, &done));
    TRY(wasi_fd_check_ready(call, entry, POLLOUT));
    if (entry->is_borrowed && (entry->flags & WASI_FDFLAG_NONBLOCK) != 0 &&
        entry->kind != WASI_ON_FILE) {
        cut_to_atomic(&iovecs);
    }
    ssize_t count;
    do {
        count = write_once(entry, &iovecs);
    } while (count < 0 && wasi_fd_tries_again(entry, POLLOUT));
    return store_count(call, done, count);
}
