#!/usr/bin/env python3
"""Runs the tests and adds up what they say.

    tools/run_tests.py [--jobs N] [--list] [--slow] [NAME...]

NAME is a folder of tests/ or the start of a test's name ("unit", "asan/api_call"); none: all.
A test is a program whose last line is "N passed, N failed, N skipped" and whose exit status is 0
if nothing failed. Programs are the executables of tests/{unit,api,unwind,hostile,scale,same} in one
or more builds, `imago wast` over the official scripts, and the Python scripts of tests/. They find
the command in $IMAGO and the build in $IMAGO_BUILD.

A test whose name ends in _slow takes minutes: such are run with --slow, and then no others.

The output of a test is shown if something in it failed; what was skipped is listed at the end. The
last line sums up.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import spectest  # noqa: E402 pylint: disable=wrong-import-position

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
BUILDS = {"release": "build", "debug": "build/debug", "asan": "build/asan"}

# Folder of tests/ -> builds its executables and scripts run in, and the seconds they may take.
# Time is measured in release builds only; sanitizers see everything that handles bad input.
FOLDERS = {
    "lint": (["release"], 60),
    "unit": (["debug", "asan"], 300),
    "api": (["release", "debug", "asan"], 300),
    "unwind": (["debug", "asan"], 300),
    "hostile": (["debug", "asan"], 600),
    "cli": (["release", "asan"], 300),
    "files": (["release", "asan"], 120),
    "emit": (["release", "asan"], 300),
    "tools": (["release", "debug"], 300),
    "spec": (["release", "debug", "asan"], 300),
    "run": (["release"], 600),
    "same": (["release"], 300),
    "layout": (["release", "debug"], 300),
    "windows": (["debug"], 300),
    "scale": (["release"], 600),
    "fuzz": (["release", "asan"], 300),
    "real": (["release"], 900),
}

# Folders each of whose C files is a test; elsewhere they are what scripts work with.
C_FOLDERS = {"unit", "api", "unwind", "hostile", "scale", "same"}

# Scripts that take all processors or measure time run alone, at the end.
ALONE = {"scale", "real"}

SLOW_SECONDS = 3600

# What the sanitizers must say: leaks count, and nothing is forgiven.
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:handle_segv=0:handle_sigbus=0:"
                    "handle_sigfpe=0:handle_sigill=0:allow_user_segv_handler=1:"
                    "use_sigaltstack=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


class Test:
    def __init__(self, name, folder, command, build, seconds):
        self.name, self.folder, self.command = name, folder, command
        self.build, self.seconds = build, seconds


def spec_tests(build, seconds):
    """One test a handful of scripts; none if they are not on this machine."""
    imago = os.path.join(ROOT, BUILDS[build], "imago")
    found = []
    for folder in ("core", "simd") if build == "release" else ("core",):
        scripts = spectest.scripts(folder)
        for first in range(0, len(scripts), 16):
            part = scripts[first:first + 16]
            start, end = (os.path.basename(p)[:-5] for p in (part[0], part[-1]))
            found.append(Test(f"{build}/spec_{folder} {start}..{end}", "spec",
                              [imago, "wast"] + part, build, seconds))
    return found


def file_scripts(build, seconds):
    """The project's own scripts in folders of tests/files, a test a folder."""
    imago = os.path.join(ROOT, BUILDS[build], "imago")
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/files/*/*.wast"))):
        found.setdefault(os.path.basename(os.path.dirname(path)), []).append(path)
    return [Test(f"{build}/files_{folder}", "spec", [imago, "wast"] + paths, build, seconds)
            for folder, paths in found.items()]


def programs(folder, build, seconds):
    """The executables made from tests/FOLDER/*.c in one build."""
    sources = glob.glob(os.path.join(ROOT, "tests", folder, "*.c")) if folder in C_FOLDERS else []
    for source in sorted(sources):
        name = f"{folder}_{os.path.splitext(os.path.basename(source))[0]}"
        path = os.path.join(ROOT, BUILDS[build], name)
        yield Test(f"{build}/{name}", folder, [path], build, seconds)


def scripts(folder, build, seconds):
    """run.py and the slow ones of a folder, or else all its scripts that are marked executable."""
    main = os.path.join(ROOT, "tests", folder, "run.py")
    if os.path.exists(main):
        found = [main] + sorted(glob.glob(os.path.join(ROOT, "tests", folder, "*_slow.py")))
    else:
        found = sorted(glob.glob(os.path.join(ROOT, "tests", folder, "*.py")))
        found = [path for path in found if os.access(path, os.X_OK)]
    for path in found:
        name = os.path.splitext(os.path.basename(path))[0]
        limit = SLOW_SECONDS if is_slow(name) else seconds
        yield Test(f"{build}/{folder}_{name}", folder, [sys.executable, path], build, limit)


def is_slow(name):
    return name.endswith("_slow")


def has_scripts(folder, build):
    """A campaign of fuzzing is run by hand, run.py there is a short one; scripts of tests/spec link
    the libraries, which sanitizers do not allow."""
    if folder == "fuzz":
        return os.path.exists(os.path.join(ROOT, "tests/fuzz/run.py"))
    return folder != "spec" or build != "asan"


def all_tests():
    found = []
    for folder, (builds, seconds) in FOLDERS.items():
        for build in builds:
            if folder == "spec":
                found += spec_tests(build, seconds) + file_scripts(build, seconds)
            found += programs(folder, build, seconds)
            # The scripts over the official suite link helpers of their own, without sanitizers.
            if folder == "spec" and build != "debug":
                continue
            if has_scripts(folder, build):
                found += scripts(folder, build, seconds)
    return found


class Outcome:
    def __init__(self, test, passed, failed, skipped, output, seconds):
        self.test, self.passed, self.failed, self.skipped = test, passed, failed, skipped
        self.output, self.seconds = output, seconds


def run(test):
    build = os.path.join(ROOT, BUILDS[test.build])
    env = dict(os.environ, IMAGO=os.path.join(build, "imago"), IMAGO_BUILD=build)
    if test.build == "asan":
        env.update(SANITIZER_ENV)
    start = time.monotonic()
    try:
        done = subprocess.run(test.command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=test.seconds, check=False)
        status, output = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        status = None
        output = (late.stdout or b"").decode(errors="replace")
        output += f"\nstill running after {test.seconds} s"
    except OSError as reason:
        status, output = None, f"cannot run: {reason}"
    lines = output.rstrip().splitlines()
    match = COUNTS.match(lines[-1]) if lines else None
    passed, failed, skipped = (int(n) for n in match.groups()) if match else (0, 0, 0)
    if match is None or (status != 0 and failed == 0):
        failed += 1
        output += f"\n(exit status {status}, no count of tests or a failure that was not counted)"
    return Outcome(test, passed, failed, skipped, output, time.monotonic() - start)


def report(outcome):
    test = outcome.test
    mark = "ok  " if outcome.failed == 0 else "FAIL"
    print(f"{mark} {test.name}: {outcome.passed} passed, {outcome.failed} failed, "
          f"{outcome.skipped} skipped, {outcome.seconds:.1f} s", flush=True)
    if outcome.failed:
        text = outcome.output.rstrip().splitlines()
        shown = text if len(text) <= 60 else text[:30] + [f"[{len(text) - 60} lines]"] + text[-30:]
        print("\n".join("    | " + line for line in shown), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="only name the tests")
    parser.add_argument("--slow", action="store_true", help="run the slow tests instead")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [test for test in all_tests()
              if is_slow(test.name) == options.slow
              and (not options.names or test.folder in options.names
                   or any(test.name.startswith(name) for name in options.names))]
    if options.list:
        print("\n".join(test.name for test in chosen))
        return 0
    outcomes = []
    start = time.monotonic()
    together = [test for test in chosen if test.folder not in ALONE]
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, test) for test in together]):
            outcomes.append(done.result())
            report(outcomes[-1])
    for test in chosen:
        if test.folder in ALONE:
            outcomes.append(run(test))
            report(outcomes[-1])
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    if spectest.suite() is None and (not options.names or "spec" in " ".join(options.names)):
        print(spectest.MISSING)
        skipped += 1
    for outcome in outcomes:
        for line in outcome.output.splitlines():
            if outcome.skipped and line.lower().startswith("skipped"):
                print(f"{outcome.test.name}: {line}")
    print(f"{time.monotonic() - start:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
