// The dynamic linker describes each of its namespaces by an r_debug: a list of the objects in it,
// and an empty function that it calls when the list has changed, where debuggers put a breakpoint.
// From version 2 on (glibc 2.35) these are chained. We append one of our own, with the images. No
// list that the dynamic linker walks itself is touched: it would take our entries for its own.
//
// The dynamic linker appends to the chain as well, under a lock that we cannot have. Should it
// overwrite our link in that moment, the next image links us again.
#define _GNU_SOURCE
#include "runtime/debugger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/arch_valgrind.h"
#include "runtime/image_map.h"

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

typedef struct Namespace {
    struct r_debug list;
    _Atomic(struct Namespace *) next;
} Namespace;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of all below
static Namespace images;
static Namespace *first; // of the chain; NULL: there is none
static bool has_looked;

// ---- The chain ----------------------------------------------------------------------------------

// The program itself comes first; its dynamic section names the dynamic linker's r_debug.
static int find_debug(struct dl_phdr_info *program, usize bytes, void *out) {
    (void)bytes;
    for (u32 i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &program->dlpi_phdr[i];
        if (segment->p_type != PT_DYNAMIC) {
            continue;
        }
        const ElfW(Dyn) *entry = (const void *)(program->dlpi_addr + segment->p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_DEBUG) {
                *(Namespace **)out = (void *)entry->d_un.d_ptr; // NOLINT: an address by contract
            }
        }
    }
    return 1;
}

static bool has_chain(void) {
#ifdef __GLIBC__
    char *end = NULL;
    const unsigned long major = strtoul(gnu_get_libc_version(), &end, 10);
    const unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 2 || (major == 2 && minor >= 35);
#else
    return false;
#endif
}

static bool find_chain(void) {
    if (!has_looked && has_chain()) {
        (void)dl_iterate_phdr(find_debug, &first);
    }
    has_looked = true;
    return first != NULL && first->list.r_version != 0;
}

static void append_ours(void) {
    Namespace *at = first;
    while (at != &images) {
        Namespace *next = atomic_load(&at->next);
        if (next == NULL) {
            (void)atomic_compare_exchange_strong(&at->next, &next, &images);
        } else {
            at = next;
        }
    }
    images.list.r_version = first->list.r_version = 2;
    images.list.r_brk = first->list.r_brk;
    images.list.r_ldbase = first->list.r_ldbase;
}

// The library may be unloaded before the process ends.
__attribute__((destructor)) static void remove_ours(void) {
    for (Namespace *at = first; at != NULL; at = atomic_load(&at->next)) {
        if (atomic_load(&at->next) == &images) {
            atomic_store(&at->next, atomic_load(&images.next));
        }
    }
}

// Runs into the debugger's breakpoint.
static void announce(void) {
    images.list.r_state = RT_CONSISTENT;
    ((void (*)(void))images.list.r_brk)();
}

// ---- Images -------------------------------------------------------------------------------------

void runtime_debugger_directory(char *out) {
    pthread_mutex_lock(&lock);
    if (!find_chain() || getcwd(out, DEBUGGER_MAX_PATH) == NULL) {
        out[0] = 0;
    }
    pthread_mutex_unlock(&lock);
}

usize runtime_debugger_path(const char *directory, const char *path, char *out) {
    usize at = 0;
    out[0] = 0;
    if (path == NULL || path[0] == 0) {
        return 1;
    }
    if (path[0] != '/' && directory[0] != 0) {
        at = strlen(directory);
        memcpy(out, directory, at);
        out[at++] = '/';
    }
    const usize length = strlen(path);
    if ((path[0] != '/' && at == 0) || length >= DEBUGGER_MAX_PATH - at) {
        out[0] = 0;
        return 1;
    }
    memcpy(out + at, path, length + 1);
    return at + length + 1;
}

bool runtime_debugger_path_of(int fd, char out[DEBUGGER_MAX_PATH]) {
    char link[DEBUGGER_FD_PATH];
    struct stat of_fd, of_path;
    if (fstat(fd, &of_fd) != 0 || of_fd.st_nlink == 0) {
        return false; // a memfd, or unlinked
    }
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t count = readlink(link, out, DEBUGGER_MAX_PATH - 1);
    if (count <= 0) {
        return false;
    }
    out[count] = 0;
    return stat(out, &of_path) == 0 && of_fd.st_dev == of_path.st_dev &&
           of_fd.st_ino == of_path.st_ino;
}

static void insert(struct link_map *entry) {
    entry->l_next = images.list.r_map;
    if (entry->l_next != NULL) {
        entry->l_next->l_prev = entry;
    }
    images.list.r_map = entry;
}

static void take_out(const struct link_map *entry) {
    if (entry->l_next != NULL) {
        entry->l_next->l_prev = entry->l_prev;
    }
    if (entry->l_prev != NULL) {
        entry->l_prev->l_next = entry->l_next;
    } else {
        images.list.r_map = entry->l_next;
    }
}

bool runtime_debugger_can_list(const ImagoImage *image) {
    pthread_mutex_lock(&lock);
    const bool has_list = find_chain();
    pthread_mutex_unlock(&lock);
    return has_list && image->view.dynamic_offset != 0;
}

void runtime_debugger_add(ImagoImage *image) {
    if (image->path[0] == 0 && image->fd >= 0) {
        (void)snprintf(image->path, DEBUGGER_FD_PATH, "/proc/%d/fd/%d", (int)getpid(), image->fd);
    }
    if (image->path[0] == 0 || image->view.dynamic_offset == 0) {
        return;
    }
    pthread_mutex_lock(&lock);
    if (find_chain()) {
        image->debugger_entry = (struct link_map){
            .l_addr = (ElfW(Addr))image->view.bytes,
            .l_name = image->path,
            .l_ld = (void *)(uintptr_t)(image->view.bytes + image->view.dynamic_offset),
        };
        append_ours();
        images.list.r_state = RT_ADD;
        insert(&image->debugger_entry);
        announce();
    }
    pthread_mutex_unlock(&lock);
}

void runtime_debugger_remove(ImagoImage *image) {
    if (image->debugger_entry.l_name == NULL) {
        return;
    }
    pthread_mutex_lock(&lock);
    images.list.r_state = RT_DELETE;
    take_out(&image->debugger_entry);
    announce();
    pthread_mutex_unlock(&lock);
}

void runtime_debugger_lock(void) { pthread_mutex_lock(&lock); }

void runtime_debugger_unlock(void) { pthread_mutex_unlock(&lock); }

// ---- Valgrind -----------------------------------------------------------------------------------

// It watches calls of mmap, not of mprotect, wants one for each segment, and reads a file's symbols
// when it has seen a writable mapping as well. Whatever fails here fails harmlessly.
void runtime_debugger_show_mapping(const ImagoImage *image, int fd) {
    if (!arch_runs_on_valgrind()) {
        return;
    }
    const Image *view = &image->view;
    u8 *map = (u8 *)(uintptr_t)view->bytes;
    const u64 end = view->exec_offset + view->exec_bytes;
    (void)mmap(map + view->exec_offset, view->exec_bytes, PROT_READ | PROT_EXEC,
               MAP_PRIVATE | MAP_FIXED, fd, (off_t)view->exec_offset);
    (void)mmap(map + end, view->byte_count - end, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
               (off_t)end);
    void *writable = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (writable != MAP_FAILED) {
        (void)munmap(writable, 1);
    }
}
