//! dir: /data
//! file: /data/in.txt some text\n
//! file: /data/deep/er/file.txt deep\n
//! after: /data/made/renamed.txt HELLO world\nappended
//! after: /data/in.txt some text\n
// What a C program does with files, folders and links through wasi-libc.
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPECT_FAIL(call, reason)                                                                  \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert((call) == -1);                                                                      \
        if (errno != (reason)) {                                                                   \
            printf("line %d: %s\n", __LINE__, strerror(errno));                                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void reading(void) {
    char line[64];
    struct stat st;
    FILE *in = fopen("/data/in.txt", "r");
    assert(in != NULL && fgets(line, sizeof line, in) != NULL);
    assert(strcmp(line, "some text\n") == 0);
    assert(fgets(line, sizeof line, in) == NULL && feof(in));
    assert(fseek(in, 5, SEEK_SET) == 0 && fgetc(in) == 't' && ftell(in) == 6);
    fclose(in);
    assert(stat("/data/in.txt", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 10);
    assert(stat("/data/deep/er", &st) == 0 && S_ISDIR(st.st_mode));
    EXPECT_FAIL(open("/data/none", O_RDONLY), ENOENT);
    EXPECT_FAIL(open("/data/in.txt/x", O_RDONLY), ENOTDIR);
    EXPECT_FAIL(open("/data/deep", O_WRONLY), EISDIR);
    EXPECT_FAIL(open("/data/in.txt", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

static void writing(void) {
    assert(mkdir("/data/made", 0777) == 0);
    EXPECT_FAIL(mkdir("/data/made", 0777), EEXIST);
    FILE *out = fopen("/data/made/new.txt", "w+");
    assert(out != NULL && fputs("hello world\n", out) >= 0);
    rewind(out);
    assert(fputs("HELLO", out) >= 0 && fclose(out) == 0);
    out = fopen("/data/made/new.txt", "a");
    assert(out != NULL && fputs("appended", out) >= 0 && fclose(out) == 0);
    assert(rename("/data/made/new.txt", "/data/made/renamed.txt") == 0);
    EXPECT_FAIL(open("/data/made/renamed.txt", O_CREAT | O_EXCL | O_WRONLY, 0666), EEXIST);
    EXPECT_FAIL(rmdir("/data/made"), ENOTEMPTY);
    EXPECT_FAIL(unlink("/data/made"), EISDIR);
}

static void descriptors(void) {
    char buffer[8] = {0};
    struct stat st;
    const int fd = open("/data/scratch", O_RDWR | O_CREAT | O_TRUNC, 0666);
    assert(fd > 2 && write(fd, "0123456789", 10) == 10);
    assert(pwrite(fd, "ab", 2, 4) == 2 && pread(fd, buffer, 6, 2) == 6);
    assert(strcmp(buffer, "23ab67") == 0 && lseek(fd, 0, SEEK_CUR) == 10);
    assert(ftruncate(fd, 3) == 0 && fstat(fd, &st) == 0 && st.st_size == 3);
    assert(fsync(fd) == 0 && fdatasync(fd) == 0 && close(fd) == 0);
    EXPECT_FAIL(close(fd), EBADF);
    assert(unlink("/data/scratch") == 0);
    EXPECT_FAIL(unlink("/data/scratch"), ENOENT);
}

static void links(void) {
    char target[32] = {0};
    struct stat st, linked;
    assert(symlink("in.txt", "/data/soft") == 0);
    assert(readlink("/data/soft", target, sizeof target) == 6 && strcmp(target, "in.txt") == 0);
    assert(lstat("/data/soft", &st) == 0 && S_ISLNK(st.st_mode));
    assert(stat("/data/soft", &st) == 0 && S_ISREG(st.st_mode));
    assert(link("/data/in.txt", "/data/hard") == 0 && stat("/data/hard", &linked) == 0);
    assert(linked.st_ino == st.st_ino && linked.st_nlink == 2);
    assert(unlink("/data/hard") == 0 && unlink("/data/soft") == 0);
    const struct timespec times[2] = {{1000000000, 5}, {1500000000, 7}};
    assert(utimensat(AT_FDCWD, "/data/in.txt", times, 0) == 0 && stat("/data/in.txt", &st) == 0);
    assert(st.st_mtim.tv_sec == 1500000000 && st.st_mtim.tv_nsec == 7);
}

static void listing(void) {
    char name[32];
    int count = 0, seen = 0;
    assert(mkdir("/data/many", 0777) == 0);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "/data/many/file_%d", i);
        const int fd = open(name, O_CREAT | O_WRONLY, 0666);
        assert(fd >= 0 && close(fd) == 0);
    }
    DIR *dir = opendir("/data/many");
    assert(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL; count++) {
        seen += strncmp(entry->d_name, "file_", 5) == 0 && entry->d_type == DT_REG;
    }
    assert(count == 302 && seen == 300);
    rewinddir(dir);
    assert(readdir(dir) != NULL && closedir(dir) == 0);
}

int main(void) {
    reading();
    writing();
    descriptors();
    links();
    listing();
    return 0;
}
