"""Part `many` of bench/run.py: thousands of files loaded in one process, one file in several.

embed_bench does it, beside Wasmtime's C library. The files of the first are copies of one: each is
opened, mapped and kept by itself.
"""
import os
import shutil

from embed import SUBJECTS, Figures, artifact, embed_bench, embed_modules, subjects_of
from engines import OUT
from measure import table

FILES = 10000
PROCESSES = 4


def measure_loads(engine, path, options, figures):
    """Rounds with the same copies, which are gone afterwards."""
    folder = os.path.join(OUT, "many")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        for i in range(FILES):
            shutil.copyfile(path, os.path.join(folder, str(i)))
        for turn in range(options.repeat):
            found = embed_bench(SUBJECTS[engine], "many", folder, str(FILES))
            figures.note("hello", engine, turn, found)
    finally:
        shutil.rmtree(folder)


def print_loads(names, figures):
    whats = (("first-loads", "first 500 loads, us each"), ("last-loads", "last 500, us each"),
             ("memory-of-one", "resident memory of each, KiB"))
    rows = []
    for what, title in whats:
        found = [figures.get("hello", n, what) for n in names]
        own = figures.get("hello", "imago", what)
        rows.append([title, *found] + [f / own if own and f else None
                                       for n, f in zip(names, found) if n != "imago"])
    table(f"{FILES:,} copies of hello, all loaded in one process",
          ["", *names] + [f"{n}/imago" for n in names if n != "imago"], rows)


def print_shares(modules, names, figures):
    """Proportional: a page that four processes have counts as a quarter."""
    rows = [[f"{module} {name}"] + [figures.get(module, name, what)
                                    for what in ("resident", "proportional", "own")]
            for module in modules for name in names if figures.get(module, name, "resident")]
    table(f"one file, loaded, instantiated and read in {PROCESSES} processes, KiB in each",
          ["module", "resident", "proportional", "own"], rows)


def many_part(chosen, options):
    """What is mapped costs no more the more there is, and is in memory once."""
    names = subjects_of(chosen, "many")
    if not names:
        return
    figures = Figures("many.csv")
    modules = embed_modules(options)
    for name in names:
        measure_loads(name, artifact(name, "hello", options), options, figures)
    for module in modules:
        for name in names:
            path = artifact(name, module, options)
            if path is not None:
                found = embed_bench(SUBJECTS[name], "share", path, str(PROCESSES))
                figures.note(module, name, 0, found)
    print_loads(names, figures)
    print_shares(modules, names, figures)
