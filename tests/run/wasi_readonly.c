//! dir: /ro ro
//! dir: /rw
//! file: /ro/file read only\n
//! file: /ro/sub/file deep\n
//! file: /rw/file writable\n
//! after: /ro/file read only\n
//! after: /ro/sub/file deep\n
//! after: /rw/file writable\n
// A read-only folder can be read in full and changed by no call, alone or together with a writable
// one.
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPECT_REFUSED(call)                                                                       \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if ((call) >= 0 || (errno != ENOTCAPABLE && errno != EPERM)) {                             \
            printf("line %d: %s: %s\n", __LINE__, #call, strerror(errno));                         \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

int main(void) {
    int failures = 0;
    char line[32];
    struct stat st;
    FILE *in = fopen("/ro/file", "r");
    assert(in != NULL && fgets(line, sizeof line, in) != NULL && strcmp(line, "read only\n") == 0);
    assert(fseek(in, 0, SEEK_END) == 0 && ftell(in) == 10 && fclose(in) == 0);
    assert(stat("/ro/sub/file", &st) == 0 && st.st_size == 5);
    DIR *dir = opendir("/ro/sub");
    assert(dir != NULL && readdir(dir) != NULL && closedir(dir) == 0);

    EXPECT_REFUSED(open("/ro/file", O_WRONLY));
    EXPECT_REFUSED(open("/ro/file", O_RDWR));
    EXPECT_REFUSED(open("/ro/file", O_RDONLY | O_TRUNC));
    EXPECT_REFUSED(open("/ro/new", O_RDONLY | O_CREAT, 0666));
    EXPECT_REFUSED(open("/ro/sub/new", O_WRONLY | O_CREAT, 0666));
    EXPECT_REFUSED(mkdir("/ro/new", 0777));
    EXPECT_REFUSED(unlink("/ro/file"));
    EXPECT_REFUSED(rmdir("/ro/sub"));
    EXPECT_REFUSED(rename("/ro/file", "/ro/new"));
    EXPECT_REFUSED(rename("/ro/file", "/rw/new"));
    EXPECT_REFUSED(rename("/rw/file", "/ro/new"));
    EXPECT_REFUSED(link("/ro/file", "/rw/new"));
    EXPECT_REFUSED(link("/rw/file", "/ro/new"));
    EXPECT_REFUSED(symlink("file", "/ro/new"));
    EXPECT_REFUSED(utimensat(AT_FDCWD, "/ro/file", NULL, 0));
    return failures != 0;
}
