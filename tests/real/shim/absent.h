// What Debian's wasi-libc does not have and the programs under test name but
// do not need here: processes, owners, modes, locks, temporary names. Included
// before every file of a wasm build; the functions are in absent.c.
#ifndef REAL_SHIM_ABSENT_H
#define REAL_SHIM_ABSENT_H

#ifndef __ASSEMBLER__
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

FILE *popen(const char *command, const char *mode);
int pclose(FILE *file);
int mkstemp(char *name);
char *realpath(const char *path, char *resolved);
int chmod(const char *path, mode_t mode);
int fchmod(int fd, mode_t mode);
int chown(const char *path, uid_t owner, gid_t group);
int fchown(int fd, uid_t owner, gid_t group);
mode_t umask(mode_t mask);
uid_t getuid(void);
uid_t geteuid(void);
#endif

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7

#endif
