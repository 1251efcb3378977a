#!/usr/bin/env python3
"""Images for Windows: their form, their unwind information (unwind.py), and, where Wine and
mingw-w64 are, one that runs instruction by instruction (steps.c). On Linux they are shown but not
run.

WINDOWS_MODULES: more modules to compile and check, a list of files.
"""
import glob
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import unwind

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
IMAGO = os.environ.get("IMAGO", os.path.join(ROOT, "build", "imago"))
TARGET = ("--target", "x86_64-windows")
HEADER_AT = 544  # StoredHeader
ARGUMENT, RESULT, STEPS_AT_LEAST = 5, 173, 10000
LOCALS = 4300  # their frame is larger than what the guard catches
FLIPS = 40


class Counts:
    passed = failed = skipped = 0

    def expect(self, is_right, *text):
        self.passed += is_right
        self.failed += not is_right
        if not is_right:
            print("FAILED:", *text)

    def skip(self, text):
        self.skipped += 1
        print("skipped:", text)


def tool(name):
    return shutil.which(name + "-19") or shutil.which(name)


def imago(*args):
    done = subprocess.run([IMAGO, *args], check=False, capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def wide_function():
    fills = "".join(f"(local.set {i + 1} (i32.add (local.get 0) (i32.const {i})))"
                    for i in range(LOCALS))
    uses = "".join(f"(i32.xor (local.get {i + 1}))" for i in range(LOCALS))
    return f"(local {'i32 ' * LOCALS}) {fills} (call $leaf (local.get 9)) {uses}"


def compile_image(counts, module, out, *settings):
    status, _, text = imago("compile", module, "-o", out, *TARGET, *settings)
    counts.expect(status == 0, module, text)
    return status == 0


def check_sections(counts, image):
    """A file that can be mapped as it lies."""
    text = unwind.run(tool("llvm-readobj"), "--sections", "--file-headers", image)
    fields = ("Name: (\\S+) ", "VirtualSize: (\\S+)", "VirtualAddress: (\\S+)",
              "RawDataSize: (\\d+)", "PointerToRawData: (\\S+)",
              "Characteristics.*?\\[ \\((\\S+)\\)")
    sections = re.findall(".*?".join(fields), text.split("Sections [")[1], re.S)
    names = [row[0] for row in sections]
    counts.expect(names == [".rdata", ".text", ".pdata", ".xdata"], image, names)
    end = 4096
    for name, memory, address, raw, at, flags in sections:
        place, is_code = int(address, 16), name == ".text"
        counts.expect(int(at, 16) == place == end and int(memory, 16) <= int(raw), image, name)
        counts.expect(int(flags, 16) == (0x60000020 if is_code else 0x40000040), image, name, flags)
        end = place + int(raw)
    counts.expect(end == os.path.getsize(image) == int(re.search(r"SizeOfImage: (\d+)", text)[1]),
                  image, "its size")
    table = [int(re.search(rf"ExceptionTable{what}: (\S+)", text)[1], 16)
             for what in ("RVA", "Size")]
    counts.expect(table == [int(sections[2][2], 16), int(sections[2][1], 16)], image, table)


def check_image(counts, image):
    """Returns the image's entries."""
    check_sections(counts, image)
    functions = unwind.read_functions(image, tool("llvm-readobj"), tool("llvm-objdump"))
    ends = [0] + [function.end for function in functions]
    counts.expect(all(end <= function.start for end, function in zip(ends, functions)), image,
                  "the entries are in order")
    status, shown, _ = imago("inspect", "--all", image)
    counts.expect(status == 0 and "for x86_64-windows" in shown, "inspect", image)
    counts.expect(imago("verify", image)[0] == 0, "verify", image)
    text = functions[0].start if functions else 0
    entries = {(function.start - text, function.end - function.start) for function in functions}
    listed = re.findall(r"^ +\d+ +([0-9a-f]+) +(\d+)  ", shown.split("\nfunctions: ")[1], re.M)
    missing = [row for row in listed if (int(row[0], 16), int(row[1])) not in entries]
    counts.expect(not missing, image, "functions without an entry:", missing[:5])
    places = 0
    for function in functions:
        try:
            places += unwind.check_function(function)
        except (unwind.Wrong, TypeError) as wrong:
            counts.expect(False, image, f"function at {function.start:#x}:", wrong)
    counts.expect(places > 0, image)
    return functions, places


def check_modules(counts, folder):
    modules = sorted(glob.glob(os.path.join(ROOT, "tests", "*", "*.wat")) +
                     glob.glob(os.path.join(ROOT, "examples", "*.wat")))
    modules += os.environ.get("WINDOWS_MODULES", "").split()
    image = os.path.join(folder, "image.dll")
    checked = places = 0
    for module in modules:
        if module.startswith(HERE) or imago("validate", module)[0] != 0:
            continue
        for settings in ((), ("--force-veneers", "--shuffle-funcs", "3")):
            if compile_image(counts, module, image, *settings):
                checked += 1
                places += check_image(counts, image)[1]
    print(f"{checked} images, {places} instructions")
    counts.expect(checked > 10, "modules were found")


def check_snapshot(counts, folder):
    """Data that is mapped lies where Windows can map it."""
    module, image = os.path.join(folder, "data.wat"), os.path.join(folder, "data.dll")
    with open(module, "w", encoding="ascii") as file:
        file.write('(module (memory 4) (data (i32.const 70000) "' + "x" * 70000 + '"))')
    if compile_image(counts, module, image):
        with open(image, "rb") as file:
            header = file.read()[HEADER_AT:]
        offset, size, address = struct.unpack_from("<3Q", header, 88)
        counts.expect(size != 0 and (offset | size | address) % 65536 == 0, offset, size, address)
        counts.expect(imago("verify", image)[0] == 0, "verify an image without functions")


def check_damaged(counts, image, data, at, message, flip=1):
    bad = bytearray(data)
    bad[at] ^= flip
    with open(image + ".bad", "wb") as file:
        file.write(bad)
    status, _, text = imago("verify", image + ".bad")
    counts.expect(status == 65 and message in text, "verify an image damaged at", at, status, text)
    counts.expect(imago("inspect", image + ".bad")[0] in (0, 65, 69), "inspect it")


def check_refusal(counts, image):
    status, _, text = imago("run", image)
    counts.expect(status == 69 and "the image is for x86_64-windows" in text, status, text)
    counts.expect(imago("objdump", image)[0] == 0, "objdump")
    with open(image, "rb") as file:
        data = file.read()
    found = re.search(r"ExceptionTableRVA: (\S+)",
                      unwind.run(tool("llvm-readobj"), "--file-headers", image))
    check_damaged(counts, image, data, int(found[1], 16) + 12, "unwind table")
    rng = random.Random(1)
    for _ in range(FLIPS):
        at = rng.randrange(rng.choice((1024, len(data))))
        check_damaged(counts, image, data, at, "", 1 << rng.randrange(8))


def run_steps(counts, folder, wine, compiler):
    module, image = os.path.join(folder, "steps.wat"), os.path.join(folder, "steps.dll")
    program, script = os.path.join(folder, "steps.exe"), os.path.join(folder, "steps.wast")
    with open(os.path.join(HERE, "steps.wat"), encoding="ascii") as file:
        text = file.read().replace("@WIDE@", wide_function())
    with open(module, "w", encoding="ascii") as file:
        file.write(text)
    with open(script, "w", encoding="ascii") as file:
        file.write('(module (func (export "host") (param i32) (result i32)\n'
                   '  (i32.mul (local.get 0) (i32.const 10))))\n(register "env")\n' + text +
                   f'(assert_return (invoke "run" (i32.const {ARGUMENT})) (i32.const {RESULT}))')
    status, shown, _ = imago("wast", script)
    counts.expect(status == 0, "the same on Linux:", shown)
    if not compile_image(counts, module, image):
        return
    functions, _ = check_image(counts, image)
    check_refusal(counts, image)
    if not wine or not compiler:
        counts.skip("stepping: Wine and x86_64-w64-mingw32-gcc are not here")
        return
    subprocess.run([compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(ROOT, "src"),
                    os.path.join(HERE, "steps.c"), "-o", program], check=True)
    # The last function, the entry stub, the exit stub: there is one type of both.
    run, entry, leave = (f"{function.start & 0xFFFFFFF:x}" for function in functions[-3:])
    environment = {**os.environ, "WINEPREFIX": os.path.join(folder, "prefix"), "WINEDEBUG": "-all"}
    environment.pop("DISPLAY", None)
    done = subprocess.run([wine, program, image, entry, leave, run, str(ARGUMENT)], check=False,
                          env=environment, capture_output=True, timeout=200)
    text = done.stdout.decode()
    print(text.strip().splitlines()[-1] if text else done.stderr.decode())
    found = re.search(r"result (\d+) steps (\d+) deepest (\d+) host calls (\d+) faults 0", text)
    counts.expect(done.returncode == 0 and found is not None, text)
    if found:
        result, steps, deepest, calls = map(int, found.groups())
        counts.expect(result == RESULT and calls == 3 and deepest == 8, text)
        counts.expect(steps >= STEPS_AT_LEAST, text)


def main():
    counts = Counts()
    if not tool("llvm-readobj") or not tool("llvm-objdump"):
        counts.skip("llvm-readobj or llvm-objdump is not here")
    else:
        wine = shutil.which("wine64") or shutil.which("/usr/lib/wine/wine64")
        # Wine's server may be at work a little longer than its program.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            check_modules(counts, folder)
            check_snapshot(counts, folder)
            run_steps(counts, folder, wine, shutil.which("x86_64-w64-mingw32-gcc"))
    print(f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped")
    return counts.failed != 0


sys.exit(main())
