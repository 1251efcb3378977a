// sock_*: sockets that the host program handed in as a standard stream, and those they accept.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wasi/guest.h"
#include "wasi/io.h"

static bool socket_arg(WasiCall *call, u64 right, WasiFd **out) {
    TRY(wasi_fd_arg(call, 0, right, out));
    return (*out)->kind == WASI_ON_SOCKET || wasi_fail(call, WASI_NOTSOCK);
}

static bool accept_one(WasiCall *call, const WasiFd *listener, u32 flags, WasiFd *out) {
    const int host_flags = (flags & WASI_FDFLAG_NONBLOCK) != 0 ? SOCK_NONBLOCK : 0;
    int host;
    do {
        host = accept4(listener->host, NULL, NULL, SOCK_CLOEXEC | host_flags);
    } while (host < 0 && wasi_fd_tries_again(listener, POLLIN));
    if (host < 0) {
        return wasi_fail_host(call);
    }
    *out = (WasiFd){.host = host,
                    .filetype = WASI_FILETYPE_SOCKET_STREAM,
                    .kind = WASI_ON_SOCKET,
                    .flags = (u16)flags,
                    .base = listener->inheriting & wasi_rights_of_kind(WASI_ON_SOCKET)};
    return true;
}

bool wasi_sock_accept(WasiCall *call) {
    const u32 flags = wasi_arg_u32(call, 1);
    WasiFd *found, entry;
    u8 *out;
    u32 number;
    TRY(socket_arg(call, WASI_RIGHT_SOCK_ACCEPT, &found));
    const WasiFd listener = *found; // the table may move
    TRY(wasi_pointer(call, 2, 4, &out));
    if ((flags & ~(u32)WASI_FDFLAG_NONBLOCK) != 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    TRY(wasi_fd_check_ready(call, &listener, POLLIN));
    TRY(wasi_fd_reserve(call, &number));
    TRY(accept_one(call, &listener, flags, &entry));
    wasi_fd_insert(call->wasi, number, &entry);
    store_u32(out, number);
    return true;
}

bool wasi_sock_recv(WasiCall *call) {
    const u32 flags = wasi_arg_u32(call, 3);
    WasiFd *entry;
    WasiIovecs iovecs;
    u8 *bytes, *out_flags;
    TRY(socket_arg(call, WASI_RIGHT_FD_READ, &entry));
    TRY(wasi_iovecs_arg(call, 1, &iovecs));
    TRY(wasi_pointer(call, 4, 4, &bytes));
    TRY(wasi_pointer(call, 5, 2, &out_flags));
    if ((flags & ~(u32)(WASI_RECV_PEEK | WASI_RECV_WAITALL)) != 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    TRY(wasi_fd_check_ready(call, entry, POLLIN));
    const int host_flags = ((flags & WASI_RECV_PEEK) != 0 ? MSG_PEEK : 0) |
                           ((flags & WASI_RECV_WAITALL) != 0 ? MSG_WAITALL : 0);
    struct msghdr message = {.msg_iov = iovecs.at, .msg_iovlen = iovecs.count};
    ssize_t count;
    do {
        count = recvmsg(entry->host, &message, host_flags);
    } while (count < 0 && wasi_fd_tries_again(entry, POLLIN));
    if (count < 0) {
        return wasi_fail_host(call);
    }
    store_u32(bytes, (u32)count);
    store_u16(out_flags, (message.msg_flags & MSG_TRUNC) != 0 ? WASI_RECV_DATA_TRUNCATED : 0);
    return true;
}

bool wasi_sock_send(WasiCall *call) {
    WasiFd *entry;
    WasiIovecs iovecs;
    u8 *bytes;
    TRY(socket_arg(call, WASI_RIGHT_FD_WRITE, &entry));
    TRY(wasi_iovecs_arg(call, 1, &iovecs));
    TRY(wasi_pointer(call, 4, 4, &bytes));
    if (wasi_arg_u32(call, 3) != 0) {
        return wasi_fail(call, WASI_INVAL);
    }
    TRY(wasi_fd_check_ready(call, entry, POLLOUT));
    const bool is_nonblock = entry->is_borrowed && (entry->flags & WASI_FDFLAG_NONBLOCK) != 0;
    const int host_flags = MSG_NOSIGNAL | (is_nonblock ? MSG_DONTWAIT : 0);
    const struct msghdr message = {.msg_iov = iovecs.at, .msg_iovlen = iovecs.count};
    ssize_t count;
    do {
        count = sendmsg(entry->host, &message, host_flags);
    } while (count < 0 && wasi_fd_tries_again(entry, POLLOUT));
    if (count < 0) {
        return wasi_fail_host(call);
    }
    store_u32(bytes, (u32)count);
    return true;
}

bool wasi_sock_shutdown(WasiCall *call) {
    static const int HOW[] = {
        [WASI_SHUTDOWN_RD] = SHUT_RD,
        [WASI_SHUTDOWN_WR] = SHUT_WR,
        [WASI_SHUTDOWN_RD | WASI_SHUTDOWN_WR] = SHUT_RDWR,
    };
    const u32 how = wasi_arg_u32(call, 1);
    WasiFd *entry;
    TRY(socket_arg(call, WASI_RIGHT_SOCK_SHUTDOWN, &entry));
    if (how == 0 || how >= COUNT_OF(HOW)) {
        return wasi_fail(call, WASI_INVAL);
    }
    return shutdown(entry->host, HOW[how]) == 0 || wasi_fail_host(call);
}
