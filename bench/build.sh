#!/usr/bin/env bash
# Builds the kernels of bench/kernels twice, with the same compiler and -O2:
#
#   build/bench/NAME.wasm     clang --target=wasm32-wasi   (what engines run)
#   build/bench/NAME.native   clang for x86-64 baseline    (what ratios refer to)
#
# The scalar WebAssembly of clang's default, no SIMD; natively clang may use
# SSE2, as it would for any program. A file newer than its source is kept.
# Where a tool is missing this says so, names the packages, and exits 77.
#
# And, against the libraries that lie beside the command ($IMAGO, build/imago),
#
#   build/bench/embed_bench    in-process measurements: load, instantiate, calls
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
out=${IMAGO_BENCH_OUT:-$root/build/bench}
clang=${CLANG:-clang-19}
sysroot=/usr
flags="-std=gnu17 -O2 -Wall -Wextra -Werror"

mkdir -p "$out"
is_old() { # target, sources...
    local target=$1 file
    shift
    for file in "$@"; do
        [ "$target" -nt "$file" ] || return 0
    done
    return 1
}

libraries=$(dirname "${IMAGO:-$root/build/imago}")
embed=$(ls "$root"/bench/embed_*.c)
if [ ! -e "$libraries/libimago.a" ]; then
    echo "bench/build.sh: no embed_bench: $libraries/libimago.a is not built"
elif is_old "$out/embed_bench" $embed "$root/bench/embed.h" "$root/tests/processes.h" \
    "$libraries"/libimago*.a; then
    "${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -Werror -I"$root/include" -I"$root/tests" $embed \
        "$libraries/libimago-compile.a" "$libraries/libimago.a" -pthread -ldl \
        -o "$out/embed_bench" || exit 1
fi

missing=
command -v "$clang" >/dev/null || missing="$missing ${clang}"
command -v wasm-ld-19 >/dev/null || command -v wasm-ld >/dev/null || missing="$missing lld-19"
[ -e $sysroot/lib/wasm32-wasi/libc.a ] || missing="$missing wasi-libc"
ls /usr/lib/llvm-*/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a >/dev/null 2>&1 ||
    missing="$missing libclang-rt-19-dev-wasm32"
if [ -n "$missing" ]; then
    echo "bench/build.sh: skipped, missing:$missing"
    echo "  apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32"
    exit 77
fi

headers=$(ls "$root"/bench/kernels/*.h)
for source in "$root"/bench/kernels/*.c "$root"/examples/hello.c; do
    name=$(basename "$source" .c)
    if is_old "$out/$name.wasm" "$source" $headers; then
        "$clang" --target=wasm32-wasi $flags -isystem $sysroot/include/wasm32-wasi \
            -L$sysroot/lib/wasm32-wasi "$source" -o "$out/$name.wasm" || exit 1
    fi
    if is_old "$out/$name.native" "$source" $headers; then
        "$clang" $flags "$source" -o "$out/$name.native" -lm || exit 1
    fi
done
echo "bench/build.sh: $(ls "$out"/*.wasm | wc -l) programs in $out"
