#!/bin/sh
# tools/tidy.sh JOBS [FILE...]: clang-tidy with the checks of .clang-tidy; no FILE: all of src/.
# Minutes. The clang preset's folder gives it the flags; nothing is built.
set -u
jobs=$1
shift
cd "$(dirname "$0")/.." || exit 1
for tidy in clang-tidy clang-tidy-19 clang-tidy-18 clang-tidy-17 none; do
    command -v "$tidy" >/dev/null && break
done
if [ "$tidy" = none ]; then
    echo "make tidy: no clang-tidy (17 or later)" >&2
    exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset clang >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
if [ $# -eq 0 ]; then
    set -- $(find src -name '*.c' | sort)
fi
if printf '%s\n' "$@" | xargs -P "$jobs" -n 4 "$tidy" -p build/clang --quiet >"$log" 2>&1; then
    echo "$# files, nothing found"
else
    grep -E 'warning: |error: ' "$log" | sort -u
    exit 1
fi
