// The test harness: EXPECT in a TEST, RUN in main, test_end at its end.
//
//     TEST(adds) { EXPECT_EQ(1 + 1, 2); }
//     int main(void) { RUN(adds); return test_end(); }
//
// Prints a line for each failure and a last line "N passed, N failed, N skipped", where a test is
// one TEST. A failed EXPECT does not leave the test.
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int test_passed, test_failed, test_skipped;
static bool test_bad, test_skip;
static const char *test_name;

#define TEST(name) static void test_##name(void)

#define RUN(name) test_run(#name, test_##name)

static inline void test_run(const char *name, void (*body)(void)) {
    test_name = name;
    test_bad = test_skip = false;
    body();
    if (test_bad) {
        test_failed++;
    } else if (test_skip) {
        test_skipped++;
    } else {
        test_passed++;
    }
}

static inline int test_end(void) {
    printf("%d passed, %d failed, %d skipped\n", test_passed, test_failed, test_skipped);
    return test_failed == 0 ? 0 : 1;
}

#define TEST_FAIL(...)                                                                             \
    do {                                                                                           \
        test_bad = true;                                                                           \
        printf("%s:%d: %s: ", __FILE__, __LINE__, test_name);                                      \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
    } while (0)

#define TEST_SKIP(...)                                                                             \
    do {                                                                                           \
        test_skip = true;                                                                          \
        printf("skipped: %s: ", test_name);                                                        \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
    } while (0)

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            TEST_FAIL("expected %s", #condition);                                                  \
        }                                                                                          \
    } while (0)

// Integers, compared as long long.
#define EXPECT_EQ(actual, expected)                                                                \
    do {                                                                                           \
        const long long actual_ = (long long)(actual), expected_ = (long long)(expected);          \
        if (actual_ != expected_) {                                                                \
            TEST_FAIL("%s is %lld (0x%llx), expected %lld (0x%llx)", #actual, actual_,             \
                      (unsigned long long)actual_, expected_, (unsigned long long)expected_);      \
        }                                                                                          \
    } while (0)

#define EXPECT_STR(actual, expected)                                                               \
    do {                                                                                           \
        const char *actual_ = (actual), *expected_ = (expected);                                   \
        if (strcmp(actual_, expected_) != 0) {                                                     \
            TEST_FAIL("%s is \"%s\", expected \"%s\"", #actual, actual_, expected_);               \
        }                                                                                          \
    } while (0)

#endif
