#!/usr/bin/env python3
"""Checks of the source text that a compiler does not make: layers, width, banned calls, tables.

    tests/lint/run.py            one test a check; a line for each finding
    tests/lint/run.py --report   also lists long functions and files, which are guides, not rules
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WIDTH = 100
FUNCTION_LINES, FILE_LINES = 70, 1000

BANNED_EVERYWHERE = "strcpy strcat sprintf vsprintf gets atoi atol atoll strtok alloca system"
BANNED_OUTSIDE_BASE = "malloc calloc realloc free strdup strndup aligned_alloc posix_memalign"
BANNED_IN_LIBRARIES = "exit _exit abort printf puts putchar fprintf vprintf vfprintf perror fputs"

# Table -> what a row's first word is called in the code.
TABLES = {
    "src/base/errors.def": ["ERR_{}", "IMAGO_ERROR_{}", "fail({}"],
    "src/types/traps.def": ["TRAP_{}"],
    "src/cli/options.def": ["OPT_{}"],
}

# Rows that only hold a number for what is to come.
RESERVED = {"INTERRUPT"}


def tree():
    """Files of the tree, relative to the root: tracked and new ones, or all where git is absent."""
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        return done.stdout.splitlines()
    return [os.path.relpath(os.path.join(folder, name), ROOT)
            for folder, _, names in os.walk(ROOT) for name in names
            if not os.path.relpath(folder, ROOT).startswith(("build", ".cache", ".git"))]


def files(*endings, under=""):
    """Those that end and start so."""
    return [f for f in sorted(tree()) if f.endswith(endings) and f.startswith(under)
            and os.path.isfile(os.path.join(ROOT, f))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def code_of(text):
    """C text with comments and string contents blanked out, lines kept."""
    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[-1]
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text,
                  flags=re.DOTALL)


def layers():
    """Every include follows src/LAYERS."""
    allowed = {}
    for line in read("src/LAYERS").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, others = line.partition(":")
            allowed[name.strip()] = set(others.split()) | {name.strip()}
    for path in files(".c", ".h", ".S", under="src/"):
        layer = path.split("/")[1]
        if layer not in allowed:
            yield f"{path}: layer {layer} is not in src/LAYERS"
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not match:
                continue
            target = match.group(1)
            if not os.path.dirname(target):
                yield f"{path}:{number}: \"{target}\" is not a path from src/"
                continue
            other = target.split("/")[0]
            # The error codes are the ground layer's vocabulary, in a public header.
            if target == "imago/error.h":
                other = "base"
            elif other == "imago":
                other = "public"
            if other not in allowed[layer]:
                yield f"{path}:{number}: layer {layer} must not include {target}"
    for path in files(".h", under="include/"):
        for number, line in enumerate(read(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if match and not match.group(1).startswith("imago/"):
                yield f"{path}:{number}: a public header includes public headers only"


def width():
    """No line is wider than the screen, none ends in blanks, none holds a tab but in a Makefile."""
    for path in files(".c", ".h", ".S", ".def", ".py", ".sh", ".cmake", "CMakeLists.txt"):
        for number, line in enumerate(read(path).splitlines(), 1):
            if len(line) > WIDTH:
                yield f"{path}:{number}: {len(line)} columns"
            if line != line.rstrip() or "\t" in line:
                yield f"{path}:{number}: blanks at the end, or a tab"


def calls_of(words):
    return re.compile(r"(?<![\w.>])(" + "|".join(words.split()) + r")\s*\(")


def banned_calls():
    """Calls that overrun, hide an allocation, or print from a library."""
    everywhere, outside_base, in_libraries = (
        calls_of(w) for w in (BANNED_EVERYWHERE, BANNED_OUTSIDE_BASE, BANNED_IN_LIBRARIES))
    for path in files(".c", ".h", under="src/"):
        layer = path.split("/")[1]
        for number, line in enumerate(code_of(read(path)).splitlines(), 1):
            for pattern, applies in ((everywhere, True), (outside_base, layer != "base"),
                                     (in_libraries, layer != "cli")):
                match = pattern.search(line) if applies else None
                if match:
                    yield f"{path}:{number}: {match.group(1)}() is not used here"


def asserts():
    """An assert has no side effect: release builds do not evaluate it."""
    effect = re.compile(r"(?<![\w])assert\s*\((?=.*(\+\+|--|[^=!<>+\-*/|&^]=[^=]|[+\-*/|&^]=))")
    for path in files(".c", ".h", under="src/"):
        for number, line in enumerate(code_of(read(path)).splitlines(), 1):
            if effect.search(line) and "_Static_assert" not in line:
                yield f"{path}:{number}: assert with a side effect"


def table_rows():
    """Every row of a table is used somewhere in the code."""
    text = "\n".join(code_of(read(path)) for path in files(".c", ".h", ".S", under="src/"))
    text += "\n".join(read(path) for path in files(".c", under="tests/"))
    for table, forms in TABLES.items():
        if not os.path.exists(os.path.join(ROOT, table)):
            continue
        for name in re.findall(r"^[A-Z_]+\((\w+)\s*,", read(table), re.MULTILINE):
            patterns = [re.escape(form.format(name)) + r"\b" for form in forms if "(" not in form]
            patterns.append(r"\bfail\([^,]*,\s*" + name + r"\b")
            if name not in RESERVED and not any(re.search(pattern, text) for pattern in patterns):
                yield f"{table}: row {name} is used nowhere"


def error_codes():
    """A test of each error code names it, or what the command calls it."""
    text = "\n".join(read(path) for path in files(".c", ".h", ".py", under="tests/"))
    for name, words in re.findall(r'^ERROR\((\w+),[^,]*, "([^"]*)"\)', read("src/base/errors.def"),
                                  re.MULTILINE):
        if not re.search(rf"\b(IMAGO_ERROR|ERR)_{name}\b|\"{words}", text):
            yield f"src/base/errors.def: no test produces {name}"


def guards():
    """The include guard of a header is its path in capitals."""
    for path in files(".h", under="src/") + files(".h", under="include/"):
        guard = re.sub(r"\W", "_", path.split("/", 1)[1]).upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in read(path):
            yield f"{path}: guard {guard} expected"


def headers_alone():
    """A header compiles on its own; the public ones as C99 too."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return
    base = [compiler, "-x", "c", "-fsyntax-only", "-Wall", "-D_GNU_SOURCE", "-Isrc",
            "-Iinclude"]
    jobs = [(path, ["-std=gnu17", "-w"]) for path in files(".h", under="src/")]
    jobs += [(path, ["-std=c99", "-pedantic-errors"]) for path in files(".h", under="include/")]
    for path, flags in jobs:
        done = subprocess.run(base + flags + [path], cwd=ROOT, stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode != 0:
            yield f"{path}: {done.stderr.splitlines()[0]}"


def stands_alone():
    """Nothing in the tree leans on folders outside it."""
    outside = re.compile(re.escape("../" + "shared"))
    for path in files(".c", ".h", ".S", ".def", ".py", ".sh", ".md", ".txt", ".cmake", "Makefile",
                      ".wat"):
        for number, line in enumerate(read(path).splitlines(), 1):
            if outside.search(line):
                yield f"{path}:{number}: mentions a folder outside the tree"


CHECKS = [layers, width, banned_calls, asserts, table_rows, error_codes, guards, headers_alone,
          stands_alone]


def report():
    """Longer than the guides say."""
    for path in files(".c", ".h", ".S", under="src/"):
        lines = code_of(read(path)).splitlines()
        if len(lines) > FILE_LINES:
            print(f"{path}: {len(lines)} lines")
        start = None
        for number, line in enumerate(lines, 1):
            if re.match(r"[a-zA-Z_].*\)[^;]*\{\s*$|[^#\s].*\) \{$", line):
                start = number
            elif line.startswith(" ") and line.rstrip().endswith(") {") and start is None:
                start = number
            if line.startswith("}") and start is not None:
                if number - start + 1 > FUNCTION_LINES:
                    print(f"{path}:{start}: function of {number - start + 1} lines")
                start = None


def main():
    failed = 0
    for check in CHECKS:
        findings = list(check())
        failed += bool(findings)
        for finding in findings[:40]:
            print(f"{check.__name__}: {finding}")
        if len(findings) > 40:
            print(f"{check.__name__}: {len(findings) - 40} more")
    if "--report" in sys.argv[1:]:
        report()
    print(f"{len(CHECKS) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
