#!/usr/bin/env python3
"""`make bench`: measures Imago beside its peers, in turn, in one run.

    bench/run.py [--only compile,validate,run,start,size,embed,many] [--kernels sieve,lz]
                 [--modules swc,ruby] [--engines imago,winch,...] [--repeat N] [--all]

Everything runs on one core, pinned, one process at a time, engines interleaved,
so that a disturbance hits all alike. Figures are CPU time where a single thread
works, wall time for start-up. Absolute figures drift; read the ratios.

compile  MB of code section compiled in a second, and peak memory of the process.
         V8 times itself around `new WebAssembly.Module`. The others write a file:
         process time less that of a trivial module. Slow compilers get the small
         modules only, unless --all.
validate MB of code section decoded and validated in a second, beside Wasmtime's C library.
run      Kernels of bench/kernels: time at the default repeat less time at repeat 0
         (start-up, load, making of input), ratio to native clang -O2. The checksum
         each prints must be the native one.
start    Start to exit of hello world from the compiled file, wall time.
size     Generated code (.text) and whole file, for ELF-writing engines, and the share that
         each kind of section has in it (bench/sizes.py).
embed    In the embedder's process, beside Wasmtime's C library: load, system calls and
         allocations of it, instantiate (us), calls between host and guest (ns).
many     Thousands of files loaded in one process: the first and the last loads, memory of each.
         One file in four processes: which pages they share.

Raw results: build/bench/PART.csv, one line a measurement.
Modules and peers come by bench/fetch.sh, kernels by bench/build.sh.
"""
import argparse
import os
import platform
import subprocess
import sys

import engines as peers
from embed import embed_part, validate_part
from engines import Failure, HERE, OUT, ROOT
from many import many_part
from measure import (Csv, build_launcher, geomean, measure, median, number, pin, processor,
                     table)
from sizes import GROUPS, group_sizes

sys.path.insert(0, os.path.join(ROOT, "tests", "real"))
from stubs import code_bytes  # noqa: E402

MODULES = ["tree-sitter", "quickjs", "sqlite", "avr-as", "go-wasip1", "resvg", "cpython", "esbuild",
           "ruby", "swc", "gcc-cc1"]


def note(text):
    print(f"note: {text}", flush=True)


def note_failure(engine, what, reason):
    note(f"{engine.name} on {what}: {reason}")


def module_path(name):
    return os.path.join(peers.CACHE, "modules", name + ".wasm")


def kernel_names():
    sources = os.listdir(os.path.join(HERE, "kernels"))
    return sorted(s[:-2] for s in sources if s.endswith(".c"))


def code_size(path):
    with open(path, "rb") as f:
        return code_bytes(f.read())


# --- compile ------------------------------------------------------------------------------------

def is_too_slow(engine, code, options):
    return engine.code_limit and code > engine.code_limit and not options.all


def compile_part(chosen, options):
    """MB of code section per second and peak memory, a row a module."""
    raw = Csv(os.path.join(OUT, "compile.csv"),
              ["module", "engine", "run", "code_bytes", "ms", "wall_ms", "cpu_ms", "rss_kb"])
    compilers = [e for e in chosen if e.name != "native"]
    best, peak = {}, {}
    for name in options.modules:
        code = code_size(module_path(name))
        for run in range(options.repeat):
            for engine in compilers:
                compile_once(engine, name, code, run, options, raw, best, peak)
    rows = [[name, code_size(module_path(name)) / 1e6]
            + [rate(best.get((name, e.name)), name) for e in compilers] for name in options.modules]
    everyone = [m for m in options.modules if all((m, e.name) in best for e in compilers)]
    for title, names in (("geometric mean", options.modules), ("  of what all compiled", everyone)):
        rows.append([title, ""] + [
            geomean(rate(best[m, e.name], m) for m in names)
            if all((m, e.name) in best for m in names) else None for e in compilers])
    table("compile, one thread: MB of code section a second (best run)",
          ["module", "code MB"] + [e.name for e in compilers], rows)
    table("compile: peak memory of the process, MB",
          ["module", "wasm MB"] + [e.name for e in compilers],
          [[name, os.path.getsize(module_path(name)) / 1e6]
           + [scaled(peak.get((name, e.name)), 1 / 1024) for e in compilers]
           for name in options.modules])
    for engine in compilers:
        compare_speed("imago", engine.name, best, options.modules)


