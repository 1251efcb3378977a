//! args: one "two words" "" --help
//! env: NAME=value
//! env: EMPTY=
//! stdin: first line\nsecond\0line
//! exit: 42
//! stderr-has: to standard error
// Arguments, environment, standard streams and the exit code of a program.
#include <stdio.h>
#include <stdlib.h>

static void show(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        printf("%s is not set\n", name);
    } else {
        printf("%s=%s\n", name, value);
    }
}

int main(int argc, char **argv) {
    int bytes = 0;
    printf("%d args\n", argc);
    for (int i = 1; i < argc; i++) {
        printf("[%s]\n", argv[i]);
    }
    show("NAME");
    show("EMPTY");
    show("MISSING");
    while (getchar() != EOF) {
        bytes++;
    }
    printf("%d bytes on standard input\n", bytes);
    fprintf(stderr, "to standard error\n");
    exit(42);
}
