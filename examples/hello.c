// The smallest useful WASI program in C: greets whoever IMAGO_GREETING or
// the first argument names, lists its arguments, and returns their number.
//
//   clang-19 --target=wasm32-wasi -O2 -isystem /usr/include/wasm32-wasi
//       -L /usr/lib/wasm32-wasi examples/hello.c -o hello.wasm
//   imago run hello.wasm --env IMAGO_GREETING=Servus one two
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    const char *greeting = getenv("IMAGO_GREETING");
    printf("%s, %s!\n", greeting ? greeting : "Hello", argc > 1 ? argv[1] : "world");
    for (int i = 1; i < argc; i++) {
        printf("argument %d: %s\n", i, argv[i]);
    }
    return argc - 1;
}