def compare_speed(ours, theirs, best, modules):
    """One line: how many times as fast, on the modules that both compiled."""
    both = [m for m in modules if (m, ours) in best and (m, theirs) in best]
    if ours != theirs and both:
        times = geomean(best[m, theirs] / best[m, ours] for m in both)
        print(f"  compile speed, {ours} / {theirs}, geometric mean of {len(both)}: {number(times)}")


def compile_once(engine, name, code, run, options, raw, best, peak):
    key = (name, engine.name)
    if is_too_slow(engine, code, options) or (run > 0 and key not in best):
        return
    if run > 0 and best[key] > 5000:
        return  # long enough to be steady
    try:
        ms, sample = engine.compile_sample(module_path(name))
    except Failure as reason:
        note_failure(engine, name, reason)
        return
    raw.row(name, engine.name, run, code, ms, sample.wall_ms, sample.cpu_ms, sample.rss_kb)
    best[key] = min(ms, best.get(key, ms))
    peak[key] = min(sample.rss_kb, peak.get(key, sample.rss_kb))


def rate(ms, name):
    return code_size(module_path(name)) / 1e3 / ms if ms else None


def scaled(value, factor):
    return value * factor if value is not None else None


# --- run ----------------------------------------------------------------------------------------

def run_part(chosen, options):
    """Kernels: ratio to native of the least and of the median run."""
    raw = Csv(os.path.join(OUT, "run.csv"), ["kernel", "engine", "run", "ms", "ms_at_repeat_0"])
    runners = [e for e in chosen if e.name != "wazero" or options.all]
    times = {}
    for name in options.kernels:
        module = os.path.join(OUT, name + ".wasm")
        able = [e for e in runners if prepare(e, module, name)]
        for run in range(options.repeat):
            for engine in able:
                kernel_once(engine, module, name, run, raw, times)
    for title, pick in (("least", min), ("median", median)):
        rows = [[name, pick(times[name, "native"])] + [
            ratio(times, name, e.name, pick) for e in runners if e.name != "native"]
            for name in options.kernels if (name, "native") in times]
        means = ["geometric mean", ""]
        for i in range(2, len(runners) + 1):
            column = [row[i] for row in rows if row[i] is not None]
            means.append(geomean(column))
        table(f"run time of kernels, ratio to native ({title} of {options.repeat})",
              ["kernel", "native ms"] + [e.name for e in runners if e.name != "native"],
              rows + [means])


def prepare(engine, module, name):
    try:
        engine.compiled(module)
        return True
    except Failure as reason:
        note_failure(engine, name, reason)
        return False


def kernel_once(engine, module, name, run, raw, times):
    if run > 0 and (name, engine.name) not in times:
        return
    try:
        base, _ = engine.run_sample(module, ["0"])
        ms, sample = engine.run_sample(module, [])
    except Failure as reason:
        note_failure(engine, name, reason)
        return
    wanted = measure([os.path.join(OUT, name + ".native")]).out if run == 0 else sample.out
    if sample.out != wanted:
        note_failure(engine, name, f"wrong checksum {sample.out!r}, native {wanted!r}")
        return
    raw.row(name, engine.name, run, ms, base)
    times.setdefault((name, engine.name), []).append(max(ms - base, 0.001))


def ratio(times, name, engine, pick):
    if (name, engine) not in times:
        return None
    return pick(times[name, engine]) / pick(times[name, "native"])


# --- start --------------------------------------------------------------------------------------

def start_part(chosen, options):
    """Hello world, from process start to exit."""
    raw = Csv(os.path.join(OUT, "start.csv"), ["engine", "run", "wall_ms", "cpu_ms", "rss_kb"])
    module = os.path.join(OUT, "hello.wasm")
    able = [e for e in chosen if prepare(e, module, "hello")]
    samples = {e.name: [] for e in able}
    for run in range(options.repeat * 8):
        for engine in able:
            try:
                _, sample = engine.run_sample(module, [])
            except Failure as reason:
                if run == 0:
                    note_failure(engine, "hello", reason)
                continue
            samples[engine.name].append(sample)
            raw.row(engine.name, run, sample.wall_ms, sample.cpu_ms, sample.rss_kb)
    rows = [[name, min(s.wall_ms for s in each), median([s.wall_ms for s in each]),
             min(s.rss_kb for s in each) / 1024] for name, each in samples.items() if each]
    table("start to exit of hello world", ["engine", "least ms", "median ms", "peak MB"], rows)


