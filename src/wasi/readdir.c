// fd_readdir: the kernel's directory entries in WASI's form.
//
// A cookie is the position that the file system gave for the entry behind it, so it stays good
// however the directory changes, and no listing is kept between calls.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wasi/fd_table.h"
#include "wasi/guest.h"
#include "wasi/stat.h"

// Of one request to the kernel; the least that holds any entry.
enum { MIN_CHUNK_BYTES = 1024 };

// struct linux_dirent64 (getdents64(2)): d_ino, d_off, d_reclen, d_type, d_name.
enum { ENTRY_INO = 0, ENTRY_OFF = 8, ENTRY_RECLEN = 16, ENTRY_TYPE = 18, ENTRY_NAME = 19 };

// The guest's buffer as it fills.
typedef struct Listing {
    int host;
    u8 *at;
    u32 used, room;
} Listing;

// Cuts what does not fit: a full buffer tells the guest that there is more.
static void put(Listing *out, const void *bytes, usize count) {
    const usize left = out->room - out->used;
    const usize fits = count < left ? count : left;
    memcpy(out->at + out->used, bytes, fits);
    out->used += (u32)fits;
}

static WasiFiletype type_of_entry(int host, u8 type, const char *name) {
    struct stat st;
    switch (type) {
    case DT_FIFO:
        return WASI_FILETYPE_UNKNOWN;
    case DT_UNKNOWN: // a file system that keeps no types in its directories
        return fstatat(host, name, &st, AT_SYMLINK_NOFOLLOW) == 0
                   ? wasi_filetype_of_mode(st.st_mode)
                   : WASI_FILETYPE_UNKNOWN;
    default: // the type bits of a mode, as DTTOIF
        return wasi_filetype_of_mode((mode_t)type << 12);
    }
}

// ".." may lie outside of what the guest can see: it gets the directory's own number.
static u64 inode_of_entry(int host, const char *name, u64 inode) {
    struct stat st;
    if (strcmp(name, "..") != 0 || fstat(host, &st) != 0) {
        return inode;
    }
    return st.st_ino;
}

static void put_entry(Listing *out, const u8 *entry) {
    const char *name = (const char *)entry + ENTRY_NAME;
    const usize name_bytes = strlen(name);
    u8 head[WASI_DIRENT_BYTES] = {0};
    store_u64(head + WASI_DIRENT_NEXT, load_u64(entry + ENTRY_OFF));
    store_u64(head + WASI_DIRENT_INO,
              inode_of_entry(out->host, name, load_u64(entry + ENTRY_INO)));
    store_u32(head + WASI_DIRENT_NAMLEN, (u32)name_bytes);
    head[WASI_DIRENT_TYPE] = (u8)type_of_entry(out->host, entry[ENTRY_TYPE], name);
    put(out, head, sizeof head);
    put(out, name, name_bytes);
}

static bool fill(WasiCall *call, Listing *out) {
    u8 *chunk = call->wasi->scratch;
    const usize most = sizeof call->wasi->scratch;
    while (out->used < out->room) {
        const usize wanted = out->room - out->used;
        const usize bytes = wanted < MIN_CHUNK_BYTES ? MIN_CHUNK_BYTES
                            : wanted > most          ? most
                                                     : wanted;
        const long got = syscall(SYS_getdents64, out->host, chunk, bytes);
        if (got < 0) {
            return wasi_fail_host(call);
        }
        if (got == 0) {
            return true;
        }
        const u8 *end = chunk + got;
        for (const u8 *entry = chunk; entry < end && out->used < out->room;
             entry += load_u16(entry + ENTRY_RECLEN)) {
            put_entry(out, entry);
        }
    }
    return true;
}

bool wasi_fd_readdir(WasiCall *call) {
    const u64 cookie = call->args[3];
    WasiFd *entry;
    u8 *used;
    Listing out = {.room = wasi_arg_u32(call, 2)};
    TRY(wasi_fd_arg(call, 0, WASI_RIGHT_FD_READDIR, &entry));
    TRY(wasi_pointer(call, 1, out.room, &out.at));
    TRY(wasi_pointer(call, 4, 4, &used));
    out.host = entry->host;
    if (cookie > INT64_MAX) {
        return wasi_fail(call, WASI_INVAL);
    }
    if (lseek(entry->host, (off_t)cookie, SEEK_SET) < 0) {
        return wasi_fail_host(call);
    }
    TRY(fill(call, &out));
    store_u32(used, out.used);
    return true;
}
