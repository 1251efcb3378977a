"""The engines that bench/run.py measures: how each compiles, runs, and says its version.

Every engine is asked for the same: compile with one thread, to a file where it
has files; run a WASI program from that file. An engine that is absent is left
out with a note, and so is the project's own while build/imago does not exist.
"""
import json
import os
import subprocess

from measure import measure, why_failed

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CACHE = os.environ.get("IMAGO_CACHE", os.path.join(ROOT, ".cache"))
PEERS = os.path.join(CACHE, "peers")
OUT = os.environ.get("IMAGO_BENCH_OUT", os.path.join(ROOT, "build", "bench"))

# (module ...) with one function that does nothing: what start-up is subtracted by.
TRIVIAL = bytes.fromhex("0061736d01000000" "01040160 0000" "0302 0100".replace(" ", "")
                        + "07 0a 01 06 5f7374617274 00 00".replace(" ", "")
                        + "0a 04 01 02 00 0b".replace(" ", ""))


class Failure(Exception):
    """This engine cannot do this module: a cell of the table, not the end of the run."""


def checked(command):
    sample = measure(command)
    if sample.status != 0:
        raise Failure(why_failed(sample))
    return sample


def trivial_module():
    path = os.path.join(OUT, "trivial.wasm")
    if not os.path.exists(path):
        with open(path, "wb") as f:
            f.write(TRIVIAL)
    return path


class Engine:
    """suffix: of the compiled file, None = the engine takes the module itself.
    code_limit: bytes of code section beyond which it is not asked to compile (too slow)."""
    suffix = None
    code_limit = None

    def __init__(self, name, program):
        self.name, self.program = name, program
        self.floor = None

    def is_there(self):
        return os.access(self.program, os.X_OK)

    def version(self):
        done = subprocess.run([self.program, "--version"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return done.stdout.decode(errors="replace").strip().splitlines()[0]

    def artifact(self, module):
        if self.suffix is None:
            return module
        return os.path.join(OUT, os.path.basename(module)[:-5] + self.suffix)

    def compile_command(self, module):
        raise NotImplementedError

    def compiled(self, module):
        """The artifact, made if older than the module or the engine."""
        path = self.artifact(module)
        if self.suffix and not (os.path.exists(path) and all(
                os.path.getmtime(path) > os.path.getmtime(p) for p in (module, self.program))):
            checked(self.compile_command(module))
        return path

    def compile_sample(self, module):
        """(ms, sample): CPU time of a compiling process less that of a trivial module's."""
        if self.floor is None:
            trivial = trivial_module()
            self.floor = min(checked(self.compile_command(trivial)).cpu_ms for _ in range(5))
        sample = checked(self.compile_command(module))
        return max(sample.cpu_ms - self.floor, 0.001), sample

    def run_command(self, module, args):
        raise NotImplementedError

    def run_sample(self, module, args):
        """(ms, sample) of a run: CPU time of the process, or of _start where the engine says it."""
        sample = checked(self.run_command(module, args))
        return sample.cpu_ms, sample


class Imago(Engine):
    suffix = ".imago.so"

    def compile_command(self, module):
        return [self.program, "compile", "--compiler", "baseline", "-j", "1", module, "-o",
                self.artifact(module)]

    def run_command(self, module, args):
        return [self.program, "run", self.artifact(module), *args]


class Wasmtime(Engine):
    def __init__(self, name, program, compiler, code_limit=None):
        super().__init__(name, program)
        self.flags = ["-C", f"compiler={compiler}"]
        self.suffix = f".{compiler}.cwasm"
        self.code_limit = code_limit

    def compile_command(self, module):
        return [self.program, "compile", *self.flags, "-C", "parallel-compilation=n", module, "-o",
                self.artifact(module)]

    def run_command(self, module, args):
        return [self.program, "run", "--allow-precompiled", *self.flags, self.artifact(module),
                *args]


class V8(Engine):
    """Has its own clock: around `new WebAssembly.Module` and around _start."""

    def __init__(self, name, program, flags, code_limit=None):
        super().__init__(name, program)
        self.flags = ["--no-wasm-lazy-compilation", "--no-warnings", "--single-threaded", *flags]
        self.code_limit = code_limit

    def version(self):
        says = "process.version + ', V8 ' + process.versions.v8"
        done = subprocess.run([self.program, "-p", says], stdout=subprocess.PIPE, check=False)
        return "node " + done.stdout.decode().strip()

    def compile_sample(self, module):
        sample = checked([self.program, *self.flags, os.path.join(HERE, "v8_compile.js"), module])
        said = json.loads(sample.out)
        return min(said["wall_ms"], said["cpu_ms"]), sample

    def run_command(self, module, args):
        return [self.program, *self.flags, os.path.join(HERE, "v8_run.js"), module, *args]

    def run_sample(self, module, args):
        sample = checked(self.run_command(module, args))
        return float(sample.err.split()[-1]), sample


class Wazero(Engine):
    code_limit = 3_000_000

    def version(self):
        done = subprocess.run([self.program, "version"], stdout=subprocess.PIPE, check=False)
        return "wazero " + done.stdout.decode().strip()

    def compile_command(self, module):
        return [self.program, "compile", module]

    def run_command(self, module, args):
        return [self.program, "run", module, *args]


class Native(Engine):
    """The same program, compiled for this machine by the same clang: what 1.00 is."""
    suffix = ".native"

    def is_there(self):
        return True

    def version(self):
        return "clang -O2, x86-64 baseline"

    def compiled(self, module):
        return self.artifact(module)

    def run_command(self, module, args):
        return [self.artifact(module), *args]


def newest_node():
    fetched = os.path.join(PEERS, "node")
    if os.access(fetched, os.X_OK):
        return fetched
    return next((os.path.join(d, "node") for d in os.environ.get("PATH", "").split(":")
                 if os.access(os.path.join(d, "node"), os.X_OK)), fetched)


def all_engines():
    imago = os.environ.get("IMAGO", os.path.join(ROOT, "build", "imago"))
    wasmtime = os.path.join(PEERS, "wasmtime")
    node = newest_node()
    return {
        "native": Native("native", "native"),
        "imago": Imago("imago", imago),
        "liftoff": V8("liftoff", node, ["--liftoff-only"]),
        "winch": Wasmtime("winch", wasmtime, "winch"),
        "cranelift": Wasmtime("cranelift", wasmtime, "cranelift", code_limit=3_000_000),
        "turbofan": V8("turbofan", node, ["--no-liftoff"], code_limit=3_000_000),
        "wazero": Wazero("wazero", os.path.join(PEERS, "wazero")),
    }
