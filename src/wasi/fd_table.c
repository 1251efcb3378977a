#include "wasi/fd_table.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"

static const struct {
    u64 right;
    u8 kinds;
    bool is_writing;
} RIGHTS[] = {
#define RIGHT(name, bit, kinds, is_writing) {WASI_RIGHT_##name, kinds, is_writing},
#include "wasi/rights.def"
#undef RIGHT
};

u64 wasi_rights_of_kind(u8 kind) {
    u64 rights = 0;
    for (u32 i = 0; i < COUNT_OF(RIGHTS); i++) {
        rights |= (RIGHTS[i].kinds & kind) != 0 ? RIGHTS[i].right : 0;
    }
    return rights;
}

u64 wasi_rights_read_only(void) {
    u64 rights = 0;
    for (u32 i = 0; i < COUNT_OF(RIGHTS); i++) {
        rights |= RIGHTS[i].is_writing ? 0 : RIGHTS[i].right;
    }
    return rights;
}

static WasiFiletype socket_type(int host) {
    int type = 0;
    socklen_t bytes = sizeof type;
    const bool is_known = getsockopt(host, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0;
    return is_known && type == SOCK_DGRAM ? WASI_FILETYPE_SOCKET_DGRAM
                                          : WASI_FILETYPE_SOCKET_STREAM;
}

void wasi_fd_classify(WasiFd *entry, const struct stat *st, int host) {
    WasiFiletype filetype = WASI_FILETYPE_UNKNOWN;
    u8 kind = WASI_ON_PIPE;
    if (S_ISREG(st->st_mode)) {
        filetype = WASI_FILETYPE_REGULAR_FILE;
        kind = WASI_ON_FILE;
    } else if (S_ISDIR(st->st_mode)) {
        filetype = WASI_FILETYPE_DIRECTORY;
        kind = WASI_ON_DIRECTORY;
    } else if (S_ISCHR(st->st_mode)) {
        filetype = WASI_FILETYPE_CHARACTER_DEVICE;
        kind = isatty(host) == 1 ? WASI_ON_TERMINAL : WASI_ON_DEVICE;
    } else if (S_ISBLK(st->st_mode)) {
        filetype = WASI_FILETYPE_BLOCK_DEVICE;
        kind = WASI_ON_DEVICE;
    } else if (S_ISSOCK(st->st_mode)) {
        filetype = socket_type(host);
        kind = WASI_ON_SOCKET;
    }
    entry->filetype = (u8)filetype;
    entry->kind = kind;
}

// Why an entry cannot have `missing` rights.
static WasiErrno refusal(const WasiFd *entry, u64 missing) {
    if ((missing & ~wasi_rights_of_kind(entry->kind)) == 0) {
        return WASI_NOTCAPABLE;
    }
    if ((missing & ~wasi_rights_of_kind(WASI_ON_DIRECTORY)) == 0) {
        return WASI_NOTDIR;
    }
    if ((missing & (WASI_RIGHT_SOCK_SHUTDOWN | WASI_RIGHT_SOCK_ACCEPT)) != 0) {
        return WASI_NOTSOCK;
    }
    if (entry->kind == WASI_ON_DIRECTORY) {
        return WASI_ISDIR;
    }
    const u64 by_offset = WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL | WASI_RIGHT_FD_ADVISE |
                          WASI_RIGHT_FD_ALLOCATE;
    return (missing & by_offset) != 0 ? WASI_SPIPE : WASI_INVAL;
}

static bool fd_open_at(WasiCall *call, u32 number, WasiFd **out) {
    ImagoWasi *wasi = call->wasi;
    if (number >= wasi->fds.count || wasi->fds.at[number].host < 0) {
        return wasi_fail(call, WASI_BADF);
    }
    *out = &wasi->fds.at[number];
    return true;
}

bool wasi_fd_number(WasiCall *call, u32 number, u64 rights, WasiFd **out) {
    TRY(fd_open_at(call, number, out));
    const u64 missing = rights & ~(*out)->base;
    return missing == 0 || wasi_fail(call, refusal(*out, missing));
}

bool wasi_fd_arg(WasiCall *call, u32 arg, u64 rights, WasiFd **out) {
    return wasi_fd_number(call, wasi_arg_u32(call, arg), rights, out);
}

bool wasi_fd_arg_any(WasiCall *call, u32 arg, u64 rights, WasiFd **out) {
    TRY(fd_open_at(call, wasi_arg_u32(call, arg), out));
    return ((*out)->base & rights) != 0 || wasi_fail(call, refusal(*out, rights));
}

bool wasi_fd_reserve(WasiCall *call, u32 *number) {
    ImagoWasi *wasi = call->wasi;
    if (wasi->open_count >= wasi->max_fds) {
        return wasi_fail(call, WASI_MFILE);
    }
    u32 i = wasi->lowest_free;
    while (i < wasi->fds.count && wasi->fds.at[i].host >= 0) {
        i++;
    }
    while (wasi->fds.count <= i) {
        if (!vec_push(&wasi->fds, (WasiFd){.host = -1})) {
            return wasi_fail(call, WASI_NOMEM);
        }
    }
    *number = wasi->lowest_free = i;
    return true;
}

void wasi_fd_insert(ImagoWasi *wasi, u32 number, const WasiFd *entry) {
    CHECK(number < wasi->fds.count && wasi->fds.at[number].host < 0 && entry->host >= 0);
    wasi->fds.at[number] = *entry;
    wasi->open_count++;
}

// Marks the number as free, without closing anything.
static void forget(ImagoWasi *wasi, u32 number) {
    wasi->fds.at[number] = (WasiFd){.host = -1};
    wasi->open_count--;
    if (number >= WASI_FIRST_PREOPEN && number < wasi->lowest_free) {
        wasi->lowest_free = number;
    }
}

int wasi_fd_close_number(ImagoWasi *wasi, u32 number) {
    WasiFd *entry = &wasi->fds.at[number];
    // Linux frees the descriptor even if close is interrupted: never tried again.
    const bool is_closed = entry->is_borrowed || close(entry->host) == 0 || errno == EINTR;
    const int reason = is_closed ? 0 : errno;
    mem_free(entry->preopen_name);
    forget(wasi, number);
    return reason;
}

void wasi_fd_move(ImagoWasi *wasi, u32 from, u32 to) {
    CHECK(from != to);
    (void)wasi_fd_close_number(wasi, to);
    const WasiFd moved = wasi->fds.at[from];
    forget(wasi, from);
    wasi_fd_insert(wasi, to, &moved);
}
