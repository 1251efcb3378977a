// The example of README.md: the program as it stands, and what it prints.
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

int example_main(void);
#define main example_main
#include "../../examples/embed.c"
#undef main

#include "test.h"

static const char OUTPUT[] = "the guest says 85\n"
                             "run(85, 2) = 42\n"
                             "the guest says 85\n"
                             "trap: integer divide by zero\n"
                             "  #0 function 1 \"divide\" at 0x3d\n"
                             "  #1 function 2 \"run\" at 0x49\n";

// Runs the program with its standard output in `file`. Returns its exit status.
static int run_into(FILE *file) {
    const pid_t child = fork();
    if (child == 0) {
        (void)dup2(fileno(file), STDOUT_FILENO);
        const int status = example_main();
        (void)fflush(stdout);
        _exit(status);
    }
    int status = -1;
    (void)waitpid(child, &status, 0);
    return status;
}

TEST(prints_what_it_promises) {
    FILE *file = tmpfile();
    if (file == NULL) {
        TEST_SKIP("no temporary file");
        return;
    }
    char found[1024] = "";
    EXPECT_EQ(run_into(file), 0);
    rewind(file);
    const size_t bytes = fread(found, 1, sizeof found - 1, file);
    (void)fclose(file);
    EXPECT_EQ(bytes, sizeof OUTPUT - 1);
    EXPECT_STR(found, OUTPUT);
}

int main(void) {
    RUN(prints_what_it_promises);
    return test_end();
}
