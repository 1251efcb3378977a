"""Part `embed` of bench/run.py: what embedders wait for, measured in their process.

embed_bench (built by bench/build.sh) runs once a figure, engine and round, so that rounds
interleave. A figure is the median of the samples of a round, the best round of all. Wasmtime is the
C library that bench/fetch.sh pins (50), not the command that the other parts run.
"""
import os
import re
import shutil
import subprocess
import sys

import engines as peers
from engines import HERE, OUT, ROOT
from measure import Csv, measure, number, table, why_failed

sys.path.insert(0, os.path.join(ROOT, "tests", "real"))
from stubs import code_bytes  # noqa: E402

PROGRAM = os.path.join(OUT, "embed_bench")
MODULES = ["hello", "quickjs", "sqlite", "swc", "ruby"]
LIMIT = 3_000_000  # bytes of wasm beyond which Cranelift is not asked, unless --all
# bench/run.py's names of engines, and embed_bench's.
SUBJECTS = {"imago": "imago:", "cranelift": "wasmtime:cranelift", "winch": "wasmtime:winch"}
LIBRARY = os.path.join(peers.PEERS, "libwasmtime.so")


def module_path(name):
    if name in ("hello", "calls"):
        return os.path.join(OUT, name + ".wasm")
    return os.path.join(peers.CACHE, "modules", name + ".wasm")


def embed_modules(options):
    return [m for m in MODULES if os.path.exists(module_path(m))
            and (m == "hello" or m in options.modules)]


def embed_bench(subject, *args):
    """What it printed, as {what: (unit, median, least)}; None and a note if it failed."""
    sample = measure([PROGRAM, subject, *args])
    if sample.status != 0:
        print(f"note: {subject} {' '.join(args[:1])}: {why_failed(sample)}")
        return None
    rows = [line.split(",") for line in sample.out.decode().splitlines()]
    return {what: (unit, float(median), float(least)) for what, unit, median, least in rows}


def make_calls_module():
    text = os.path.join(OUT, "calls.wat")
    with open(text, "wb") as f:
        f.write(measure([PROGRAM, "text"]).out)
    imago = peers.all_engines()["imago"].program
    subprocess.run([imago, "wat2wasm", text, "-o", module_path("calls")], check=True)


def artifact(engine, name, options):
    """The compiled file, made if older than the module or the program; None if it cannot be had."""
    module = module_path(name)
    path = os.path.join(OUT, f"{name}.embed.{engine}")
    if engine == "cranelift" and os.path.getsize(module) > LIMIT and not options.all:
        return None
    if not (os.path.exists(path) and all(os.path.getmtime(path) > os.path.getmtime(p)
                                         for p in (module, PROGRAM))):
        if embed_bench(SUBJECTS[engine], "compile", module, path) is None:
            return None
    return path


def calls_per_load(subject, path):
    """System calls of one load and unload: what 100 loads more than 10 cost, as strace counts."""
    if shutil.which("strace") is None:
        return None
    totals = []
    for count in ("10", "110"):
        report = os.path.join(OUT, "embed.strace")
        subprocess.run(["strace", "-f", "-c", "-o", report, PROGRAM, subject, "count", path, count],
                       stdout=subprocess.DEVNULL, check=True)
        with open(report, encoding="utf-8") as f:
            found = re.search(r"\s(\d+)\s+(?:\d+\s+)?total", f.read())
        totals.append(int(found.group(1)))
    return (totals[1] - totals[0]) / 100


class Figures:
    """The best median of each (module, engine, what), and every one of them in a file."""

    def __init__(self, file):
        self.best = {}
        self.raw = Csv(os.path.join(OUT, file),
                       ["module", "engine", "what", "unit", "round", "median", "least"])

    def note(self, module, engine, turn, found):
        for what, (unit, median, least) in (found or {}).items():
            self.raw.row(module, engine, what, unit, turn, median, least)
            key = (module, engine, what)
            self.best[key] = min(median, self.best.get(key, median))

    def get(self, module, engine, what):
        return self.best.get((module, engine, what))

    def print(self, title, what, modules, columns, base):
        """Figures, then ratios of `base` to each other column."""
        rows = []
        for name in modules:
            found = [self.get(name, c, what) for c in columns]
            own = self.get(name, base, what)
            rows.append([name, *found] + [other / own if own and other else None
                                          for c, other in zip(columns, found) if c != base])
        table(title, ["module", *columns] + [f"{c}/{base}" for c in columns if c != base], rows)


