// What debuggers read: the chain of the dynamic linker's lists, with the images at its end.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "world.h"

enum { IMAGE_COUNT = 3, THREAD_COUNT = 4, ROUNDS = 300 };

// As the dynamic linker lays it out from version 2 on.
typedef struct Namespace {
    struct r_debug list;
    struct Namespace *next;
} Namespace;

static char paths[IMAGE_COUNT][64];

static int find_chain(struct dl_phdr_info *program, size_t bytes, void *out) {
    (void)bytes;
    for (int i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &program->dlpi_phdr[i];
        if (segment->p_type != PT_DYNAMIC) {
            continue;
        }
        const ElfW(Dyn) *entry = (const void *)(program->dlpi_addr + segment->p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_DEBUG) {
                *(Namespace **)out = (void *)entry->d_un.d_ptr; // NOLINT
            }
        }
    }
    return 1;
}

static Namespace *chain(void) {
    Namespace *first = NULL;
    (void)dl_iterate_phdr(find_chain, &first);
    return first;
}

// Lists in the chain that have `path`; checks their links on the way.
static int count_of(const char *path) {
    int found = 0;
    for (const Namespace *at = chain(); at != NULL; at = at->list.r_version > 1 ? at->next : NULL) {
        const struct link_map *before = NULL;
        EXPECT_EQ(at->list.r_state, RT_CONSISTENT);
        for (const struct link_map *map = at->list.r_map; map != NULL; map = map->l_next) {
            EXPECT(map->l_prev == before);
            found += strcmp(map->l_name, path) == 0;
            before = map;
        }
    }
    return found;
}

static const struct link_map *entry_of(const char *path) {
    for (const Namespace *at = chain(); at != NULL; at = at->list.r_version > 1 ? at->next : NULL) {
        for (const struct link_map *map = at->list.r_map; map != NULL; map = map->l_next) {
            if (strcmp(map->l_name, path) == 0) {
                return map;
            }
        }
    }
    return NULL;
}

static void expect_counts(int first, int second, int third) {
    EXPECT_EQ(count_of(paths[0]), first);
    EXPECT_EQ(count_of(paths[1]), second);
    EXPECT_EQ(count_of(paths[2]), third);
}

TEST(images_come_and_go) {
    ImagoEngine *engine = imago_engine_new(NULL);
    ImagoImage *images[IMAGE_COUNT];
    expect_counts(0, 0, 0);
    for (int i = 0; i < IMAGE_COUNT; i++) {
        images[i] = imago_image_open(engine, paths[i], NULL);
        EXPECT(images[i] != NULL);
    }
    expect_counts(1, 1, 1);
    const struct link_map *entry = entry_of(paths[0]);
    if (entry != NULL) {
        EXPECT(memcmp((const void *)entry->l_addr, ELFMAG, SELFMAG) == 0); // NOLINT
        EXPECT_EQ(entry->l_ld[0].d_tag, DT_SONAME);
    }
    imago_image_delete(images[1]);
    expect_counts(1, 0, 1);
    ImagoImage *again = imago_image_open(engine, paths[0], NULL);
    expect_counts(2, 0, 1);
    imago_image_delete(images[2]);
    imago_image_delete(images[0]);
    imago_image_delete(again);
    expect_counts(0, 0, 0);
    imago_engine_delete(engine);
}

// A relative path becomes absolute, by the directory at the engine's start; without one there is no
// entry. A descriptor's is found.
TEST(paths) {
    EXPECT_EQ(chdir("/tmp"), 0);
    ImagoEngine *engine = imago_engine_new(NULL);
    ImagoImage *relative = imago_image_open(engine, paths[0] + strlen("/tmp/"), NULL);
    expect_counts(1, 0, 0);
    const int fd = open(paths[1], O_RDONLY | O_CLOEXEC);
    ImagoImage *by_fd = imago_image_open_fd(engine, fd, NULL);
    EXPECT(relative != NULL && by_fd != NULL);
    expect_counts(1, 1, 0);
    close(fd);
    imago_image_delete(by_fd);
    imago_image_delete(relative);
    expect_counts(0, 0, 0);
    imago_engine_delete(engine);
}

// The path that is listed for an image that has none of its own. It leads to the image's file.
static void expect_listed_by_fd(const char *path, const struct stat *file) {
    struct stat found;
    EXPECT_EQ(count_of(path), 1);
    EXPECT_EQ(stat(path, &found), 0);
    EXPECT(found.st_dev == file->st_dev && found.st_ino == file->st_ino);
}

// Without a path, or with another than it was opened by.
TEST(no_paths) {
    static const char TEXT[] = "(module (func (export \"f\")))";
    ImagoEngine *engine = imago_engine_new(NULL);
    char path[64];
    struct stat file;
    int fd = -1;
    EXPECT(imago_compile_fd(TEXT, strlen(TEXT), &fd, NULL, NULL, NULL));
    EXPECT_EQ(fstat(fd, &file), 0);
    ImagoImage *image = imago_image_open_fd(engine, fd, NULL);
    const int next = fcntl(fd, F_DUPFD_CLOEXEC, 0); // the image's copy took the number before
    (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), next - 1);
    close(next);
    close(fd);
    if (chain() != NULL && chain()->list.r_version > 1) {
        expect_listed_by_fd(path, &file);
    }
    imago_image_delete(image);
    EXPECT_EQ(count_of(path), 0);
    EXPECT(fcntl(next - 1, F_GETFD) < 0);

    fd = open(paths[1], O_RDONLY | O_CLOEXEC);
    char moved[80];
    (void)snprintf(moved, sizeof moved, "%s.moved", paths[1]);
    EXPECT_EQ(rename(paths[1], moved), 0);
    EXPECT_EQ(link(paths[0], paths[1]), 0);
    image = imago_image_open_fd(engine, fd, NULL);
    EXPECT(image != NULL);
    EXPECT_EQ(count_of(moved), chain() != NULL && chain()->list.r_version > 1);
    EXPECT_EQ(count_of(paths[1]), 0);
    close(fd);
    imago_image_delete(image);
    EXPECT_EQ(rename(moved, paths[1]), 0);
    imago_engine_delete(engine);
}

