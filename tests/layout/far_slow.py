#!/usr/bin/env python3
"""Callers and callees more than 2 GiB apart, by padding that is holes in the file: calls go through
veneers, backtraces and tools work, and what cannot reach is said."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import layouts

PADDING = "1300M"  # three of them: nearly 4 GiB
LESS_PADDING = "400M"  # as far as llvm-readobj follows
HERE = os.path.dirname(os.path.abspath(__file__))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def imago(*arguments):
    return run(layouts.IMAGO, *arguments)


def check_calls(counts, image):
    results = {("a", 0): 1, ("c", 0): 2, ("a", 5): 232, ("b", 5): 553, ("c", 6): 332}
    for (name, argument), result in results.items():
        status, text = imago("run", "--invoke", name, image, str(argument))
        counts.expect(status == 0 and text == f"{result}\n", name, argument, text)
    status, text = imago("run", "--invoke", "a", image, "100")
    counts.expect(re.search(r"trap: unreachable\n.*#0 c .*\n.*#1 a ", text), text)


def check_place(counts, image):
    status, text = imago("objdump", "--funcs", image)
    place = {name: int(at, 16) for at, name in re.findall(r" ([0-9a-f]+) +\d+  ([abc]) ", text)}
    counts.expect(status == 0 and place.get("c", 0) - place.get("a", 0) > 2 << 30, text)
    counts.expect(os.stat(image).st_blocks * 512 < 8 << 20, "padding is holes")
    status, text = imago("verify", image)
    counts.expect(status == 0, text)


TOOLS = {"eu-elflint": (["--gnu-ld"], "No errors"),
         "readelf": (["--debug-dump=frames"], "ZERO terminator")}
TOOLS_OF_LESS = {"llvm-readobj-19": (["--unwind"], "initial_location: 0x")}


def check_tools(counts, image, tools):
    for tool, (options, expected) in tools.items():
        if shutil.which(tool) is None:
            print(f"skipped: no {tool}")
            counts.skipped += 1
            continue
        _, text = run(tool, *options, image)
        counts.expect(expected in text and "arning" not in text and "error:" not in text, tool,
                      text[:500])


def check_errors(counts, folder):
    """A table is referred to by a displacement, and the text has its limit."""
    source = os.path.join(folder, "table.wat")
    with open(source, "w", encoding="ascii") as file:
        file.write('(module (table 1 funcref) (elem (i32.const 0) 0) (func) (func) (func (export '
                   '"f") (call_indirect (i32.const 0))))')
    out = os.path.join(folder, "bad")
    status, text = imago("compile", source, "-o", out, "--func-padding", PADDING)
    counts.expect(status != 0 and "function 2: reference to data out of range" in text, text)
    status, text = imago("compile", source, "-o", out, "--func-padding", "3G")
    counts.expect(status != 0 and "an image has at most 4294963200" in text, text)


def main():
    counts = layouts.Counts()
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "far.image")
        source = os.path.join(HERE, "far.wat")
        status, text = imago("compile", source, "-o", image, "--func-padding", PADDING)
        if status != 0 and "too large" in text.lower():
            print("skipped: no files of 4 GiB here:", text)
            counts.skipped += 1
            return counts.end()
        counts.expect(status == 0, text)
        check_calls(counts, image)
        check_place(counts, image)
        check_tools(counts, image, TOOLS)
        status, text = imago("compile", source, "-o", image, "--func-padding", LESS_PADDING)
        counts.expect(status == 0, text)
        check_tools(counts, image, {**TOOLS, **TOOLS_OF_LESS})
        check_errors(counts, folder)
    return counts.end()


sys.exit(main())
