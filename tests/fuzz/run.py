#!/usr/bin/env python3
"""The short part of the fuzzing, for the test run; and the long hostile campaign.

    tests/fuzz/run.py [--seconds N]     fixed seeds, N seconds (20)
    tests/fuzz/run.py --hostile [--seconds N] [--count N] [--keep FOLDER]
                                        damaged modules under the sanitizers: needs `make asan`

In a build with sanitizers ($IMAGO_BUILD) the short part is damaged modules, in any other one it is
comparison with another engine. --hostile runs N damaged modules (100,000), then every module of the
official scripts cut at each byte, each for at most N seconds (600). Last line: "N passed, N failed,
N skipped".
"""
import argparse
import glob
import os
import re
import subprocess
import sys

import engines

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:"
                    "handle_sigill=0:allow_user_segv_handler=1:use_sigaltstack=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def run(command):
    """Runs it, shows what it says, returns its counts."""
    done = subprocess.run(command, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(SANITIZERS, **os.environ),
                          check=False)
    print(COUNTS.sub("", done.stdout).rstrip(), flush=True)
    found = COUNTS.search(done.stdout)
    if found is None:
        print(f"no counts, exit status {done.returncode}: {' '.join(command[:3])} ...")
        return [0, 1, 0]
    return [int(n) for n in found.groups()]


def samples():
    examples = sorted(glob.glob(os.path.join(engines.ROOT, "examples/*.wat")))
    return engines.spectest.scripts("core", "simd") + examples


def mutate(*options):
    return run([engines.program("fuzz_mutate"), *options] + samples())


def differential(*options):
    script = os.path.join(HERE, "differential.py")
    return run([sys.executable, script, *options])


def has_sanitizers():
    cache = os.path.join(engines.build_folder(), "CMakeCache.txt")
    if not os.path.exists(cache):
        return False
    with open(cache, encoding="utf-8") as file:
        return re.search(r"^IMAGO_SANITIZE:\w+=\S", file.read(), re.M) is not None


def hostile(options):
    if "IMAGO_BUILD" not in os.environ:
        os.environ["IMAGO_BUILD"] = os.path.join(engines.ROOT, "build", "asan")
    keep = ["--keep", options.keep] if options.keep else []
    limit = ["--seconds", str(options.seconds or 600)]
    yield lambda: mutate("--count", str(options.count), *limit, *keep)
    yield lambda: mutate("--cut", *limit, *keep)


def short(seconds):
    if has_sanitizers():
        yield lambda: mutate("--count", "1000000", "--seconds", str(seconds))
    else:
        yield lambda: differential("--seconds", str(seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--keep", help="folder for modules that fail")
    parser.add_argument("--hostile", action="store_true")
    options = parser.parse_args()
    totals = [0, 0, 0]
    for part in hostile(options) if options.hostile else short(options.seconds or 20):
        try:
            counts = part()
        except engines.Skip as reason:
            print(f"skipped: {reason}")
            counts = [0, 0, 1]
        totals = [a + b for a, b in zip(totals, counts)]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
