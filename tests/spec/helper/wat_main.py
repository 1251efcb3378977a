"""Builds wat_main.c against the libraries of a build; shared by tests/spec/text_*.py."""

import os
import shutil
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))


def skip(why):
    print(f"skipped: {why}")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)


class Counts:
    """Of tests; prints what a failed one is about."""

    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, ok, *what):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(*what)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, 0 skipped")
        sys.exit(self.failed != 0)


def build(folder):
    """Path of the program, made in `folder`. $IMAGO_BUILD names the build (default: build)."""
    made = os.environ.get("IMAGO_BUILD", os.path.join(ROOT, "build"))
    library = os.path.join(made, "libimago-internal.a")
    compiler = os.environ.get("CC", "cc")
    if not os.path.exists(library):
        skip(f"no {library}")
    if shutil.which(compiler) is None:
        skip(f"no C compiler {compiler}")
    program = os.path.join(folder, "wat_main")
    source = os.path.join(ROOT, "tests", "spec", "helper", "wat_main.c")
    includes = [f"-I{os.path.join(ROOT, name)}" for name in ("src", "include")]
    command = [compiler, "-std=gnu17", "-O1", *includes, source, "-o", program, library]
    subprocess.run(command + ["-pthread"], check=True)
    return program
