#!/bin/sh
# tools/run_example.sh IMAGO FILE [ARGUMENT...]: compiles FILE to an image, shows what the image is,
# maps it and runs it. The exit status is the program's.
set -eu
imago=$1
file=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
image=$folder/$(basename "$file" | sed 's/\.[a-z]*$//').image

echo "compile  $file"
"$imago" compile "$file" -o "$image" --stats 2>&1 | sed "s|$folder/||g; s/^/         /"
if command -v readelf >/dev/null 2>&1; then
    relocations=$(readelf -rW "$image" 2>/dev/null | grep -cE '^[0-9a-f]{8,}' || true)
    echo "image    $(stat -c %s "$image") bytes, ELF $(readelf -hW "$image" |
        sed -n 's/^ *Type: *\([A-Z]*\).*/\1/p'), relocations: $relocations"
else
    echo "image    $(stat -c %s "$image") bytes"
fi
echo "run      $(basename "$image") $*"
set +e
"$imago" run --stats "$image" "$@"
status=$?
echo "exit status $status"
exit $status