// The dynamic linker's own additions to the chain, and ours, leave each other alone.
TEST(other_namespaces) {
    ImagoEngine *engine = imago_engine_new(NULL);
    ImagoImage *first = imago_image_open(engine, paths[0], NULL);
    void *other = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);
    if (other == NULL) {
        TEST_SKIP("no dlmopen: %s", dlerror());
    }
    ImagoImage *second = imago_image_open(engine, paths[1], NULL);
    expect_counts(1, 1, 0);
    int namespaces = 0;
    for (const Namespace *at = chain(); at != NULL; at = at->next) {
        namespaces++;
    }
    EXPECT_EQ(namespaces, other != NULL ? 3 : 2);
    imago_image_delete(first);
    expect_counts(0, 1, 0);
    if (other != NULL) {
        EXPECT_EQ(dlclose(other), 0);
    }
    imago_image_delete(second);
    expect_counts(0, 0, 0);
    imago_engine_delete(engine);
}

static void *open_and_close(void *engine) {
    for (int i = 0; i < ROUNDS; i++) {
        ImagoImage *images[IMAGE_COUNT];
        for (int k = 0; k < IMAGE_COUNT; k++) {
            images[k] = imago_image_open(engine, paths[k], NULL);
        }
        for (int k = 0; k < IMAGE_COUNT; k++) {
            imago_image_delete(images[k]);
        }
    }
    return NULL;
}

// With forks in between: the child finds the list at rest.
TEST(threads) {
    ImagoEngine *engine = imago_engine_new(NULL);
    pthread_t threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, open_and_close, engine), 0);
    }
    for (int i = 0; i < 10; i++) {
        const pid_t child = fork();
        if (child == 0) {
            ImagoImage *image = imago_image_open(engine, paths[0], NULL);
            const bool is_there = image != NULL && count_of(paths[0]) >= 1;
            imago_image_delete(image);
            _exit(is_there && !test_bad ? 0 : 1);
        }
        int status = 1;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++) {
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
    }
    expect_counts(0, 0, 0);
    imago_engine_delete(engine);
}

// The shared library, unloaded while another namespace of the chain stays.
TEST(library_unloaded) {
    const Namespace *const first = chain();
    int before = 0, with = 0, after = 0;
    for (const Namespace *at = first; at != NULL; at = at->next) {
        before++;
    }
    void *library = dlopen(BINARY_DIR "/libimago.so", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL || world_is_sanitized()) {
        TEST_SKIP("no " BINARY_DIR "/libimago.so for this program");
        return;
    }
    __typeof__(&imago_engine_new) engine_new;
    __typeof__(&imago_engine_delete) engine_delete;
    __typeof__(&imago_image_open) image_open;
    __typeof__(&imago_image_delete) image_delete;
    *(void **)&engine_new = dlsym(library, "imago_engine_new");
    *(void **)&engine_delete = dlsym(library, "imago_engine_delete");
    *(void **)&image_open = dlsym(library, "imago_image_open");
    *(void **)&image_delete = dlsym(library, "imago_image_delete");
    ImagoEngine *engine = engine_new(NULL);
    ImagoImage *image = image_open(engine, paths[0], NULL);
    for (const Namespace *at = first; at != NULL; at = at->next) {
        with++;
    }
    EXPECT_EQ(with, before + 1);
    EXPECT_EQ(count_of(paths[0]), 1);
    image_delete(image);
    engine_delete(engine);
    EXPECT_EQ(dlclose(library), 0);
    for (const Namespace *at = first; at != NULL; at = at->next) {
        after++;
    }
    EXPECT_EQ(after, before);
}

static void run_all(void) {
    RUN(images_come_and_go);
    RUN(paths);
    RUN(no_paths);
    RUN(other_namespaces);
    RUN(threads);
    RUN(library_unloaded);
}

int main(void) {
    ImagoError error = IMAGO_ERROR_INIT;
    for (int i = 0; i < IMAGE_COUNT; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "/tmp/imago-debugger-%d-%d", (int)getpid(), i);
        if (!imago_compile_file("(module)", 8, paths[i], NULL, NULL, &error)) {
            printf("%s\n", error.text);
            return 1;
        }
    }
    ImagoEngine *engine = imago_engine_new(NULL);
    ImagoImage *image = imago_image_open(engine, paths[0], NULL);
    if (chain() == NULL || entry_of(paths[0]) == NULL) {
        printf("skipped: the dynamic linker has no chain of lists (glibc before 2.35)\n");
        test_skipped++;
    }
    imago_image_delete(image);
    imago_engine_delete(engine);
    if (test_skipped == 0) {
        run_all();
    }
    for (int i = 0; i < IMAGE_COUNT; i++) {
        (void)unlink(paths[i]);
    }
    return test_end();
}
