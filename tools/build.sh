#!/bin/sh
# tools/build.sh PRESET JOBS: configures if needed and builds one preset, quietly unless it fails.
set -u
preset=$1
jobs=${2:-2}
cd "$(dirname "$0")/.." || exit 1
case $preset in
release) folder=build ;;
*) folder=build/$preset ;;
esac
mkdir -p "$folder"
log=$folder/build.log
if ! { cmake --preset "$preset" && cmake --build "$folder" -j "$jobs"; } >"$log" 2>&1; then
    grep -E -A 4 'error: |CMake Error|undefined reference|multiple definition|\*\*\*' "$log" |
        head -n 60 >&2
    echo "build of $preset failed; all of it: $log" >&2
    exit 1
fi
