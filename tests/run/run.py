#!/usr/bin/env python3
"""Runs the programs of this folder under `imago run` and compares what they do.

    tests/run/run.py [--imago PATH] [--wasmtime PATH] [NAME...]

A program is NAME.c, compiled with clang for wasm32-wasi, or NAME.wat. Its first lines say how it is
run, one directive a line, `//! key: value` or `;;! key: value`; texts take C escapes:

    args: WORDS          arguments, split as a shell does
    env: NAME=VALUE      may be repeated
    stdin: TEXT          standard input; empty if absent
    dir: GUEST [ro]      an empty folder that the guest finds as GUEST
    file: GUEST/PATH TEXT     a file in it
    link: GUEST/PATH TARGET   a symbolic link in it; {host} is the folder that holds all folders
    fifo: GUEST/PATH
    outside: NAME TEXT   a file beside the folders, which the guest must not reach or change
    exit: N              expected status, 0 if absent
    stdout: TEXT         expected output, all of it; else what NAME.out holds, if it exists
    stdout-sha256: HEX   the same for long output
    stderr-has: TEXT     what standard error must contain
    after: GUEST/PATH TEXT    what a file must hold at the end
    cflags: WORDS        for clang, behind -O1
    seconds: N           at most, 20 if absent

Prints a line for each failure and at the end "N passed, N failed, N skipped". A program is
skipped if clang or the WASI C library is missing. The command is $IMAGO, or build/imago. With
--wasmtime the programs run under that engine instead, to check the expectations themselves; those
that use a read-only folder are skipped.
"""
import argparse
import glob
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DIRECTIVE = re.compile(r"^(?://!|;;!) ?([a-z-]+): ?(.*)$")
REPEATED = {"env", "dir", "file", "link", "fifo", "outside", "stderr-has", "after"}
SINGLE = {"args", "stdin", "exit", "stdout", "stdout-sha256", "cflags", "seconds"}
CLANGS = ["clang-19", "clang"]


class Skip(Exception):
    """The program cannot be run here."""


class Failed(Exception):
    """The program did something else than it should."""


def text_of(value):
    return value.encode().decode("unicode_escape").encode("latin-1")


def directives_of(path):
    found = {key: [] for key in REPEATED}
    with open(path, encoding="utf-8") as source:
        for line in source:
            match = DIRECTIVE.match(line.rstrip("\n"))
            if match is None:
                break
            key, value = match.groups()
            if key in REPEATED:
                found[key].append(value)
            elif key in SINGLE:
                found[key] = value
            else:
                raise Failed(f"no such directive: {key}")
    return found


def clang():
    """The first compiler that can link a program for WASI, or None. Looked for once."""
    if not hasattr(clang, "found"):
        clang.found = None
        for name in CLANGS:
            if shutil.which(name) is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                source = os.path.join(folder, "x.c")
                with open(source, "w", encoding="utf-8") as out:
                    out.write("#include <stdio.h>\nint main(void) { return puts(\"\"); }\n")
                command = [name, "--target=wasm32-wasi", source, "-o", source + ".wasm"]
                if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                    clang.found = name
                    break
    return clang.found


def compile_c(source, target, flags=()):
    """Compiles for wasm32-wasi. Raises Skip without a compiler, Failed if it refuses."""
    compiler = clang()
    if compiler is None:
        raise Skip("needs clang with lld and wasi-libc for wasm32-wasi")
    done = subprocess.run([compiler, "--target=wasm32-wasi", "-O1", "-Wall", *flags, source,
                           "-o", target], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"does not compile: {done.stderr.strip()[:1000]}")


class Imago:
    def __init__(self, path):
        self.path = path

    def command(self, program, dirs, envs, args):
        command = [self.path, "run"]
        for host, guest, is_read_only in dirs:
            command += ["--dir", f"{host}::{guest}" + (":ro" if is_read_only else "")]
        for env in envs:
            command += ["--env", env]
        return command + [program] + args


class Wasmtime:
    def __init__(self, path):
        self.path = path

    def command(self, program, dirs, envs, args):
        command = [self.path, "run"]
        for host, guest, is_read_only in dirs:
            if is_read_only:
                raise Skip("this engine has no read-only folders")
            command += ["--dir", f"{host}::{guest}"]
        for env in envs:
            command += ["--env", env]
        return command + [program] + args


