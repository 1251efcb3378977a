// Thousands of images in one process, and one image in several processes.
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "processes.h"
#include "world.h"

enum { IMAGES = 10000, SNAPSHOTS = 600, TIMED = 500, PROCESSES = 4 };

static char folder[64];

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// What the fastest tenth needs at most: other processes disturb it less than the median.
static double fast(double *times, size_t count) {
    qsort(times, count, sizeof *times, compare);
    return times[count / 10];
}

static const char *image_path(int i) {
    static char path[96];
    (void)snprintf(path, sizeof path, "%s/%d", folder, i);
    return path;
}

// Each answers with its own number. The first ones' memories have contents enough for a snapshot:
// more of them than may keep their descriptors.
static bool write_image(int i) {
    char text[4608];
    ImagoError error = IMAGO_ERROR_INIT;
    (void)snprintf(text, sizeof text,
                   "(module (memory 1) (data (i32.const 0) \"\\%02x\\%02x%0*d\")"
                   " (func (export \"f\") (result i32) (i32.load16_u (i32.const 0))))",
                   (unsigned)i & 0xFF, (unsigned)i >> 8, i < SNAPSHOTS ? 4200 : 1, 0);
    if (!imago_compile_file(text, strlen(text), image_path(i), NULL, NULL, &error)) {
        TEST_FAIL("%s", error.text);
        return false;
    }
    return true;
}

static bool write_images(void) {
    for (int i = 0; i < IMAGES; i++) {
        if (!write_image(i)) {
            return false;
        }
    }
    return true;
}

static void expect_answer(ImagoEngine *engine, ImagoImage *image, int expected) {
    ImagoError error = IMAGO_ERROR_INIT;
    ImagoStore *store = imago_store_new(engine, NULL, &error);
    ImagoLinker *linker = imago_linker_new(engine, &error);
    ImagoInstance *instance = NULL;
    ImagoExtern item = {.kind = IMAGO_EXTERN_FUNC};
    ImagoValue value = {.i32 = -1};
    EXPECT_EQ(imago_linker_instantiate(linker, store, image, &instance, &error), IMAGO_OK);
    EXPECT(imago_instance_export(instance, "f", 1, &item));
    EXPECT_EQ(imago_func_call(store, item.of.func, &value, &error), IMAGO_OK);
    EXPECT_EQ(value.i32, expected);
    imago_linker_delete(linker);
    imago_store_delete(store);
}

static int open_descriptors(void) {
    int count = 0;
    DIR *open = opendir("/proc/self/fd");
    while (open != NULL && readdir(open) != NULL) {
        count++;
    }
    if (open != NULL) {
        closedir(open);
    }
    return count;
}

TEST(ten_thousand_images) {
    static ImagoImage *images[IMAGES];
    static double times[IMAGES];
    if (!write_images()) {
        return;
    }
    ImagoEngine *engine = imago_engine_new(NULL);
    ImagoError error = IMAGO_ERROR_INIT;
    imago_image_delete(imago_image_open(engine, image_path(0), &error));
    const int open_before = open_descriptors();
    const long before = memory_kib("/proc/self/status", "VmRSS:");
    for (int i = 0; i < IMAGES; i++) {
        const double start = now_us();
        images[i] = imago_image_open(engine, image_path(i), &error);
        times[i] = now_us() - start;
        if (images[i] == NULL) {
            TEST_FAIL("image %d: %s", i, error.text);
            return;
        }
    }
    const int kept = open_descriptors() - open_before;
    EXPECT_EQ(kept, 256);
    const long after = memory_kib("/proc/self/status", "VmRSS:");
    const double first = fast(times, TIMED);
    const double last = fast(times + IMAGES - TIMED, TIMED);
    printf("10,000 images: %.1f us each at first, %.1f at last; %.2f KiB of memory each\n", first,
           last, (double)(after - before) / (double)IMAGES);
    if (!world_is_sanitized()) {
        EXPECT(last < 1.5 * first);
        EXPECT(after - before < IMAGES * 4L);
    }
    const int some[] = {0, 1, 255, 256, 257, 5000, IMAGES - 1};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        expect_answer(engine, images[some[i]], some[i]);
        expect_answer(engine, images[some[i]], some[i]); // what the first wrote is not in the file
    }
    for (int i = 0; i < IMAGES; i++) {
        imago_image_delete(images[i]);
    }
    imago_engine_delete(engine);
}

// Maps the image, reads and runs it, waits until all have, and looks who has what.
static int run_and_look(const char *file, pthread_barrier_t *barrier) {
    ImagoEngine *engine = imago_engine_new(NULL);
    ImagoImage *image = imago_image_open(engine, file, NULL);
    const bool is_good = image != NULL && imago_image_verify(image, NULL);
    if (is_good) {
        expect_answer(engine, image, 0x6261);
    }
    (void)pthread_barrier_wait(barrier);
    const long all = mapped_kib(file, "Rss:"), share = mapped_kib(file, "Pss:");
    const long own = mapped_kib(file, "Private_Dirty:") + mapped_kib(file, "Anonymous:");
    (void)pthread_barrier_wait(barrier);
    if (is_good && all > 1024 && own == 0 && share <= all / (PROCESSES - 1)) {
        return 0;
    }
    printf("resident %ld KiB, proportional %ld, own %ld\n", all, share, own);
    return 1;
}

// Everything of the file is mapped and read in each process, and in memory once.
TEST(processes_share_all_pages) {
    static char text[3 << 20];
    ImagoError error = IMAGO_ERROR_INIT;
    const int bytes = snprintf(text, sizeof text,
                               "(module (memory 1) (data \"%0*d\")"
                               " (func (export \"f\") (result i32) (i32.const 0x6261)))",
                               2 << 20, 0);
    EXPECT(imago_compile_file(text, (size_t)bytes, image_path(0), NULL, NULL, &error));
    pthread_barrier_t *barrier = new_shared(sizeof *barrier);
    EXPECT(barrier != NULL && barrier_init(barrier, PROCESSES));
    (void)fflush(stdout);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            alarm(60);
            const int status = run_and_look(image_path(0), barrier);
            (void)fflush(stdout);
            _exit(status);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        EXPECT(wait(&status) > 0);
        EXPECT_EQ(status, 0);
    }
    (void)munmap(barrier, sizeof *barrier);
}

int main(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/imago-many-%d", (int)getpid());
    (void)mkdir(folder, 0700);
    RUN(ten_thousand_images);
    RUN(processes_share_all_pages);
    for (int i = 0; i < IMAGES; i++) {
        (void)unlink(image_path(i));
    }
    (void)rmdir(folder);
    return test_end();
}
