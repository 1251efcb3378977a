# Sourced by the build_*.sh recipes: one program of a Debian source package,
# built twice by the same clang, as WebAssembly (NAME.wasm) and for this
# machine (NAME.native), so that their outputs can be compared.
#
# A recipe says what it needs and how, in this order:
#   real_begin NAME PACKAGE [TOOL...]  -> cd into $src; returns at once if built
#   real_cc ARGUMENTS                  -> compiles and links both
# Sources come by `apt-get source` with a private apt state under the cache, so
# that neither the system's package lists nor its configuration changes.
# Exit status 77: something is missing, the last line printed says what.
set -eu

real_here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$real_here/../.." && pwd)
cache=${IMAGO_CACHE:-$root/.cache}
apt=$cache/apt
out=$cache/real
sources=$cache/src
clang=${CLANG:-clang-19}

wasm_flags="--target=wasm32-wasi -nostdlibinc -isystem /usr/include/wasm32-wasi
    -L/usr/lib/wasm32-wasi -Wl,-z,stack-size=1048576
    -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_MMAN
    -D_WASI_EMULATED_GETPID -I$real_here/shim -include $real_here/shim/absent.h"
wasm_libs="-lwasi-emulated-signal -lwasi-emulated-process-clocks -lwasi-emulated-mman
    -lwasi-emulated-getpid -lm"
flags="-O2 -w"

skip() {
    echo "$*"
    exit 77
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

# The machine's own Debian or Ubuntu archives, as source archives. Security
# suites are left out: a mirror may list a version there that it no longer has.
real_apt_setup() {
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
    python3 - "$apt/parts" <<'EOF'
import glob, re, sys
stanzas, lines = [], []
for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
    for stanza in re.split(r"\n\s*\n", open(path).read()):
        field = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza))
        if not re.search(r"debian|ubuntu", field.get("Signed-By", "") + field.get("URIs", "")):
            continue
        suites = [s for s in field.get("Suites", "").split() if not s.endswith("-security")]
        if suites and "main" in field.get("Components", ""):
            stanza = re.sub(r"(?m)^Types:.*$", "Types: deb-src", stanza)
            stanza = re.sub(r"(?m)^Suites:.*$", "Suites: " + " ".join(suites), stanza)
            stanzas.append(stanza.strip())
for path in ["/etc/apt/sources.list"] + glob.glob("/etc/apt/sources.list.d/*.list"):
    try:
        text = open(path).read()
    except OSError:
        continue
    for line in text.splitlines():
        m = re.match(r"deb\s+((?:\[[^]]*\]\s+)?\S*(?:debian|ubuntu)\S*\s+(\S+)\s.*\bmain\b.*)$",
                     line)
        if m and not m.group(2).endswith("-security"):
            lines.append("deb-src " + m.group(1))
open(sys.argv[1] + "/src.sources", "w").write("\n\n".join(stanzas) + "\n")
open(sys.argv[1] + "/src.list", "w").write("\n".join(lines) + "\n")
EOF
}

real_apt() {
    apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

# Sets src to the unpacked source of a Debian package.
real_fetch() {
    local package=$1
    src=$sources/$package
    [ -e "$src/.done" ] && return 0
    need apt-get dpkg-source python3
    if [ ! -e "$apt/.updated" ]; then
        real_apt_setup
        real_apt update >"$apt/log" 2>&1 || skip "package lists are not to be had (offline?)"
        touch "$apt/.updated"
    fi
    rm -rf "$src" "$src.dl"
    mkdir -p "$src.dl"
    (cd "$src.dl" && real_apt source --download-only "$package" >"$apt/log" 2>&1) ||
        skip "the source of $package is not to be had (offline?)"
    dpkg-source --no-check -x "$src.dl"/*.dsc "$src" >"$apt/log" 2>&1
    rm -rf "$src.dl"
    touch "$src/.done"
}

# real_begin NAME PACKAGE [TOOL...]
real_begin() {
    name=$1
    local package=$2
    shift 2
    mkdir -p "$out" "$sources"
    if [ -s "$out/$name.wasm" ] && [ -s "$out/$name.native" ] &&
        [ "$out/$name.wasm" -nt "$0" ] &&
        [ "$out/$name.wasm" -nt "$real_here/build_common.sh" ]; then
        exit 0
    fi
    need "$clang" "$@"
    command -v wasm-ld-19 >/dev/null || command -v wasm-ld >/dev/null ||
        skip "wasm-ld (lld-19) is not installed"
    [ -e /usr/lib/wasm32-wasi/libc.a ] || skip "wasi-libc is not installed"
    real_fetch "$package"
    cd "$src"
}

# real_cc ARGUMENTS: the same compiler call for both targets. $wasm_only and
# $native_only hold what one of them needs beyond it.
real_cc() {
    # shellcheck disable=SC2086
    "$clang" $wasm_flags $flags ${wasm_only:-} "$@" "$real_here/shim/absent.c" $wasm_libs \
        -o "$out/$name.wasm.new"
    # shellcheck disable=SC2086
    "$clang" $flags ${native_only:-} "$@" -lm -o "$out/$name.native"
    mv "$out/$name.wasm.new" "$out/$name.wasm"
}
