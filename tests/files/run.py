#!/usr/bin/env python3
"""Files that carry their expected output.

A .wat or .wast file here starts with a line `;;! WORDS`, arguments of imago in which FILE stands
for the file. Behind the last line of the text come the expected lines, each after `;;| `: what the
command writes on standard output and standard error, then `exit N`. Paths are cut to FILE. A .wast
file without such a line is a script of which every assertion holds.

    tests/files/run.py [NAME...]            compares
    BLESS=1 tests/files/run.py [NAME...]    writes what comes; read the difference before committing
"""
import difflib
import glob
import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGO = os.path.abspath(os.environ.get("IMAGO", os.path.join(HERE, "../../build/imago")))
MARK = ";;|"


def outcome(path, directive):
    """The lines that the command of a file gives."""
    words = [path if word == "FILE" else word for word in shlex.split(directive)]
    done = subprocess.run([IMAGO] + words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace").replace(path, "FILE")
    return text.splitlines() + [f"exit {done.returncode}"]


def check_script(path):
    """None if all assertions of a script hold, else what it says."""
    found = outcome(path, "wast FILE")
    ok = found[-1] == "exit 0" and " 0 failed, 0 skipped" in found[-2]
    return None if ok else "\n".join(found)


def check(path):
    """None if all is as expected, else the difference."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    if not lines or not lines[0].startswith(";;! "):
        return check_script(path)
    text = [line for line in lines if not line.startswith(MARK)]
    expected = [line[len(MARK):].removeprefix(" ") for line in lines if line.startswith(MARK)]
    found = outcome(path, lines[0][4:])
    if found == expected:
        return None
    if os.environ.get("BLESS"):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(text + [f"{MARK} {line}".rstrip() for line in found]) + "\n")
        return None
    return "\n".join(difflib.unified_diff(expected, found, "expected", "found", lineterm=""))


def main():
    paths = sorted(glob.glob(os.path.join(HERE, "**", "*.wa*t"), recursive=True))
    chosen = [p for p in paths if not sys.argv[1:] or any(n in p for n in sys.argv[1:])]
    failed = 0
    for path in chosen:
        difference = check(path)
        if difference is not None:
            failed += 1
            print(f"failed: {os.path.relpath(path, HERE)}\n{difference}")
    print(f"{len(chosen) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
