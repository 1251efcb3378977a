//! exit: 134
//! stdout: before\n
//! stderr-has: unreachable
// A program that aborts: what it wrote before is out, and the status says that it trapped.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    printf("before\n");
    fflush(stdout);
    abort();
}
