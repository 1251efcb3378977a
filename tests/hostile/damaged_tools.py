#!/usr/bin/env python3
"""imago objdump, inspect and verify on damaged images: an answer or one line, never a signal.

The flips lie in what describes the code rather than in the code. Prints "N passed, N failed, N
skipped". The command is $IMAGO, or build/imago.
"""
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGO = os.environ.get("IMAGO", os.path.join(ROOT, "build", "imago"))
ROUNDS = 25  # damaged_tools_slow.py: thousands
SECONDS = 60
DAMAGED = 65

MODULE = """(module $m (import "env" "f" (func $f (param i32) (result i32))) (memory 1 2)
 (table 4 funcref) (elem (i32.const 0) $g $g) (elem func $f) (global (mut f64) (f64.const 1))
 (data (i32.const 16) "data") (data "passive")
 (func $g (export "g") (param i32) (result i32) (call $f (i32.load (local.get 0))))
 (func (export "h") (param i32) (result i32)
   (call_indirect (param i32) (result i32) (local.get 0) (local.get 0))))"""


def places(image):
    """Where flips mean something: not in the code, nor in the padding between pages."""
    start = image.index(b"\x55\x48\x89\xe5", 4096)  # push rbp; mov rbp, rsp
    return [at for at in range(len(image))
            if not start <= at < start + 4096 and image[max(at - 8, 0):at + 8].strip(b"\0\xcc")]


def damage(image, where, rng):
    """One to four bits flipped, or the end cut off."""
    if rng.random() < 0.1:
        return image[:rng.randrange(len(image))]
    damaged = bytearray(image)
    for _ in range(rng.choice((1, 1, 1, 4))):
        damaged[rng.choice(where)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def problem(command, path):
    """None, or what is wrong with how the command ended."""
    try:
        done = subprocess.run([IMAGO] + command + [path], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"still running after {SECONDS} s"
    err = done.stderr.decode(errors="replace")
    said = [line for line in err.splitlines() if "note: built without" not in line]
    if done.returncode not in (0, DAMAGED):
        return f"exit status {done.returncode}: {err[-2000:]}"
    if (done.returncode == DAMAGED) != (len(said) == 1):
        return f"exit status {done.returncode}, but said {said}"
    return None


def main(rounds):
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.image")
        with open(path + ".wat", "w", encoding="ascii") as file:
            file.write(MODULE)
        subprocess.run([IMAGO, "compile", path + ".wat", "-o", path], check=True)
        with open(path, "rb") as file:
            image = file.read()
        where = places(image)
        rng = random.Random(1)
        for i in range(rounds):
            with open(path, "wb") as file:
                file.write(damage(image, where, rng))
            for command in (["objdump"], ["inspect", "--all"], ["verify"]):
                wrong = problem(command, path)
                passed += wrong is None
                failed += wrong is not None
                if wrong is not None:
                    print(f"failed: {command[0]}, image {i}: {wrong}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(ROUNDS))
