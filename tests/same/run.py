#!/usr/bin/env python3
"""The same module gives the same image: for any number of threads, in any directory, run by run,
and whether it came as text or as binary.

Modules: the examples, one generated here with enough functions for many threads, and whatever real
modules bench/fetch.sh has put into .cache/modules.
"""
import glob
import hashlib
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGO = os.path.abspath(os.environ.get("IMAGO", os.path.join(ROOT, "build/imago")))
THREADS = [1, 2, 3, 8]


def generated_module(functions):
    """Functions of different sizes that call each other, with jump tables, traps and constants."""
    lines = ["(module (memory 1) (table 8 funcref) (elem (i32.const 0) func 0 1 2 3)",
             "(type $t (func (param i32) (result i32)))"]
    for i in range(functions):
        body = "".join(f"(local.set 1 (i32.add (local.get 1) (i32.load offset={4 * j + i} "
                       f"(local.get 0))))" for j in range(i * 7 % 23))
        lines.append(
            f"(func $f{i} (type $t) (local i32 f64) {body}"
            f"(block (block (block (br_table 0 1 2 1 (local.get 0))) (return (i32.const {i})))"
            f"(local.set 2 (f64.const {i}.25)))"
            f"(if (i32.gt_u (local.get 0) (i32.const {i}))"
            f" (then (return (call $f{(i * 31 + 7) % functions}"
            f" (i32.div_s (local.get 1) (local.get 0))))))"
            f"(call_indirect (type $t) (i32.trunc_f64_s (local.get 2)) (local.get 0)))")
    lines.append('(export "f" (func $f0)))')
    return "\n".join(lines)


def compile_module(source, out, threads, cwd=None):
    subprocess.run([IMAGO, "compile", source, "-o", out, "-j", str(threads)], cwd=cwd, check=True,
                   stdin=subprocess.DEVNULL)
    with open(os.path.join(cwd or ".", out), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def differences(source, folder):
    """What made the image of a module differ, by name; empty if nothing did."""
    first = compile_module(source, os.path.join(folder, "first.img"), 1)
    found = []
    for threads in THREADS:
        if compile_module(source, os.path.join(folder, "again.img"), threads) != first:
            found.append(f"-j {threads}")
    other = os.path.join(folder, "another directory")
    os.makedirs(other, exist_ok=True)
    if compile_module(source, "image", 2, cwd=other) != first:
        found.append("directory")
    if source.endswith(".wat"):
        binary = os.path.join(folder, "binary.wasm")
        subprocess.run([IMAGO, "wat2wasm", source, "-o", binary], check=True)
        if compile_module(binary, os.path.join(folder, "again.img"), 2) != first:
            found.append("binary for text")
    return found


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "generated.wat")
        with open(made, "w", encoding="ascii") as file:
            file.write(generated_module(700))
        sources = [made] + sorted(glob.glob(os.path.join(ROOT, "examples/*.wat")))
        sources += sorted(glob.glob(os.path.join(ROOT, ".cache/modules/*.wasm")))
        for source in sources:
            found = differences(source, folder)
            if found:
                failed += 1
                print(f"{source}: another image by {', '.join(found)}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
