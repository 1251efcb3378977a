#!/bin/sh
# tools/setup.sh run|test: installs what is missing through the system's package manager.
#
# Says what it installs. As root or with sudo it does so; otherwise it prints the one command to
# type and exits with 1. What is merely useful (a disassembler, tools that some tests want) is
# installed with the rest when possible; where that fails, the tests concerned skip.
set -u
purpose=${1:-run}

missing=   # cannot do without
wanted=    # nice to have

# need COMMAND-OR-FILE... -- PACKAGE: PACKAGE is missing unless one of the first is there.
need() {
    for thing in "$@"; do
        case $thing in
        --) break ;;
        /*) if [ -e "$thing" ]; then return; fi ;;
        *) if command -v "$thing" >/dev/null 2>&1; then return; fi ;;
        esac
    done
    eval "package=\${$#}"
    missing="$missing $package"
}

want() {
    kept=$missing
    missing=
    need "$@"
    wanted="$wanted$missing"
    missing=$kept
}

need cc gcc clang -- gcc
need /usr/include/stdio.h -- libc6-dev
need cmake -- cmake
need make -- make
want /usr/include/capstone/capstone.h -- libcapstone-dev
want readelf -- binutils
want musl-gcc -- musl-tools # for stand-alone programs of the size they should have
if [ "$purpose" = test ]; then
    need python3 -- python3
    # C to WebAssembly: clang 19 where it can be had, else the system's.
    version=
    if apt-cache show libclang-rt-19-dev-wasm32 >/dev/null 2>&1; then
        version=-19
    fi
    want clang-19 clang -- clang$version
    want wasm-ld-19 wasm-ld -- lld$version
    want /usr/lib/wasm32-wasi/libc.a /usr/lib/wasm32-wasip1/libc.a -- wasi-libc
    want eu-elflint -- elfutils
    want gdb -- gdb
    want lldb lldb-19 lldb-14 -- lldb
    want perf -- linux-perf
    want valgrind -- valgrind
    want bpftrace -- bpftrace
    want qemu-x86_64 -- qemu-user # processors that lack something
    want strace -- strace
    # Images for Windows: their unwind tables read, and one run.
    want llvm-readobj-19 llvm-readobj -- llvm$version
    want wine64 /usr/lib/wine/wine64 -- wine64
    want x86_64-w64-mingw32-gcc -- gcc-mingw-w64-x86-64
    want pkg-config -- pkg-config
    want git -- git
    if ! ls /usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.builtins-wasm32.a \
        /usr/lib/llvm-*/lib/clang/*/lib/wasm32-*/libclang_rt.builtins.a 2>/dev/null |
        grep -q .; then
        wanted="$wanted libclang-rt$version-dev-wasm32"
    fi
fi

if [ -z "$missing$wanted" ]; then
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    if [ -z "$missing" ]; then
        echo "set-up: not there, and not needed to go on:$wanted" >&2
        exit 0
    fi
    echo "set-up: missing (names of Debian's packages):$missing" >&2
    echo "set-up: install them with your package manager, then try again" >&2
    exit 1
fi

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
elif command -v sudo >/dev/null 2>&1 && [ -t 0 ]; then
    as_root=sudo
else
    if [ -z "$missing" ]; then
        echo "set-up: not there, and not needed to go on:$wanted" >&2
        exit 0
    fi
    echo "set-up: missing:$missing" >&2
    echo "set-up: type this, then try again:" >&2
    echo "    su -c 'apt-get update && apt-get install -y$missing$wanted'" >&2
    exit 1
fi

try_install() {
    # shellcheck disable=SC2086 # words are meant to split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $1 \
        >/tmp/imago-setup.$$ 2>&1
}

# Once more with fresh package lists if it fails.
install_packages() {
    if ! try_install "$1" &&
        { ! $as_root apt-get update >/dev/null 2>&1 || ! try_install "$1"; }; then
        tail -n 2 /tmp/imago-setup.$$ >&2
        rm -f /tmp/imago-setup.$$
        return 1
    fi
    rm -f /tmp/imago-setup.$$
}

echo "set-up: installing with apt-get:$missing$wanted"
if [ -n "$missing" ] && ! install_packages "$missing"; then
    echo "set-up: could not install:$missing" >&2
    exit 1
fi
if [ -n "$wanted" ] && ! install_packages "$wanted"; then
    for package in $wanted; do
        install_packages "$package" || echo "set-up: going on without $package" >&2
    done
fi
exit 0