def measure_module(name, paths, options, figures):
    for turn in range(options.repeat):
        if "imago" in paths:
            figures.note(name, "floor", turn, embed_bench("floor", "load", paths["imago"]))
        for engine, path in paths.items():
            for part in ("load", "instantiate"):
                figures.note(name, engine, turn, embed_bench(SUBJECTS[engine], part, path))
    for engine, path in paths.items():
        calls = calls_per_load(SUBJECTS[engine], path)
        if calls is not None:
            figures.note(name, engine, 0, {"system-calls": ("count", calls, calls)})


def measure_calls(chosen, options, figures):
    make_calls_module()
    for turn in range(options.repeat):
        for engine in chosen:
            path = artifact(engine, "calls", options)
            if path is not None:
                figures.note("calls", engine, turn, embed_bench(SUBJECTS[engine], "calls", path))


def print_calls(chosen, figures):
    """Each engine has an interface that checks arguments and one that trusts the caller."""
    rows = []
    for what in ("host-to-wasm", "wasm-to-host"):
        for suffix in ("", "-unchecked"):
            found = [figures.get("calls", e, what + suffix) for e in chosen]
            own = figures.get("calls", "imago", what + suffix)
            rows.append([what + suffix, *found] + [
                f / own if own and f else None for e, f in zip(chosen, found) if e != "imago"])
    table("calls between host and guest, (i32) -> (i32), ns",
          ["direction", *chosen] + [f"{e}/imago" for e in chosen if e != "imago"], rows)


def subjects_of(chosen, part):
    """Names of the engines that can be measured."""
    if not os.access(PROGRAM, os.X_OK):
        print(f"note: no embed_bench (bench/build.sh says why): part {part} left out")
        return []
    os.environ["EMBED_LIBWASMTIME"] = LIBRARY
    names = [e.name for e in chosen if e.name in SUBJECTS]
    if not os.path.exists(LIBRARY):
        print(f"note: no libwasmtime.so: part {part} without Wasmtime")
        names = [n for n in names if n == "imago"]
    return names


def validate_part(chosen, options):
    """MB of code section decoded and validated in a second, the bytes being in memory."""
    raw = Csv(os.path.join(OUT, "validate.csv"), ["module", "engine", "run", "code_bytes", "us"])
    names = [n for n in subjects_of(chosen, "validate") if n != "winch"]  # as Cranelift
    rows = []
    for module in options.modules:
        with open(module_path(module), "rb") as f:
            code = code_bytes(f.read())
        best = {}
        for run in range(options.repeat):
            for engine in names:
                found = embed_bench(SUBJECTS[engine], "validate", module_path(module))
                if found is not None:
                    least = found["validate"][2]
                    raw.row(module, engine, run, code, least)
                    best[engine] = min(least, best.get(engine, least))
        rows.append([module, code / 1e6, *(code / best[n] if n in best else None for n in names)])
    table("validate, one thread: MB of code section a second (best run)",
          ["module", "code MB", *("wasmtime" if n == "cranelift" else n for n in names)], rows)


def embed_part(chosen, options):
    """Load and instantiate in microseconds, calls in nanoseconds, beside Wasmtime's C library."""
    names = subjects_of(chosen, "embed")
    if not names:
        return
    figures = Figures("embed.csv")
    modules = embed_modules(options)
    for name in modules:
        paths = {engine: artifact(engine, name, options) for engine in names}
        measure_module(name, {e: p for e, p in paths.items() if p}, options, figures)
    measure_calls(names, options, figures)
    figures.print("load and unload, us (floor: open, mmap, mprotect, munmap, close)", "load",
                  modules, ["floor", *names], "imago")
    for name in modules:
        own, floor = figures.get(name, "imago", "load"), figures.get(name, "floor", "load")
        if own and floor:
            print(f"  load, imago / floor, {name}: {number(own / floor)}")
    for what, title in (("system-calls", "system calls of a load and unload"),
                        ("allocations", "allocations of a load and unload"),
                        ("instantiate", "new store with one instance, and its end, us"),
                        ("instantiate-same-store", "one of 64 instances of a store, us")):
        figures.print(title, what, modules, names, "imago")
    print_calls(names, figures)