class World:
    """The folders of one run, as the directives ask."""

    def __init__(self, host, directives):
        self.host, self.dirs, self.outside = host, [], {}
        for value in directives["dir"]:
            guest, *flags = value.split()
            path = os.path.join(host, f"dir{len(self.dirs)}")
            os.mkdir(path)
            self.dirs.append((path, guest, "ro" in flags))
        for value in directives["file"]:
            name, _, text = value.partition(" ")
            self.write(self.path(name), text_of(text))
        for value in directives["link"]:
            name, target = value.split(" ", 1)
            self.parents(self.path(name))
            os.symlink(target.replace("{host}", host), self.path(name))
        for value in directives["fifo"]:
            self.parents(self.path(value))
            os.mkfifo(self.path(value))
        for value in directives["outside"]:
            name, _, text = value.partition(" ")
            self.outside[name] = text_of(text)
            self.write(os.path.join(host, name), text_of(text))

    @staticmethod
    def parents(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)

    def write(self, path, data):
        self.parents(path)
        with open(path, "wb") as out:
            out.write(data)

    def path(self, name):
        """Host path of a guest's path: below the folder whose name is the longest match."""
        best = None
        for host, guest, _ in self.dirs:
            prefix = guest.rstrip("/") + "/"
            if name.startswith(prefix) and (best is None or len(prefix) > len(best[1])):
                best = (host, prefix)
        if best is None:
            raise Failed(f"no folder of this program holds {name}")
        return os.path.join(best[0], name[len(best[1]):])

    def check(self, directives):
        for name, data in self.outside.items():
            with open(os.path.join(self.host, name), "rb") as source:
                if source.read() != data:
                    raise Failed(f"{name}, outside of all folders, was changed")
        known = set(self.outside) | {os.path.basename(host) for host, _, _ in self.dirs}
        strange = set(os.listdir(self.host)) - known - {"program.wasm", "program.wat"}
        if strange:
            raise Failed(f"made outside of all folders: {sorted(strange)}")
        for value in directives["after"]:
            name, _, text = value.partition(" ")
            with open(self.path(name), "rb") as source:
                compare(name, source.read(), text_of(text))


def compare(what, got, wanted):
    if got != wanted:
        at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
                  min(len(got), len(wanted)))
        start = max(0, at - 20)
        raise Failed(f"{what} differs at {at} (sizes {len(got)}, {len(wanted)}): got "
                     f"{got[start:at + 60]!r}, wanted {wanted[start:at + 60]!r}")


def expected_output(path, directives):
    if "stdout" in directives:
        return text_of(directives["stdout"])
    beside = os.path.splitext(path)[0] + ".out"
    if os.path.exists(beside):
        with open(beside, "rb") as source:
            return source.read()
    return None


def prepare(path, host, directives):
    if path.endswith(".wat"):
        program = os.path.join(host, "program.wat")
        shutil.copyfile(path, program)
        return program
    program = os.path.join(host, "program.wasm")
    compile_c(path, program, shlex.split(directives.get("cflags", "")))
    return program


def run_one(engine, path, host):
    directives = directives_of(path)
    program = prepare(path, host, directives)
    world = World(host, directives)
    command = engine.command(program, world.dirs, directives["env"],
                             shlex.split(directives.get("args", "")))
    seconds = int(directives.get("seconds", "20"))
    try:
        done = subprocess.run(command, input=text_of(directives.get("stdin", "")), cwd=host,
                              capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"still running after {seconds} s") from late
    wanted = int(directives.get("exit", "0"))
    if done.returncode != wanted:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise Failed(f"exit status {done.returncode}, wanted {wanted}: {said[-600:]}")
    output = expected_output(path, directives)
    if output is not None:
        compare("standard output", done.stdout, output)
    digest = hashlib.sha256(done.stdout).hexdigest()
    if directives.get("stdout-sha256", digest) != digest:
        raise Failed(f"standard output, {len(done.stdout)} bytes, has SHA-256 {digest}")
    for value in directives["stderr-has"]:
        if text_of(value) not in done.stderr:
            raise Failed(f"standard error lacks {value!r}: {done.stderr[-600:]!r}")
    world.check(directives)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imago", default=os.environ.get("IMAGO", f"{ROOT}/build/imago"))
    parser.add_argument("--wasmtime", help="run under this engine instead")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    engine = Wasmtime(options.wasmtime) if options.wasmtime else Imago(options.imago)
    paths = sorted(glob.glob(f"{HERE}/*.c") + glob.glob(f"{HERE}/*.wat"))
    passed = failed = skipped = 0
    for path in paths:
        name = os.path.basename(path)
        if options.names and os.path.splitext(name)[0] not in options.names:
            continue
        with tempfile.TemporaryDirectory(prefix="imago-run-") as host:
            try:
                if not os.access(engine.path, os.X_OK):
                    raise Skip(f"no {engine.path}")
                run_one(engine, path, os.path.realpath(host))
                passed += 1
            except Skip as reason:
                print(f"skipped: {name}: {reason}")
                skipped += 1
            except (Failed, OSError) as reason:
                print(f"FAIL {name}: {reason}")
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
