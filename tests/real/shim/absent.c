// See absent.h. "Not possible" is said the way POSIX says it, except where
// ignoring the wish is harmless (modes and owners of files).
#include "absent.h"

#include <errno.h>
#include <stddef.h>

static int refuse(void) {
    errno = ENOSYS;
    return -1;
}

int system(const char *command) {
    return command ? refuse() : 0;
}

FILE *tmpfile(void) {
    refuse();
    return NULL;
}

FILE *popen(const char *command, const char *mode) {
    (void)command;
    (void)mode;
    refuse();
    return NULL;
}

int pclose(FILE *file) {
    (void)file;
    return refuse();
}

int mkstemp(char *name) {
    (void)name;
    return refuse();
}

char *realpath(const char *path, char *resolved) {
    (void)path;
    (void)resolved;
    refuse();
    return NULL;
}

int chmod(const char *path, mode_t mode) {
    (void)path;
    (void)mode;
    return 0;
}

int fchmod(int fd, mode_t mode) {
    (void)fd;
    (void)mode;
    return 0;
}

int chown(const char *path, uid_t owner, gid_t group) {
    (void)path;
    (void)owner;
    (void)group;
    return 0;
}

int fchown(int fd, uid_t owner, gid_t group) {
    (void)fd;
    (void)owner;
    (void)group;
    return 0;
}

mode_t umask(mode_t mask) {
    return mask;
}

uid_t getuid(void) {
    return 0;
}

uid_t geteuid(void) {
    return 0;
}