# --- size ---------------------------------------------------------------------------------------

def size_part(chosen, options):
    """Bytes for a byte of code section and of wasm, and what they are for."""
    raw = Csv(os.path.join(OUT, "size.csv"),
              ["module", "engine", "wasm_bytes", "code_bytes", *GROUPS, "rest", "file"])
    writers = [e for e in chosen if e.suffix and e.name != "native"]
    rows, shares, quotients = [], [], []
    for name in options.modules:
        module, code = module_path(name), code_size(module_path(name))
        row, text = [name], {}
        for engine in writers:
            if is_too_slow(engine, code, options) or not prepare(engine, module, name):
                row += [None, None]
                continue
            sizes = group_sizes(engine.artifact(module))
            text[engine.name] = sizes["text"] + sizes["padding"]
            row += [text[engine.name] / code, sizes["file"] / os.path.getsize(module)]
            parts = [sizes[group] for group in (*GROUPS, "rest")]
            percent = [100 * part / sizes["file"] for part in parts]
            shares.append([f"{name} {engine.name}", *percent])
            raw.row(name, engine.name, os.path.getsize(module), code, *parts, sizes["file"])
        if "imago" in text and text.get("winch"):
            quotients.append(text["imago"] / text["winch"])
        rows.append(row)
    columns = ["module"]
    for engine in writers:
        columns += [f"{engine.name} text/code", "file/wasm"]
    table("size of generated code", columns, rows)
    if quotients:
        print(f"  text, imago / winch, geometric mean: {number(geomean(quotients))}")
    table("what the files consist of, %", ["module", *GROUPS, "rest"], shares)


PARTS = {"compile": compile_part, "validate": validate_part, "run": run_part, "start": start_part,
         "size": size_part, "embed": embed_part, "many": many_part}


def split_option(parser, text, allowed, what):
    names = text.split(",") if text else list(allowed)
    for name in names:
        if name not in allowed:
            parser.error(f"no such {what}: {name} (there are {', '.join(allowed)})")
    return names


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="parts, with commas between")
    parser.add_argument("--kernels")
    parser.add_argument("--modules")
    parser.add_argument("--engines")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--all", action="store_true", help="slow compilers on big modules too")
    options = parser.parse_args()
    options.parts = split_option(parser, options.only, PARTS, "part")
    options.kernels = split_option(parser, options.kernels, kernel_names(), "kernel")
    options.modules = split_option(parser, options.modules, MODULES, "module")
    options.engines = split_option(parser, options.engines, peers.all_engines(), "engine")
    return options


def fetch(options):
    """Gets what is missing; what cannot be had drops out with a note."""
    subprocess.run([os.path.join(HERE, "fetch.sh"), "peers"], check=False)
    if {"compile", "validate", "size", "embed", "many"} & set(options.parts):
        subprocess.run([os.path.join(HERE, "fetch.sh"), *options.modules], check=False)
        options.modules = [m for m in options.modules if os.path.exists(module_path(m))]
    if {"validate", "run", "start", "embed", "many"} & set(options.parts):
        done = subprocess.run([os.path.join(HERE, "build.sh")], check=False)
        if done.returncode != 0:
            note("no kernels: parts run and start left out")
            options.parts = [p for p in options.parts if p not in ("run", "start")]


def main():
    options = parse_options()
    os.makedirs(OUT, exist_ok=True)
    build_launcher(OUT)
    fetch(options)
    chosen = []
    print(f"machine: {processor()}, {platform.release()}, load {os.getloadavg()[0]:.2f}")
    for name in options.engines:
        engine = peers.all_engines()[name]
        if engine.is_there():
            chosen.append(engine)
            print(f"{name:10} {engine.version()}")
        else:
            note(f"{name} left out: no {engine.program}")
    if "run" in options.parts and "native" not in [e.name for e in chosen]:
        chosen.insert(0, peers.all_engines()["native"])
    pin(options.core)
    for part in options.parts:
        PARTS[part](chosen, options)
    print(f"\nraw results: {OUT}/*.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
