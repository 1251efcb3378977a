#!/bin/sh
# tools/size.sh BUILD: how large the libraries are, and a program that can only run images.
set -eu
build=$1
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
text_of() { size -A "$1" | awk '$1 == ".text" || $1 == ".rodata" {t += $2} END {print t + 0}'; }
printf '%-44s %10s %12s\n' file 'file bytes' 'text+rodata'
for file in "$build/libimago.so" "$build/libimago-compile.so" "$build/imago"; do
    printf '%-44s %10s %12s\n' "$file" "$(stat -Lc %s "$file")" "$(text_of "$file")"
done
if [ -f examples/run_image.c ]; then
    cc -O2 -Iinclude examples/run_image.c "$build/libimago.a" -pthread -Wl,--gc-sections -s \
        -o "$folder/run_image"
    printf '%-44s %10s %12s\n' 'examples/run_image.c with libimago.a alone' \
        "$(stat -c %s "$folder/run_image")" "$(text_of "$folder/run_image")"
fi
if [ -f "$build/imago-launcher" ]; then
    for kind in image static-exe; do
        "$build/imago" compile examples/hello.wat --emit "$kind" -o "$folder/$kind"
    done
    printf '%-44s %10s\n' 'a stand-alone program beyond its image' \
        "$(($(stat -c %s "$folder/static-exe") - $(stat -c %s "$folder/image")))"
fi
